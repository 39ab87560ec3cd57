/* The table of options as a JSON Schema (draft 2020-12): editors complete and check by it. It accepts
 * what the reader accepts, key by key; how values fit together it cannot say. */
#include <string.h>

#include "config.h"
#include "options.h"

#define SECTIONS_OPEN_MAX 4
#define INDENT 2

struct printer {
	FILE *out;
	/* The sections that are open, outermost first; [0] is the file. */
	const struct option *open[SECTIONS_OPEN_MAX];
	unsigned depth;
	bool comma; /* something stands before, on this level */
};

static void print_text(FILE *out, const char *text, size_t length_bytes)
{
	fputc('"', out);
	for (size_t i = 0; i < length_bytes; i++) {
		if (text[i] == '"' || text[i] == '\\')
			fputc('\\', out);
		fputc(text[i], out);
	}
	fputc('"', out);
}

static void print_words(FILE *out, const char *words)
{
	const char *at = NULL;
	size_t length_bytes = 0;
	bool first = true;

	fputs("\"enum\": [", out);
	while (options_word_next(words, &at, &length_bytes)) {
		fputs(first ? "" : ", ", out);
		print_text(out, at, length_bytes);
		first = false;
	}
	fputc(']', out);
}

static void print_text_type(FILE *out, const char *pattern)
{
	fputs("\"type\": \"string\", \"pattern\": ", out);
	print_text(out, pattern, strlen(pattern));
}

/* The keywords that one item must satisfy, its words left aside. */
static void print_type(FILE *out, const struct option *o)
{
	switch (o->type) {
	case OPTION_SECTION:
	case OPTION_SECTIONS:
		CHECK(false);
		break; /* printed as objects */
	case OPTION_BOOL:
		fputs("\"type\": \"boolean\"", out);
		break;
	case OPTION_WORKERS:
	case OPTION_INTEGER:
		fprintf(out, "\"type\": \"integer\", \"minimum\": %lld, \"maximum\": %lld",
			(long long)o->min, (long long)o->max);
		break;
	case OPTION_WORD:
		print_words(out, o->words);
		break;
	case OPTION_TEXT:
		fprintf(out, "\"type\": \"string\", \"minLength\": 1, \"maxLength\": %lld",
			(long long)o->max);
		break;
	case OPTION_IDENTIFIER:
		print_text_type(out, "^[0-9A-Za-z][0-9A-Za-z._-]*$");
		fprintf(out, ", \"maxLength\": %lld", (long long)o->max);
		break;
	case OPTION_MAC:
		print_text_type(out, "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$");
		break;
	case OPTION_ADDRESS:
		print_text_type(out, "^[0-9A-Fa-f:.]+$");
		break;
	case OPTION_SOURCE: /* an address, or a prefix of /64 to /120 */
		print_text_type(out, "^[0-9A-Fa-f:.]+(/(6[4-9]|[789][0-9]|1[01][0-9]|120))?$");
		break;
	case OPTION_INTERFACE_ADDRESS:
		print_text_type(out, "^[0-9A-Fa-f:.]+/[0-9]+$");
		break;
	case OPTION_NETWORK:
		print_text_type(out, "^[0-9A-Fa-f:.]+(/[0-9]+)?$");
		break;
	case OPTION_ENDPOINT:
		print_text_type(out, "^[0-9A-Fa-f:.]+(@[0-9]+)?$");
		break;
	case OPTION_PORTS:
		fputs("\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, {",
		      out);
		print_text_type(out, "^[0-9]+(-[0-9]+)?$");
		fputs("}]", out);
		break;
	case OPTION_ZONE:
		fputs("\"type\": [\"string\", \"integer\", \"number\"], \"minLength\": 1", out);
		break;
	}
}

/* The keywords of one item, its words included. */
static void print_item(FILE *out, const struct option *o)
{
	if (o->words == NULL || o->type == OPTION_WORD) {
		print_type(out, o);
		return;
	}
	fputs("\"anyOf\": [{", out);
	print_words(out, o->words);
	fputs("}, {", out);
	print_type(out, o);
	fputs("}]", out);
}

static void print_value(FILE *out, const struct option *o)
{
	if (o->items_max == 0) {
		print_item(out, o);
		return;
	}
	fputs("\"anyOf\": [{", out);
	print_item(out, o);
	fprintf(out, "}, {\"type\": \"array\", \"maxItems\": %u, \"items\": {", o->items_max);
	if (o->type == OPTION_WORKERS)
		fprintf(out, "\"type\": \"integer\", \"minimum\": 0, \"maximum\": %d",
			OPTIONS_CPU_IDX_MAX);
	else
		print_item(out, o);
	fputs("}}]", out);
}

