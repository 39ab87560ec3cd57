/* Source ports: what the file allows must leave each outgoing address some, and what makes them easy to guess is said.
 * What the kernel reserves and processes hold is looked at by the running program. */
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "core/source_set.h"

#define KEY "outgoing."
#define KERNEL_RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define IDENTIFIERS_SHARE 4 /* of a prefix's addresses: replaced ones are ours for a while too */
#define SEE "see `porticoctl ports firewall`"

static struct port_map map_of(const struct setting *setting)
{
	struct port_map map;

	port_map_clear(&map);
	for (unsigned i = 0; i < setting->item_count; i++)
		port_map_add(&map, setting->items[i].as.ports.first,
			     setting->items[i].as.ports.last);
	return map;
}

/* A number, or 0 where the value is a word. */
static unsigned number_of(const struct group *g, const char *key)
{
	const struct item *item = settings_item(g, key);

	return item->word >= 0 ? 0 : (unsigned)item->as.integer;
}

static void read_rules(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *range = settings_find(top, KEY "range");
	const struct setting *pool_size = settings_find(top, KEY "pool_size");
	const struct setting *send_port = settings_find(top, KEY "send_port");

	b->config->ports = (struct config_ports){
		.send_port = (uint16_t)number_of(top, KEY "send_port"),
		.pool_size = number_of(top, KEY "pool_size"),
		.range = map_of(range),
		.exclude = map_of(settings_find(top, KEY "exclude")),
		.exclude_defaults = settings_bool(top, KEY "exclude_defaults"),
		.respect_kernel = settings_bool(top, KEY "respect_kernel"),
		.reserve_in_kernel = settings_bool(top, KEY "reserve_in_kernel"),
		.rotate_s = (uint32_t)settings_integer(top, KEY "rotate_s"),
		.v6_identifiers = (uint16_t)settings_integer(top, KEY "v6_identifiers"),
		.range_line = range->place.line,
		.range_column = range->place.column,
		.pool_size_line = pool_size->place.line,
		.pool_size_column = pool_size->place.column,
		.send_port_line = send_port->place.line,
		.send_port_column = send_port->place.column,
	};
}

/* ---- is anything left? ---- */

/* The rules that the file has, in the order in which they take ports; each with its remedy. */
static const struct {
	enum port_verdict verdict;
	const char *key;
	const char *remedy;
} rules[] = {
	{PORT_OUT_OF_RANGE, KEY "range", "name ports, such as 1024-65535"},
	{PORT_EXCLUDED, KEY "exclude", "exclude fewer, or widen outgoing.range"},
	{PORT_CLAIMED, KEY "exclude_defaults", "widen outgoing.range, or set it to false"},
	{PORT_LISTENS, "listen", "listen on another port, or widen outgoing.range"},
};

/* The rule that took the last of the ports: the last that took any. */
static unsigned emptied_by(const struct port_plan *plan)
{
	unsigned last = 0;

	for (unsigned i = 1; i < ARRAY_COUNT(rules); i++)
		if (plan->counts[rules[i].verdict] > 0)
			last = i;
	return last;
}

/* Where to look first: what the file says itself, not its defaults. */
static const struct setting *setting_to_look_at(const struct group *top, const char *key)
{
	const struct setting *setting = settings_find(top, key);

	if (!setting->given && settings_find(top, KEY "range")->given)
		setting = settings_find(top, KEY "range");
	if (!setting->given && settings_find(top, KEY "exclude")->given)
		setting = settings_find(top, KEY "exclude");
	return setting;
}

#define COUNTS_BYTES 128
static const char *counts_text(const struct port_plan *plan, char out[COUNTS_BYTES])
{
	snprintf(out, COUNTS_BYTES,
		 "%u in range, %u less by exclude, %u by exclude_defaults, %u by listen",
		 PORT_COUNT - plan->counts[PORT_OUT_OF_RANGE], plan->counts[PORT_EXCLUDED],
		 plan->counts[PORT_CLAIMED], plan->counts[PORT_LISTENS]);
	return out;
}

/* False: too few, and that was said. */
static bool check_plan(struct build *b, const struct port_plan *plan,
		       const struct config_outgoing *outgoing)
{
	const struct group *top = &b->settings->top;
	unsigned eligible = plan->counts[PORT_ELIGIBLE];
	char text[TEXT_ADDRESS_BYTES], counts[COUNTS_BYTES];

	build_outgoing_text(outgoing, text);
	counts_text(plan, counts);
	if (eligible == 0) {
		unsigned rule = emptied_by(plan);

		settings_error(b->problems, top, setting_to_look_at(top, rules[rule].key), NULL,
			       "no source port is left for %s: %s; %s took the last: %s", text,
			       counts, rules[rule].key, rules[rule].remedy);
		return false;
	}
	if (b->config->ports.pool_size > eligible) {
		settings_error(
			b->problems, top, settings_find(top, KEY "pool_size"), NULL,
			"%u is more than the %u ports that %s may use (%s), allowed: all or 1 "
			"to %u, or widen outgoing.range",
			b->config->ports.pool_size, eligible, text, counts, eligible);
		return false;
	}
	return true;
}

