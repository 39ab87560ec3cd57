/* Longest prefixes, against a scan of the whole list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/route.h"
#include "unit.h"

static struct route_table table;
static struct route given[ROUTES_MAX];
static unsigned given_count;

static void begin(void)
{
	memset(&table, 0, sizeof(table));
	given_count = 0;
}

static void add(const struct route *route)
{
	CU_ASSERT_FATAL(route_table_add(&table, route));
	given[given_count++] = *route;
}

static struct address v4(unsigned a, unsigned b, unsigned c, unsigned d)
{
	return address_from_v4((const uint8_t[]){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d});
}

static struct address gateway(unsigned number)
{
	return v4(192, 0, 2, number);
}

static struct route via(struct address prefix, unsigned bits, unsigned number)
{
	return (struct route){.prefix = {prefix, (uint8_t)bits}, .gateway = gateway(number)};
}

/* ---- the reference ---- */

static bool is_v4(const struct prefix *p)
{
	return p->bits >= 96 && address_is_v4(&p->address);
}

static bool has(const struct route *r, const struct address *a)
{
	return is_v4(&r->prefix) == address_is_v4(a) && prefix_contains(&r->prefix, a);
}

/* Is this way one of those that a plain scan finds? */
static bool scan_takes(const struct route *way, const struct address *a)
{
	if (way->interface_idx == ROUTE_NOWHERE || !has(way, a))
		return false;
	for (unsigned i = 0; i < given_count; i++) {
		const struct route *other = &given[i];

		if (!has(other, a))
			continue;
		if (other->prefix.bits > way->prefix.bits)
			return false;
		if (other->prefix.bits == way->prefix.bits && other->metric < way->metric &&
		    (other->interface_idx == way->interface_idx ||
		     other->interface_idx == ROUTE_NOWHERE))
			return false;
	}
	return true;
}

static bool same_way(const struct route *a, const struct route *b)
{
	return a->interface_idx == b->interface_idx && a->metric == b->metric &&
	       a->is_on_link == b->is_on_link && address_equal(&a->gateway, &b->gateway);
}

static bool found_has(struct route_ways ways, const struct route *way)
{
	for (unsigned i = 0; i < ways.count; i++)
		if (same_way(&ways.routes[i], way))
			return true;
	return false;
}

static bool same_as_scan(const struct address *a)
{
	const struct route_ways ways = route_find(&table, a);

	for (unsigned i = 0; i < ways.count; i++)
		if (!scan_takes(&ways.routes[i], a))
			return false;
	for (unsigned i = 0; i < given_count; i++)
		if (scan_takes(&given[i], a) && !found_has(ways, &given[i]))
			return false;
	return true;
}

static void check(const struct address *a)
{
	bool same = same_as_scan(a);

	if (!same) {
		for (unsigned i = 0; i < ADDRESS_BYTES; i++)
			printf("%02x", a->bytes[i]);
		printf(": of %u routes\n", given_count);
	}
	CU_ASSERT(same);
}

/* The address as a number, one more or one less. */
static struct address step(struct address a, int by)
{
	for (unsigned i = ADDRESS_BYTES; i-- > 0;) {
		a.bytes[i] = (uint8_t)(a.bytes[i] + by);
		if (a.bytes[i] != (by > 0 ? 0 : 0xff))
			break;
	}
	return a;
}

static struct address end_of(const struct prefix *p, bool last)
{
	struct address a = p->address;

	for (unsigned bit = p->bits; bit < ADDRESS_BITS; bit++) {
		uint8_t mask = (uint8_t)(0x80u >> bit % 8);

		a.bytes[bit / 8] =
			last ? a.bytes[bit / 8] | mask : a.bytes[bit / 8] & (uint8_t)~mask;
	}
	return a;
}

/* Both ends of every prefix, and their neighbours. */
static void check_edges(void)
{
	for (unsigned i = 0; i < given_count; i++) {
		for (unsigned last = 0; last < 2; last++) {
			const struct address edge = end_of(&given[i].prefix, last == 1);
			const struct address before = step(edge, -1), after = step(edge, 1);

			check(&edge);
			check(&before);
			check(&after);
		}
	}
}

/* ---- by hand ---- */

