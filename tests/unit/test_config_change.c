/* What differs between two files: key by key, what needs a restart; and the places of outgoing addresses. */
#include <stdio.h>
#include <string.h>

#include "config/config_change.h"
#include "config/text_value.h"
#include "test_config_fixture.h"
#include "unit.h"

#define CHANGES_MAX 16
#define DEVICE                                                                                     \
	"interfaces:\n"                                                                            \
	"  - {device: net_null0, addresses: [192.0.2.53/24, 192.0.2.54/24, \"2001:db8::53/64\"]}\n"

#define FORWARD "forward: [{zone: ., to: 192.0.2.1}]\n"
#define BASE DEVICE MODE FORWARD

static struct config *load(const char *says, const char *text)
{
	struct loaded l = test_config_load(text, strlen(text));

	struct config *config = l.config;

	if (config == NULL)
		printf("\n%s: %s", says, l.printed);
	CU_ASSERT_FATAL(config != NULL);
	l.config = NULL;
	test_config_unload(&l);
	return config;
}

/* "path path! …", ! for what needs a restart. */
static void describe(const struct config *before, const struct config *after, char *out,
		     size_t out_bytes)
{
	struct config_change changes[CHANGES_MAX];
	unsigned count = config_changes(before, after, changes, CHANGES_MAX);
	size_t used = 0;

	CU_ASSERT_FATAL(count <= CHANGES_MAX);
	out[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		char path[CONFIG_CHANGE_PATH_BYTES];

		used += (size_t)snprintf(out + used, out_bytes - used, "%s%s%s", i > 0 ? " " : "",
					 config_change_path(&changes[i], path),
					 changes[i].needs_restart ? "!" : "");
		CU_ASSERT_FATAL(used < out_bytes);
	}
}

