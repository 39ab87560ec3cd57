/* The table of options as a YAML file with every key: its help, what is allowed, its unit and default.
 * It loads as it is printed: keys that are not available yet, and keys whose default is worked out from
 * others, stand in comments; the lists of maps have one example each. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "options.h"

#define INDENT 2

/* Columns before a key: two for every section around it, two more for the items of a list. */
static int indent_of(const struct option *o)
{
	int indent = 0;

	for (const char *at = o->path; *at != '\0'; at++)
		if (*at == '.' || *at == '[')
			indent += INDENT;
	return indent;
}

static bool is_commented_out(const struct option *o)
{
	if (o->only != NULL &&
	    (o->preset == NULL || options_word_idx(o->only, o->preset, strlen(o->preset)) < 0))
		return !o->required;
	return o->preset == NULL && !o->required;
}

static void print_comment(FILE *out, const struct option *o)
{
	char allowed[OPTIONS_ALLOWED_BYTES];
	bool has_unit = o->unit != NULL && o->only == NULL;
	int indent = indent_of(o);

	fprintf(out, "%*s# %s\n", indent, "", o->help);
	if (o->type == OPTION_SECTION || o->type == OPTION_SECTIONS)
		return;
	if (o->restart)
		fprintf(out, "%*s# needs a restart\n", indent, "");
	if (o->only != NULL && o->only[0] == '\0')
		fprintf(out, "%*s# not available yet\n", indent, "");
	else
		fprintf(out, "%*s# allowed: %s%s%s\n", indent, "", options_allowed(o, allowed),
			has_unit ? " " : "", has_unit ? o->unit : "");
}

static void print_option(FILE *out, const struct option *o)
{
	int indent = indent_of(o);
	const char *value = o->example != NULL ? o->example : o->preset;

	print_comment(out, o);
	switch (o->type) {
	case OPTION_SECTION:
		fprintf(out, "%*s%s:\n", indent, "", options_key(o));
		break;
	case OPTION_SECTIONS:
		fprintf(out, "%*s%s:\n%*s-\n", indent, "", options_key(o), indent + INDENT, "");
		break;
	case OPTION_WORKERS:
	case OPTION_BOOL:
	case OPTION_INTEGER:
	case OPTION_WORD:
	case OPTION_TEXT:
	case OPTION_IDENTIFIER:
	case OPTION_MAC:
	case OPTION_ADDRESS:
	case OPTION_SOURCE:
	case OPTION_INTERFACE_ADDRESS:
	case OPTION_NETWORK:
	case OPTION_ENDPOINT:
	case OPTION_PORTS:
	case OPTION_ZONE:
		fprintf(out, "%*s%s%s: %s\n", indent, "", is_commented_out(o) ? "# " : "",
			options_key(o), value);
		break;
	}
}

void config_print_defaults(FILE *out)
{
	fputs("# portico.yaml with every key. A list may be written as one scalar; an address may "
	      "carry a port:\n"
	      "# 192.0.2.1@5353. Interfaces and zones are examples, everything else is the "
	      "default.\n\n",
	      out);
	for (unsigned i = 0; i < options_count; i++) {
		print_option(out, &options[i]);
		if (i + 1 < options_count && indent_of(&options[i + 1]) == 0)
			fputc('\n', out);
	}
}
