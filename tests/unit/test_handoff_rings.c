/* What rings between workers can do to questions: they fill while a worker is stopped, or because they are small,
 * and what they drop is counted to the last one. Nobody else notices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "engine_rig.h"
#include "engine_rig_list.h"
#include "unit.h"

#define QUESTIONS_MAX 30000
#define SERVER_NS (10 * NS_PER_MS)
#define STEP_NS NS_PER_MS
#define NOBODY UINT8_MAX
#define CHECK_EVERY 50 /* steps */

struct asked {
	mono_ns at;
	mono_ns answered_at;
	uint8_t answers;
	bool spoilt; /* it, its query's worker or its reply met a stopped one, or its reply a full ring */
	bool servfail;
};

struct load {
	struct rig *r;
	struct asked *asked;
	unsigned asked_count;
	struct rig_list *pending; /* of struct pending, at the server */
	uint64_t device_drops;    /* of questions */
	unsigned stopped;         /* or NOBODY */
	bool lossy; /* replies to the stopped worker's queries are lost on their way */
};

struct pending {
	mono_ns due;
	struct rig_query query;
};

static unsigned number_of(const struct rig_query *q)
{
	return (unsigned)strtoul((const char *)q->parsed.qname.bytes + 2, NULL, 10);
}

static bool keep(struct rig *r, const struct rig_query *q)
{
	struct load *l = r->context;
	struct pending p = {r->now + SERVER_NS, *q};

	if (q->is_probe)
		p.due = r->now;
	else if (q->engine == l->stopped)
		l->asked[number_of(q)].spoilt = true;
	rig_list_push(l->pending, &p);
	return true;
}

static bool take(struct rig *r, const struct rig_answer *a)
{
	struct load *l = r->context;
	struct asked *asked;

	CU_ASSERT_FATAL(rig_u16(a->message, 0) < l->asked_count);
	asked = &l->asked[rig_u16(a->message, 0)];
	asked->answers++;
	asked->answered_at = r->now;
	asked->servfail = rig_rcode(a) == DNS_RCODE_SERVFAIL;
	return true;
}

static struct load *load_new(unsigned count)
{
	struct load *l = calloc(1, sizeof(*l));

	CHECK(l != NULL);
	l->r = rig_new(count);
	l->asked = calloc(QUESTIONS_MAX, sizeof(*l->asked));
	CHECK(l->asked != NULL);
	l->pending = rig_list_new(sizeof(struct pending));
	l->stopped = NOBODY;
	l->r->context = l;
	l->r->on_query = keep;
	l->r->on_answer = take;
	l->r->passing = RIG_PASS_AT_POLLS;
	l->r->checks = false;
	l->r->params.under_way_max = 1024;
	l->r->params.waiter_count_max = 4096;
	return l;
}

static unsigned any_engine(struct load *l)
{
	return (unsigned)(unit_random(&l->r->random) % l->r->engine_count);
}

static void ask(struct load *l, bool fresh)
{
	struct rig *r = l->r;
	unsigned number = l->asked_count++;
	char name[32];
	struct rig_question q = {.name = name,
				 .id = (uint16_t)number,
				 .client = (uint16_t)number,
				 .engine = any_engine(l)};
	uint64_t drops = r->device_drops;

	CU_ASSERT_FATAL(number < QUESTIONS_MAX);
	snprintf(name, sizeof(name), "n%u.example.com", fresh ? number : number % 16);
	l->asked[number] = (struct asked){.at = r->now, .spoilt = q.engine == l->stopped};
	rig_ask(r, &q);
	l->device_drops += r->device_drops - drops;
}

/* What the servers have kept long enough; each reply reaches any worker. */
static void serve(struct load *l)
{
	struct rig_list *pending = l->pending;
	struct pending p;

	while (pending->count > 0) {
		memcpy(&p, pending->items + pending->first * pending->item_bytes, sizeof(p));
		if (p.due > l->r->now)
			return;
		(void)rig_list_pop(pending, &p);
		struct rig_reply reply = {.to_engine = true, .engine = any_engine(l)};

		if (!p.query.is_probe &&
		    (reply.engine == l->stopped || p.query.engine == l->stopped))
			l->asked[number_of(&p.query)].spoilt = true;
		if (l->lossy && p.query.engine == l->stopped)
			continue;
		/* Once it goes on, it asks all that waited for it at once, and that many replies fill rings too. */
		if (rig_answer_query(l->r, &p.query, &reply) == COUNTER_DROP_HANDOFF_FULL &&
		    !p.query.is_probe)
			l->asked[number_of(&p.query)].spoilt = true;
	}
}

