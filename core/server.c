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

/* A condition: upper 48 bits of the time since when | rises 15 | DOWN 1. */
#define CONDITION_DOWN SERVER_CONDITION_DOWN
#define CONDITION_RISE (UINT64_C(1) << 1)
#define CONDITION_TIME_SHIFT 16
#define CONDITION_TIME_MASK (UINT64_MAX << CONDITION_TIME_SHIFT)
#define CONDITION_AT_START UINT64_C(0)

static_assert(SERVER_RISE_MAX * CONDITION_RISE + CONDITION_DOWN == ~CONDITION_TIME_MASK,
	      "rises fill what time and state leave");
static_assert(sizeof(struct server_shared) == SERVER_LINE_BYTES, "a server is one line");
static_assert(sizeof(struct server_epoch) == SERVER_LINE_BYTES, "the epoch has its own line");
static_assert(sizeof(_Atomic uint64_t) == sizeof(uint64_t), "no lock beside the word");

static enum server_state condition_state(uint64_t condition)
{
	return (condition & CONDITION_DOWN) != 0 ? SERVER_DOWN : SERVER_UP;
}

static uint16_t condition_rises(uint64_t condition)
{
	return (uint16_t)((condition & ~CONDITION_TIME_MASK) / CONDITION_RISE);
}

static mono_ns condition_since(uint64_t condition)
{
	return condition & CONDITION_TIME_MASK;
}

static struct server *server_at(struct server_table *t, uint16_t idx)
{
	CHECK(idx < t->server_count);
	return &t->servers[idx];
}

static struct server_shared *shared_at(const struct server_table *t, uint16_t idx)
{
	CHECK(idx < t->server_count);
	return &t->shared->servers[idx];
}

static const struct server_health *health_of(const struct server_table *t, uint16_t idx)
{
	return &t->list.health[idx];
}

/* ---- which probes are ours, and when ---- */

static bool is_retired(const struct server_table *t, uint16_t idx)
{
	return t->list.retired != NULL && t->list.retired[idx];
}

static bool is_ours(const struct server_table *t, uint16_t idx)
{
	return idx % t->worker.count == t->worker.idx;
}

/* Of a server that is ours to probe. */
static bool probe_wanted(const struct server_table *t, uint16_t idx)
{
	const struct server *s = &t->servers[idx];

	return condition_state(s->seen) == SERVER_DOWN && !s->probe_under_way &&
	       !is_retired(t, idx);
}

/* The first that is ours; each worker.count places on there is another. */
static unsigned first_of_ours(const struct server_table *t)
{
	return t->worker.idx < t->worker.count ? t->worker.idx : t->server_count;
}

static mono_ns earliest_probe(const struct server_table *t)
{
	mono_ns earliest = MONO_NEVER;

	for (unsigned i = first_of_ours(t); i < t->server_count; i += t->worker.count)
		if (probe_wanted(t, (uint16_t)i) && t->servers[i].probe_at < earliest)
			earliest = t->servers[i].probe_at;
	return earliest;
}

/* A server whose probe may have become due earlier than all others'. */
static void probe_note(struct server_table *t, uint16_t idx)
{
	const struct server *s = &t->servers[idx];

	if (is_ours(t, idx) && probe_wanted(t, idx) && s->probe_at < t->next_probe_at)
		t->next_probe_at = s->probe_at;
}

/* ---- conditions ---- */

/* Take the server's condition as it is now for what this worker goes by. False: it is what it was.
 */
