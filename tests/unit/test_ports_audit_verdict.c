#include <stdio.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/wire_cursor.h"
#include "dpdk_app/ports_audit_verdict.h"
#include "unit.h"

enum { SAMPLES = 256, ROUNDS = SAMPLES / PORTS_AUDIT_ROUND };

static unsigned long long random_state;

static uint16_t random16(void)
{
	return (uint16_t)unit_random(&random_state);
}

static struct address v4(uint8_t last)
{
	return address_from_v4((uint8_t[]){198, 18, 0, last});
}

static struct address v6(uint8_t net, uint8_t last)
{
	return (struct address){{0x20, 0x01, 0, 2, [7] = net, [15] = last}};
}

/* ---- NATs ---- */

/* What the NAT makes of a query: addresses, port, ID; whether it arrives. */
struct nat {
	const char *says;
	uint16_t (*port)(uint16_t sent, unsigned i);
	bool keeps_address;
	bool changes_id;
	enum ports_audit_verdict want;
	int stride;
	double bits_least, bits_most;
};

static uint16_t kept(uint16_t sent, unsigned i)
{
	(void)i;
	return sent;
}

static uint16_t kept_mostly(uint16_t sent, unsigned i)
{
	return i % 40 == 7 ? random16() : sent;
}

static uint16_t counted(uint16_t sent, unsigned i)
{
	(void)sent;
	return (uint16_t)(40000 + i);
}

/* Workers send in an order of their own. */
static uint16_t counted_shuffled(uint16_t sent, unsigned i)
{
	static const uint8_t order[PORTS_AUDIT_ROUND] = {3, 0,  8, 1,  2,  11, 4,  9,
							 5, 12, 6, 15, 14, 7,  10, 13};

	(void)sent;
	return (uint16_t)(65400 + (i & ~15u) + order[(i + i / 16) % 16]);
}

static uint16_t counted_down(uint16_t sent, unsigned i)
{
	(void)sent;
	return (uint16_t)(2000 - i);
}

static uint16_t counted_by_7(uint16_t sent, unsigned i)
{
	(void)sent;
	return (uint16_t)(64000 + 7 * i);
}

static uint16_t counted_by_30001(uint16_t sent, unsigned i)
{
	(void)sent;
	return (uint16_t)(30001 * i);
}

/* Others use the counter too: any of 0 to 60 in between, so that it goes round the end. */
static uint16_t counted_with_others(uint16_t sent, unsigned i)
{
	static uint16_t next;

	(void)sent;
	if (i == 0)
		next = 62000;
	next = (uint16_t)(next + 1 + random16() % 61);
	return next;
}

/* So many others that the counter goes round several times. */
static uint16_t counted_with_many(uint16_t sent, unsigned i)
{
	static uint16_t next;

	(void)sent;
	if (i == 0)
		next = 1024;
	next = (uint16_t)(next + 1 + random16() % 1000);
	return next;
}

static uint16_t drawn(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return (uint16_t)(1024 + unit_random(&random_state) % 64512);
}

static uint16_t drawn_high(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return (uint16_t)(49152 + random16() % 16384);
}

static uint16_t drawn_from_4096(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return (uint16_t)(65000 + random16() % 4096); /* round the end */
}

static uint16_t drawn_from_256(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return (uint16_t)(3000 + random16() % 256);
}

/* Some flows are older than the NAT's present rules. */
static uint16_t drawn_from_2048_mostly(uint16_t sent, unsigned i)
{
	return i % 50 == 3 ? sent : (uint16_t)(20000 + random16() % 2048);
}

static uint16_t drawn_from_scattered(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return (uint16_t)(1024 + random16() % 1024 * 63);
}

static uint16_t counted_in_64(uint16_t sent, unsigned i)
{
	(void)sent;
	return (uint16_t)(5000 + i % 64);
}

static uint16_t always(uint16_t sent, unsigned i)
{
	(void)sent;
	(void)i;
	return 1111;
}

