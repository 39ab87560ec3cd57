#include "engine_rig_list.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

struct rig_list *rig_list_new(size_t item_bytes)
{
	struct rig_list *l = calloc(1, sizeof(*l));

	CHECK(l != NULL);
	l->item_bytes = item_bytes;
	return l;
}

void rig_list_push(struct rig_list *l, const void *item)
{
	if (l->first + l->count == l->capacity) {
		if (l->first > 0)
			memmove(l->items, l->items + l->first * l->item_bytes,
				l->count * l->item_bytes);
		l->first = 0;
		if (l->count * 2 >= l->capacity) {
			l->capacity = l->capacity * 2 + 64;
			l->items = realloc(l->items, l->capacity * l->item_bytes);
			CHECK(l->items != NULL);
		}
	}
	memcpy(l->items + (l->first + l->count) * l->item_bytes, item, l->item_bytes);
	l->count++;
}

bool rig_list_pop(struct rig_list *l, void *out)
{
	if (l->count == 0)
		return false;
	memcpy(out, l->items + l->first * l->item_bytes, l->item_bytes);
	l->first++;
	l->count--;
	return true;
}

void rig_list_free(struct rig_list *l)
{
	free(l->items);
	free(l);
}
