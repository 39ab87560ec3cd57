#include "server.h"

#include <assert.h>
#include <string.h>

#include "hash.h"

const char *const server_state_text[SERVER_STATE_COUNT] = {
	[SERVER_UP] = "up",
	[SERVER_DOWN] = "down",
};
const char *const server_policy_text[SERVER_POLICY_COUNT] = {
	[SERVER_POLICY_FASTEST] = "fastest",
	[SERVER_POLICY_ROUND_ROBIN] = "round_robin",
	[SERVER_POLICY_IN_ORDER] = "in_order",
	[SERVER_POLICY_HASH] = "hash",
};
static_assert(ARRAY_COUNT(server_state_text) == 2, "a text for every state");
static_assert(ARRAY_COUNT(server_policy_text) == 4, "a text for every policy");

static const bool legal[SERVER_STATE_COUNT][SERVER_STATE_COUNT] = {
	[SERVER_UP] = {[SERVER_DOWN] = true},
	[SERVER_DOWN] = {[SERVER_UP] = true},
};

/* Positions in a zone's list are bits of a mask. */
#define MASK_BITS 32
static_assert(ZONE_SERVERS_MAX <= MASK_BITS, "a position is a bit of tried_mask");
static_assert((SERVER_EXPLORE_ONE_IN & (SERVER_EXPLORE_ONE_IN - 1)) == 0, "a power of two");

static bool probe_wanted(const struct server *s)
{
	return s->state == SERVER_DOWN && !s->probe_under_way;
}

static mono_ns earliest_probe(const struct server_table *t)
{
	mono_ns earliest = MONO_NEVER;

	for (uint16_t i = 0; i < t->server_count; i++)
		if (probe_wanted(&t->servers[i]) && t->servers[i].probe_at < earliest)
			earliest = t->servers[i].probe_at;
	return earliest;
}

/* A server whose probe may have become due earlier than all others'. */
static void probe_note(struct server_table *t, const struct server *s)
{
	if (probe_wanted(s) && s->probe_at < t->next_probe_at)
		t->next_probe_at = s->probe_at;
}

static struct server *server_at(struct server_table *t, uint16_t idx)
{
	CHECK(idx < t->server_count);
	return &t->servers[idx];
}

static mono_ns habit_end(mono_ns now)
{
	return now + SERVER_HABIT_S * NS_PER_S;
}

void server_table_init(struct server_table *t, struct server *servers, uint16_t server_count)
{
	CHECK(server_count <= SERVERS_MAX);
	for (uint16_t i = 0; i < server_count; i++) {
		struct endpoint endpoint = servers[i].endpoint;
		struct server_health health = servers[i].health;

		memset(&servers[i], 0, sizeof(servers[i]));
		servers[i].endpoint = endpoint;
		servers[i].health = health;
		servers[i].state = SERVER_UP;
	}
	*t = (struct server_table){
		.servers = servers,
		.server_count = server_count,
		.next_probe_at = MONO_NEVER,
	};
}

/* The only place that writes a server's state. */
static void server_set_state(struct server_table *t, struct server *s, enum server_state to,
			     mono_ns now)
{
	CHECK(legal[s->state][to]);
	s->state = (uint8_t)to;
	s->rises = 0;
	switch (to) {
	case SERVER_DOWN:
		s->down_since = now;
		s->probe_at = now + s->health.interval_ms * NS_PER_MS;
		probe_note(t, s);
		break;
	case SERVER_UP:
		s->fails = 0;
		if (s->probe_at <= t->next_probe_at)
			t->next_probe_at = earliest_probe(t);
		break;
	case SERVER_STATE_COUNT:
		CHECK(false);
	}
}

/* ---- the choice ---- */

/* Which of the list are untried and in this state, as a mask of positions. */
static uint32_t candidates(const struct server_table *t, const uint16_t servers[],
			   unsigned server_count, uint32_t tried_mask, enum server_state state)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < server_count; i++) {
		CHECK(servers[i] < t->server_count);
		mask |= (uint32_t)(t->servers[servers[i]].state == state) << i;
	}
	return mask & ~tried_mask;
}

/* The position of the nth candidate, n counted from 0. */
static int nth_candidate(uint32_t mask, uint32_t n)
{
	for (; n > 0; n--)
		mask &= mask - 1;
	return __builtin_ctz(mask);
}

/* How early a server is taken under policy fastest: lower is earlier. An unknown one is asked
 * first, but by one question at a time; those that follow do not wait for what may be dead. */
