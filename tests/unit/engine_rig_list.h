/* A growing queue of equal items, for what the rig has collected. */
#ifndef PORTICO_ENGINE_RIG_LIST_H
#define PORTICO_ENGINE_RIG_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig_list {
	size_t item_bytes;
	size_t first, count, capacity;
	uint8_t *items;
};

struct rig_list *rig_list_new(size_t item_bytes);
void rig_list_push(struct rig_list *l, const void *item);
bool rig_list_pop(struct rig_list *l, void *out); /* false: empty */
void rig_list_free(struct rig_list *l);

#endif
