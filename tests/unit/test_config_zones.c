/* Whose names other servers answer after a reload. */
#include <stdio.h>
#include <string.h>

#include "config/config_zones.h"
#include "test_config_fixture.h"
#include "unit.h"

#define BASE                                                                                       \
	"interfaces:\n  - {device: net_null0, addresses: [192.0.2.53/24], gateway: 192.0.2.1}\n"
#define ROOT "{zone: ., to: [192.0.2.1, 192.0.2.2]}"
#define CORP "{zone: corp.example, to: [192.0.2.3]}"
#define DEEP "{zone: a.corp.example, to: [192.0.2.4]}"

static const struct {
	const char *says;
	const char *before, *after; /* of the list; with an i before it: mode: iterate */
	const char *want;
} rows[] = {
	{"the same", ROOT ", " CORP, CORP ", " ROOT, ""},
	{"a zone has gone", ROOT ", " CORP, ROOT, "corp.example."},
	{"a zone has come below another", ROOT, ROOT ", " CORP, "corp.example."},
	{"a zone has come where there was none", CORP, CORP ", " ROOT, ""},
	{"the root has gone", ROOT ", " CORP, CORP, "."},
	{"all servers are others", ROOT ", " CORP, ROOT ", {zone: corp.example, to: [192.0.2.5]}",
	 "corp.example."},
	{"another port is another server", CORP, "{zone: corp.example, to: [192.0.2.3@5353]}",
	 "corp.example."},
	{"a server has come", ROOT, "{zone: ., to: [192.0.2.2, 192.0.2.1, 192.0.2.9]}", ""},
	{"all servers but one are others", ROOT, "{zone: ., to: [192.0.2.9, 192.0.2.2]}", ""},
	{"all servers of the root are others", ROOT ", " CORP, "{zone: ., to: [192.0.2.9]}, " CORP,
	 "."},
	{"how they are asked", ROOT,
	 "{zone: ., to: [192.0.2.1, 192.0.2.2], timeout_ms: 300, tries: 2, policy: in_order, "
	 "transport: tcp}",
	 ""},
	{"one has gone, one has come", ROOT ", " CORP, ROOT ", " DEEP,
	 "corp.example. a.corp.example."},
	{"iterated before and after", "i" CORP, "i" CORP, ""},
	{"iterated no more, and refused", "i" CORP, CORP, "."},
	{"iterated no more, and forwarded", "i" CORP, ROOT ", " CORP, "."},
	{"forwarded no more, and iterated", ROOT ", " CORP, "i" CORP, "."},
	{"refused no more, and iterated", CORP, "i" CORP, ""},
	{"a zone has come below the root that is iterated from", "i" CORP, "i" CORP ", " DEEP,
	 "a.corp.example."},
	{"forwarded all the while", ROOT, "i" ROOT, ""},
	{"nested ones", ROOT ", " DEEP, ROOT ", " DEEP ", " CORP, "corp.example."},
};

static struct config *load(const char *says, const char *zones)
{
	char text[512];
	struct loaded l;
	struct config *config;
	bool iterates = zones[0] == 'i';

	snprintf(text, sizeof(text), BASE "mode: %s\nforward: [%s]\n",
		 iterates ? "iterate" : "forward", zones + iterates);
	l = test_config_load(text, strlen(text));
	config = l.config;
	if (config == NULL)
		printf("\n%s: %s", says, l.printed);
	CU_ASSERT_FATAL(config != NULL);
	l.config = NULL;
	test_config_unload(&l);
	return config;
}

static void config_zones_moved__are_those_whose_servers_are_others(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		static const struct name *moved[CONFIG_ZONES_MOVED_MAX];
		struct config *before = load(rows[i].says, rows[i].before);
		struct config *after = load(rows[i].says, rows[i].after);
		unsigned count = config_zones_moved(before, after, moved);
		char got[256] = "";
		size_t used = 0;

		for (unsigned k = 0; k < count; k++) {
			char text[NAME_TEXT_BYTES_MAX];

			(void)name_to_text(moved[k], text);
			used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%s",
						 k > 0 ? " " : "", text);
			CU_ASSERT_FATAL(used < sizeof(got));
		}
		if (strcmp(got, rows[i].want) != 0)
			printf("\n%s: got \"%s\"", rows[i].says, got);
		CU_ASSERT_STRING_EQUAL(got, rows[i].want);
		config_free(before);
		config_free(after);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_zones_moved__are_those_whose_servers_are_others),
};
UNIT_SUITE(config_zones, tests)