static uint64_t slowness(const struct server *s)
{
	if (s->srtt_us != 0)
		return s->srtt_us;
	return s->under_way == 0 ? 0 : (uint64_t)UINT32_MAX + s->under_way;
}

static int choose_fastest(const struct server_table *t, const uint16_t servers[], uint32_t mask,
			  struct entropy *entropy)
{
	int best = __builtin_ctz(mask);
	uint32_t others = (uint32_t)__builtin_popcount(mask) - 1;
	uint32_t draw;

	for (uint32_t rest = mask & (mask - 1); rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);

		if (slowness(&t->servers[servers[position]]) < slowness(&t->servers[servers[best]]))
			best = position;
	}
	if (others == 0 || !entropy_ready(entropy, sizeof(draw)))
		return best;
	draw = entropy_take_u32(entropy);
	if (draw % SERVER_EXPLORE_ONE_IN != 0)
		return best;
	/* The rest of the draw says which of the others; its bias is below 2^-20, and nothing
	 * secret depends on it. */
	return nth_candidate(mask & ~(UINT32_C(1) << best), draw / SERVER_EXPLORE_ONE_IN % others);
}

/* Rendezvous hashing (Thaler and Ravishankar 1998): the highest of the hashes of (question,
 * server). The server by its endpoint, so that a reload which moves indices moves no questions. */
static uint64_t rendezvous_weight(uint64_t question_hash, const struct endpoint *endpoint)
{
	uint64_t halves[ADDRESS_BYTES / sizeof(uint64_t)];
	uint64_t hash = question_hash;

	memcpy(halves, endpoint->address.bytes, sizeof(halves));
	for (size_t i = 0; i < ARRAY_COUNT(halves); i++)
		hash = hash_combine(hash, halves[i]);
	return hash_combine(hash, endpoint->port);
}

static int choose_by_hash(const struct server_table *t, const uint16_t servers[], uint32_t mask,
			  uint64_t question_hash)
{
	int best = __builtin_ctz(mask);
	uint64_t best_weight = 0;

	for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);
		uint64_t weight =
			rendezvous_weight(question_hash, &t->servers[servers[position]].endpoint);

		if (weight > best_weight) {
			best_weight = weight;
			best = position;
		}
	}
	return best;
}

/* Of servers that are all down: the one that went down last. */
static int choose_down(const struct server_table *t, const uint16_t servers[], uint32_t mask)
{
	int best = __builtin_ctz(mask);

	for (uint32_t rest = mask & (mask - 1); rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);

		if (t->servers[servers[position]].down_since > t->servers[servers[best]].down_since)
			best = position;
	}
	return best;
}

int server_choose(const struct server_table *t, const uint16_t servers[], unsigned server_count,
		  enum server_policy policy, uint32_t tried_mask, uint32_t *cursor,
		  uint64_t question_hash, struct entropy *entropy)
{
	uint32_t up;

	CHECK(server_count <= MASK_BITS);
	up = candidates(t, servers, server_count, tried_mask, SERVER_UP);
	if (up == 0) {
		uint32_t down = candidates(t, servers, server_count, tried_mask, SERVER_DOWN);

		return down == 0 ? -1 : choose_down(t, servers, down);
	}
	switch (policy) {
	case SERVER_POLICY_FASTEST:
		return choose_fastest(t, servers, up, entropy);
	case SERVER_POLICY_ROUND_ROBIN:
		/* Of those that are up, not of all: the one after a lost server would get its
		 * share. */
		return nth_candidate(up, (*cursor)++ % (uint32_t)__builtin_popcount(up));
	case SERVER_POLICY_IN_ORDER:
		return __builtin_ctz(up);
	case SERVER_POLICY_HASH:
		return choose_by_hash(t, servers, up, question_hash);
	case SERVER_POLICY_COUNT:
		break;
	}
	CHECK(false);
	return -1;
}

/* ---- what happens to queries ---- */

/* RFC 6298 section 2; a round trip of 0 us is taken for 1, as 0 means unknown. */
static void rtt_note(struct server *s, uint32_t rtt_us)
{
	uint64_t rtt = rtt_us > 0 ? rtt_us : 1;
	uint64_t srtt = s->srtt_us;
	uint64_t distance = srtt > rtt ? srtt - rtt : rtt - srtt;

	if (srtt == 0) {
		s->srtt_us = (uint32_t)rtt;
		s->rttvar_us = (uint32_t)(rtt / 2);
		return;
	}
	s->rttvar_us = (uint32_t)((3 * (uint64_t)s->rttvar_us + distance) / 4);
	s->srtt_us = (uint32_t)((7 * srtt + rtt) / 8);
	if (s->srtt_us == 0)
		s->srtt_us = 1;
}

