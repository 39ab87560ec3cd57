#include "stress_quiet.h"

unsigned quiet_words_count(const struct inflight_words *words, uint32_t bucket_count)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < bucket_count * INFLIGHT_BUCKET_WORDS; i++)
		count += inflight_word(words, i) != 0;
	return count;
}

/* The word of this number, as owner `number`: entered, found alone, then refused to another owner. */
static const char *word_check(struct inflight_words *words, uint64_t hash, uint16_t id,
			      uint8_t number, uint32_t *position)
{
	uint16_t slot = (uint16_t)(number * 4097);
	uint32_t unwritten = UINT32_MAX;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;

	if (inflight_enter(words, hash, id, number, slot, position) != INFLIGHT_ENTERED)
		return "a bucket does not take eight words";
	if (inflight_find(words, hash, id, hits, &hit_count) != INFLIGHT_MATCH || hit_count != 1 ||
	    hits[0].owner != number || hits[0].slot != slot)
		return "a word is not found in a quiet bucket";
	if (number % 2 == 0)
		inflight_mark_late(words, *position);
	if (inflight_enter(words, hash, id, 127, 7, &unwritten) != INFLIGHT_TAKEN)
		return "an equal tag and ID was entered";
	if (unwritten != UINT32_MAX)
		return "a refused entry wrote its position";
	return NULL;
}

const char *quiet_check(struct inflight_words *words, uint32_t bucket_count, unsigned round)
{
	uint64_t hash = round % bucket_count; /* of tag 0 */
	/* IDs alike or not in their low bits; the first word is all zero but for its tag. */
	uint16_t step = (uint16_t)(round % 2 == 0 ? 8 * (round | 1u) : round);
	uint32_t positions[INFLIGHT_BUCKET_WORDS] = {0}, unwritten = UINT32_MAX;

	for (uint8_t i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		const char *wrong = word_check(words, hash, (uint16_t)(i * step), i, &positions[i]);

		if (wrong != NULL)
			return wrong;
	}
	if (inflight_enter(words, hash, (uint16_t)(8 * step), 8, 8, &unwritten) != INFLIGHT_TAKEN ||
	    unwritten != UINT32_MAX)
		return "a bucket takes nine words";
	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++)
		inflight_remove(words, positions[i]);
	return quiet_words_count(words, bucket_count) == 0 ? NULL
							   : "words stayed after all were removed";
}
