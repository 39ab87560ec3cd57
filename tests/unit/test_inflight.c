#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "core/inflight.h"
#include "unit.h"

#define NONE UINT32_MAX

static const struct hash_key key = {0x0123456789abcdef, 0xfedcba9876543210};

/* A hash of this tag and bucket: what inflight.h says of its parts, for tests that need them
 * alike. */
static uint64_t hash_of(uint64_t tag, uint64_t bucket)
{
	return tag << 40 | bucket;
}

struct fixture {
	struct inflight_words words;
	struct inflight worker;
	void *words_memory;
	void *slots_memory;
};

static void fixture_init(struct fixture *f, uint32_t slot_count, uint8_t owner)
{
	size_t words_bytes = inflight_words_memory_bytes(slot_count);

	f->words_memory = aligned_alloc(64, words_bytes);
	f->slots_memory = malloc(inflight_memory_bytes(slot_count));
	CU_ASSERT_FATAL(f->words_memory != NULL && f->slots_memory != NULL);
	/* The memory is not promised to be clear. */
	memset(f->words_memory, 0xff, words_bytes);
	memset(f->slots_memory, 0x77, inflight_memory_bytes(slot_count));
	inflight_words_init(&f->words, f->words_memory, slot_count, 1, &key);
	inflight_init(&f->worker, f->slots_memory, slot_count, owner, &f->words);
}

static void fixture_fini(struct fixture *f)
{
	free(f->words_memory);
	free(f->slots_memory);
}

/* Take a slot and enter it; NONE: taken, and the slot was put back. */
static uint32_t send(struct fixture *f, uint64_t hash, uint16_t id)
{
	uint32_t slot = inflight_take(&f->worker);

	CU_ASSERT_NOT_EQUAL_FATAL(slot, NONE);
	if (inflight_enter(&f->words, hash, id, f->worker.owner, (uint16_t)slot,
			   &f->worker.slots[slot].position) == INFLIGHT_ENTERED)
		return slot;
	inflight_put(&f->worker, slot);
	return NONE;
}

static enum inflight_find find(const struct fixture *f, uint64_t hash, uint16_t id)
{
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count = 99;
	enum inflight_find found = inflight_find(&f->words, hash, id, hits, &hit_count);

	CU_ASSERT_EQUAL(hit_count == 0, found == INFLIGHT_NONE);
	CU_ASSERT(hit_count <= INFLIGHT_BUCKET_WORDS);
	return found;
}

/* ---- the hash ---- */

static void inflight_peer_hash__depends_on_everything_but_the_id(void)
{
	struct fixture f;
	struct endpoint base = {.address = address_from_v4((uint8_t[]){192, 0, 2, 1}), .port = 53};
	struct endpoint other_port = base, other_address = base;
	uint64_t hash;

	fixture_init(&f, 4, 0);
	other_port.port = 54;
	other_address.address.bytes[0] = 1;
	hash = inflight_peer_hash(&f.words, 0, &base);
	CU_ASSERT_EQUAL(hash,
			inflight_peer_hash(&f.words, 0, &(struct endpoint){base.address, 53}));
	CU_ASSERT_NOT_EQUAL(hash, inflight_peer_hash(&f.words, 1, &base));
	CU_ASSERT_NOT_EQUAL(hash, inflight_peer_hash(&f.words, 0, &other_port));
	CU_ASSERT_NOT_EQUAL(hash, inflight_peer_hash(&f.words, 0, &other_address));
	f.words.key.k0++;
	CU_ASSERT_NOT_EQUAL(hash, inflight_peer_hash(&f.words, 0, &base));
	fixture_fini(&f);
}

