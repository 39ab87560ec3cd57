/* The shared words alone, also with words in them that others would have to enter in the same few
 * cycles. */
#include <string.h>

#include "core/inflight.h"
#include "unit.h"

#define BUCKETS 32 /* of 16 slots */

static _Alignas(64) uint8_t words_memory[BUCKETS * INFLIGHT_BUCKET_WORDS * sizeof(uint64_t)];

static void words_init(struct inflight_words *words)
{
	static const struct hash_key key = {1, 2};

	CU_ASSERT_EQUAL_FATAL(inflight_words_memory_bytes(BUCKETS / INFLIGHT_BUCKETS_PER_SLOT),
			      sizeof(words_memory));
	memset(words_memory, 0xff, sizeof(words_memory));
	inflight_words_init(words, words_memory, BUCKETS / INFLIGHT_BUCKETS_PER_SLOT, 2, &key);
}

static uint64_t hash_of(uint64_t tag, uint64_t bucket)
{
	return tag << 40 | bucket;
}

static enum inflight_find find(const struct inflight_words *words, uint64_t hash, uint16_t id)
{
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;

	return inflight_find(words, hash, id, hits, &hit_count);
}

/* Copy a word of bucket 2, as another owner would have entered it, to a place of bucket 3. */
static void plant(struct inflight_words *words, unsigned place, uint64_t tag, uint16_t id,
		  uint8_t owner, uint16_t slot, bool late)
{
	uint32_t position = 4711;

	CU_ASSERT_EQUAL_FATAL(inflight_enter(words, hash_of(tag, 2), id, owner, slot, &position),
			      INFLIGHT_ENTERED);
	if (late)
		inflight_mark_late(words, position);
	atomic_store(&words->words[3 * INFLIGHT_BUCKET_WORDS + place],
		     inflight_word(words, position));
	inflight_remove(words, position);
}

/* What is looked up is always tag 5, bucket 3, ID 1000. */
static const struct {
	const char *says;
	struct {
		uint16_t tag, id;
		uint8_t owner;
		bool late;
		uint16_t slot;
	} words[INFLIGHT_BUCKET_WORDS]; /* tag 0: none in this place */
	enum inflight_find found;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;
} find_rows[] = {
	{"nothing", {{0}}, INFLIGHT_NONE, {{0}}, 0},
	{"one", {{0}, {0}, {5, 1000, 7, false, 65535}}, INFLIGHT_MATCH, {{7, 65535}}, 1},
	{"equal ones while one is being taken back: both, the lower owner first",
	 {{5, 1000, 127, false, 1}, {6, 1000, 3, false, 3}, {0}, {5, 1000, 64, false, 2}},
	 INFLIGHT_MATCH,
	 {{64, 2}, {127, 1}},
	 2},
	{"equal ones, in order already",
	 {{5, 1000, 0, false, 9}, {5, 1000, 1, false, 8}, {5, 1000, 2, false, 7}},
	 INFLIGHT_MATCH,
	 {{0, 9}, {1, 8}, {2, 7}},
	 3},
	{"equal ones of one owner: by slot",
	 {{5, 1000, 4, false, 300}, {5, 1000, 4, false, 2}, {5, 1000, 4, false, 256}},
	 INFLIGHT_MATCH,
	 {{4, 2}, {4, 256}, {4, 300}},
	 3},
	{"a live one wins over late ones",
	 {{5, 1000, 1, true, 1}, {5, 1000, 2, false, 2}, {5, 1000, 0, true, 0}},
	 INFLIGHT_MATCH,
	 {{2, 2}},
	 1},
	{"late ones over near misses, all of them",
	 {{5, 1001, 0, false, 1}, {5, 1000, 9, true, 2}, {5, 1000, 8, true, 3}},
	 INFLIGHT_LATE,
	 {{8, 3}, {9, 2}},
	 2},
	{"near misses but late ones and other tags",
	 {{5, 1001, 3, false, 1},
	  {5, 1002, 2, true, 2},
	  {4, 1001, 1, false, 3},
	  {5, 1003, 3, false, 0}},
	 INFLIGHT_NEAR_MISS,
	 {{3, 0}, {3, 1}},
	 2},
	{"only a late one with another ID", {{5, 1001, 3, true, 1}}, INFLIGHT_NONE, {{0}}, 0},
	{"eight near misses, in falling order",
	 {{5, 8, 70, false, 0},
	  {5, 7, 60, false, 0},
	  {5, 6, 50, false, 9},
	  {5, 5, 50, false, 8},
	  {5, 4, 30, false, 0},
	  {5, 3, 20, false, 0},
	  {5, 2, 10, false, 1},
	  {5, 1, 10, false, 0}},
	 INFLIGHT_NEAR_MISS,
	 {{10, 0}, {10, 1}, {20, 0}, {30, 0}, {50, 8}, {50, 9}, {60, 0}, {70, 0}},
	 8},
	{"eight equal ones",
	 {{5, 1000, 7, true, 0},
	  {5, 1000, 6, true, 0},
	  {5, 1000, 5, true, 0},
	  {5, 1000, 0, true, 0},
	  {5, 1000, 1, true, 0},
	  {5, 1000, 2, true, 0},
	  {5, 1000, 4, true, 0},
	  {5, 1000, 3, true, 0}},
	 INFLIGHT_LATE,
	 {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}, {6, 0}, {7, 0}},
	 8},
};

