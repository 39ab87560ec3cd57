#include <string.h>

#include "cache.h"
#include "cache_flush.h"
#include "cache_layout.h"

void cache_flush_publish(struct cache *c, const struct cache_flush *flush)
{
	/* Release: who sees the block sees the rules in it. */
	atomic_store_explicit(&c->flush, flush, memory_order_release);
}

const struct cache_flush *cache_flush_now(const struct cache *c)
{
	return atomic_load_explicit(&c->flush, memory_order_acquire);
}

void cache_flush_begin(struct cache_flush_rule *rule)
{
	for (unsigned i = 0; i < CACHE_LOGS_MAX; i++)
		rule->before[i] = UINT64_MAX;
}

void cache_flush_fix(const struct cache *c, struct cache_flush_rule *rule)
{
	for (unsigned i = 0; i < CACHE_LOGS_MAX; i++)
		rule->before[i] = i < c->log_count ? atomic_load_explicit(&c->reserve[i].position,
									  memory_order_acquire)
						   : 0;
}

/* image: of the key, in an entry. */
static bool rule_names(const struct cache_flush_rule *rule, const uint8_t *image)
{
	const uint8_t *name = image + CACHE_KEY_NAME;
	size_t length = image[CACHE_KEY_NAME - 1], above = rule->name.length_bytes;
	size_t at = 0;
	uint16_t qtype;

	memcpy(&qtype, image, sizeof(qtype));
	if (rule->qtype != 0 && rule->qtype != qtype)
		return false;
	if (length < above || (length > above && !rule->below))
		return false;
	/* Whole labels only. */
	while (at + above < length)
		at += (size_t)name[at] + 1;
	return at + above == length && memcmp(name + at, rule->name.bytes, above) == 0;
}

bool cache_flush_covers(const struct cache_flush *flush, unsigned log, uint64_t position,
			const uint64_t words[])
{
	for (unsigned i = 0; i < flush->count; i++) {
		const struct cache_flush_rule *rule = &flush->rules[i];

		if (position < rule->before[log] &&
		    rule_names(rule, (const uint8_t *)(words + CACHE_HEAD_WORDS)))
			return true;
	}
	return false;
}

bool cache_flush_names(const struct cache_flush *flush, const uint64_t words[])
{
	for (unsigned i = 0; flush != NULL && i < flush->count; i++)
		if (rule_names(&flush->rules[i], (const uint8_t *)(words + CACHE_HEAD_WORDS)))
			return true;
	return false;
}

bool cache_is_flushed(const struct cache *c, const struct cache_flush *flush,
		      const struct cache_found *found, const uint64_t copy[])
{
	unsigned log = cache_word_log(found->word);
	uint64_t reserve, lap;

	if (flush == NULL || flush->count == 0)
		return false;
	/* An index word has the lowest bits of a lap that is this one or a recent one. */
	reserve = atomic_load_explicit(&c->reserve[log].position, memory_order_relaxed);
	lap = reserve >> 32;
	lap -= (uint8_t)(lap - (found->word >> CACHE_WORD_LAP_SHIFT));
	return cache_flush_covers(flush, log, lap << 32 | cache_word_offset(found->word), copy);
}