/* A row a line. */
// clang-format off
static const struct nat nats[] = {
	{"none", kept, true, false, PORTS_AUDIT_NO_NAT, 0, 15, 16},
	{"one port of forty other than sent", kept_mostly, true, false, PORTS_AUDIT_NO_NAT, 0, 15, 16},
	{"address only", kept, false, false, PORTS_AUDIT_ADDRESS, 0, 15, 16},
	{"random", drawn, false, false, PORTS_AUDIT_RANDOM, 0, 15.5, 16},
	{"random, address kept", drawn, true, false, PORTS_AUDIT_RANDOM, 0, 15.5, 16},
	{"random from a quarter", drawn_high, false, false, PORTS_AUDIT_RANDOM, 0, 13.8, 14.2},
	{"random from 4096", drawn_from_4096, false, false, PORTS_AUDIT_FEW, 0, 10.8, 12.2},
	{"random from 2048, with odd ones", drawn_from_2048_mostly, false, false, PORTS_AUDIT_FEW, 0, 10.8, 11.2},
	{"random from 256", drawn_from_256, false, false, PORTS_AUDIT_FEW, 0, 7.5, 8.5},
	{"random from 1024 all over the place", drawn_from_scattered, false, false, PORTS_AUDIT_FEW, 0, 9, 11},
	{"64 in a circle", counted_in_64, false, false, PORTS_AUDIT_FEW, 0, 5.5, 6.5},
	{"counter", counted, false, false, PORTS_AUDIT_STRIDE, 1, 0, 16},
	{"counter, round the end, shuffled", counted_shuffled, false, false, PORTS_AUDIT_STRIDE, 1, 0, 16},
	{"counter downwards", counted_down, false, false, PORTS_AUDIT_STRIDE, -1, 0, 16},
	{"counter by 7", counted_by_7, false, false, PORTS_AUDIT_STRIDE, 7, 0, 16},
	{"counter by 30001", counted_by_30001, false, false, PORTS_AUDIT_STRIDE, 30001, 0, 16},
	{"counter that others use", counted_with_others, false, false, PORTS_AUDIT_IN_ORDER, 0, 0, 16},
	{"counter that many use", counted_with_many, false, false, PORTS_AUDIT_IN_ORDER, 0, 0, 16},
	{"one port", always, false, false, PORTS_AUDIT_ONE_PORT, 0, 0, 0},
	{"proxy", drawn, false, true, PORTS_AUDIT_PROXY, 0, 0, 16},
	{"proxy at our own address", kept, true, true, PORTS_AUDIT_PROXY, 0, 0, 16},
};
// clang-format on

static struct ports_audit_sample pass(const struct nat *nat, struct address from, unsigned i)
{
	struct ports_audit_sample s = {
		.round = i / PORTS_AUDIT_ROUND,
		.sent_address = from,
		.sent_port = (uint16_t)(1024 + unit_random(&random_state) % 64512),
		.sent_id = random16(),
		.understood = true,
	};

	s.seen_address = nat->keeps_address ? from : v4(254);
	s.seen_port = nat->port(s.sent_port, i);
	s.seen_id = nat->changes_id ? random16() : s.sent_id;
	return s;
}

static void row(bool ok, const char *says, const char *what)
{
	if (!ok)
		fprintf(stderr, "\n  %s: %s\n", says, what);
	CU_ASSERT(ok);
}

static void ports_audit_judge__names_what_a_nat_does(void)
{
	static struct ports_audit_sample samples[SAMPLES];

	random_state = unit_seed();
	for (unsigned trial = 0; trial < 20; trial++) {
		for (size_t n = 0; n < ARRAY_COUNT(nats); n++) {
			const struct nat *nat = &nats[n];
			const struct ports_audit_group *g;
			struct ports_audit_judgement j;

			for (unsigned i = 0; i < SAMPLES; i++)
				samples[i] = pass(nat, v4(53), i);
			ports_audit_judge(samples, SAMPLES, &j);
			CU_ASSERT_EQUAL_FATAL(j.group_count, 1);
			g = &j.groups[0];
			row(g->verdict == nat->want, nat->says,
			    ports_audit_verdict_text[g->verdict]);
			row(g->stride == nat->stride, nat->says, "stride");
			row(j.bad == ports_audit_verdict_is_bad(nat->want), nat->says, "bad");
			row(g->port_bits >= nat->bits_least && g->port_bits <= nat->bits_most,
			    nat->says, "bits");
			row(j.asked == SAMPLES && j.answered == SAMPLES &&
				    j.understood == SAMPLES && g->understood == SAMPLES,
			    nat->says, "counts");
			row((g->addresses_changed == 0) == nat->keeps_address, nat->says,
			    "addresses");
			row((g->ids_changed == 0) == !nat->changes_id, nat->says, "IDs");
		}
	}
}

