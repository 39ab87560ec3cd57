#include "cache_entry.h"

#include <string.h>

#include "cache_entry_layout.h"
#include "dns_const.h"
#include "limits.h"
#include "wire_cursor.h"

/* What lives shorter than this is not refreshed. */
#define REFRESH_TTL_S_MIN 10

/* ---- time ---- */

/* Workers' clocks are read one after the other: an entry may seem to come from the future. */
static inline uint32_t age_s(uint32_t stored_at_s, uint32_t now_s)
{
	uint32_t age = now_s - stored_at_s;

	return (int32_t)age < 0 ? 0 : age;
}

static inline uint32_t aged(uint32_t ttl_s, uint32_t age, bool stale)
{
	uint32_t left = ttl_s > age ? ttl_s - age : 0;

	if (UNLIKELY(stale))
		return left == 0 || left > CACHE_STALE_TTL_S ? CACHE_STALE_TTL_S : left;
	return left;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t cache_entry_own_ttl_s(const uint64_t entry[])
{
	struct cache_head head = cache_head_get(entry);
	const uint8_t *content = cache_entry_content(entry);
	uint32_t ttl_s = UINT32_MAX;

	if ((head.flags & CACHE_ENTRY_COMPACT) != 0) {
		size_t record_bytes =
			cache_entry_compact_bytes(cache_entry_load_u16(cache_entry_image(entry)));

		for (unsigned i = 0; i < head.record_count; i++)
			ttl_s = least(ttl_s,
				      wire_get_u32(content + i * record_bytes + CACHE_ENTRY_TTL));
		return ttl_s;
	}

	struct cache_form form =
		cache_entry_form(content, (head.flags & CACHE_ENTRY_TWO_FORMS) != 0);
	unsigned count = cache_form_count(&form);

	for (unsigned i = 0; i < count; i++) {
		uint16_t offset = cache_entry_load_u16(content + form.ttls_at + 2 * i);

		ttl_s = least(ttl_s, wire_get_u32(content + form.records_at + offset));
	}
	return ttl_s;
}

enum cache_entry_state cache_entry_state(const uint64_t entry[], uint32_t max_stale_s,
					 uint32_t now_s)
{
	struct cache_head head = cache_head_get(entry);
	uint32_t age = age_s(head.stored_at_s, now_s);
	bool made_stale = (head.flags & CACHE_ENTRY_MADE_STALE) != 0;
	uint32_t own_ttl_s = head.ttl_s;

	if (LIKELY(age < head.ttl_s))
		return made_stale ? CACHE_ENTRY_FRESH_STALE : CACHE_ENTRY_FRESH;
	if ((head.flags & (CACHE_ENTRY_FAILURE | CACHE_ENTRY_CUT)) != 0)
		return CACHE_ENTRY_DEAD;
	if (made_stale)
		own_ttl_s = cache_entry_own_ttl_s(entry);
	return age < (uint64_t)own_ttl_s + max_stale_s ? CACHE_ENTRY_STALE : CACHE_ENTRY_DEAD;
}

bool cache_entry_is_failure(const uint64_t entry[])
{
	return (cache_head_get(entry).flags & CACHE_ENTRY_FAILURE) != 0;
}

bool cache_entry_wants_refresh(const uint64_t entry[], uint32_t now_s)
{
	struct cache_head head = cache_head_get(entry);
	uint32_t age = age_s(head.stored_at_s, now_s);

	if ((head.flags & (CACHE_ENTRY_FAILURE | CACHE_ENTRY_MADE_STALE | CACHE_ENTRY_CUT)) != 0)
		return false;
	return head.ttl_s >= REFRESH_TTL_S_MIN && age < head.ttl_s &&
	       (head.ttl_s - age) * CACHE_ENTRY_REFRESH_SHARE <= head.ttl_s;
}

/* ---- failures and stale entries ---- */

void cache_entry_make_failure(uint64_t words[], unsigned *word_count, const struct cache_key *key,
			      uint16_t rcode, uint16_t ede, uint32_t ttl_s, uint32_t now_s)
{
	size_t content_at = CACHE_HEAD_WORDS * 8 + key->image_bytes;
	size_t count = (content_at + CACHE_ENTRY_FAILURE_BYTES + 7) / 8;
	uint8_t *bytes = cache_entry_bytes(words);
	struct cache_head head = {
		.stored_at_s = now_s,
		.ttl_s = least(ttl_s, CACHE_TTL_S_MAX),
		.word_count = (uint16_t)count,
		.rcode = (uint8_t)(rcode & DNS_RCODE_MASK),
		.flags = CACHE_ENTRY_FAILURE,
	};

	words[count - 1] = 0;
	cache_head_set(words, &head);
	memcpy(words + CACHE_HEAD_WORDS, key->image, key->image_bytes);
	memcpy(bytes + content_at, &rcode, sizeof(rcode));
	memcpy(bytes + content_at + sizeof(rcode), &ede, sizeof(ede));
	*word_count = (unsigned)count;
}

bool cache_entry_make_stale(uint64_t words[], unsigned *word_count, const uint64_t entry[],
			    uint32_t ttl_s, uint32_t max_stale_s, uint32_t now_s)
{
	struct cache_head head = cache_head_get(entry);
	uint32_t age = age_s(head.stored_at_s, now_s);
	enum cache_entry_state state = cache_entry_state(entry, max_stale_s, now_s);

	if (state == CACHE_ENTRY_DEAD || age >= CACHE_TTL_S_MAX ||
	    (head.flags & (CACHE_ENTRY_FAILURE | CACHE_ENTRY_CUT)) != 0)
		return false;
	if (words != entry)
		memcpy(words, entry, head.word_count * sizeof(*words));
	*word_count = head.word_count;
	if (state == CACHE_ENTRY_FRESH)
		return true; /* somebody was faster */

	uint64_t end_s = (uint64_t)cache_entry_own_ttl_s(entry) + max_stale_s;
	uint64_t until_s = (uint64_t)age + ttl_s;

	if (until_s > end_s)
		until_s = end_s;
	head.ttl_s = until_s < CACHE_TTL_S_MAX ? (uint32_t)until_s : CACHE_TTL_S_MAX;
	head.flags |= CACHE_ENTRY_MADE_STALE;
	cache_head_set(words, &head);
	return true;
}

/* ---- answering ---- */

/* What the header and the OPT say; the records stand in their place. */
struct saying {
	uint16_t rcode;
	uint16_t ede;
	uint16_t counts[MSG_SECTION_COUNT];
	bool truncated;
};

static inline void store_be64(uint8_t *p, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(p, &value, sizeof(value));
}

static inline void store_be32(uint8_t *p, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(p, &value, sizeof(value));
}

/* AA and AD are clear: the data is not ours, and nobody has validated it. */
static inline void put_header(uint8_t *p, const struct msg_client *client,
			      const struct saying *says)
{
	uint32_t flags = DNS_FLAG_QR | DNS_FLAG_RA | (says->rcode & DNS_RCODE_MASK) |
			 (client->recursion_desired ? DNS_FLAG_RD : 0) |
			 (client->checking_disabled ? DNS_FLAG_CD : 0) |
			 (says->truncated ? DNS_FLAG_TC : 0);
	uint32_t additional = (uint32_t)says->counts[MSG_SECTION_ADDITIONAL] + client->edns;

	store_be64(p, (uint64_t)client->id << 48 | (uint64_t)flags << 32 | UINT32_C(1) << 16 |
			      says->counts[MSG_SECTION_ANSWER]);
	store_be32(p + 8, (uint32_t)says->counts[MSG_SECTION_AUTHORITY] << 16 | additional);
}

/* Header and OPT around records that end at `end`; returns the length. */
static inline size_t put_frame(uint8_t *message, uint8_t *end, const struct msg_client *client,
			       const struct saying *says)
{
	put_header(message, client, says);
	if (!client->edns)
		return (size_t)(end - message);
	if (UNLIKELY(client->cookie != NULL || says->ede != DNS_EDE_NONE ||
		     says->rcode > DNS_RCODE_MASK))
		return (size_t)(msg_build_opt(end, client, says->rcode, says->ede) - message);

	/* As msg_build_opt writes it: root, type, size, rcode, version, flags; 8 bytes, and 4 over the last of them. */
	uint32_t flags = client->dnssec_ok ? DNS_EDNS_FLAG_DO : 0;

	store_be64(end, (uint64_t)DNS_TYPE_OPT << 40 | (uint64_t)EDNS_UDP_BYTES << 24 | flags >> 8);
	store_be32(end + 7, flags << 16);
	return (size_t)(end - message) + DNS_OPT_BYTES_MIN;
}

static uint16_t stale_ede(uint16_t rcode)
{
	return rcode == DNS_RCODE_NXDOMAIN ? DNS_EDE_STALE_NXDOMAIN : DNS_EDE_STALE_ANSWER;
}

static inline size_t opt_bytes(const struct msg_client *client, uint16_t ede)
{
	if (LIKELY(client->cookie == NULL && ede == DNS_EDE_NONE))
		return client->edns ? DNS_OPT_BYTES_MIN : 0;
	return msg_build_opt_bytes(client, ede);
}

/* One record of the compact shape: 16 bytes, and 12 more of an AAAA. */
static inline void put_compact(uint8_t *to, const uint8_t *from, bool is_long, uint32_t age,
			       bool stale)
{
	uint64_t words[2];

	memcpy(words, from, sizeof(words));
	memcpy(to, words, sizeof(words));
	store_be32(to + CACHE_ENTRY_TTL, aged(wire_get_u32(from + CACHE_ENTRY_TTL), age, stale));
	if (is_long) {
		memcpy(words, from + CACHE_ENTRY_A_BYTES, sizeof(words[0]));
		memcpy(to + CACHE_ENTRY_A_BYTES, words, sizeof(words[0]));
		memcpy(to + CACHE_ENTRY_A_BYTES + 8, from + CACHE_ENTRY_A_BYTES + 8, 4);
	}
}

static inline size_t answer_compact(uint8_t *message, const uint64_t entry[],
				    struct cache_head head, const struct cache_entry_answer *answer,
				    bool *truncated)
{
	const struct msg_client *client = &answer->client;
	const uint8_t *content = (const uint8_t *)entry +
				 cache_entry_content_at(answer->question_end - DNS_HEADER_BYTES -
							CACHE_ENTRY_QUESTION_FIXED_BYTES);
	bool is_long = content[11] != CACHE_ENTRY_A_BYTES - 12; /* RDLENGTH */
	size_t record_bytes = is_long ? CACHE_ENTRY_AAAA_BYTES : CACHE_ENTRY_A_BYTES;
	struct saying says = {.rcode = DNS_RCODE_NOERROR,
			      .ede = answer->stale ? DNS_EDE_STALE_ANSWER : DNS_EDE_NONE};
	uint32_t age = age_s(head.stored_at_s, answer->now_s);
	uint8_t *to = message + answer->question_end;
	unsigned count = head.record_count;
	unsigned from = 0;

	*truncated = answer->question_end + count * record_bytes + opt_bytes(client, says.ede) >
		     client->udp_size_bytes;
	if (UNLIKELY(*truncated)) {
		says.truncated = true;
		return put_frame(message, to, client, &says);
	}
	says.counts[MSG_SECTION_ANSWER] = (uint16_t)count;
	if (count > 1 && answer->rotation != 0)
		from = answer->rotation % count;
	for (unsigned i = from; i < count; i++, to += record_bytes)
		put_compact(to, content + i * record_bytes, is_long, age, answer->stale);
	for (unsigned i = 0; i < from; i++, to += record_bytes)
		put_compact(to, content + i * record_bytes, is_long, age, answer->stale);
	return put_frame(message, to, client, &says);
}

/* The form's records from `records` to `to`: length_bytes of them, record_count in number. */
static void put_records(uint8_t *to, const uint8_t *content, const struct cache_form *form,
			size_t length_bytes, unsigned record_count,
			const struct cache_entry_answer *answer, uint32_t age)
{
	const uint8_t *from = content + form->records_at;
	const uint8_t *ttls = content + form->ttls_at;

	memcpy(to, from, length_bytes);
	if (form->rotate_count != 0 && answer->rotation != 0) {
		size_t run_bytes = (size_t)form->rotate_count * form->rotate_bytes;
		size_t first = (size_t)(answer->rotation % form->rotate_count) * form->rotate_bytes;

		memcpy(to + form->rotate_offset, from + form->rotate_offset + first,
		       run_bytes - first);
		memcpy(to + form->rotate_offset + run_bytes - first, from + form->rotate_offset,
		       first);
	}
	/* Where the run's records have changed places their TTLs are at the same offsets: they are of one length. */
	for (unsigned i = 0; i < record_count; i++) {
		uint8_t *ttl = to + cache_entry_load_u16(ttls + 2 * i);

		store_be32(ttl, aged(wire_get_u32(ttl), age, answer->stale));
	}
}

static size_t answer_general(uint8_t *message, const uint64_t entry[], struct cache_head head,
			     const struct cache_entry_answer *answer, bool *truncated)
{
	const struct msg_client *client = &answer->client;
	const uint8_t *content = cache_entry_content(entry);
	struct cache_form form = cache_entry_form(
		content, client->dnssec_ok && (head.flags & CACHE_ENTRY_TWO_FORMS) != 0);
	struct saying says = {.rcode = head.rcode,
			      .ede = answer->stale ? stale_ede(head.rcode) : DNS_EDE_NONE};
	uint8_t *records = message + answer->question_end;
	size_t frame_bytes = answer->question_end + opt_bytes(client, says.ede);
	size_t length_bytes = form.length_bytes;
	unsigned record_count = cache_form_count(&form);

	if (frame_bytes + length_bytes > client->udp_size_bytes) {
		length_bytes = form.additional_offset;
		record_count -= form.counts[MSG_SECTION_ADDITIONAL];
		form.counts[MSG_SECTION_ADDITIONAL] = 0;
	}
	*truncated = frame_bytes + length_bytes > client->udp_size_bytes;
	if (*truncated) {
		says.truncated = true;
		return put_frame(message, records, client, &says);
	}
	for (unsigned section = 0; section < MSG_SECTION_COUNT; section++)
		says.counts[section] = form.counts[section];
	put_records(records, content, &form, length_bytes, record_count, answer,
		    age_s(head.stored_at_s, answer->now_s));
	return put_frame(message, records + length_bytes, client, &says);
}

/* RFC 8914 section 4.14: beside the error of its own, if it has one. */
static size_t answer_failure(uint8_t *message, const uint64_t entry[],
			     const struct cache_entry_answer *answer, uint16_t *rcode)
{
	const uint8_t *content = cache_entry_content(entry);
	uint16_t ede = cache_entry_load_u16(content + 2);
	struct saying says = {.rcode = cache_entry_load_u16(content),
			      .ede = ede != DNS_EDE_NONE ? ede : DNS_EDE_CACHED_ERROR};
	uint8_t *opt = message + answer->question_end;
	size_t length_bytes = put_frame(message, opt, &answer->client, &says);

	*rcode = says.rcode;
	if (answer->client.edns && ede != DNS_EDE_NONE)
		length_bytes += msg_add_ede(opt, DNS_EDE_CACHED_ERROR);
	return length_bytes;
}

size_t cache_entry_answer(uint8_t *message, const uint64_t entry[],
			  const struct cache_entry_answer *answer, bool *truncated, uint16_t *rcode)
{
	struct cache_head head = cache_head_get(entry);

	DCHECK(answer->question_end ==
	       cache_entry_question_end(cache_entry_image(entry)[CACHE_KEY_NAME - 1]));
	*rcode = head.rcode;
	if (LIKELY((head.flags & CACHE_ENTRY_COMPACT) != 0))
		return answer_compact(message, entry, head, answer, truncated);
	CHECK((head.flags & CACHE_ENTRY_CUT) == 0);
	*truncated = false;
	if ((head.flags & CACHE_ENTRY_FAILURE) != 0)
		return answer_failure(message, entry, answer, rcode);
	return answer_general(message, entry, head, answer, truncated);
}

size_t cache_entry_message(struct buffer output, const uint64_t entry[], uint32_t now_s)
{
	const uint8_t *image = cache_entry_image(entry);
	unsigned name_bytes = image[CACHE_KEY_NAME - 1];
	size_t question_end = cache_entry_question_end(name_bytes);
	struct cache_head head = cache_head_get(entry);
	struct cache_entry_answer answer = {
		.client = {.recursion_desired = true,
			   .checking_disabled = (image[2] & CACHE_KEY_CD) != 0,
			   .dnssec_ok = true,
			   .udp_size_bytes = output.capacity_bytes < UINT16_MAX
						     ? (uint16_t)output.capacity_bytes
						     : UINT16_MAX},
		.question_end = (uint16_t)question_end,
		.now_s = now_s,
		.stale = (head.flags & CACHE_ENTRY_MADE_STALE) != 0,
	};
	uint8_t *question = output.data + DNS_HEADER_BYTES;
	uint16_t rcode;
	bool truncated;

	if (question_end > output.capacity_bytes)
		return 0;
	memcpy(question, image + CACHE_KEY_NAME, name_bytes);
	wire_put_u16(question + name_bytes, cache_entry_load_u16(image));
	wire_put_u16(question + name_bytes + 2, DNS_CLASS_IN);

	size_t length = cache_entry_answer(output.data, entry, &answer, &truncated, &rcode);

	return truncated ? 0 : length;
}
