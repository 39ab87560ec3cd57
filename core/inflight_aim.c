#include "inflight_aim.h"

#include <string.h>

#include "dns_const.h"
#include "wire_cursor.h"

#define QDCOUNT_OFFSET 4

bool inflight_aim_parse(struct span message, struct inflight_aim *out)
{
	size_t offset = DNS_HEADER_BYTES;

	if (message.length_bytes < DNS_HEADER_BYTES ||
	    wire_get_u16(message.data + QDCOUNT_OFFSET) != 1 ||
	    name_parse_plain(message, &offset, &out->qname) != NAME_OK ||
	    message.length_bytes - offset < 2 * sizeof(uint16_t))
		return false;
	out->qtype = wire_get_u16(message.data + offset);
	out->qclass = wire_get_u16(message.data + offset + sizeof(uint16_t));
	return true;
}

uint64_t inflight_aim_hash(const struct inflight_words *w, uint64_t peer_hash,
			   const struct name *qname, uint16_t qtype, uint16_t qclass)
{
	uint8_t bytes[sizeof(peer_hash) + 2 * sizeof(uint16_t) + DNS_NAME_BYTES_MAX];
	struct name lower;
	size_t at = 0;

	name_lower(qname, &lower);
	memcpy(bytes + at, &peer_hash, sizeof(peer_hash));
	at += sizeof(peer_hash);
	wire_put_u16(bytes + at, qtype);
	wire_put_u16(bytes + at + sizeof(qtype), qclass);
	at += sizeof(qtype) + sizeof(qclass);
	memcpy(bytes + at, lower.bytes, lower.length_bytes);
	return hash_table(&w->key, (struct span){bytes, at + lower.length_bytes});
}

struct inflight_mark inflight_mark_of(const struct inflight_words *w,
				      const struct inflight_slot *slot)
{
	return (struct inflight_mark){
		.tag_and_id = inflight_word(w, slot->aim_position) >> WORD_ID_SHIFT,
		.bucket = slot->aim_position / INFLIGHT_BUCKET_WORDS,
		.local_port = slot->local_port,
	};
}

struct inflight_mark inflight_mark_of_reply(const struct inflight_words *w, uint64_t aim_hash,
					    uint16_t id, uint16_t local_port)
{
	return (struct inflight_mark){
		.tag_and_id = word_tag(aim_hash) << (WORD_TAG_SHIFT - WORD_ID_SHIFT) | id,
		.bucket = (uint32_t)(aim_hash & w->bucket_mask),
		.local_port = local_port,
	};
}

unsigned inflight_aim_find(const struct inflight_words *w, uint64_t aim_hash,
			   struct inflight_hit hits[INFLIGHT_BUCKET_WORDS])
{
	const _Atomic uint64_t *bucket = w->words + word_bucket_start(w, aim_hash);
	uint64_t tag = word_tag(aim_hash);
	unsigned hit_count = 0;

	for (unsigned i = 0; i < INFLIGHT_BUCKET_WORDS; i++) {
		/* Acquire: as in inflight_find. */
		uint64_t word = atomic_load_explicit(&bucket[i], memory_order_acquire);

		if (word >> WORD_TAG_SHIFT != tag || inflight_word_is_late(word))
			continue;
		hits[hit_count++] = inflight_word_hit(word);
	}
	return hit_count;
}
