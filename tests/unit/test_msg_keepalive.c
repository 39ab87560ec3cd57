#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "core/msg_build.h"
#include "core/msg_keepalive.h"
#include "unit.h"

/* A query or an answer of ours with an OPT, or without. */
static size_t make(uint8_t message[MSG_BUILD_BYTES_MIN], bool edns)
{
	struct name qname;

	CU_ASSERT_FATAL(name_from_text("www.example.com", &qname));
	return msg_build_query((struct buffer){message, MSG_BUILD_BYTES_MIN},
			       &(struct msg_query_params){.qname = &qname,
							  .qtype = DNS_TYPE_A,
							  .qclass = DNS_CLASS_IN,
							  .edns = edns,
							  .edns_udp_size_bytes = 1232});
}

static void msg_keepalive__says_what_was_added(void)
{
	uint8_t message[MSG_BUILD_BYTES_MIN];
	struct buffer room = {message, sizeof(message)};
	size_t length = make(message, true);
	struct msg_query query;
	uint16_t timeout = 7;
	size_t longer;

	CU_ASSERT(!msg_has_keepalive((struct span){message, length}));
	CU_ASSERT(!msg_keepalive_timeout((struct span){message, length}, &timeout));
	longer = msg_add_keepalive(room, length, 100);
	CU_ASSERT_EQUAL(longer, length + 6);
	CU_ASSERT(msg_has_keepalive((struct span){message, longer}));
	CU_ASSERT(msg_keepalive_timeout((struct span){message, longer}, &timeout) &&
		  timeout == 100);
	CU_ASSERT_EQUAL(msg_parse_query((struct span){message, longer}, &query), MSG_QUERY_OK);
	CU_ASSERT(query.edns.option_count == 1);
}

static void msg_keepalive__asks_with_an_empty_option(void)
{
	uint8_t message[MSG_BUILD_BYTES_MIN];
	size_t length = make(message, true);
	size_t longer = msg_ask_keepalive((struct buffer){message, sizeof(message)}, length);
	uint16_t timeout = 7;

	CU_ASSERT_EQUAL(longer, length + 4);
	CU_ASSERT(msg_has_keepalive((struct span){message, longer}));
	CU_ASSERT(!msg_keepalive_timeout((struct span){message, longer}, &timeout));
	CU_ASSERT_EQUAL(timeout, 7);
}

static void msg_keepalive__adds_nothing_where_there_is_no_place(void)
{
	uint8_t message[MSG_BUILD_BYTES_MIN], before[MSG_BUILD_BYTES_MIN];
	size_t length = make(message, false);

	memcpy(before, message, sizeof(message));
	CU_ASSERT_EQUAL(msg_add_keepalive((struct buffer){message, sizeof(message)}, length, 1),
			length);
	CU_ASSERT(memcmp(before, message, length) == 0);
	length = make(message, true);
	memcpy(before, message, sizeof(message));
	CU_ASSERT_EQUAL(msg_add_keepalive((struct buffer){message, length + 5}, length, 1), length);
	CU_ASSERT_EQUAL(msg_ask_keepalive((struct buffer){message, length + 3}, length), length);
	/* Something stands behind the OPT. */
	CU_ASSERT_EQUAL(msg_add_keepalive((struct buffer){message, sizeof(message)}, length + 1, 1),
			length + 1);
	CU_ASSERT(memcmp(before, message, length) == 0);
	CU_ASSERT_EQUAL(msg_add_keepalive((struct buffer){message, sizeof(message)}, 0, 1), 0);
}

/* Every length of a message that is cut, and every byte of it another: no step beyond it (sanitizers look). */
static void msg_keepalive__reads_whatever_there_is(void)
{
	uint8_t message[MSG_BUILD_BYTES_MIN];
	size_t length = make(message, true);
	uint16_t timeout;

	length = msg_add_keepalive((struct buffer){message, sizeof(message)}, length, 100);
	for (size_t cut = 0; cut <= length; cut++) {
		uint8_t exact[MSG_BUILD_BYTES_MIN];

		memcpy(exact + sizeof(exact) - cut, message, cut);
		CU_ASSERT(msg_has_keepalive((struct span){exact + sizeof(exact) - cut, cut}) ==
			  (cut == length));
	}
	for (size_t at = 0; at < length; at++)
		for (unsigned value = 0; value < 256; value++) {
			uint8_t other[MSG_BUILD_BYTES_MIN];
			size_t longer;

			memcpy(other, message, length);
			other[at] = (uint8_t)value;
			(void)msg_has_keepalive((struct span){other, length});
			if (msg_keepalive_timeout((struct span){other, length}, &timeout))
				CU_ASSERT(msg_has_keepalive((struct span){other, length}));
			longer =
				msg_add_keepalive((struct buffer){other, sizeof(other)}, length, 9);
			CU_ASSERT(longer == length || longer == length + 6);
		}
}

static const struct unit_test tests[] = {
	UNIT_TEST(msg_keepalive__says_what_was_added),
	UNIT_TEST(msg_keepalive__asks_with_an_empty_option),
	UNIT_TEST(msg_keepalive__adds_nothing_where_there_is_no_place),
	UNIT_TEST(msg_keepalive__reads_whatever_there_is),
};
UNIT_SUITE(msg_keepalive, tests)
