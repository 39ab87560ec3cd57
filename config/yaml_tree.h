/* YAML text as a tree of nodes that know their place.
 *
 * Only what a configuration needs: one document of maps, lists and scalars. Anchors, aliases and tags
 * are refused, so that a tree is never larger than its text; size, depth and nodes are bounded.
 * Duplicate keys are kept: the reader knows which keys there are.
 *
 * Memory: nodes and text are in the scratch. Threads: one.
 */
#ifndef PORTICO_YAML_TREE_H
#define PORTICO_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/check.h"
#include "problems.h"
#include "scratch.h"

#define YAML_TREE_BYTES_MAX (1u << 20)
#define YAML_TREE_DEPTH_MAX 16
#define YAML_TREE_NODES_MAX 100000

enum yaml_kind {
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP,
	YAML_BROKEN, /* has been reported; stands where something was */
};

struct yaml_node {
	enum yaml_kind kind;
	bool quoted; /* a scalar in quotes or a block scalar: text whatever it looks like */
	struct place place;
	const char *text; /* of a scalar, NUL-terminated; may hold further NUL bytes */
	size_t length_bytes;
	/* Place in the container; the key is NULL in a list. */
	const char *key;
	size_t key_bytes;
	struct place key_place;
	struct yaml_node *next;
	/* Of a list or map. */
	struct yaml_node *first, *last;
	unsigned child_count;
};

/* text: untrusted. NULL: not a tree; the reason is in problems. A tree may be returned together with
 * errors (about anchors, aliases, tags). */
struct yaml_node *yaml_tree_parse(const char *text, size_t length_bytes, struct scratch *scratch,
				  struct problems *problems);

/* An empty or null scalar: a key without a value. */
bool yaml_tree_is_null(const struct yaml_node *n);

#endif
