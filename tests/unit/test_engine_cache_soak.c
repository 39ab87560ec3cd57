/* A cache, and everything at once, at random: servers that answer with any TTL, deny, fail or are silent, clients with
 * favourite names, stale answers after any wait, refreshing, questions of our own, entries that vanish, small tables, jumps
 * of time. Invariants hold after every step; every client that was taken has exactly one answer; it is one that a server
 * gave for that name, no older than it may be. */
#include "engine_cache_world.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "unit.h"

#define STEPS 12000
#define NAMES 60
#define PENDING 32
#define MAX_TTL_S 60
#define MAX_STALE_S 60

struct soak {
	struct rig *r;
	struct rig_query pending[PENDING];
	unsigned pending_count;
	mono_ns answered_at[NAMES]; /* when a server last did; 0: never */
	uint64_t answers, stale_answers;
	uint32_t asks[ENGINE_ASKS_MAX];
};

static unsigned draw(struct soak *s, unsigned bound)
{
	return (unsigned)(unit_random(&s->r->random) % bound);
}

static bool chance(struct soak *s, unsigned one_in)
{
	return draw(s, one_in) == 0;
}

/* Some are asked for much more often than others. */
static unsigned draw_name(struct soak *s)
{
	return chance(s, 2) ? draw(s, 4) : draw(s, NAMES);
}

static void name_of(unsigned number, char name[40])
{
	snprintf(name, 40, "n%u.example", number);
}

static unsigned number_of(const uint8_t *message)
{
	unsigned number = 0;

	CU_ASSERT_EQUAL_FATAL(message[DNS_HEADER_BYTES + 1] | 0x20, 'n');
	for (const uint8_t *c = message + DNS_HEADER_BYTES + 2; *c >= '0' && *c <= '9'; c++)
		number = 10 * number + (unsigned)(*c - '0');
	CU_ASSERT_FATAL(number < NAMES);
	return number;
}

static bool remember(struct rig *r, const struct rig_query *q)
{
	struct soak *s = r->context;
	unsigned at = s->pending_count < PENDING ? s->pending_count++ : draw(s, PENDING);

	s->pending[at] = *q;
	return true;
}

static bool judge(struct rig *r, const struct rig_answer *a)
{
	struct soak *s = r->context;
	struct msg_response response;
	struct msg_record record;
	unsigned number = number_of(a->message);
	struct span ede;
	bool stale = rig_option(a, 15, &ede) && rig_u16(ede.data, 0) == 3;
	size_t offset;

	s->answers++;
	s->stale_answers += stale;
	CU_ASSERT_FATAL(msg_parse_response((struct span){a->message, a->length_bytes}, &response) ==
			MSG_RESPONSE_OK);
	if (response.answer_count == 0)
		return true;
	offset = response.records_offset;
	CU_ASSERT_FATAL(msg_record_next(response.message, &offset, &record));
	CU_ASSERT_EQUAL(a->message[record.rdata_offset + 3], number + 1);
	CU_ASSERT(record.ttl_s <= MAX_TTL_S);
	CU_ASSERT(!stale || r->config.cache.serve_stale);
	CU_ASSERT_FATAL(s->answered_at[number] > 0);
	CU_ASSERT((r->now - s->answered_at[number]) / NS_PER_S <=
		  MAX_TTL_S + (stale ? MAX_STALE_S : 0));
	return true;
}

static void step_ask(struct soak *s)
{
	char name[40];
	unsigned number = draw_name(s);

	name_of(number, name);
	rig_ask(s->r, &(struct rig_question){
			      .name = name,
			      .id = (uint16_t)draw(s, 65536),
			      .edns = true,
			      .dnssec_ok = chance(s, 2),
			      .family = chance(s, 2) ? RIG_V4 : RIG_V6,
			      .client = (uint16_t)draw(s, 1000),
			      .engine = draw(s, s->r->engine_count),
		      });
}

static void step_reply(struct soak *s)
{
	static const uint32_t ttls[] = {0, 1, 2, 10, 20, 40, 50, 100};
	struct kept_reply reply = {.ttl_s = ttls[draw(s, ARRAY_COUNT(ttls))]};
	struct rig_query q;
	unsigned at, number;
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length;

	if (s->pending_count == 0)
		return;
	at = draw(s, s->pending_count);
	q = s->pending[at];
	s->pending[at] = s->pending[--s->pending_count];
	if (q.is_probe) {
		rig_answer_query(s->r, &q, &(struct rig_reply){0});
		return;
	}
	number = number_of(q.message);
	reply.last_byte = (uint8_t)(number + 1);
	switch (draw(s, 8)) {
	case 0:
		reply.negative = true;
		reply.rcode = chance(s, 2) ? DNS_RCODE_NXDOMAIN : DNS_RCODE_NOERROR;
		reply.soa_minimum_s = draw(s, 20);
		reply.no_soa = chance(s, 4);
		break;
	case 1:
		reply.negative = true;
		reply.no_soa = true;
		reply.rcode = DNS_RCODE_SERVFAIL;
		break;
	case 2:
		reply.flags_on = DNS_FLAG_TC;
		break;
	default:
		break;
	}
	length = kept_reply_build(&q, &reply, message);
	if (reply.rcode == 0 && !reply.negative)
		s->answered_at[number] = s->r->now;
	rig_answer_bytes(s->r, &q, message, length);
}

