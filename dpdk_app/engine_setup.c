#include "dpdk_app/engine_setup.h"

#include <inttypes.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/arena.h"
#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/log.h"

/* A question under way has one client as a rule; twice that leaves room for names that many ask at once. */
#define WAITERS_PER_UNDER_WAY 2
/* With few questions allowed under way, many clients may still ask the same one. */
#define WAITERS_MIN 4096
/* Upstream answers wait in buffers for as long as it takes to send them to their clients: a few bursts. */
#define ANSWER_BUFFERS 4096

/* ---- memory ---- */

/* Pages as they are touched: tables of worst-case size cost only what is used. NULL: none (logged). */
static void *map_lazily(const char *what, size_t size_bytes)
{
	void *memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=%s bytes=%zu error=\"%m\"",
			  what, size_bytes);
		return NULL;
	}
	/* Tables are read at random: with small pages each look-up would miss the TLB as well. Where the kernel has none to
	 * give it stays as it is. */
	(void)madvise(memory, size_bytes, MADV_HUGEPAGE);
	return memory;
}

/* Cleared memory, cache-line aligned: huge pages if EAL has them and enough of them. */
static void *take_memory(const char *what, size_t size_bytes, enum eal_pages pages, int socket_id)
{
	void *memory = NULL;

	switch (pages) {
	case EAL_PAGES_HUGE:
		memory = rte_zmalloc_socket(what, size_bytes, ARENA_ALIGN_BYTES, socket_id);
		if (memory == NULL)
			log_write(CONFIG_LOG_WARNING, "memory",
				  "huge pages are too few, ordinary pages are used for=%s "
				  "bytes=%zu remedy=\"raise dpdk.memory_mb\"",
				  what, size_bytes);
		break;
	case EAL_PAGES_ORDINARY:
		break;
	}
	if (memory == NULL)
		memory = map_lazily(what, size_bytes);
	return memory;
}

/* ---- the snapshot ---- */

/* The prefixes that queries leave from there. */
static void fill_source_prefixes(struct frame_interface *to, const struct config *config,
				 unsigned interface_idx)
{
	static_assert(ARRAY_COUNT(to->source_prefixes) >= OUTGOING_MAX, "all may be on one");
	for (unsigned i = 0; i < config->outgoing_count; i++) {
		const struct config_outgoing *from = &config->outgoing[i];

		if (from->interface_idx == interface_idx && from->prefix_bits < ADDRESS_BITS)
			to->source_prefixes[to->source_prefix_count++] =
				(struct prefix){from->address, from->prefix_bits};
	}
}

static void fill_interfaces(struct engine_config *out, const struct config *config,
			    const struct port_table *ports, const struct xdp_table *xdp)
{
	out->interface_count = (uint8_t)config->interface_count;
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *from = &config->interfaces[i];
		struct frame_interface *to = &out->interfaces[i];

		to->mac = ports->ports[i].mac;
		to->vlan = from->vlan;
		to->mtu_bytes = from->mtu_bytes;
		to->address_count = from->address_count;
		memcpy(to->addresses, from->addresses,
		       from->address_count * sizeof(from->addresses[0]));
		to->link_local = frame_link_local(&to->mac);
		to->kernel_shares = xdp_is_shared(xdp, i);
		fill_source_prefixes(to, config, i);
		for (unsigned g = 0; g < from->gateway_count; g++)
			out->gateways[out->gateway_count++] = (struct engine_gateway){
				.address = from->gateways[g],
				.interface_idx = (uint8_t)i,
			};
	}
}

static void fill_addresses(struct engine_config *out, const struct config *config,
			   struct port_keeper *keeper)
{
	out->listen_count = (uint8_t)config->listen_count;
	for (unsigned i = 0; i < config->listen_count; i++)
		out->listen[i] = (struct engine_listen){
			.endpoint = config->listen[i].endpoint,
			.interface_idx = config->listen[i].interface_idx,
		};
	out->allow_count = (uint16_t)config->allow_count;
	memcpy(out->allow, config->allow, config->allow_count * sizeof(config->allow[0]));
	out->outgoing_count = (uint8_t)config->outgoing_count;
	for (unsigned i = 0; i < config->outgoing_count; i++)
		out->outgoing[i] = (struct engine_outgoing){
			.address = config->outgoing[i].address,
			.prefix_bits = config->outgoing[i].prefix_bits,
			.interface_idx = config->outgoing[i].interface_idx,
			.source = port_keeper_source(keeper, i),
		};
	out->source_generation = port_keeper_generation(keeper);
}

/* The index of a server, which zones share: one server, one state. The first zone that names it decides how
 * its health is watched. UINT16_MAX: the table is full. */
static uint16_t share_server(struct engine_config *out, const struct endpoint *endpoint,
			     const struct server_health *health)
{
	for (uint16_t i = 0; i < out->server_count; i++) {
		if (endpoint_equal(&out->server_endpoints[i], endpoint))
			return i;
	}
	if (out->server_count == SERVERS_MAX)
		return UINT16_MAX;
	out->server_endpoints[out->server_count] = *endpoint;
	out->server_health[out->server_count] = *health;
	return out->server_count++;
}

