/* What the file says, key by key: the tree of the file read by the table of options. Every value has its
 * type and its range, its default if the file has none, and its place; how values fit together is
 * checked by build_*.c.
 *
 * Memory: in the scratch. Threads: one.
 */
#ifndef PORTICO_SETTINGS_H
#define PORTICO_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "options.h"
#include "problems.h"
#include "text_value.h"
#include "yaml_tree.h"

#define SETTINGS_NOT_LISTED (-1)

/* One value, or one item of a list. */
struct item {
	struct place place;
	int idx;  /* in the list as written; SETTINGS_NOT_LISTED: a single scalar */
	int word; /* the value is this one of the option's words; -1: it is not a word */
	union {
		bool boolean;
		int64_t integer;
		const char *text; /* OPTION_TEXT, OPTION_IDENTIFIER, OPTION_ZONE: a valid name */
		struct mac mac;
		struct address address;
		struct endpoint endpoint;
		struct prefix prefix;
		struct port_range ports;
	} as;
};

struct setting {
	const struct option *option;
	struct place place;
	bool given;  /* by the file; else the items are the default's */
	bool listed; /* written as a list */
	bool broken; /* some of it was wrong, and said so: what follows from it need not be said */
	unsigned item_count;
	struct item *items;
};

/* The settings below one point of the file: the top, or one item of a list of maps. */
struct group {
	const char *path;    /* as printed: "", "interfaces[0]" */
	const char *section; /* in the table: "", "interfaces[]" */
	struct place place;
	bool broken;                /* not a map, and said so: nothing is missing from it */
	const struct option *first; /* settings[i] is of first[i] */
	unsigned setting_count;
	struct setting *settings;
};

struct group_list {
	unsigned count;
	struct group *groups;
};

struct settings {
	struct group top;
	struct group_list interfaces;
	struct group_list forwards;
	struct group_list stubs;
};

/* root NULL: everything has its default (and what is required is missing). */
void settings_read(struct settings *s, const struct yaml_node *root, struct scratch *scratch,
		   struct problems *problems);

/* The setting of a key that the table has: settings_find(zone, "health.rise"). */
const struct setting *settings_find(const struct group *g, const char *key);
/* Its only item; NULL: it was wrong, or has neither value nor default. */
const struct item *settings_item(const struct group *g, const char *key);
/* For single values that have a default; a wrong one (reported) counts as its default would. */
bool settings_bool(const struct group *g, const char *key);
int64_t settings_integer(const struct group *g, const char *key);
int settings_word(const struct group *g, const char *key);

/* Report on a setting, or on one of its items (else NULL). */
__attribute__((format(printf, 5, 6))) void settings_error(struct problems *p, const struct group *g,
							  const struct setting *setting,
							  const struct item *item,
							  const char *format, ...);
__attribute__((format(printf, 5, 6))) void settings_warning(struct problems *p,
							    const struct group *g,
							    const struct setting *setting,
							    const struct item *item,
							    const char *format, ...);

#endif
