/* What a look-up in the cache costs, and a put: cycles, at 1 million entries of 72 bytes.
 *
 *   bench_cache [ROUNDS]
 *
 * "batches": as the workers do it, 32 at a time: all buckets prefetched, then all candidates (which prefetches the
 * entries), then found and marked. "one by one": each look-up for itself. Keys are drawn evenly or by Zipf's law with
 * exponent 0.95; what makes the keys is not measured. Of the look-ups, "mark" includes the hit mark. A put is of a new
 * key into a full cache, so that it takes an old entry out; "half hit": every other entry has been hit and is appended again.
 */
#include <math.h>

#include "bench_timing.h"
#include "core/cache.h"

#define ENTRIES 1000000u
#define ENTRY_WORDS 9
#define CACHE_BYTES ((size_t)128 << 20)
#define FULL_BYTES ((size_t)64 << 20) /* holds some 700,000 */
#define BATCH 32
#define ROUND_BATCHES 512
#define TRACE (1u << 20)
#define ZIPF 0.95
#define NAME_BYTES 21

struct bench {
	struct cache *cache;
	struct cache_writer writer;
	uint64_t seed;
	uint32_t next_number; /* of keys that were never put */
	uint32_t trace[TRACE];
	uint32_t at;
	double cdf[ENTRIES];
	unsigned round_count;
	uint64_t overtaken, missed;
	uint64_t copies[BATCH][32];
	struct cache_key keys[BATCH];
};

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* \8n0000000\7example\3org\0 */
static void make_key(struct cache_key *key, uint32_t number)
{
	uint64_t hash = number;
	uint8_t *digit;

	memcpy(key->image + CACHE_KEY_NAME, "\10n0000000\7example\3org", NAME_BYTES + 1);
	digit = key->image + CACHE_KEY_NAME + 8;
	for (uint32_t rest = number; rest != 0; rest /= 10)
		*digit-- = (uint8_t)('0' + rest % 10);
	cache_key_set(key, 1, 0, false, NAME_BYTES + 1);
	key->hash = draw(&hash);
}

static void put(struct bench *b, uint32_t number)
{
	uint64_t words[ENTRY_WORDS] = {0};
	struct cache_head head = {.ttl_s = 3600, .word_count = ENTRY_WORDS, .record_count = 1};
	struct cache_key key;

	make_key(&key, number);
	cache_head_set(words, &head);
	memcpy(words + CACHE_HEAD_WORDS, key.image, key.image_bytes);
	words[ENTRY_WORDS - 1] = number;
	CHECK(cache_put(&b->writer, &key, words, ENTRY_WORDS, 1, NULL) == CACHE_PUT_OK);
}

static void start(struct bench *b, size_t bytes, enum bench_pages pages)
{
	struct cache_params params = {.size_bytes = bytes, .log_count = 1};

	b->cache = cache_init(bench_memory(cache_memory_bytes(&params), pages), &params);
	cache_writer_init(&b->writer, b->cache, 0);
}

/* ---- what is asked for ---- */

static void trace_even(struct bench *b)
{
	for (uint32_t i = 0; i < TRACE; i++)
		b->trace[i] = (uint32_t)(draw(&b->seed) % ENTRIES);
}

static void trace_zipf(struct bench *b)
{
	double sum = 0;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		sum += 1 / pow(i + 1, ZIPF);
		b->cdf[i] = sum;
	}
	for (uint32_t i = 0; i < TRACE; i++) {
		double point = (double)(draw(&b->seed) >> 11) * 0x1p-53 * sum;
		uint32_t low = 0, high = ENTRIES - 1;
		uint64_t rank;

		while (low < high) {
			uint32_t middle = (low + high) / 2;

			if (b->cdf[middle] < point)
				low = middle + 1;
			else
				high = middle;
		}
		/* Popular names are not neighbours in the log. */
		rank = low;
		b->trace[i] = (uint32_t)(draw(&rank) % ENTRIES);
	}
}

static void next_keys(struct bench *b, bool present)
{
	for (unsigned i = 0; i < BATCH; i++)
		make_key(&b->keys[i], (present ? 0 : ENTRIES) + b->trace[b->at++ % TRACE]);
}

/* ---- what is measured ---- */

static inline void judge(struct bench *b, enum cache_find result, const struct cache_found *found,
			 bool mark)
{
	switch (result) {
	case CACHE_FOUND:
		if (mark)
			bench_keep(cache_mark(b->cache, found->word));
		break;
	case CACHE_OVERTAKEN:
		b->overtaken++;
		break;
	case CACHE_NOT_FOUND:
		b->missed++;
		break;
	}
}

static void batch(struct bench *b, bool mark)
{
	struct cache_candidates candidates[BATCH];
	struct cache_found found;

	for (unsigned i = 0; i < BATCH; i++)
		cache_prefetch(b->cache, b->keys[i].hash);
	for (unsigned i = 0; i < BATCH; i++)
		cache_candidates(b->cache, b->keys[i].hash, &candidates[i]);
	for (unsigned i = 0; i < BATCH; i++)
		judge(b,
		      cache_find(b->cache, &candidates[i], &b->keys[i], b->copies[i],
				 ARRAY_COUNT(b->copies[i]), &found),
		      &found, mark);
}

