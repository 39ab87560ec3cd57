#include <string.h>

#include "core/span.h"
#include "unit.h"

static void bytes_copy__writes_so_many_and_no_more(void)
{
	enum { LENGTH_MAX = 80, AT = 8 };
	uint8_t from[LENGTH_MAX], to[LENGTH_MAX + 2 * AT], want[sizeof(to)];

	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i + 1);
	for (size_t length = 0; length <= LENGTH_MAX; length++) {
		memset(to, 0xee, sizeof(to));
		memset(want, 0xee, sizeof(want));
		memcpy(want + AT, from + LENGTH_MAX - length, length);
		bytes_copy(to + AT, from + LENGTH_MAX - length, length);
		CU_ASSERT_EQUAL(memcmp(to, want, sizeof(to)), 0);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(bytes_copy__writes_so_many_and_no_more),
};
UNIT_SUITE(span, tests)