static void run(struct load *l, unsigned steps, unsigned questions_per_step, bool fresh)
{
	for (unsigned s = 0; s < steps; s++) {
		for (unsigned i = 0; i < questions_per_step; i++)
			ask(l, fresh);
		serve(l);
		rig_advance(l->r, STEP_NS);
		if (s % CHECK_EVERY == 0)
			rig_check(l->r);
	}
	rig_check(l->r);
}

static uint64_t unanswered(const struct load *l)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < l->asked_count; i++) {
		CU_ASSERT(l->asked[i].answers <= 1);
		count += l->asked[i].answers == 0;
	}
	return count;
}

/* Serve until all is quiet; then what was asked is what was answered and what was dropped, by name. */
static void settle(struct load *l)
{
	struct rig *r = l->r;
	struct engine_gauges left;

	run(l, 9000, 0, true);
	left = rig_gauges(r);
	CU_ASSERT_EQUAL(
		left.resolutions_active + left.waiters + left.tickets_out + left.tickets_late, 0);
	CU_ASSERT_EQUAL(rig_in_rings(r) + rig_in_devices(r), 0);
	CU_ASSERT_EQUAL(unanswered(l), r->ring_drops[RIG_RING_QUESTIONS] + l->device_drops);
	CU_ASSERT_EQUAL(l->asked_count,
			r->answers_sent + r->ring_drops[RIG_RING_QUESTIONS] + l->device_drops);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_DROP_WAITERS_FULL) +
				rig_count(r, COUNTER_DROP_CLIENT_WAITERS) +
				rig_count(r, COUNTER_DROP_NO_ROOM),
			0);
}

static void load_finish(struct load *l)
{
	rig_finish(l->r);
	rig_list_free(l->pending);
	free(l->asked);
	free(l);
}

/* ---- a stopped worker ---- */

/* Those that met no stopped worker were answered as if nothing were. */
static unsigned others(const struct load *l)
{
	unsigned count = 0;

	for (unsigned i = 0; i < l->asked_count; i++) {
		const struct asked *a = &l->asked[i];

		if (a->spoilt || a->answers == 0)
			continue;
		count++;
		CU_ASSERT(!a->servfail);
		CU_ASSERT(a->answered_at - a->at <= SERVER_NS + 2 * STEP_NS);
	}
	return count;
}

static unsigned servfails(const struct load *l, mono_ns at)
{
	unsigned count = 0;

	for (unsigned i = 0; i < l->asked_count; i++)
		count +=
			l->asked[i].servfail && (at == MONO_NEVER || l->asked[i].answered_at == at);
	return count;
}

#define STARVE_RING 100
#define STARVE_DEVICE 256
#define STARVE_RATE 2 /* questions a step, at and of any worker */

static void starve(unsigned count, unsigned stopped, unsigned ms, bool lossy)
{
	struct load *l = load_new(count);
	struct rig *r = l->r;
	/* What each of the others would have passed on to it. */
	unsigned passed = STARVE_RATE * ms / count / count;
	unsigned asked_before;
	unsigned during;
	mono_ns went_on;

	r->ring_capacity = STARVE_RING;
	r->device_capacity = STARVE_DEVICE;
	rig_start(r);
	run(l, 100, STARVE_RATE, true);
	asked_before = l->asked_count;
	l->stopped = stopped;
	l->lossy = lossy;
	rig_stop_engine(r, stopped);
	run(l, ms, STARVE_RATE, true);
	during = l->asked_count - asked_before;
	went_on = r->now;
	rig_go_engine(r, stopped);
	rig_poll(r);
	l->stopped = NOBODY;
	run(l, 300, STARVE_RATE, true);
	settle(l);
	/* Of those asked meanwhile, each had three chances to meet the stopped one. */
	CU_ASSERT(others(l) > during / (count == 2 ? 16 : 4));
	CU_ASSERT((r->ring_drops[RIG_RING_QUESTIONS] > 0) == (passed > STARVE_RING));
	CU_ASSERT((r->device_drops > 0) == (2 * STARVE_RATE * ms / count > STARVE_DEVICE));
	/* Three replies in a row may have met the stopped one; nothing else makes a question fail, */
	CU_ASSERT(ms >= 2000 || servfails(l, MONO_NEVER) == 0);
	/* but that its client's 4 s were over before its worker went on. */
	CU_ASSERT((servfails(l, went_on) > 0) == (lossy && ms >= CLIENT_DEADLINE_MS));
	load_finish(l);
}

