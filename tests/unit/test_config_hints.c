/* mode and root_hints: whence names are resolved that no zone has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/hints_file.h"
#include "test_config_fixture.h"
#include "unit.h"

#define LAB                                                                                        \
	"; the lab's\n"                                                                            \
	"$TTL 3600\n"                                                                              \
	"a.root.test. A 198.18.0.1\n"                                                              \
	". 518400 IN NS A.root.test.\n"                                                            \
	". NS ( b.root.test. ) ; over\n"                                                           \
	"a.root.test. AAAA 2001:2::1\n"                                                            \
	"$ORIGIN root.test.\n"                                                                     \
	"b 3600000 IN A 198.18.0.2\n"                                                              \
	"c A 198.18.0.3\n"                                                                         \
	"a TXT \"a\"\n"

static void hints_file_parse__takes_servers_and_their_addresses(void)
{
	struct hints_wrong wrong = {0};
	struct zone_cut cut;
	struct name name;
	char text[NAME_TEXT_BYTES_MAX];

	CU_ASSERT_FATAL(hints_file_parse(LAB, strlen(LAB), &cut, &wrong));
	zone_cut_check(&cut);
	CU_ASSERT_EQUAL(cut.zone.length_bytes, 1);
	CU_ASSERT_EQUAL(cut.flags, ZONE_CUT_HINTS);
	CU_ASSERT_EQUAL(cut.expires_at_s, UINT32_MAX);
	CU_ASSERT_EQUAL_FATAL(cut.server_count, 2);
	CU_ASSERT_EQUAL_FATAL(cut.address_count, 3);
	zone_cut_server_name(&cut, 0, &name);
	name_to_text(&name, text);
	CU_ASSERT_STRING_EQUAL(text, "a.root.test.");
	zone_cut_server_name(&cut, 1, &name);
	name_to_text(&name, text);
	CU_ASSERT_STRING_EQUAL(text, "b.root.test.");
	for (unsigned i = 0; i < cut.address_count; i++)
		CU_ASSERT_EQUAL(cut.addresses[i].endpoint.port, 53);
}

static const struct {
	const char *says;
	const char *text;
	unsigned line;
	const char *fragment;
} bad[] = {
	{"empty", "", 0, "no NS record"},
	{"comments only", "; nothing\n\n", 0, "no NS record"},
	{"no root", "a. NS b.\nb. A 198.18.0.1\n", 0, "no NS record"},
	{"no address", ". NS a.\nb. A 198.18.0.1\n", 0, "no A or AAAA record"},
	{"another class", ". CH NS a.\na. CH A 198.18.0.1\n", 0, "no NS record"},
	{"not a record", ". NS a.\n. NS\na. A 198.18.0.1\n", 2, "yntax error"},
	{"not an address", ". NS a.\n\na. A 198.18.0.256\n", 3, ""},
	{"include", ". NS a.\n$INCLUDE x\na. A 198.18.0.1\n", 2, "$INCLUDE"},
	{"mapped", ". NS a.\na. AAAA ::ffff:198.18.0.1\n", 2, "write an A record"},
};

static void hints_file_parse__says_where_it_is_wrong(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
		struct hints_wrong wrong = {0};
		struct zone_cut cut;
		bool ok = hints_file_parse(bad[i].text, strlen(bad[i].text), &cut, &wrong);

		if (ok || wrong.line != bad[i].line || strstr(wrong.text, bad[i].fragment) == NULL)
			printf("\n%s: %d line %u \"%s\"", bad[i].says, ok, wrong.line, wrong.text);
		CU_ASSERT_FALSE(ok);
		CU_ASSERT_EQUAL(wrong.line, bad[i].line);
		CU_ASSERT(strstr(wrong.text, bad[i].fragment) != NULL);
	}
}

static void hints_file_parse__takes_no_more_than_there_is_room_for(void)
{
	struct hints_wrong wrong = {0};
	struct zone_cut cut;
	char text[8192];
	size_t used = 0;

	for (unsigned i = 0; i < 40; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 ". NS s%u.\ns%u. A 198.18.1.%u\ns%u. A 198.18.2.%u\n"
					 "s%u. A 198.18.3.%u\n",
					 i, i, i, i, i, i, i);
	CU_ASSERT_FATAL(hints_file_parse(text, used, &cut, &wrong));
	zone_cut_check(&cut);
	CU_ASSERT_EQUAL(cut.server_count, ZONE_CUT_SERVERS_MAX);
	CU_ASSERT_EQUAL(cut.address_count, ZONE_CUT_ADDRESSES_MAX);
}

/* ---- in portico.yaml ---- */

