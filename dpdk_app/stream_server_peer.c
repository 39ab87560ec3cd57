#include <string.h>

#include "dpdk_app/stream_servers_state.h"

/* A link with so many questions under way lets the next begin another: some servers answer one after the other. */
#define SPREAD 16

static uint32_t *bucket_of(struct stream_servers *s, const struct endpoint *server,
			   const struct address *local)
{
	uint8_t key[2 * ADDRESS_BYTES + sizeof(server->port)];

	memcpy(key, server->address.bytes, ADDRESS_BYTES);
	memcpy(key + ADDRESS_BYTES, local->bytes, ADDRESS_BYTES);
	memcpy(key + (size_t)2 * ADDRESS_BYTES, &server->port, sizeof(server->port));
	return &s->buckets[hash_table(&s->hash_key, (struct span){key, sizeof(key)}) %
			   STREAM_PEER_BUCKETS];
}

void stream_server_peer_init(struct stream_servers *s)
{
	for (unsigned i = 0; i < STREAM_PEER_BUCKETS; i++)
		s->buckets[i] = POOL_NONE;
}

static void forget(struct stream_servers *s, uint32_t peer_idx)
{
	struct stream_peer *p = &s->peers[peer_idx];
	uint32_t *at = bucket_of(s, &p->row.server, &p->row.local);

	while (*at != peer_idx)
		at = &s->peers[*at].next;
	*at = p->next;
	p->is_there = false;
}

/* A free place, or one whose server is not in use now. */
static uint32_t take_place(struct stream_servers *s)
{
	for (unsigned looks = 0; looks < STREAM_SERVERS_MAX; looks++) {
		const uint32_t idx = s->peer_hand++ % STREAM_SERVERS_MAX;
		const struct stream_peer *p = &s->peers[idx];

		if (!p->is_there)
			return idx;
		if (p->row.connections == 0 && p->row.under_way == 0) {
			forget(s, idx);
			return idx;
		}
	}
	return POOL_NONE;
}

uint32_t stream_server_peer_find(struct stream_servers *s, const struct endpoint *server,
				 const struct address *local)
{
	uint32_t *bucket = bucket_of(s, server, local);
	uint32_t idx;

	for (idx = *bucket; idx != POOL_NONE; idx = s->peers[idx].next) {
		const struct stream_server_row *row = &s->peers[idx].row;

		if (endpoint_equal(&row->server, server) && address_equal(&row->local, local))
			return idx;
	}
	idx = take_place(s);
	if (idx == POOL_NONE)
		return POOL_NONE;
	s->peers[idx] = (struct stream_peer){
		.is_there = true,
		.row = {.server = *server, .local = *local},
		.next = *bucket,
	};
	*bucket = idx;
	return idx;
}

uint32_t stream_server_peer_pick(struct stream_servers *s, uint32_t peer_idx, bool alone,
				 enum stream_failure *failure)
{
	const struct stream_peer *p = &s->peers[peer_idx];
	const uint32_t many = alone ? 1 : SPREAD;
	uint32_t best = POOL_NONE, opened;

	for (uint32_t i = 0; i < p->row.connections; i++) {
		const struct stream_link *l = &s->links[p->links[i]];

		if (stream_server_link_has_room(l) &&
		    (best == POOL_NONE || l->question_count < s->links[best].question_count))
			best = p->links[i];
	}
	if (best != POOL_NONE && s->links[best].question_count < many)
		return best;
	*failure = STREAM_FAILURE_LIMIT;
	if (p->row.connections == STREAM_SERVER_CONNECTIONS_MAX)
		return best;
	opened = stream_server_link_open(s, peer_idx, failure);
	return opened != POOL_NONE ? opened : best;
}
