#include "dpdk_app/engine_setup.h"

#include <inttypes.h>
#include <rte_cycles.h>
#include <rte_malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/acl.h"
#include "core/arena.h"
#include "core/name_fold_cpu.h"
#include "dpdk_app/cache_memory.h"
#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/log.h"
#include "dpdk_app/test_hooks.h"

/* A question under way has one client as a rule; twice that leaves room for names that many ask at once. */
#define WAITERS_PER_UNDER_WAY 2
/* With few questions allowed under way, many clients may still ask the same one. */
#define WAITERS_MIN 4096
/* Upstream answers wait in buffers for as long as it takes to send them to their clients: a few bursts. */
#define ANSWER_BUFFERS 4096
/* The stream thread's engine owns no question: nothing is under way there. */
#define STREAM_UNDER_WAY 64
#define STREAM_WAITERS 64
#define STREAM_ANSWER_BUFFERS 16
/* Beyond the last moment at which a reply may come. */
#define GRACE_MARGIN_MS 1000

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

/* One block: it goes as it came. */
struct snapshot {
	struct engine_config config;
	_Alignas(ARENA_ALIGN_BYTES) uint64_t acl[];
};

static struct snapshot *allocate_snapshot(void)
{
	/* Mapped, so that places that nobody has cost nothing. */
	size_t size_bytes = sizeof(struct snapshot) + acl_memory_bytes();
	void *memory =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=configuration bytes=%zu",
			  size_bytes);
		return NULL;
	}
	return memory;
}

void engine_setup_discard(struct engine_config *snapshot)
{
	static_assert(offsetof(struct snapshot, config) == 0, "they begin together");
	if (snapshot != NULL)
		munmap(snapshot, sizeof(struct snapshot) + acl_memory_bytes());
}

/* The prefixes that queries leave from there. */
static void fill_source_prefixes(struct frame_interface *to, const struct config *config,
				 unsigned interface_idx)
{
	static_assert(ARRAY_COUNT(to->source_prefixes) >= OUTGOING_MAX, "all may be on one");
	for (unsigned i = 0; i < config->outgoing_count; i++) {
		const struct config_outgoing *from = &config->outgoing[i];

		if (!from->retired && from->interface_idx == interface_idx &&
		    from->prefix_bits < ADDRESS_BITS)
			to->source_prefixes[to->source_prefix_count++] =
				(struct prefix){from->address, from->prefix_bits};
	}
}

static enum frame_kernel kernel_of(const struct xdp_table *xdp, const struct kernel_path *path,
				   unsigned interface_idx)
{
	if (xdp_is_shared(xdp, interface_idx))
		return FRAME_KERNEL_SHARES;
	return kernel_path_has(path, interface_idx) ? FRAME_KERNEL_TAP : FRAME_KERNEL_NONE;
}

static void fill_interfaces(struct engine_config *out, const struct config *config,
			    const struct port_table *ports, const struct xdp_table *xdp,
			    const struct kernel_path *path)
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
		to->kernel = kernel_of(xdp, path, i);
		fill_source_prefixes(to, config, i);
		for (unsigned g = 0; g < from->gateway_count; g++)
			out->gateways[out->gateway_count++] = (struct engine_gateway){
				.address = from->gateways[g],
				.interface_idx = (uint8_t)i,
			};
	}
}

static void fill_listen(struct engine_config *out, const struct config *config)
{
	out->listen_count = (uint8_t)config->listen_count;
	for (unsigned i = 0; i < config->listen_count; i++)
		out->listen[i] = (struct engine_listen){
			.endpoint = config->listen[i].endpoint,
			.interface_idx = config->listen[i].interface_idx,
		};
}

static void fill_allow(struct snapshot *s, const struct config *config)
{
	s->config.allow_count = (uint16_t)config->allow_count;
	memcpy(s->config.allow, config->allow, config->allow_count * sizeof(config->allow[0]));
	s->config.acl = acl_init(s->acl, config->allow, config->allow_count);
}

static void fill_outgoing(struct engine_config *out, const struct config *config,
			  struct port_keeper *keeper)
{
	out->outgoing_count = (uint8_t)config->outgoing_count;
	for (unsigned i = 0; i < config->outgoing_count; i++)
		out->outgoing[i] = (struct engine_outgoing){
			.address = config->outgoing[i].address,
			.prefix_bits = config->outgoing[i].prefix_bits,
			.interface_idx = config->outgoing[i].interface_idx,
			.retired = config->outgoing[i].retired,
			.source = port_keeper_source(keeper, i),
		};
	out->source_generation = port_keeper_generation(keeper);
}