static void handoff_rings__lose_only_what_they_drop_while_a_worker_is_stopped(void)
{
	static const unsigned ms[] = {50, 500, 2000, 5000};

	for (size_t i = 0; i < ARRAY_COUNT(ms); i++) {
		starve(2, 1, ms[i], false);
		starve(4, 0, ms[i], false);
		starve(4, 3, ms[i], false);
		starve(4, 2, ms[i], true);
	}
}

/* ---- rings that are too small ---- */

static void overflow(unsigned count, unsigned capacity, bool fresh)
{
	struct load *l = load_new(count);

	l->r->ring_capacity = capacity;
	l->r->ring_delay_ns_max = NS_PER_MS / 2;
	rig_start(l->r);
	run(l, 400, 20, fresh);
	settle(l);
	CU_ASSERT_EQUAL(l->r->ring_most, capacity);
	CU_ASSERT(l->r->ring_drops[RIG_RING_QUESTIONS] > 100);
	CU_ASSERT(!fresh || l->r->ring_drops[RIG_RING_PACKETS] > 10);
	load_finish(l);
}

static void handoff_rings__balance_however_small(void)
{
	for (unsigned capacity = 1; capacity <= 2; capacity++) {
		overflow(2, capacity, true);
		overflow(4, capacity, true);
		overflow(4, capacity, false);
	}
}

/* Of two rings from one worker to another, the one of packets is emptied first: replies free what questions need. */
static void handoff_rings__carry_packets_before_questions(void)
{
	struct rig *r = rig_new(2);
	struct rig_query query;
	unsigned asked = 0;

	r->passing = RIG_PASS_NEVER;
	r->params.under_way_max = 1;
	r->params.waiter_count_max = 1;
	rig_start(r);
	/* One question of worker 1 under way: it has room for no other. */
	for (; rig_query_count(r) == 0 && asked < 100; asked++) {
		char name[32];

		snprintf(name, sizeof(name), "p%u.example.com", asked);
		rig_ask(r, &(struct rig_question){.name = name, .engine = 1});
		if (rig_count_of(r, 1, COUNTER_QUESTION_NEW) == 0)
			continue;
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &query) && query.engine == 1);
		break;
	}
	/* In the rings to worker 1 from 0: another question for it first, then the reply. */
	for (unsigned i = 0; rig_count_of(r, 0, COUNTER_QUESTION_HANDED_OFF) == 0 && i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "q%u.example.com", i);
		rig_ask(r, &(struct rig_question){.name = name, .engine = 0});
		rig_forget(r);
	}
	CU_ASSERT_EQUAL(r->rings[RIG_RING_QUESTIONS][1][0].count, 1);
	CU_ASSERT_EQUAL(rig_answer_query(r, &query, &(struct rig_reply){.to_engine = true}),
			COUNTER_PACKET_HANDED_OFF);
	r->passing = RIG_PASS_AT_POLLS;
	rig_poll(r);
	CU_ASSERT_EQUAL(rig_count_of(r, 1, COUNTER_UPSTREAM_RESPONSE), 1);
	CU_ASSERT_EQUAL(rig_count_of(r, 1, COUNTER_QUESTION_NEW), 2);
	CU_ASSERT_EQUAL(rig_count_of(r, 1, COUNTER_DROP_WAITERS_FULL), 0);
	rig_finish(r);
}

/* ---- a bucket with several owners ---- */

/* All queries of the rig leave from this many ports: several workers have queries from one to one server. */
static struct rig *few_ports(unsigned count, enum rig_family family, unsigned ports)
{
	static const int v4[] = {RIG_SERVER_V4_LINK, -1};
	static const int v6[] = {RIG_SERVER_V6_LINK, -1};
	struct rig *r = rig_new(count);
	struct source_set *source = rig_source_new(r, 5000, (uint16_t)(5000 + ports - 1));

	source->is_small = false; /* as if there were many: a bucket does not depend on the ID */
	rig_source_publish_all(r, source);
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, family == RIG_V4 ? v4 : v6);
	rig_start(r);
	return r;
}

/* One query under way of every worker. */
static void ask_of_all(struct rig *r, struct rig_query queries[RIG_ENGINES_MAX])
{
	bool has[RIG_ENGINES_MAX] = {false};
	unsigned found = 0;

	for (unsigned i = 0; i < 100 && found < r->engine_count; i++) {
		char name[32];
		struct rig_question q = {.name = name, .client = (uint16_t)i};
		struct rig_query query;

		snprintf(name, sizeof(name), "s%u.example.com", i);
		rig_ask(r, &q);
		rig_poll(r);
		CU_ASSERT_FATAL(rig_query_next(r, &query));
		if (has[query.engine]) { /* one a worker: a bucket has 8 words */
			rig_answer_query(r, &query, &(struct rig_reply){.edns = true});
			continue;
		}
		has[query.engine] = true;
		queries[query.engine] = query;
		found++;
	}
	rig_forget(r);
	CU_ASSERT_FATAL(found == r->engine_count);
}

