/* Snapshots that replace each other with questions under way: what is taken out, added and moved about, and what becomes of
 * what was asked before; every client that was taken has exactly one answer (rig_finish counts). The last snapshot is
 * freed as the driver frees it, so that a look at it shows under AddressSanitizer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "core/engine_plan.h"
#include "core/engine_state.h"
#include "core/limits.h"
#include "engine_rig.h"
#include "unit.h"

#define GRACE_NS (8 * NS_PER_S)

struct reloads {
	struct rig *r;
	struct engine_plan plan;
	struct engine_config *running; /* NULL: the rig's own */
	struct engine_config *next;
	void *running_acl, *next_acl;
};

/* After rig_start. */
static void reloads_init(struct reloads *s, struct rig *r)
{
	memset(s, 0, sizeof(*s));
	s->r = r;
	engine_plan_init(&s->plan, &r->words, &r->servers, &r->neighbours);
	for (unsigned i = 0; i < SERVER_SLOTS_MAX; i++)
		s->plan.server_gone_at[i] = MONO_NEVER;
	for (unsigned i = 0; i < ZONE_SLOTS_MAX; i++)
		s->plan.zone_gone_at[i] = MONO_NEVER;
	for (unsigned i = 0; i < NEIGHBOUR_SLOTS_MAX; i++)
		s->plan.neighbour_gone_at[i] = MONO_NEVER;
}

static const struct engine_config *running(const struct reloads *s)
{
	return s->running != NULL ? s->running : &s->r->config;
}

/* All that the last one has, but for servers and zones. */
static void next_begin(struct reloads *s)
{
	const struct engine_config *last = running(s);
	struct engine_config *next = calloc(1, sizeof(*next));

	CHECK(next != NULL);
	s->next = next;
	engine_plan_begin(&s->plan, next, last, s->r->now, GRACE_NS);
	next->interface_count = last->interface_count;
	memcpy(next->interfaces, last->interfaces, sizeof(next->interfaces));
	next->gateway_count = last->gateway_count;
	memcpy(next->gateways, last->gateways, sizeof(next->gateways));
	next->listen_count = last->listen_count;
	memcpy(next->listen, last->listen, sizeof(next->listen));
	next->allow_count = last->allow_count;
	memcpy(next->allow, last->allow, sizeof(next->allow));
	next->outgoing_count = last->outgoing_count;
	memcpy(next->outgoing, last->outgoing, sizeof(next->outgoing));
	next->source_generation = last->source_generation;
	next->health_name = last->health_name;
	next->edns_udp_size_bytes = last->edns_udp_size_bytes;
	next->case_randomization = last->case_randomization;
	next->late_ms = last->late_ms;
	next->cache = last->cache;
}

static struct endpoint at(const char *address)
{
	return (struct endpoint){rig_address(address), DNS_PORT};
}

/* servers: addresses, NULL behind the last. */
static void next_zone(struct reloads *s, const char *name, const char *const servers[])
{
	static const struct server_health health = {1000, 1, 3};
	struct engine_zone zone = {.policy = SERVER_POLICY_IN_ORDER,
				   .recursion_desired = true,
				   .timeout_ms = 800,
				   .tries = 3};

	CHECK(name_from_text(name, &zone.name));
	for (; servers[zone.server_count] != NULL; zone.server_count++) {
		struct endpoint endpoint = at(servers[zone.server_count]);

		zone.servers[zone.server_count] =
			engine_plan_server(&s->plan, s->next, &endpoint, &health);
		CU_ASSERT_FATAL(zone.servers[zone.server_count] != UINT16_MAX);
	}
	CU_ASSERT_FATAL(engine_plan_zone(&s->plan, s->next, &zone));
}

/* Published; not seen by anybody yet. The one before is freed by settle. */
static struct engine_config *publish(struct reloads *s)
{
	struct engine_config *last = s->running;

	CU_ASSERT_FATAL(engine_plan_end(&s->plan, s->next, running(s)));
	s->next_acl = aligned_alloc(8, (acl_memory_bytes() + 7) / 8 * 8);
	CHECK(s->next_acl != NULL);
	s->next->acl = acl_init(s->next_acl, s->next->allow, s->next->allow_count);
	atomic_store_explicit(&s->r->current, s->next, memory_order_release);
	s->running = s->next;
	return last;
}

