/* The state machine by itself: table, steps and budgets. What they look like on the wire is in test_engine_*.c. */
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/resolution.h"
#include "unit.h"

#define CAPACITY 8
#define SERVERS 3
#define START (UINT64_C(5) * NS_PER_S)

/* A table, a zone of three servers taken in order, and their table. */
struct bench {
	struct engine_config *config;
	struct resolution_table table;
	void *shared_memory;
	struct server_shared_table shared;
	struct server servers[SERVERS];
	struct server_table server_table;
	struct entropy entropy;
	uint8_t entropy_blocks[2 * 64];
	uint32_t cursor;
	void *memory;
	struct inflight_slot slot;
	struct resolution_env env;
};

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct engine_zone *zone;

	CHECK(b != NULL);
	b->config = calloc(1, sizeof(*b->config));
	b->memory = malloc(resolution_table_memory_bytes(CAPACITY));
	CHECK(b->config != NULL && b->memory != NULL);
	memset(b->memory, 0xa5, resolution_table_memory_bytes(CAPACITY));
	resolution_table_init(&b->table, b->memory, CAPACITY);
	b->config->zone_count = 1;
	zone = &b->config->zones[0];
	*zone = (struct engine_zone){.policy = SERVER_POLICY_IN_ORDER,
				     .server_count = SERVERS,
				     .recursion_desired = true,
				     .timeout_ms = 800,
				     .tries = 3};
	for (uint16_t i = 0; i < SERVERS; i++) {
		zone->servers[i] = i;
		b->config->server_health[i] = (struct server_health){1000, 1, 100};
	}
	b->shared_memory = aligned_alloc(SERVER_LINE_BYTES, server_shared_memory_bytes(SERVERS));
	CHECK(b->shared_memory != NULL);
	memset(b->shared_memory, 0xa5, server_shared_memory_bytes(SERVERS)); /* gaps, too */
	server_shared_init(&b->shared, b->shared_memory, SERVERS);
	server_table_init(&b->server_table, b->servers, &b->shared, (struct server_worker){0, 1},
			  &(struct server_list){b->config->server_endpoints,
						b->config->server_health, NULL, SERVERS});
	entropy_init(&b->entropy, b->entropy_blocks, 64);
	b->env = (struct resolution_env){.config = b->config,
					 .servers = &b->server_table,
					 .entropy = &b->entropy,
					 .zone_cursors = &b->cursor,
					 .now = START};
	return b;
}

static void bench_free(struct bench *b)
{
	resolution_check(&b->table);
	free(b->config);
	free(b->memory);
	free(b->shared_memory);
	free(b);
}

static struct resolution_key key_of(const char *name, uint16_t qtype)
{
	struct resolution_key key = {.hash = 77, .qtype = qtype, .qclass = DNS_CLASS_IN};

	CU_ASSERT_FATAL(name_from_text(name, &key.qname));
	return key;
}

