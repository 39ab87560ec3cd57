/* A writer's log: room is made at its old end, entries are written at its new one. */

#include "cache.h"
#include "cache_flush.h"
#include "cache_index.h"

#define LONGEST_SHARE 8 /* of a log: the most that one entry may take */
#define AHEAD_WORDS 64 /* of old entries whose buckets are fetched before their turn: never less, */
#define AHEAD_WORDS_MOST 256     /* and when it comes to that, up to so many */
#define AHEAD_PREFETCH_WORDS 256 /* and beyond those, the entries */
#define APPEND_AHEAD_WORDS 64 /* from an entry's end to the lines that later ones are written to */

struct reach {
	uint32_t now_s;
	const struct cache_flush *flush;
	unsigned chances; /* entries that may still be appended again */
};

void cache_writer_init(struct cache_writer *w, struct cache *c, uint8_t log)
{
	CHECK(log < c->log_count);
	CHECK(atomic_load_explicit(&c->reserve[log].position, memory_order_relaxed) == 0);
	w->cache = c;
	w->log = log;
	w->stats = (struct cache_writer_stats){0};
	w->lap = w->next = w->old = w->old_end = w->ahead = 0;
}

static _Atomic uint64_t *log_words(const struct cache_writer *w)
{
	return w->cache->words + w->log * w->cache->log_words;
}

/* Our own words, which nobody else writes. */
static uint64_t own_word(const struct cache_writer *w, uint32_t offset)
{
	return atomic_load_explicit(&log_words(w)[offset], memory_order_relaxed);
}

/* An index word but for its tag. */
static uint64_t position_of(const struct cache_writer *w, uint32_t lap, uint32_t offset)
{
	return (uint64_t)w->log << CACHE_WORD_LOG_SHIFT |
	       (uint64_t)(lap & 0xff) << CACHE_WORD_LAP_SHIFT | offset;
}

/* Publishes where the log's next entry begins, before anything is written there. The release stores of the entry's words
 * carry it: a reader that has one of them has this. */
static void set_reserve(struct cache_writer *w)
{
	atomic_store_explicit(&w->cache->reserve[w->log].position, (uint64_t)w->lap << 32 | w->next,
			      memory_order_relaxed);
}

/* Write an entry where room was made for it. Returns its position. */
static uint64_t append(struct cache_writer *w, uint64_t words[], unsigned word_count,
		       uint32_t hash_upper)
{
	uint32_t offset = w->next;
	uint64_t position = position_of(w, w->lap, offset);
	_Atomic uint64_t *to = log_words(w) + offset;

	w->next += word_count;
	set_reserve(w);
	words[0] = cache_identity(position, hash_upper) |
		   (uint64_t)word_count << CACHE_ENTRY_COUNT_SHIFT |
		   (words[0] & UINT64_C(0xff) << CACHE_ENTRY_RECORDS_SHIFT);
	for (unsigned i = 0; i < word_count; i++)
		atomic_store_explicit(&to[i], words[i], memory_order_release);
	/* Where there are more logs, the index is entered by a locked instruction, which waits until all that was stored has its
	 * line. */
	for (unsigned i = 0; i < word_count; i += CACHE_BUCKET_WORDS)
		__builtin_prefetch(
			(const uint64_t *)(uintptr_t)(to + word_count + APPEND_AHEAD_WORDS + i), 1);
	/* A late reader may have marked the one that stood here. */
	(void)cache_mark_take(w->cache, position);
	return position;
}

/* ---- the old end ---- */

/* Fetch what the next steps will ask for: the buckets of the entries that come next. Many at once: the CPU looks several of their
 * pages up at the same time, where a single one would have it wait. */
static void look_ahead(struct cache_writer *w)
{
	if (w->ahead < w->old)
		w->ahead = w->old;
	if (w->ahead - w->old >= AHEAD_WORDS)
		return;
	while (w->ahead < w->old_end && w->ahead - w->old < AHEAD_WORDS_MOST) {
		uint64_t first = own_word(w, w->ahead);

		cache_fetch(cache_bucket(w->cache, (uint32_t)first ^ w->ahead));
		for (unsigned i = 0; i < cache_entry_count(first); i += CACHE_BUCKET_WORDS)
			cache_fetch(log_words(w) + w->ahead + AHEAD_PREFETCH_WORDS + i);
		w->ahead += cache_entry_count(first);
	}
}

