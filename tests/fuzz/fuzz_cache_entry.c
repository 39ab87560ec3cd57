/* Cache entries: made of whatever response is accepted, and read from whatever bytes a file may hold.
 *
 * Input: byte 0: what it is taken for and how (TAKE_*, RULES_*), byte 1: ages and rotation, then a DNS message or an entry's
 * words.
 *
 * Promises that are checked, of a response: the entry is well-formed (cache_entry_check); for each kind of client the
 * answer parses, with ldns too where it took the response, keeps within the client's size, and has the records of
 * msg_build_answer's answer, but for order and TTLs; nothing is written past the room (it is exact, so that ASan sees it).
 * Of an entry from a file: once cache_entry_check says yes, nothing reads outside, and all answers parse.
 */
#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "canonical_records.h"
#include "core/cache_entry.h"
#include "core/cache_key.h"
#include "core/check.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"

enum { TAKE_ENTRY = 1, TAKE_SEALED = 2, RULES_SHORT = 4, RULES_LONG = 8, KEY_CD = 16 };

static const uint16_t sizes[] = {512, 600, 1232, 4096, UINT16_MAX};
static const uint8_t cookie[40] = "clientckserver-cookie-of-thirty-two-byte";

#define STORED_AT_S UINT32_C(0xfffffff0) /* clocks wrap */
#define MAX_STALE_S 86400

enum {
	CLIENT_EDNS = 1,
	CLIENT_DNSSEC = 2,
	CLIENT_COOKIE = 4,
	CLIENT_CASE = 8,
	CLIENT_STALE = 16,
	CLIENT_COUNT = 32
};

static struct cache_entry_answer answer_for(unsigned who, uint16_t udp_size_bytes,
					    size_t question_end, uint8_t turn)
{
	bool edns = (who & CLIENT_EDNS) != 0;

	return (struct cache_entry_answer){
		.client = {.id = 0x4242,
			   .recursion_desired = true,
			   .edns = edns,
			   .dnssec_ok = edns && (who & CLIENT_DNSSEC) != 0,
			   .udp_size_bytes = udp_size_bytes,
			   .cookie = (who & CLIENT_COOKIE) != 0 ? cookie : NULL,
			   .cookie_length_bytes = sizeof(cookie)},
		.question_end = (uint16_t)question_end,
		.now_s = STORED_AT_S + (turn & 0xf0u) * 16,
		.rotation = turn & 0xf,
		.stale = (who & CLIENT_STALE) != 0,
	};
}

/* The answer, in room of exactly what is promised; the caller frees it. The question is as the key has it, or in upper case. */
static uint8_t *answer_of(const uint64_t entry[], const struct cache_key *key, unsigned who,
			  const struct cache_entry_answer *answer, struct msg_response *out,
			  bool *truncated)
{
	size_t room = answer->client.udp_size_bytes;
	size_t name_bytes = (size_t)key->image_bytes - CACHE_KEY_NAME;
	uint8_t *message = malloc(room < MSG_BUILD_BYTES_MIN ? MSG_BUILD_BYTES_MIN : room);
	uint8_t *question = message + DNS_HEADER_BYTES;
	struct name_case upper;
	uint16_t rcode;
	size_t length;

	CHECK(message != NULL);
	memset(&upper, 0xff, sizeof(upper));
	memcpy(question, key->image + CACHE_KEY_NAME, name_bytes);
	if ((who & CLIENT_CASE) != 0)
		name_case_apply(&upper, question, name_bytes);
	wire_put_u16(question + name_bytes, cache_key_type(key));
	wire_put_u16(question + name_bytes + 2, DNS_CLASS_IN);
	length = cache_entry_answer(message, entry, answer, truncated, &rcode);
	CHECK(length <= room);
	CHECK(msg_parse_response((struct span){message, length}, out) == MSG_RESPONSE_OK);
	CHECK(out->id == 0x4242 && out->edns.present == answer->client.edns && out->opt_is_last);
	CHECK(out->edns.dnssec_ok == answer->client.dnssec_ok && !out->has_ttl_over_max);
	CHECK((out->flags & (DNS_FLAG_AA | DNS_FLAG_AD | DNS_FLAG_CD)) == 0);
	CHECK(((out->flags & DNS_FLAG_TC) != 0) == *truncated);
	CHECK((out->flags & DNS_RCODE_MASK) == (rcode & DNS_RCODE_MASK));
	CHECK(out->records_offset == answer->question_end);
	CHECK(!*truncated || out->answer_count + out->authority_count == 0);
	return message;
}

