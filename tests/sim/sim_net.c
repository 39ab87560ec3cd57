#include "tests/sim/sim_net.h"

#include <stdlib.h>
#include <string.h>

static bool is_before(const struct sim_item *a, const struct sim_item *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void swap(struct sim_item *a, struct sim_item *b)
{
	struct sim_item kept = *a;

	*a = *b;
	*b = kept;
}

void sim_net_fini(struct sim_net *net)
{
	for (unsigned i = 0; i < net->count; i++)
		free(net->items[i].bytes);
	free(net->items);
	memset(net, 0, sizeof(*net));
}

void sim_net_put(struct sim_net *net, const struct sim_item *item)
{
	unsigned at = net->count;

	if (net->count == net->capacity) {
		net->capacity = net->capacity == 0 ? 64 : 2 * net->capacity;
		net->items = realloc(net->items, net->capacity * sizeof(*net->items));
	}
	net->items[at] = *item;
	net->items[at].order = net->puts++;
	net->items[at].bytes = malloc(item->length_bytes + 1u);
	if (item->length_bytes > 0)
		memcpy(net->items[at].bytes, item->bytes, item->length_bytes);
	net->count++;
	while (at > 0 && is_before(&net->items[at], &net->items[(at - 1) / 2])) {
		swap(&net->items[at], &net->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
}

mono_ns sim_net_next_at(const struct sim_net *net)
{
	return net->count == 0 ? MONO_NEVER : net->items[0].at;
}

struct sim_item sim_net_take(struct sim_net *net)
{
	struct sim_item first = net->items[0];
	unsigned at = 0;

	net->items[0] = net->items[--net->count];
	for (;;) {
		unsigned least = at;

		for (unsigned child = 2 * at + 1; child <= 2 * at + 2 && child < net->count;
		     child++)
			if (is_before(&net->items[child], &net->items[least]))
				least = child;
		if (least == at)
			return first;
		swap(&net->items[at], &net->items[least]);
		at = least;
	}
}