static void inflight_find__names_all_that_matter_by_owner(void)
{
	for (size_t r = 0; r < ARRAY_COUNT(find_rows); r++) {
		struct inflight_words words;
		struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
		unsigned hit_count = 99, wrong = 0;

		words_init(&words);
		memset(hits, 0x55, sizeof(hits));
		for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++)
			if (find_rows[r].words[i].tag != 0)
				plant(&words, i, find_rows[r].words[i].tag,
				      find_rows[r].words[i].id, find_rows[r].words[i].owner,
				      find_rows[r].words[i].slot, find_rows[r].words[i].late);
		wrong += inflight_find(&words, hash_of(5, 3), 1000, hits, &hit_count) !=
			 find_rows[r].found;
		wrong += hit_count != find_rows[r].hit_count;
		for (unsigned i = 0; i < find_rows[r].hit_count; i++)
			wrong += hits[i].owner != find_rows[r].hits[i].owner ||
				 hits[i].slot != find_rows[r].hits[i].slot;
		for (unsigned i = find_rows[r].hit_count; i < INFLIGHT_BUCKET_WORDS; i++)
			wrong += hits[i].owner != 0x55 || hits[i].slot != 0x5555;
		if (wrong != 0)
			CU_FAIL(find_rows[r].says);
	}
}

static unsigned bucket_3_count(const struct inflight_words *words)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < INFLIGHT_BUCKET_WORDS; i++)
		count += inflight_word(words, 3 * INFLIGHT_BUCKET_WORDS + i) != 0;
	return count;
}

/* What is planted, and looked for with tag 5 and ID 1000, which begins in the first place of a bucket. */
static const struct {
	const char *says;
	uint16_t tag, id;
	uint8_t owner;
	bool late;
	uint16_t slot;
	unsigned place;
	bool found;
} first_rows[] = {
	{"nothing", 6, 1000, 0, false, 0, 0, false},
	{"the lowest owner and slot", 5, 1000, 0, false, 0, 0, true},
	{"the highest", 5, 1000, 127, false, 65535, 0, true},
	{"one of those between", 5, 1000, 7, false, 300, 0, true},
	{"not in the second place", 5, 1000, 7, false, 300, 1, false},
	{"not a late one", 5, 1000, 7, true, 300, 0, false},
	{"nor a late one of the highest", 5, 1000, 127, true, 65535, 0, false},
	{"not with the ID after it", 5, 1001, 7, false, 300, 0, false},
	{"nor with one that differs in the highest bit", 5, 1000 ^ 0x8000, 7, false, 300, 0, false},
	{"not of another tag", 4, 1000, 7, false, 300, 0, false},
};

static void inflight_find_first__finds_whoever_owns_it(void)
{
	for (unsigned i = 0; i < ARRAY_COUNT(first_rows); i++) {
		struct inflight_words words;
		struct inflight_hit hit = {99, 9999};

		words_init(&words);
		plant(&words, first_rows[i].place, first_rows[i].tag, first_rows[i].id,
		      first_rows[i].owner, first_rows[i].slot, first_rows[i].late);
		if (inflight_find_first(&words, hash_of(5, 3), 1000, &hit) != first_rows[i].found ||
		    hit.owner != (first_rows[i].found ? first_rows[i].owner : 99) ||
		    hit.slot != (first_rows[i].found ? first_rows[i].slot : 9999))
			CU_FAIL(first_rows[i].says);
	}
}

