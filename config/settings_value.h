/* One scalar of the file, or of a default, as a typed value: the reader's inner part.
 *
 * Memory: texts are borrowed from the node. Threads: one.
 */
#ifndef PORTICO_SETTINGS_VALUE_H
#define PORTICO_SETTINGS_VALUE_H

#include "options.h"
#include "settings.h"
#include "yaml_tree.h"

/* False: wrong; the reason has been reported (a broken node's earlier). item->idx is the caller's. */
MUST_USE bool settings_value_read(struct problems *p, const struct group *g,
				  const struct setting *setting, const struct yaml_node *n,
				  struct item *item);

/* Does the value equal what an option that is not available yet may be set to ("off")? */
bool settings_value_is_available(const struct option *o, const struct yaml_node *n);

#endif