static const struct {
	const char *says;
	const char *before, *after;
	const char *want;
} rows[] = {
	{"the same", BASE, BASE, ""},
	{"a default, written out", BASE, BASE "shutdown_s: 5\n", ""},
	{"another order of keys", DEVICE MODE FORWARD, FORWARD DEVICE MODE, ""},
	{"an address, written otherwise", BASE "listen: \"2001:db8::53\"\n",
	 BASE "listen: [\"2001:DB8:0::53@53\"]\n", ""},
	{"a comment and a list of one", BASE "allow: 10.0.0.0/8\n",
	 BASE "# us\nallow:\n  - 10.0.0.0/8\n", ""},
	{"a value", BASE, BASE "shutdown_s: 6\n", "shutdown_s"},
	{"a boolean", BASE, BASE "outgoing: {case_randomization: false}\n",
	 "outgoing.case_randomization"},
	{"a word in place of a number", BASE "outgoing: {pool_size: 100}\n",
	 BASE "outgoing: {pool_size: all}\n", "outgoing.pool_size"},
	{"one more in a list", BASE "allow: [10.0.0.0/8]\n",
	 BASE "allow: [10.0.0.0/8, 10.1.0.0/16]\n", "allow"},
	{"an order that counts", BASE "listen: [192.0.2.53, 192.0.2.54]\n",
	 BASE "listen: [192.0.2.54, 192.0.2.53]\n", "listen"},
	{"another port of an endpoint", BASE "listen: 192.0.2.53\n", BASE "listen: 192.0.2.53@54\n",
	 "listen"},
	{"ports", BASE "outgoing: {exclude: [4500]}\n", BASE "outgoing: {exclude: [4500-4501]}\n",
	 "outgoing.exclude"},
	{"several", BASE, BASE "shutdown_s: 6\nlog: {level: debug}\n", "log.level shutdown_s"},
	{"a server", BASE, DEVICE MODE "forward: [{zone: ., to: 192.0.2.2}]\n", "forward[.].to"},
	{"a zone that comes", BASE,
	 DEVICE MODE "forward: [{zone: a.example, to: 192.0.2.2}, {zone: ., to: 192.0.2.1}]\n",
	 "forward[a.example]"},
	{"a zone that goes",
	 DEVICE MODE "forward: [{zone: a.example, to: 192.0.2.2}, {zone: ., to: 192.0.2.1}]\n",
	 BASE, "forward[a.example]"},
	{"zones that change places",
	 DEVICE MODE
	 "forward: [{zone: a.example, to: 192.0.2.2}, {zone: b.example, to: 192.0.2.1}]\n",
	 DEVICE MODE
	 "forward: [{zone: b.example., to: 192.0.2.1}, {zone: A.example, to: 192.0.2.2}]\n",
	 ""},
	{"a health check", BASE,
	 DEVICE MODE "forward: [{zone: ., to: 192.0.2.1, health: {rise: 2}}]\n",
	 "forward[.].health.rise"},
	{"a stub zone in place of a forward zone",
	 DEVICE MODE "forward: [{zone: ., to: 192.0.2.1}]\n",
	 DEVICE MODE "forward: [{zone: ., to: 192.0.2.1}]\nstub: [{zone: b, to: 192.0.2.2}]\n",
	 "stub[b]"},
	{"workers", BASE, BASE "workers: 2\n", "workers!"},
	{"a list of workers of the same length and numbers", BASE "workers: 1\n",
	 BASE "workers: [1]\n", "workers!"},
	{"naps", BASE, BASE "poll: busy\n", "poll"},
	{"DPDK's memory", BASE, BASE "dpdk: {memory_mb: 300}\n", "dpdk.memory_mb!"},
	{"EAL arguments", BASE, BASE "dpdk: {eal: [-v]}\n", "dpdk.eal!"},
	{"a device", BASE,
	 "interfaces:\n"
	 "  - {device: net_null1, addresses: [192.0.2.53/24, 192.0.2.54/24, \"2001:db8::53/64\"]}\n" MODE
		 FORWARD,
	 "interfaces[0].device!"},
	{"an interface that comes", BASE,
	 DEVICE "  - {device: net_null1, addresses: 198.51.100.1/24}\n" MODE FORWARD,
	 "interfaces[1]!"},
	{"addresses of an interface", BASE,
	 "interfaces:\n"
	 "  - {device: net_null0, addresses: [192.0.2.53/24, \"2001:db8::53/64\"]}\n" MODE FORWARD,
	 "interfaces[0].addresses"},
	{"a gateway", BASE,
	 "interfaces:\n"
	 "  - {device: net_null0, addresses: [192.0.2.53/24, 192.0.2.54/24, \"2001:db8::53/64\"],\n"
	 "     gateway: 192.0.2.1}\n" MODE "forward: [{zone: ., to: 192.0.2.1}]\n",
	 "interfaces[0].gateway"},
	{"the cache's size and a rule of it", BASE, BASE "cache: {size_mb: 8, min_ttl_s: 5}\n",
	 "cache.min_ttl_s cache.size_mb!"},
	{"what may be under way", BASE, BASE "outgoing: {max_under_way: 100}\n",
	 "outgoing.max_under_way!"},
};

static void config_changes__names_each_key(void)
{
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct config *before = load(rows[i].says, rows[i].before);
		struct config *after = load(rows[i].says, rows[i].after);
		char got[512];

		describe(before, after, got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			printf("\n%s: %s", rows[i].says, got);
		CU_ASSERT_STRING_EQUAL(got, rows[i].want);
		config_free(before);
		config_free(after);
	}
}

static void config_changes__says_where(void)
{
	struct config *before = load("before", BASE), *after = load("after", BASE "workers: 2\n");
	struct config_change change;

	CU_ASSERT_EQUAL(config_changes(before, after, &change, 1), 1);
	CU_ASSERT(change.line == 5 && change.column == 10);
	/* Gone: it has no place any more. Counted, though there is no room for it. */
	CU_ASSERT_EQUAL(config_changes(after, before, NULL, 0), 1);
	config_free(before);
	config_free(after);
}

/* Every key of the table is either refused or taken: a section's keys follow it. */
static void options__restart_is_of_keys(void)
{
	for (unsigned i = 0; i < options_count; i++)
		CU_ASSERT(!options[i].restart || options[i].type != OPTION_SECTION);
}

