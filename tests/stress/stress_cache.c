/* Hammers the cache (core/cache.h) with writers and readers at full speed, on logs so short that they wrap all the time,
 * with keys that share buckets, tags and whole hashes, and checks what that header promises: what is found is one
 * entry of that key, whole, and never an older one than was found before. Prints one line; exits with 1 and
 * the seed at the first violation.
 *
 *   stress_cache [--writers N] [--readers N] [--seconds S] [--seed N]
 *
 * Every word of an entry is a function of its stamp (key, writer, and how many that writer had put) and of its place. `facts`
 * are plain memory on purpose, so that ThreadSanitizer proves that whoever finds an entry sees what its writer
 * wrote before it put it. Of odd seeds, all writers put all keys; then what is older is not known, and only
 * wholeness is checked.
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/cache.h"
#include "core/cache_read.h"
#include "stress_draw.h"

#define WRITERS_MAX 4
#define READERS_MAX 8
#define KEYS 48
#define LETTERS_MAX 60
#define FACTS (1u << 20) /* of a writer: its first puts */
#define NOW_S 1000
#define COPY_GUARD UINT64_C(0x5afe5afe5afe5afe)
#define LOOKS_A_PUT 2 /* a writer looks after one put in so many */

/* stamp: key 8 | writer 8 | number 48 */
#define STAMP_KEY_SHIFT 56
#define STAMP_WRITER_SHIFT 48
#define STAMP_NUMBER_MASK ((UINT64_C(1) << STAMP_WRITER_SHIFT) - 1)

struct stress;

struct thread {
	struct stress *stress;
	unsigned idx;
	bool writes;
	pthread_t thread;
	unsigned long long random;
	uint64_t number;       /* writer: puts so far; their stamps count up */
	uint64_t newest[KEYS]; /* stamp numbers last found, or put */
	uint64_t looked, found, overtaken, lost;
	struct cache_walk walk;
	uint64_t copy[CACHE_ENTRY_WORDS_MAX + 1];
	struct cache_writer writer;
};

struct stress {
	struct cache *cache;
	struct cache_key keys[KEYS];
	unsigned longest; /* words of an entry */
	unsigned writer_count, reader_count;
	double seconds;
	unsigned long long seed;
	bool owned; /* a key has one writer */
	struct timespec began;
	uint64_t *facts[WRITERS_MAX];
	struct thread threads[WRITERS_MAX + READERS_MAX];
};

static void fail(const struct stress *s, const char *what)
{
	printf("FAIL stress_cache: %s (seed %llu, %u writers, %u readers)\n", what, s->seed,
	       s->writer_count, s->reader_count);
	fflush(stdout);
	_exit(1);
}

/* ---- keys and entries ---- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned long long state = a ^ b * UINT64_C(0xd6e8feb86659fd93);

	return draw(&state);
}

/* The key of a name of one label: that many letters, and a last one. */
static void make_label(struct cache_key *key, unsigned letters, char last)
{
	uint8_t *label = key->image + CACHE_KEY_NAME;

	memset(key, 0xcc, sizeof(*key));
	label[0] = (uint8_t)(letters + 1);
	memset(label + 1, 'a', letters);
	label[1 + letters] = (uint8_t)last;
	label[2 + letters] = 0;
	cache_key_set(key, 1, 0, false, (uint8_t)(letters + 3));
}

/* A label of letters, as long as the key's number says, and that number. Four buckets, three tags; every other pair of keys
 * has one hash. */
static void make_key(struct cache_key *key, unsigned number)
{
	make_label(key, number % 4 == 3 ? LETTERS_MAX : number % 14, (char)('0' + number));
	number &= ~1u;
	key->hash = mix(number % 4, 1) << 32 | (number % 3);
	if (number % 8 >= 4)
		key->hash ^= (uint64_t)number << 32;
}

static uint64_t word_of(uint64_t stamp, unsigned at)
{
	return at == 0 ? stamp : mix(stamp, at);
}

static unsigned word_count_of(const struct stress *s, const struct cache_key *key, uint64_t stamp)
{
	unsigned least = CACHE_HEAD_WORDS + (key->image_bytes + 7u) / 8 + 1;

	return least + (unsigned)(mix(stamp, 77) % (s->longest - least + 1));
}