/* ---- what makes ports easy to guess ---- */

static void warn_of_few(struct build *b, unsigned eligible, const struct config_outgoing *outgoing)
{
	const struct group *top = &b->settings->top;
	unsigned pool = b->config->ports.pool_size;
	char text[TEXT_ADDRESS_BYTES];

	if (pool != 0 && pool < SOURCE_SET_SMALL)
		settings_warning(
			b->problems, top, settings_find(top, KEY "pool_size"), NULL,
			"%u is %.1f bits of port entropy, all (%u ports) is %.1f: forged "
			"answers are that much easier; all is as fast, and `porticoctl ports "
			"why` tells what is left out of it",
			pool, log2(pool), eligible, log2(eligible));
	else if (pool == 0 && eligible < SOURCE_SET_SMALL)
		settings_warning(
			b->problems, top, setting_to_look_at(top, KEY "range"), NULL,
			"%u ports are left for %s: %.1f bits of port entropy, 1024-65535 is "
			"almost 16: forged answers are that much easier; let the firewall pass "
			"more and widen outgoing.range; " SEE,
			eligible, build_outgoing_text(outgoing, text), log2(eligible));
}

static void warn_of_send_port(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct config *c = b->config;
	unsigned pool = c->ports.pool_size;

	settings_warning(
		b->problems, top, settings_find(top, KEY "send_port"), NULL,
		"every query leaves from port %u: 0 bits of port entropy, an attacker has "
		"only the ID (16 bits)%s to guess; let the firewall pass the range and set "
		"outgoing.send_port: random; " SEE,
		c->ports.send_port, c->case_randomization ? " and the letter case" : "");
	if (pool > 1)
		settings_warning(b->problems, top, settings_find(top, KEY "pool_size"), NULL,
				 "%u has no effect: outgoing.send_port: %u leaves one port", pool,
				 c->ports.send_port);
}

static void check_ports(struct build *b)
{
	struct config *c = b->config;
	struct port_plan *plan = scratch_take(b->scratch, sizeof(*plan));
	struct port_map listen = {{0}}, listen_before = {{0}};
	unsigned fewest = PORT_COUNT, fewest_idx = 0;

	for (unsigned i = 0; i < c->outgoing_count; i++) {
		const struct port_rules own = config_port_rules(c, i, &listen);

		/* All else is the same for all. */
		if (i > 0 && memcmp(&listen, &listen_before, sizeof(listen)) == 0)
			continue;
		listen_before = listen;
		port_plan_make(plan, &own);
		if (!check_plan(b, plan, &c->outgoing[i]))
			return;
		if (plan->counts[PORT_ELIGIBLE] < fewest) {
			fewest = plan->counts[PORT_ELIGIBLE];
			fewest_idx = i;
		}
	}
	if (c->outgoing_count > 0)
		warn_of_few(b, fewest, &c->outgoing[fewest_idx]);
}

/* ---- the rest ---- */

/* Live identifiers, those that were replaced and still get replies, and all other stations share a prefix. */
static void check_identifiers(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *setting = settings_find(top, KEY "v6_identifiers");
	const struct config *c = b->config;
	char text[TEXT_ADDRESS_BYTES];

	for (unsigned i = 0; i < c->outgoing_count && !setting->broken; i++) {
		unsigned host_bits = ADDRESS_BITS - c->outgoing[i].prefix_bits;
		uint64_t most = SOURCE_IDENTIFIERS_MAX;

		if (host_bits == 0)
			continue;
		if (host_bits < 32 && (UINT64_C(1) << host_bits) / IDENTIFIERS_SHARE < most)
			most = (UINT64_C(1) << host_bits) / IDENTIFIERS_SHARE;
		if (c->ports.v6_identifiers <= most)
			continue;
		settings_error(b->problems, top, setting, NULL,
			       "%u is too many for %s, which has %u addresses, allowed: 1 to %u (a "
			       "quarter of them)",
			       c->ports.v6_identifiers, build_outgoing_text(&c->outgoing[i], text),
			       1u << host_bits, (unsigned)most);
		return;
	}
}

static void check_reservation(struct build *b)
{
	const struct group *top = &b->settings->top;

	if (b->config->ports.reserve_in_kernel &&
	    faccessat(AT_FDCWD, KERNEL_RESERVED, W_OK, AT_EACCESS) != 0)
		settings_warning(b->problems, top, settings_find(top, KEY "reserve_in_kernel"),
				 NULL,
				 "needs root: this user may not write " KERNEL_RESERVED
				 "; start Portico as root, or reserve the ports there by hand");
}

void build_ports(struct build *b)
{
	static const char *const counted[] = {KEY "range", KEY "exclude", KEY "exclude_defaults",
					      KEY "pool_size", KEY "send_port"};
	const struct group *top = &b->settings->top;
	bool known = true;

	read_rules(b);
	check_identifiers(b);
	check_reservation(b);
	for (size_t i = 0; i < ARRAY_COUNT(counted); i++)
		known = known && !settings_find(top, counted[i])->broken;
	if (!known)
		return;
	if (b->config->ports.send_port != 0)
		warn_of_send_port(b);
	else
		check_ports(b);
}
