/* What telemetry's commands have in common: being offered, and lists in replies. Telemetry 22.11 has no lists of dictionaries: a
 * row is a dictionary in an entry named by its number, beside "next", the cursor to go on from, and "more", 0 at the end.
 *
 * Memory: a row is telemetry's once it is added. Threads: any, one at a time a reply.
 */
#ifndef PORTICO_TELEMETRY_ROWS_H
#define PORTICO_TELEMETRY_ROWS_H

#include <rte_telemetry.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"

#define TELEMETRY_CURSOR_END UINT32_MAX

/* Registers a command. False: it cannot be, which is logged. */
MUST_USE bool telemetry_offer(const char *name, telemetry_cb on_command, const char *help);

/* NULL: no memory. */
struct rte_tel_data *telemetry_row_start(void);
void telemetry_row_add(struct rte_tel_data *data, unsigned idx, struct rte_tel_data *row);
void telemetry_cursor_add(struct rte_tel_data *data, uint32_t next);

#endif