/* Ports of one peer spread over buckets and tags as draws would: two-sided. */
static void inflight_hash__spreads_the_ports_of_a_peer(void)
{
	enum { BINS = 1024 };
	static uint32_t low[BINS], high[BINS];
	static uint64_t seen[PORT_COUNT];
	struct fixture f;
	struct endpoint peer = {.address = address_from_v4((uint8_t[]){198, 51, 100, 7}),
				.port = 53};

	fixture_init(&f, 4, 0);
	for (uint32_t i = 0; i < 4 * PORT_COUNT; i++) {
		uint64_t hash = inflight_hash(inflight_peer_hash(&f.words,
								 (uint8_t)(i / PORT_COUNT), &peer),
					      (uint16_t)i);

		low[hash % BINS]++;
		high[hash >> 40 & (BINS - 1)]++;
	}
	CU_ASSERT_TRUE(chi_square_accepts("buckets of ports", low, NULL, BINS));
	CU_ASSERT_TRUE(chi_square_accepts("tags of ports", high, NULL, BINS));
	/* No two ports of a peer are alike in tag and bucket, or each would be the other's near
	 * miss. */
	for (uint32_t port = 0; port < PORT_COUNT; port++) {
		uint64_t hash =
			inflight_hash(inflight_peer_hash(&f.words, 0, &peer), (uint16_t)port);
		uint64_t alike = (hash >> 40 << 16 | (hash & 0xffff)) + 1;

		CU_ASSERT_NOT_EQUAL_FATAL(seen[hash & 0xffff], alike);
		seen[hash & 0xffff] = alike;
	}
	fixture_fini(&f);
}

/* ---- words ---- */

static void inflight_words_memory_bytes__has_two_buckets_a_slot(void)
{
	static const struct {
		const char *says;
		uint32_t slot_count;
		size_t want;
	} rows[] = {
		{"one", 1, 2 * 64},
		{"a power of two", 65536, 131072 * 64},
		{"one more", 65537, 262144 * 64},
		{"three", 3, 8 * 64},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(inflight_words_memory_bytes(rows[i].slot_count), rows[i].want);
}

static void inflight_find__tells_match_near_miss_late_and_none_apart(void)
{
	struct fixture f;
	uint32_t slot;

	fixture_init(&f, 16, 127);
	slot = send(&f, hash_of(5, 3), 1000);
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 3), 1000), INFLIGHT_MATCH);
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 3), 1001), INFLIGHT_NEAR_MISS);
	CU_ASSERT_EQUAL(find(&f, hash_of(6, 3), 1000), INFLIGHT_NONE);
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 2), 1000), INFLIGHT_NONE);
	inflight_late(&f.worker, slot, 50);
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 3), 1000), INFLIGHT_LATE);
	/* A wrong ID for a query that is over tells nothing. */
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 3), 1001), INFLIGHT_NONE);
	inflight_expire_late(&f.worker, 50, 1);
	CU_ASSERT_EQUAL(find(&f, hash_of(5, 3), 1000), INFLIGHT_NONE);
	inflight_check(&f.worker);
	fixture_fini(&f);
}

static void inflight_find__id_match_wins_over_near_misses(void)
{
	struct fixture f;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;
	uint32_t slots[4];

	fixture_init(&f, 16, 9);
	for (uint16_t i = 0; i < 4; i++)
		slots[i] = send(&f, hash_of(7, 1), (uint16_t)(100 + i));
	(void)send(&f, hash_of(8, 1), 100);
	for (uint16_t i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(inflight_find(&f.words, hash_of(7, 1), (uint16_t)(100 + i), hits,
					      &hit_count),
				INFLIGHT_MATCH);
		CU_ASSERT(hit_count == 1 && hits[0].owner == 9 && hits[0].slot == slots[i]);
	}
	/* LATE wins over near misses as well: the late reply is nobody's forgery. */
	inflight_late(&f.worker, slots[2], 1);
	CU_ASSERT_EQUAL(inflight_find(&f.words, hash_of(7, 1), 102, hits, &hit_count),
			INFLIGHT_LATE);
	CU_ASSERT(hit_count == 1 && hits[0].slot == slots[2]);
	/* A near miss names all live queries that it may be meant for, and no others. */
	CU_ASSERT_EQUAL(inflight_find(&f.words, hash_of(7, 1), 55, hits, &hit_count),
			INFLIGHT_NEAR_MISS);
	CU_ASSERT_EQUAL(hit_count, 3);
	CU_ASSERT(hits[0].slot == slots[0] && hits[1].slot == slots[1] && hits[2].slot == slots[3]);
	fixture_fini(&f);
}