/* Two turns of every engine. */
static void settle(struct reloads *s, struct engine_config *last)
{
	rig_advance(s->r, 1);
	rig_advance(s->r, 1);
	for (unsigned i = 0; i < s->r->engine_count; i++)
		CU_ASSERT_PTR_EQUAL(s->r->engines[i]->followed_config, s->running);
	free(last);
	free(s->running_acl);
	s->running_acl = s->next_acl;
	if (s->r->checks)
		rig_check(s->r);
}

static void reload(struct reloads *s)
{
	settle(s, publish(s));
}

static void finish(struct reloads *s)
{
	rig_finish(s->r);
	free(s->running);
	free(s->running_acl);
}

#define LINK_V4 "198.18.0.10"
#define FAR_V4 "203.0.113.11"
#define OTHER_V4 "203.0.113.12"
#define THIRD_V4 "203.0.113.13"

static const char *const only_far[] = {FAR_V4, NULL};
static const char *const only_other[] = {OTHER_V4, NULL};

/* One engine, or more; two zones: "." at the link's server, example.org at the far one. */
static void start_with_cache(struct reloads *s, unsigned engine_count, size_t cache_bytes)
{
	static const int link_only[] = {RIG_SERVER_V4_LINK, -1};
	static const int far_only[] = {RIG_SERVER_V4_FAR, -1};
	struct rig *r = rig_new(engine_count);

	r->link_anywhere = true;
	r->cache_bytes = cache_bytes;
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, link_only);
	rig_zone(r, 1, "example.org", SERVER_POLICY_IN_ORDER, far_only);
	rig_start(r);
	reloads_init(s, r);
}

static void start(struct reloads *s, unsigned engine_count)
{
	start_with_cache(s, engine_count, 0);
}

static void ask(struct reloads *s, const char *name, struct rig_query *query)
{
	struct rig_question q = {.name = name};

	(void)rig_ask(s->r, &q);
	CU_ASSERT_FATAL(rig_query_next(s->r, query));
}

static bool is_to(const struct rig_query *q, const char *address)
{
	struct address want = rig_address(address);

	return address_equal(&q->server.address, &want);
}

static void expect_answer(struct reloads *s, uint16_t rcode)
{
	struct rig_answer a;

	CU_ASSERT_FATAL(rig_answer_next(s->r, &a));
	CU_ASSERT_EQUAL(rig_rcode(&a), rcode);
	CU_ASSERT_EQUAL(rig_answer_count(s->r), 0);
}

static const struct rig_reply plain;

/* ---- zones and servers ---- */

/* Its client has it; the next one is told by those who have the name now. */
static void engine_reload__takes_the_reply_of_a_zone_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q;

	start_with_cache(&s, 1, CACHE_BYTES_MIN);
	ask(&s, "www.example.org", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UPSTREAM_RESPONSE), 1);
	ask(&s, "www.example.org", &q);
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	finish(&s);
}

static void engine_reload__goes_on_with_the_zone_that_has_the_name_now(void)
{
	static struct reloads s;
	struct rig_query q;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	CU_ASSERT(is_to(&q, OTHER_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	finish(&s);
}

static void engine_reload__fails_what_no_zone_has_any_more(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct rig_query q;

	start(&s, 1);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, LINK_V4));
	next_begin(&s);
	next_zone(&s, "example.org", only_far);
	reload(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_EQUAL(rig_query_count(s.r), 0);
	expect_answer(&s, DNS_RCODE_SERVFAIL);
	/* Who asks now is told that nobody is to be asked. */
	(void)rig_ask(s.r, &question);
	expect_answer(&s, DNS_RCODE_REFUSED);
	finish(&s);
}

static void engine_reload__counts_late_replies_of_a_server_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query first, second;

	start(&s, 1);
	ask(&s, "www.example.org", &first);
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &second));
	CU_ASSERT_EQUAL(rig_answer_query(s.r, &first, &plain), COUNTER_LATE_RESPONSE);
	(void)rig_answer_query(s.r, &second, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UNMATCHED), 0);
	finish(&s);
}

/* What was tried is known by its position in the list: after the list has changed nobody is taken for another. */
static void engine_reload__follows_servers_that_change_places(void)
{
	static const char *const before[] = {FAR_V4, OTHER_V4, THIRD_V4, NULL};
	static const char *const after[] = {THIRD_V4, FAR_V4, NULL};
	static struct reloads s;
	struct rig_query q;

	start(&s, 1);
	next_begin(&s);
	next_zone(&s, ".", before);
	reload(&s);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	next_begin(&s);
	next_zone(&s, ".", after);
	reload(&s);
	rig_advance(s.r, NS_PER_S);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	/* FAR has not answered: it is the other's turn, although FAR has the place of the second now. */
	CU_ASSERT(is_to(&q, THIRD_V4));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	finish(&s);
}