/* Wherever the equal one is, and wherever the search for a place begins. */
static void inflight_enter__takes_its_word_back_if_an_equal_one_is_there(void)
{
	for (unsigned place = 0; place < INFLIGHT_BUCKET_WORDS; place++)
		for (uint16_t id = 1000; id < 1000 + INFLIGHT_BUCKET_WORDS; id++) {
			struct inflight_words words;
			uint32_t position = 4711;

			words_init(&words);
			plant(&words, place, 5, id, 9, 1, place % 2 == 0);
			CU_ASSERT_EQUAL(inflight_enter(&words, hash_of(5, 3), id, 8, 2, &position),
					INFLIGHT_TAKEN);
			CU_ASSERT_EQUAL(position, 4711);
			CU_ASSERT_EQUAL(bucket_3_count(&words), 1);
			CU_ASSERT_EQUAL(inflight_enter(&words, hash_of(5, 3), id ^ 1, 8, 2,
						       &position),
					INFLIGHT_ENTERED);
			CU_ASSERT_EQUAL(inflight_enter(&words, hash_of(4, 3), id, 8, 2, &position),
					INFLIGHT_ENTERED);
			CU_ASSERT_EQUAL(bucket_3_count(&words), 3);
		}
}

static void inflight_enter__finds_the_last_place(void)
{
	for (unsigned place = 0; place < INFLIGHT_BUCKET_WORDS; place++)
		for (uint16_t id = 0; id < INFLIGHT_BUCKET_WORDS; id++) {
			struct inflight_words words;
			uint32_t position = 4711;

			words_init(&words);
			for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++)
				if (i != place)
					plant(&words, i, 6 + i, id, 9, 1, false);
			CU_ASSERT_EQUAL(inflight_enter(&words, hash_of(5, 3), id, 8, 2, &position),
					INFLIGHT_ENTERED);
			CU_ASSERT_EQUAL(position, 3 * INFLIGHT_BUCKET_WORDS + place);
			CU_ASSERT_TRUE(inflight_word_names(inflight_word(&words, position), 8, 2));
		}
}

static void inflight_mark_late__keeps_all_but_the_late_bit(void)
{
	static const struct {
		const char *says;
		uint64_t hash;
		uint16_t id;
		uint8_t owner;
		uint16_t slot;
	} rows[] = {
		{"all zero", 0, 0, 0, 0},
		{"all ones", UINT64_MAX, 65535, 127, 65535},
		{"bits beside the late one", UINT64_C(1) << 40, 1, 1, 0x8000},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct inflight_words words;
		uint32_t position = 4711;
		uint64_t word;

		words_init(&words);
		CU_ASSERT_EQUAL(inflight_enter(&words, rows[i].hash, rows[i].id, rows[i].owner,
					       rows[i].slot, &position),
				INFLIGHT_ENTERED);
		word = inflight_word(&words, position);
		CU_ASSERT_FALSE(inflight_word_is_late(word));
		for (int again = 0; again < 2; again++) {
			uint64_t late;

			inflight_mark_late(&words, position);
			late = inflight_word(&words, position);
			CU_ASSERT_TRUE(inflight_word_is_late(late));
			CU_ASSERT_TRUE(inflight_word_names(late, rows[i].owner, rows[i].slot));
			CU_ASSERT_EQUAL(__builtin_popcountll(word ^ late), 1);
			CU_ASSERT_EQUAL(find(&words, rows[i].hash, rows[i].id), INFLIGHT_LATE);
		}
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(inflight_find__names_all_that_matter_by_owner),
	UNIT_TEST(inflight_find_first__finds_whoever_owns_it),
	UNIT_TEST(inflight_mark_late__keeps_all_but_the_late_bit),
	UNIT_TEST(inflight_enter__takes_its_word_back_if_an_equal_one_is_there),
	UNIT_TEST(inflight_enter__finds_the_last_place),
};
UNIT_SUITE(inflight_words, tests)