static void fill_values(struct engine_config *out, const struct config *config,
			const struct kernel_path *path)
{
	const struct config_cache *cache = &config->cache;

	out->edns_udp_size_bytes = config->edns_udp_size_bytes;
	out->case_randomization = config->case_randomization;
	out->late_ms = config->late_ms;
	out->iterates = config->mode == CONFIG_MODE_ITERATE;
	out->root_hints = config->root_hints;
	for (unsigned i = 0; i < config->interface_count; i++)
		out->tcp_interfaces |= (uint16_t)(kernel_path_has(path, i) << i);
	out->cache = (struct engine_cache_config){
		.min_ttl_s = cache->min_ttl_s,
		.max_ttl_s = cache->max_ttl_s,
		.negative_max_ttl_s = cache->negative_max_ttl_s,
		.failure_ttl_s = cache->failure_ttl_s,
		.serve_stale = cache->serve_stale,
		.prefetch = cache->prefetch,
		.round_robin = cache->rrset_order == CONFIG_RRSET_ROUND_ROBIN,
		.max_stale_s = cache->max_stale_s,
		.client_timeout_ms = cache->client_timeout_ms,
	};
}

static bool refuse_full(const struct config *config, const char *what)
{
	log_refusal((struct log_place){.file = config->file},
		    "%s that reloads have taken out still hold their places: reload again in some "
		    "seconds",
		    what);
	return false;
}

/* One server, one state: the first zone that names it decides how its health is watched. */
static bool fill_zone(const struct engine_plan *plan, struct engine_config *out,
		      const struct config *config, const struct config_forward *from)
{
	struct engine_zone zone = {
		.name = from->zone,
		.policy = (uint8_t)from->policy,
		.transport = (uint8_t)from->transport,
		.recursion_desired = !from->stub,
		.timeout_ms = from->timeout_ms,
		.tries = from->tries,
		.server_count = from->server_count,
	};

	for (unsigned s = 0; s < from->server_count; s++) {
		zone.servers[s] = engine_plan_server(plan, out, &from->servers[s], &from->health);
		if (zone.servers[s] == UINT16_MAX)
			return refuse_full(config, "servers");
	}
	return engine_plan_zone(plan, out, &zone) || refuse_full(config, "zones");
}

static bool fill_zones(const struct engine_plan *plan, struct engine_config *out,
		       const struct config *config)
{
	for (unsigned i = 0; i < config->forward_count; i++) {
		if (!fill_zone(plan, out, config, &config->forwards[i]))
			return false;
	}
	if (config->forward_count > 0)
		out->health_name = config->forwards[0].health_name;
	else
		CHECK(name_from_text(".", &out->health_name));
	return true;
}

static bool fill_all(struct engine_setup *s, struct snapshot *out, const struct config *config,
		     mono_ns now, uint64_t grace_ns)
{
	const struct engine_config *last = atomic_load_explicit(&s->current, memory_order_relaxed);

	engine_plan_begin(&s->plan, &out->config, last, now, grace_ns);
	fill_interfaces(&out->config, config, s->ports, s->xdp, s->path);
	fill_listen(&out->config, config);
	fill_allow(out, config);
	fill_outgoing(&out->config, config, s->keeper);
	fill_values(&out->config, config, s->path);
	if (s->routes != NULL)
		kernel_routes_fill(s->routes, &out->config);
	return fill_zones(&s->plan, &out->config, config) &&
	       (engine_plan_end(&s->plan, &out->config, last) || refuse_full(config, "neighbours"));
}

uint64_t engine_setup_grace_ns(const struct config *last, const struct config *next)
{
	uint64_t late_ms = last->late_ms > next->late_ms ? last->late_ms : next->late_ms;

	return (CLIENT_DEADLINE_MS + late_ms + GRACE_MARGIN_MS) * NS_PER_MS;
}

struct engine_config *engine_setup_snapshot(struct engine_setup *s, const struct config *config,
					    mono_ns now, uint64_t grace_ns)
{
	struct snapshot *out = allocate_snapshot();

	if (out == NULL)
		return NULL;
	if (fill_all(s, out, config, now, grace_ns))
		return &out->config;
	engine_setup_discard(&out->config);
	return NULL;
}

/* The last one, to be written to no more than before. */
static struct engine_config *own(const struct engine_config *snapshot)
{
	return (struct engine_config *)(uintptr_t)snapshot;
}