/* Every word that the image does not fill; the first such is the stamp. */
static unsigned first_of(const struct cache_key *key)
{
	return CACHE_HEAD_WORDS + (key->image_bytes + 7u) / 8;
}

static unsigned make_entry(const struct stress *s, uint64_t words[], uint64_t stamp)
{
	const struct cache_key *key = &s->keys[stamp >> STAMP_KEY_SHIFT];
	unsigned first = first_of(key), word_count = word_count_of(s, key, stamp);
	struct cache_head head = {.stored_at_s = (uint32_t)stamp % NOW_S,
				  .ttl_s = CACHE_TTL_S_MAX,
				  .word_count = (uint16_t)word_count,
				  .record_count = (uint8_t)stamp};

	cache_head_set(words, &head);
	words[first - 1] = 0;
	memcpy(words + CACHE_HEAD_WORDS, key->image, key->image_bytes);
	for (unsigned i = first; i < word_count; i++)
		words[i] = word_of(stamp, i - first);
	return word_count;
}

/* Is the copy one entry of this key, whole? Its stamp. */
static uint64_t judge(const struct stress *s, const struct cache_key *key, const uint64_t copy[],
		      const struct cache_found *found)
{
	unsigned first = first_of(key);
	uint64_t stamp = copy[first];
	uint64_t number = stamp & STAMP_NUMBER_MASK;
	unsigned writer = stamp >> STAMP_WRITER_SHIFT & 0xff;

	if (found->word_count <= first || found->word_count > s->longest)
		fail(s, "an entry of impossible length");
	if (memcmp(copy + CACHE_HEAD_WORDS, key->image, key->image_bytes) != 0)
		fail(s, "an entry of another key");
	if (stamp >> STAMP_KEY_SHIFT >= KEYS || &s->keys[stamp >> STAMP_KEY_SHIFT] != key ||
	    writer >= s->writer_count)
		fail(s, "an entry with another key's content");
	if (found->word_count != word_count_of(s, key, stamp))
		fail(s, "an entry of another one's length");
	if (found->head.record_count != (uint8_t)stamp ||
	    found->head.stored_at_s != (uint32_t)stamp % NOW_S)
		fail(s, "an entry with another one's head");
	for (unsigned i = first; i < found->word_count; i++)
		if (copy[i] != word_of(stamp, i - first))
			fail(s, "a mixture of entries");
	if (number < FACTS && s->facts[writer][number] != stamp)
		fail(s, "an entry before what its writer wrote before it");
	return stamp;
}

/* ---- what threads do ---- */

static void pause_a_while(struct thread *t, unsigned chance)
{
	volatile unsigned spins;

	if (draw_below(&t->random, chance) == 0)
		for (spins = draw_below(&t->random, 3000); spins > 0; spins--)
			;
}

/* What engines do: the first candidate's entry, whatever its key, and the key later. */
static bool take(struct thread *t, const struct cache_key *key,
		 const struct cache_candidates *candidates, struct cache_found *found)
{
	struct cache_taken taken = cache_take(t->stress->cache, candidates->words[0],
					      cache_hash_upper(key->hash), t->copy);

	pause_a_while(t, 64);
	if (!taken.copied || !cache_copy_is_of_key(t->copy, cache_entry_count(t->copy[0]),
						   CACHE_COPY_LONG_WORDS, key))
		return false;
	*found = cache_found_of(candidates->words[0], t->copy);
	return true;
}

/* The stamp's number, or 0: not found. */
static uint64_t look(struct thread *t, unsigned number, struct cache_found *found)
{
	const struct stress *s = t->stress;
	const struct cache_key *key = &s->keys[number];
	struct cache_candidates candidates;
	enum cache_find result;
	unsigned most = draw_below(&t->random, 4) == 0 ? s->longest / 2 : s->longest;

	t->copy[most] = COPY_GUARD;
	cache_prefetch(s->cache, key->hash);
	cache_candidates(s->cache, key->hash, &candidates);
	pause_a_while(t, 64);
	if (candidates.count > 0 && s->longest >= CACHE_COPY_LONG_WORDS &&
	    draw_below(&t->random, 2) == 0 && take(t, key, &candidates, found)) {
		t->looked++;
		t->found++;
		return judge(s, key, t->copy, found) & STAMP_NUMBER_MASK;
	}
	result = cache_find(s->cache, &candidates, key, t->copy, most, found);
	if (t->copy[most] != COPY_GUARD)
		fail(s, "a copy longer than its room");
	t->looked++;
	t->overtaken += result == CACHE_OVERTAKEN;
	if (result != CACHE_FOUND)
		return 0;
	t->found++;
	return judge(s, key, t->copy, found) & STAMP_NUMBER_MASK;
}