static void one_by_one(struct bench *b, bool mark)
{
	struct cache_candidates candidates;
	struct cache_found found;

	for (unsigned i = 0; i < BATCH; i++) {
		cache_candidates(b->cache, b->keys[i].hash, &candidates);
		judge(b,
		      cache_find(b->cache, &candidates, &b->keys[i], b->copies[i],
				 ARRAY_COUNT(b->copies[i]), &found),
		      &found, mark);
	}
}

static struct bench_figures look_ups(struct bench *b, void (*way)(struct bench *, bool), bool mark,
				     bool present)
{
	struct bench_rounds rounds = {0};

	for (unsigned round = 0; round < b->round_count; round++) {
		double yard = bench_yardstick();
		unsigned long long cycles = 0;

		b->missed = 0;
		for (unsigned i = 0; i < ROUND_BATCHES; i++) {
			unsigned long long begun;

			next_keys(b, present);
			begun = __rdtsc();
			way(b, mark);
			cycles += __rdtsc() - begun;
		}
		CHECK(present ? b->missed < ROUND_BATCHES * BATCH / 50
			      : b->missed == ROUND_BATCHES * BATCH);
		bench_rounds_add(&rounds, (double)cycles / (ROUND_BATCHES * BATCH),
				 bench_longer(yard, bench_yardstick()));
	}
	return bench_figures_of(&rounds);
}

/* How old entries come to their second chance, for a put's figure: every other new one has been hit. */
static void mark_last(struct bench *b)
{
	struct cache_candidates candidates;
	struct cache_found found;

	make_key(&b->keys[0], b->next_number - 1);
	cache_candidates(b->cache, b->keys[0].hash, &candidates);
	if (cache_find(b->cache, &candidates, &b->keys[0], b->copies[0], ARRAY_COUNT(b->copies[0]),
		       &found) == CACHE_FOUND)
		bench_keep(cache_mark(b->cache, found.word));
}

static struct bench_figures put_rounds(struct bench *b, bool hit)
{
	struct bench_rounds rounds = {0};

	while (b->writer.lap < (hit ? 5u : 2u)) {
		put(b, b->next_number++);
		if (hit && b->next_number % 2 == 0)
			mark_last(b);
	}
	for (unsigned round = 0; round < b->round_count; round++) {
		double yard = bench_yardstick();
		unsigned long long cycles = 0;

		for (unsigned i = 0; i < ROUND_BATCHES; i++) {
			unsigned long long begun = __rdtsc();

			put(b, b->next_number++);
			cycles += __rdtsc() - begun;
			if (hit && b->next_number % 2 == 0)
				mark_last(b);
		}
		bench_rounds_add(&rounds, (double)cycles / ROUND_BATCHES,
				 bench_longer(yard, bench_yardstick()));
	}
	return bench_figures_of(&rounds);
}

/* ---- the table ---- */

static void row(const char *what, const char *keys, const char *pages, struct bench_figures f)
{
	printf("| %s | %s | %s | %.1f | %.1f (%u) | %.1f | %.1f |\n", what, keys, pages, f.median,
	       f.quiet, f.quiet_count, f.best, f.worst);
	fflush(stdout);
}

static void rows(struct bench *b, enum bench_pages pages)
{
	const char *name = pages == BENCH_PAGES_HUGE ? "huge" : "ordinary";

	start(b, CACHE_BYTES, pages);
	if (pages == BENCH_PAGES_HUGE && bench_huge_kb() <= 0)
		name = "huge refused";
	for (uint32_t i = 0; i < ENTRIES; i++)
		put(b, i);
	for (unsigned zipf = 0; zipf < 2; zipf++) {
		const char *keys = zipf != 0 ? "Zipf" : "even";

		if (zipf != 0)
			trace_zipf(b);
		else
			trace_even(b);
		row("found, batches", keys, name, look_ups(b, batch, false, true));
		row("found + mark, batches", keys, name, look_ups(b, batch, true, true));
		row("found + mark, one by one", keys, name, look_ups(b, one_by_one, true, true));
		row("absent, batches", keys, name, look_ups(b, batch, true, false));
	}
	start(b, FULL_BYTES, pages);
	row("put", "new", name, put_rounds(b, false));
	row("put, half hit", "new", name, put_rounds(b, true));
}

int main(int argc, char **argv)
{
	static struct bench b = {.round_count = 100, .seed = 1, .next_number = 2 * ENTRIES};

	if (argc > 1)
		b.round_count = bench_round_count(argv[1]);
	if (argc > 2 || b.round_count == 0) {
		fprintf(stderr, "usage: bench_cache [ROUNDS, 1 to %d]\n", BENCH_ROUNDS_MAX);
		return 2;
	}
	bench_yardsticks();
	printf("| cache, cycles (%u rounds of %u; %u entries of %u bytes) | keys | pages | median | of "
	       "quiet rounds | best | worst |\n|---|---|---|---|---|---|---|\n",
	       b.round_count, ROUND_BATCHES * BATCH, ENTRIES, ENTRY_WORDS * 8);
	rows(&b, BENCH_PAGES_HUGE);
	rows(&b, BENCH_PAGES_ORDINARY);
	return 0;
}
