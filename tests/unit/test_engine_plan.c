/* Places in the tables: who keeps his, who finds it again, when it is another's. */
#include <stdlib.h>
#include <string.h>

#include "core/engine_plan.h"
#include "core/limits.h"
#include "unit.h"

#define GRACE_NS (8 * NS_PER_S)
#define START (1000 * NS_PER_S)

struct fixture {
	struct engine_plan plan;
	struct inflight_words words;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	void *memory[3];
	struct engine_config *last, *next;
	mono_ns now;
};

static void *memory_new(size_t bytes)
{
	void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);

	CHECK(memory != NULL);
	return memory;
}

static void setup(struct fixture *f)
{
	static const struct hash_key key = {1, 2};

	memset(f, 0, sizeof(*f));
	f->now = START;
	f->memory[0] = memory_new(inflight_words_memory_bytes(16));
	f->memory[1] = memory_new(server_shared_memory_bytes(SERVER_SLOTS_MAX));
	f->memory[2] = memory_new(NEIGHBOUR_SLOTS_MAX * sizeof(struct neighbour_word));
	inflight_words_init(&f->words, f->memory[0], 16, 1, &key);
	server_shared_init(&f->servers, f->memory[1], SERVER_SLOTS_MAX);
	neighbour_shared_init(&f->neighbours, f->memory[2], NEIGHBOUR_SLOTS_MAX);
	engine_plan_init(&f->plan, &f->words, &f->servers, &f->neighbours);
}

static void teardown(struct fixture *f)
{
	for (unsigned i = 0; i < 3; i++)
		free(f->memory[i]);
	free(f->last);
}

/* One interface, 198.18.0.53/24 behind 198.18.0.1, from which all is asked. */
static void begin(struct fixture *f)
{
	struct engine_config *c = calloc(1, sizeof(*c));
	const struct address own = address_from_v4((uint8_t[]){198, 18, 0, 53});

	CHECK(c != NULL);
	f->next = c;
	engine_plan_begin(&f->plan, c, f->last, f->now, GRACE_NS);
	c->interface_count = 1;
	c->interfaces[0].address_count = 1;
	c->interfaces[0].addresses[0] = (struct prefix){own, 120};
	c->gateway_count = 1;
	c->gateways[0].address = address_from_v4((uint8_t[]){198, 18, 0, 1});
	c->outgoing_count = 1;
	c->outgoing[0] = (struct engine_outgoing){.address = own, .prefix_bits = ADDRESS_BITS};
}

static struct endpoint server_of(unsigned number)
{
	return (struct endpoint){address_from_v4((uint8_t[]){203, 0, (uint8_t)(number / 250),
							     (uint8_t)(1 + number % 250)}),
				 53};
}

static uint16_t add_server(struct fixture *f, unsigned number)
{
	static const struct server_health health = {1000, 1, 3};
	struct endpoint endpoint = server_of(number);

	return engine_plan_server(&f->plan, f->next, &endpoint, &health);
}

static bool add_zone(struct fixture *f, const char *name, uint16_t server)
{
	struct engine_zone zone = {.server_count = 1, .servers = {server}, .tries = 1};

	CHECK(name_from_text(name, &zone.name));
	return engine_plan_zone(&f->plan, f->next, &zone);
}

static void end(struct fixture *f)
{
	CU_ASSERT_FATAL(engine_plan_end(&f->plan, f->next, f->last));
	free(f->last);
	f->last = f->next;
	f->now += NS_PER_S;
}

