/* Zone cuts in the cache, under their zone's name and a type that no client can ask for. */
#include "cache_entry.h"
#include "cache_entry_layout.h"
#include "zone_cut.h"

bool cache_entry_make_cut(uint64_t words[], unsigned *word_count, const struct cache_key *key,
			  const struct zone_cut *cut, uint32_t now_s)
{
	size_t content_at = CACHE_HEAD_WORDS * 8 + key->image_bytes;
	uint32_t ttl_s = cut->expires_at_s > now_s ? cut->expires_at_s - now_s : 0;
	struct cache_head head = {
		.stored_at_s = now_s,
		.ttl_s = ttl_s < CUT_TTL_S_MAX ? ttl_s : CUT_TTL_S_MAX,
		.flags = CACHE_ENTRY_CUT,
	};
	uint8_t *entry = cache_entry_bytes(words);
	size_t packed_bytes, count;

	static_assert(ZONE_CUT_PACKED_BYTES_MAX + CACHE_HEAD_WORDS * 8 + CACHE_KEY_IMAGE_BYTES <=
			      CACHE_ENTRY_BYTES_MAX,
		      "every cut fits");
	CHECK(cache_key_type(key) == CACHE_ENTRY_CUT_TYPE &&
	      key->image_bytes == CACHE_KEY_NAME + cut->zone.length_bytes);
	if (head.ttl_s == 0 || (cut->flags & (ZONE_CUT_HINTS | ZONE_CUT_STUB)) != 0)
		return false;
	packed_bytes = zone_cut_pack(cut, (struct buffer){entry + content_at,
							  CACHE_ENTRY_BYTES_MAX - content_at});
	CHECK(packed_bytes > 0);
	count = (content_at + packed_bytes + 7) / 8;
	head.word_count = (uint16_t)count;
	memset(entry + content_at + packed_bytes, 0, count * 8 - content_at - packed_bytes);
	cache_head_set(words, &head);
	memcpy(words + CACHE_HEAD_WORDS, key->image, key->image_bytes);
	*word_count = (unsigned)count;
	return true;
}

bool cache_entry_is_cut(const uint64_t entry[])
{
	return (cache_head_get(entry).flags & CACHE_ENTRY_CUT) != 0;
}

bool cache_entry_cut(const uint64_t entry[], struct zone_cut *out)
{
	struct cache_head head = cache_head_get(entry);
	const uint8_t *content = cache_entry_content(entry);
	const uint8_t *end = (const uint8_t *)(entry + head.word_count);

	if ((head.flags & CACHE_ENTRY_CUT) == 0 || content > end ||
	    !zone_cut_unpack((struct span){content, (size_t)(end - content)}, out))
		return false;
	out->expires_at_s = head.stored_at_s + head.ttl_s;
	return true;
}