/* Of a key that one writer puts, entries are found in the order that they were put in. */
static void look_in_order(struct thread *t, unsigned number)
{
	const struct stress *s = t->stress;
	struct cache_found found;
	uint64_t stamp_number = look(t, number, &found);

	if (stamp_number == 0)
		return;
	if (s->owned && stamp_number < t->newest[number])
		fail(s, "an entry that was replaced");
	t->newest[number] = stamp_number;
	if (draw_below(&t->random, 3) == 0)
		(void)cache_mark(s->cache, found.word);
	if (draw_below(&t->random, 512) == 0)
		(void)cache_remove(s->cache, &found);
}

static void walk_some(struct thread *t)
{
	struct stress *s = t->stress;
	struct cache_found found;

	for (unsigned i = 0; i < 16; i++) {
		unsigned number = 0;

		if (!cache_walk_next(&t->walk, t->copy, &found)) {
			cache_walk_begin(&t->walk, s->cache);
			return;
		}
		while (number < KEYS && memcmp(t->copy + CACHE_HEAD_WORDS, s->keys[number].image,
					       s->keys[number].image_bytes) != 0)
			number++;
		if (number == KEYS)
			fail(s, "an entry of no key");
		(void)judge(s, &s->keys[number], t->copy, &found);
	}
}

static void put(struct thread *t)
{
	struct stress *s = t->stress;
	unsigned number = draw_below(&t->random, KEYS);
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	unsigned word_count;
	uint64_t stamp;

	if (s->owned)
		number = number / s->writer_count * s->writer_count + t->idx;
	if (number >= KEYS)
		return;
	stamp = (uint64_t)number << STAMP_KEY_SHIFT | (uint64_t)t->idx << STAMP_WRITER_SHIFT |
		++t->number;
	word_count = make_entry(s, words, stamp);
	if (t->number < FACTS)
		s->facts[t->idx][t->number] = stamp;
	switch (cache_put(&t->writer, &s->keys[number], words, word_count, NOW_S, NULL)) {
	case CACHE_PUT_OK:
		t->newest[number] = t->number;
		break;
	case CACHE_PUT_LOST:
		t->lost++;
		break;
	case CACHE_PUT_TOO_LONG:
		fail(s, "too long though it is not");
	}
	if (draw_below(&t->random, LOOKS_A_PUT) == 0)
		look_in_order(t, number);
}

static bool is_over(const struct stress *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - s->began.tv_sec) +
		       (double)(now.tv_nsec - s->began.tv_nsec) / 1e9 >=
	       s->seconds;
}

static void *work(void *argument)
{
	struct thread *t = argument;

	cache_walk_begin(&t->walk, t->stress->cache);
	for (unsigned op = 0; op % 256 != 0 || !is_over(t->stress); op++) {
		if (t->writes)
			put(t);
		else if (op % 1024 == 0)
			walk_some(t);
		else
			look_in_order(t, draw_below(&t->random, KEYS));
	}
	return NULL;
}

/* ---- the quiet part: what only a patient reader meets ---- */

/* Words in an entry's content that look like an entry of a key do not become one, even for a reader that kept an index
 * word until laps, which it has modulo 256, came round. */
