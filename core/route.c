#include "route.h"

__extension__ typedef unsigned __int128 u128;

#define V4_BITS (ADDRESS_V4_OFFSET * 8) /* of the prefix that has all IPv4 addresses */

/* ---- prefixes as ranges of numbers ---- */

static u128 number_of(const struct address *a)
{
	uint64_t word[2];

	memcpy(word, a->bytes, sizeof(word));
	return (u128)__builtin_bswap64(word[0]) << 64 | __builtin_bswap64(word[1]);
}

static u128 first_of(const struct prefix *p)
{
	return number_of(&p->address);
}

/* Of a prefix without host bits. */
static u128 last_of(const struct prefix *p)
{
	return first_of(p) | (p->bits < ADDRESS_BITS ? ~(u128)0 >> p->bits : 0);
}

static struct prefix without_host_bits(struct prefix p)
{
	CHECK(p.bits <= ADDRESS_BITS);
	if (p.bits == ADDRESS_BITS)
		return p;
	p.address.bytes[p.bits / 8] &= (uint8_t)(0xff00u >> p.bits % 8u);
	for (unsigned i = p.bits / 8u + 1; i < ADDRESS_BYTES; i++)
		p.address.bytes[i] = 0;
	return p;
}

static bool same_prefix(const struct prefix *a, const struct prefix *b)
{
	return a->bits == b->bits && address_equal(&a->address, &b->address);
}

/* ---- order: a prefix before those in it, its ways by interface and metric ---- */

static int order_of(const struct route *a, const struct route *b)
{
	int order = memcmp(a->prefix.address.bytes, b->prefix.address.bytes, ADDRESS_BYTES);

	if (order == 0)
		order = (int)a->prefix.bits - (int)b->prefix.bits;
	if (order == 0)
		order = (int)a->interface_idx - (int)b->interface_idx;
	if (order == 0)
		order = (a->metric > b->metric) - (a->metric < b->metric);
	if (order == 0)
		order = (int)b->is_on_link - (int)a->is_on_link;
	if (order == 0)
		order = memcmp(a->gateway.bytes, b->gateway.bytes, ADDRESS_BYTES);
	return order != 0 ? order : (int)a->weight - (int)b->weight;
}

/* The one at `at` sinks to its place in the heap, whose top is the last in order. */
static void sink(struct route routes[], unsigned at, unsigned count)
{
	const struct route moving = routes[at];

	for (unsigned child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && order_of(&routes[child], &routes[child + 1]) < 0)
			child++;
		if (order_of(&moving, &routes[child]) >= 0)
			break;
		routes[at] = routes[child];
	}
	routes[at] = moving;
}

static void sort(struct route routes[], unsigned count)
{
	for (unsigned i = count / 2; i > 0; i--)
		sink(routes, i - 1, count);
	for (unsigned left = count; left > 1; left--) {
		const struct route last = routes[0];

		routes[0] = routes[left - 1];
		routes[left - 1] = last;
		sink(routes, 0, left - 1);
	}
}

/* ---- runs ---- */

/* From which metric on ways of the prefix at `at` are hidden: beyond that of the one that leads nowhere. */
static uint32_t metric_limit(const struct route routes[], unsigned at, unsigned count)
{
	uint32_t limit = UINT32_MAX;

	for (unsigned i = at; i < count && same_prefix(&routes[i].prefix, &routes[at].prefix); i++)
		if (routes[i].interface_idx == ROUTE_NOWHERE && routes[i].metric < limit)
			limit = routes[i].metric;
	return limit;
}

static bool same_way(const struct route *a, const struct route *b)
{
	return a->interface_idx == b->interface_idx && a->metric == b->metric &&
	       a->is_on_link == b->is_on_link &&
	       (a->is_on_link || address_equal(&a->gateway, &b->gateway));
}

/* The ways of the prefix at `at` that count, into its run. Returns where the next prefix begins. */
static unsigned make_run(struct route_table *t, unsigned at, unsigned count)
{
	const uint32_t limit = metric_limit(t->routes, at, count);
	const struct prefix prefix = t->routes[at].prefix;
	struct route_run *run = &t->runs[t->run_count++];
	unsigned i = at;

	*run = (struct route_run){.prefix = prefix, .first = t->route_count};
	/* What is kept moves down, over what is not. */
	for (; i < count && same_prefix(&t->routes[i].prefix, &prefix); i++) {
		const struct route route = t->routes[i];
		const struct route *before = run->count > 0 ? &t->routes[t->route_count - 1] : NULL;

		if (route.interface_idx == ROUTE_NOWHERE || route.metric > limit)
			continue;
		if (before != NULL && before->interface_idx == route.interface_idx &&
		    (before->metric < route.metric || same_way(before, &route)))
			continue;
		t->routes[t->route_count++] = route;
		run->count++;
	}
	return i;
}