struct engine_config *engine_setup_publish(struct engine_setup *s, const struct engine_config *next)
{
	const struct engine_config *last = atomic_load_explicit(&s->current, memory_order_relaxed);

	/* Release: the snapshot stands before its address does. */
	atomic_store_explicit(&s->current, next, memory_order_release);
	return own(last);
}

/* ---- keys ---- */

static bool draw_keys(struct engine_setup *s, struct hash_key *words_key)
{
	struct hash_key keys[4];

	if (entropy_feed_key(keys, sizeof(keys)) != ENTROPY_FEED_OK)
		return false;
	name_fold_key_init(&s->fold_key, &keys[0]);
	s->params.table_key = keys[1];
	s->params.cookie_key = keys[2];
	*words_key = keys[3];
	explicit_bzero(keys, sizeof(keys));
	return true;
}

static uint64_t read_cycles(void)
{
	return rte_rdtsc();
}

/* What all workers share. */
static bool make_tables(struct engine_setup *s, const struct config *config)
{
	const uint32_t slot_count = config->worker_count * config->max_under_way;
	struct hash_key words_key;
	struct neighbour_word *neighbours;
	void *words, *servers;

	words = map_lazily("in-flight", inflight_words_memory_bytes(slot_count));
	neighbours = map_lazily("neighbours", NEIGHBOUR_PLACES_MAX * sizeof(*neighbours));
	servers = map_lazily("servers", server_shared_memory_bytes(SERVER_SLOTS_MAX));
	if (words == NULL || neighbours == NULL || servers == NULL || !draw_keys(s, &words_key) ||
	    !cache_memory_make(config, &s->cache))
		return false;
	inflight_words_init(&s->words, words, slot_count, config->worker_count, &words_key);
	neighbour_shared_init(&s->neighbours, neighbours, NEIGHBOUR_PLACES_MAX);
	neighbour_demands_key(&s->neighbours.demands, &words_key);
	server_shared_init(&s->servers, servers, SERVER_SLOTS_MAX);
	engine_plan_init(&s->plan, &s->words, &s->servers, &s->neighbours);
	return true;
}

static void fill_params(struct engine_setup *s, const struct config *config)
{
	struct engine_params *p = &s->params;

	p->config = &s->current;
	p->words = &s->words;
	p->servers = &s->servers;
	p->neighbours = &s->neighbours;
	p->cache = s->cache;
	p->fold_key = &s->fold_key;
	p->fold = name_fold_cpu_best();
	p->read_cycles = read_cycles;
	p->under_way_max = config->max_under_way;
	p->waiter_count_max = config->max_under_way * WAITERS_PER_UNDER_WAY;
	if (p->waiter_count_max < WAITERS_MIN)
		p->waiter_count_max = WAITERS_MIN;
	p->answer_buffer_count = ANSWER_BUFFERS;
	p->learned_server_count = SERVERS_LEARNED_DEFAULT;
	p->worker_count = (uint8_t)config->worker_count;
	p->receiver_count = (uint8_t)port_receiver_count(s->ports, config->worker_count);
	p->entropy_block_bytes = ENTROPY_FEED_BLOCK_BYTES;
	p->clock_offset_s = test_hooks_clock_offset();
}

struct engine_setup *engine_setup_make(const struct config *config, const struct port_table *ports,
				       const struct xdp_table *xdp, const struct kernel_path *path,
				       struct port_keeper *keeper, struct kernel_routes *routes)
{
	struct engine_setup *s = aligned_alloc(ARENA_ALIGN_BYTES, sizeof(*s));
	const struct engine_config *first;

	if (s == NULL) {
		log_write(CONFIG_LOG_ERROR, "memory", "no memory for=configuration bytes=%zu",
			  sizeof(*s));
		return NULL;
	}
	memset(s, 0, sizeof(*s));
	s->ports = ports;
	s->xdp = xdp;
	s->path = path;
	s->keeper = keeper;
	s->routes = routes;
	if (!make_tables(s, config)) {
		free(s);
		return NULL;
	}
	first = engine_setup_snapshot(s, config, 0, 0);
	if (first == NULL) {
		free(s);
		return NULL;
	}
	CHECK(engine_setup_publish(s, first) == NULL);
	fill_params(s, config);
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
	if (worker_idx == params.worker_count) {
		params.under_way_max = STREAM_UNDER_WAY;
		params.waiter_count_max = STREAM_WAITERS;
		params.answer_buffer_count = STREAM_ANSWER_BUFFERS;
	}
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