static void check_forgery(struct stress *s)
{
	struct thread *t = &s->threads[0];
	struct cache_key decoy;
	struct cache_candidates candidates;
	struct cache_found found;
	uint64_t words[CACHE_ENTRY_WORDS_MAX] = {0};
	unsigned first, forged = 40;

	make_key(&decoy, 1);
	first = first_of(&s->keys[0]);
	memcpy(words + CACHE_HEAD_WORDS, decoy.image, decoy.image_bytes);
	/* The true entry stands at word 40 of lap 0. */
	if (cache_put(&t->writer, &decoy, words, forged, NOW_S, NULL) != CACHE_PUT_OK ||
	    cache_put(&t->writer, &s->keys[0], words, make_entry(s, words, 1), NOW_S, NULL) !=
		    CACHE_PUT_OK)
		fail(s, "not put");
	cache_candidates(s->cache, s->keys[0].hash, &candidates);
	t->copy[s->longest] = COPY_GUARD;
	if (cache_find(s->cache, &candidates, &s->keys[0], t->copy, s->longest, &found) !=
	    CACHE_FOUND)
		fail(s, "what was put is not found");
	while (t->writer.lap < 255 || t->writer.next + 2 * s->longest < s->cache->log_words) {
		memcpy(words + CACHE_HEAD_WORDS, decoy.image, decoy.image_bytes);
		if (cache_put(&t->writer, &decoy, words, first + 7, NOW_S, NULL) != CACHE_PUT_OK)
			fail(s, "not put");
	}
	/* Lap 256, which is lap 0 to an index word: its first entry has a false one at word 40. */
	while (t->writer.lap < 256) {
		struct cache_head head = {.word_count = (uint16_t)(first + 1)};

		memcpy(words + CACHE_HEAD_WORDS, decoy.image, decoy.image_bytes);
		cache_head_set(words + forged, &head);
		memcpy(words + forged + CACHE_HEAD_WORDS, s->keys[0].image, s->keys[0].image_bytes);
		if (cache_put(&t->writer, &decoy, words, s->longest, NOW_S, NULL) != CACHE_PUT_OK)
			fail(s, "not put");
	}
	if (t->writer.next != s->longest)
		fail(s, "a lap does not begin with its first entry");
	if (cache_find(s->cache, &candidates, &s->keys[0], t->copy, s->longest, &found) ==
	    CACHE_FOUND)
		fail(s, "a forged entry");
	cache_check(s->cache);
}

/* All of a key counts, and nothing behind it: of two under one hash that differ in their last letter only, whatever
 * their length, each replaces its own entry, and both are found. */
static void check_last_letters(struct stress *s)
{
	struct thread *t = &s->threads[0];

	for (unsigned letters = 0; letters <= LETTERS_MAX; letters++) {
		struct cache_key keys[2];
		struct cache_candidates candidates;
		struct cache_found found;

		for (unsigned i = 0; i < 2 * ARRAY_COUNT(keys); i++) {
			struct cache_key *key = &keys[i % 2];
			uint64_t words[CACHE_ENTRY_WORDS_MAX] = {0};

			make_label(key, letters, (char)('0' + i % 2));
			key->hash = mix(letters, 2);
			memcpy(words + CACHE_HEAD_WORDS, key->image, key->image_bytes);
			if (cache_put(&t->writer, key, words, first_of(key) + 1, NOW_S, NULL) !=
			    CACHE_PUT_OK)
				fail(s, "not put");
		}
		cache_candidates(s->cache, keys[0].hash, &candidates);
		if (candidates.count != ARRAY_COUNT(keys))
			fail(s, "a key has not just its own entry");
		for (unsigned i = 0; i < ARRAY_COUNT(keys); i++)
			if (cache_find(s->cache, &candidates, &keys[i], t->copy, s->longest,
				       &found) != CACHE_FOUND ||
			    memcmp(t->copy + CACHE_HEAD_WORDS, keys[i].image,
				   keys[i].image_bytes) != 0)
				fail(s, "what was put beside another is not found");
	}
	cache_check(s->cache);
}

/* ---- the program ---- */