static unsigned way_to(const struct address *a)
{
	const struct route *r = route_pick(route_find(&table, a), 0, 0);

	return r == NULL ? 0 : r->gateway.bytes[ADDRESS_BYTES - 1];
}

static void route__takes_the_longest_prefix(void)
{
	static const struct {
		uint8_t address[4];
		unsigned gateway;
	} rows[] = {
		{{8, 8, 8, 8}, 1},         {{198, 17, 255, 255}, 1}, {{198, 18, 0, 0}, 2},
		{{198, 18, 7, 9}, 3},      {{198, 18, 8, 0}, 2},     {{198, 18, 7, 53}, 4},
		{{198, 18, 7, 54}, 3},     {{198, 19, 255, 255}, 2}, {{198, 20, 0, 0}, 1},
		{{255, 255, 255, 255}, 1}, {{0, 0, 0, 0}, 1},
	};
	struct route r;

	begin();
	r = via(v4(198, 18, 7, 53), 128, 4), add(&r);
	r = via(v4(198, 18, 0, 0), 96 + 15, 2), add(&r);
	r = via(v4(0, 0, 0, 0), 96, 1), add(&r);
	r = via(v4(198, 18, 7, 1), 96 + 24, 3), add(&r); /* host bits do not count */
	route_table_end(&table);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		const struct address a = address_from_v4(rows[i].address);

		CU_ASSERT_EQUAL(way_to(&a), rows[i].gateway);
	}
	check_edges();
}

static void route__of_nothing_leads_nowhere(void)
{
	const struct address addresses[] = {{{0}}, v4(192, 0, 2, 1), {{0x20, 1}}};

	begin();
	/* Not even ended: what all zeroes say. */
	for (size_t i = 0; i < ARRAY_COUNT(addresses); i++)
		CU_ASSERT_EQUAL(route_find(&table, &addresses[i]).count, 0);
	route_table_end(&table);
	for (size_t i = 0; i < ARRAY_COUNT(addresses); i++)
		CU_ASSERT_EQUAL(route_find(&table, &addresses[i]).count, 0);
}

static void route__keeps_the_families_apart(void)
{
	const struct address in_v4 = v4(192, 0, 2, 9), in_v6 = {{0x20, 1}};
	struct route r;

	begin();
	r = via((struct address){{0}}, 0, 6), add(&r);
	route_table_end(&table);
	CU_ASSERT(way_to(&in_v6) == 6 && way_to(&in_v4) == 0);
	begin();
	r = via(v4(0, 0, 0, 0), 96, 4), add(&r);
	route_table_end(&table);
	CU_ASSERT(way_to(&in_v6) == 0 && way_to(&in_v4) == 4);
	check_edges();
}

static void route__takes_the_least_metric_of_each_interface(void)
{
	const struct address a = v4(192, 0, 2, 9);
	struct route r;

	begin();
	r = via(v4(0, 0, 0, 0), 96, 3), r.metric = 300, add(&r);
	r = via(v4(0, 0, 0, 0), 96, 1), r.metric = 100, add(&r);
	r = via(v4(0, 0, 0, 0), 96, 2), r.metric = 200, r.interface_idx = 1, add(&r);
	route_table_end(&table);
	CU_ASSERT_EQUAL(route_find(&table, &a).count, 2);
	CU_ASSERT_EQUAL(route_pick(route_find(&table, &a), 0, 7)->metric, 100);
	CU_ASSERT_EQUAL(route_pick(route_find(&table, &a), 1, 7)->metric, 200);
	CU_ASSERT_PTR_NULL(route_pick(route_find(&table, &a), 2, 7));
}

static void route__to_nowhere_hides_what_is_worse(void)
{
	const struct address in = v4(198, 18, 0, 9), out = v4(198, 19, 0, 9);
	struct route r;

	begin();
	r = via(v4(0, 0, 0, 0), 96, 1), add(&r);
	r = via(v4(198, 18, 0, 0), 96 + 16, 2), r.metric = 20, add(&r);
	r = via(v4(198, 18, 0, 0), 96 + 16, 0), r.metric = 10, r.interface_idx = ROUTE_NOWHERE,
	add(&r);
	route_table_end(&table);
	CU_ASSERT(way_to(&in) == 0 && way_to(&out) == 1);
	begin();
	r = via(v4(198, 18, 0, 0), 96 + 16, 2), r.metric = 5, add(&r);
	r = via(v4(198, 18, 0, 0), 96 + 16, 0), r.metric = 10, r.interface_idx = ROUTE_NOWHERE,
	add(&r);
	route_table_end(&table);
	CU_ASSERT_EQUAL(way_to(&in), 2);
}

