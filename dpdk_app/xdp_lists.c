/* The lists that the XDP program steers by (xdp_steer.h): written while it runs, so that a packet sees a row as it was or as
 * it is, or one in between that no packet is like. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "dpdk_app/log.h"
#include "dpdk_app/xdp.h"

static_assert(XDP_STEER_LISTEN_MAX >= 2 * LISTEN_MAX,
	      "every endpoint has a place, before and after");
static_assert(XDP_STEER_OUTGOING_MAX >= OUTGOING_SLOTS_MAX, "and every address");
static_assert(XDP_STEER_PEERS_MAX >= SERVER_SLOTS_MAX, "and every server");
static_assert(sizeof(struct xdp_steer_address) == sizeof(struct address), "16 bytes each");

static const struct xdp_steer_address nobody;

static struct xdp_steer_address steer_address(const struct address *address)
{
	struct xdp_steer_address out;

	memcpy(&out, address->bytes, sizeof(out));
	return out;
}

static struct xdp_steer_address steer_mask(unsigned bits)
{
	struct address mask;

	for (unsigned i = 0; i < ADDRESS_BYTES; i++) {
		unsigned rest = bits > 8 * i ? bits - 8 * i : 0;

		mask.bytes[i] = (uint8_t)(rest >= 8 ? 0xff : 0xff00u >> rest);
	}
	return steer_address(&mask);
}

static bool same_address(const struct xdp_steer_address *a, const struct xdp_steer_address *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}

static void store_address(struct xdp_steer_address *to, const struct xdp_steer_address *from)
{
	for (unsigned i = 0; i < 2; i++)
		__atomic_store_n(&to->words[i], from->words[i], __ATOMIC_RELEASE);
}

/* Not written where nothing changes: the program's CPUs have these lines in their caches. */
static void store_byte(uint8_t *to, uint8_t wanted)
{
	if (__atomic_load_n(to, __ATOMIC_RELAXED) != wanted)
		__atomic_store_n(to, wanted, __ATOMIC_RELAXED);
}

/* ---- endpoints that we listen on ---- */

static bool is_row_of(const struct xdp_steer_listen *row, const struct config_listen *listen)
{
	struct xdp_steer_address address = steer_address(&listen->endpoint.address);

	return row->port == listen->endpoint.port && same_address(&row->address, &address);
}

static void add_listen(struct xdp_steer *s, const struct config_listen *listen)
{
	struct xdp_steer_address address = steer_address(&listen->endpoint.address);
	unsigned gap = s->listen_count;

	for (unsigned i = 0; i < s->listen_count; i++) {
		if (is_row_of(&s->listen[i], listen))
			return;
		if (s->listen[i].port == 0 && gap == s->listen_count)
			gap = i;
	}
	CHECK(gap < XDP_STEER_LISTEN_MAX); /* twice as many as a configuration has */
	store_address(&s->listen[gap].address, &address);
	/* Release: the address stands when the port makes it count. */
	__atomic_store_n(&s->listen[gap].port, listen->endpoint.port, __ATOMIC_RELEASE);
	if (gap == s->listen_count)
		__atomic_store_n(&s->listen_count, gap + 1, __ATOMIC_RELEASE);
}

static void widen_listen(struct xdp_steer *s, const struct config *next, unsigned interface_idx)
{
	for (unsigned i = 0; i < next->listen_count; i++) {
		if (next->listen[i].interface_idx == interface_idx)
			add_listen(s, &next->listen[i]);
	}
}

static void narrow_listen(struct xdp_steer *s, const struct config *next, unsigned interface_idx)
{
	for (unsigned row = 0; row < s->listen_count; row++) {
		bool is_wanted = false;

		for (unsigned i = 0; i < next->listen_count; i++)
			is_wanted = is_wanted || (next->listen[i].interface_idx == interface_idx &&
						  is_row_of(&s->listen[row], &next->listen[i]));
		if (is_wanted)
			continue;
		__atomic_store_n(&s->listen[row].port, 0, __ATOMIC_RELEASE);
		store_address(&s->listen[row].address, &nobody);
	}
}

/* ---- outgoing addresses: the row is the index ---- */

static bool is_here(const struct config_outgoing *o, unsigned interface_idx)
{
	return !o->retired && o->interface_idx == interface_idx;
}

static void widen_outgoing(struct xdp_steer *s, const struct config *next, unsigned interface_idx)
{
	const struct xdp_steer_address ones = steer_mask(ADDRESS_BITS);

	for (unsigned i = 0; i < next->outgoing_count; i++) {
		const struct config_outgoing *o = &next->outgoing[i];
		struct xdp_steer_outgoing *row = &s->outgoing[i];
		struct xdp_steer_address address = steer_address(&o->address);
		struct xdp_steer_address mask = steer_mask(o->prefix_bits);

		/* Of nobody, until it is ours. */
		if (i >= s->outgoing_count)
			store_address(&row->mask, &ones);
		if (!is_here(o, interface_idx))
			continue;
		if (!same_address(&row->address, &address) || !same_address(&row->mask, &mask)) {
			store_address(&row->mask, &ones);
			store_address(&row->address, &address);
			store_address(&row->mask, &mask);
		}
	}
	if (next->outgoing_count > s->outgoing_count)
		__atomic_store_n(&s->outgoing_count, next->outgoing_count, __ATOMIC_RELEASE);
}

