#include "dpdk_app/stream_limits.h"

#include <stdlib.h>
#include <string.h>

#define NETWORK_BYTES_V6 8
/* A network's share, and the part of all from which on it holds. */
#define SHARE_DIVISOR 4
#define CROWDED_QUARTERS 3

bool stream_limits_init(struct stream_limits *l, uint32_t connections_max,
			const struct hash_key *key)
{
	*l = (struct stream_limits){.key = *key, .place_count = 2};
	while (l->place_count < connections_max * UINT64_C(2))
		l->place_count *= 2;
	l->entries = calloc(l->place_count, sizeof(*l->entries));
	return l->entries != NULL;
}

void stream_limits_fini(struct stream_limits *l)
{
	free(l->entries);
	l->entries = NULL;
}

void stream_limits_set(struct stream_limits *l, uint32_t open_max)
{
	CHECK(open_max >= 1 && open_max * UINT64_C(2) <= l->place_count);
	l->open_max = open_max;
}

static struct address network_of(const struct address *client)
{
	struct address network = *client;

	if (!address_is_v4(client))
		memset(network.bytes + NETWORK_BYTES_V6, 0, ADDRESS_BYTES - NETWORK_BYTES_V6);
	return network;
}

static uint32_t home_of(const struct stream_limits *l, const struct address *network)
{
	return (uint32_t)hash_address(&l->key, network->bytes, 0) & (l->place_count - 1);
}

static uint32_t after(const struct stream_limits *l, uint32_t place)
{
	return (place + 1) & (l->place_count - 1);
}

/* Where it is, or where it would be: at most half of all places are taken. */
static uint32_t place_of(const struct stream_limits *l, const struct address *network)
{
	uint32_t place = home_of(l, network);

	while (l->entries[place].count > 0 && !address_equal(&l->entries[place].network, network))
		place = after(l, place);
	return place;
}

/* The place is free now: what lies behind it for want of a better one moves up (Knuth, algorithm 6.4 R). */
static void close_gap(struct stream_limits *l, uint32_t gap)
{
	const uint32_t mask = l->place_count - 1;

	for (uint32_t place = after(l, gap); l->entries[place].count > 0; place = after(l, place)) {
		uint32_t home = home_of(l, &l->entries[place].network);

		if (((place - home) & mask) < ((place - gap) & mask))
			continue;
		l->entries[gap] = l->entries[place];
		l->entries[place].count = 0;
		gap = place;
	}
}

enum stream_limits_result stream_limits_open(struct stream_limits *l, const struct address *client)
{
	const struct address network = network_of(client);
	const bool crowded =
		l->open_count * UINT64_C(4) >= l->open_max * (uint64_t)CROWDED_QUARTERS;
	const uint32_t share = l->open_max / SHARE_DIVISOR > 0 ? l->open_max / SHARE_DIVISOR : 1;
	struct stream_limits_entry *entry = &l->entries[place_of(l, &network)];

	if (crowded && entry->count >= share)
		return STREAM_LIMITS_SHARE;
	if (l->open_count >= l->open_max)
		return STREAM_LIMITS_FULL;
	entry->network = network;
	entry->count++;
	l->open_count++;
	return STREAM_LIMITS_OK;
}

void stream_limits_add(struct stream_limits *l, const struct address *client)
{
	const struct address network = network_of(client);
	struct stream_limits_entry *entry = &l->entries[place_of(l, &network)];

	CHECK(l->open_count * UINT64_C(2) < l->place_count);
	entry->network = network;
	entry->count++;
	l->open_count++;
}

void stream_limits_close(struct stream_limits *l, const struct address *client)
{
	const struct address network = network_of(client);
	const uint32_t place = place_of(l, &network);

	CHECK(l->entries[place].count > 0 && l->open_count > 0);
	l->open_count--;
	if (--l->entries[place].count == 0)
		close_gap(l, place);
}

uint32_t stream_limits_count(const struct stream_limits *l, const struct address *client)
{
	const struct address network = network_of(client);

	return l->entries[place_of(l, &network)].count;
}