static void near_miss_at(unsigned count, enum rig_family family, unsigned at)
{
	struct rig *r = few_ports(count, family, 1);
	struct rig_query queries[RIG_ENGINES_MAX];
	struct rig_reply wrong = {.id_xor = 1, .to_engine = true, .engine = at};
	uint64_t cancelled, passed;

	ask_of_all(r, queries);
	/* An ID that nobody has. */
	for (unsigned i = 0; i < count; i++)
		if ((queries[0].parsed.id ^ wrong.id_xor) == queries[i].parsed.id) {
			wrong.id_xor++;
			i = 0;
		}
	cancelled = rig_count(r, COUNTER_UPSTREAM_CANCELLED);
	passed = rig_count(r, COUNTER_PACKET_HANDED_OFF);
	CU_ASSERT_EQUAL(rig_answer_query(r, &queries[0], &wrong), COUNTER_NEAR_MISS);
	/* Everybody's ticket is burnt, once; the packet counts once, and has gone round once. */
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 1);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED) - cancelled, count);
	CU_ASSERT_EQUAL(rig_count(r, COUNTER_PACKET_HANDED_OFF) - passed,
			at == 0 ? count - 1 : count);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_out, 0);
	CU_ASSERT_EQUAL(rig_gauges(r).tickets_late, count);
	/* True answers are late now, at whom they are for. */
	for (unsigned i = 0; i < count; i++) {
		struct rig_reply reply = {.to_engine = true, .engine = (i + at) % count};

		CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &reply), COUNTER_LATE_RESPONSE);
		CU_ASSERT_EQUAL(rig_count_of(r, i, COUNTER_LATE_RESPONSE), 1);
	}
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	/* Each asks again, with another ID, and is answered. */
	rig_advance(r, 30 * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_query_count(r), count);
	for (struct rig_query again; rig_query_next(r, &again);)
		CU_ASSERT_EQUAL(
			rig_answer_query(r, &again,
					 &(struct rig_reply){.to_engine = true, .engine = at}),
			COUNTER_UPSTREAM_RESPONSE);
	CU_ASSERT_EQUAL(rig_answer_count(r), count);
	rig_finish(r);
}

static void handoff_rings__bring_a_near_miss_to_every_owner(void)
{
	for (unsigned count = 2; count <= RIG_ENGINES_MAX; count += 2)
		for (unsigned at = 0; at < count; at++) {
			near_miss_at(count, RIG_V4, at);
			near_miss_at(count, RIG_V6, at);
		}
}

/* True answers among many owners of one port: each to whom it is for, wherever it arrives. */
static void handoff_rings__bring_answers_to_their_owner_of_many(void)
{
	for (int family = 0; family < RIG_FAMILY_COUNT; family++)
		for (unsigned at = 0; at < RIG_ENGINES_MAX; at++) {
			struct rig *r = few_ports(RIG_ENGINES_MAX, (enum rig_family)family, 1);
			struct rig_query queries[RIG_ENGINES_MAX];

			ask_of_all(r, queries);
			for (unsigned i = 0; i < RIG_ENGINES_MAX; i++) {
				struct rig_reply reply = {.to_engine = true, .engine = at};
				uint64_t before = rig_count_of(r, i, COUNTER_UPSTREAM_RESPONSE);

				CU_ASSERT_EQUAL(rig_answer_query(r, &queries[i], &reply),
						COUNTER_UPSTREAM_RESPONSE);
				CU_ASSERT_EQUAL(rig_count_of(r, i, COUNTER_UPSTREAM_RESPONSE),
						before + 1);
			}
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_NEAR_MISS), 0);
			CU_ASSERT_EQUAL(rig_count(r, COUNTER_UPSTREAM_CANCELLED), 0);
			rig_finish(r);
		}
}

static const struct unit_test tests[] = {
	UNIT_TEST(handoff_rings__lose_only_what_they_drop_while_a_worker_is_stopped),
	UNIT_TEST(handoff_rings__balance_however_small),
	UNIT_TEST(handoff_rings__carry_packets_before_questions),
	UNIT_TEST(handoff_rings__bring_a_near_miss_to_every_owner),
	UNIT_TEST(handoff_rings__bring_answers_to_their_owner_of_many),
};
UNIT_SUITE(handoff_rings, tests)