static bool condition_look(struct server_table *t, uint16_t idx, mono_ns now)
{
	struct server *s = server_at(t, idx);
	const struct server_shared *h = shared_at(t, idx);
	/* Acquire: last_answer_at is not read before the condition, so that who sees a server UP
	 * again sees the answer that brought it up. */
	uint64_t condition = atomic_load_explicit(&h->condition, memory_order_acquire);
	uint64_t seen = s->seen;
	uint16_t rises_seen;

	if (LIKELY(condition == seen))
		return false;
	s->seen = condition;
	if (condition_state(condition) == SERVER_UP) {
		s->fails = 0;
		return true;
	}
	rises_seen = condition_rises(seen);
	if (condition_state(seen) == SERVER_UP ||
	    condition_since(seen) != condition_since(condition)) {
		s->probe_at =
			condition_since(condition) + health_of(t, idx)->interval_ms * NS_PER_MS;
		rises_seen = 0;
	}
	/* It lives: the probes still wanted follow at once, not an interval apart. */
	if (condition_rises(condition) > rises_seen && s->probe_at > now)
		s->probe_at = now;
	return true;
}

static void condition_see(struct server_table *t, uint16_t idx, mono_ns now)
{
	if (condition_look(t, idx, now))
		t->next_probe_at = earliest_probe(t);
}

/* The only place that writes a server's condition. False: another worker has changed it since this
 * one saw it. Either way it has been seen anew. */
static bool condition_set(struct server_table *t, uint16_t idx, uint64_t to, mono_ns now)
{
	uint64_t from = t->servers[idx].seen;
	/* Release: the last answer is written before the condition that it led to. Relaxed on
	 * failure: what it is now is loaded below. */
	bool is_set =
		atomic_compare_exchange_strong_explicit(&shared_at(t, idx)->condition, &from, to,
							memory_order_release, memory_order_relaxed);

	/* Release: the condition is written before the count that sends others to look at it. */
	if (is_set)
		atomic_fetch_add_explicit(&t->shared->epoch->count, 1, memory_order_release);
	condition_see(t, idx, now);
	return is_set;
}

/* The only place that changes a server's state. */
static bool server_set_state(struct server_table *t, uint16_t idx, enum server_state to,
			     mono_ns now)
{
	uint64_t condition = now & CONDITION_TIME_MASK;

	CHECK(legal[condition_state(t->servers[idx].seen)][to]);
	if (to == SERVER_DOWN)
		condition |= CONDITION_DOWN;
	return condition_set(t, idx, condition, now);
}

/* ---- memory ---- */

size_t server_shared_memory_bytes(uint16_t server_count)
{
	return sizeof(struct server_epoch) + server_count * sizeof(struct server_shared);
}

static void shared_clear(struct server_shared *h)
{
	/* Relaxed: who reads it as the new server's has followed a list that was made after this. */
	atomic_store_explicit(&h->condition, CONDITION_AT_START, memory_order_relaxed);
	atomic_store_explicit(&h->last_answer_at, 0, memory_order_relaxed);
	server_habits_clear(&h->habits);
}

void server_shared_init(struct server_shared_table *shared, void *memory, uint16_t server_count)
{
	struct server_epoch *epoch = memory;
	struct server_shared *servers = (void *)(epoch + 1);

	CHECK(server_count <= SERVER_SLOTS_MAX && (uintptr_t)memory % SERVER_LINE_BYTES == 0);
	atomic_init(&epoch->count, 0);
	for (uint16_t i = 0; i < server_count; i++)
		shared_clear(&servers[i]);
	*shared = (struct server_shared_table){epoch, servers, server_count};
}

void server_shared_forget(struct server_shared_table *shared, uint16_t idx)
{
	CHECK(idx < shared->server_count);
	shared_clear(&shared->servers[idx]);
}

static void list_check(const struct server_table *t, const struct server_list *list)
{
	CHECK(list->count >= t->server_count && list->count <= t->shared->server_count);
	for (uint16_t i = 0; i < list->count; i++)
		CHECK(list->health[i].rise <= SERVER_RISE_MAX);
}

