/* The short ways of answers against the general ones: msg_parse_response, and an answer built over its response. */
#include <stdlib.h>
#include <string.h>

#include "core/frame_wire.h"
#include "core/msg_build.h"
#include "core/msg_in_place.h"
#include "core/msg_parse.h"
#include "core/msg_referral.h"
#include "core/wire_cursor.h"
#include "msg_reference.h"
#include "unit.h"

#define ROOM_BYTES 2048
#define ROUNDS 200000

struct message {
	size_t length;
	uint8_t bytes[ROOM_BYTES];
};

static void put(struct message *m, const void *bytes, size_t length)
{
	memcpy(m->bytes + m->length, bytes, length);
	m->length += length;
}

static void put_question(struct message *m, unsigned long long *state)
{
	unsigned labels = unit_random(state) % 16 == 0 ? 8 : (unsigned)unit_random(state) % 5;

	for (unsigned i = 0; i < labels; i++) {
		unsigned length = 1 + (unsigned)unit_random(state) % (labels == 8 ? 63 : 16);

		m->bytes[m->length++] = (uint8_t)length;
		while (length-- > 0)
			m->bytes[m->length++] = (uint8_t)("aZ-\xff"[unit_random(state) % 4]);
	}
	put(m, (const uint8_t[]){0, 0, 1, 0, 1}, 5);
}

/* Nearly always an address of the question's name. */
static void put_record(struct message *m, unsigned long long *state)
{
	static const uint8_t v4[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 198, 18, 0, 1};
	static const uint8_t v6[] = {0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 44, 0, 16, 0x20, 1,
				     0,    2,  0, 0,  0, 0, 0, 0, 0, 0,  0, 0,  0,    1};
	static const uint8_t cname[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 44, 0, 4, 1, 'x', 0xc0, 12};
	static const uint8_t sig[] = {0xc0, 12, 0, 46, 0, 1, 0, 0, 1, 44, 0, 21, 0, 1, 8, 2, 0,
				      0,    0,  1, 0,  0, 0, 2, 0, 0, 0,  3, 0,  4, 0, 9, 9};

	switch (unit_random(state) % 16) {
	case 0:
		put(m, cname, sizeof(cname));
		return;
	case 1:
		put(m, sig, sizeof(sig));
		return;
	case 2:
	case 3:
	case 4:
		put(m, v6, sizeof(v6));
		return;
	default:
		put(m, v4, sizeof(v4));
		return;
	}
}

static void message_make(struct message *m, unsigned long long *state)
{
	static const uint8_t opt[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0};
	static const uint8_t with_option[] = {0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 4, 0, 3, 0, 0};
	unsigned answers = unit_random(state) % 32 == 0 ? 40 : (unsigned)unit_random(state) % 4;
	unsigned more = unit_random(state) % 8 == 0;
	uint16_t flags = unit_random(state) % 8 ? 0x8180 : (uint16_t)unit_random(state);

	memset(m->bytes, 0, DNS_HEADER_BYTES);
	m->length = DNS_HEADER_BYTES;
	wire_put_u16(m->bytes, (uint16_t)unit_random(state));
	wire_put_u16(m->bytes + 2, flags);
	m->bytes[5] = 1;
	put_question(m, state);
	for (unsigned i = 0; i < answers + more; i++)
		put_record(m, state);
	wire_put_u16(m->bytes + 6, (uint16_t)answers);
	wire_put_u16(m->bytes + 8, (uint16_t)more);
	if (unit_random(state) % 4 == 0)
		return;
	wire_put_u16(m->bytes + 10, 1);
	if (unit_random(state) % 8 == 0)
		put(m, with_option, sizeof(with_option));
	else
		put(m, opt, sizeof(opt));
}

static void change(struct message *m, unsigned long long *state)
{
	if (unit_random(state) % 4 == 0)
		m->length -= unit_random(state) % (m->length < 20 ? m->length : 20);
	else
		m->bytes[unit_random(state) % m->length] = (uint8_t)unit_random(state);
}

/* The copy ends where the message does, so that the sanitizer sees any step beyond. */
static bool is_same(const struct message *m, bool *is_ok)
{
	static struct msg_response response, wanted;
	uint8_t *copy = malloc(m->length > 0 ? m->length : 1);
	enum msg_response_result result, want;
	struct msg_referral referral;
	size_t offset = DNS_HEADER_BYTES;
	struct name qname;
	bool same;

	CU_ASSERT_FATAL(copy != NULL);
	memcpy(copy, m->bytes, m->length);
	memset(&response, 0x5a, sizeof(response));
	memset(&wanted, 0xa5, sizeof(wanted));
	want = msg_parse_response_any((struct span){copy, m->length}, &wanted);
	result = msg_parse_response((struct span){copy, m->length}, &response);
	*is_ok = result == MSG_RESPONSE_OK;
	same = result == want && (!*is_ok || msg_responses_equal(&response, &wanted));
	/* Of the name that it begins with, if it is whole. */
	if (name_parse_plain((struct span){copy, m->length}, &offset, &qname) == NAME_OK) {
		memset(&response, 0x5a, sizeof(response));
		result = msg_parse_response_of((struct span){copy, m->length}, &qname, &referral,
					       &response);
		same = same && result == want &&
		       (!*is_ok || msg_responses_equal(&response, &wanted));
	}
	free(copy);
	return same;
}