static void step_own(struct soak *s)
{
	struct engine *e;
	struct engine_asked asked;
	uint32_t *handle = &s->asks[draw(s, ENGINE_ASKS_MAX)];
	struct name qname;
	uint8_t owner = 0;
	char name[40];
	unsigned at = draw(s, s->r->engine_count);

	e = s->r->engines[at];
	if (*handle != 0 && engine_asked(e, *handle, &asked) && asked.done)
		CU_ASSERT(asked.rcode != DNS_RCODE_REFUSED);
	name_of(draw_name(s), name);
	CU_ASSERT_FATAL(name_from_text(name, &qname));
	if (engine_ask(e, &qname, DNS_TYPE_A, ENGINE_ASK_PLAIN, s->r->now, handle, &owner) !=
	    ENGINE_ASK_STARTED)
		*handle = 0;
}

static void step_vanish(struct soak *s)
{
	static uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key;
	struct cache_found found;
	char name[40];

	name_of(draw_name(s), name);
	key = rig_cache_key(s->r, name, DNS_TYPE_A, false);
	if (engine_cache_find(s->r->engines[0], &key, copy, &found))
		(void)cache_remove(s->r->cache, &found);
}

static void step_world(struct soak *s)
{
	static const uint32_t timeouts_ms[] = {0, 50, 1800};
	struct rig *r = s->r;

	switch (draw(s, 6)) {
	case 0:
		r->in_place = !chance(s, 3);
		break;
	case 1:
		r->config.cache.client_timeout_ms = timeouts_ms[draw(s, ARRAY_COUNT(timeouts_ms))];
		break;
	case 2:
		r->entropy_runs = chance(s, 2);
		break;
	case 3:
		s->pending_count = 0;
		break;
	case 4:
		r->config.cache.serve_stale = !chance(s, 4);
		break;
	default:
		r->entropy_runs = true;
		break;
	}
}

static void step_time(struct soak *s)
{
	rig_poll(s->r); /* what is ready leaves now */
	if (chance(s, 200))
		s->r->now += draw(s, 200) * NS_PER_S;
	else
		rig_advance(s->r, draw(s, chance(s, 8) ? 3000 : 100) * NS_PER_MS);
	rig_poll(s->r);
}

static void step(struct soak *s, unsigned which)
{
	if (which < 50)
		step_ask(s);
	else if (which < 80)
		step_reply(s);
	else if (which < 83)
		step_own(s);
	else if (which < 84)
		step_vanish(s);
	else if (which < 86)
		step_world(s);
	else
		step_time(s);
}

static void soak_run(unsigned engine_count)
{
	static struct soak s;

	s = (struct soak){.r = kept_rig(engine_count)};
	s.r->params.under_way_max = 18 / engine_count;
	s.r->params.waiter_count_max = 60;
	s.r->params.answer_buffer_count = 2;
	s.r->link_anywhere = true;
	s.r->config.cache.prefetch = true;
	s.r->config.cache.max_ttl_s = MAX_TTL_S;
	s.r->config.cache.max_stale_s = MAX_STALE_S;
	s.r->config.cache.round_robin = true;
	s.r->context = &s;
	s.r->on_query = remember;
	s.r->on_answer = judge;
	rig_start(s.r);
	for (unsigned i = 0; i < STEPS; i++)
		step(&s, draw(&s, 100));
	/* All that could happen did. */
	CU_ASSERT(s.stale_answers > 100);
	CU_ASSERT(rig_count(s.r, COUNTER_CACHE_STALE) >= s.stale_answers);
	CU_ASSERT(rig_count(s.r, COUNTER_CACHE_HIT) > 1000);
	CU_ASSERT(rig_count(s.r, COUNTER_CACHE_PREFETCHES) > 20);
	CU_ASSERT(rig_count(s.r, COUNTER_CACHE_FAILURES) > 20);
	CU_ASSERT(rig_count(s.r, COUNTER_COALESCED) > 100);
	CU_ASSERT(rig_count(s.r, COUNTER_SHED_UNDER_WAY) > 0);
	rig_finish(s.r);
}

static void engine_cache_soak__survives_on_one_worker(void)
{
	soak_run(1);
}

static void engine_cache_soak__survives_on_three_workers(void)
{
	soak_run(3);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_cache_soak__survives_on_one_worker),
	UNIT_TEST(engine_cache_soak__survives_on_three_workers),
};
UNIT_SUITE(engine_cache_soak, tests)