static bool ldns_takes(struct span message)
{
	ldns_pkt *packet = NULL;
	bool ok = ldns_wire2pkt(&packet, message.data, message.length_bytes) == LDNS_STATUS_OK;

	if (ok)
		ldns_pkt_free(packet);
	return ok;
}

/* Does ldns read each record up to its end? It stops earlier where some types' fields do, and then reads the rest as another
 * record: what it makes of such a message is luck. */
static bool ldns_takes_each_record(const struct msg_response *r)
{
	unsigned count = (unsigned)r->answer_count + r->authority_count + r->additional_count;
	size_t at = r->records_offset;

	for (unsigned i = 0; i < count; i++) {
		size_t ldns_at = at;
		struct msg_record record;
		ldns_rr *rr = NULL;

		CHECK(msg_record_next(r->message, &at, &record));
		if (ldns_wire2rr(&rr, r->message.data, r->message.length_bytes, &ldns_at,
				 LDNS_SECTION_ANSWER) != LDNS_STATUS_OK)
			return false;
		ldns_rr_free(rr);
		if (ldns_at != at)
			return false;
	}
	return true;
}

static void check_ttls(const struct canonical_records *records, uint32_t max_ttl_s)
{
	for (unsigned i = 0; i < records->count; i++)
		CHECK(records->records[i].ttl_s <= max_ttl_s);
}

/* ---- entries of responses ---- */

static void compare(const struct msg_response *response, const struct msg_response *answer,
		    bool truncated, const struct cache_entry_answer *asked)
{
	struct msg_reply_params params = {.client = asked->client,
					  .recursion_available = true,
					  .qname = &answer->qname,
					  .qtype = answer->qtype,
					  .qclass = answer->qclass,
					  .ede = DNS_EDE_NONE};
	uint8_t *out = malloc(UINT16_MAX);
	struct msg_response built;
	size_t length;

	CHECK(out != NULL);
	params.client.udp_size_bytes = UINT16_MAX;
	if (!truncated && msg_build_answer((struct buffer){out, UINT16_MAX}, response, &params,
					   &length) == MSG_ANSWER_OK) {
		CHECK(msg_parse_response((struct span){out, length}, &built) == MSG_RESPONSE_OK);

		struct canonical_records ours = canonical_records(answer);
		struct canonical_records theirs = canonical_records(&built);
		bool without_additional = answer->additional_count == answer->edns.present;

		CHECK(canonical_records_same(&ours, &theirs, without_additional ? 2 : 3));
		/* Nothing is left out where there is room for all. */
		CHECK(asked->client.udp_size_bytes < UINT16_MAX || ours.count == theirs.count);
		canonical_records_free(&ours);
		canonical_records_free(&theirs);
	}
	free(out);
}

static void ask_all(const uint64_t entry[], const struct cache_key *key, uint8_t turn,
		    const struct msg_response *response, uint32_t max_ttl_s)
{
	size_t question_end = (size_t)key->image_bytes - CACHE_KEY_NAME + DNS_HEADER_BYTES + 4;
	bool sound = response != NULL && ldns_takes_each_record(response);

	for (unsigned who = 0; who < CLIENT_COUNT; who++)
		for (unsigned i = 0; i < ARRAY_COUNT(sizes); i++) {
			struct cache_entry_answer asked =
				answer_for(who, sizes[i], question_end, turn);
			struct msg_response answer;
			bool truncated;
			uint8_t *out = answer_of(entry, key, who, &asked, &answer, &truncated);
			struct canonical_records records = canonical_records(&answer);

			check_ttls(&records, asked.stale ? CACHE_STALE_TTL_S : max_ttl_s);
			canonical_records_free(&records);
			if (sound)
				CHECK(ldns_takes(answer.message));
			if (response != NULL)
				compare(response, &answer, truncated, &asked);
			free(out);
		}
}

