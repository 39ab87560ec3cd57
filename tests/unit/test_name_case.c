/* The inline ways of letter case, which sum what they write, against those of name.h. */
#include "core/name_case.h"

#include <string.h>

#include "unit.h"

#define ROOM_BYTES (DNS_NAME_BYTES_MAX + NAME_CASE_PIECE)
#define TRIES 20000

/* Any bytes: letter case knows no labels. */
static void random_bytes(unsigned long long *state, uint8_t *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = unit_random(state) % 4 == 0
				 ? (uint8_t)unit_random(state)
				 : (uint8_t)("aAzZ@[`{"[unit_random(state) % 8]);
}

static void name_case_apply_summed__writes_what_name_case_apply_does(void)
{
	unsigned long long state = unit_seed();
	uint8_t wire[ROOM_BYTES], wanted[ROOM_BYTES];
	struct name_case bits;
	unsigned wrong = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		size_t length_bytes = 1 + i % DNS_NAME_BYTES_MAX;
		uint64_t sum;

		random_bytes(&state, wire, sizeof(wire));
		random_bytes(&state, bits.bits, sizeof(bits.bits));
		memcpy(wanted, wire, sizeof(wire));
		name_case_apply(&bits, wanted, length_bytes);
		sum = name_case_apply_summed(&bits, wire, length_bytes);
		/* Behind the name too. */
		wrong += memcmp(wire, wanted, sizeof(wire)) != 0;
		wrong += frame_wire_fold(sum) !=
			 frame_wire_fold(frame_wire_sum(0, wanted, length_bytes));
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static void name_case_copy_summed__writes_what_name_case_copy_does(void)
{
	unsigned long long state = unit_seed();
	struct name from, to, wanted;
	struct name_case bits;
	unsigned wrong = 0;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t sum;

		from.length_bytes = (uint8_t)(1 + i % DNS_NAME_BYTES_MAX);
		random_bytes(&state, from.bytes, sizeof(from.bytes));
		random_bytes(&state, bits.bits, sizeof(bits.bits));
		name_case_copy(&bits, &from, &wanted);
		sum = name_case_copy_summed(&bits, &from, &to);
		wrong += !name_equal_exact(&to, &wanted);
		wrong += frame_wire_fold(sum) !=
			 frame_wire_fold(frame_wire_sum(0, wanted.bytes, wanted.length_bytes));
	}
	CU_ASSERT_EQUAL(wrong, 0);
}

static const struct unit_test tests[] = {
	UNIT_TEST(name_case_apply_summed__writes_what_name_case_apply_does),
	UNIT_TEST(name_case_copy_summed__writes_what_name_case_copy_does),
};
UNIT_SUITE(name_case, tests)