static void start(struct stress *s)
{
	static const unsigned log_counts[] = {128, 32, 8};
	struct cache_params params = {.size_bytes = CACHE_BYTES_MIN};
	void *memory;

	params.log_count = log_counts[s->seed % ARRAY_COUNT(log_counts)];
	/* The cache then enters without locked instructions. */
	if (s->writer_count == 1 && s->seed % 2 == 0)
		params.log_count = 1;
	memory = aligned_alloc(64, cache_memory_bytes(&params));
	CHECK(memory != NULL);
	memset(memory, 0, cache_memory_bytes(&params));
	s->cache = cache_init(memory, &params);
	s->longest = (unsigned)s->cache->log_words / 8;
	if (s->longest > CACHE_ENTRY_WORDS_MAX)
		s->longest = CACHE_ENTRY_WORDS_MAX;
	s->owned = s->writer_count == 1 || s->seed % 2 == 0;
	for (unsigned i = 0; i < KEYS; i++)
		make_key(&s->keys[i], i);
	for (unsigned i = 0; i < s->writer_count + s->reader_count; i++) {
		struct thread *t = &s->threads[i];

		t->stress = s;
		t->idx = i;
		t->writes = i < s->writer_count;
		t->random = s->seed * 1000 + i;
		if (!t->writes)
			continue;
		cache_writer_init(&t->writer, s->cache, (uint8_t)i);
		s->facts[i] = calloc(FACTS, sizeof(s->facts[i][0]));
		CHECK(s->facts[i] != NULL);
	}
}

static void report(const struct stress *s)
{
	uint64_t puts_done = 0, laps = 0, chances = 0, lost = 0, looked = 0, found = 0,
		 overtaken = 0;

	for (unsigned i = 0; i < s->writer_count + s->reader_count; i++) {
		const struct thread *t = &s->threads[i];

		looked += t->looked;
		found += t->found;
		overtaken += t->overtaken;
		lost += t->lost;
		puts_done += t->number;
		laps += t->writer.lap;
		chances += t->writer.stats.second_chances;
	}
	printf("stress_cache: %u writers, %u readers, %s keys, entries up to %u words: %llu put (%llu "
	       "lost, %llu again) in %llu laps, %llu looked up, %llu found, %llu overtaken, seed "
	       "%llu\n",
	       s->writer_count, s->reader_count, s->owned ? "own" : "shared", s->longest,
	       (unsigned long long)puts_done, (unsigned long long)lost, (unsigned long long)chances,
	       (unsigned long long)laps, (unsigned long long)looked, (unsigned long long)found,
	       (unsigned long long)overtaken, s->seed);
	if (found == 0 || chances == 0 || laps < 3)
		fail(s, "too little happened");
}

static bool parse_options(int argc, char **argv, struct stress *s)
{
	static const struct option options[] = {{"writers", required_argument, NULL, 'w'},
						{"readers", required_argument, NULL, 'r'},
						{"seconds", required_argument, NULL, 's'},
						{"seed", required_argument, NULL, 'e'},
						{NULL, 0, NULL, 0}};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'w':
			s->writer_count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			s->reader_count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			s->seconds = strtod(optarg, NULL);
			break;
		case 'e':
			s->seed = strtoull(optarg, NULL, 10);
			break;
		default:
			return false;
		}
	}
	return optind == argc && s->writer_count >= 1 && s->writer_count <= WRITERS_MAX &&
	       s->reader_count <= READERS_MAX && s->seconds > 0;
}

int main(int argc, char **argv)
{
	static struct stress quiet = {.writer_count = 1, .seconds = 1};
	static struct stress s = {.writer_count = 1, .reader_count = 1, .seed = 1, .seconds = 5};
	unsigned thread_count;

	if (!parse_options(argc, argv, &s)) {
		fprintf(stderr,
			"usage: %s [--writers 1..%d] [--readers 0..%d] [--seconds S] [--seed N]\n",
			argv[0], WRITERS_MAX, READERS_MAX);
		return 2;
	}
	start(&quiet);
	check_forgery(&quiet);
	check_last_letters(&quiet);
	start(&s);
	thread_count = s.writer_count + s.reader_count;
	clock_gettime(CLOCK_MONOTONIC, &s.began);
	for (unsigned i = 0; i < thread_count; i++)
		CHECK(pthread_create(&s.threads[i].thread, NULL, work, &s.threads[i]) == 0);
	for (unsigned i = 0; i < thread_count; i++)
		CHECK(pthread_join(s.threads[i].thread, NULL) == 0);
	cache_check(s.cache);
	report(&s);
	return 0;
}