static uint32_t begin(struct bench *b)
{
	struct resolution_key key = key_of("www.example.com", DNS_TYPE_A);
	uint32_t idx = resolution_take(&b->table, &key, b->env.now);

	CU_ASSERT_FATAL(idx != POOL_NONE);
	CU_ASSERT_EQUAL(resolution_on_start(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	return idx;
}

static struct resolution *at(struct bench *b, uint32_t idx)
{
	return &b->table.resolutions[idx];
}

/* As the engine does it: to the chosen server, in slot 4. */
static void send(struct bench *b, uint32_t idx, uint8_t flags)
{
	struct resolution *r = at(b, idx);

	b->slot = (struct inflight_slot){.state = INFLIGHT_SLOT_LIVE,
					 .flags = flags,
					 .server_idx = resolution_server(r),
					 .qtype = r->key.qtype,
					 .qclass = r->key.qclass,
					 .sent_at = b->env.now,
					 .qname = r->key.qname};
	server_on_sent(&b->server_table, b->slot.server_idx);
	resolution_on_sent(&b->table, idx, 4);
	CU_ASSERT_EQUAL(r->state, RESOLUTION_WAIT);
	CU_ASSERT_EQUAL(r->slot_idx, 4);
	resolution_check(&b->table);
}

static enum resolution_step respond(struct bench *b, uint32_t idx, uint16_t rcode,
				    enum counter *outcome)
{
	struct msg_response response = {
		.flags = (uint16_t)(DNS_FLAG_QR | (rcode & DNS_RCODE_MASK)),
		.qtype = b->slot.qtype,
		.qclass = b->slot.qclass,
		.qname = b->slot.qname,
		.edns = {.present = rcode > DNS_RCODE_MASK,
			 .extended_rcode = (uint8_t)(rcode >> 4)},
	};

	return resolution_on_response(&b->table, idx, &b->env, &b->slot, &response, outcome);
}

static void end(struct bench *b, uint32_t idx)
{
	CU_ASSERT_EQUAL(at(b, idx)->state, RESOLUTION_DONE);
	resolution_put(&b->table, idx);
}

/* ---- table ---- */

static void resolution_find__tells_questions_apart(void)
{
	struct bench *b = bench_new();
	struct resolution_key keys[6];
	uint32_t idx[ARRAY_COUNT(keys)];

	/* All with one hash: only the rest tells them apart. */
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
		keys[i] = key_of("www.example.com", DNS_TYPE_A);
	keys[1].qtype = DNS_TYPE_AAAA;
	keys[2].checking_disabled = true;
	keys[3].zone_idx = 1;
	keys[4].view = 1;
	keys[5] = key_of("wwx.example.com", DNS_TYPE_A);
	b->config->zone_count = 2;
	b->config->zones[1] = b->config->zones[0];
	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		CU_ASSERT_EQUAL(resolution_find(&b->table, &keys[i]), POOL_NONE);
		idx[i] = resolution_take(&b->table, &keys[i], START);
		CU_ASSERT_EQUAL(resolution_on_start(&b->table, idx[i], &b->env),
				RESOLUTION_STEP_SEND);
		for (size_t j = 0; j <= i; j++)
			CU_ASSERT_EQUAL(resolution_find(&b->table, &keys[j]), idx[j]);
	}
	resolution_check(&b->table);
	/* Out of the middle of those that have one hash. */
	(void)resolution_on_shed(&b->table, idx[3], &b->env);
	CU_ASSERT_EQUAL(resolution_find(&b->table, &keys[3]), POOL_NONE);
	CU_ASSERT_EQUAL(resolution_find(&b->table, &keys[2]), idx[2]);
	CU_ASSERT_EQUAL(resolution_find(&b->table, &keys[4]), idx[4]);
	end(b, idx[3]);
	bench_free(b);
}

static void resolution_take__fills_up_and_counts_generations(void)
{
	struct bench *b = bench_new();
	uint32_t idx[CAPACITY];
	struct resolution_key key = key_of("x", DNS_TYPE_A);
	uint32_t generation;

	for (unsigned i = 0; i < CAPACITY; i++)
		idx[i] = begin(b);
	CU_ASSERT_EQUAL(resolution_take(&b->table, &key, START), POOL_NONE);
	generation = at(b, idx[5])->generation;
	(void)resolution_on_shed(&b->table, idx[5], &b->env);
	end(b, idx[5]);
	CU_ASSERT(at(b, idx[5])->generation != generation); /* an old handle fits no more */
	CU_ASSERT_EQUAL(resolution_take(&b->table, &key, START), idx[5]);
	CU_ASSERT(at(b, idx[5])->generation != generation);
	CU_ASSERT_EQUAL(resolution_on_start(&b->table, idx[5], &b->env), RESOLUTION_STEP_SEND);
	bench_free(b);
}

/* Of 16 places: runs of all lengths, across the end too, with equal hashes in them, begun and ended at random. */
static void resolution_find__finds_whatever_came_and_went(void)
{
	static const uint64_t hashes[] = {
		0,
		UINT64_C(1) << 60,
		UINT64_C(1) << 60 | UINT64_C(1) << 32,
		UINT64_C(14) << 60 | UINT64_C(7) << 32,
		UINT64_C(15) << 60,
		UINT64_C(15) << 60 | 1, /* as the one before, for the table */
		UINT64_MAX,
	};
	struct bench *b = bench_new();
	struct resolution_key keys[2 * ARRAY_COUNT(hashes)];
	uint32_t idx[ARRAY_COUNT(keys)], count = 0;
	uint32_t chance = 12345;

	for (size_t i = 0; i < ARRAY_COUNT(keys); i++) {
		keys[i] = key_of("www.example.com", (uint16_t)(1 + i % 2));
		keys[i].hash = hashes[i / 2];
		idx[i] = POOL_NONE;
	}
	for (unsigned step = 0; step < 20000; step++) {
		size_t k = (chance = chance * 1103515245 + 12345) / 65536 % ARRAY_COUNT(keys);

		if (idx[k] != POOL_NONE) {
			(void)resolution_on_shed(&b->table, idx[k], &b->env);
			end(b, idx[k]);
			idx[k] = POOL_NONE;
			count--;
		} else if (count < CAPACITY) {
			idx[k] = resolution_take(&b->table, &keys[k], START);
			(void)resolution_on_start(&b->table, idx[k], &b->env);
			count++;
		}
		for (size_t i = 0; i < ARRAY_COUNT(keys); i++)
			CU_ASSERT_EQUAL_FATAL(resolution_find(&b->table, &keys[i]), idx[i]);
		resolution_check(&b->table);
	}
	bench_free(b);
}

/* ---- tries ---- */

static void resolution_on_timeout__tries_each_server_then_fails(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);

	for (unsigned try = 0; try < 3; try++) {
		CU_ASSERT_EQUAL(resolution_server(at(b, idx)), try);
		CU_ASSERT_EQUAL(at(b, idx)->try_until, b->env.now + 800 * NS_PER_MS);
		send(b, idx, 0);
		b->env.now = at(b, idx)->try_until;
		CU_ASSERT_EQUAL(resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at),
				try < 2 ? RESOLUTION_STEP_SEND : RESOLUTION_STEP_FAIL);
	}
	CU_ASSERT_EQUAL(at(b, idx)->rcode, DNS_RCODE_SERVFAIL);
	CU_ASSERT_EQUAL(at(b, idx)->ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	for (unsigned i = 0; i < SERVERS; i++)
		CU_ASSERT(b->servers[i].timeouts == 1 && b->servers[i].under_way == 0);
	end(b, idx);
	bench_free(b);
}