void server_table_init(struct server_table *t, struct server *servers,
		       struct server_shared_table *shared, struct server_worker worker,
		       const struct server_list *list)
{
	CHECK(worker.count >= 1 && worker.idx <= worker.count && worker.count <= WORKERS_MAX);
	*t = (struct server_table){
		.shared = shared,
		.servers = servers,
		.worker = worker,
		/* 0 changes: what others have changed before is seen at the first refresh. */
		.epoch_seen = 0,
		.next_probe_at = MONO_NEVER,
	};
	list_check(t, list);
	for (uint16_t i = 0; i < list->count; i++)
		servers[i] = (struct server){.seen = CONDITION_AT_START};
	t->server_count = list->count;
	t->list = *list;
}

void server_table_follow(struct server_table *t, const struct server_list *list, mono_ns now)
{
	const struct server_list before = t->list;

	list_check(t, list);
	t->list = *list;
	t->server_count = list->count;
	for (uint16_t i = 0; i < list->count; i++) {
		struct server *s = &t->servers[i];

		if (i >= before.count || !endpoint_equal(&before.endpoints[i], &list->endpoints[i]))
			*s = (struct server){.seen = CONDITION_AT_START};
		/* Fewer fails may be enough now: it takes one more to say so. */
		else if (condition_state(s->seen) == SERVER_UP && s->fails >= list->health[i].fall)
			s->fails = (uint16_t)(list->health[i].fall - 1);
	}
	server_refresh_all(t, now);
}

void server_refresh_all(struct server_table *t, mono_ns now)
{
	/* Acquire: conditions are not read before the count, so that what changes after they were
	 * read has a higher one. */
	t->epoch_seen = atomic_load_explicit(&t->shared->epoch->count, memory_order_acquire);
	for (uint16_t i = 0; i < t->server_count; i++)
		(void)condition_look(t, i, now);
	t->next_probe_at = earliest_probe(t);
}

enum server_state server_state(const struct server_table *t, uint16_t idx)
{
	if (server_is_learned(idx))
		return server_learned_is_silent(&t->learned, server_learned_position(idx))
			       ? SERVER_DOWN
			       : SERVER_UP;
	return condition_state(
		atomic_load_explicit(&shared_at(t, idx)->condition, memory_order_relaxed));
}

/* ---- learned servers ---- */

void server_table_learn(struct server_table *t, void *memory, uint16_t capacity,
			uint32_t under_way_max, const struct hash_key *key)
{
	server_learned_init(&t->learned, memory, capacity, under_way_max, key);
}

const struct endpoint *server_endpoint_learned(const struct server_table *t, uint16_t idx)
{
	return &server_learned_at(&t->learned, server_learned_position(idx))->peer;
}

struct server_habits *server_habits_learned(const struct server_table *t, uint16_t idx)
{
	return &server_learned_at(&t->learned, server_learned_position(idx))->habits;
}

void server_on_sent_learned(struct server_table *t, uint16_t idx)
{
	server_learned_on_sent(&t->learned, server_learned_position(idx));
}

uint16_t server_learn(struct server_table *t, const struct endpoint *peer, mono_ns now)
{
	uint16_t position = server_learned_find(&t->learned, peer);

	t->learned.now = now;
	if (position == SERVER_NONE)
		position = server_learned_take(&t->learned, peer);
	if (position == SERVER_NONE)
		return SERVER_NONE;
	server_learned_at(&t->learned, position)->used = 1;
	return (uint16_t)(SERVER_SLOTS_MAX + position);
}

void server_learn_prefetch(const struct server_table *t, const struct endpoint *peer)
{
	server_learned_prefetch(&t->learned, peer);
}

void server_hold(struct server_table *t, uint16_t idx)
{
	if (server_is_learned(idx))
		server_learned_at(&t->learned, server_learned_position(idx))->holds++;
}

void server_release(struct server_table *t, uint16_t idx)
{
	struct server_learned *s;

	if (!server_is_learned(idx))
		return;
	s = server_learned_at(&t->learned, server_learned_position(idx));
	CHECK(s->holds > 0);
	s->holds--;
}

