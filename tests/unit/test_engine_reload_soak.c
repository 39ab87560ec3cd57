/* Snapshots that replace each other at random under questions, answers, losses and time: every client that was taken has
 * exactly one answer (rig_finish counts). */
#include <stdio.h>
#include <string.h>

#include "engine_rig.h"
#include "reloads.h"
#include "unit.h"

#define SOAK_STEPS 12000
#define SOAK_PENDING 64

struct soak {
	struct reloads s;
	struct rig_query pending[SOAK_PENDING];
	unsigned pending_count;
	unsigned reload_count;
};

static unsigned draw(struct soak *k, unsigned bound)
{
	return (unsigned)(unit_random(&k->s.r->random) % bound);
}

static bool remember(struct rig *r, const struct rig_query *q)
{
	struct soak *k = r->context;
	unsigned place =
		k->pending_count < SOAK_PENDING ? k->pending_count++ : draw(k, SOAK_PENDING);

	k->pending[place] = *q;
	return true;
}

static bool forget(struct rig *r, const struct rig_answer *a)
{
	(void)r;
	(void)a;
	return true;
}

static void soak_zone(struct soak *k, const char *name)
{
	static const char *const addresses[] = {"198.18.0.10",    "203.0.113.11",  "203.0.113.12",
						"203.0.113.13",   "203.0.113.20",  "203.0.113.21",
						"2001:2:0:1::10", "2001:4860::11", "2001:4860::12",
						"203.0.113.22"};
	const char *servers[5] = {NULL};
	unsigned first = draw(k, ARRAY_COUNT(addresses));
	unsigned count = 1 + draw(k, 4);

	for (unsigned i = 0; i < count; i++)
		servers[i] = addresses[(first + i) % ARRAY_COUNT(addresses)];
	reloads_zone(&k->s, name, servers);
}

static void soak_outgoing(struct soak *k)
{
	static const char *const addresses[] = {"198.18.0.53", "2001:2:0:1::53", "198.18.0.54",
						"2001:2:0:1::54"};
	struct engine_config *next = k->s.next;

	/* All four have their places; one of each family at least is in use. */
	next->outgoing_count = ARRAY_COUNT(addresses);
	for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++)
		next->outgoing[i] =
			(struct engine_outgoing){rig_address(addresses[i]), ADDRESS_BITS, 0,
						 draw(k, 2) == 0, &k->s.r->source_now[i]};
	next->outgoing[draw(k, 2) * 2].retired = false;
	next->outgoing[draw(k, 2) * 2 + 1].retired = false;
	next->interfaces[0].address_count = ARRAY_COUNT(addresses);
	for (unsigned i = 0; i < ARRAY_COUNT(addresses); i++)
		next->interfaces[0].addresses[i] =
			(struct prefix){rig_address(addresses[i]),
					i % 2 == 0 ? RIG_V4_LINK_BITS : RIG_V6_LINK_BITS};
}

static void soak_reload(struct soak *k)
{
	reloads_begin(&k->s);
	if (draw(k, 8) != 0)
		soak_zone(k, ".");
	if (draw(k, 2) == 0)
		soak_zone(k, "example.org");
	if (draw(k, 3) == 0)
		soak_zone(k, "b.example.org");
	if (k->s.next->zone_count == 0 || k->s.next->server_count == 0)
		soak_zone(k, "example.com");
	soak_outgoing(k);
	k->s.next->late_ms = 100 + draw(k, 4000);
	reloads_do(&k->s);
	k->reload_count++;
}

static void soak_ask(struct soak *k)
{
	static const char *const ends[] = {"example.org", "b.example.org", "example.com"};
	char name[48];
	struct rig_question q = {
		.name = name,
		.id = (uint16_t)draw(k, 65536),
		.edns = draw(k, 2) == 0,
		.family = draw(k, 2) == 0 ? RIG_V4 : RIG_V6,
		.client = (uint16_t)draw(k, 1000),
		.client_port = (uint16_t)(1024 + draw(k, 60000)),
		.engine = draw(k, k->s.r->engine_count),
	};

	snprintf(name, sizeof(name), "n%u.%s", draw(k, 40), ends[draw(k, ARRAY_COUNT(ends))]);
	(void)rig_ask(k->s.r, &q);
}

static void soak_answer(struct soak *k)
{
	static const uint16_t rcodes[] = {DNS_RCODE_NOERROR, DNS_RCODE_NOERROR, DNS_RCODE_NXDOMAIN,
					  DNS_RCODE_SERVFAIL, DNS_RCODE_FORMERR};
	struct rig_reply reply = {.to_engine = true};
	unsigned place;
	struct rig_query q;

	if (k->pending_count == 0)
		return;
	place = draw(k, k->pending_count);
	q = k->pending[place];
	k->pending[place] = k->pending[--k->pending_count];
	reply.engine = draw(k, k->s.r->engine_count);
	if (!q.is_probe) {
		reply.rcode = rcodes[draw(k, ARRAY_COUNT(rcodes))];
		reply.id_xor = (uint16_t)(draw(k, 12) == 0);
		reply.letters = draw(k, 8) == 0 ? RIG_LETTERS_LOWER : RIG_LETTERS_KEPT;
	}
	(void)rig_answer_query(k->s.r, &q, &reply);
}

static void soak_step(struct soak *k)
{
	unsigned which = draw(k, 100);

	if (which < 38)
		soak_ask(k);
	else if (which < 72)
		soak_answer(k);
	else if (which < 74)
		soak_reload(k);
	else if (which < 76 && k->pending_count > 0)
		k->pending_count = draw(k, k->pending_count); /* lost */
	else if (which < 78)
		rig_advance(k->s.r, draw(k, 3000) * NS_PER_MS);
	else
		rig_advance(k->s.r, draw(k, 20) * NS_PER_MS);
}

static void soak(unsigned engine_count)
{
	static struct soak k;

	memset(&k, 0, sizeof(k));
	reloads_start(&k.s, engine_count, 0);
	k.s.r->context = &k;
	k.s.r->on_query = remember;
	k.s.r->on_answer = forget;
	for (unsigned i = 0; i < SOAK_STEPS; i++) {
		k.s.r->checks = i < 2000 || i % 50 == 0;
		soak_step(&k);
	}
	k.s.r->checks = true;
	CU_ASSERT(k.reload_count > 100);
	CU_ASSERT(rig_count(k.s.r, COUNTER_UPSTREAM_MOVED) > 20);
	CU_ASSERT(rig_count(k.s.r, COUNTER_UPSTREAM_TIMEOUTS) > 100);
	CU_ASSERT(rig_count(k.s.r, COUNTER_UPSTREAM_RESPONSE) > 500);
	CU_ASSERT(rig_count(k.s.r, COUNTER_PROBES) > 5);
	CU_ASSERT(k.s.plan.generation == k.reload_count);
	reloads_finish(&k.s);
}

static void engine_reload_soak__survives_reloads_at_random(void)
{
	soak(1);
}

static void engine_reload_soak__survives_reloads_at_random_on_three_workers(void)
{
	soak(3);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_reload_soak__survives_reloads_at_random),
	UNIT_TEST(engine_reload_soak__survives_reloads_at_random_on_three_workers),
};
UNIT_SUITE(engine_reload_soak, tests)
