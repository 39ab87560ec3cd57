#include "dpdk_app/porticoctl_options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const porticoctl_option_text[] = {
	[PORTICOCTL_PREFIX] = "--prefix",   [PORTICOCTL_JSON] = "--json",
	[PORTICOCTL_VERSION] = "--version", [PORTICOCTL_HELP] = "--help",
	[PORTICOCTL_FILTER] = "--filter",   [PORTICOCTL_COUNT] = "--count",
	[PORTICOCTL_SECONDS] = "--seconds", [PORTICOCTL_SNAPLEN] = "--snaplen",
	[PORTICOCTL_FORCE] = "--force",     [PORTICOCTL_STATEFUL] = "--stateful",
	[PORTICOCTL_NOTRACK] = "--notrack", [PORTICOCTL_CHAIN] = "--chain",
	[PORTICOCTL_ASCII] = "--ascii",
};
static_assert(ARRAY_COUNT(porticoctl_option_text) == PORTICOCTL_OPTION_COUNT, "each has its text");

static const uint32_t takes_value =
	PORTICOCTL_BIT(PORTICOCTL_PREFIX) | PORTICOCTL_BIT(PORTICOCTL_FILTER) |
	PORTICOCTL_BIT(PORTICOCTL_COUNT) | PORTICOCTL_BIT(PORTICOCTL_SECONDS) |
	PORTICOCTL_BIT(PORTICOCTL_SNAPLEN) | PORTICOCTL_BIT(PORTICOCTL_CHAIN);

struct arguments {
	int count;
	char **texts;
	int at; /* the one that is looked at */
};

static bool is_word(const char *text)
{
	return text[0] != '-' || text[1] == '\0' || isdigit((unsigned char)text[1]);
}

static bool add_word(struct porticoctl_options *o, const char *text)
{
	if (o->word_count == PORTICOCTL_WORDS_MAX) {
		fprintf(stderr, "porticoctl: what is \"%s\"?\n", text);
		return false;
	}
	o->words[o->word_count++] = text;
	return true;
}

/* value: what stands in the same argument, or NULL. */
static bool set_option(struct porticoctl_options *o, enum porticoctl_option option,
		       const char *value, struct arguments *a)
{
	const char *name = porticoctl_option_text[option];

	if ((takes_value & PORTICOCTL_BIT(option)) == 0) {
		if (value != NULL) {
			fprintf(stderr, "porticoctl: %s takes no value\n", name);
			return false;
		}
		o->value[option] = "";
		return true;
	}
	if (value == NULL && a->at + 1 < a->count)
		value = a->texts[++a->at];
	if (value == NULL) {
		fprintf(stderr, "porticoctl: %s: a value is wanted\n", name);
		return false;
	}
	o->value[option] = value;
	return true;
}

static bool parse_short(struct porticoctl_options *o, const char *text, struct arguments *a)
{
	if (text[1] == 'p')
		return set_option(o, PORTICOCTL_PREFIX, text[2] != '\0' ? text + 2 : NULL, a);
	if (strcmp(text, "-h") == 0)
		return set_option(o, PORTICOCTL_HELP, NULL, a);
	fprintf(stderr, "porticoctl: what is \"%s\"?\n", text);
	return false;
}

static bool parse_long(struct porticoctl_options *o, const char *text, struct arguments *a)
{
	size_t length = strcspn(text, "=");
	const char *value = text[length] == '=' ? text + length + 1 : NULL;

	for (unsigned i = 0; i < PORTICOCTL_OPTION_COUNT; i++) {
		const char *name = porticoctl_option_text[i];

		if (strlen(name) == length && strncmp(name, text, length) == 0)
			return set_option(o, (enum porticoctl_option)i, value, a);
	}
	fprintf(stderr, "porticoctl: what is \"%s\"?\n", text);
	return false;
}

bool porticoctl_options_parse(int argc, char **argv, struct porticoctl_options *out)
{
	struct arguments a = {.count = argc, .texts = argv};
	bool only_words = false;

	*out = (struct porticoctl_options){0};
	for (a.at = 1; a.at < argc; a.at++) {
		const char *text = argv[a.at];
		bool good;

		if (!only_words && strcmp(text, "--") == 0) {
			only_words = true;
			continue;
		}
		if (only_words || is_word(text))
			good = add_word(out, text);
		else if (text[1] == '-')
			good = parse_long(out, text, &a);
		else
			good = parse_short(out, text, &a);
		if (!good)
			return false;
	}
	return true;
}

bool porticoctl_options_number(const char *what, const char *value, uint64_t minimum,
			       uint64_t maximum, uint64_t *out)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (isdigit((unsigned char)value[0]) && *end == '\0' && errno == 0 && number >= minimum &&
	    number <= maximum) {
		*out = number;
		return true;
	}
	fprintf(stderr, "porticoctl: %s %s: a number from %" PRIu64 " to %" PRIu64 " is wanted\n",
		what, value, minimum, maximum);
	return false;
}
