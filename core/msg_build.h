/* DNS messages into a lent buffer: queries to upstream servers, answers to clients.
 *
 * Memory: nothing is kept. The output buffer must not overlap the inputs.
 * Threads: pure functions. Errors: a length of 0 means that the buffer is too small for even the
 * header, question and OPT; MSG_BUILD_BYTES_MIN bytes always suffice for what has no records.
 */
#ifndef PORTICO_MSG_BUILD_H
#define PORTICO_MSG_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "dns_const.h"
#include "msg_parse.h"
#include "name.h"
#include "span.h"

#define MSG_BUILD_BYTES_MIN 512

struct msg_query_params {
	uint16_t id;
	const struct name *qname; /* in the letter case that is to be sent */
	uint16_t qtype;
	uint16_t qclass;
	bool recursion_desired;
	bool checking_disabled;
	bool edns; /* our OPT: version 0, DO=1 */
	uint16_t edns_udp_size_bytes;
};

/* One question, and our OPT. Returns the message's length. */
MUST_USE size_t msg_build_query(struct buffer output, const struct msg_query_params *params);

/* What an answer owes to the client that asked. */
struct msg_client {
	uint16_t id;
	bool recursion_desired;
	bool checking_disabled;
	bool edns;      /* it sent an OPT: so do we */
	bool dnssec_ok; /* its DO, echoed; DNSSEC records are stripped without it */
	uint16_t
		udp_size_bytes; /* the most that may be sent to it, OPT included, already clamped */
	const uint8_t *cookie;  /* option contents to send (client + server cookie), or NULL */
	uint8_t cookie_length_bytes; /* at most 40 */
};

struct msg_reply_params {
	struct msg_client client;
	uint16_t rcode; /* 12 bits */
	bool authentic_data;
	bool authoritative;
	bool recursion_available;
	bool truncated;
	const struct name *qname; /* in the client's letter case; NULL: no question (QDCOUNT 0) */
	uint16_t qtype;
	uint16_t qclass;
	uint16_t ede;   /* enum dns_ede; DNS_EDE_NONE: no such option. Only with client.edns */
	bool any_hinfo; /* RFC 8482 section 4.2: one HINFO "RFC8482" "" at qname, TTL 3600 */
};

/* A reply that we make ourselves: header, question, OPT, nothing else (but any_hinfo, which needs a
 * qname). Opcode 0, Z clear. Extended rcodes without client.edns are sent as their low 4 bits.
 * client.udp_size_bytes is not looked at: what has no records fits everywhere. */
MUST_USE size_t msg_build_reply(struct buffer output, const struct msg_reply_params *params);

/* The OPT of an answer (RFC 6891 section 6.1.2): our receive size, the rcode's upper bits, DO as the client's, its cookie,
 * an extended error unless DNS_EDE_NONE. Without EDNS none: 0 bytes. Written to p, which has room; returns the end. */
size_t msg_build_opt_bytes(const struct msg_client *client, uint16_t ede);
uint8_t *msg_build_opt(uint8_t *p, const struct msg_client *client, uint16_t rcode, uint16_t ede);
/* One more extended error (RFC 8914) for the OPT that stands here and is the message's last. Returns the bytes that it took. */
size_t msg_add_ede(uint8_t *opt, uint16_t ede);

enum msg_answer_result {
	MSG_ANSWER_OK,
	MSG_ANSWER_TRUNCATED, /* did not fit (or was TC already): header, question, OPT, TC=1; or
	                         not even that fitted: length 0 */
};

/* The answer for one client out of an upstream's response.
 *   response  accepted by msg_parse_response; its question equals the client's but for letter case
 *   params    as for msg_build_reply: rcode is taken from the response (its extended rcode
 *             too), any_hinfo is not looked at; qname must have the response's length
 * Records are copied as they are, in their order, without the upstream's OPT; RRSIG, NSEC, NSEC3
 * (and DS in the authority section) only with client.dnssec_ok or where they were asked for by type
 * (RFC 4035 section 3.2.1). What does not fit in client.udp_size_bytes is sent as TC=1 with no
 * records. A response with TC=1 likewise, and with params->truncated.
 *
 * Where nothing is stripped, no TTL is over the maximum and the OPT is the last record the records
 * are one memcpy (their compression pointers stay valid: the question keeps its length). Otherwise,
 * or if that does not fit, they are rebuilt: names expanded, then compressed without regard to
 * letter case (so that the question's is the client's, RFC 4343 section 4), at most
 * COMPRESSION_ENTRIES_MAX targets; work is linear in the size of the expanded names. */
MUST_USE enum msg_answer_result msg_build_answer(struct buffer output,
						 const struct msg_response *response,
						 const struct msg_reply_params *params,
						 size_t *length_bytes);

#endif
