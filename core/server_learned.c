#include "server_learned.h"

#include <string.h>

#define US_PER_MS (NS_PER_MS / NS_PER_US)
/* Rounds beyond these make no difference. */
#define SILENT_ROUNDS_COUNTED 8

static_assert(SERVER_RTO_MS_MIN << SILENT_ROUNDS_COUNTED >= SERVER_RTO_MS_MAX,
	      "by then the longest wait is reached");

/* ---- memory ---- */

static uint32_t bucket_count_for(uint16_t capacity)
{
	uint32_t count = 1;

	while (count < capacity)
		count *= 2;
	return count;
}

size_t server_learned_memory_bytes(uint16_t capacity)
{
	if (capacity == 0)
		return 0;
	return capacity * sizeof(struct server_learned) +
	       bucket_count_for(capacity) * sizeof(uint16_t);
}

void server_learned_init(struct server_learned_table *t, void *memory, uint16_t capacity,
			 uint32_t under_way_max, const struct hash_key *key)
{
	uint32_t share_max = under_way_max / 4;

	CHECK(capacity <= SERVERS_LEARNED_MAX && (uintptr_t)memory % SERVER_LINE_BYTES == 0);
	*t = (struct server_learned_table){.capacity = capacity, .key = *key};
	if (share_max < SERVER_SHARE_MIN)
		share_max = SERVER_SHARE_MIN;
	t->share_max = (uint16_t)(share_max < UINT16_MAX ? share_max : UINT16_MAX);
	if (capacity == 0)
		return;
	t->servers = memory;
	t->buckets = (void *)(t->servers + capacity);
	t->bucket_mask = bucket_count_for(capacity) - 1;
	memset(t->buckets, 0xff, (t->bucket_mask + 1) * sizeof(t->buckets[0]));
}

/* ---- who is found by endpoint ---- */

static uint16_t *bucket_of(const struct server_learned_table *t, const struct endpoint *peer)
{
	return &t->buckets[hash_address(&t->key, peer->address.bytes, peer->port) & t->bucket_mask];
}

void server_learned_prefetch(const struct server_learned_table *t, const struct endpoint *peer)
{
	if (t->capacity > 0)
		__builtin_prefetch(bucket_of(t, peer));
}

uint16_t server_learned_find(const struct server_learned_table *t, const struct endpoint *peer)
{
	if (t->capacity == 0)
		return SERVER_NONE;
	for (uint16_t at = *bucket_of(t, peer); at != SERVER_NONE; at = t->servers[at].next)
		if (endpoint_equal(&t->servers[at].peer, peer))
			return at;
	return SERVER_NONE;
}

static void unlink_at(struct server_learned_table *t, uint16_t position)
{
	uint16_t *at = bucket_of(t, &t->servers[position].peer);

	while (*at != position) {
		CHECK(*at != SERVER_NONE);
		at = &t->servers[*at].next;
	}
	*at = t->servers[position].next;
}

/* One that nobody needs, out of its bucket: that was not used of late, or where all were, the first of those seen. */
static uint16_t evict(struct server_learned_table *t)
{
	uint16_t found = SERVER_NONE;

	for (unsigned looks = 0; looks < SERVER_LOOKS_MAX; looks++) {
		uint16_t position = t->hand;
		struct server_learned *s = &t->servers[position];
		bool was_used = s->used != 0;

		t->hand = (uint16_t)(position + 1 < t->capacity ? position + 1 : 0);
		s->used = 0;
		if (s->holds != 0 || s->under_way != 0 || (was_used && found != SERVER_NONE))
			continue;
		found = position;
		if (!was_used)
			break;
	}
	if (found == SERVER_NONE)
		return SERVER_NONE;
	unlink_at(t, found);
	t->evicted++;
	return found;
}

/* What all begin with. */
static uint16_t first_share(const struct server_learned_table *t)
{
	return t->share_max < SERVER_SHARE_FIRST ? t->share_max : SERVER_SHARE_FIRST;
}

