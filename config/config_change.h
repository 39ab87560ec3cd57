/* What differs between the configuration that runs and the next one, key by key, and what of that cannot change while
 * Portico runs: which that is, the table of options says (options.c: restart).
 *
 * Values are compared as they were understood, defaults filled in: an address written in another way is the same. Zones are
 * told apart by their names, so that moving one in the file changes nothing; interfaces by their order.
 *
 * Memory: changes borrow from both configurations. Threads: any; both are immutable. Tests: test_config_change.c.
 */
#ifndef PORTICO_CONFIG_CHANGE_H
#define PORTICO_CONFIG_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "core/check.h"
#include "options.h"

/* A key of a file and its value. */
struct config_key {
	const struct option *option;
	char *group;           /* "", "interfaces[0]", "forward[corp.example]" */
	unsigned line, column; /* of the value; of its group, if it has its default */
	size_t value_bytes;
	uint8_t *value; /* equal values have equal bytes */
};

struct config_change {
	const struct option *
		option; /* of the key; of the list, where a whole zone or interface has come or gone */
	const char *group;
	bool needs_restart;
	unsigned line, column; /* in the next file; 0: it is not there any more */
};

/* In the order of their paths. Returns how many there are; `most` of them at most are written. */
unsigned config_changes(const struct config *running, const struct config *next,
			struct config_change changes[], unsigned most);

#define CONFIG_CHANGE_PATH_BYTES (NAME_TEXT_BYTES_MAX + 64) /* kind, brackets, key */
/* "forward[corp.example].to". */
const char *config_change_path(const struct config_change *change,
			       char out[CONFIG_CHANGE_PATH_BYTES]);

/* ---- outgoing addresses ---- */

enum config_align {
	CONFIG_ALIGN_OK,
	CONFIG_ALIGN_FULL, /* what reloads have taken out still holds the places */
};
/* Put next's outgoing addresses in the places that they have in the running configuration, new ones in free places, and mark
 * those that are gone as retired: an index means the same in both. is_free: of a place that is retired in the running one
 * already, may another have it now? */
MUST_USE enum config_align config_align_outgoing(const struct config *running, struct config *next,
						 const bool is_free[OUTGOING_SLOTS_MAX]);

#endif