static void msg_parse_response__is_the_same_either_way(void)
{
	unsigned long long state = unit_seed();
	static struct message m;
	unsigned ok_count = 0, wrong = 0;
	bool is_ok;

	for (unsigned round = 0; round < ROUNDS; round++) {
		message_make(&m, &state);
		for (unsigned i = (unsigned)unit_random(&state) % 3; i > 0 && m.length > 4; i--)
			change(&m, &state);
		wrong += !is_same(&m, &is_ok);
		ok_count += is_ok;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT(ok_count > ROUNDS / 4 && ok_count < ROUNDS - ROUNDS / 8);
}

static void msg_parse_response__is_the_same_wherever_it_ends(void)
{
	unsigned long long state = unit_seed();
	static struct message m;
	unsigned wrong = 0;
	bool is_ok;

	for (unsigned round = 0; round < 300; round++) {
		message_make(&m, &state);
		for (size_t whole = m.length; m.length > 0; m.length--) {
			wrong += !is_same(&m, &is_ok);
			CU_ASSERT(!is_ok || m.length == whole || (m.bytes[2] & 2) != 0);
		}
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void msg_in_place_answer__writes_what_msg_build_answer_does(void)
{
	static const uint8_t cookie[24] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
	unsigned long long state = unit_seed();
	static struct message m;
	static uint8_t wanted[ROOM_BYTES], before[ROOM_BYTES];
	unsigned built = 0, refused = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		static struct msg_response response;
		struct name_case letter_case;
		struct name qname;
		struct msg_reply_params params = {
			.recursion_available = true, .ede = DNS_EDE_NONE, .qname = &qname};
		struct msg_client *client = &params.client;
		enum msg_answer_result result;
		size_t length, want_bytes, room;
		uint64_t sum;

		message_make(&m, &state);
		if (msg_parse_response((struct span){m.bytes, m.length}, &response) !=
		    MSG_RESPONSE_OK)
			continue;
		client->id = (uint16_t)unit_random(&state);
		client->recursion_desired = unit_random(&state) % 2;
		client->checking_disabled = unit_random(&state) % 2;
		client->edns = unit_random(&state) % 4 != 0;
		client->dnssec_ok = client->edns && unit_random(&state) % 2;
		client->udp_size_bytes = unit_random(&state) % 8 == 0 ? 60 : 1232;
		if (client->edns && unit_random(&state) % 4 == 0) {
			client->cookie = cookie;
			client->cookie_length_bytes = sizeof(cookie);
		}
		params.qtype = response.qtype;
		params.qclass = response.qclass;
		for (size_t i = 0; i < sizeof(letter_case.bits); i++)
			letter_case.bits[i] = (uint8_t)unit_random(&state);
		name_copy(&qname, &response.qname);
		name_case_apply(&letter_case, qname.bytes, qname.length_bytes);
		result = msg_build_answer((struct buffer){wanted, sizeof(wanted)}, &response,
					  &params, &want_bytes);
		memcpy(before, m.bytes, sizeof(before));
		room = unit_random(&state) % 8 == 0 ? m.length : sizeof(m.bytes);
		length = msg_in_place_answer((struct buffer){m.bytes, room}, &response, client,
					     &letter_case, &sum);
		if (length == 0) {
			CU_ASSERT_EQUAL(memcmp(before, m.bytes, sizeof(before)), 0);
			refused++;
			continue;
		}
		CU_ASSERT_EQUAL(result, MSG_ANSWER_OK);
		CU_ASSERT_EQUAL_FATAL(length, want_bytes);
		CU_ASSERT_EQUAL(memcmp(wanted, m.bytes, length), 0);
		CU_ASSERT_EQUAL(frame_wire_fold(sum),
				frame_wire_fold(frame_wire_sum(0, m.bytes, length)));
		/* Nothing behind it. */
		if (length > m.length)
			CU_ASSERT_EQUAL(memcmp(before + length, m.bytes + length,
					       sizeof(before) - length),
					0);
		built++;
	}
	CU_ASSERT(built > ROUNDS / 4 && refused > ROUNDS / 64);
}

static struct unit_test tests[] = {
	UNIT_TEST(msg_parse_response__is_the_same_either_way),
	UNIT_TEST(msg_parse_response__is_the_same_wherever_it_ends),
	UNIT_TEST(msg_in_place_answer__writes_what_msg_build_answer_does),
};
UNIT_SUITE(msg_answer_same, tests)