static const struct {
	const char *says;
	const char *text;  /* of portico.yaml; %s: the file */
	const char *hints; /* its text; NULL: it is a directory */
	const char *want;  /* part of what is printed; NULL: nothing is */
	enum config_mode mode;
} rows[] = {
	{"by default from the root", INTERFACE, LAB, NULL, CONFIG_MODE_ITERATE},
	{"iterate", INTERFACE "mode: iterate\n", LAB, NULL, CONFIG_MODE_ITERATE},
	{"builtin", INTERFACE "root_hints: builtin\n", LAB, NULL, CONFIG_MODE_ITERATE},
	{"forward", GOOD, LAB, NULL, CONFIG_MODE_FORWARD},
	{"a file", INTERFACE "root_hints: %s\n", LAB, NULL, CONFIG_MODE_ITERATE},
	{"a file that nobody looks at", GOOD "root_hints: %s\n", LAB,
	 "8:13: warning: root_hints: is not used: mode is forward", CONFIG_MODE_FORWARD},
	{"a file, and a zone for all", INTERFACE "root_hints: %s\n" ZONE, LAB,
	 "5:13: warning: root_hints: is not used: a zone \".\" has all names", CONFIG_MODE_ITERATE},
	{"a server without address", INTERFACE "root_hints: %s\n", LAB ". NS d.test.\n",
	 "5:13: warning: root_hints: no address of d.test. is in the file", CONFIG_MODE_ITERATE},
	{"no gateway, but a zone for all",
	 "interfaces: [{device: net_null0, addresses: 192.0.2.53/24}]\n"
	 "forward: [{zone: ., to: 192.0.2.1}]\n",
	 LAB, NULL, CONFIG_MODE_ITERATE},
	{"no gateway, and the root on the link",
	 "interfaces: [{device: net_null0, addresses: 198.18.0.53/24}]\nroot_hints: %s\n", LAB,
	 NULL, CONFIG_MODE_ITERATE},
};

static const struct {
	const char *says;
	const char *text;
	const char *hints;
	const char *want;
} refused[] = {
	{"a wrong line", INTERFACE "root_hints: %s\n", ". NS a.\n. NS\n", "5:13: root_hints: "},
	{"a wrong line's number", INTERFACE "root_hints: %s\n", ". NS a.\n. NS\n", "hints:2: "},
	{"what to do about it", INTERFACE "root_hints: %s\n", ". NS a.\n. NS\n",
	 "; allowed: NS, A and AAAA records in zone format, or builtin"},
	{"no file", INTERFACE "root_hints: %s/no\n", LAB, "cannot be read: "},
	{"a directory", INTERFACE "root_hints: %s\n", NULL, "it is not a regular file"},
	{"wrong, though nobody looks at it", GOOD "root_hints: %s\n", "", "no NS record"},
	{"a list", INTERFACE "root_hints: [builtin]\n", LAB, "5:13: root_hints: is a list"},
	{"our own address", INTERFACE "root_hints: %s\n", ". NS a.\na. A 192.0.2.53\n",
	 "a.: 192.0.2.53 is our own listen address"},
	{"a loopback address", INTERFACE "root_hints: %s\n", ". NS a.\na. AAAA ::1\n",
	 "a.: ::1 is "},
	{"no way to the root",
	 "interfaces: [{device: net_null0, addresses: 192.0.2.53/24}]\nmode: iterate\n", LAB,
	 "2:7: mode: no server of the root can be reached"},
	{"no way to the root, by default",
	 "interfaces: [{device: net_null0, addresses: 192.0.2.53/24}]\n", LAB,
	 "mode: no server of the root can be reached"},
	{"no way to the root of the file",
	 "interfaces: [{device: net_null0, addresses: 192.0.2.53/24}]\nroot_hints: %s\n", LAB,
	 "2:13: root_hints: no server of the root can be reached"},
};

