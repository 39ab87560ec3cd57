/* The root's servers, against the file that Debian keeps of them where there is one (dns-root-data). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/hints_file.h"
#include "core/root_hints.h"
#include "unit.h"

#define FILE_OF_DEBIAN "/usr/share/dns/root.hints"

static void root_hints_builtin__has_thirteen_servers_of_both_families(void)
{
	struct zone_cut cut;

	root_hints_builtin(&cut);
	zone_cut_check(&cut);
	CU_ASSERT_EQUAL(cut.zone.length_bytes, 1);
	CU_ASSERT_EQUAL(cut.flags, ZONE_CUT_HINTS);
	CU_ASSERT_EQUAL(cut.server_count, 13);
	CU_ASSERT_EQUAL(cut.address_count, 26);
	for (unsigned i = 0; i < cut.server_count; i++) {
		unsigned v4 = 0, v6 = 0;
		char text[NAME_TEXT_BYTES_MAX], want[] = "a.root-servers.net.";
		struct name name;

		want[0] = (char)('a' + i);
		zone_cut_server_name(&cut, i, &name);
		name_to_text(&name, text);
		CU_ASSERT_STRING_EQUAL(text, want);
		CU_ASSERT(cut.servers[i].has_addresses);
		for (unsigned k = 0; k < cut.address_count; k++) {
			bool is_v4 = address_is_v4(&cut.addresses[k].endpoint.address);

			if (cut.addresses[k].server != i)
				continue;
			v4 += is_v4;
			v6 += !is_v4;
			CU_ASSERT(zone_cut_may_ask(&cut.addresses[k].endpoint.address));
		}
		CU_ASSERT_EQUAL(v4, 1);
		CU_ASSERT_EQUAL(v6, 1);
	}
}

static void root_hints_builtin__is_what_the_file_says(void)
{
	FILE *in = fopen(FILE_OF_DEBIAN, "r");
	char *text = NULL;
	size_t length = 0;
	struct hints_wrong wrong = {0};
	struct zone_cut builtin, file;

	if (in == NULL)
		return;
	CU_ASSERT_FATAL(getdelim(&text, &length, '\0', in) > 0);
	fclose(in);
	root_hints_builtin(&builtin);
	CU_ASSERT_FATAL(hints_file_parse(text, strlen(text), &file, &wrong));
	free(text);
	CU_ASSERT_EQUAL(file.server_count, builtin.server_count);
	CU_ASSERT_EQUAL_FATAL(file.address_count, builtin.address_count);
	for (unsigned i = 0; i < file.address_count; i++) {
		unsigned found = 0;

		for (unsigned k = 0; k < builtin.address_count; k++)
			found += endpoint_equal(&file.addresses[i].endpoint,
						&builtin.addresses[k].endpoint);
		CU_ASSERT_EQUAL(found, 1);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(root_hints_builtin__has_thirteen_servers_of_both_families),
	UNIT_TEST(root_hints_builtin__is_what_the_file_says),
};
UNIT_SUITE(root_hints, tests)
