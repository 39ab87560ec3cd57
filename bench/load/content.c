#include "bench/load/content.h"

#include <string.h>

#include "bench/load/names.h"
#include "bench/load/random.h"
#include "core/dns_const.h"

void content_init(struct content *c, uint64_t seed)
{
	struct random random = {seed};

	c->key.k0 = random_next(&random);
	c->key.k1 = random_next(&random);
}

static void of_hash(const struct content *c, uint64_t hash, uint16_t qtype,
		    struct content_answer *out)
{
	/* The network of AAAA records; the rest is the name's. */
	static const uint8_t prefix_v6[] = {0x20, 0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x03};

	out->rdata_bytes = 0;
	if (c->silent_per_million != 0 &&
	    random_is_within(random_mix(hash + 1), c->silent_per_million)) {
		out->kind = CONTENT_SILENCE;
	} else if (c->nxdomain_per_million != 0 &&
		   random_is_within(random_mix(hash + 2), c->nxdomain_per_million)) {
		out->kind = CONTENT_NXDOMAIN;
	} else if (qtype == DNS_TYPE_A) {
		/* 198.18.0.0/15 and 17 bits of the name. */
		uint8_t data[] = {198, (uint8_t)(18 | (hash >> 16 & 1)), (uint8_t)(hash >> 8),
				  (uint8_t)hash};

		out->kind = CONTENT_RECORD;
		out->rdata_bytes = sizeof(data);
		memcpy(out->rdata, data, sizeof(data));
	} else if (qtype == DNS_TYPE_AAAA) {
		out->kind = CONTENT_RECORD;
		out->rdata_bytes = sizeof(out->rdata);
		memcpy(out->rdata, prefix_v6, sizeof(prefix_v6));
		memcpy(out->rdata + sizeof(prefix_v6), &hash, sizeof(hash));
	} else {
		out->kind = CONTENT_NODATA;
	}
}

void content_of_word(const struct content *c, uint64_t word, uint16_t qtype,
		     struct content_answer *out)
{
	of_hash(c, random_mix(word ^ c->key.k0), qtype, out);
}

void content_of(const struct content *c, const struct name *qname, uint16_t qtype,
		struct content_answer *out)
{
	uint64_t word;

	if (qname->bytes[0] == NAMES_DIGITS && names_read_digits(qname->bytes + 1, &word))
		content_of_word(c, word, qtype, out);
	else
		of_hash(c, name_hash(&c->key, qname), qtype, out);
}