static void inflight_enter__refuses_what_is_taken(void)
{
	struct fixture f;
	uint32_t position = 4711;
	uint32_t slot, slots[INFLIGHT_BUCKET_WORDS];

	fixture_init(&f, 64, 1);
	slot = send(&f, hash_of(5, 3), 1000);
	CU_ASSERT_EQUAL(send(&f, hash_of(5, 3), 1000), NONE);
	/* Another owner's, too; and *position stays as it was. */
	CU_ASSERT_EQUAL(inflight_enter(&f.words, hash_of(5, 3), 1000, 2, 0, &position),
			INFLIGHT_TAKEN);
	CU_ASSERT_EQUAL(position, 4711);
	/* As long as it is late, as well: its reply may still come. */
	inflight_late(&f.worker, slot, 1);
	CU_ASSERT_EQUAL(send(&f, hash_of(5, 3), 1000), NONE);
	inflight_expire_late(&f.worker, 1, 1);
	slots[0] = send(&f, hash_of(5, 3), 1000);
	CU_ASSERT_NOT_EQUAL(slots[0], NONE);

	for (uint16_t i = 1; i < INFLIGHT_BUCKET_WORDS; i++) {
		slots[i] = send(&f, hash_of(5u + i, 3), (uint16_t)(1000 + i % 2));
		CU_ASSERT_NOT_EQUAL(slots[i], NONE);
	}
	CU_ASSERT_EQUAL(send(&f, hash_of(5, 3), 999), NONE); /* the bucket is full */
	CU_ASSERT_NOT_EQUAL(send(&f, hash_of(5, 4), 999), NONE);
	inflight_done(&f.worker, slots[6]);
	CU_ASSERT_NOT_EQUAL(send(&f, hash_of(5, 3), 999), NONE);
	inflight_check(&f.worker);
	fixture_fini(&f);
}

static void inflight_enter__a_word_is_never_empty(void)
{
	struct fixture f;

	fixture_init(&f, 4, 0);
	CU_ASSERT_EQUAL(send(&f, 0, 0), 0); /* tag, ID, owner, slot: all zero */
	CU_ASSERT_EQUAL(find(&f, 0, 0), INFLIGHT_MATCH);
	CU_ASSERT_EQUAL(find(&f, 0, 1), INFLIGHT_NEAR_MISS);
	CU_ASSERT_EQUAL(find(&f, 1, 0), INFLIGHT_NONE); /* an empty bucket does not match zeros */
	CU_ASSERT_EQUAL(send(&f, 0, 0), NONE);
	fixture_fini(&f);
}

/* ---- slots ---- */

