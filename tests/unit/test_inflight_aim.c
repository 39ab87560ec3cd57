/* The second word of a query in a small set: by what it is found, and that it goes with the query. */
#include <stdlib.h>
#include <string.h>

#include "core/inflight_aim.h"
#include "engine_rig.h"
#include "unit.h"

#define SLOTS 4
#define LATE_UNTIL 1000

/* ---- slots with two words ---- */

struct fixture {
	struct inflight_words words;
	struct inflight worker;
	void *words_memory;
	void *slots_memory;
};

static void fixture_init(struct fixture *f)
{
	size_t words_bytes = inflight_words_memory_bytes(SLOTS);
	struct hash_key key = {1, 2};

	f->words_memory = aligned_alloc(64, words_bytes);
	f->slots_memory = malloc(inflight_memory_bytes(SLOTS));
	CU_ASSERT_FATAL(f->words_memory != NULL && f->slots_memory != NULL);
	memset(f->words_memory, 0xff, words_bytes);
	memset(f->slots_memory, 0x77, inflight_memory_bytes(SLOTS));
	inflight_words_init(&f->words, f->words_memory, SLOTS, 1, &key);
	inflight_init(&f->worker, f->slots_memory, SLOTS, 5, &f->words);
}

static void fixture_fini(struct fixture *f)
{
	for (uint32_t i = 0; i < (f->words.bucket_mask + 1) * INFLIGHT_BUCKET_WORDS; i++)
		CU_ASSERT_EQUAL(inflight_word(&f->words, i), 0);
	free(f->words_memory);
	free(f->slots_memory);
}

#define HASH (UINT64_C(7) << 40 | 1)     /* tag 7, bucket 1 */
#define AIM_HASH (UINT64_C(9) << 40 | 2) /* tag 9, bucket 2 */

static uint32_t send(struct fixture *f, uint16_t id)
{
	uint32_t slot = inflight_take(&f->worker);
	struct inflight_slot *s = &f->worker.slots[slot];

	CU_ASSERT_NOT_EQUAL_FATAL(slot, UINT32_MAX);
	CU_ASSERT_EQUAL(s->aim_position, INFLIGHT_NO_POSITION);
	CU_ASSERT_EQUAL(inflight_enter(&f->words, HASH, id, 5, (uint16_t)slot, &s->position),
			INFLIGHT_ENTERED);
	CU_ASSERT_EQUAL(inflight_enter(&f->words, AIM_HASH, id, 5, (uint16_t)slot,
				       &s->aim_position),
			INFLIGHT_ENTERED);
	inflight_check(&f->worker);
	return slot;
}

static unsigned aimed_count(const struct fixture *f)
{
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];

	return inflight_aim_find(&f->words, AIM_HASH, hits);
}

static void inflight_aim__goes_with_its_query(void)
{
	struct fixture f;
	uint32_t answered, timed_out;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;

	fixture_init(&f);
	answered = send(&f, 100);
	timed_out = send(&f, 101);
	CU_ASSERT_EQUAL(aimed_count(&f), 2);
	inflight_done(&f.worker, answered);
	inflight_check(&f.worker);
	CU_ASSERT_EQUAL(inflight_aim_find(&f.words, AIM_HASH, hits), 1);
	CU_ASSERT(hits[0].owner == 5 && hits[0].slot == timed_out);
	inflight_late(&f.worker, timed_out, LATE_UNTIL);
	inflight_check(&f.worker);
	CU_ASSERT_EQUAL(aimed_count(&f), 0);
	/* The late word itself stays. */
	CU_ASSERT_EQUAL(inflight_find(&f.words, HASH, 101, hits, &hit_count), INFLIGHT_LATE);
	inflight_expire_late(&f.worker, LATE_UNTIL, 1);
	/* And a slot that is put back leaves none behind either. */
	answered = inflight_take(&f.worker);
	CU_ASSERT_EQUAL(inflight_enter(&f.words, AIM_HASH, 1, 5, (uint16_t)answered,
				       &f.worker.slots[answered].aim_position),
			INFLIGHT_ENTERED);
	inflight_put(&f.worker, answered);
	inflight_check(&f.worker);
	CU_ASSERT_EQUAL(aimed_count(&f), 0);
	fixture_fini(&f);
}

static void inflight_aim_find__takes_live_words_of_its_tag(void)
{
	struct fixture f;
	uint32_t positions[4];
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];

	fixture_init(&f);
	CU_ASSERT_EQUAL(inflight_aim_find(&f.words, AIM_HASH, hits), 0);
	CU_ASSERT_EQUAL(inflight_enter(&f.words, AIM_HASH, 0, 1, 10, &positions[0]),
			INFLIGHT_ENTERED);
	CU_ASSERT_EQUAL(inflight_enter(&f.words, AIM_HASH, 1, 2, 20, &positions[1]),
			INFLIGHT_ENTERED);
	/* Another tag, and one that is late. */
	CU_ASSERT_EQUAL(inflight_enter(&f.words, AIM_HASH ^ UINT64_C(1) << 40, 2, 3, 30,
				       &positions[2]),
			INFLIGHT_ENTERED);
	CU_ASSERT_EQUAL(inflight_enter(&f.words, AIM_HASH, 3, 4, 40, &positions[3]),
			INFLIGHT_ENTERED);
	inflight_mark_late(&f.words, positions[3]);
	CU_ASSERT_EQUAL(inflight_aim_find(&f.words, AIM_HASH, hits), 2);
	CU_ASSERT(hits[0].owner + hits[1].owner == 3 && hits[0].slot + hits[1].slot == 30);
	/* A tag of 0 does not find empty places. */
	CU_ASSERT_EQUAL(inflight_aim_find(&f.words, 2, hits), 0);
	CU_ASSERT_EQUAL(inflight_aim_find(&f.words, 3, hits), 0);
	for (unsigned i = 0; i < 4; i++)
		inflight_remove(&f.words, positions[i]);
	fixture_fini(&f);
}