/* However few the answers, and whichever are lost. */
static void ports_audit_judge__blames_no_random_nat(void)
{
	static const struct nat nat = {"random", drawn, false, false, PORTS_AUDIT_RANDOM, 0, 0, 0};
	static struct ports_audit_sample samples[SAMPLES];
	unsigned judged = 0;

	random_state = unit_seed();
	for (unsigned trial = 0; trial < 2000; trial++) {
		size_t count = 1 + unit_random(&random_state) % SAMPLES;
		struct ports_audit_judgement j;

		for (unsigned i = 0; i < count; i++) {
			samples[i] = pass(&nat, v4(53), i);
			samples[i].understood = unit_random(&random_state) % 8 != 0;
			if (unit_random(&random_state) % 16 == 0)
				samples[i] =
					(struct ports_audit_sample){.round = i / PORTS_AUDIT_ROUND,
								    .rcode = DNS_RCODE_SERVFAIL};
		}
		ports_audit_judge(samples, count, &j);
		CU_ASSERT(!j.bad);
		if (j.group_count == 0 || j.groups[0].understood < PORTS_AUDIT_ENOUGH)
			continue;
		judged++;
		CU_ASSERT_EQUAL(j.groups[0].verdict, PORTS_AUDIT_RANDOM);
	}
	CU_ASSERT(judged > 1500);
}

/* Each outgoing address for itself: a NAT for one of two families does not hide behind the other. */
static void ports_audit_judge__keeps_addresses_apart(void)
{
	static const struct nat none = {"none", kept, true, false, PORTS_AUDIT_NO_NAT, 0, 0, 0};
	static const struct nat counter = {"counter",          counted, false, false,
					   PORTS_AUDIT_STRIDE, 1,       0,     0};
	static struct ports_audit_sample samples[4 * SAMPLES];
	struct ports_audit_judgement j;

	random_state = unit_seed();
	for (unsigned i = 0; i < 4 * SAMPLES; i += 4) {
		samples[i] = pass(&none, v4(53), i / 4);
		samples[i + 1] = pass(&counter, v4(54), i / 4);
		/* Of a /64, every query has an address of its own. */
		samples[i + 2] = pass(&none, v6(1, (uint8_t)(i / 4)), i / 4);
		samples[i + 3] = pass(&none, v6(2, 1), i / 4);
	}
	ports_audit_judge(samples, 4 * SAMPLES, &j);
	CU_ASSERT_EQUAL_FATAL(j.group_count, 4);
	for (unsigned g = 0; g < 4; g++) {
		CU_ASSERT_EQUAL(j.groups[g].understood, SAMPLES);
		CU_ASSERT_EQUAL(j.groups[g].verdict,
				g == 1 ? PORTS_AUDIT_STRIDE : PORTS_AUDIT_NO_NAT);
	}
	CU_ASSERT(j.bad);
}

static void ports_audit_judge__says_why_nothing_came(void)
{
	static struct ports_audit_sample samples[20];
	struct ports_audit_judgement j;

	ports_audit_judge(NULL, 0, &j);
	CU_ASSERT_EQUAL(j.asked, 0);
	CU_ASSERT_EQUAL(j.group_count, 0);
	for (unsigned i = 0; i < ARRAY_COUNT(samples); i++) {
		static const uint16_t rcodes[] = {DNS_RCODE_SERVFAIL, DNS_RCODE_NXDOMAIN,
						  DNS_RCODE_NOERROR, DNS_RCODE_YXDOMAIN};

		samples[i] = (struct ports_audit_sample){.rcode = rcodes[i % 4]};
		if (i % 4 == 0)
			continue;
		samples[i].sent_port = 1234;
		samples[i].sent_address = v4(53);
	}
	ports_audit_judge(samples, ARRAY_COUNT(samples), &j);
	CU_ASSERT_EQUAL(j.asked, 20);
	CU_ASSERT_EQUAL(j.answered, 15);
	CU_ASSERT_EQUAL(j.understood, 0);
	CU_ASSERT_EQUAL(j.failed, 5);
	CU_ASSERT_EQUAL(j.no_name, 5);
	CU_ASSERT_EQUAL(j.silent, 5);
	CU_ASSERT_EQUAL(j.rejected, 5);
	CU_ASSERT_EQUAL_FATAL(j.group_count, 1);
	CU_ASSERT_EQUAL(j.groups[0].answered, 15);
	CU_ASSERT_EQUAL(j.groups[0].verdict, PORTS_AUDIT_TOO_FEW);
	CU_ASSERT(!j.bad);
}