static struct loaded load(const char *text, const char *hints)
{
	char directory[] = "/tmp/portico-hints-XXXXXX";
	char file[64], yaml[1024];
	struct loaded l;

	CU_ASSERT_FATAL(mkdtemp(directory) != NULL);
	snprintf(file, sizeof(file), "%s/hints", directory);
	if (hints != NULL) {
		FILE *out = fopen(file, "w");

		CU_ASSERT_FATAL(out != NULL);
		fputs(hints, out);
		fclose(out);
	} else {
		CU_ASSERT_FATAL(mkdir(file, 0700) == 0);
	}
	if (strstr(text, "%s") != NULL) {
		const char *at = strstr(text, "%s");

		snprintf(yaml, sizeof(yaml), "%.*s%s%s", (int)(at - text), text, file, at + 2);
	} else {
		snprintf(yaml, sizeof(yaml), "%s", text);
	}
	l = test_config_load(yaml, strlen(yaml));
	remove(file);
	rmdir(directory);
	return l;
}

static void config_load__takes_mode_and_hints(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct loaded l = load(rows[i].text, rows[i].hints);
		bool ok = l.config != NULL && l.config->mode == rows[i].mode &&
			  (rows[i].want != NULL ? strstr(l.printed, rows[i].want) != NULL
						: l.printed[0] == '\0');

		if (!ok)
			printf("\n%s: %s", rows[i].says, l.printed);
		CU_ASSERT(ok);
		/* The file's, or all thirteen. */
		if (ok)
			CU_ASSERT(l.config->root_hints.server_count ==
				  (strstr(rows[i].text, "%s") == NULL         ? 13
				   : strstr(rows[i].hints, "d.test.") != NULL ? 3
									      : 2));
		test_config_unload(&l);
	}
}

static void config_load__refuses_hints(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
		struct loaded l = load(refused[i].text, refused[i].hints);
		bool ok = l.config == NULL && l.error_count == 1 &&
			  strstr(l.printed, refused[i].want) != NULL;

		if (!ok)
			printf("\n%s: %s", refused[i].says, l.printed);
		CU_ASSERT(ok);
		test_config_unload(&l);
	}
}

static void config_asks_any__is_said_of_who_follows_delegations(void)
{
	static const struct {
		const char *text;
		bool want;
	} cases[] = {
		{GOOD, false},
		{INTERFACE "mode: iterate\n" ZONE, true},
		{INTERFACE MODE "stub: [{zone: a, to: 192.0.2.1}]\n", true},
	};

	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct loaded l = test_config_load(cases[i].text, strlen(cases[i].text));

		CU_ASSERT_FATAL(l.config != NULL);
		CU_ASSERT_EQUAL(config_asks_any(l.config), cases[i].want);
		test_config_unload(&l);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(hints_file_parse__takes_servers_and_their_addresses),
	UNIT_TEST(hints_file_parse__says_where_it_is_wrong),
	UNIT_TEST(hints_file_parse__takes_no_more_than_there_is_room_for),
	UNIT_TEST(config_load__takes_mode_and_hints),
	UNIT_TEST(config_load__refuses_hints),
	UNIT_TEST(config_asks_any__is_said_of_who_follows_delegations),
};
UNIT_SUITE(config_hints, tests)