/* Begun with one zone, coalesced while nothing changes for it. */
static void engine_reload__coalesces_over_a_reload_that_is_not_the_zones(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.org", .client = 2};
	struct rig_query q;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	next_begin(&s);
	next_zone(&s, "example.org", only_far);
	next_zone(&s, ".", only_other);
	reload(&s);
	CU_ASSERT_EQUAL(rig_ask(s.r, &question), COUNTER_COALESCED);
	CU_ASSERT_EQUAL(rig_query_count(s.r), 0);
	(void)rig_answer_query(s.r, &q, &plain);
	rig_poll(s.r);
	CU_ASSERT_EQUAL(rig_answer_count(s.r), 2);
	rig_forget(s.r);
	finish(&s);
}

static uint16_t index_of(const struct reloads *s, const char *address)
{
	struct endpoint endpoint = at(address);
	uint16_t i = 0;

	while (i < running(s)->server_count &&
	       !endpoint_equal(&running(s)->server_endpoints[i], &endpoint))
		i++;
	return i;
}

static void engine_reload__knows_a_server_that_comes_back(void)
{
	static struct reloads s;
	const struct server *far_server;
	struct rig_query q;
	uint16_t idx;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	rig_advance(s.r, 20 * NS_PER_MS);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	idx = index_of(&s, FAR_V4);
	far_server = &s.r->engines[0]->servers.servers[idx];
	CU_ASSERT(far_server->srtt_us >= 20000 && far_server->responses == 1);
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	CU_ASSERT(running(&s)->server_retired[idx]);
	next_begin(&s);
	next_zone(&s, ".", only_far);
	reload(&s);
	CU_ASSERT_EQUAL(index_of(&s, FAR_V4), idx);
	CU_ASSERT(!running(&s)->server_retired[idx]);
	CU_ASSERT(far_server->srtt_us >= 20000 && far_server->responses == 1);
	finish(&s);
}

static void engine_reload__is_a_stranger_to_who_has_the_place_of_another(void)
{
	static struct reloads s;
	const struct server *in_place;
	struct rig_query q;
	uint16_t idx;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	idx = index_of(&s, FAR_V4);
	in_place = &s.r->engines[0]->servers.servers[idx];
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	/* Too early: he gets another place. */
	next_begin(&s);
	next_zone(&s, ".", (const char *const[]){OTHER_V4, THIRD_V4, NULL});
	reload(&s);
	CU_ASSERT_NOT_EQUAL(index_of(&s, THIRD_V4), idx);
	rig_advance(s.r, GRACE_NS);
	next_begin(&s);
	next_zone(&s, ".",
		  (const char *const[]){"203.0.113.14", "203.0.113.15", "203.0.113.16",
					"203.0.113.17", "203.0.113.18", NULL});
	reload(&s);
	CU_ASSERT_EQUAL(index_of(&s, FAR_V4), running(&s)->server_count);
	CU_ASSERT(!running(&s)->server_retired[idx]);
	CU_ASSERT(in_place->responses == 0 && in_place->srtt_us == 0 && in_place->queries == 0);
	CU_ASSERT_EQUAL(engine_server_latency(s.r->engines[0], idx)->counts[0], 0);
	finish(&s);
}

static void engine_reload__probes_no_server_that_is_gone(void)
{
	static struct reloads s;
	struct rig_query q;
	uint64_t probes;

	start(&s, 1);
	for (unsigned i = 0; i < 2; i++) {
		ask(&s, i == 0 ? "a.example.org" : "b.example.org", &q);
		rig_advance(s.r, 3 * NS_PER_S);
	}
	rig_forget(s.r);
	rig_advance(s.r, 1500 * NS_PER_MS);
	probes = rig_count(s.r, COUNTER_PROBES);
	CU_ASSERT(probes > 0);
	CU_ASSERT_EQUAL(rig_gauges(s.r).probes_out, 1);
	next_begin(&s);
	next_zone(&s, ".", only_other);
	reload(&s);
	rig_advance(s.r, 100 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_gauges(s.r).probes_out, 0);
	rig_advance(s.r, 10 * NS_PER_S);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_PROBES), probes);
	/* Back again, it is as down as it was, and probed. */
	next_begin(&s);
	next_zone(&s, ".", only_far);
	reload(&s);
	rig_advance(s.r, 2 * NS_PER_S);
	CU_ASSERT(rig_count(s.r, COUNTER_PROBES) > probes);
	finish(&s);
}