uint16_t server_learned_take(struct server_learned_table *t, const struct endpoint *peer)
{
	uint16_t position = t->fresh < t->capacity ? t->fresh++ : SERVER_NONE;
	uint16_t *bucket;

	if (t->capacity == 0)
		return SERVER_NONE;
	if (position == SERVER_NONE)
		position = evict(t);
	if (position == SERVER_NONE)
		return SERVER_NONE;
	bucket = bucket_of(t, peer);
	t->servers[position] =
		(struct server_learned){.peer = *peer, .next = *bucket, .share = first_share(t)};
	server_habits_clear(&t->servers[position].habits);
	*bucket = position;
	return position;
}

/* ---- what happens to queries ---- */

static struct server_family *family_of(struct server_learned_table *t,
				       const struct server_learned *s)
{
	return &t->families[address_is_v4(&s->peer.address)];
}

static void query_ended(struct server_learned *s)
{
	if (s->under_way > 0)
		s->under_way--;
}

/* Its time to be tried again has come, and this is the question that does it: the others wait for what becomes of it. */
static void try_taken(mono_ns *retry_at, uint32_t wait_ms, mono_ns now)
{
	if (*retry_at <= now)
		*retry_at = now + wait_ms * NS_PER_MS;
}

static uint32_t silent_ms(unsigned rounds)
{
	uint32_t wait_ms = SERVER_SILENT_MS_MIN;

	for (unsigned i = SERVER_SILENT_ROUNDS; i < rounds && wait_ms < SERVER_SILENT_MS_MAX; i++)
		wait_ms *= 2;
	return wait_ms;
}

static bool is_family_silent(const struct server_family *f)
{
	return f->silent_rounds >= SERVER_FAMILY_ROUNDS;
}

void server_learned_on_sent(struct server_learned_table *t, uint16_t position)
{
	struct server_learned *s = server_learned_at(t, position);
	struct server_family *f = family_of(t, s);

	s->queries++;
	s->under_way++;
	if (UNLIKELY(s->silent_rounds >= SERVER_SILENT_ROUNDS))
		try_taken(&s->retry_at, silent_ms(s->silent_rounds), t->now);
	if (UNLIKELY(is_family_silent(f)) && s->last_answer_at == 0)
		try_taken(&f->retry_at, SERVER_FAMILY_MS, t->now);
}

/* It answers. What silence has cost it comes back within a few answers; beyond what all begin with it has one more for each while
 * more than half of it is in use: it takes what it has and no more. */
static void grow_share(const struct server_learned_table *t, struct server_learned *s)
{
	uint16_t first = first_share(t);

	if (s->share < first)
		s->share = s->share > first / 2 ? first : (uint16_t)(2 * s->share);
	else if (s->under_way > s->share / 2u && s->share < t->share_max)
		s->share++;
}

void server_learned_on_answer(struct server_learned_table *t, uint16_t position, uint32_t rtt_us,
			      mono_ns now)
{
	struct server_learned *s = server_learned_at(t, position);

	grow_share(t, s);
	query_ended(s);
	s->responses++;
	s->last_answer_at = now;
	s->silent_rounds = 0;
	s->retry_at = 0;
	*family_of(t, s) = (struct server_family){0};
	server_rtt_note(&s->srtt_us, &s->rttvar_us, rtt_us);
}

/* One more round of queries that brought nothing. */
static void silence(struct server_learned_table *t, struct server_learned *s, mono_ns now)
{
	struct server_family *f = family_of(t, s);

	s->round_at = now;
	if (s->silent_rounds < SILENT_ROUNDS_COUNTED)
		s->silent_rounds++;
	if (s->silent_rounds >= SERVER_SILENT_ROUNDS)
		s->retry_at = now + silent_ms(s->silent_rounds) * NS_PER_MS;
	s->share = (uint16_t)(s->share / 2 > SERVER_SHARE_MIN ? s->share / 2 : SERVER_SHARE_MIN);
	/* Of one that has answered before it is not the family. */
	if (s->last_answer_at != 0)
		return;
	if (f->silent_rounds < SERVER_FAMILY_ROUNDS)
		f->silent_rounds++;
	if (is_family_silent(f))
		f->retry_at = now + SERVER_FAMILY_MS * NS_PER_MS;
}