uint32_t server_rto_ms(const struct server_table *t, uint16_t idx)
{
	if (server_is_learned(idx))
		return server_learned_rto_ms(&t->learned, server_learned_position(idx));
	CHECK(idx < t->server_count);
	return server_rto_of(t->servers[idx].srtt_us, t->servers[idx].rttvar_us, 0);
}

bool server_may_ask(const struct server_table *t, uint16_t idx)
{
	const struct server_learned *s;

	if (!server_is_learned(idx))
		return true;
	s = server_learned_at(&t->learned, server_learned_position(idx));
	return s->under_way < s->share;
}

/* ---- the choice ---- */

/* Which of the list are UP, as a mask of positions. */
static uint32_t positions_up(const struct server_table *t, const uint16_t servers[],
			     unsigned server_count)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < server_count; i++)
		mask |= (uint32_t)(server_state(t, servers[i]) == SERVER_UP) << i;
	return mask;
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
static uint64_t slowness(const struct server_table *t, uint16_t idx)
{
	const struct server *s;

	if (server_is_learned(idx))
		return server_learned_slowness(&t->learned, server_learned_position(idx));
	s = &t->servers[idx];
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

		if (slowness(t, servers[position]) < slowness(t, servers[best]))
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
			rendezvous_weight(question_hash, server_endpoint(t, servers[position]));

		if (weight > best_weight) {
			best_weight = weight;
			best = position;
		}
	}
	return best;
}

static mono_ns changed_at(const struct server_table *t, uint16_t idx)
{
	return condition_since(
		atomic_load_explicit(&shared_at(t, idx)->condition, memory_order_relaxed));
}

/* Of servers that are all down: the one that went down last. */
static int choose_down(const struct server_table *t, const uint16_t servers[], uint32_t mask)
{
	int best = __builtin_ctz(mask);

	for (uint32_t rest = mask & (mask - 1); rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);

		if (changed_at(t, servers[position]) > changed_at(t, servers[best]))
			best = position;
	}
	return best;
}

/* Of learned servers, whatever the policy: the fastest, or one of those that are nearly as fast; once in a while one of the
 * others. */
static int choose_learned(const struct server_table *t, const uint16_t servers[],
			  unsigned server_count, uint32_t tried_mask, struct entropy *entropy)
{
	uint32_t untried = UINT32_MAX >> (MASK_BITS - server_count) & ~tried_mask;
	uint64_t slow[MASK_BITS], best = UINT64_MAX;
	uint32_t near = 0, awake = 0, draw = 0;
	bool has_draw = entropy_ready(entropy, sizeof(draw));

	if (untried == 0)
		return -1;
	for (uint32_t rest = untried; rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);

		slow[position] = slowness(t, servers[position]);
		if (slow[position] < best)
			best = slow[position];
	}
	for (uint32_t rest = untried; rest != 0; rest &= rest - 1) {
		int position = __builtin_ctz(rest);

		near |= (uint32_t)(slow[position] - best <= SERVER_BAND_US) << position;
		awake |= (uint32_t)(slow[position] < SERVER_SLOWNESS_SILENT) << position;
	}
	if (has_draw)
		draw = entropy_take_u32(entropy);
	/* What is silent is tried again when its time has come, not by chance. */
	if (has_draw && draw % SERVER_EXPLORE_ONE_IN == 0 && (awake & ~near) != 0)
		near = awake & ~near;
	return nth_candidate(near,
			     draw / SERVER_EXPLORE_ONE_IN % (uint32_t)__builtin_popcount(near));
}