static bool fill_zones(struct engine_config *out, const struct config *config)
{
	const struct log_place place = {.file = config->file};

	if (config->forward_count > ZONES_MAX) {
		log_refusal(place, "forward, stub: %u zones are more than %u",
			    config->forward_count, ZONES_MAX);
		return false;
	}
	out->zone_count = (uint16_t)config->forward_count;
	for (unsigned i = 0; i < config->forward_count; i++) {
		const struct config_forward *from = &config->forwards[i];
		struct engine_zone *to = &out->zones[i];

		to->name = from->zone;
		to->policy = (uint8_t)from->policy;
		to->recursion_desired = !from->stub;
		to->timeout_ms = from->timeout_ms;
		to->tries = from->tries;
		to->server_count = from->server_count;
		for (unsigned s = 0; s < from->server_count; s++) {
			to->servers[s] = share_server(out, &from->servers[s], &from->health);
			if (to->servers[s] == UINT16_MAX) {
				log_refusal(place,
					    "forward, stub: more than %u distinct servers over all "
					    "zones",
					    SERVERS_MAX);
				return false;
			}
		}
	}
	if (config->forward_count > 0)
		out->health_name = config->forwards[0].health_name;
	else
		CHECK(name_from_text(".", &out->health_name));
	return true;
}

/* ---- keys ---- */

static bool draw_keys(struct engine_params *params, struct hash_key *words_key)
{
	struct hash_key keys[4];

	if (entropy_feed_key(keys, sizeof(keys)) != ENTROPY_FEED_OK)
		return false;
	params->question_key = keys[0];
	params->table_key = keys[1];
	params->cookie_key = keys[2];
	*words_key = keys[3];
	explicit_bzero(keys, sizeof(keys));
	return true;
}

struct engine_setup *engine_setup_make(const struct config *config, const struct port_table *ports,
				       const struct xdp_table *xdp, struct port_keeper *keeper)
{
	struct engine_setup *s = calloc(1, sizeof(*s));
	const uint32_t slot_count = config->worker_count * config->max_under_way;
	struct hash_key words_key;
	uint16_t neighbour_count;
	struct neighbour_word *neighbours;
	void *words, *servers;

	if (s == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=configuration bytes=%zu",
			  sizeof(*s));
		return NULL;
	}
	fill_interfaces(&s->snapshot, config, ports, xdp);
	fill_addresses(&s->snapshot, config, keeper);
	s->snapshot.edns_udp_size_bytes = config->edns_udp_size_bytes;
	s->snapshot.case_randomization = config->case_randomization;
	s->snapshot.late_ms = config->late_ms;
	words = map_lazily("in-flight", inflight_words_memory_bytes(slot_count));
	if (words == NULL || !fill_zones(&s->snapshot, config) ||
	    !draw_keys(&s->params, &words_key)) {
		free(s);
		return NULL;
	}
	neighbour_count = engine_neighbour_count_max(&s->snapshot);
	neighbours = map_lazily("neighbours", (neighbour_count + 1u) * sizeof(*neighbours));
	servers = map_lazily("servers", server_shared_memory_bytes(s->snapshot.server_count));
	if (neighbours == NULL || servers == NULL) {
		free(s);
		return NULL;
	}
	inflight_words_init(&s->words, words, slot_count, &words_key);
	neighbour_shared_init(&s->neighbours, neighbours, neighbour_count);
	server_shared_init(&s->servers, servers, s->snapshot.server_endpoints,
			   s->snapshot.server_health, s->snapshot.server_count);
	atomic_init(&s->current, &s->snapshot);
	s->params.config = &s->current;
	s->params.words = &s->words;
	s->params.servers = &s->servers;
	s->params.neighbours = &s->neighbours;
	s->params.under_way_max = config->max_under_way;
	s->params.waiter_count_max = config->max_under_way * WAITERS_PER_UNDER_WAY;
	if (s->params.waiter_count_max < WAITERS_MIN)
		s->params.waiter_count_max = WAITERS_MIN;
	s->params.answer_buffer_count = ANSWER_BUFFERS;
	s->params.worker_count = (uint8_t)config->worker_count;
	s->params.receiver_count = (uint8_t)port_receiver_count(ports, config->worker_count);
	s->params.entropy_block_bytes = ENTROPY_FEED_BLOCK_BYTES;
	return s;
}

struct engine *engine_setup_worker(struct engine_setup *s, uint8_t worker_idx, enum eal_pages pages,
				   int socket_id, mono_ns now)
{
	struct engine_params params = s->params;
	size_t size_bytes;
	struct engine *engine;
	void *memory;

	params.worker_idx = worker_idx;
	params.now = now;
	params.wall_s = (uint32_t)time(NULL);
	if (entropy_feed_key(&params.table_key, sizeof(params.table_key)) != ENTROPY_FEED_OK)
		return NULL;
	size_bytes = engine_memory_bytes(&params);
	memory = take_memory("engine", size_bytes, pages, socket_id);
	if (memory == NULL)
		return NULL;
	engine = engine_init(memory, &params);
	if (entropy_feed_fill(engine_entropy(engine)) != ENTROPY_FEED_OK)
		return NULL;
	log_write(CONFIG_LOG_DEBUG, "worker", "engine made worker=%u bytes=%zu", worker_idx,
		  size_bytes);
	return engine;
}
