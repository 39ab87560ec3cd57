#include <string.h>

#include "core/wire_cursor.h"
#include "unit.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void wire_read__reads_big_endian_fields_in_order(void)
{
	struct wire_reader r = wire_reader_at((struct span){bytes, sizeof(bytes)}, 0);
	struct span rest;

	CU_ASSERT_EQUAL(wire_read_u8(&r), 0x01);
	CU_ASSERT_EQUAL(wire_read_u16(&r), 0x0203);
	CU_ASSERT_EQUAL(wire_read_u32(&r), 0x04050607);
	CU_ASSERT_EQUAL(wire_left(&r), 1);
	rest = wire_read_span(&r, 1);
	CU_ASSERT_PTR_EQUAL(rest.data, bytes + 7);
	CU_ASSERT_EQUAL(rest.length_bytes, 1);
	CU_ASSERT_TRUE(r.ok);
	CU_ASSERT_EQUAL(wire_left(&r), 0);
}

static void wire_read__fails_one_byte_before_the_end(void)
{
	static const struct {
		const char *says;
		size_t offset;
		unsigned width;
		bool want;
	} rows[] = {
		{"u8, last byte", 7, 1, true},        {"u8, at the end", 8, 1, false},
		{"u16, last two bytes", 6, 2, true},  {"u16, one short", 7, 2, false},
		{"u32, last four bytes", 4, 4, true}, {"u32, one short", 5, 4, false},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct wire_reader r =
			wire_reader_at((struct span){bytes, sizeof(bytes)}, rows[i].offset);
		uint32_t value = rows[i].width == 1   ? wire_read_u8(&r)
				 : rows[i].width == 2 ? wire_read_u16(&r)
						      : wire_read_u32(&r);

		CU_ASSERT_EQUAL_FATAL(r.ok, rows[i].want);
		CU_ASSERT_EQUAL(value != 0, rows[i].want);
	}
}

static void wire_read__keeps_failing_after_the_first_failure(void)
{
	struct wire_reader r = wire_reader_at((struct span){bytes, sizeof(bytes)}, 5);
	struct span s;

	CU_ASSERT_EQUAL(wire_read_u32(&r), 0);
	CU_ASSERT_EQUAL(wire_read_u8(&r), 0);
	s = wire_read_span(&r, 0);
	CU_ASSERT_PTR_NULL(s.data);
	CU_ASSERT_EQUAL(wire_left(&r), 0);
	CU_ASSERT_FALSE(r.ok);
}

static void wire_reader_at__fails_beyond_the_end_only(void)
{
	CU_ASSERT_TRUE(wire_reader_at((struct span){bytes, 8}, 8).ok);
	CU_ASSERT_FALSE(wire_reader_at((struct span){bytes, 8}, 9).ok);
}

static void wire_read_span__refuses_lengths_that_would_wrap(void)
{
	struct wire_reader r = wire_reader_at((struct span){bytes, sizeof(bytes)}, 3);

	CU_ASSERT_PTR_NULL(wire_read_span(&r, SIZE_MAX - 1).data);
	CU_ASSERT_FALSE(r.ok);
}

static void wire_write__writes_what_read_reads(void)
{
	uint8_t out[9] = {0};
	struct wire_writer w = wire_writer_init((struct buffer){out, 8});

	wire_write_u8(&w, 1);
	wire_write_u16(&w, 0x0203);
	wire_write_u32(&w, 0x04050607);
	wire_write_span(&w, (struct span){bytes + 7, 1});
	wire_write_span(&w, (struct span){NULL, 0});
	CU_ASSERT_TRUE(w.ok);
	CU_ASSERT_EQUAL(w.offset, 8);
	CU_ASSERT_EQUAL(memcmp(out, bytes, sizeof(bytes)), 0);
	CU_ASSERT_EQUAL(out[8], 0);
}

static void wire_write__writes_nothing_once_it_has_failed(void)
{
	uint8_t out[4] = {9, 9, 9, 9};
	struct wire_writer w = wire_writer_init((struct buffer){out, 3});

	wire_write_u32(&w, 0);
	wire_write_u8(&w, 0);
	wire_write_u16(&w, 0);
	wire_write_span(&w, (struct span){bytes, 1});
	CU_ASSERT_FALSE(w.ok);
	CU_ASSERT_EQUAL(w.offset, 0);
	for (size_t i = 0; i < sizeof(out); i++)
		CU_ASSERT_EQUAL(out[i], 9);
}

static const struct unit_test tests[] = {
	UNIT_TEST(wire_read__reads_big_endian_fields_in_order),
	UNIT_TEST(wire_read__fails_one_byte_before_the_end),
	UNIT_TEST(wire_read__keeps_failing_after_the_first_failure),
	UNIT_TEST(wire_reader_at__fails_beyond_the_end_only),
	UNIT_TEST(wire_read_span__refuses_lengths_that_would_wrap),
	UNIT_TEST(wire_write__writes_what_read_reads),
	UNIT_TEST(wire_write__writes_nothing_once_it_has_failed),
};
UNIT_SUITE(wire_cursor, tests)