static void inflight_hash_of_few__depends_on_id_and_identifier(void)
{
	uint64_t hash = inflight_hash(UINT64_C(0x123456789abcdef0), 53);
	uint64_t few = inflight_hash_of_few(hash, 5, 0);
	uint32_t buckets[256] = {0};

	CU_ASSERT_NOT_EQUAL(few, inflight_hash_of_few(hash, 5, 1));
	CU_ASSERT_NOT_EQUAL(few, inflight_hash_of_few(hash, 6, 0));
	CU_ASSERT_NOT_EQUAL(few, inflight_hash_of_few(hash + 1, 5, 0));
	/* The IDs of one port spread over the buckets as if drawn: no bucket is loaded. */
	for (uint32_t id = 0; id < 65536; id++)
		buckets[inflight_hash_of_few(hash, 5, (uint16_t)id) & 255]++;
	for (unsigned i = 0; i < 256; i++)
		CU_ASSERT(buckets[i] > 256 - 6 * 16 && buckets[i] < 256 + 6 * 16);
}

/* ---- the question of a reply ---- */

static void inflight_aim_parse__takes_one_plain_question(void)
{
	static const struct {
		const char *says;
		uint8_t bytes[40];
		uint8_t length_bytes;
		bool want;
	} rows[] = {
		{"a question",
		 {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1},
		 19,
		 true},
		{"the root", {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1}, 17, true},
		{"none", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}, 19, false},
		{"two", {0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}, 19, false},
		{"256", {0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}, 19, false},
		{"257", {0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0, 1}, 19, false},
		{"cut class", {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1, 0}, 18, false},
		{"cut name", {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a'}, 14, false},
		{"no name", {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 12, false},
		{"cut header", {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0}, 11, false},
		{"nothing", {0}, 0, false},
		{"a pointer",
		 {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1},
		 18,
		 false},
		{"another label type",
		 {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x41, 'a', 0, 0, 1, 0, 1},
		 19,
		 false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		uint8_t *exact = malloc(rows[i].length_bytes + 1u); /* a sanitizer sees its end */
		struct inflight_aim aim;
		bool got;

		CU_ASSERT_PTR_NOT_NULL_FATAL(exact);
		memcpy(exact + 1, rows[i].bytes, rows[i].length_bytes);
		got = inflight_aim_parse((struct span){exact + 1, rows[i].length_bytes}, &aim);
		RIG_ROW(rows[i].says, got == rows[i].want);
		if (got)
			RIG_ROW(rows[i].says, aim.qtype == 1 && aim.qclass == 1);
		free(exact);
	}
}

static void inflight_aim_hash__depends_on_all_but_letter_case(void)
{
	struct inflight_words w = {.key = {1, 2}};
	struct name lower, mixed, other;
	uint64_t hash;

	CU_ASSERT_TRUE(name_from_text("www.example.com", &lower));
	CU_ASSERT_TRUE(name_from_text("wWw.ExAmPlE.cOM", &mixed));
	CU_ASSERT_TRUE(name_from_text("www.example.con", &other));
	hash = inflight_aim_hash(&w, 3, &lower, 1, 1);
	CU_ASSERT_EQUAL(hash, inflight_aim_hash(&w, 3, &mixed, 1, 1));
	CU_ASSERT_NOT_EQUAL(hash, inflight_aim_hash(&w, 3, &other, 1, 1));
	CU_ASSERT_NOT_EQUAL(hash, inflight_aim_hash(&w, 4, &lower, 1, 1));
	CU_ASSERT_NOT_EQUAL(hash, inflight_aim_hash(&w, 3, &lower, 2, 1));
	CU_ASSERT_NOT_EQUAL(hash, inflight_aim_hash(&w, 3, &lower, 1, 2));
	w.key.k1++;
	CU_ASSERT_NOT_EQUAL(hash, inflight_aim_hash(&w, 3, &lower, 1, 1));
}

static const struct unit_test tests[] = {
	UNIT_TEST(inflight_aim__goes_with_its_query),
	UNIT_TEST(inflight_aim_find__takes_live_words_of_its_tag),
	UNIT_TEST(inflight_hash_of_few__depends_on_id_and_identifier),
	UNIT_TEST(inflight_aim_parse__takes_one_plain_question),
	UNIT_TEST(inflight_aim_hash__depends_on_all_but_letter_case),
};
UNIT_SUITE(inflight_aim, tests)