/* A query has ended, one way or another. */
static void query_ended(struct server *s, bool probe)
{
	if (s->under_way > 0)
		s->under_way--;
	if (probe)
		s->probe_under_way = false;
}

void server_on_sent(struct server_table *t, uint16_t idx)
{
	struct server *s = server_at(t, idx);

	s->queries++;
	s->under_way++;
}

void server_on_answer(struct server_table *t, uint16_t idx, uint32_t rtt_us, bool probe,
		      mono_ns now)
{
	struct server *s = server_at(t, idx);

	query_ended(s, probe);
	s->responses++;
	s->last_answer_at = now;
	rtt_note(s, rtt_us);
	s->fails = 0;
	if (s->state != SERVER_DOWN)
		return;
	s->rises++;
	if (s->rises >= s->health.rise) {
		server_set_state(t, s, SERVER_UP, now);
		return;
	}
	/* It lives: the probes still wanted follow at once, not an interval apart. */
	if (s->probe_at > now)
		s->probe_at = now;
	probe_note(t, s);
}

/* One more try that brought nothing. */
static void fail_note(struct server_table *t, struct server *s, mono_ns now)
{
	if (s->fails < UINT16_MAX)
		s->fails++;
	if (s->state == SERVER_UP && s->fails >= s->health.fall)
		server_set_state(t, s, SERVER_DOWN, now);
}

void server_on_unreachable(struct server_table *t, uint16_t idx, mono_ns now)
{
	fail_note(t, server_at(t, idx), now);
}

void server_on_timeout(struct server_table *t, uint16_t idx, mono_ns sent_at, bool probe,
		       mono_ns now)
{
	struct server *s = server_at(t, idx);
	bool was_up = s->state == SERVER_UP;

	query_ended(s, probe);
	s->timeouts++;
	if (sent_at >= s->last_answer_at)
		fail_note(t, s, now);
	if (was_up)
		return;
	/* Only probes: a question's timeout may be of one that was sent before the server was
	 * back. */
	if (probe)
		s->rises = 0;
	probe_note(t, s);
}

void server_on_cancelled(struct server_table *t, uint16_t idx, bool probe)
{
	struct server *s = server_at(t, idx);

	query_ended(s, probe);
	probe_note(t, s);
}

/* ---- habits ---- */

void server_on_case_kept(struct server_table *t, uint16_t idx)
{
	server_at(t, idx)->case_proofs = 0;
}

void server_on_case_lost(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server *s = server_at(t, idx);

	if (s->case_off)
		return;
	s->case_proofs++;
	if (s->case_proofs < CASE_PROOFS)
		return;
	s->case_proofs = 0;
	s->case_off = true;
	s->case_retry_at = habit_end(now);
}

void server_on_edns_refused(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server *s = server_at(t, idx);

	s->edns_off = true;
	s->edns_retry_at = habit_end(now);
}

bool server_case_on(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server *s = server_at(t, idx);

	if (s->case_off && now >= s->case_retry_at)
		s->case_off = false;
	return !s->case_off;
}

bool server_edns_on(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server *s = server_at(t, idx);

	if (s->edns_off && now >= s->edns_retry_at)
		s->edns_off = false;
	return !s->edns_off;
}

/* ---- probes ---- */

int server_probe_due(struct server_table *t, mono_ns now)
{
	if (now < t->next_probe_at)
		return -1;
	for (uint16_t i = 0; i < t->server_count; i++) {
		struct server *s = &t->servers[i];

		if (!probe_wanted(s) || s->probe_at > now)
			continue;
		s->probe_at = now + s->health.interval_ms * NS_PER_MS;
		s->probe_under_way = true;
		t->next_probe_at = earliest_probe(t);
		return i;
	}
	return -1;
}

void server_check(const struct server_table *t)
{
	for (uint16_t i = 0; i < t->server_count; i++) {
		const struct server *s = &t->servers[i];

		CHECK(s->state < SERVER_STATE_COUNT);
		CHECK(s->case_proofs < CASE_PROOFS);
		CHECK(s->srtt_us != 0 || s->rttvar_us == 0);
		CHECK(s->under_way <= s->queries);
		if (s->state == SERVER_UP) {
			CHECK(s->fails == 0 || s->fails < s->health.fall);
			CHECK(s->rises == 0);
		} else {
			CHECK(s->rises == 0 || s->rises < s->health.rise);
		}
	}
	CHECK(t->next_probe_at == earliest_probe(t));
}
