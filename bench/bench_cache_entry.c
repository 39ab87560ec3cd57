/* Cycles of cache entries as they come and go: the answer of a hit, the making of an entry, its check when it comes from a
 * file. One A record (with EDNS and without), two and ten with rotation, a CNAME chain, NXDOMAIN. The same entry again and
 * again: everything is in the first-level cache.
 *
 *   bench_cache_entry [ROUNDS]
 */
#include "bench_timing.h"
#include "core/cache_entry.h"
#include "core/limits.h"
#include "core/wire_cursor.h"

#define MESSAGE_BYTES 1024
#define STORED_AT_S 1000
#define NAME "\3www\13some-domain\7example"
#define NAME_BYTES sizeof(NAME)

struct subject {
	uint8_t bytes[MESSAGE_BYTES];
	size_t length_bytes;
	struct msg_response response;
	struct cache_key key;
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	unsigned word_count;
	struct cache_entry_answer asked;
};

static uint8_t output[MESSAGE_BYTES];
static uint64_t made[CACHE_ENTRY_WORDS_MAX];
static struct subject one, one_plain, two, ten, chain, none;
static const struct cache_entry_rules rules = {0, 86400, 3600};

static void put(struct subject *s, const void *bytes, size_t length)
{
	CHECK(s->length_bytes + length <= sizeof(s->bytes));
	memcpy(s->bytes + s->length_bytes, bytes, length);
	s->length_bytes += length;
}

/* Header and question. */
static void begin(struct subject *s, uint16_t rcode, uint16_t answers, uint16_t authorities)
{
	uint8_t header[DNS_HEADER_BYTES] = {0};

	wire_put_u16(header + 2, (uint16_t)(DNS_FLAG_QR | DNS_FLAG_RD | DNS_FLAG_RA | rcode));
	wire_put_u16(header + 4, 1);
	wire_put_u16(header + 6, answers);
	wire_put_u16(header + 8, authorities);
	wire_put_u16(header + 10, 1);
	put(s, header, sizeof(header));
	put(s, NAME, NAME_BYTES);
	put(s, "\0\1\0\1", 4);
}

/* The upstream's OPT, and what there is to do with the whole. */
static void end(struct subject *s, bool edns)
{
	static const uint8_t opt[DNS_OPT_BYTES_MIN] = {0, 0, DNS_TYPE_OPT, 4, 0xd0};

	put(s, opt, sizeof(opt));
	CHECK(msg_parse_response((struct span){s->bytes, s->length_bytes}, &s->response) ==
	      MSG_RESPONSE_OK);
	cache_key_set(&s->key, DNS_TYPE_A, 0, false, NAME_BYTES);
	memcpy(s->key.image + CACHE_KEY_NAME, NAME, NAME_BYTES);
	CHECK(cache_entry_make(s->words, &s->word_count, &s->key, &s->response, &rules,
			       STORED_AT_S) == CACHE_ENTRY_OK);
	s->asked = (struct cache_entry_answer){
		.client = {.id = 0x4321,
			   .recursion_desired = true,
			   .edns = edns,
			   .udp_size_bytes = EDNS_UDP_BYTES},
		.question_end = DNS_HEADER_BYTES + NAME_BYTES + 4,
		.now_s = STORED_AT_S + 10,
		.rotation = 1,
	};
}

/* A records of the owner at this offset. */
static void put_addresses(struct subject *s, unsigned count, uint8_t owner)
{
	for (unsigned i = 0; i < count; i++) {
		const uint8_t a[] = {0xc0, owner, 0, 1, 0,   1,  0, 0,
				     1,    44,    0, 4, 198, 18, 3, (uint8_t)i};

		put(s, a, sizeof(a));
	}
}

static void addresses(struct subject *s, uint16_t count, bool edns)
{
	begin(s, DNS_RCODE_NOERROR, count, 0);
	put_addresses(s, count, DNS_HEADER_BYTES);
	end(s, edns);
}

static void subjects_make(void)
{
	static const uint8_t soa[] = {0xc0, 16, 0,   6,   0,    1,   0, 0,   14,  16,  0,
				      32,   2,  'n', 's', 0xc0, 16,  4, 'h', 'o', 's', 't',
				      0xc0, 16, 120, 53,  42,   1,   0, 0,   28,  32,  0,
				      0,    3,  132, 0,   18,   117, 0, 0,   0,   14,  16};
	static const uint8_t cname[] = {0xc0, 12,  0, 5,   0,   1,   0, 0,   1,   44,  0, 11,
					1,    'w', 3, 'c', 'd', 'n', 3, 'n', 'e', 't', 0};

	addresses(&one, 1, true);
	addresses(&one_plain, 1, false);
	addresses(&two, 2, true);
	addresses(&ten, 10, true);
	begin(&none, DNS_RCODE_NXDOMAIN, 0, 1);
	put(&none, soa, sizeof(soa));
	end(&none, true);
	begin(&chain, DNS_RCODE_NOERROR, 3, 0);
	put(&chain, cname, sizeof(cname));
	put_addresses(&chain, 2, (uint8_t)(DNS_HEADER_BYTES + NAME_BYTES + 4 + 12));
	end(&chain, true);
}

static uint64_t answer(const void *argument)
{
	const struct subject *s = argument;
	bool truncated;
	uint16_t rcode;

	return cache_entry_answer(output, s->words, &s->asked, &truncated, &rcode) + truncated +
	       rcode;
}

static uint64_t make(const void *argument)
{
	const struct subject *s = argument;
	unsigned word_count;

	return (uint64_t)cache_entry_make(made, &word_count, &s->key, &s->response, &rules,
					  STORED_AT_S);
}

static uint64_t check(const void *argument)
{
	const struct subject *s = argument;
	struct cache_key key;

	return cache_entry_check(s->words, s->word_count, &key);
}

int main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{"answer a hit, 1 A, EDNS", answer, &one},
		{"answer a hit, 1 A", answer, &one_plain},
		{"answer a hit, 2 A rotated, EDNS", answer, &two},
		{"answer a hit, 10 A rotated, EDNS", answer, &ten},
		{"answer a hit, CNAME and 2 A rotated, EDNS", answer, &chain},
		{"answer a hit, NXDOMAIN with SOA, EDNS", answer, &none},
		{"make an entry, 1 A", make, &one},
		{"make an entry, 10 A", make, &ten},
		{"make an entry, CNAME and 2 A", make, &chain},
		{"make an entry, NXDOMAIN with SOA", make, &none},
		{"check an entry, 1 A", check, &one},
		{"check an entry, CNAME and 2 A", check, &chain},
		{"check an entry, NXDOMAIN with SOA", check, &none},
	};

	subjects_make();
	return bench_cases_main("cache_entry", cases, ARRAY_COUNT(cases), argc, argv);
}