static void ports_audit_understand__reads_the_echo_servers_words_only(void)
{
	static const struct {
		const char *text;
		bool understood;
	} rows[] = {
		{"from=198.18.0.53 port=40000 id=65535", true},
		{"from=2001:2:0:1::53 port=0 id=0", true},
		{"from=::ffff:198.18.0.53 port=40000 id=65535", true},
		{"from=198.18.0.53 port=65536 id=1", false},
		{"from=198.18.0.53 port=1 id=65536", false},
		{"from=198.18.0.53 port=655350 id=1", false},
		{"from=198.18.0.53 port=-1 id=1", false},
		{"from=198.18.0.53 port=1 id=1 ", false},
		{"from=198.18.0.53 port=1 id=", false},
		{"from=198.18.0.53 port=1", false},
		{"from=198.18.0.553 port=1 id=1", false},
		{"from=198.18.0 port=1 id=1", false},
		{"from=1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb port=1 id=1", false},
		{"v=spf1 -all", false},
		{"", false},
	};
	const struct address from = v4(53);
	struct ports_audit_sample s;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		s = (struct ports_audit_sample){.understood = !rows[i].understood};
		ports_audit_understand(&s, rows[i].text);
		row(s.understood == rows[i].understood, rows[i].text, "understood");
	}
	ports_audit_understand(&s, rows[0].text);
	CU_ASSERT_EQUAL(s.seen_port, 40000);
	CU_ASSERT_EQUAL(s.seen_id, 65535);
	CU_ASSERT(address_equal(&s.seen_address, &from));
}

/* An answer to "a. TXT" with these records: type and RDATA each. Returns the length. */
struct record {
	uint16_t type;
	uint16_t length;
	const char *rdata;
};
static size_t answer(uint8_t out[512], const struct record records[], unsigned count)
{
	static const uint8_t head[] = {0x12, 0x34, 0x84, 0,   0, 1, 0,  0, 0, 0,
				       0,    0,    1,    'a', 0, 0, 16, 0, 1};
	size_t at = sizeof(head);

	memcpy(out, head, sizeof(head));
	wire_put_u16(out + 6, (uint16_t)count);
	for (unsigned i = 0; i < count; i++) {
		static const uint8_t owner_class_ttl[] = {0xc0, 12, 0, 0, 0, 1, 0, 0, 0, 0};

		memcpy(out + at, owner_class_ttl, sizeof(owner_class_ttl));
		wire_put_u16(out + at + 2, records[i].type);
		wire_put_u16(out + at + 10, records[i].length);
		memcpy(out + at + 12, records[i].rdata, records[i].length);
		at += 12u + records[i].length;
	}
	return at;
}

static void ports_audit_text__shows_the_first_txt_record(void)
{
	static char long_text[202] = "\xc8";
	static const struct record rows[][2] = {
		{{16, 6, "\5hello"}, {16, 6, "\5other"}},
		{{1, 4, "abcd"}, {16, 6, "\5hello"}},
		{{16, 12, "\5hello\5there"}, {1, 4, "abcd"}}, /* the first string */
		{{16, 6, "\5a\"b\\\n"}, {1, 4, "abcd"}},
		{{16, 1, "\0"}, {1, 4, "abcd"}},
		{{16, 3, "\5he"}, {16, 6, "\5hello"}}, /* runs over its end */
		{{1, 4, "abcd"}, {1, 4, "abcd"}},
	};
	static const char *const wants[] = {"hello", "hello", "hello", "a?b??", "", "hello", ""};
	uint8_t message[512];
	char text[PORTS_AUDIT_TEXT_BYTES];
	size_t length;

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		memset(text, 'x', sizeof(text));
		length = answer(message, rows[i], 2);
		ports_audit_text((struct span){message, length}, text);
		row(strcmp(text, wants[i]) == 0, wants[i], text);
		/* Cut anywhere, nothing is shown. */
		for (size_t cut = 0; cut < length; cut++) {
			ports_audit_text((struct span){message, cut}, text);
			CU_ASSERT_STRING_EQUAL(text, "");
		}
	}
	memset(long_text + 1, 'y', 200);
	length = answer(message, (struct record[]){{16, 201, long_text}}, 1);
	ports_audit_text((struct span){message, length}, text);
	CU_ASSERT_EQUAL(strlen(text), PORTS_AUDIT_TEXT_BYTES - 1);
}

static void ports_audit_verdict_text__names_every_verdict(void)
{
	for (unsigned i = 0; i < PORTS_AUDIT_VERDICT_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(ports_audit_verdict_text[i]);
		for (unsigned k = 0; k < i; k++)
			CU_ASSERT_STRING_NOT_EQUAL(ports_audit_verdict_text[i],
						   ports_audit_verdict_text[k]);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(ports_audit_judge__names_what_a_nat_does),
	UNIT_TEST(ports_audit_judge__blames_no_random_nat),
	UNIT_TEST(ports_audit_judge__keeps_addresses_apart),
	UNIT_TEST(ports_audit_judge__says_why_nothing_came),
	UNIT_TEST(ports_audit_understand__reads_the_echo_servers_words_only),
	UNIT_TEST(ports_audit_text__shows_the_first_txt_record),
	UNIT_TEST(ports_audit_verdict_text__names_every_verdict),
};
UNIT_SUITE(ports_audit_verdict, tests)
