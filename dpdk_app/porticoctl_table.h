/* Rows of fields, gathered over the pages of a reply, printed as an aligned table or as JSON.
 *
 * Memory: grows; freed as a whole. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_TABLE_H
#define PORTICO_PORTICOCTL_TABLE_H

#include <libfyaml.h>
#include <stdbool.h>
#include <stddef.h>

#define PORTICOCTL_FIELDS_MAX 16

struct porticoctl_field {
	char *key;
	char *value;
	bool is_number;
};

struct porticoctl_row {
	unsigned field_count;
	struct porticoctl_field fields[PORTICOCTL_FIELDS_MAX];
};

struct porticoctl_table {
	size_t row_count;
	size_t capacity;
	struct porticoctl_row *rows;
};

/* A mapping of scalars becomes a row. Parts of a long name (key, key_1, key_2 …) become one field. */
void porticoctl_table_add(struct porticoctl_table *t, struct fy_node *mapping);
/* A list of objects. */
void porticoctl_table_print_json(const struct porticoctl_table *t);
/* One line a row under a line of headings; numbers to the right. */
void porticoctl_table_print(const struct porticoctl_table *t);
void porticoctl_table_free(struct porticoctl_table *t);

/* The text of a scalar, "" if it is none; to be freed. */
char *porticoctl_copy_scalar(struct fy_node *node);

/* A JSON string with its quotes. */
void porticoctl_print_json_string(const char *text);
/* Digits, with one dot and an exponent or without: what JSON takes as a number. */
bool porticoctl_is_number(const char *text);

#endif
