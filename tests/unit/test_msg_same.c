/* msg_parse_query, with its fast lane, against the parser of msg_reference.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/wire_cursor.h"
#include "msg_reference.h"
#include "unit.h"

#define ROOM_BYTES 66000

struct message {
	size_t length;
	uint8_t bytes[ROOM_BYTES];
};

static bool edns_equal(const struct msg_edns *a, const struct msg_edns *b)
{
	return a->present == b->present && a->dnssec_ok == b->dnssec_ok &&
	       a->version == b->version && a->extended_rcode == b->extended_rcode &&
	       a->udp_size_bytes == b->udp_size_bytes && a->option_count == b->option_count &&
	       a->cookie.data == b->cookie.data && a->cookie.length_bytes == b->cookie.length_bytes;
}

static bool queries_equal(const struct msg_query *a, const struct msg_query *b)
{
	return a->id == b->id && a->flags == b->flags && a->qtype == b->qtype &&
	       a->qclass == b->qclass && a->question_present == b->question_present &&
	       a->question_end == b->question_end &&
	       a->qname.length_bytes == b->qname.length_bytes &&
	       memcmp(a->qname.bytes, b->qname.bytes, a->qname.length_bytes) == 0 &&
	       edns_equal(&a->edns, &b->edns);
}

/* The copy ends where the message does, so that the sanitizer sees any step beyond. */
static enum msg_query_result check_same(const struct message *m)
{
	static struct msg_query query, wanted;
	uint8_t *copy = malloc(m->length > 0 ? m->length : 1);
	enum msg_query_result result, want;
	bool same;

	CU_ASSERT_FATAL(copy != NULL);
	memcpy(copy, m->bytes, m->length);
	/* What was there before must not be seen. */
	memset(&query, 0x5a, sizeof(query));
	memset(&wanted, 0xa5, sizeof(wanted));
	want = msg_reference_query((struct span){copy, m->length}, &wanted);
	result = msg_parse_query((struct span){copy, m->length}, &query);
	same = result == want && queries_equal(&query, &wanted);
	if (!same)
		printf("\n    %s, wanted %s, %zu bytes\n", msg_query_result_text[result],
		       msg_query_result_text[want], m->length);
	CU_ASSERT(same);
	free(copy);
	return result;
}

static void put(struct message *m, const void *bytes, size_t length)
{
	memcpy(m->bytes + m->length, bytes, length);
	m->length += length;
}

static void put_name(struct message *m, unsigned long long *state)
{
	unsigned labels = (unsigned)unit_random(state) % 6;

	if (unit_random(state) % 16 == 0)
		labels = 8; /* up to the longest name, and longer */
	for (unsigned i = 0; i < labels; i++) {
		unsigned length = 1 + (unsigned)unit_random(state) % (labels == 8 ? 63 : 20);

		m->bytes[m->length++] = (uint8_t)length;
		while (length-- > 0)
			m->bytes[m->length++] = (uint8_t)unit_random(state);
	}
	m->bytes[m->length++] = 0;
}

static void put_opt(struct message *m, unsigned long long *state)
{
	static const struct {
		uint8_t length;
		uint8_t bytes[24];
	} options[] = {
		{0, {0}},
		{12, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}},
		{11, {0, 10, 0, 7, 1, 2, 3, 4, 5, 6, 7}},
		{11, {0, 8, 0, 7, 0, 1, 24, 0, 198, 18, 0}},
		{11, {0, 8, 0, 7, 0, 1, 23, 0, 198, 18, 1}},
		{8, {0, 12, 0, 4, 0, 0, 0, 0}},
		{4, {0, 3, 0, 0}},
		{3, {0, 3, 0}},
	};
	const uint8_t fixed[] = {0,
				 0,
				 41,
				 4,
				 208,
				 0,
				 unit_random(state) % 8 == 0,
				 (uint8_t)(unit_random(state) << 7),
				 0};
	unsigned which =
		unit_random(state) % 2 ? 0 : (unsigned)unit_random(state) % ARRAY_COUNT(options);
	unsigned count = 1 + (unsigned)unit_random(state) % 2;

	put(m, fixed, sizeof(fixed));
	wire_put_u16(m->bytes + m->length, (uint16_t)(count * options[which].length));
	m->length += 2;
	while (count-- > 0)
		put(m, options[which].bytes, options[which].length);
}