static void engine_plan__keeps_and_gives_back_places(void)
{
	static struct fixture f;

	setup(&f);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT_EQUAL(add_server(&f, 2), 1);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, "a.example", 0) && add_zone(&f, "b.example", 1));
	end(&f);
	CU_ASSERT(f.last->zones[0].generation == 0 && f.last->zones[1].generation == 0);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 3), 2);
	CU_ASSERT_EQUAL(add_server(&f, 2), 1);
	CU_ASSERT(add_zone(&f, "c.example", 2) && add_zone(&f, "b.example", 1));
	end(&f);
	CU_ASSERT(f.last->server_retired[0] && !f.last->server_retired[1]);
	CU_ASSERT_EQUAL(f.last->zones[0].server_count, 0);
	CU_ASSERT_EQUAL(f.last->zones[1].generation, 0); /* nothing has changed for it */
	CU_ASSERT_NOT_EQUAL(f.last->zones[0].generation, 0);
	/* Its old endpoint stands: replies are still known. */
	CU_ASSERT(endpoint_equal(&f.last->server_endpoints[0],
				 &(struct endpoint){server_of(1).address, 53}));
	CU_ASSERT_EQUAL(f.last->routes[0].way_count, 0);
	CU_ASSERT_EQUAL(f.last->routes[1].way_count, 1);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, "a.example", 0));
	end(&f);
	CU_ASSERT(!f.last->server_retired[0] && f.last->zones[0].server_count == 1);
	CU_ASSERT(f.last->server_count == 3 && f.last->zone_count == 3);
	teardown(&f);
}

static void engine_plan__gives_a_place_away_when_its_grace_is_over(void)
{
	static struct fixture f;

	setup(&f);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, "a.example", 0));
	end(&f);
	atomic_store(&f.servers.servers[0].habits.edns_off_until, 77);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 2), 1);
	CU_ASSERT(add_zone(&f, "b.example", 1));
	end(&f);
	f.now += GRACE_NS - 2 * NS_PER_S;
	CU_ASSERT(!engine_plan_server_is_over(&f.plan, 0));
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 3), 2);
	CU_ASSERT(add_zone(&f, "c.example", 2));
	end(&f);
	CU_ASSERT_EQUAL(f.last->zone_count, 3);
	CU_ASSERT_EQUAL(atomic_load(&f.servers.servers[0].habits.edns_off_until), 77);
	begin(&f);
	CU_ASSERT(engine_plan_server_is_over(&f.plan, 0));
	CU_ASSERT_EQUAL(add_server(&f, 4), 0);
	CU_ASSERT(add_zone(&f, "d.example", 0));
	end(&f);
	CU_ASSERT_EQUAL(f.last->zone_count, 3);
	CU_ASSERT_EQUAL(atomic_load(&f.servers.servers[0].habits.edns_off_until), 0);
	teardown(&f);
}

/* Workers begin what refers to it until they have the snapshot, however long that takes. */
static void engine_plan__counts_grace_from_when_workers_have_the_snapshot(void)
{
	const struct endpoint on_link = {address_from_v4((uint8_t[]){198, 18, 0, 9}), 53};
	static const struct server_health health = {1000, 1, 3};
	static struct fixture f;

	setup(&f);
	begin(&f);
	CU_ASSERT(
		add_zone(&f, "a.example", engine_plan_server(&f.plan, f.next, &on_link, &health)));
	CU_ASSERT(add_zone(&f, "b.example", add_server(&f, 1)));
	end(&f);
	engine_plan_on_taken(&f.plan, f.now);
	/* b's is gone first, a's with the next, which takes its time. */
	begin(&f);
	CU_ASSERT_EQUAL(engine_plan_server(&f.plan, f.next, &on_link, &health), 0);
	CU_ASSERT(add_zone(&f, "a.example", 0));
	end(&f);
	engine_plan_on_taken(&f.plan, f.now);
	f.now += NS_PER_S;
	begin(&f);
	CU_ASSERT(add_zone(&f, "c.example", add_server(&f, 2)));
	end(&f);
	f.now += GRACE_NS - 3 * NS_PER_S;
	engine_plan_on_taken(&f.plan, f.now);
	f.now += 2 * NS_PER_S;
	begin(&f);
	CU_ASSERT(engine_plan_server_is_over(&f.plan, 1) &&
		  !engine_plan_server_is_over(&f.plan, 0));
	CU_ASSERT_EQUAL(add_server(&f, 2), 2);
	CU_ASSERT_EQUAL(add_server(&f, 3), 1);
	CU_ASSERT_EQUAL(add_server(&f, 4), 3);
	CU_ASSERT(add_zone(&f, "c.example", 2) && add_zone(&f, "d.example", 1) &&
		  add_zone(&f, "e.example", 3));
	CU_ASSERT(f.next->zones[1].servers[0] == 1 && f.next->zones[3].servers[0] == 3);
	end(&f);
	/* The gateway has stayed; the neighbour on the link has its place yet. */
	CU_ASSERT(f.last->neighbour_count == 2 && f.last->neighbours[1].retired);
	engine_plan_on_taken(&f.plan, f.now);
	f.now += GRACE_NS - 2 * NS_PER_S;
	begin(&f);
	CU_ASSERT(engine_plan_server_is_over(&f.plan, 0));
	CU_ASSERT_EQUAL(add_server(&f, 5), 0);
	CU_ASSERT(add_zone(&f, "f.example", 0));
	CU_ASSERT_EQUAL(f.next->zones[0].servers[0], 0);
	end(&f);
	teardown(&f);
}