static void route__spreads_by_weight(void)
{
	const struct address a = v4(192, 0, 2, 9);
	unsigned taken[4] = {0};
	struct route r;

	begin();
	r = via(v4(0, 0, 0, 0), 96, 1), r.weight = 3, add(&r);
	r = via(v4(0, 0, 0, 0), 96, 2), add(&r);
	r = via(v4(0, 0, 0, 0), 96, 2), add(&r); /* the same again */
	r = via(v4(0, 0, 0, 0), 96, 3), r.interface_idx = 1, add(&r);
	route_table_end(&table);
	for (uint64_t hash = 0; hash < 400; hash++)
		taken[route_pick(route_find(&table, &a), 0, hash)->gateway.bytes[15]]++;
	CU_ASSERT(taken[1] == 300 && taken[2] == 100 && taken[3] == 0);
}

static void route__counts_what_has_no_place(void)
{
	struct route r;

	begin();
	for (unsigned i = 0; i < ROUTES_MAX; i++) {
		r = via(v4(10, i >> 8, i & 0xff, 0), 96 + 24, 1 + i % 200);
		add(&r);
	}
	CU_ASSERT(!route_table_add(&table, &r));
	route_table_end(&table);
	for (unsigned i = 0; i < ROUTES_MAX; i += 31)
		check(&given[i].prefix.address);
}

/* ---- at random ---- */

static uint64_t next_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	uint64_t z = *state;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Of few bits, so that prefixes lie in each other and come again. */
static struct address random_address(uint64_t *state)
{
	uint64_t bits = next_random(state);
	struct address a = {{0}};

	if (bits & 1) {
		const uint64_t tail = bits >> 8;

		a = v4(10, tail & 3, tail >> 8 & 0xff, tail >> 16 & 0xff);
	} else {
		static const uint8_t few[] = {0x00, 0x80, 0xff, 0x01};

		for (unsigned i = 0; i < ADDRESS_BYTES; i++)
			a.bytes[i] = few[next_random(state) % 4];
	}
	return a;
}

static struct route random_route(uint64_t *state)
{
	struct route r = via(random_address(state), 0, 1 + (unsigned)(next_random(state) % 5));
	uint64_t bits = next_random(state);

	r.prefix.bits = (uint8_t)(address_is_v4(&r.prefix.address) ? 96 + bits % 33 : bits % 129);
	r.metric = (uint32_t)(bits >> 16) % 3;
	r.interface_idx = (uint8_t)((bits >> 24) % 4);
	if (r.interface_idx == 3)
		r.interface_idx = ROUTE_NOWHERE;
	r.is_on_link = (bits >> 32) % 8 == 0;
	if (r.is_on_link)
		memset(&r.gateway, 0, sizeof(r.gateway));
	return r;
}

static void route__finds_what_a_scan_finds(void)
{
	uint64_t state = unit_seed();

	for (unsigned round = 0; round < 300; round++) {
		const unsigned count =
			(unsigned)(next_random(&state) % (round % 10 == 0 ? 200 : 20));

		begin();
		for (unsigned i = 0; i < count; i++) {
			const struct route r = random_route(&state);

			add(&r);
		}
		route_table_end(&table);
		check_edges();
		for (unsigned i = 0; i < 200; i++) {
			const struct address a = random_address(&state);

			check(&a);
		}
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(route__takes_the_longest_prefix),
	UNIT_TEST(route__of_nothing_leads_nowhere),
	UNIT_TEST(route__keeps_the_families_apart),
	UNIT_TEST(route__takes_the_least_metric_of_each_interface),
	UNIT_TEST(route__to_nowhere_hides_what_is_worse),
	UNIT_TEST(route__spreads_by_weight),
	UNIT_TEST(route__counts_what_has_no_place),
	UNIT_TEST(route__finds_what_a_scan_finds),
};
UNIT_SUITE(route, tests)