/* A query like those that come, or nearly. */
static void message_make(struct message *m, unsigned long long *state)
{
	static const uint8_t tsig[] = {1, 'k', 0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 2, 9, 9};
	unsigned additional = 0;
	uint16_t flags = unit_random(state) % 8 ? 0x0100 : (uint16_t)unit_random(state);
	unsigned questions = unit_random(state) % 16 ? 1 : (unsigned)unit_random(state) % 3;

	m->length = DNS_HEADER_BYTES;
	memset(m->bytes, 0, DNS_HEADER_BYTES);
	for (unsigned i = 0; i < questions; i++) {
		put_name(m, state);
		wire_put_u32(m->bytes + m->length, (uint32_t)unit_random(state));
		m->length += 4;
	}
	for (unsigned i = (unsigned)unit_random(state) % 4; i < 3 && i != 1; i += 2, additional++)
		put_opt(m, state);
	if (unit_random(state) % 16 == 0) {
		put(m, tsig, sizeof(tsig));
		additional++;
	}
	wire_put_u16(m->bytes, (uint16_t)unit_random(state));
	wire_put_u16(m->bytes + 2, flags);
	wire_put_u16(m->bytes + 4, (uint16_t)questions);
	wire_put_u16(m->bytes + 10, (uint16_t)additional);
}

static void change(struct message *m, unsigned long long *state)
{
	static const uint8_t telling[] = {0, 1, 2, 3, 10, 11, 12, 41, 63, 64, 0x80, 0xc0, 0xff};
	size_t at = unit_random(state) % m->length;

	switch (unit_random(state) % 4) {
	case 0:
		m->bytes[at] = telling[unit_random(state) % sizeof(telling)];
		break;
	case 1:
		m->bytes[at] ^= (uint8_t)(1u << unit_random(state) % 8);
		break;
	case 2:
		m->bytes[unit_random(state) % DNS_HEADER_BYTES] =
			telling[unit_random(state) % sizeof(telling)];
		break;
	case 3:
		m->length = unit_random(state) % 2 ? m->length - unit_random(state) % 4
						   : 1 + unit_random(state) % (m->length + 6);
		break;
	}
}

static void msg_parse_query__agrees_with_its_reference(void)
{
	enum { ROUNDS = 400000 };
	static struct message m;
	unsigned long long state = unit_seed();
	unsigned seen[MSG_QUERY_RESULT_COUNT] = {0};

	for (unsigned round = 0; round < ROUNDS; round++) {
		message_make(&m, &state);
		for (unsigned i = (unsigned)unit_random(&state) % 3; i > 0 && m.length > 4; i--)
			change(&m, &state);
		seen[check_same(&m)]++;
	}
	for (unsigned i = 0; i < MSG_QUERY_RESULT_COUNT; i++) {
		if (seen[i] == 0)
			printf("\n    no query was %s\n", msg_query_result_text[i]);
		CU_ASSERT(seen[i] > 0);
	}
	CU_ASSERT(seen[MSG_QUERY_OK] > ROUNDS / 4);
}

/* A query of every name length, cut at every place, and with bytes behind it. */
static void msg_parse_query__agrees_wherever_it_ends(void)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
	static struct message m;

	for (unsigned name_bytes = 1; name_bytes <= 260; name_bytes++) {
		unsigned left = name_bytes - 1;

		m.length = DNS_HEADER_BYTES;
		memcpy(m.bytes, (const uint8_t[]){1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1},
		       DNS_HEADER_BYTES);
		while (left > 0) {
			/* Never one byte left over: that would be no label. */
			unsigned label = left > 65 ? 63 : left > 64 ? 62 : left - 1;

			m.bytes[m.length++] = (uint8_t)label;
			memset(m.bytes + m.length, 'a', label);
			m.length += label;
			left -= 1 + label;
		}
		put(&m, (const uint8_t[]){0, 0, 1, 0, 1}, 5);
		put(&m, opt, sizeof(opt));
		put(&m, opt, sizeof(opt));
		for (size_t whole = m.length; m.length > 0; m.length--) {
			enum msg_query_result result = check_same(&m);

			if (m.length + sizeof(opt) >= whole && name_bytes != 2)
				CU_ASSERT_EQUAL(result, name_bytes <= DNS_NAME_BYTES_MAX
								? MSG_QUERY_OK
								: MSG_QUERY_QUESTION);
		}
	}
}

/* What is longer than any message is cut, not refused. */
static void msg_parse_query__agrees_beyond_the_longest_message(void)
{
	static struct message m;
	unsigned long long state = unit_seed();

	for (unsigned i = 0; i < 20; i++) {
		message_make(&m, &state);
		m.length = DNS_MESSAGE_BYTES_MAX - 1 + i % 4;
		check_same(&m);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_parse_query__agrees_with_its_reference),
	UNIT_TEST(msg_parse_query__agrees_wherever_it_ends),
	UNIT_TEST(msg_parse_query__agrees_beyond_the_longest_message),
};
UNIT_SUITE(msg_same, tests)