/* What EAL, the devices, the cores and memory were made of; nothing else. interfaces[] alone is what all are counted by. */
static void options__restart_is_of_what_is_made_once(void)
{
	static const char *const made_once[] = {
		"workers",
		"control_cpu",
		"interfaces",
		"cache.size_mb",
		"outgoing.max_under_way",
		"interfaces[].name",
		"interfaces[].device",
		"interfaces[].mac",
		"interfaces[].vlan",
		"interfaces[].mtu",
		"interfaces[].kernel",
		"interfaces[].tap.name",
		"interfaces[].tap.netns",
	};
	unsigned found = 0;

	for (unsigned i = 0; i < options_count; i++) {
		const char *path = options[i].path;
		bool want = false;

		for (size_t n = 0; n < ARRAY_COUNT(made_once); n++)
			want = want || strcmp(path, made_once[n]) == 0;
		want = want || strncmp(path, "dpdk.", strlen("dpdk.")) == 0;
		found += want;
		if (options[i].restart != want)
			CU_FAIL(path);
	}
	/* And the five of dpdk. */
	CU_ASSERT_EQUAL(found, ARRAY_COUNT(made_once) + 5);
}

/* ---- places of outgoing addresses ---- */

static struct config_outgoing outgoing(const char *address)
{
	struct config_outgoing o = {.prefix_bits = ADDRESS_BITS};

	CU_ASSERT_FATAL(text_value_address(address, &o.address) == TEXT_OK);
	return o;
}

static void fill(struct config *c, unsigned first, unsigned count)
{
	memset(c, 0, sizeof(*c));
	for (unsigned i = 0; i < count; i++) {
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", first + i);
		c->outgoing[c->outgoing_count++] = outgoing(text);
	}
}

static bool is_at(const struct config *c, unsigned place, const char *address, bool retired)
{
	struct config_outgoing want = outgoing(address);

	return place < c->outgoing_count && c->outgoing[place].retired == retired &&
	       address_equal(&c->outgoing[place].address, &want.address);
}

static void config_align_outgoing__keeps_places(void)
{
	static const bool nothing_free[OUTGOING_SLOTS_MAX];
	static const bool all_free[OUTGOING_SLOTS_MAX] = {true, true, true, true, true};
	static struct config a, b, c, d;

	fill(&a, 1, 3); /* .1 .2 .3 */
	fill(&b, 3, 2); /* .3 .4 */
	CU_ASSERT_EQUAL(config_align_outgoing(&a, &b, nothing_free), CONFIG_ALIGN_OK);
	CU_ASSERT_EQUAL(b.outgoing_count, 4);
	CU_ASSERT(is_at(&b, 0, "192.0.2.1", true) && is_at(&b, 1, "192.0.2.2", true) &&
		  is_at(&b, 2, "192.0.2.3", false) && is_at(&b, 3, "192.0.2.4", false));
	/* .2 is back in its place; .5 does not get that of .1, which may still be referred to. */
	fill(&c, 5, 1);
	c.outgoing[c.outgoing_count++] = outgoing("192.0.2.2");
	CU_ASSERT_EQUAL(config_align_outgoing(&b, &c, nothing_free), CONFIG_ALIGN_OK);
	CU_ASSERT_EQUAL(c.outgoing_count, 5);
	CU_ASSERT(is_at(&c, 1, "192.0.2.2", false) && is_at(&c, 4, "192.0.2.5", false) &&
		  is_at(&c, 3, "192.0.2.4", true));
	/* Later it is free; that of one that runs is not, though it goes now. */
	fill(&d, 6, 1);
	CU_ASSERT_EQUAL(config_align_outgoing(&c, &d, all_free), CONFIG_ALIGN_OK);
	CU_ASSERT_EQUAL(d.outgoing_count, 5);
	CU_ASSERT(is_at(&d, 0, "192.0.2.6", false) && is_at(&d, 1, "192.0.2.2", true));
}

static void config_align_outgoing__says_when_all_is_full(void)
{
	static const bool nothing_free[OUTGOING_SLOTS_MAX];
	static struct config a, b, c;

	fill(&a, 1, OUTGOING_MAX);
	fill(&b, 101, OUTGOING_MAX);
	fill(&c, 201, 1);
	CU_ASSERT_EQUAL(config_align_outgoing(&a, &b, nothing_free), CONFIG_ALIGN_OK);
	CU_ASSERT_EQUAL(config_align_outgoing(&b, &c, nothing_free), CONFIG_ALIGN_FULL);
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_changes__names_each_key),
	UNIT_TEST(config_changes__says_where),
	UNIT_TEST(options__restart_is_of_keys),
	UNIT_TEST(options__restart_is_of_what_is_made_once),
	UNIT_TEST(config_align_outgoing__keeps_places),
	UNIT_TEST(config_align_outgoing__says_when_all_is_full),
};
UNIT_SUITE(config_change, tests)