static void narrow_outgoing(struct xdp_steer *s, const struct config *next, unsigned interface_idx)
{
	const struct xdp_steer_address ones = steer_mask(ADDRESS_BITS);

	for (unsigned i = 0; i < s->outgoing_count; i++) {
		struct xdp_steer_outgoing *row = &s->outgoing[i];

		if (i < next->outgoing_count && is_here(&next->outgoing[i], interface_idx))
			continue;
		if (same_address(&row->address, &nobody))
			continue;
		store_address(&row->mask, &ones);
		store_address(&row->address, &nobody);
		for (unsigned b = 0; b < XDP_STEER_PORT_BYTES; b++)
			store_byte(&row->ports[b], 0);
	}
}

void xdp_set_ports(struct xdp_table *table, unsigned outgoing_idx, unsigned interface_idx,
		   const struct port_map *ports)
{
	struct xdp_steer *steer = table->interfaces[interface_idx].steer;

	static_assert(sizeof(struct port_map) == XDP_STEER_PORT_BYTES, "a bit a port in both");
	if (steer == NULL)
		return;
	for (unsigned i = 0; i < XDP_STEER_PORT_BYTES; i++)
		store_byte(&steer->outgoing[outgoing_idx].ports[i],
			   (uint8_t)(ports->bits[i / 8] >> (8 * (i % 8))));
}

/* ---- whom we ask: the servers of the file, and those that others name, which cannot be known beforehand ---- */

static struct xdp_steer_peer steer_peer(const struct endpoint *e)
{
	return (struct xdp_steer_peer){.address = steer_address(&e->address), .port = e->port};
}

static bool is_peer(const struct endpoint peers[], unsigned peer_count,
		    const struct xdp_steer_peer *key)
{
	for (unsigned i = 0; i < peer_count; i++) {
		struct xdp_steer_peer peer = steer_peer(&peers[i]);

		if (memcmp(&peer, key, sizeof(peer)) == 0)
			return true;
	}
	return false;
}

/* All keys of the map. */
static unsigned read_peers(int peers_fd, struct xdp_steer_peer keys[XDP_STEER_PEERS_MAX])
{
	const struct xdp_steer_peer *last = NULL;
	unsigned count = 0;

	while (count < XDP_STEER_PEERS_MAX &&
	       bpf_map_get_next_key(peers_fd, last, &keys[count]) == 0)
		last = &keys[count++];
	return count;
}

/* First those that are none any more: there is room for all that may be. False: errno. */
static bool write_peers(int peers_fd, const struct endpoint peers[], unsigned peer_count)
{
	static const uint32_t value = 1;
	struct xdp_steer_peer *keys = calloc(XDP_STEER_PEERS_MAX, sizeof(*keys));
	unsigned key_count = keys != NULL ? read_peers(peers_fd, keys) : 0;
	bool ok = keys != NULL;

	for (unsigned i = 0; i < key_count; i++) {
		if (!is_peer(peers, peer_count, &keys[i]))
			(void)bpf_map_delete_elem(peers_fd, &keys[i]);
	}
	free(keys);
	for (unsigned i = 0; ok && i < peer_count; i++) {
		const struct xdp_steer_peer peer = steer_peer(&peers[i]);

		ok = bpf_map_update_elem(peers_fd, &peer, &value, BPF_ANY) == 0;
	}
	return ok;
}

static void write_asked_ports(struct xdp_steer *s, const struct endpoint peers[],
			      unsigned peer_count)
{
	struct port_map asked = {{0}};

	if (s->only_peers == 0)
		port_map_add(&asked, DNS_PORT, DNS_PORT);
	for (unsigned i = 0; i < peer_count; i++)
		port_map_add(&asked, peers[i].port, peers[i].port);
	for (unsigned i = 0; i < XDP_STEER_PORT_BYTES; i++)
		store_byte(&s->asked_ports[i], (uint8_t)(asked.bits[i / 8] >> (8 * (i % 8))));
}

/* ---- all of them ---- */

bool xdp_widen(const struct xdp_table *table, const struct config *next,
	       const struct endpoint peers[], unsigned peer_count)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		const struct xdp_interface *x = &table->interfaces[i];

		if (x->steer == NULL)
			continue;
		if (!write_peers(x->peers_fd, peers, peer_count)) {
			log_refusal((struct log_place){next->file, next->interfaces[i].line,
						       next->interfaces[i].column},
				    "interfaces[%u]: the XDP program's map of servers cannot be "
				    "written: %s",
				    i, strerror(errno));
			return false;
		}
		/* Who is asked no more may still reply: it stays so until that is over. */
		if (config_asks_any(next))
			__atomic_store_n(&x->steer->only_peers, 0, __ATOMIC_RELEASE);
		write_asked_ports(x->steer, peers, peer_count);
		widen_listen(x->steer, next, i);
		widen_outgoing(x->steer, next, i);
	}
	return true;
}

void xdp_narrow(const struct xdp_table *table, const struct config *next)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		struct xdp_steer *steer = table->interfaces[i].steer;

		if (steer == NULL)
			continue;
		narrow_listen(steer, next, i);
		narrow_outgoing(steer, next, i);
		__atomic_store_n(&steer->only_peers, !config_asks_any(next), __ATOMIC_RELEASE);
	}
}

bool xdp_widen_first(const struct xdp_table *table, const struct config *config)
{
	struct endpoint *peers = calloc(SERVERS_MAX, sizeof(*peers));
	unsigned count = 0;
	bool ok;

	for (unsigned f = 0; peers != NULL && f < config->forward_count; f++) {
		for (unsigned s = 0; s < config->forwards[f].server_count; s++) {
			const struct endpoint *server = &config->forwards[f].servers[s];
			unsigned i = 0;

			while (i < count && !endpoint_equal(&peers[i], server))
				i++;
			/* No more are in a configuration. */
			if (i == count && count < SERVERS_MAX)
				peers[count++] = *server;
		}
	}
	ok = peers != NULL && xdp_widen(table, config, peers, count);
	free(peers);
	return ok;
}