void server_learned_on_timeout(struct server_learned_table *t, uint16_t position, mono_ns sent_at,
			       mono_ns now)
{
	struct server_learned *s = server_learned_at(t, position);

	query_ended(s);
	s->timeouts++;
	/* One that it did not answer, while it has answered others since, says nothing of it; and of many that were under way
	 * together the first to time out has said it all. */
	if (sent_at >= s->last_answer_at && sent_at >= s->round_at)
		silence(t, s, now);
}

void server_learned_on_unreachable(struct server_learned_table *t, uint16_t position, mono_ns now)
{
	struct server_learned *s = server_learned_at(t, position);

	if (now - s->round_at >= SERVER_RTO_MS_MIN * NS_PER_MS)
		silence(t, s, now);
}

void server_learned_on_cancelled(struct server_learned_table *t, uint16_t position)
{
	query_ended(server_learned_at(t, position));
}

/* ---- what follows from it ---- */

uint32_t server_rto_of(uint32_t srtt_us, uint32_t rttvar_us, unsigned doublings)
{
	uint64_t rto_ms = SERVER_RTO_MS_UNKNOWN;

	if (srtt_us != 0)
		rto_ms = (srtt_us + 4 * (uint64_t)rttvar_us + US_PER_MS - 1) / US_PER_MS;
	if (rto_ms < SERVER_RTO_MS_MIN)
		rto_ms = SERVER_RTO_MS_MIN;
	if (rto_ms > SERVER_RTO_MS_MAX)
		rto_ms = SERVER_RTO_MS_MAX;
	rto_ms <<= doublings;
	return (uint32_t)(rto_ms < SERVER_RTO_MS_MAX ? rto_ms : SERVER_RTO_MS_MAX);
}

uint32_t server_learned_rto_ms(const struct server_learned_table *t, uint16_t position)
{
	const struct server_learned *s = server_learned_at(t, position);

	return server_rto_of(s->srtt_us, s->rttvar_us, s->silent_rounds);
}

static bool waits(mono_ns retry_at, mono_ns now)
{
	return retry_at > now;
}

bool server_learned_is_silent(const struct server_learned_table *t, uint16_t position)
{
	const struct server_learned *s = server_learned_at(t, position);
	const struct server_family *f = &t->families[address_is_v4(&s->peer.address)];

	return waits(s->retry_at, t->now) ||
	       (s->last_answer_at == 0 && is_family_silent(f) && waits(f->retry_at, t->now));
}

uint64_t server_learned_slowness(const struct server_learned_table *t, uint16_t position)
{
	const struct server_learned *s = server_learned_at(t, position);

	/* Of those that are silent the one that was heard last. */
	if (UNLIKELY(server_learned_is_silent(t, position)))
		return SERVER_SLOWNESS_SILENT + (t->now - s->last_answer_at) / NS_PER_US;
	/* Silent no longer than its time: one question finds out. */
	if (UNLIKELY(s->silent_rounds >= SERVER_SILENT_ROUNDS))
		return 0;
	/* An unknown one likewise; those that follow do not wait for what may be dead. */
	if (s->srtt_us == 0)
		return s->under_way == 0 && s->silent_rounds == 0
			       ? 0
			       : SERVER_RTO_MS_UNKNOWN * US_PER_MS;
	return (uint64_t)s->srtt_us << s->silent_rounds;
}

void server_learned_check(const struct server_learned_table *t)
{
	uint32_t found = 0;

	CHECK(t->fresh <= t->capacity && (t->capacity == 0 || t->hand < t->capacity));
	for (uint32_t b = 0; t->capacity > 0 && b <= t->bucket_mask; b++) {
		for (uint16_t at = t->buckets[b]; at != SERVER_NONE; at = t->servers[at].next) {
			CHECK(at < t->fresh &&
			      bucket_of(t, &t->servers[at].peer) == &t->buckets[b]);
			found++;
		}
	}
	CHECK(found == t->fresh);
	for (uint16_t i = 0; i < t->fresh; i++) {
		const struct server_learned *s = &t->servers[i];

		CHECK(server_learned_find(t, &s->peer) == i);
		CHECK(s->under_way <= s->queries);
		CHECK(s->share >= SERVER_SHARE_MIN && s->share <= t->share_max);
		CHECK(s->silent_rounds <= SILENT_ROUNDS_COUNTED);
		CHECK(s->srtt_us != 0 || s->rttvar_us == 0);
	}
}