static void inflight__holds_65536_slots(void)
{
	struct fixture f;
	unsigned long long random = unit_seed();
	static uint64_t hashes[UNDER_WAY_MAX];
	static uint16_t ids[UNDER_WAY_MAX];
	unsigned taken = 0, wrong = 0;

	fixture_init(&f, UNDER_WAY_MAX, 127);
	for (uint32_t i = 0; i < UNDER_WAY_MAX; i++) {
		uint32_t slot = NONE;

		while (slot == NONE) {
			hashes[i] = unit_random(&random);
			ids[i] = (uint16_t)unit_random(&random);
			slot = send(&f, hashes[i], ids[i]);
			taken += slot == NONE;
		}
		CU_ASSERT_EQUAL_FATAL(slot, i);
	}
	CU_ASSERT_EQUAL(inflight_take(&f.worker), NONE);
	CU_ASSERT(taken < 20); /* full buckets at a load of 1 of 16 */
	inflight_check(&f.worker);
	for (uint32_t i = 0; i < UNDER_WAY_MAX; i++) {
		struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
		unsigned hit_count;

		wrong += inflight_find(&f.words, hashes[i], ids[i], hits, &hit_count) !=
				 INFLIGHT_MATCH ||
			 hits[0].slot != i || hits[0].owner != 127;
		inflight_done(&f.worker, i);
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(f.worker.live_count, 0);
	inflight_check(&f.worker);
	for (size_t i = 0; i < inflight_words_memory_bytes(UNDER_WAY_MAX) / sizeof(uint64_t); i++)
		wrong += inflight_word(&f.words, (uint32_t)i) != 0;
	CU_ASSERT_EQUAL(wrong, 0);
	fixture_fini(&f);
}

static void inflight_take__recycles_the_oldest_late_slot_last(void)
{
	struct fixture f;
	uint32_t slots[4];
	uint16_t generation;

	fixture_init(&f, 4, 3);
	for (uint16_t i = 0; i < 4; i++)
		slots[i] = send(&f, hash_of(50, 1), i);
	inflight_done(&f.worker, slots[0]);
	inflight_late(&f.worker, slots[2], 10);
	inflight_late(&f.worker, slots[1], 20);
	generation = f.worker.slots[slots[0]].generation;
	/* First what is free; */
	CU_ASSERT_EQUAL(inflight_take(&f.worker), slots[0]);
	CU_ASSERT_EQUAL(f.worker.slots[slots[0]].generation, generation + 1);
	CU_ASSERT_EQUAL(find(&f, hash_of(50, 1), 2), INFLIGHT_LATE);
	/* then the oldest late one, whose word goes; */
	CU_ASSERT_EQUAL(inflight_take(&f.worker), slots[2]);
	CU_ASSERT_EQUAL(f.worker.slots[slots[2]].state, INFLIGHT_SLOT_LIVE);
	CU_ASSERT_EQUAL(f.worker.slots[slots[2]].position, INFLIGHT_NO_POSITION);
	CU_ASSERT_NOT_EQUAL(find(&f, hash_of(50, 1), 2), INFLIGHT_LATE);
	CU_ASSERT_EQUAL(find(&f, hash_of(50, 1), 1), INFLIGHT_LATE);
	inflight_check(&f.worker);
	/* then the next; and live ones never. */
	CU_ASSERT_EQUAL(inflight_take(&f.worker), slots[1]);
	CU_ASSERT_EQUAL(inflight_take(&f.worker), NONE);
	CU_ASSERT_EQUAL(f.worker.late_count, 0);
	CU_ASSERT_EQUAL(find(&f, hash_of(50, 1), 3), INFLIGHT_MATCH);
	inflight_check(&f.worker);
	fixture_fini(&f);
}

static void inflight_expire_late__frees_in_order_within_its_budget(void)
{
	static const mono_ns untils[] = {10, 20, 20, 30, 5}; /* the last is raised to 30 */
	struct fixture f;

	fixture_init(&f, 8, 0);
	CU_ASSERT_EQUAL(inflight_next_late(&f.worker), MONO_NEVER);
	inflight_expire_late(&f.worker, MONO_NEVER, 5);
	for (uint16_t i = 0; i < ARRAY_COUNT(untils); i++)
		inflight_late(&f.worker, send(&f, hash_of(1, 0), i), untils[i]);
	inflight_check(&f.worker);
	CU_ASSERT_EQUAL(inflight_next_late(&f.worker), 10);
	inflight_expire_late(&f.worker, 9, 100);
	CU_ASSERT_EQUAL(f.worker.late_count, 5);
	inflight_expire_late(&f.worker, 20, 2);
	CU_ASSERT_EQUAL(f.worker.late_count, 3);
	CU_ASSERT_EQUAL(find(&f, hash_of(1, 0), 1), INFLIGHT_NONE);
	CU_ASSERT_EQUAL(find(&f, hash_of(1, 0), 2), INFLIGHT_LATE);
	inflight_expire_late(&f.worker, 29, 100);
	CU_ASSERT_EQUAL(f.worker.late_count, 2);
	CU_ASSERT_EQUAL(inflight_next_late(&f.worker), 30);
	inflight_expire_late(&f.worker, 30, 100);
	CU_ASSERT_EQUAL(f.worker.late_count, 0);
	CU_ASSERT_EQUAL(inflight_next_late(&f.worker), MONO_NEVER);
	inflight_check(&f.worker);
	fixture_fini(&f);
}

/* ---- against a naive model: two workers, one table of words, few hashes and IDs ---- */

#define MODEL_WORKERS 2
#define MODEL_SLOTS 12
#define MODEL_TAGS 3
#define MODEL_BUCKETS 2
#define MODEL_IDS 3

struct model_query {
	bool entered, late;
	uint64_t hash;
	uint16_t id;
	mono_ns until;
	unsigned age; /* counts up with every query that becomes late */
};

struct model {
	struct inflight_words words;
	struct inflight workers[MODEL_WORKERS];
	struct model_query queries[MODEL_WORKERS][MODEL_SLOTS];
	mono_ns now;
	unsigned late_so_far;
	unsigned entered_so_far, refused_so_far, recycled_so_far;
	unsigned long long random;
};

static unsigned model_draw(struct model *m, unsigned bound)
{
	return (unsigned)(unit_random(&m->random) % bound);
}

static uint64_t model_hash(struct model *m)
{
	return hash_of(1 + model_draw(m, MODEL_TAGS), model_draw(m, MODEL_BUCKETS));
}

/* How many words a bucket holds; *same: is this hash and ID among them? */
static unsigned model_bucket(const struct model *m, uint64_t hash, uint16_t id, bool *same)
{
	unsigned count = 0;

	*same = false;
	for (unsigned w = 0; w < MODEL_WORKERS; w++)
		for (unsigned s = 0; s < MODEL_SLOTS; s++) {
			const struct model_query *q = &m->queries[w][s];

			if (!q->entered)
				continue;
			count += hash_of(0, q->hash % MODEL_BUCKETS) == hash % MODEL_BUCKETS;
			*same |= q->hash == hash && q->id == id;
		}
	return count;
}

static struct model_query *model_oldest_late(struct model *m, unsigned worker)
{
	struct model_query *oldest = NULL;

	for (unsigned s = 0; s < MODEL_SLOTS; s++) {
		struct model_query *q = &m->queries[worker][s];

		if (q->entered && q->late && (oldest == NULL || q->age < oldest->age))
			oldest = q;
	}
	return oldest;
}

static void model_send(struct model *m, unsigned worker)
{
	struct inflight *f = &m->workers[worker];
	struct model_query query = {.entered = true};
	struct model_query *oldest = model_oldest_late(m, worker);
	bool no_free = f->live_count + f->late_count == MODEL_SLOTS;
	uint32_t slot = inflight_take(f);
	enum inflight_enter entered;
	bool same;

	CU_ASSERT_EQUAL_FATAL(slot == NONE, no_free && oldest == NULL);
	if (slot == NONE)
		return;
	if (no_free) {
		CU_ASSERT_PTR_EQUAL_FATAL(oldest, &m->queries[worker][slot]);
		oldest->entered = false;
		m->recycled_so_far++;
	}
	CU_ASSERT_FALSE_FATAL(m->queries[worker][slot].entered);
	query.hash = model_hash(m);
	query.id = (uint16_t)model_draw(m, MODEL_IDS);
	entered = model_bucket(m, query.hash, query.id, &same) == INFLIGHT_BUCKET_WORDS || same
			  ? INFLIGHT_TAKEN
			  : INFLIGHT_ENTERED;
	CU_ASSERT_EQUAL_FATAL(inflight_enter(&m->words, query.hash, query.id, f->owner,
					     (uint16_t)slot, &f->slots[slot].position),
			      entered);
	if (entered == INFLIGHT_TAKEN) {
		inflight_put(f, slot);
		m->refused_so_far++;
		return;
	}
	m->queries[worker][slot] = query;
	m->entered_so_far++;
}

static void model_end(struct model *m, unsigned worker)
{
	unsigned slot = model_draw(m, MODEL_SLOTS);
	struct model_query *q = &m->queries[worker][slot];

	if (!q->entered || q->late)
		return;
	if (model_draw(m, 2) == 0) {
		inflight_done(&m->workers[worker], slot);
		q->entered = false;
		return;
	}
	q->late = true;
	q->until = m->now + 100;
	q->age = m->late_so_far++;
	inflight_late(&m->workers[worker], slot, q->until);
}

static void model_expire(struct model *m, unsigned worker)
{
	unsigned budget = model_draw(m, 4);

	m->now += model_draw(m, 60);
	inflight_expire_late(&m->workers[worker], m->now, budget);
	for (; budget > 0; budget--) {
		struct model_query *q = model_oldest_late(m, worker);

		if (q == NULL || q->until > m->now)
			break;
		q->entered = false;
	}
}

static void model_find(struct model *m)
{
	uint64_t hash = model_hash(m);
	uint16_t id = (uint16_t)model_draw(m, MODEL_IDS + 1);
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count, near_count = 0;
	enum inflight_find want = INFLIGHT_NONE;

	for (unsigned w = 0; w < MODEL_WORKERS; w++)
		for (unsigned s = 0; s < MODEL_SLOTS; s++) {
			const struct model_query *q = &m->queries[w][s];

			if (!q->entered || q->hash != hash)
				continue;
			if (q->id == id)
				want = q->late ? INFLIGHT_LATE : INFLIGHT_MATCH;
			else
				near_count += !q->late;
		}
	if (want == INFLIGHT_NONE && near_count > 0)
		want = INFLIGHT_NEAR_MISS;
	CU_ASSERT_EQUAL_FATAL(inflight_find(&m->words, hash, id, hits, &hit_count), want);
	CU_ASSERT_EQUAL_FATAL(hit_count, want == INFLIGHT_NEAR_MISS ? near_count
					 : want == INFLIGHT_NONE    ? 0
								    : 1);
	for (unsigned i = 0; i < hit_count; i++) {
		const struct model_query *q = &m->queries[hits[i].owner][hits[i].slot];

		CU_ASSERT_FATAL(q->entered && q->hash == hash &&
				(q->id == id) == (want != INFLIGHT_NEAR_MISS));
		CU_ASSERT_FATAL(
			i == 0 || hits[i - 1].owner < hits[i].owner ||
			(hits[i - 1].owner == hits[i].owner && hits[i - 1].slot < hits[i].slot));
	}
}

static void inflight__agrees_with_a_naive_model(void)
{
	static _Alignas(64) uint8_t words_memory[MODEL_BUCKETS * 64];
	/* Behind a worker's slots there is room for the list of free ones. */
	static struct inflight_slot slots[MODEL_WORKERS][MODEL_SLOTS + 1];
	struct model m = {.random = unit_seed()};

	CU_ASSERT_EQUAL_FATAL(inflight_words_memory_bytes(1), sizeof(words_memory));
	CU_ASSERT_FATAL(inflight_memory_bytes(MODEL_SLOTS) <= sizeof(slots[0]));
	inflight_words_init(&m.words, words_memory, 1, MODEL_WORKERS, &key);
	for (uint8_t w = 0; w < MODEL_WORKERS; w++)
		inflight_init(&m.workers[w], slots[w], MODEL_SLOTS, w, &m.words);
	for (int step = 0; step < 60000; step++) {
		unsigned worker = model_draw(&m, MODEL_WORKERS);

		switch (model_draw(&m, 8)) {
		case 0:
		case 1:
		case 2:
			model_send(&m, worker);
			break;
		case 3:
		case 4:
			model_end(&m, worker);
			break;
		case 5:
			model_expire(&m, worker);
			break;
		default:
			model_find(&m);
		}
		for (unsigned w = 0; w < MODEL_WORKERS; w++) {
			const struct model_query *q = model_oldest_late(&m, w);

			inflight_check(&m.workers[w]);
			CU_ASSERT_EQUAL_FATAL(inflight_next_late(&m.workers[w]),
					      q == NULL ? MONO_NEVER : q->until);
		}
	}
	CU_ASSERT(m.entered_so_far > 1000 && m.refused_so_far > 1000);
}

/* All slots late and all live: the model above seldom gets there, as its words are fewer. */
static void inflight_take__survives_a_server_that_never_answers(void)
{
	struct fixture f;
	unsigned long long random = unit_seed();

	fixture_init(&f, 64, 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint32_t slot = send(&f, unit_random(&random), (uint16_t)i);

		if (slot != NONE)
			inflight_late(&f.worker, slot, i + 1000000);
		inflight_check(&f.worker);
	}
	CU_ASSERT_EQUAL(f.worker.live_count, 0);
	CU_ASSERT_EQUAL(f.worker.late_count, 64);
	fixture_fini(&f);
}

/* ---- threads ---- */

#define THREAD_ROUNDS 40000

struct thread_work {
	struct inflight_words *words;
	uint8_t owner;
	unsigned entered, wrong;
};

/* Two of these crowd 2 buckets with 12 queries each. */
static void *enter_find_remove(void *argument)
{
	enum { HELD = 12 };
	struct thread_work *work = argument;
	unsigned long long random = work->owner;
	uint32_t positions[HELD];
	uint64_t hashes[HELD];
	bool held[HELD] = {false};

	for (uint16_t i = 0; i < THREAD_ROUNDS; i++) {
		unsigned at = i % HELD;
		uint16_t id = (uint16_t)(work->owner * HELD + at);
		struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
		unsigned hit_count;

		if (held[at]) {
			/* Mine is found whatever the other does, until I remove it. */
			work->wrong += inflight_find(work->words, hashes[at], id, hits,
						     &hit_count) != INFLIGHT_MATCH ||
				       hits[0].owner != work->owner || hits[0].slot != at;
			inflight_remove(work->words, positions[at]);
			work->wrong += inflight_find(work->words, hashes[at], id, hits,
						     &hit_count) == INFLIGHT_MATCH;
		}
		hashes[at] = hash_of(1 + unit_random(&random) % 2, unit_random(&random) % 2);
		held[at] = inflight_enter(work->words, hashes[at], id, work->owner, (uint16_t)at,
					  &positions[at]) == INFLIGHT_ENTERED;
		work->entered += held[at];
	}
	for (unsigned at = 0; at < HELD; at++)
		if (held[at])
			inflight_remove(work->words, positions[at]);
	return NULL;
}

static void inflight_words__two_workers_do_not_lose_words(void)
{
	static _Alignas(64) uint8_t memory[2 * 64];
	struct inflight_words words;
	struct thread_work work[2] = {{&words, 0, 0, 0}, {&words, 1, 0, 0}};
	pthread_t threads[2];

	inflight_words_init(&words, memory, 1, 2, &key);
	for (int i = 0; i < 2; i++)
		CU_ASSERT_EQUAL_FATAL(
			pthread_create(&threads[i], NULL, enter_find_remove, &work[i]), 0);
	for (int i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(pthread_join(threads[i], NULL), 0);
		CU_ASSERT_EQUAL(work[i].wrong, 0);
		CU_ASSERT(work[i].entered > THREAD_ROUNDS / 10);
	}
	for (uint32_t i = 0; i < 2 * INFLIGHT_BUCKET_WORDS; i++)
		CU_ASSERT_EQUAL(inflight_word(&words, i), 0);
}

/* ---- what is under way does not show in what is drawn (SECURITY.md A3, D18) ---- */

static void source_fill(struct entropy *e, unsigned long long *random)
{
	for (struct buffer b; (b = entropy_block_to_fill(e)).capacity_bytes > 0;) {
		for (size_t i = 0; i < b.capacity_bytes; i += sizeof(*random)) {
			unsigned long long value = unit_random(random);

			memcpy(b.data + i, &value, sizeof(value));
		}
		entropy_filled(e);
	}
}

static void inflight__ports_stay_uniform_while_60000_answers_are_held_back(void)
{
	enum { BINS = 1024, HELD = 60000, DRAWS = 1000000, FIRST_PORT = 1024, BLOCK = 4096 };
	static struct port_set set;
	static uint32_t observed[BINS];
	static uint8_t blocks[2 * BLOCK];
	static double expected[BINS];
	struct port_map map;
	struct fixture f;
	struct entropy entropy;
	struct ticket_hand hand;
	unsigned long long random = 5452; /* fixed, as any bound on p is exceeded by some seed */
	uint64_t peer_hash;
	struct endpoint peer = {.address = address_from_v4((uint8_t[]){203, 0, 113, 1}),
				.port = 53};
	unsigned refused = 0;

	port_map_clear(&map);
	port_map_add(&map, FIRST_PORT, PORT_COUNT - 1);
	port_set_build(&set, &map);
	fixture_init(&f, UNDER_WAY_MAX, 0);
	entropy_init(&entropy, blocks, BLOCK);
	ticket_hand_init(&hand);
	peer_hash = inflight_peer_hash(&f.words, 0, &peer);
	for (uint32_t i = 0; i < HELD + DRAWS; i++) {
		struct ticket ticket = {0};
		uint32_t slot;

		source_fill(&entropy, &random);
		CU_ASSERT_TRUE_FATAL(ticket_draw(&hand, &set, &entropy, &ticket));
		slot = send(&f, inflight_hash(peer_hash, ticket.port), ticket.id);
		if (slot == NONE) {
			refused++;
			continue;
		}
		if (i < HELD)
			continue;
		observed[(ticket.port - FIRST_PORT) * BINS / (PORT_COUNT - FIRST_PORT)]++;
		inflight_done(&f.worker, slot);
	}
	CU_ASSERT(refused < (HELD + DRAWS) / 500);
	CU_ASSERT(f.worker.live_count > HELD - HELD / 500);
	for (uint32_t rank = 0; rank < set.port_count; rank++)
		expected[rank * BINS / set.port_count] += DRAWS / (double)set.port_count;
	CU_ASSERT_TRUE(chi_square_accepts("ports under load", observed, expected, BINS));
	fixture_fini(&f);
}

static const struct unit_test tests[] = {
	UNIT_TEST(inflight_peer_hash__depends_on_everything_but_the_id),
	UNIT_TEST(inflight_hash__spreads_the_ports_of_a_peer),
	UNIT_TEST(inflight_words_memory_bytes__has_two_buckets_a_slot),
	UNIT_TEST(inflight_find__tells_match_near_miss_late_and_none_apart),
	UNIT_TEST(inflight_find__id_match_wins_over_near_misses),
	UNIT_TEST(inflight_enter__refuses_what_is_taken),
	UNIT_TEST(inflight_enter__a_word_is_never_empty),
	UNIT_TEST(inflight__holds_65536_slots),
	UNIT_TEST(inflight_take__recycles_the_oldest_late_slot_last),
	UNIT_TEST(inflight_expire_late__frees_in_order_within_its_budget),
	UNIT_TEST(inflight__agrees_with_a_naive_model),
	UNIT_TEST(inflight_take__survives_a_server_that_never_answers),
	UNIT_TEST(inflight_words__two_workers_do_not_lose_words),
	UNIT_TEST(inflight__ports_stay_uniform_while_60000_answers_are_held_back),
};
UNIT_SUITE(inflight, tests)
