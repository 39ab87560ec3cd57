#include "tests/sim/tree.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---- */

struct tree_name tree_name_of(const char *text)
{
	struct tree_name name = {.length_bytes = 0};
	unsigned at = 0;

	while (*text != '\0' && !(text[0] == '.' && text[1] == '\0')) {
		const char *dot = strchr(text, '.');
		size_t bytes = dot != NULL ? (size_t)(dot - text) : strlen(text);

		name.bytes[at++] = (uint8_t)bytes;
		for (size_t i = 0; i < bytes; i++)
			name.bytes[at++] = (uint8_t)tolower((unsigned char)text[i]);
		text += bytes;
		if (*text == '.' && text[1] != '\0')
			text++;
		else
			break;
	}
	name.bytes[at++] = 0;
	name.length_bytes = (uint8_t)at;
	return name;
}

void tree_name_print(const struct tree_name *name, char *text)
{
	unsigned at = 0;

	if (name->length_bytes == 1)
		*text++ = '.';
	while (name->bytes[at] != 0) {
		unsigned bytes = name->bytes[at++];

		for (unsigned i = 0; i < bytes; i++) {
			uint8_t octet = name->bytes[at++];

			if (isalnum(octet) || octet == '-' || octet == '_' || octet == '*')
				*text++ = (char)octet;
			else
				text += sprintf(text, "\\%03u", octet);
		}
		*text++ = '.';
	}
	*text = '\0';
}

bool tree_name_equal(const struct tree_name *a, const struct tree_name *b)
{
	return a->length_bytes == b->length_bytes &&
	       memcmp(a->bytes, b->bytes, a->length_bytes) == 0;
}

unsigned tree_name_labels(const struct tree_name *name)
{
	unsigned labels = 0;

	for (unsigned at = 0; name->bytes[at] != 0; at += name->bytes[at] + 1u)
		labels++;
	return labels;
}

struct tree_name tree_name_tail(const struct tree_name *name, unsigned labels)
{
	struct tree_name tail = {.length_bytes = 0};
	unsigned skip = tree_name_labels(name);
	unsigned at = 0;

	for (; skip > labels; skip--)
		at += name->bytes[at] + 1u;
	tail.length_bytes = (uint8_t)(name->length_bytes - at);
	memcpy(tail.bytes, name->bytes + at, tail.length_bytes);
	return tail;
}

bool tree_name_is_below(const struct tree_name *name, const struct tree_name *above)
{
	unsigned labels = tree_name_labels(above);
	struct tree_name tail;

	if (tree_name_labels(name) < labels)
		return false;
	tail = tree_name_tail(name, labels);
	return tree_name_equal(&tail, above);
}

bool tree_name_join(const uint8_t *head, size_t head_bytes, const struct tree_name *tail,
		    struct tree_name *out)
{
	struct tree_name joined = {.length_bytes = 0};

	if (head_bytes + tail->length_bytes > TREE_NAME_BYTES)
		return false;
	memcpy(joined.bytes, head, head_bytes);
	memcpy(joined.bytes + head_bytes, tail->bytes, tail->length_bytes);
	joined.length_bytes = (uint8_t)(head_bytes + tail->length_bytes);
	*out = joined;
	return true;
}

/* ---- what stands in the zones ---- */

const struct tree_record *tree_find(const struct tree_zone *zone, const struct tree_name *owner,
				    uint16_t type, unsigned *at)
{
	while (*at < zone->record_count) {
		const struct tree_record *record = &zone->records[(*at)++];

		if ((type == TREE_ANY || record->type == type) &&
		    tree_name_equal(&record->owner, owner))
			return record;
	}
	return NULL;
}

bool tree_has_name(const struct tree_zone *zone, const struct tree_name *name)
{
	for (unsigned i = 0; i < zone->record_count; i++)
		if (tree_name_is_below(&zone->records[i].owner, name))
			return true;
	return false;
}

bool tree_find_cut(const struct tree_zone *zone, const struct tree_name *name,
		   struct tree_name *out)
{
	unsigned all = tree_name_labels(name);

	for (unsigned labels = tree_name_labels(&zone->name) + 1; labels <= all; labels++) {
		struct tree_name at = tree_name_tail(name, labels);
		unsigned i = 0;

		if (tree_find(zone, &at, TREE_NS, &i) != NULL) {
			*out = at;
			return true;
		}
	}
	return false;
}

int tree_zone_named(const struct tree *tree, const struct tree_name *name)
{
	for (unsigned i = 0; i < tree->zone_count; i++)
		if (tree_name_equal(&tree->zones[i].name, name))
			return (int)i;
	return -1;
}

const struct tree_server *tree_server_at(const struct tree *tree,
					 const uint8_t address[TREE_ADDRESS_BYTES])
{
	for (unsigned i = 0; i < tree->server_count; i++)
		if (memcmp(tree->servers[i].address, address, TREE_ADDRESS_BYTES) == 0)
			return &tree->servers[i];
	return NULL;
}
