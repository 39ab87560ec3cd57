#include "cache_entry_rig.h"

#include <ldns/ldns.h>
#include <string.h>

#include "core/cache_entry_plain.h"
#include "core/limits.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define UPSTREAM_UDP_BYTES 4096

const struct cache_entry_rules entry_rules = {0, 86400, 3600};

static const ldns_pkt_section sections[] = {LDNS_SECTION_ANSWER, LDNS_SECTION_AUTHORITY,
					    LDNS_SECTION_ADDITIONAL};

struct cache_key entry_key(const char *qname, uint16_t qtype)
{
	struct cache_key key;
	struct name name;

	memset(&key, 0, sizeof(key));
	CU_ASSERT_TRUE_FATAL(name_from_text(qname, &name));
	name_lower(&name, &name);
	cache_key_set(&key, qtype, 0, false, name.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, name.bytes, name.length_bytes);
	return key;
}

static const char *const *lines_of(const struct entry_case *c, unsigned section)
{
	return section == 0 ? c->answer : section == 1 ? c->authority : c->additional;
}

static ldns_rr *record_of(const char *line)
{
	ldns_rr *rr = NULL;

	CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, line, 0, NULL, NULL), LDNS_STATUS_OK);
	return rr;
}

static ldns_pkt *packet_of(const struct entry_case *c, const char *qname)
{
	ldns_rdf *name = ldns_dname_new_frm_str(qname);
	ldns_pkt *packet = ldns_pkt_query_new(name, (ldns_rr_type)c->qtype, LDNS_RR_CLASS_IN,
					      LDNS_QR | LDNS_RD | LDNS_RA);

	CU_ASSERT_PTR_NOT_NULL_FATAL(packet);
	ldns_pkt_set_rcode(packet, c->rcode);
	return packet;
}

static void take_wire(ldns_pkt *packet, struct entry_message *out)
{
	uint8_t *wire = NULL;

	CU_ASSERT_EQUAL_FATAL(ldns_pkt2wire(&wire, packet, &out->length_bytes), LDNS_STATUS_OK);
	CU_ASSERT_TRUE_FATAL(out->length_bytes <= sizeof(out->bytes));
	memcpy(out->bytes, wire, out->length_bytes);
	LDNS_FREE(wire);
	ldns_pkt_free(packet);
}

static void upstream_opt(ldns_pkt *packet)
{
	ldns_pkt_set_aa(packet, true);
	ldns_pkt_set_ad(packet, true);
	ldns_pkt_set_edns_udp_size(packet, UPSTREAM_UDP_BYTES);
	ldns_pkt_set_edns_do(packet, true);
}

/* Records one after the other, no name compressed. */
static void response_plain(const struct entry_case *c, struct entry_message *out)
{
	static const uint8_t opt[] = {0, 0, DNS_TYPE_OPT, UPSTREAM_UDP_BYTES >> 8, 0, 0, 0, 0x80, 0,
				      0, 0};
	ldns_pkt *packet = packet_of(c, c->qname);

	ldns_pkt_set_aa(packet, true);
	take_wire(packet, out);
	for (unsigned section = 0; section < ARRAY_COUNT(sections); section++) {
		const char *const *lines = lines_of(c, section);
		unsigned count = 0;

		for (; lines[count] != NULL; count++) {
			ldns_rr *rr = record_of(lines[count]);
			uint8_t *wire = NULL;
			size_t length;

			CU_ASSERT_EQUAL_FATAL(ldns_rr2wire(&wire, rr, (int)sections[section],
							   &length),
					      LDNS_STATUS_OK);
			CU_ASSERT_TRUE_FATAL(out->length_bytes + length + sizeof(opt) <=
					     sizeof(out->bytes));
			memcpy(out->bytes + out->length_bytes, wire, length);
			out->length_bytes += length;
			LDNS_FREE(wire);
			ldns_rr_free(rr);
		}
		wire_put_u16(out->bytes + 6 + 2 * section, (uint16_t)(count + (section == 2)));
	}
	memcpy(out->bytes + out->length_bytes, opt, sizeof(opt));
	out->length_bytes += sizeof(opt);
}