/* Its names were the zone's above: that is not what it was, and others are. */
static void engine_plan__tells_a_zone_above_a_new_one_apart(void)
{
	static struct fixture f;

	setup(&f);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, ".", 0) && add_zone(&f, "example", 0) &&
		  add_zone(&f, "b.a.example", 0));
	end(&f);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, ".", 0) && add_zone(&f, "example", 0) &&
		  add_zone(&f, "b.a.example", 0) && add_zone(&f, "a.example", 0));
	end(&f);
	CU_ASSERT_EQUAL(f.last->zones[0].generation, 0);
	CU_ASSERT_NOT_EQUAL(f.last->zones[1].generation, 0);
	CU_ASSERT_EQUAL(f.last->zones[2].generation, 0);
	/* It stays: nobody has become another. */
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, "a.example", 0) && add_zone(&f, "example", 0) &&
		  add_zone(&f, ".", 0) && add_zone(&f, "b.a.example", 0));
	end(&f);
	CU_ASSERT(f.last->zones[1].generation == 1 && f.last->zones[0].generation == 0);
	teardown(&f);
}

static void engine_plan__says_when_no_place_is_free(void)
{
	static struct fixture f;

	setup(&f);
	for (unsigned round = 0; round < 2; round++) {
		begin(&f);
		for (unsigned i = 0; i < SERVERS_MAX; i++)
			CU_ASSERT_NOT_EQUAL(add_server(&f, round * SERVERS_MAX + i), UINT16_MAX);
		CU_ASSERT(add_zone(&f, ".", 0));
		end(&f);
	}
	CU_ASSERT_EQUAL(f.last->server_count, SERVER_SLOTS_MAX);
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 2 * SERVERS_MAX), UINT16_MAX);
	/* It is thrown away, and nothing has come of it; later there is room. */
	free(f.next);
	f.now += GRACE_NS;
	begin(&f);
	CU_ASSERT(add_server(&f, 2 * SERVERS_MAX) < SERVERS_MAX);
	CU_ASSERT(add_zone(&f, ".", 0));
	end(&f);
	teardown(&f);
}

/* Refused after all was planned: metrics.listen is not to be had, say. */
static void engine_plan__keeps_places_that_a_refused_snapshot_had_taken_out(void)
{
	static struct fixture f;

	setup(&f);
	begin(&f);
	CU_ASSERT(add_zone(&f, "a.example", add_server(&f, 1)));
	CU_ASSERT(add_zone(&f, "b.example", add_server(&f, 2)));
	end(&f);
	begin(&f);
	CU_ASSERT(add_zone(&f, "b.example", add_server(&f, 2)));
	CU_ASSERT(engine_plan_end(&f.plan, f.next, f.last));
	free(f.next);
	f.now += GRACE_NS;
	begin(&f);
	CU_ASSERT_EQUAL(add_server(&f, 3), 2);
	CU_ASSERT(add_zone(&f, "c.example", 2));
	CU_ASSERT_EQUAL(f.next->zones[2].servers[0], 2);
	CU_ASSERT_EQUAL(add_server(&f, 2), 1);
	CU_ASSERT(add_zone(&f, "b.example", 1));
	end(&f);
	/* Gone since now, and not since then. */
	CU_ASSERT(f.last->server_retired[0] && !engine_plan_server_is_over(&f.plan, 0));
	CU_ASSERT(f.last->zone_count == 3 && f.last->zones[0].server_count == 0);
	teardown(&f);
}