static void resolution_on_timeout__begins_again_when_all_were_tried(void)
{
	struct bench *b = bench_new();
	uint32_t idx;

	b->config->zones[0].tries = 7;
	b->config->zones[0].timeout_ms = 100;
	idx = begin(b);
	for (unsigned try = 0; try < 7; try++) {
		CU_ASSERT_EQUAL(resolution_server(at(b, idx)), try % SERVERS);
		send(b, idx, 0);
		b->env.now += 100 * NS_PER_MS;
		CU_ASSERT_EQUAL(resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at),
				try < 6 ? RESOLUTION_STEP_SEND : RESOLUTION_STEP_FAIL);
	}
	end(b, idx);
	bench_free(b);
}

static void resolution_on_timeout__never_outlives_the_clients_deadline(void)
{
	struct bench *b = bench_new();
	uint32_t idx;

	b->config->zones[0].tries = 1000;
	b->config->zones[0].timeout_ms = 1500;
	idx = begin(b);
	for (unsigned try = 0;; try++) {
		enum resolution_step step;

		CU_ASSERT_FATAL(try < 10);
		CU_ASSERT(at(b, idx)->try_until <= START + CLIENT_DEADLINE_MS * NS_PER_MS);
		send(b, idx, 0);
		b->env.now = at(b, idx)->try_until;
		step = resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at);
		if (step == RESOLUTION_STEP_FAIL)
			break;
		CU_ASSERT_EQUAL(step, RESOLUTION_STEP_SEND);
	}
	CU_ASSERT(b->env.now > START + (CLIENT_DEADLINE_MS - 200) * NS_PER_MS);
	end(b, idx);
	bench_free(b);
}

static void resolution__sends_64_packets_at_most(void)
{
	struct bench *b = bench_new();
	uint32_t idx;
	unsigned packets = 0;
	enum counter outcome;
	enum resolution_step step = RESOLUTION_STEP_SEND;

	b->config->zones[0].tries = 100000;
	idx = begin(b);
	/* Whatever ends a query, in turn, and in no time: timeouts, refusals, no EDNS. */
	while (step == RESOLUTION_STEP_SEND) {
		CU_ASSERT_FATAL(packets < 2 * UPSTREAM_PACKETS_MAX);
		send(b, idx, packets % 2 != 0 ? INFLIGHT_SLOT_EDNS : 0);
		packets++;
		step = packets % 3 == 0
			       ? resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at)
			       : respond(b, idx,
					 packets % 3 == 1 ? DNS_RCODE_FORMERR : DNS_RCODE_REFUSED,
					 &outcome);
	}
	CU_ASSERT_EQUAL(step, RESOLUTION_STEP_FAIL);
	CU_ASSERT_EQUAL(packets, UPSTREAM_PACKETS_MAX);
	end(b, idx);
	bench_free(b);
}