/* ---- addresses ---- */

static void engine_reload__asks_again_from_an_address_that_stays(void)
{
	static struct reloads s;
	struct address second = rig_address("198.18.0.54"), first;
	struct rig_query q;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	first = q.local.address;
	next_begin(&s);
	next_zone(&s, ".", only_far);
	s.next->interfaces[0].addresses[s.next->interfaces[0].address_count++] =
		(struct prefix){second, RIG_V4_LINK_BITS};
	s.next->outgoing[0].retired = true;
	s.next->outgoing[s.next->outgoing_count++] =
		(struct engine_outgoing){second, ADDRESS_BITS, 0, false, &s.r->source_now[2]};
	reload(&s);
	CU_ASSERT_EQUAL(rig_count(s.r, COUNTER_UPSTREAM_MOVED), 1);
	/* A reply to the old one is nobody's. */
	CU_ASSERT_EQUAL(rig_answer_query(s.r, &q, &plain), COUNTER_DROP_UDP_PORT);
	CU_ASSERT_FATAL(rig_query_next(s.r, &q));
	CU_ASSERT(address_equal(&q.local.address, &second) && !address_equal(&first, &second));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	finish(&s);
}

static void engine_reload__answers_from_where_it_was_asked(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct endpoint other = {rig_address("198.18.0.53"), 5300}, before;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	struct endpoint client = rig_client(RIG_V4, 0, 40000);
	struct rig_query q;
	struct rig_answer a;
	size_t length;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	before = running(&s)->listen[0].endpoint;
	next_begin(&s);
	next_zone(&s, ".", only_far);
	s.next->listen[0].endpoint = other;
	reload(&s);
	(void)rig_answer_query(s.r, &q, &plain);
	CU_ASSERT_FATAL(rig_answer_next(s.r, &a));
	CU_ASSERT(endpoint_equal(&a.local, &before));
	/* From now on questions are taken there, and not here. */
	CU_ASSERT_EQUAL(rig_ask(s.r, &question), COUNTER_DROP_UDP_PORT);
	length = rig_question_build(&question, message);
	CU_ASSERT_EQUAL(rig_send_udp(s.r, 0, &client, &other, (struct span){message, length}),
			COUNTER_QUESTION_NEW);
	rig_forget(s.r);
	/* The rig tells answers from queries by what it knows of. */
	s.r->config.listen[s.r->config.listen_count++].endpoint = other;
	finish(&s);
}

static void engine_reload__refuses_who_may_not_ask_any_more(void)
{
	static struct reloads s;
	struct rig_question question = {.name = "www.example.com"};
	struct rig_query q;

	start(&s, 1);
	ask(&s, "www.example.org", &q);
	next_begin(&s);
	next_zone(&s, ".", only_far);
	s.next->allow_count = 1;
	s.next->allow[0] = (struct prefix){rig_address("192.0.2.0"), 120};
	reload(&s);
	/* Who was taken has his answer. */
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	(void)rig_ask(s.r, &question);
	expect_answer(&s, DNS_RCODE_REFUSED);
	finish(&s);
}

static void engine_reload__asks_for_a_new_gateway(void)
{
	static struct reloads s;
	struct rig_query q;

	start(&s, 1);
	next_begin(&s);
	next_zone(&s, ".", only_far);
	/* The host on the link becomes the gateway. */
	s.next->gateways[0].address = rig_address(LINK_V4);
	reload(&s);
	ask(&s, "www.example.com", &q);
	CU_ASSERT(is_to(&q, FAR_V4));
	CU_ASSERT(mac_equal(&q.mac, &s.r->hosts[RIG_HOST_V4].mac));
	(void)rig_answer_query(s.r, &q, &plain);
	expect_answer(&s, DNS_RCODE_NOERROR);
	finish(&s);
}

/* ---- between workers ---- */

/* A question that is on its way to its owner when the zone goes: he answers it all the same. */
static void engine_reload__answers_passed_questions_of_a_zone_that_is_gone(void)
{
	static struct reloads s;
	unsigned passed = 0, answers = 0;
	struct engine_config *last;
	char name[] = "a.example.com";
	struct rig_answer a;

	start(&s, 2);
	s.r->passing = RIG_PASS_NEVER;
	for (; name[0] <= 'z'; name[0]++) {
		struct rig_question q = {.name = name, .engine = 0};

		passed += rig_ask(s.r, &q) == COUNTER_QUESTION_HANDED_OFF;
	}
	CU_ASSERT(passed > 3 && passed < 23);
	next_begin(&s);
	next_zone(&s, "example.org", only_far);
	last = publish(&s);
	s.r->passing = RIG_PASS_AT_POLLS;
	settle(&s, last);
	rig_advance(s.r, 2 * NS_PER_S);
	while (rig_answer_next(s.r, &a)) {
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_SERVFAIL);
		answers++;
	}
	CU_ASSERT_EQUAL(answers, 26);
	rig_forget(s.r);
	finish(&s);
}

