/* What a command of Portico's telemetry gives over all its pages, and the fields of a row.
 *
 * Memory: rows and entries are borrowed, until the callback returns. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_PAGES_H
#define PORTICO_PORTICOCTL_PAGES_H

#include <libfyaml.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "dpdk_app/porticoctl_socket.h"

/* True: go on. */
typedef bool porticoctl_on_row(struct fy_node *row, void *context);
typedef bool porticoctl_on_entry(const char *key, struct fy_node *value, void *context);

/* Each row from the cursor on, until the last or until on_row has enough. False: printed why. */
MUST_USE bool porticoctl_pages_rows(const struct porticoctl_socket *s, const char *command,
				    uint32_t cursor, porticoctl_on_row *on_row, void *context);
/* One page of rows. cursor: in, where it begins, and out, where the next does. */
struct porticoctl_page {
	uint32_t cursor;
	bool more;    /* out: there is a next one, and on_row wants it */
	uint64_t set; /* out: what the page calls "set"; 0: it does not */
};
MUST_USE bool porticoctl_pages_page(const struct porticoctl_socket *s, const char *command,
				    struct porticoctl_page *page, porticoctl_on_row *on_row,
				    void *context);
/* Each entry of a flat object. */
MUST_USE bool porticoctl_pages_entries(const struct porticoctl_socket *s, const char *command,
				       porticoctl_on_entry *on_entry, void *context);

/* ---- a row's fields ---- */

/* The text of a scalar, cut to its place, "" if there is none; control characters, that a terminal would obey, are
 * question marks. Returns out. */
const char *porticoctl_field_text(struct fy_node *row, const char *key, char *out,
				  size_t out_bytes);
/* 0 if it is not there. */
uint64_t porticoctl_field_number(struct fy_node *row, const char *key);
/* A number with decimals, which comes as a string. */
double porticoctl_field_decimal(struct fy_node *row, const char *key);

#endif
