#include "bench/load/query.h"

#include <string.h>

#include "bench/load/random.h"
#include "core/dns_const.h"
#include "core/limits.h"
#include "core/wire_cursor.h"

enum { CHANCE_EDNS = 1, CHANCE_DNSSEC_OK, CHANCE_CASE };

static uint64_t chance(uint32_t salt, unsigned which)
{
	return random_mix((uint64_t)which << 32 | salt);
}

/* Every letter upper or lower case by its own bit of chance. */
static void mix_case(uint8_t *wire, size_t length_bytes, uint32_t salt)
{
	struct name_case letter_case;
	struct random random = {chance(salt, CHANCE_CASE)};

	for (size_t i = 0; i < sizeof(letter_case.bits); i += sizeof(uint64_t)) {
		uint64_t word = random_next(&random);

		memcpy(letter_case.bits + i, &word, sizeof(word));
	}
	name_case_apply(&letter_case, wire, length_bytes);
}

static uint8_t *put_opt(uint8_t *at, bool dnssec_ok)
{
	*at++ = 0;
	wire_put_u16(at, DNS_TYPE_OPT);
	wire_put_u16(at + 2, EDNS_UDP_BYTES);
	wire_put_u16(at + 4, 0); /* extended rcode, version */
	wire_put_u16(at + 6, dnssec_ok ? DNS_EDNS_FLAG_DO : 0);
	wire_put_u16(at + 8, 0); /* no options */
	return at + 10;
}

static bool happens(uint32_t salt, unsigned which, uint32_t per_million)
{
	return per_million == RANDOM_MILLION ||
	       (per_million != 0 && random_is_within(chance(salt, which), per_million));
}

enum query_kind query_kind(const struct options *options, uint32_t salt)
{
	if (!happens(salt, CHANCE_EDNS, options->edns_per_million))
		return QUERY_PLAIN;
	return happens(salt, CHANCE_DNSSEC_OK, options->dnssec_ok_per_million) ? QUERY_DNSSEC_OK
									       : QUERY_EDNS;
}

unsigned query_put_kind(uint8_t *output, enum query_kind kind, const struct question *question)
{
	uint8_t *at = output + DNS_HEADER_BYTES;

	wire_put_u16(output, 0);
	wire_put_u16(output + 2, DNS_FLAG_RD);
	wire_put_u16(output + 4, 1);
	wire_put_u16(output + 6, 0);
	wire_put_u16(output + 8, 0);
	wire_put_u16(output + 10, kind == QUERY_PLAIN ? 0 : 1);
	memcpy(at, question->qname.bytes, question->qname.length_bytes);
	at += question->qname.length_bytes;
	wire_put_u16(at, question->qtype);
	wire_put_u16(at + 2, DNS_CLASS_IN);
	at += 4;
	if (kind != QUERY_PLAIN)
		at = put_opt(at, kind == QUERY_DNSSEC_OK);
	return (unsigned)(at - output);
}

unsigned query_put(uint8_t *output, const struct options *options, const struct query *query)
{
	unsigned length = query_put_kind(output, query_kind(options, query->salt), query->question);

	wire_put_u16(output, query->id);
	if (options->mixed_case)
		mix_case(output + DNS_HEADER_BYTES, query->question->qname.length_bytes,
			 query->salt);
	return length;
}