void entry_response(const struct entry_case *c, bool compressed, struct entry_message *out)
{
	ldns_pkt *packet;

	if (!compressed) {
		response_plain(c, out);
		return;
	}
	packet = packet_of(c, c->qname);
	for (unsigned section = 0; section < ARRAY_COUNT(sections); section++)
		for (const char *const *line = lines_of(c, section); *line != NULL; line++)
			ldns_pkt_push_rr(packet, sections[section], record_of(*line));
	upstream_opt(packet);
	take_wire(packet, out);
}

/* ---- what is expected ---- */

static bool is_dnssec(const ldns_rr *rr, unsigned section, uint16_t qtype)
{
	ldns_rr_type type = ldns_rr_get_type(rr);

	if (type == (ldns_rr_type)qtype)
		return false;
	return type == LDNS_RR_TYPE_RRSIG || type == LDNS_RR_TYPE_NSEC ||
	       type == LDNS_RR_TYPE_NSEC3 || (type == LDNS_RR_TYPE_DS && section == 1);
}

static uint32_t expected_ttl(const struct entry_case *c, const ldns_rr *rr, unsigned section,
			     uint32_t age_s, bool stale)
{
	bool negative = c->rcode == DNS_RCODE_NXDOMAIN || c->answer[0] == NULL;
	uint32_t ttl_s = ldns_rr_ttl(rr);

	if (negative && section == 1 && ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA) {
		uint32_t minimum = ldns_rdf2native_int32(ldns_rr_rdf(rr, 6));

		ttl_s = minimum < ttl_s ? minimum : ttl_s;
	}
	ttl_s = ttl_s > age_s ? ttl_s - age_s : 0;
	return stale && (ttl_s == 0 || ttl_s > 30) ? 30 : ttl_s;
}

void entry_expect(const struct entry_case *c, const struct cache_entry_answer *asked,
		  const char *qname, uint32_t age_s, struct entry_message *out)
{
	ldns_pkt *packet = packet_of(c, qname);

	for (unsigned section = 0; section < ARRAY_COUNT(sections); section++)
		for (unsigned pass = 0; pass < 1u + asked->client.dnssec_ok; pass++)
			for (const char *const *line = lines_of(c, section); *line != NULL;
			     line++) {
				ldns_rr *rr = record_of(*line);

				if (is_dnssec(rr, section, c->qtype) != (pass == 1)) {
					ldns_rr_free(rr);
					continue;
				}
				ldns_rr_set_ttl(rr,
						expected_ttl(c, rr, section, age_s, asked->stale));
				ldns_pkt_push_rr(packet, sections[section], rr);
			}
	ldns_pkt_set_id(packet, asked->client.id);
	ldns_pkt_set_rd(packet, asked->client.recursion_desired);
	ldns_pkt_set_cd(packet, asked->client.checking_disabled);
	if (asked->client.edns) {
		ldns_pkt_set_edns_udp_size(packet, EDNS_UDP_BYTES);
		ldns_pkt_set_edns_do(packet, asked->client.dnssec_ok);
	}
	take_wire(packet, out);
}

/* ---- entries and answers ---- */

void entry_of_message(const struct entry_message *response, const struct cache_entry_rules *rules,
		      uint32_t now_s, struct entry_made *out)
{
	struct msg_response r;
	struct name lower;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){response->bytes, response->length_bytes}, &r),
		MSG_RESPONSE_OK);
	memset(&out->key, 0, sizeof(out->key));
	name_lower(&r.qname, &lower);
	cache_key_set(&out->key, r.qtype, 0, false, lower.length_bytes);
	memcpy(out->key.image + CACHE_KEY_NAME, lower.bytes, lower.length_bytes);
	/* Nothing may depend on what was there before. */
	memset(out->words, 0xa5, sizeof(out->words));
	out->result = cache_entry_make(out->words, &out->word_count, &out->key, &r, rules, now_s);
}

void entry_of(const struct entry_case *c, const struct cache_entry_rules *rules, uint32_t now_s,
	      struct entry_made *out)
{
	static struct entry_message response;

