#include "dpdk_app/porticoctl_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"

static const struct {
	const char *text;
	unsigned number;
} type_names[] = {
	{"A", 1},     {"NS", 2},     {"CNAME", 5},  {"SOA", 6},     {"PTR", 12},
	{"MX", 15},   {"TXT", 16},   {"AAAA", 28},  {"SRV", 33},    {"NAPTR", 35},
	{"DS", 43},   {"RRSIG", 46}, {"NSEC", 47},  {"DNSKEY", 48}, {"NSEC3", 50},
	{"TLSA", 52}, {"SVCB", 64},  {"HTTPS", 65}, {"CAA", 257},
};

/* Out of memory in a program that only shows things: say so and end. */
static void *or_die(void *memory)
{
	if (memory == NULL) {
		fputs("porticoctl: out of memory\n", stderr);
		exit(1);
	}
	return memory;
}

char *porticoctl_copy_scalar(struct fy_node *node)
{
	size_t length = 0;
	const char *text = fy_node_get_scalar(node, &length);

	return or_die(text == NULL ? strdup("") : strndup(text, length));
}

static const char *skip_digits(const char *p)
{
	while (isdigit((unsigned char)*p))
		p++;
	return p;
}

bool porticoctl_is_number(const char *text)
{
	const char *end = skip_digits(text);

	if (end == text)
		return false;
	if (*end == '.') {
		text = end + 1;
		end = skip_digits(text);
		if (end == text)
			return false;
	}
	if (*end == 'e') {
		text = end + 1;
		text += *text == '+' || *text == '-';
		end = skip_digits(text);
		if (end == text)
			return false;
	}
	return *end == '\0';
}

/* Is key the same as base, followed by _ and a number? */
static bool is_part_of(const char *key, const char *base)
{
	size_t length = strlen(base);

	return strncmp(key, base, length) == 0 && key[length] == '_' &&
	       porticoctl_is_number(key + length + 1);
}

static void append(struct porticoctl_field *f, char *more)
{
	size_t length = strlen(f->value) + strlen(more) + 1;

	f->value = or_die(realloc(f->value, length));
	strcat(f->value, more);
	free(more);
}

static void add_field(struct porticoctl_row *row, char *key, struct fy_node *node)
{
	struct porticoctl_field *last =
		row->field_count > 0 ? &row->fields[row->field_count - 1] : NULL;
	char *value = porticoctl_copy_scalar(node);

	if (last != NULL && is_part_of(key, last->key)) {
		append(last, value);
		free(key);
		return;
	}
	if (row->field_count == PORTICOCTL_FIELDS_MAX) {
		free(key);
		free(value);
		return;
	}
	row->fields[row->field_count++] = (struct porticoctl_field){
		.key = key,
		.value = value,
		.is_number = fy_node_get_style(node) == FYNS_PLAIN && porticoctl_is_number(value),
	};
}

void porticoctl_table_add(struct porticoctl_table *t, struct fy_node *mapping)
{
	struct porticoctl_row *row;
	struct fy_node_pair *pair;
	void *at = NULL;

	if (t->row_count == t->capacity) {
		t->capacity = t->capacity == 0 ? 64 : 2 * t->capacity;
		t->rows = or_die(reallocarray(t->rows, t->capacity, sizeof(*t->rows)));
	}
	row = &t->rows[t->row_count++];
	*row = (struct porticoctl_row){0};
	while ((pair = fy_node_mapping_iterate(mapping, &at)) != NULL)
		add_field(row, porticoctl_copy_scalar(fy_node_pair_key(pair)),
			  fy_node_pair_value(pair));
}

void porticoctl_print_json_string(const char *text)
{
	putchar('"');
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

void porticoctl_table_print_json(const struct porticoctl_table *t)
{
	putchar('[');
	for (size_t r = 0; r < t->row_count; r++) {
		const struct porticoctl_row *row = &t->rows[r];

		fputs(r == 0 ? "\n  {" : ",\n  {", stdout);
		for (unsigned f = 0; f < row->field_count; f++) {
			if (f > 0)
				fputs(", ", stdout);
			porticoctl_print_json_string(row->fields[f].key);
			fputs(": ", stdout);
			if (row->fields[f].is_number)
				fputs(row->fields[f].value, stdout);
			else
				porticoctl_print_json_string(row->fields[f].value);
		}
		putchar('}');
	}
	puts(t->row_count > 0 ? "\n]" : "]");
}

/* A query type by its mnemonic, where it has a well-known one; everything else as it is. */
static const char *shown_value(const struct porticoctl_field *f)
{
	if (strcmp(f->key, "qtype") != 0)
		return f->value;
	for (size_t i = 0; i < ARRAY_COUNT(type_names); i++) {
		if (type_names[i].number == strtoul(f->value, NULL, 10))
			return type_names[i].text;
	}
	return f->value;
}

static void measure(const struct porticoctl_table *t, int widths[PORTICOCTL_FIELDS_MAX])
{
	for (size_t r = 0; r < t->row_count; r++) {
		for (unsigned f = 0; f < t->rows[r].field_count; f++) {
			int heading = (int)strlen(t->rows[r].fields[f].key);
			int value = (int)strlen(shown_value(&t->rows[r].fields[f]));

			if (heading > widths[f])
				widths[f] = heading;
			if (value > widths[f])
				widths[f] = value;
		}
	}
}

/* What processes are called, say: a terminal would obey control characters. */
static void print_plain(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		putchar(*p < 0x20 || *p == 0x7f ? '?' : *p);
}

static void print_cell(const struct porticoctl_row *row, unsigned idx, const char *text,
		       const int widths[PORTICOCTL_FIELDS_MAX])
{
	bool last = idx + 1 == row->field_count;
	int blanks = widths[idx] - (int)strlen(text);

	if (row->fields[idx].is_number)
		printf("%*s", blanks, "");
	print_plain(text);
	if (!row->fields[idx].is_number && !last)
		printf("%*s", blanks, "");
	fputs(last ? "\n" : "  ", stdout);
}

void porticoctl_table_print(const struct porticoctl_table *t)
{
	int widths[PORTICOCTL_FIELDS_MAX] = {0};

	if (t->row_count == 0) {
		puts("(none)");
		return;
	}
	measure(t, widths);
	for (unsigned f = 0; f < t->rows[0].field_count; f++)
		print_cell(&t->rows[0], f, t->rows[0].fields[f].key, widths);
	for (size_t r = 0; r < t->row_count; r++) {
		for (unsigned f = 0; f < t->rows[r].field_count; f++)
			print_cell(&t->rows[r], f, shown_value(&t->rows[r].fields[f]), widths);
	}
}

void porticoctl_table_free(struct porticoctl_table *t)
{
	for (size_t r = 0; r < t->row_count; r++) {
		for (unsigned f = 0; f < t->rows[r].field_count; f++) {
			free(t->rows[r].fields[f].key);
			free(t->rows[r].fields[f].value);
		}
	}
	free(t->rows);
	*t = (struct porticoctl_table){0};
}