static void make_empty_run(struct route_table *t, struct address address, uint8_t bits)
{
	t->runs[t->run_count++] = (struct route_run){.prefix = {address, bits}};
}

static bool is_before(const struct prefix *a, const struct prefix *b)
{
	int order = memcmp(a->address.bytes, b->address.bytes, ADDRESS_BYTES);

	return order < 0 || (order == 0 && a->bits < b->bits);
}

static void make_runs(struct route_table *t, unsigned count)
{
	const struct address v4 = address_from_v4((const uint8_t[4]){0});
	const struct prefix all_v4 = {v4, V4_BITS};
	bool v4_is_there = false;
	unsigned at = 0;

	make_empty_run(t, (struct address){{0}}, 0);
	while (at < count) {
		const struct prefix *next = &t->routes[at].prefix;

		/* IPv6 prefixes around it say nothing of IPv4. */
		if (!v4_is_there && is_before(&all_v4, next)) {
			make_empty_run(t, v4, V4_BITS);
			v4_is_there = true;
		}
		v4_is_there = v4_is_there || same_prefix(next, &all_v4);
		at = make_run(t, at, count);
	}
	if (!v4_is_there)
		make_empty_run(t, v4, V4_BITS);
}

/* ---- starts ---- */

static void start(struct route_table *t, u128 at, uint16_t run)
{
	const struct route_start s = {(uint64_t)(at >> 64), (uint64_t)at};
	const struct route_start *last = &t->starts[t->start_count - (t->start_count > 0)];

	if (t->start_count == 0 || last->high != s.high || last->low != s.low)
		t->start_count++;
	t->starts[t->start_count - 1] = s;
	t->run_of[t->start_count - 1] = run;
}

static void make_starts(struct route_table *t)
{
	/* Those that the next one may be in, the innermost last: of each length one at most, and everything. */
	uint16_t around[ADDRESS_BITS + 2];
	unsigned depth = 0;

	for (uint16_t i = 0; i < t->run_count; i++) {
		const u128 first = first_of(&t->runs[i].prefix);

		while (depth > 0 && last_of(&t->runs[around[depth - 1]].prefix) < first) {
			const u128 last = last_of(&t->runs[around[--depth]].prefix);

			start(t, last + 1, around[depth - 1]);
		}
		start(t, first, i);
		around[depth++] = i;
	}
	for (; depth > 1; depth--) {
		const u128 last = last_of(&t->runs[around[depth - 1]].prefix);

		if (last != ~(u128)0)
			start(t, last + 1, around[depth - 2]);
	}
}

bool route_table_add(struct route_table *t, const struct route *route)
{
	struct route *added = &t->routes[t->route_count];

	if (t->route_count == ROUTES_MAX)
		return false;
	*added = *route;
	added->prefix = without_host_bits(route->prefix);
	t->route_count++;
	return true;
}

void route_table_end(struct route_table *t)
{
	const unsigned count = t->route_count;

	sort(t->routes, count);
	t->route_count = 0;
	make_runs(t, count);
	make_starts(t);
}

/* ---- one of several ---- */

static unsigned weight_of(const struct route *r)
{
	return r->weight > 0 ? r->weight : 1;
}

const struct route *route_pick(struct route_ways ways, uint8_t interface_idx, uint64_t hash)
{
	unsigned weights = 0, left;

	for (unsigned i = 0; i < ways.count; i++)
		if (ways.routes[i].interface_idx == interface_idx)
			weights += weight_of(&ways.routes[i]);
	if (weights == 0)
		return NULL;
	left = (unsigned)(hash % weights);
	for (unsigned i = 0; i < ways.count; i++) {
		if (ways.routes[i].interface_idx != interface_idx)
			continue;
		if (left < weight_of(&ways.routes[i]))
			return &ways.routes[i];
		left -= weight_of(&ways.routes[i]);
	}
	return NULL;
}