/* What of an option is available: a further keyword, which must hold as well. */
static void print_availability(FILE *out, const struct option *o)
{
	if (o->only == NULL)
		return;
	fputs(", ", out);
	if (o->only[0] == '\0' && o->items_max > 0)
		fputs("\"const\": []", out);
	else if (o->only[0] == '\0')
		fputs("\"not\": {}", out);
	else if (o->type == OPTION_BOOL)
		fprintf(out, "\"const\": %s", o->only);
	else if (o->type == OPTION_WORD) { /* has its enum already */
		fputs("\"allOf\": [{", out);
		print_words(out, o->only);
		fputs("}]", out);
	} else {
		print_words(out, o->only);
	}
}

static void print_default(FILE *out, const struct option *o)
{
	const char *preset = o->preset;
	bool bare;

	/* A default that may not yet be written is none that an editor should offer. */
	if (preset == NULL ||
	    (o->only != NULL && options_word_idx(o->only, preset, strlen(preset)) < 0))
		return;
	bare = o->type == OPTION_BOOL || strcmp(preset, "[]") == 0 ||
	       (preset[0] >= '0' && preset[0] <= '9' && o->type != OPTION_PORTS);
	fputs(", \"default\": ", out);
	if (bare)
		fputs(preset, out);
	else
		print_text(out, preset, strlen(preset));
}

static void print_description(FILE *out, const struct option *o)
{
	char text[512];
	int length =
		snprintf(text, sizeof(text), "%s%s%s%s%s", o->help, o->unit != NULL ? " (" : "",
			 o->unit != NULL ? o->unit : "", o->unit != NULL ? ")" : "",
			 o->only == NULL ? "" : "; not (all of it) available yet");

	CHECK(length > 0 && (size_t)length < sizeof(text));
	fputs("\"description\": ", out);
	print_text(out, text, (size_t)length);
}

static void indent(const struct printer *p)
{
	fprintf(p->out, "%s\n%*s", p->comma ? "," : "", (int)((p->depth + 1) * INDENT), "");
}

/* The path of a section as its keys have it: "interfaces" has "interfaces[].mtu". */
static void section_of(const struct option *o, char out[64])
{
	int length = snprintf(out, 64, "%s%s", o != NULL ? o->path : "",
			      o != NULL && o->type == OPTION_SECTIONS ? "[]" : "");

	CHECK(length >= 0 && length < 64);
}

static void print_required(FILE *out, const struct option *section)
{
	char path[64];
	bool first = true;

	section_of(section, path);
	fputs("\"required\": [", out);
	for (unsigned i = 0; i < options_count; i++) {
		if (!options_is_in(&options[i], path) || !options[i].required)
			continue;
		fprintf(out, "%s\"%s\"", first ? "" : ", ", options_key(&options[i]));
		first = false;
	}
	fputs("]", out);
}

static void section_open(struct printer *p, const struct option *o)
{
	FILE *out = p->out;

	CHECK(p->depth < SECTIONS_OPEN_MAX);
	if (o != NULL) {
		indent(p);
		fprintf(out, "\"%s\": {", options_key(o));
		print_description(out, o);
		fputs(", ", out);
	}
	if (o != NULL && o->type == OPTION_SECTIONS)
		fprintf(out, "\"type\": [\"array\", \"null\"], \"maxItems\": %u, \"items\": {",
			o->items_max);
	fprintf(out, "\"type\": %s, \"additionalProperties\": false, ",
		o == NULL || o->type == OPTION_SECTIONS ? "\"object\"" : "[\"object\", \"null\"]");
	print_required(out, o);
	fputs(", \"properties\": {", out);
	p->open[p->depth++] = o;
	p->comma = false;
}

static void section_close(struct printer *p)
{
	const struct option *o = p->open[--p->depth];

	p->comma = false;
	indent(p);
	fputs(o != NULL && o->type == OPTION_SECTIONS ? "}}}" : "}}", p->out);
	p->comma = true;
}

static bool is_in_open_section(const struct printer *p, const struct option *o)
{
	char path[64];

	section_of(p->open[p->depth - 1], path);
	return options_is_in(o, path);
}

void config_print_schema(FILE *out)
{
	struct printer p = {.out = out};

	fputs("{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\", "
	      "\"title\": \"portico.yaml\", ",
	      out);
	section_open(&p, NULL);
	for (unsigned i = 0; i < options_count; i++) {
		const struct option *o = &options[i];

		while (!is_in_open_section(&p, o))
			section_close(&p);
		if (o->type == OPTION_SECTION || o->type == OPTION_SECTIONS) {
			section_open(&p, o);
			continue;
		}
		indent(&p);
		fprintf(out, "\"%s\": {", options_key(o));
		print_description(out, o);
		print_default(out, o);
		fputs(", ", out);
		print_value(out, o);
		print_availability(out, o);
		fputc('}', out);
		p.comma = true;
	}
	while (p.depth > 0)
		section_close(&p);
	fputc('\n', out);
}