/* Passed by a worker that has the next snapshot already to one that has not. */
static void engine_reload__takes_passed_questions_of_a_zone_that_it_does_not_know_yet(void)
{
	static struct reloads s;
	struct engine_config *last;
	unsigned passed = 0, answers = 0;
	char name[] = "a.new.example";
	struct rig_query q;
	struct rig_answer a;

	start(&s, 2);
	next_begin(&s);
	next_zone(&s, "new.example", only_other);
	next_zone(&s, ".", only_far);
	last = publish(&s);
	/* Worker 1 sleeps. */
	rig_stop_engine(s.r, 1);
	s.r->passing = RIG_PASS_AT_POLLS;
	for (; name[0] <= 'z'; name[0]++) {
		struct rig_question question = {.name = name, .engine = 0};

		passed += rig_ask(s.r, &question) == COUNTER_QUESTION_HANDED_OFF;
	}
	CU_ASSERT(passed > 3);
	/* It wakes up in a burst, with what has been passed before it looks at the snapshot; whichever it then goes by. */
	rig_go_engine(s.r, 1);
	settle(&s, last);
	rig_advance(s.r, 10 * NS_PER_MS);
	while (rig_query_next(s.r, &q))
		(void)rig_answer_query(s.r, &q, &plain);
	rig_advance(s.r, 10 * NS_PER_MS);
	while (rig_answer_next(s.r, &a)) {
		CU_ASSERT_EQUAL(rig_rcode(&a), DNS_RCODE_NOERROR);
		answers++;
	}
	CU_ASSERT_EQUAL(answers, 26);
	finish(&s);
}

/* ---- everything at random ---- */

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
	static const char *const addresses[] = {LINK_V4,          FAR_V4,          OTHER_V4,
						THIRD_V4,         "203.0.113.20",  "203.0.113.21",
						"2001:2:0:1::10", "2001:4860::11", "2001:4860::12",
						"203.0.113.22"};
	const char *servers[5] = {NULL};
	unsigned first = draw(k, ARRAY_COUNT(addresses));
	unsigned count = 1 + draw(k, 4);

	for (unsigned i = 0; i < count; i++)
		servers[i] = addresses[(first + i) % ARRAY_COUNT(addresses)];
	next_zone(&k->s, name, servers);
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
	next_begin(&k->s);
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
	reload(&k->s);
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
	start(&k.s, engine_count);
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
	finish(&k.s);
}

static void engine_reload__survives_reloads_at_random(void)
{
	soak(1);
}

static void engine_reload__survives_reloads_at_random_on_three_workers(void)
{
	soak(3);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_reload__takes_the_reply_of_a_zone_that_is_gone),
	UNIT_TEST(engine_reload__goes_on_with_the_zone_that_has_the_name_now),
	UNIT_TEST(engine_reload__fails_what_no_zone_has_any_more),
	UNIT_TEST(engine_reload__counts_late_replies_of_a_server_that_is_gone),
	UNIT_TEST(engine_reload__follows_servers_that_change_places),
	UNIT_TEST(engine_reload__coalesces_over_a_reload_that_is_not_the_zones),
	UNIT_TEST(engine_reload__knows_a_server_that_comes_back),
	UNIT_TEST(engine_reload__is_a_stranger_to_who_has_the_place_of_another),
	UNIT_TEST(engine_reload__probes_no_server_that_is_gone),
	UNIT_TEST(engine_reload__asks_again_from_an_address_that_stays),
	UNIT_TEST(engine_reload__answers_from_where_it_was_asked),
	UNIT_TEST(engine_reload__refuses_who_may_not_ask_any_more),
	UNIT_TEST(engine_reload__asks_for_a_new_gateway),
	UNIT_TEST(engine_reload__answers_passed_questions_of_a_zone_that_is_gone),
	UNIT_TEST(engine_reload__takes_passed_questions_of_a_zone_that_it_does_not_know_yet),
	UNIT_TEST(engine_reload__survives_reloads_at_random),
	UNIT_TEST(engine_reload__survives_reloads_at_random_on_three_workers),
};
UNIT_SUITE(engine_reload, tests)