static void engine_plan__routes_by_link_and_gateway(void)
{
	static const struct server_health health = {1000, 1, 3};
	const struct endpoint on_link = {address_from_v4((uint8_t[]){198, 18, 0, 9}), 53};
	static struct fixture f;
	uint16_t near, far;

	setup(&f);
	begin(&f);
	near = engine_plan_server(&f.plan, f.next, &on_link, &health);
	far = add_server(&f, 1);
	CU_ASSERT(add_zone(&f, ".", near));
	end(&f);
	CU_ASSERT_EQUAL(f.last->neighbour_count, 2);
	CU_ASSERT(address_equal(
		&f.last->neighbours[f.last->routes[near].ways[0].neighbour_idx].address,
		&on_link.address));
	CU_ASSERT(address_equal(
		&f.last->neighbours[f.last->routes[far].ways[0].neighbour_idx].address,
		&f.last->gateways[0].address));
	CU_ASSERT_EQUAL(f.last->routes[far].ways[0].peer_hash,
			inflight_peer_hash(&f.words, 0, &f.last->server_endpoints[far]));
	/* The gateway stays, the server on the link goes; a retired address is no way. */
	begin(&f);
	far = add_server(&f, 1);
	CU_ASSERT(add_zone(&f, ".", far));
	f.next->outgoing[1] = f.next->outgoing[0];
	f.next->outgoing[0].retired = true;
	f.next->outgoing_count = 2;
	end(&f);
	CU_ASSERT_EQUAL(f.last->neighbour_count, 2);
	CU_ASSERT(!f.last->neighbours[0].retired && f.last->neighbours[1].retired);
	CU_ASSERT_EQUAL(f.last->routes[far].way_count, 1);
	CU_ASSERT_EQUAL(f.last->routes[far].ways[0].outgoing_idx, 1);
	teardown(&f);
}

/* ---- where the kernel keeps routes ---- */

static struct address v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return address_from_v4((const uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d});
}

static struct route default_via(unsigned number, uint32_t metric)
{
	return (struct route){.prefix = {v4(0, 0, 0, 0), 96},
			      .metric = metric,
			      .gateway = v4(198, 18, 0, number)};
}

/* A snapshot with this list and one server; where it is asked: the last byte of the next hop; 0: no way leads there. */
static unsigned next_hop_by(struct fixture *f, const struct route routes[], unsigned count)
{
	const struct engine_route *route;
	uint16_t far;

	begin(f);
	f->next->interfaces[0].kernel = FRAME_KERNEL_SHARES;
	far = add_server(f, 1);
	CU_ASSERT(add_zone(f, ".", far));
	CU_ASSERT_EQUAL(engine_plan_routes(f->next, routes, count), 0);
	end(f);
	route = &f->last->routes[far];
	if (route->way_count == 0)
		return 0;
	CU_ASSERT_EQUAL(route->way_count, 1);
	return f->last->neighbours[route->ways[0].neighbour_idx].address.bytes[15];
}

static bool is_neighbour(const struct engine_config *c, struct address address)
{
	for (uint16_t i = 0; i < c->neighbour_count; i++)
		if (!c->neighbours[i].retired && address_equal(&c->neighbours[i].address, &address))
			return c->neighbours[i].is_kernels;
	return false;
}

