#include <stdint.h>

#include "core/engine.h"
#include "engine_rig.h"
#include "reloads.h"
#include "unit.h"

static struct engine_upstream_row row_of(uint64_t responses, uint32_t srtt_us, uint32_t rttvar_us)
{
	return (struct engine_upstream_row){
		.responses = responses, .srtt_us = srtt_us, .rttvar_us = rttvar_us};
}

static void engine_upstream_row_add__means_round_trips_by_responses(void)
{
	static const struct {
		const char *says;
		uint64_t a_responses;
		uint32_t a_us;
		uint64_t b_responses;
		uint32_t b_us;
		uint32_t want_us;
	} rows[] = {
		{"nobody knows it", 0, 0, 0, 0, 0},
		{"only the first", 7, 900, 0, 0, 900},
		{"only the second", 0, 0, 7, 900, 900},
		{"alike", 5, 1000, 5, 3000, 2000},
		{"one has three times the weight", 1, 1000, 3, 3000, 2500},
		{"the slower is the first", 3, 3000, 1, 1000, 2500},
		{"rounded, not cut", 1, 1, 1, 2, 2},
		{"the largest there are", UINT64_MAX / 2, UINT32_MAX, UINT64_MAX / 2, UINT32_MAX,
		 UINT32_MAX},
		{"one against all", UINT64_MAX / 2, 1, 1, UINT32_MAX, 1},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct engine_upstream_row sum =
			row_of(rows[i].a_responses, rows[i].a_us, rows[i].a_us / 2);
		struct engine_upstream_row more =
			row_of(rows[i].b_responses, rows[i].b_us, rows[i].b_us / 2);

		engine_upstream_row_add(&sum, &more);
		CU_ASSERT_EQUAL(sum.srtt_us, rows[i].want_us);
		CU_ASSERT(sum.rttvar_us == rows[i].want_us / 2 ||
			  sum.rttvar_us == rows[i].want_us / 2 + 1);
		CU_ASSERT_EQUAL(sum.responses, rows[i].a_responses + rows[i].b_responses);
	}
}

/* Three at once come to the same as one after the other. */
static void engine_upstream_row_add__sums_what_is_counted(void)
{
	struct engine_upstream_row sum = {.state = "up", .edns = "on", .letter_case = "lost"};

	for (uint32_t i = 1; i <= 3; i++) {
		struct engine_upstream_row row = {.state = "up",
						  .edns = "on",
						  .letter_case = "lost",
						  .srtt_us = 1000 * i,
						  .under_way = i,
						  .queries = 10 * i,
						  .responses = i,
						  .timeouts = 1000 * i,
						  .near_misses = 10000 * i};

		engine_upstream_row_add(&sum, &row);
	}
	CU_ASSERT(sum.under_way == 6 && sum.queries == 60 && sum.responses == 6);
	CU_ASSERT(sum.timeouts == 6000 && sum.near_misses == 60000);
	/* (1 * 1000 + 2 * 2000 + 3 * 3000) / 6, rounded at each step. */
	CU_ASSERT(sum.srtt_us == 2333 || sum.srtt_us == 2334);
	CU_ASSERT_STRING_EQUAL(sum.state, "up");
	CU_ASSERT_STRING_EQUAL(sum.letter_case, "lost");
}

/* A row at a time: two servers, one of them gone, and one that no way leads to. */
static void engine_report_routes__pages_through_the_ways(void)
{
	static const char *const servers[] = {"203.0.113.12", "2001:2:99::1", NULL};
	static struct reloads s;
	struct engine_route_row row, found[3];
	unsigned count = 0;
	uint32_t cursor = 0;

	reloads_start(&s, 1, 0);
	reloads_begin(&s);
	reloads_zone(&s, ".", servers);
	/* Nothing of IPv6 leaves any more. */
	for (unsigned i = 0; i < s.next->outgoing_count; i++)
		if (!address_is_v4(&s.next->outgoing[i].address))
			s.next->outgoing[i].retired = true;
	reloads_do(&s);
	while (cursor != ENGINE_REPORT_END) {
		if (engine_report_routes(s.r->engines[0], &row, 1, &cursor) == 0)
			break;
		CU_ASSERT_FATAL(count < ARRAY_COUNT(found));
		found[count++] = row;
	}
	CU_ASSERT_EQUAL_FATAL(count, 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct address want = rig_address(servers[i]);

		CU_ASSERT(address_equal(&found[i].server.address, &want));
	}
	CU_ASSERT(found[0].has_way && !found[1].has_way);
	CU_ASSERT(address_equal(&found[0].next_hop,
				&s.r->hosts[RIG_HOST_GATEWAY_V4].address.address));
	CU_ASSERT_STRING_EQUAL(found[0].state, "known");
	CU_ASSERT(mac_equal(&found[0].mac, &s.r->hosts[RIG_HOST_GATEWAY_V4].mac));
	reloads_finish(&s);
}

static const struct unit_test tests[] = {
	UNIT_TEST(engine_upstream_row_add__means_round_trips_by_responses),
	UNIT_TEST(engine_upstream_row_add__sums_what_is_counted),
	UNIT_TEST(engine_report_routes__pages_through_the_ways),
};
UNIT_SUITE(engine_report, tests)