/* Everything else that may be asked of an entry. */
static void use(const uint64_t entry[], unsigned word_count, const struct cache_key *key,
		uint8_t turn)
{
	uint32_t now_s = STORED_AT_S + turn * 1000u;
	enum cache_entry_state state = cache_entry_state(entry, MAX_STALE_S, now_s);
	bool is_failure = cache_entry_is_failure(entry);
	uint64_t *stale = malloc(word_count * sizeof(*stale));
	uint8_t *message = malloc(UINT16_MAX);
	struct msg_response parsed;
	unsigned stale_words;
	size_t length;

	CHECK(stale != NULL && message != NULL);
	if (cache_entry_make_stale(stale, &stale_words, entry, 30, MAX_STALE_S, now_s)) {
		struct cache_key again;

		CHECK(stale_words == word_count && !is_failure && state != CACHE_ENTRY_DEAD);
		CHECK(cache_entry_check(stale, stale_words, &again));
		CHECK(again.image_bytes == key->image_bytes &&
		      memcmp(again.image, key->image, key->image_bytes) == 0);
		CHECK(cache_entry_state(stale, MAX_STALE_S, now_s) <= CACHE_ENTRY_STALE);
		CHECK(state == CACHE_ENTRY_FRESH || !cache_entry_wants_refresh(stale, now_s));
	}
	CHECK(!cache_entry_wants_refresh(entry, now_s) || state == CACHE_ENTRY_FRESH);
	length = cache_entry_message((struct buffer){message, UINT16_MAX}, entry, now_s);
	CHECK(length != 0);
	CHECK(msg_parse_response((struct span){message, length}, &parsed) == MSG_RESPONSE_OK);

	uint8_t *little = malloc(length - 1);

	CHECK(cache_entry_message((struct buffer){little, length - 1}, entry, now_s) == 0 ||
	      parsed.additional_count != 0);
	free(little);
	free(message);
	free(stale);
}

static struct cache_key key_of(const struct name *qname, uint16_t qtype, bool checking_disabled)
{
	struct cache_key key;
	struct name lower;

	memset(&key, 0, sizeof(key));
	name_lower(qname, &lower);
	cache_key_set(&key, qtype, 3, checking_disabled, lower.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, lower.bytes, lower.length_bytes);
	return key;
}

static void take_response(struct span message, uint8_t how, uint8_t turn)
{
	struct cache_entry_rules rules = {(how & RULES_LONG) != 0 ? 60 : 0,
					  (how & RULES_SHORT) != 0 ? 100 : 86400, 3600};
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct msg_response r;
	struct cache_key key, again;
	unsigned word_count;
	uint64_t *exact;

	if (msg_parse_response(message, &r) != MSG_RESPONSE_OK || r.qclass != DNS_CLASS_IN)
		return;
	key = key_of(&r.qname, r.qtype, (how & KEY_CD) != 0);

	enum cache_entry_make made =
		cache_entry_make(words, &word_count, &key, &r, &rules, STORED_AT_S);

	CHECK(made < CACHE_ENTRY_MAKE_COUNT);
	if (made != CACHE_ENTRY_OK)
		return;
	CHECK(word_count <= CACHE_ENTRY_WORDS_MAX);
	exact = malloc(word_count * sizeof(*exact));
	CHECK(exact != NULL);
	memcpy(exact, words, word_count * sizeof(*exact));
	CHECK(cache_entry_check(exact, word_count, &again));
	CHECK(again.image_bytes == key.image_bytes &&
	      memcmp(again.image, key.image, sizeof(key.image)) == 0);
	CHECK(cache_entry_state(exact, 0, STORED_AT_S) == CACHE_ENTRY_FRESH);
	CHECK(cache_entry_state(exact, 0, STORED_AT_S - 5) == CACHE_ENTRY_FRESH);
	ask_all(exact, &key, turn, &r, rules.max_ttl_s);
	use(exact, word_count, &key, turn);
	free(exact);
}

/* ---- entries of files ---- */

static void take_entry(const uint8_t *data, size_t size, uint8_t how, uint8_t turn)
{
	unsigned word_count = (unsigned)(size / 8);
	uint64_t *words = malloc(size + 8);
	struct cache_key key;

	CHECK(words != NULL);
	memcpy(words, data, size);
	if ((how & TAKE_SEALED) != 0 && word_count >= CACHE_HEAD_WORDS && word_count < 4096) {
		/* The length that is easily wrong is right, so that more gets past it. */
		words[0] &= ~(UINT64_C(0xfff) << 32);
		words[0] |= (uint64_t)word_count << 32;
	}
	words = realloc(words, word_count == 0 ? 1 : word_count * sizeof(*words));
	CHECK(words != NULL);
	if (cache_entry_check(words, word_count, &key)) {
		ask_all(words, &key, turn, NULL, CACHE_TTL_S_MAX);
		use(words, word_count, &key, turn);
	}
	free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	if ((data[0] & TAKE_ENTRY) != 0)
		take_entry(data + 2, size - 2, data[0], data[1]);
	else
		take_response((struct span){data + 2, size - 2}, data[0], data[1]);
	return 0;
}