static void engine_plan__goes_by_the_kernels_routes(void)
{
	struct route routes[3] = {default_via(2, 100), default_via(3, 200)};
	static struct fixture f;

	setup(&f);
	/* Not by the gateway of the configuration, nor by its prefixes. */
	CU_ASSERT_EQUAL(next_hop_by(&f, NULL, 0), 0);
	CU_ASSERT(!is_neighbour(f.last, f.last->gateways[0].address));
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 2), 2);
	CU_ASSERT(is_neighbour(f.last, routes[0].gateway));
	/* It is withdrawn; then a more specific one comes, known before it is used. */
	CU_ASSERT_EQUAL(next_hop_by(&f, routes + 1, 1), 3);
	CU_ASSERT(!is_neighbour(f.last, routes[0].gateway));
	routes[2] =
		(struct route){.prefix = {v4(198, 51, 100, 0), 120}, .gateway = v4(198, 18, 0, 4)};
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 3), 2);
	CU_ASSERT(is_neighbour(f.last, routes[2].gateway));
	routes[2].prefix = (struct prefix){server_of(1).address, 112};
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 3), 4);
	routes[2].interface_idx = ROUTE_NOWHERE;
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 3), 0);
	/* On the link, whatever prefix the configuration has. */
	routes[2].interface_idx = 0;
	routes[2].is_on_link = true;
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 3), server_of(1).address.bytes[15]);
	teardown(&f);
}

static void engine_plan__passes_over_interfaces_that_nothing_leaves_from(void)
{
	struct route routes[2] = {default_via(2, 100)};
	static struct fixture f;

	setup(&f);
	routes[1] = (struct route){.prefix = {server_of(1).address, 128},
				   .interface_idx = 1,
				   .gateway = v4(10, 0, 0, 1)};
	CU_ASSERT_EQUAL(next_hop_by(&f, routes, 2), 2);
	CU_ASSERT(!is_neighbour(f.last, routes[1].gateway));
	teardown(&f);
}

static void engine_plan__takes_as_many_routes_as_there_is_place_for(void)
{
	static struct route routes[ROUTES_MAX];
	static struct fixture f;
	unsigned left_out;

	for (unsigned i = 0; i < ROUTES_MAX; i++)
		routes[i] = (struct route){.prefix = {v4(10, i >> 8, i & 255, 0), 120},
					   .gateway = v4(198, 18, i >> 8, i & 255)};
	routes[0] = default_via(2, 0);
	setup(&f);
	begin(&f);
	f.next->interfaces[0].kernel = FRAME_KERNEL_TAP;
	CU_ASSERT_EQUAL(add_server(&f, 1), 0);
	CU_ASSERT(add_zone(&f, ".", 0));
	left_out = engine_plan_routes(f.next, routes, ROUTES_MAX);
	CU_ASSERT(left_out > 0 && left_out < ROUTES_MAX / 4);
	end(&f);
	CU_ASSERT_EQUAL(f.last->routes[0].way_count, 1);
	/* Not all of the next hops are asked for. */
	CU_ASSERT(f.last->neighbour_count <= ROUTE_GATEWAYS_WARM + 1);
	teardown(&f);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_plan__keeps_and_gives_back_places),
	UNIT_TEST(engine_plan__gives_a_place_away_when_its_grace_is_over),
	UNIT_TEST(engine_plan__counts_grace_from_when_workers_have_the_snapshot),
	UNIT_TEST(engine_plan__tells_a_zone_above_a_new_one_apart),
	UNIT_TEST(engine_plan__says_when_no_place_is_free),
	UNIT_TEST(engine_plan__keeps_places_that_a_refused_snapshot_had_taken_out),
	UNIT_TEST(engine_plan__routes_by_link_and_gateway),
	UNIT_TEST(engine_plan__goes_by_the_kernels_routes),
	UNIT_TEST(engine_plan__passes_over_interfaces_that_nothing_leaves_from),
	UNIT_TEST(engine_plan__takes_as_many_routes_as_there_is_place_for),
};
UNIT_SUITE(engine_plan, tests)
