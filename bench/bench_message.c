/* Cycles of parsing and building DNS messages as they come and go: a client's query, the query to a server (EDNS,
 * letter case mixed), answers with one A record, with ten, and NXDOMAIN with a SOA. The same message again and again:
 * everything is in the first-level cache.
 *
 *   bench_message [ROUNDS]
 */
#include "bench_timing.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_parse.h"
#include "core/wire_cursor.h"

#define MESSAGE_BYTES 1024
#define ANSWERS_MANY 10

struct message {
	uint8_t bytes[MESSAGE_BYTES];
	struct span span;
	struct msg_response response; /* if it is one */
	struct msg_reply_params reply;
};

static struct name qname; /* as asked, letter case mixed */
static uint8_t output[MESSAGE_BYTES];
static struct message query, one, many, none, truncated;

static const struct msg_query_params query_params = {
	.id = 0x1234,
	.qname = &qname,
	.qtype = DNS_TYPE_A,
	.qclass = DNS_CLASS_IN,
	.recursion_desired = true,
	.edns = true,
	.edns_udp_size_bytes = EDNS_UDP_BYTES,
};

/* ---- messages ---- */

static void message_put(struct message *m, const void *bytes, size_t length)
{
	CHECK(m->span.length_bytes + length <= sizeof(m->bytes));
	memcpy(m->bytes + m->span.length_bytes, bytes, length);
	m->span = (struct span){m->bytes, m->span.length_bytes + length};
}

/* The question's answer: A records with compressed owners, or a SOA, then the OPT that the query has too. */
static void respond(struct message *m, unsigned a_count, bool soa, uint16_t rcode)
{
	static const uint8_t a[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 18, 3, 1};
	/* Owner: the parent of the question's name, 4 bytes into it ("www" before it). */
	static const uint8_t soa_record[] = {
		0xc0, 16,  0,   6,    0,   1,    0,   0,
		14,   16,  0,   32,                       /* owner, type, class, TTL, length */
		2,    'n', 's', 0xc0, 16,                 /* master */
		4,    'h', 'o', 's',  't', 0xc0, 16,      /* mailbox */
		120,  53,  42,  1,    0,   0,    28,  32, /* serial, refresh */
		0,    0,   3,   132,  0,   18,   117, 0,
		0,    0,   14,  16 /* retry, expire, minimum */
	};
	size_t question = query.span.length_bytes - DNS_OPT_BYTES_MIN;

	message_put(m, query.bytes, question);
	for (unsigned i = 0; i < a_count; i++) {
		message_put(m, a, sizeof(a));
		m->bytes[m->span.length_bytes - 1] = (uint8_t)(i + 1);
	}
	if (soa)
		message_put(m, soa_record, sizeof(soa_record));
	message_put(m, query.bytes + question, DNS_OPT_BYTES_MIN);
	wire_put_u16(m->bytes + 2, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | rcode));
	wire_put_u16(m->bytes + 6, (uint16_t)a_count);
	wire_put_u16(m->bytes + 8, soa ? 1 : 0);
	CHECK(msg_parse_response(m->span, &m->response) == MSG_RESPONSE_OK);
	m->reply = (struct msg_reply_params){
		.client = {.id = 0x4321,
			   .recursion_desired = true,
			   .edns = true,
			   .udp_size_bytes = EDNS_UDP_BYTES},
		.rcode = rcode,
		.recursion_available = true,
		.qname = &qname,
		.qtype = DNS_TYPE_A,
		.qclass = DNS_CLASS_IN,
	};
}

static void messages_make(void)
{
	struct msg_query parsed;

	CHECK(name_from_text("wWw.PoRTico-MeasUres.eXAmpLe", &qname));
	query.span = (struct span){query.bytes,
				   msg_build_query((struct buffer){query.bytes, MESSAGE_BYTES},
						   &query_params)};
	CHECK(msg_parse_query(query.span, &parsed) == MSG_QUERY_OK);
	respond(&one, 1, false, 0);
	respond(&many, ANSWERS_MANY, false, 0);
	respond(&none, 0, true, DNS_RCODE_NXDOMAIN);
	/* A client without EDNS that takes less than the answer holds. */
	respond(&truncated, ANSWERS_MANY, false, 0);
	truncated.reply.client.edns = false;
	truncated.reply.client.udp_size_bytes = 64;
}

/* ---- what is timed ---- */

static uint64_t parse_query(const void *argument)
{
	const struct message *m = argument;
	struct msg_query out;

	return msg_parse_query(m->span, &out) + out.qtype;
}

static uint64_t parse_response(const void *argument)
{
	const struct message *m = argument;
	struct msg_response out;

	return msg_parse_response(m->span, &out) + out.qtype;
}

static uint64_t build_query(const void *argument)
{
	return msg_build_query((struct buffer){output, sizeof(output)}, argument);
}

static uint64_t build_answer(const void *argument)
{
	const struct message *m = argument;
	size_t length_bytes;

	return msg_build_answer((struct buffer){output, sizeof(output)}, &m->response, &m->reply,
				&length_bytes) +
	       length_bytes;
}

static uint64_t build_reply(const void *argument)
{
	const struct message *m = argument;

	return msg_build_reply((struct buffer){output, sizeof(output)}, &m->reply);
}

int main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"parse a query, EDNS", parse_query, &query},
		{"parse a response, 1 A", parse_response, &one},
		{"parse a response, 10 A", parse_response, &many},
		{"parse a response, NXDOMAIN with SOA", parse_response, &none},
		{"build a query, EDNS", build_query, &query_params},
		{"build an answer, 1 A", build_answer, &one},
		{"build an answer, 10 A", build_answer, &many},
		{"build an answer, NXDOMAIN with SOA", build_answer, &none},
		{"build an answer, truncated", build_answer, &truncated},
		{"build a reply, NXDOMAIN without records", build_reply, &none},
	};

	messages_make();
	return bench_cases_main("message", cases, ARRAY_COUNT(cases), argc, argv);
}
