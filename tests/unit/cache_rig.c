#include "cache_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/name.h"

static const struct hash_key secret = {0x1716151413121110, 0x1f1e1d1c1b1a1918};

void cache_rig_start(struct cache_rig *r, size_t size_bytes, unsigned log_count)
{
	struct cache_params params = {.size_bytes = size_bytes, .log_count = log_count};
	size_t bytes = cache_memory_bytes(&params);
	void *memory = aligned_alloc(64, bytes);

	CHECK(memory != NULL);
	memset(memory, 0, bytes);
	r->cache = cache_init(memory, &params);
	for (unsigned i = 0; i < CACHE_RIG_LOGS; i++) {
		r->writers[i] = i < log_count ? malloc(sizeof(struct cache_writer)) : NULL;
		if (r->writers[i] != NULL)
			cache_writer_init(r->writers[i], r->cache, (uint8_t)i);
	}
}

void cache_rig_stop(struct cache_rig *r)
{
	cache_check(r->cache);
	for (unsigned i = 0; i < CACHE_RIG_LOGS; i++)
		free(r->writers[i]);
	free(r->cache);
}

void cache_rig_key_of(struct cache_key *key, const char *name, uint16_t qtype)
{
	struct name n;

	CHECK(name_from_text(name, &n));
	/* What is behind the name is nobody's to compare. */
	memset(key, 0xa5, sizeof(*key));
	memcpy(key->image + CACHE_KEY_NAME, n.bytes, n.length_bytes);
	cache_key_set(key, qtype, 0, false, n.length_bytes);
	key->hash = hash_mac(&secret, (struct span){key->image, key->image_bytes});
}

void cache_rig_key(struct cache_key *key, unsigned number, uint16_t qtype)
{
	char name[32];

	snprintf(name, sizeof(name), "n%u.test.", number);
	cache_rig_key_of(key, name, qtype);
}

unsigned cache_rig_words_min(const struct cache_key *key)
{
	return CACHE_HEAD_WORDS + (key->image_bytes + 7u) / 8 + 1;
}

/* The word at this place of an entry's content; the last one is the version. */
static uint64_t content(const struct cache_key *key, uint64_t version, unsigned at,
			unsigned word_count)
{
	return at + 1 == word_count ? version
				    : hash_combine(key->hash, version * CACHE_ENTRY_WORDS_MAX + at);
}

void cache_rig_make(struct cache_rig *r, const struct cache_key *key, uint64_t version,
		    unsigned word_count, uint32_t ttl_s, uint32_t now_s)
{
	struct cache_head head = {.stored_at_s = now_s,
				  .ttl_s = ttl_s,
				  .word_count = (uint16_t)word_count,
				  .record_count = (uint8_t)version,
				  .rcode = 3,
				  .flags = 0x81};

	CHECK(word_count >= cache_rig_words_min(key) && word_count <= CACHE_ENTRY_WORDS_MAX);
	cache_head_set(r->entry, &head);
	for (unsigned i = CACHE_HEAD_WORDS; i < word_count; i++)
		r->entry[i] = content(key, version, i, word_count);
	memcpy(r->entry + CACHE_HEAD_WORDS, key->image, key->image_bytes);
}

enum cache_put cache_rig_put(struct cache_rig *r, unsigned log, const struct cache_key *key,
			     uint64_t version, unsigned word_count, uint32_t ttl_s, uint32_t now_s,
			     const struct cache_flush *flush)
{
	cache_rig_make(r, key, version, word_count, ttl_s, now_s);
	return cache_put(r->writers[log], key, r->entry, word_count, now_s, flush);
}

uint64_t cache_rig_version(const struct cache_rig *r, const struct cache_key *key)
{
	const struct cache_head *head = &r->found.head;
	unsigned word_count = r->found.word_count;
	uint64_t version;
	unsigned at = cache_rig_words_min(key) - 1;

	if (word_count < at + 1 || word_count != head->word_count || head->rcode != 3 ||
	    head->flags != 0x81)
		return CACHE_RIG_DAMAGED;
	version = r->copy[word_count - 1];
	if (head->record_count != (uint8_t)version ||
	    memcmp(r->copy + CACHE_HEAD_WORDS, key->image, key->image_bytes) != 0)
		return CACHE_RIG_DAMAGED;
	for (; at < word_count; at++)
		if (r->copy[at] != content(key, version, at, word_count))
			return CACHE_RIG_DAMAGED;
	return version;
}

uint64_t cache_rig_find(struct cache_rig *r, const struct cache_key *key)
{
	struct cache_candidates candidates;

	cache_prefetch(r->cache, key->hash);
	cache_candidates(r->cache, key->hash, &candidates);
	if (cache_find(r->cache, &candidates, key, r->copy, CACHE_ENTRY_WORDS_MAX, &r->found) !=
	    CACHE_FOUND)
		return CACHE_RIG_NONE;
	return cache_rig_version(r, key);
}

bool cache_rig_mark(struct cache_rig *r, const struct cache_key *key)
{
	CHECK(cache_rig_find(r, key) != CACHE_RIG_NONE);
	return cache_mark(r->cache, r->found.word);
}

uint64_t cache_rig_position(const struct cache_rig *r, unsigned log)
{
	return (uint64_t)r->writers[log]->lap << 32 | r->writers[log]->next;
}

void cache_rig_lap(struct cache_rig *r, unsigned log, unsigned *number, uint32_t now_s)
{
	uint32_t lap = r->writers[log]->lap;
	struct cache_key key;

	while (r->writers[log]->lap == lap) {
		cache_rig_key(&key, (*number)++, 1);
		CHECK(cache_rig_put(r, log, &key, 1, 40, 1000, now_s, NULL) == CACHE_PUT_OK);
	}
}