	entry_response(c, true, &response);
	entry_of_message(&response, rules, now_s, out);
}

struct cache_entry_answer entry_asked(uint32_t now_s)
{
	return (struct cache_entry_answer){
		.client = {.id = 0xbeef,
			   .recursion_desired = true,
			   .edns = true,
			   .udp_size_bytes = UINT16_MAX},
		.now_s = now_s,
	};
}

/* Where cache_entry_answer_plain answers at all it writes what cache_entry_answer has written, and nothing behind it. */
static void plain_agrees(const uint64_t entry[], const struct cache_entry_answer *asked,
			 const struct entry_message *want)
{
	static struct entry_message plain;
	struct cache_entry_plain made;
	bool is_compact = (cache_head_get(entry).flags & CACHE_ENTRY_FLAGS) == CACHE_ENTRY_COMPACT;
	bool is_past = (int32_t)(asked->now_s - cache_head_get(entry).stored_at_s) >= 0;

	if (asked->stale || asked->client.cookie != NULL || !asked->client.recursion_desired)
		return;
	memset(plain.bytes, 0xa5, sizeof(plain.bytes));
	memcpy(plain.bytes + DNS_HEADER_BYTES, want->bytes + DNS_HEADER_BYTES,
	       asked->question_end - DNS_HEADER_BYTES);
	made = cache_entry_answer_plain(plain.bytes, entry, asked);
	plain.length_bytes = made.length_bytes;
	if (plain.length_bytes == 0) {
		CU_ASSERT_TRUE(!is_compact || !is_past ||
			       (entry_parsed(want).flags & DNS_FLAG_TC) != 0);
		return;
	}
	CU_ASSERT_TRUE(is_compact && is_past);
	CU_ASSERT_EQUAL_FATAL(plain.length_bytes, want->length_bytes);
	CU_ASSERT_EQUAL(memcmp(plain.bytes, want->bytes, sizeof(plain.bytes)), 0);
	CU_ASSERT_EQUAL(frame_wire_fold(made.sum),
			frame_wire_fold(frame_wire_sum(0, plain.bytes, plain.length_bytes)));
}

bool entry_answer(const uint64_t entry[], const char *qname, struct cache_entry_answer asked,
		  struct entry_message *out)
{
	const uint8_t *image = (const uint8_t *)(entry + CACHE_HEAD_WORDS);
	struct name name;
	uint16_t qtype, rcode;
	bool truncated;

	CU_ASSERT_TRUE_FATAL(name_from_text(qname, &name));
	memcpy(&qtype, image, sizeof(qtype));
	memset(out->bytes, 0xa5, sizeof(out->bytes));
	memcpy(out->bytes + DNS_HEADER_BYTES, name.bytes, name.length_bytes);
	wire_put_u16(out->bytes + DNS_HEADER_BYTES + name.length_bytes, qtype);
	wire_put_u16(out->bytes + DNS_HEADER_BYTES + name.length_bytes + 2, DNS_CLASS_IN);
	asked.question_end = (uint16_t)(DNS_HEADER_BYTES + name.length_bytes + 4);
	out->length_bytes = cache_entry_answer(out->bytes, entry, &asked, &truncated, &rcode);
	plain_agrees(entry, &asked, out);
	CU_ASSERT_EQUAL_FATAL(entry_parsed(out).flags & DNS_RCODE_MASK, rcode & DNS_RCODE_MASK);
	CU_ASSERT_FALSE(entry_parsed(out).has_ttl_over_max);
	return truncated;
}

struct msg_response entry_parsed(const struct entry_message *message)
{
	struct msg_response r = {.id = 0};

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	return r;
}

uint32_t entry_ttl(const struct entry_message *message, unsigned record_idx)
{
	struct msg_response r = entry_parsed(message);
	size_t at = r.records_offset;
	struct msg_record record;

	for (unsigned i = 0; i <= record_idx; i++)
		CU_ASSERT_TRUE_FATAL(msg_record_next(r.message, &at, &record));
	/* As it stands there: record.ttl_s would be 0 where the top bit is set. */
	return wire_get_u32(message->bytes + record.rdata_offset - 6);
}