/* ---- pauses ---- */

static void resolution_on_blocked__pauses_until_the_try_is_over(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	mono_ns until = at(b, idx)->try_until;

	CU_ASSERT_EQUAL(resolution_on_blocked(&b->table, idx, &b->env, START + 10 * NS_PER_MS),
			RESOLUTION_STEP_PAUSE);
	CU_ASSERT_EQUAL(at(b, idx)->resume_at, START + 10 * NS_PER_MS);
	b->env.now = START + 10 * NS_PER_MS;
	CU_ASSERT_EQUAL(resolution_on_resume(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	CU_ASSERT_EQUAL(resolution_on_blocked(&b->table, idx, &b->env, until + NS_PER_S),
			RESOLUTION_STEP_PAUSE);
	CU_ASSERT_EQUAL(at(b, idx)->resume_at, until);
	b->env.now = until;
	CU_ASSERT_EQUAL(resolution_on_resume(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	CU_ASSERT_EQUAL(resolution_on_blocked(&b->table, idx, &b->env, until + NS_PER_S),
			RESOLUTION_STEP_SEND);
	CU_ASSERT_EQUAL(resolution_server(at(b, idx)), 1);
	CU_ASSERT_EQUAL(at(b, idx)->packets, 0);
	bench_free(b);
}

static void resolution_on_no_route__passes_on_at_once_and_ends(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	unsigned steps = 0;

	CU_ASSERT_EQUAL(resolution_on_no_route(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	CU_ASSERT_EQUAL(resolution_server(at(b, idx)), 1);
	CU_ASSERT_EQUAL(at(b, idx)->tries, 0);
	while (resolution_on_no_route(&b->table, idx, &b->env) == RESOLUTION_STEP_SEND)
		CU_ASSERT_FATAL(++steps < 3 * SERVERS);
	CU_ASSERT_EQUAL(at(b, idx)->ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	end(b, idx);
	bench_free(b);
}

/* No fault of the server's: it is asked again at once, and has all its tries; but packets are counted. */
static void resolution_on_moved__asks_the_same_server_again(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	struct resolution *r = at(b, idx);

	for (unsigned i = 0; i < UPSTREAM_PACKETS_MAX; i++) {
		send(b, idx, INFLIGHT_SLOT_EDNS);
		CU_ASSERT_EQUAL(b->servers[0].under_way, 1);
		b->env.now += NS_PER_MS;
		CU_ASSERT_EQUAL(resolution_on_moved(&b->table, idx, &b->env),
				i + 1 < UPSTREAM_PACKETS_MAX ? RESOLUTION_STEP_SEND
							     : RESOLUTION_STEP_FAIL);
		CU_ASSERT_EQUAL(b->servers[0].under_way, 0);
		CU_ASSERT_EQUAL(r->packets, i + 1);
		CU_ASSERT_EQUAL(r->tries, 0);
		CU_ASSERT_EQUAL(r->near_misses, 0);
		if (i + 1 == UPSTREAM_PACKETS_MAX)
			break;
		CU_ASSERT_EQUAL(resolution_server(r), 0);
		CU_ASSERT_EQUAL(r->try_until, b->env.now + 800 * NS_PER_MS);
	}
	CU_ASSERT_EQUAL(b->servers[0].timeouts, 0);
	CU_ASSERT_EQUAL(r->rcode, DNS_RCODE_SERVFAIL);
	end(b, idx);
	bench_free(b);
}

static void resolution_on_near_miss__pauses_and_keeps_its_budget(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);

	send(b, idx, 0);
	CU_ASSERT_EQUAL(resolution_on_near_miss(&b->table, idx, &b->env), RESOLUTION_STEP_PAUSE);
	CU_ASSERT_EQUAL(at(b, idx)->slot_idx, POOL_NONE);
	CU_ASSERT_EQUAL(at(b, idx)->resume_at, START + NEAR_MISS_HOLD_OFF_MS * NS_PER_MS);
	CU_ASSERT_EQUAL(at(b, idx)->tries, 0);
	CU_ASSERT_EQUAL(at(b, idx)->packets, 1);
	CU_ASSERT_EQUAL(b->servers[0].near_misses, 1);
	CU_ASSERT(b->servers[0].timeouts == 0 && b->servers[0].under_way == 0);
	b->env.now = at(b, idx)->deadline_at;
	CU_ASSERT_EQUAL(resolution_on_resume(&b->table, idx, &b->env), RESOLUTION_STEP_FAIL);
	end(b, idx);
	bench_free(b);
}

/* ---- responses ---- */

static void resolution_on_response__takes_what_is_an_answer(void)
{
	static const struct {
		uint16_t rcode;
		enum resolution_step step;
	} rows[] = {
		{DNS_RCODE_NOERROR, RESOLUTION_STEP_ANSWER},
		{DNS_RCODE_NXDOMAIN, RESOLUTION_STEP_ANSWER},
		{DNS_RCODE_YXDOMAIN, RESOLUTION_STEP_ANSWER},
		{DNS_RCODE_SERVFAIL, RESOLUTION_STEP_SEND},
		{DNS_RCODE_REFUSED, RESOLUTION_STEP_SEND},
		{DNS_RCODE_NOTIMP, RESOLUTION_STEP_SEND},
		{DNS_RCODE_FORMERR, RESOLUTION_STEP_SEND},
		{9, RESOLUTION_STEP_SEND},
		{DNS_RCODE_BADVERS, RESOLUTION_STEP_SEND},
		{DNS_RCODE_BADCOOKIE, RESOLUTION_STEP_SEND},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct bench *b = bench_new();
		uint32_t idx = begin(b);
		enum counter outcome = COUNTER_OUTCOME_COUNT;

		send(b, idx, 0);
		b->env.now += 3 * NS_PER_MS;
		CU_ASSERT_EQUAL(respond(b, idx, rows[i].rcode, &outcome), rows[i].step);
		CU_ASSERT_EQUAL(outcome, COUNTER_UPSTREAM_RESPONSE);
		CU_ASSERT_EQUAL(b->servers[0].srtt_us, 3000);
		CU_ASSERT_EQUAL(b->servers[0].under_way, 0);
		if (rows[i].step == RESOLUTION_STEP_ANSWER) {
			CU_ASSERT_EQUAL(at(b, idx)->rcode, rows[i].rcode);
			end(b, idx);
		} else {
			CU_ASSERT_EQUAL(resolution_server(at(b, idx)), 1);
			CU_ASSERT_EQUAL(at(b, idx)->tries, 1);
		}
		bench_free(b);
	}
}

static void resolution_on_response__keeps_waiting_after_another_question(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	enum counter outcome;

	for (unsigned which = 0; which < 3; which++) {
		struct inflight_slot sent;

		if (which == 0)
			send(b, idx, INFLIGHT_SLOT_EDNS);
		sent = b->slot;
		b->slot.qtype = which == 0 ? DNS_TYPE_MX : sent.qtype;
		b->slot.qclass = which == 1 ? DNS_CLASS_CH : sent.qclass;
		b->slot.qname.bytes[1] ^= which == 2; /* vww */
		struct msg_response response = {.flags = DNS_FLAG_QR | DNS_RCODE_SERVFAIL,
						.qtype = b->slot.qtype,
						.qclass = b->slot.qclass,
						.qname = b->slot.qname};

		b->slot = sent;
		CU_ASSERT_EQUAL(resolution_on_response(&b->table, idx, &b->env, &b->slot, &response,
						       &outcome),
				RESOLUTION_STEP_KEEP);
		CU_ASSERT_EQUAL(outcome, COUNTER_MISMATCH_QUESTION);
		CU_ASSERT_EQUAL(at(b, idx)->state, RESOLUTION_WAIT);
		CU_ASSERT_EQUAL(b->servers[0].under_way, 1);
	}
	CU_ASSERT_EQUAL(respond(b, idx, DNS_RCODE_NOERROR, &outcome), RESOLUTION_STEP_ANSWER);
	end(b, idx);
	bench_free(b);
}

static void resolution_on_response__drops_edns_once_a_try(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	enum counter outcome;

	send(b, idx, INFLIGHT_SLOT_EDNS);
	CU_ASSERT_EQUAL(respond(b, idx, DNS_RCODE_FORMERR, &outcome), RESOLUTION_STEP_SEND);
	CU_ASSERT(at(b, idx)->edns_retry);
	CU_ASSERT_EQUAL(resolution_server(at(b, idx)), 0);
	CU_ASSERT(server_edns_on(&b->server_table, 0, b->env.now));
	send(b, idx, 0);
	CU_ASSERT_EQUAL(respond(b, idx, DNS_RCODE_NXDOMAIN, &outcome), RESOLUTION_STEP_ANSWER);
	CU_ASSERT(!server_edns_on(&b->server_table, 0, b->env.now));
	CU_ASSERT(server_edns_on(&b->server_table, 1, b->env.now));
	end(b, idx);
	bench_free(b);
}

/* ---- what a failure says of the question ---- */

/* Silence from here on, to the end. */
static void fail_by_silence(struct bench *b, uint32_t idx)
{
	for (unsigned tries = 0; at(b, idx)->state == RESOLUTION_SEND; tries++) {
		CU_ASSERT_FATAL(tries < 10);
		send(b, idx, 0);
		b->env.now += 800 * NS_PER_MS;
		(void)resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at);
	}
}

static void resolution_failure_tells__of_silence_and_of_errors(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);
	enum counter outcome;

	fail_by_silence(b, idx);
	CU_ASSERT(resolution_failure_tells(at(b, idx)));
	end(b, idx);
	idx = begin(b);
	for (unsigned try = 0; try < 3; try++) {
		send(b, idx, 0);
		(void)respond(b, idx, DNS_RCODE_SERVFAIL, &outcome);
	}
	CU_ASSERT(resolution_failure_tells(at(b, idx)));
	end(b, idx);
	bench_free(b);
}

/* We were late to ask, or could not take the answer: that it is silent then is not its doing. */
static void resolution_failure_tells__nothing_where_we_were_in_the_way(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);

	send(b, idx, 0);
	resolution_on_hindered(&b->table, idx);
	b->env.now += 800 * NS_PER_MS;
	(void)resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at);
	fail_by_silence(b, idx);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	idx = begin(b);
	send(b, idx, 0);
	b->env.now += 800 * NS_PER_MS;
	(void)resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at);
	CU_ASSERT_EQUAL(resolution_on_blocked(&b->table, idx, &b->env, b->env.now + NS_PER_MS),
			RESOLUTION_STEP_PAUSE);
	CU_ASSERT_EQUAL(resolution_on_resume(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	fail_by_silence(b, idx);
	CU_ASSERT_EQUAL(at(b, idx)->ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	/* The next one is not concerned. */
	idx = begin(b);
	fail_by_silence(b, idx);
	CU_ASSERT(resolution_failure_tells(at(b, idx)));
	end(b, idx);
	bench_free(b);
}

static void resolution_failure_tells__nothing_of_what_was_our_own_doing(void)
{
	struct bench *b = bench_new();
	uint32_t idx = begin(b);

	/* No room. */
	send(b, idx, 0);
	b->env.now += 800 * NS_PER_MS;
	(void)resolution_on_timeout(&b->table, idx, &b->env, b->slot.sent_at);
	CU_ASSERT_EQUAL(resolution_on_shed(&b->table, idx, &b->env), RESOLUTION_STEP_FAIL);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	/* Nothing was sent. */
	idx = begin(b);
	while (at(b, idx)->state == RESOLUTION_SEND)
		(void)resolution_on_unreachable(&b->table, idx, &b->env);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	/* Somebody guessed, then there was silence. */
	idx = begin(b);
	send(b, idx, 0);
	CU_ASSERT_EQUAL(resolution_on_near_miss(&b->table, idx, &b->env), RESOLUTION_STEP_PAUSE);
	CU_ASSERT_EQUAL(resolution_on_resume(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	fail_by_silence(b, idx);
	CU_ASSERT_EQUAL(at(b, idx)->ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	/* The budget of packets is over. */
	idx = begin(b);
	for (unsigned i = 0; i < UPSTREAM_PACKETS_MAX; i++) {
		CU_ASSERT_EQUAL_FATAL(at(b, idx)->state, RESOLUTION_SEND);
		send(b, idx, 0);
		(void)resolution_on_moved(&b->table, idx, &b->env);
	}
	CU_ASSERT_EQUAL(at(b, idx)->ede, DNS_EDE_NO_REACHABLE_AUTHORITY);
	CU_ASSERT(!resolution_failure_tells(at(b, idx)));
	end(b, idx);
	bench_free(b);
}

/* ---- the short ways ---- */

static bool is_same(struct bench *a, struct bench *b, uint32_t idx)
{
	return memcmp(at(a, idx), at(b, idx), offsetof(struct resolution, key)) == 0 &&
	       memcmp(a->servers, b->servers, sizeof(a->servers)) == 0 &&
	       memcmp(a->shared_memory, b->shared_memory, server_shared_memory_bytes(SERVERS)) == 0;
}

static void resolution_on_answer__does_what_on_response_does(void)
{
	static const uint16_t rcodes[] = {DNS_RCODE_NOERROR, DNS_RCODE_NXDOMAIN, DNS_RCODE_SERVFAIL,
					  DNS_RCODE_FORMERR, DNS_RCODE_BADVERS};
	unsigned long long state = unit_seed();
	struct bench *a = bench_new(), *b = bench_new();
	unsigned short_count = 0;

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t idx = begin(a);
		uint16_t rcode = rcodes[unit_random(&state) % (i % 2 == 0 ? 2 : 5)];
		enum counter outcome = COUNTER_COUNT, wanted_outcome;
		enum resolution_step step, wanted;
		struct msg_response response;

		CU_ASSERT_EQUAL_FATAL(begin(b), idx);
		at(a, idx)->edns_retry = at(b, idx)->edns_retry = unit_random(&state) % 8 == 0;
		if (unit_random(&state) % 64 == 0) {
			server_on_case_lost(&a->server_table, 0, START);
			server_on_case_lost(&b->server_table, 0, START);
		}
		send(a, idx, INFLIGHT_SLOT_CASE | INFLIGHT_SLOT_EDNS);
		send(b, idx, INFLIGHT_SLOT_CASE | INFLIGHT_SLOT_EDNS);
		response = (struct msg_response){
			.flags = (uint16_t)(DNS_FLAG_QR | (rcode & DNS_RCODE_MASK)),
			.qtype = (uint16_t)(a->slot.qtype + (unit_random(&state) % 8 == 0)),
			.qclass = (uint16_t)(a->slot.qclass + (unit_random(&state) % 8 == 0)),
			.qname = a->slot.qname,
			.edns = {.present = rcode > DNS_RCODE_MASK,
				 .extended_rcode = (uint8_t)(rcode >> 4)},
		};
		a->env.now = b->env.now += unit_random(&state) % (20 * NS_PER_MS);
		wanted = resolution_on_response(&b->table, idx, &b->env, &b->slot, &response,
						&wanted_outcome);
		if (resolution_on_answer(&a->table, idx, &a->server_table, a->env.now, &a->slot,
					 &response)) {
			CU_ASSERT_EQUAL(wanted, RESOLUTION_STEP_ANSWER);
			CU_ASSERT_EQUAL(wanted_outcome, COUNTER_UPSTREAM_RESPONSE);
			short_count++;
		} else {
			step = resolution_on_response(&a->table, idx, &a->env, &a->slot, &response,
						      &outcome);
			CU_ASSERT(step == wanted && outcome == wanted_outcome);
		}
		CU_ASSERT(is_same(a, b, idx));
		/* To their ends. */
		while (at(a, idx)->state != RESOLUTION_DONE) {
			(void)resolution_on_shed(&a->table, idx, &a->env);
			(void)resolution_on_shed(&b->table, idx, &b->env);
		}
		end(a, idx);
		end(b, idx);
	}
	CU_ASSERT(short_count > 400 && short_count < 1600);
	bench_free(a);
	bench_free(b);
}

static void resolution_on_start_alone__does_what_on_start_does(void)
{
	static const uint32_t timeouts_ms[] = {1, 800, CLIENT_DEADLINE_MS, UINT32_MAX};
	struct bench *a = bench_new(), *b = bench_new();
	struct resolution_key key = key_of("www.example.com", DNS_TYPE_A);

	for (unsigned i = 0; i < ARRAY_COUNT(timeouts_ms); i++) {
		uint32_t idx = resolution_take(&a->table, &key, START);
		struct engine_zone *zone = &a->config->zones[0];

		CU_ASSERT_EQUAL_FATAL(resolution_take(&b->table, &key, START), idx);
		zone->server_count = SERVERS;
		CU_ASSERT(!resolution_on_start_alone(&a->table, idx, zone, START));
		CU_ASSERT(is_same(a, b, idx));
		zone->server_count = 1;
		zone->servers[0] = 2;
		zone->timeout_ms = timeouts_ms[i];
		b->config->zones[0] = *zone;
		CU_ASSERT(resolution_on_start_alone(&a->table, idx, zone, START));
		CU_ASSERT_EQUAL(resolution_on_start(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
		CU_ASSERT(is_same(a, b, idx));
		CU_ASSERT_EQUAL(resolution_on_shed(&a->table, idx, &a->env), RESOLUTION_STEP_FAIL);
		CU_ASSERT_EQUAL(resolution_on_shed(&b->table, idx, &b->env), RESOLUTION_STEP_FAIL);
		end(a, idx);
		end(b, idx);
	}
	bench_free(a);
	bench_free(b);
}

/* A key that is made where the next resolution has its own is not copied. */
static void resolution_key_place__is_where_the_next_one_has_its_key(void)
{
	struct bench *b = bench_new();
	struct resolution_key elsewhere, *place;

	for (unsigned i = 0; i < CAPACITY; i++) {
		uint32_t idx;

		place = resolution_key_place(&b->table, &elsewhere);
		CU_ASSERT_PTR_NOT_EQUAL_FATAL(place, &elsewhere);
		*place = key_of("www.example.com", (uint16_t)(i + 1));
		CU_ASSERT_EQUAL(resolution_find(&b->table, place), POOL_NONE);
		idx = resolution_take(&b->table, place, START);
		CU_ASSERT_PTR_EQUAL(&at(b, idx)->key, place);
		CU_ASSERT_EQUAL(resolution_find(&b->table, place), idx);
		CU_ASSERT_EQUAL(resolution_on_start(&b->table, idx, &b->env), RESOLUTION_STEP_SEND);
	}
	CU_ASSERT_PTR_EQUAL(resolution_key_place(&b->table, &elsewhere), &elsewhere);
	bench_free(b);
}

static const struct unit_test tests[] = {
	UNIT_TEST(resolution_failure_tells__of_silence_and_of_errors),
	UNIT_TEST(resolution_failure_tells__nothing_where_we_were_in_the_way),
	UNIT_TEST(resolution_failure_tells__nothing_of_what_was_our_own_doing),
	UNIT_TEST(resolution_find__tells_questions_apart),
	UNIT_TEST(resolution_find__finds_whatever_came_and_went),
	UNIT_TEST(resolution_take__fills_up_and_counts_generations),
	UNIT_TEST(resolution_on_timeout__tries_each_server_then_fails),
	UNIT_TEST(resolution_on_timeout__begins_again_when_all_were_tried),
	UNIT_TEST(resolution_on_timeout__never_outlives_the_clients_deadline),
	UNIT_TEST(resolution__sends_64_packets_at_most),
	UNIT_TEST(resolution_on_blocked__pauses_until_the_try_is_over),
	UNIT_TEST(resolution_on_no_route__passes_on_at_once_and_ends),
	UNIT_TEST(resolution_on_moved__asks_the_same_server_again),
	UNIT_TEST(resolution_on_near_miss__pauses_and_keeps_its_budget),
	UNIT_TEST(resolution_on_response__takes_what_is_an_answer),
	UNIT_TEST(resolution_on_response__keeps_waiting_after_another_question),
	UNIT_TEST(resolution_on_response__drops_edns_once_a_try),
	UNIT_TEST(resolution_on_answer__does_what_on_response_does),
	UNIT_TEST(resolution_on_start_alone__does_what_on_start_does),
	UNIT_TEST(resolution_key_place__is_where_the_next_one_has_its_key),
};
UNIT_SUITE(resolution, tests)
