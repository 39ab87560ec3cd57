#include "engine_cache_world.h"

#include <string.h>

#include "core/wire_cursor.h"
#include "unit.h"

#define EDE_OPTION 15

struct rig *kept_rig(unsigned engine_count)
{
	static const int one[] = {RIG_SERVER_V4_LINK, -1};
	struct rig *r = rig_new(engine_count);

	r->cache_bytes = CACHE_BYTES_MIN;
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, one);
	return r;
}

enum counter kept_ask_at(struct rig *r, const char *name, unsigned engine)
{
	enum counter outcome =
		rig_ask(r, &(struct rig_question){.name = name, .edns = true, .engine = engine});

	rig_poll(r);
	return outcome;
}

enum counter kept_ask(struct rig *r, const char *name)
{
	return kept_ask_at(r, name, rig_owner(r, name, DNS_TYPE_A));
}

bool kept_query(struct rig *r, struct rig_query *out)
{
	while (rig_query_next(r, out))
		if (!out->is_probe)
			return true;
	return false;
}

unsigned kept_queries(struct rig *r)
{
	struct rig_query query;
	unsigned count = 0;

	while (kept_query(r, &query))
		count++;
	return count;
}

/* ---- a server's answer ---- */

static void put_record(struct wire_writer *w, uint16_t type, uint32_t ttl_s, struct span rdata)
{
	wire_write_u16(w, DNS_POINTER_FLAG << 8 | DNS_HEADER_BYTES);
	wire_write_u16(w, type);
	wire_write_u16(w, DNS_CLASS_IN);
	wire_write_u32(w, ttl_s);
	wire_write_u16(w, (uint16_t)rdata.length_bytes);
	wire_write_span(w, rdata);
}

static void put_soa(struct wire_writer *w, const struct kept_reply *reply)
{
	uint8_t rdata[22] = {0, 0, 0, 0, 0, 1};

	wire_put_u32(rdata + 18, reply->soa_minimum_s);
	put_record(w, DNS_TYPE_SOA, reply->ttl_s, (struct span){rdata, sizeof(rdata)});
}

size_t kept_reply_build(const struct rig_query *q, const struct kept_reply *reply,
			uint8_t out[RIG_MESSAGE_BYTES_MAX])
{
	struct wire_writer w = wire_writer_init((struct buffer){out, RIG_MESSAGE_BYTES_MAX});
	unsigned count = reply->record_count != 0 ? reply->record_count : 1;
	uint8_t address[4] = {192, 0, 2, reply->last_byte != 0 ? reply->last_byte : 1};

	wire_write_u16(&w, q->parsed.id);
	wire_write_u16(&w, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | reply->flags_on |
				      reply->rcode));
	wire_write_u16(&w, 1);
	wire_write_u16(&w, reply->negative ? 0 : (uint16_t)count);
	wire_write_u16(&w, reply->negative && !reply->no_soa);
	wire_write_u16(&w, 0);
	wire_write_span(&w, (struct span){q->message + DNS_HEADER_BYTES,
					  q->parsed.question_end - DNS_HEADER_BYTES});
	if (reply->negative && !reply->no_soa)
		put_soa(&w, reply);
	for (unsigned i = 0; i < count && !reply->negative; i++, address[3]++)
		put_record(&w, DNS_TYPE_A, reply->ttl_s, (struct span){address, 4});
	CU_ASSERT_FATAL(w.ok);
	return w.offset;
}

void kept_reply_to(struct rig *r, const struct rig_query *q, const struct kept_reply *reply)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length_bytes = kept_reply_build(q, reply, message);

	CU_ASSERT_EQUAL(rig_answer_bytes(r, q, message, length_bytes), COUNTER_UPSTREAM_RESPONSE);
}

void kept_reply(struct rig *r, const struct kept_reply *reply)
{
	struct rig_query q;

	CU_ASSERT_FATAL(kept_query(r, &q));
	kept_reply_to(r, &q, reply);
	rig_poll(r);
}

/* ---- what a client got ---- */

struct kept_got kept_got(struct rig *r)
{
	struct kept_got got = {.rcode = UINT16_MAX, .ttl_s = UINT32_MAX, .ede = -1};
	struct msg_response response;
	struct msg_record record;
	struct rig_answer a;
	struct span ede;
	size_t offset;

	if (!rig_answer_next(r, &a))
		return got;
	CU_ASSERT_EQUAL(rig_answer_count(r), 0);
	CU_ASSERT_FATAL(msg_parse_response((struct span){a.message, a.length_bytes}, &response) ==
			MSG_RESPONSE_OK);
	got.rcode = rig_rcode(&a);
	got.at = a.at;
	got.truncated = (rig_flags(&a) & DNS_FLAG_TC) != 0;
	got.record_count = response.answer_count;
	offset = response.records_offset;
	if (response.answer_count + response.authority_count > 0) {
		CU_ASSERT_FATAL(msg_record_next(response.message, &offset, &record));
		got.ttl_s = record.ttl_s;
		if (record.type == DNS_TYPE_A)
			got.last_byte = a.message[record.rdata_offset + 3];
	}
	if (rig_option(&a, EDE_OPTION, &ede))
		got.ede = rig_u16(ede.data, 0);
	return got;
}

void kept_learn(struct rig *r, const char *name, uint32_t ttl_s)
{
	CU_ASSERT_EQUAL(kept_ask(r, name), COUNTER_QUESTION_NEW);
	kept_reply(r, &(struct kept_reply){.ttl_s = ttl_s});
	CU_ASSERT_EQUAL(kept_got(r).last_byte, 1);
}

struct kept_got kept_hit(struct rig *r, const char *name)
{
	CU_ASSERT_EQUAL(kept_ask(r, name), COUNTER_CACHE_HIT);
	return kept_got(r);
}

void kept_fail(struct rig *r)
{
	rig_advance(r, CLIENT_DEADLINE_MS * NS_PER_MS);
	CU_ASSERT_EQUAL(rig_gauges(r).resolutions_active, 0);
}

bool kept_entry(struct rig *r, const char *name, struct cache_head *head)
{
	static uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key = rig_cache_key(r, name, DNS_TYPE_A, false);
	struct cache_found found;

	if (!engine_cache_find(r->engines[0], &key, copy, &found))
		return false;
	*head = cache_head_get(copy);
	return true;
}