int server_choose_of_many(const struct server_table *t, const uint16_t servers[],
			  unsigned server_count, enum server_policy policy, uint32_t tried_mask,
			  uint32_t *cursor, uint64_t question_hash, struct entropy *entropy)
{
	uint32_t untried, up;

	CHECK(server_count >= 1 && server_count <= MASK_BITS);
	if (server_is_learned(servers[0]))
		return choose_learned(t, servers, server_count, tried_mask, entropy);
	untried = UINT32_MAX >> (MASK_BITS - server_count) & ~tried_mask;
	/* Looked at once: what is not UP then is DOWN, though it may come up meanwhile. */
	up = positions_up(t, servers, server_count) & untried;
	if (untried == 0)
		return -1;
	if (up == 0)
		return choose_down(t, servers, untried);
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

/* A query has ended, one way or another. */
static void query_ended(struct server *s, bool probe)
{
	if (s->under_way > 0)
		s->under_way--;
	if (probe)
		s->probe_under_way = false;
}

/* The last answer that is known to anybody: exactly, if it came to this worker. */
static mono_ns last_answer_at(const struct server_table *t, uint16_t idx)
{
	mono_ns others =
		atomic_load_explicit(&shared_at(t, idx)->last_answer_at, memory_order_relaxed);

	return t->servers[idx].last_answer_at > others ? t->servers[idx].last_answer_at : others;
}

/* Tell the other workers, if what they know is older than grain_ns. */
static void answer_tell(const struct server_table *t, uint16_t idx, uint64_t grain_ns, mono_ns now)
{
	_Atomic mono_ns *told = &shared_at(t, idx)->last_answer_at;
	mono_ns last = atomic_load_explicit(told, memory_order_relaxed);

	/* Once: if it fails, another worker has told the same. A plain store by a worker that was
	 * held up would set the time back. */
	if (now > last && now - last >= grain_ns)
		(void)atomic_compare_exchange_strong_explicit(
			told, &last, now, memory_order_relaxed, memory_order_relaxed);
}

/* An answer of a server that was seen DOWN. */
static void rise_note(struct server_table *t, uint16_t idx, mono_ns now)
{
	const struct server *s = &t->servers[idx];
	bool is_noted = false;

	/* Whoever sees the server UP must see the answer, and not count fails from before it. */
	answer_tell(t, idx, 0, now);
	/* Again if another worker was quicker. */
	while (!is_noted && condition_state(s->seen) == SERVER_DOWN)
		is_noted = condition_rises(s->seen) + 1 >= health_of(t, idx)->rise
				   ? server_set_state(t, idx, SERVER_UP, now)
				   : condition_set(t, idx, s->seen + CONDITION_RISE, now);
}

void server_on_answer_any(struct server_table *t, uint16_t idx, uint32_t rtt_us, bool probe,
			  mono_ns now)
{
	struct server *s;

	if (server_is_learned(idx)) {
		server_learned_on_answer(&t->learned, server_learned_position(idx), rtt_us, now);
		return;
	}
	s = server_at(t, idx);
	query_ended(s, probe);
	s->responses++;
	s->last_answer_at = now;
	server_rtt_note(&s->srtt_us, &s->rttvar_us, rtt_us);
	s->fails = 0;
	condition_see(t, idx, now);
	if (UNLIKELY(condition_state(s->seen) == SERVER_DOWN))
		rise_note(t, idx, now);
	else
		answer_tell(t, idx, SERVER_ANSWER_GRAIN_MS * NS_PER_MS, now);
	probe_note(t, idx);
}

/* One more try, begun at sent_at, that brought nothing. */
static void fail_note(struct server_table *t, uint16_t idx, mono_ns sent_at, mono_ns now)
{
	struct server *s = server_at(t, idx);
	mono_ns answered_at;

	/* First the condition, then the answer (see there): fails from before an UP do not count.
	 */
	condition_see(t, idx, now);
	answered_at = last_answer_at(t, idx);
	if (sent_at < answered_at)
		return;
	if (s->fails_after != answered_at) {
		s->fails_after = answered_at;
		s->fails = 0;
	}
	if (s->fails < UINT16_MAX)
		s->fails++;
	/* If another worker is quicker, it is DOWN, or has been and is UP again: then this row of
	 * fails is over. */
	if (condition_state(s->seen) == SERVER_UP && s->fails >= health_of(t, idx)->fall)
		(void)server_set_state(t, idx, SERVER_DOWN, now);
}

/* A probe was lost: the row of rises begins anew. */
static void rises_end(struct server_table *t, uint16_t idx, mono_ns now)
{
	const struct server *s = &t->servers[idx];
	bool is_ended = false;

	/* Again if another worker was quicker with an answer. */
	while (!is_ended && condition_rises(s->seen) > 0)
		is_ended = condition_set(t, idx, condition_since(s->seen) | CONDITION_DOWN, now);
}

void server_on_unreachable(struct server_table *t, uint16_t idx, mono_ns now)
{
	if (server_is_learned(idx))
		server_learned_on_unreachable(&t->learned, server_learned_position(idx), now);
	else
		fail_note(t, idx, now, now);
}

void server_on_timeout(struct server_table *t, uint16_t idx, mono_ns sent_at, bool probe,
		       mono_ns now)
{
	struct server *s;

	if (server_is_learned(idx)) {
		server_learned_on_timeout(&t->learned, server_learned_position(idx), sent_at, now);
		return;
	}
	s = server_at(t, idx);
	query_ended(s, probe);
	s->timeouts++;
	fail_note(t, idx, sent_at, now);
	/* Only probes: a question's timeout may be of one that was sent before the server was
	 * back. */
	if (probe)
		rises_end(t, idx, now);
	probe_note(t, idx);
}

void server_on_cancelled(struct server_table *t, uint16_t idx, bool probe)
{
	if (server_is_learned(idx)) {
		server_learned_on_cancelled(&t->learned, server_learned_position(idx));
		return;
	}
	query_ended(server_at(t, idx), probe);
	probe_note(t, idx);
}

void server_on_near_miss(struct server_table *t, uint16_t idx)
{
	struct server_learned *learned;

	if (!server_is_learned(idx)) {
		server_at(t, idx)->near_misses++;
		return;
	}
	learned = server_learned_at(&t->learned, server_learned_position(idx));
	if (learned->near_misses < UINT16_MAX)
		learned->near_misses++;
}

/* ---- probes ---- */

int server_probe_due(struct server_table *t, mono_ns now)
{
	server_refresh(t, now);
	if (now < t->next_probe_at)
		return -1;
	for (unsigned i = first_of_ours(t); i < t->server_count; i += t->worker.count) {
		struct server *s = &t->servers[i];

		if (!probe_wanted(t, (uint16_t)i) || s->probe_at > now)
			continue;
		s->probe_at = now + health_of(t, (uint16_t)i)->interval_ms * NS_PER_MS;
		s->probe_under_way = true;
		t->next_probe_at = earliest_probe(t);
		return (int)i;
	}
	return -1;
}

/* How many rises bring it up may have become fewer since they were counted: the next one does. */
static void shared_check(const struct server_shared *h)
{
	uint64_t condition = atomic_load_explicit(&h->condition, memory_order_relaxed);

	switch (condition_state(condition)) {
	case SERVER_UP:
		CHECK(condition_rises(condition) == 0);
		break;
	case SERVER_DOWN:
		break;
	case SERVER_STATE_COUNT:
		CHECK(false);
	}
	CHECK(atomic_load_explicit(&h->habits.case_proofs, memory_order_relaxed) < CASE_PROOFS);
}

void server_check(const struct server_table *t)
{
	for (uint16_t i = 0; i < t->server_count; i++) {
		const struct server *s = &t->servers[i];
		const struct server_shared *h = &t->shared->servers[i];

		shared_check(h);
		CHECK(s->srtt_us != 0 || s->rttvar_us == 0);
		CHECK(s->under_way <= s->queries);
		CHECK(s->fails == 0 || s->fails < health_of(t, i)->fall ||
		      condition_state(s->seen) == SERVER_DOWN);
	}
	server_learned_check(&t->learned);
	CHECK(t->next_probe_at == earliest_probe(t));
	CHECK(t->epoch_seen <=
	      atomic_load_explicit(&t->shared->epoch->count, memory_order_relaxed));
}