static bool is_expired(uint64_t word1, uint32_t now_s)
{
	uint32_t stored_at_s = (uint32_t)word1;
	uint32_t ttl_s = word1 >> 32 & CACHE_TTL_S_MAX;

	/* The clock of entries that came from a file begins before ours. */
	return (int32_t)(now_s - stored_at_s) >= (int32_t)ttl_s;
}

/* The oldest entry goes, to the new end or for good. Frees its words, of which it takes as many again at most. */
static void step(struct cache_writer *w, struct reach *reach)
{
	uint32_t offset = w->old;
	uint64_t position = position_of(w, w->lap - 1, offset), word;
	uint64_t first = own_word(w, offset);
	uint32_t hash_upper = (uint32_t)first ^ offset;
	unsigned word_count = cache_entry_count(first), copy_words;
	bool marked = cache_mark_take(w->cache, position);
	_Atomic uint64_t *place = cache_index_place(w->cache, hash_upper, position, &word);
	uint64_t virtual_position = (uint64_t)(w->lap - 1) << 32 | offset;
	bool is_dead;

	w->old += word_count;
	if (place == NULL)
		return;
	copy_words = marked || reach->flush != NULL ? word_count : CACHE_HEAD_WORDS;
	for (unsigned i = 0; i < copy_words; i++)
		w->scratch[i] = own_word(w, offset + i);
	is_dead = is_expired(w->scratch[1], reach->now_s) ||
		  (reach->flush != NULL &&
		   cache_flush_covers(reach->flush, w->log, virtual_position, w->scratch));
	if (marked && !is_dead && reach->chances > 0) {
		uint64_t tag = word >> CACHE_WORD_TAG_SHIFT << CACHE_WORD_TAG_SHIFT;

		reach->chances--;
		/* Only in the place of the old word: who replaced or removed it meanwhile has the last word. */
		if (cache_index_swap(place, word,
				     tag | append(w, w->scratch, word_count, hash_upper)))
			w->stats.second_chances++;
		return;
	}
	if (cache_index_write(w->cache, place, word, 0) && !is_dead) {
		w->stats.evictions++;
		w->stats.evicted_age_s += reach->now_s - (uint32_t)w->scratch[1];
	}
}

/* The lap's end is reached: what was written in it is what is old now. */
static void begin_lap(struct cache_writer *w)
{
	w->old_end = w->next;
	w->old = w->next = w->ahead = 0;
	w->lap++;
	set_reserve(w);
}

/* Until word_count words are free at w->next, with all index words of what stood there taken out. */
static void make_room(struct cache_writer *w, unsigned word_count, struct reach *reach)
{
	uint64_t log_size = w->cache->log_words;

	for (;;) {
		uint64_t free_end = w->old < w->old_end ? w->old : log_size;

		if (free_end - w->next >= word_count)
			return;
		look_ahead(w);
		/* The rest of the lap before goes, too, when this one ends: readers know two laps. */
		if (w->old < w->old_end)
			step(w, reach);
		else
			begin_lap(w);
	}
}

enum cache_put cache_put(struct cache_writer *w, const struct cache_key *key, uint64_t words[],
			 unsigned word_count, uint32_t now_s, const struct cache_flush *flush)
{
	struct reach reach = {.now_s = now_s, .flush = flush, .chances = CACHE_CHANCES_MAX};
	uint64_t word;

	CHECK(word_count >= CACHE_HEAD_WORDS + (key->image_bytes + 7u) / 8);
	if (word_count > CACHE_ENTRY_WORDS_MAX || word_count > w->cache->log_words / LONGEST_SHARE)
		return CACHE_PUT_TOO_LONG;
	make_room(w, word_count, &reach);
	word = cache_tag(key->hash) << CACHE_WORD_TAG_SHIFT |
	       append(w, words, word_count, cache_hash_upper(key->hash));
	w->stats.inserts++;
	switch (cache_index_enter(w->cache, key, word)) {
	case CACHE_INDEX_DISPLACED:
		w->stats.displaced++;
		break;
	case CACHE_INDEX_ENTERED:
		break;
	case CACHE_INDEX_LOST:
		w->stats.inserts_lost++;
		return CACHE_PUT_LOST;
	}
	return CACHE_PUT_OK;
}
