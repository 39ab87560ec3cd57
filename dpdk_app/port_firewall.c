#include "dpdk_app/port_firewall.h"

#include <inttypes.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"

#define LINE_CHARS 96
/* -m multiport takes so many, a range counting two. */
#define MULTIPORT_MAX 15

enum direction { DIRECTION_OUT = 1, DIRECTION_IN = 2 };

/* What a packet comes by, and the chain of ours that looks at it. */
struct hook {
	const char *hook;
	const char *chain;
	unsigned directions; /* that come by */
};
#define HOOKS_MAX 2

struct table {
	const char *name;
	struct hook hooks[HOOKS_MAX];
	unsigned hook_count;
};

/* What becomes of a packet that begins something, and of one on the way back. */
struct verdict {
	const char *begins;
	const char *back; /* NULL: connection tracking knows those, one rule for all */
};

/* Packets of some of our addresses. */
struct flow {
	bool v6;
	bool asks;    /* own are sources, else listen endpoints */
	uint64_t own; /* bit i: sources[i] or listen[i] */
	unsigned idx; /* the first of them */
};

struct printer {
	FILE *out;
	const struct port_firewall *f;
	const struct table *table;
	const struct verdict *verdict;
};

static bool is_v6(const char *address)
{
	return strchr(address, ':') != NULL;
}

/* ---- what belongs together ---- */

static bool same_ports(const struct port_firewall_source *a, const struct port_firewall_source *b)
{
	return memcmp(&a->ports, &b->ports, sizeof(a->ports)) == 0;
}

/* The first source with these ports: its number names them. */
static unsigned ports_name(const struct port_firewall *f, unsigned source_idx)
{
	unsigned i = 0;

	while (!same_ports(&f->sources[i], &f->sources[source_idx]))
		i++;
	return i;
}

static struct flow source_flow(const struct port_firewall *f, unsigned idx)
{
	struct flow flow = {.v6 = is_v6(f->sources[idx].address), .asks = true, .idx = idx};

	for (unsigned i = 0; i < f->source_count; i++) {
		if (is_v6(f->sources[i].address) == flow.v6 &&
		    same_ports(&f->sources[i], &f->sources[idx]))
			flow.own |= UINT64_C(1) << i;
	}
	return flow;
}

static struct flow listen_flow(const struct port_firewall *f, unsigned idx)
{
	struct flow flow = {.v6 = is_v6(f->listen[idx].address), .idx = idx};

	for (unsigned i = 0; i < f->listen_count; i++) {
		if (is_v6(f->listen[i].address) == flow.v6 &&
		    f->listen[i].port == f->listen[idx].port)
			flow.own |= UINT64_C(1) << i;
	}
	return flow;
}

/* Of several addresses with the same ports, one prints the rules of all. */
static bool is_first(const struct flow *flow)
{
	return (flow->own & ((UINT64_C(1) << flow->idx) - 1)) == 0;
}

/* Servers at port 53 need no rules of their own where any address may be asked there. */
static bool is_named(const struct port_firewall *f, unsigned server_idx)
{
	return !f->any_server || f->servers[server_idx].port != DNS_PORT;
}

static bool is_first_server_of_port(const struct port_firewall *f, unsigned idx)
{
	for (unsigned i = 0; i < idx; i++) {
		if (is_v6(f->servers[i].address) == is_v6(f->servers[idx].address) &&
		    f->servers[i].port == f->servers[idx].port)
			return false;
	}
	return true;
}

static bool has_servers(const struct port_firewall *f, bool v6)
{
	for (unsigned i = 0; i < f->server_count; i++) {
		if (is_v6(f->servers[i].address) == v6)
			return true;
	}
	return f->any_server;
}

enum clients { CLIENTS_NONE, CLIENTS_SOME, CLIENTS_ALL };

/* Who of a family may ask. */
static enum clients clients_of(const struct port_firewall *f, bool v6)
{
	enum clients clients = CLIENTS_NONE;

	for (unsigned i = 0; i < f->client_count; i++) {
		const char *prefix = f->clients[i].prefix;

		if (is_v6(prefix) != v6)
			continue;
		if (strcmp(strchr(prefix, '/') != NULL ? strchr(prefix, '/') : "", "/0") == 0)
			return CLIENTS_ALL;
		clients = CLIENTS_SOME;
	}
	return clients;
}

static const char *own_address(const struct port_firewall *f, const struct flow *flow, unsigned idx)
{
	return flow->asks ? f->sources[idx].address : f->listen[idx].address;
}

/* ---- ports ---- */

struct run {
	uint32_t first, last;
};

/* The first run of ports from `from` on. */
static bool next_run(const struct port_map *m, uint32_t from, struct run *out)
{
	while (from < PORT_COUNT && !port_map_has(m, (uint16_t)from))
		from++;
	if (from == PORT_COUNT)
		return false;
	out->first = from;
	while (from < PORT_COUNT && port_map_has(m, (uint16_t)from))
		from++;
	out->last = from - 1;
	return true;
}

/* Returns the characters printed. */
static int print_run(FILE *out, const struct run *run, char between)
{
	if (run->first == run->last)
		return fprintf(out, "%" PRIu32, run->first);
	return fprintf(out, "%" PRIu32 "%c%" PRIu32, run->first, between, run->last);
}

/* ---- what a reader should know ---- */

static const char *program_of(enum port_firewall_format format)
{
	static const char *const programs[] = {
		[PORT_FIREWALL_NFT] = "nft",
		[PORT_FIREWALL_IPTABLES] = "iptables",
		[PORT_FIREWALL_IP6TABLES] = "ip6tables",
	};

	return programs[format];
}

static void print_purpose(FILE *out, const struct port_firewall *f)
{
	const char *program = program_of(f->format);

	fprintf(out, "# Lets Portico's packets through; made by `porticoctl ports firewall %s`.\n",
		program);
	switch (f->place) {
	case PORT_FIREWALL_FORWARD:
		fputs("# For a firewall or router in front of Portico (chain forward; --chain host: "
		      "input and output).\n",
		      out);
		break;
	case PORT_FIREWALL_HOST:
		fputs("# For the host's own packet filter (chains input and output), where it sees the "
		      "packets.\n",
		      out);
		break;
	}
	fputs("# The packets of a dedicated device never pass the packet filter of Portico's own host; "
	      "those of a shared\n"
	      "# device only where AF_XDP or af_packet leave them to the kernel.\n"
	      "# UDP, whole packets: a fragment has no ports, and is not let through by these rules.\n",
	      out);
}

/* A line for the shell: what jumps to our chain, if nothing does yet. */
static void print_jump(FILE *out, const struct port_firewall *f, const struct table *t,
		       const struct hook *hook)
{
	const char *program = program_of(f->format);

	if (f->format == PORT_FIREWALL_NFT)
		fprintf(out,
			"#   nft list chain inet %s %s | grep -qw 'jump %s' || nft insert rule inet %s %s jump "
			"%s\n",
			t->name, hook->hook, hook->chain, t->name, hook->hook, hook->chain);
	else
		fprintf(out, "#   %s -t %s -C %s -j %s 2>/dev/null || %s -t %s -I %s -j %s\n",
			program, t->name, hook->hook, hook->chain, program, t->name, hook->hook,
			hook->chain);
}

static void print_jumps(FILE *out, const struct port_firewall *f, const struct table *t)
{
	for (unsigned i = 0; i < t->hook_count; i++)
		print_jump(out, f, t, &t->hooks[i]);
}

/* raw: where packets are exempted from connection tracking, or NULL: nowhere that needs a jump. */
static void print_loading(FILE *out, const struct port_firewall *f, const struct table *filter,
			  const struct table *raw)
{
	fprintf(out,
		"# Load: %s%s FILE. Loaded again it replaces its own rules, and nothing else: the policy and "
		"all\n"
		"# other rules stay. It does nothing until the filter's own chain jumps to it. Once, and after "
		"that chain\n"
		"# has been made anew (in the shell; doing it twice does no harm):\n",
		program_of(f->format),
		f->format == PORT_FIREWALL_NFT ? " -f" : "-restore --noflush");
	print_jumps(out, f, filter);
	if (raw != NULL)
		print_jumps(out, f, raw);
	if (f->format == PORT_FIREWALL_NFT)
		fputs("# Where the table that drops packets is not inet filter, put its name for that one: no "
		      "table overrules\n"
		      "# the drop of another.\n",
		      out);
}

static void print_state(FILE *out, const struct port_firewall *f)
{
	switch (f->state) {
	case PORT_FIREWALL_STATELESS:
		fputs("# Stateless. Where connection tracking runs, its table fills at line rate: "
		      "--notrack keeps these\n"
		      "# packets out of it (not where they go through NAT); --stateful uses it instead.\n",
		      out);
		break;
	case PORT_FIREWALL_NOTRACK:
		fputs("# Connection tracking leaves these packets alone: not for where they go through "
		      "NAT.\n",
		      out);
		break;
	case PORT_FIREWALL_STATEFUL:
		fputs("# Stateful: each query takes a place in the connection tracking table "
		      "(net.netfilter.nf_conntrack_max)\n"
		      "# for net.netfilter.nf_conntrack_udp_timeout seconds.\n",
		      out);
		break;
	}
}

static bool concerns(const struct port_firewall *f, bool v6)
{
	switch (f->format) {
	case PORT_FIREWALL_NFT:
		return true;
	case PORT_FIREWALL_IPTABLES:
		return !v6;
	case PORT_FIREWALL_IP6TABLES:
		return v6;
	}
	return false;
}

static void print_sources(FILE *out, const struct port_firewall *f)
{
	for (unsigned i = 0; i < f->source_count; i++) {
		const struct port_firewall_source *s = &f->sources[i];

		if (!concerns(f, is_v6(s->address)))
			continue;
		if (!has_servers(f, is_v6(s->address)))
			fprintf(out, "# %s: no server is %s, so it asks none.\n", s->address,
				is_v6(s->address) ? "IPv6" : "IPv4");
		if (s->pool > 0)
			fprintf(out,
				"# %s: the pool is %" PRIu32 " ports and ROTATES: all %" PRIu32
				" eligible ones are let through.\n",
				s->address, s->pool, port_map_count(&s->ports));
		if (s->held > 0)
			fprintf(out,
				"# %s: %" PRIu32
				" of its ports are held by processes now, and let through "
				"as they come back.\n",
				s->address, s->held);
	}
}

static void print_clients(FILE *out, const struct port_firewall *f)
{
	for (unsigned i = 0; i < f->listen_count; i++) {
		bool v6 = is_v6(f->listen[i].address);

		if (concerns(f, v6) && clients_of(f, v6) == CLIENTS_NONE)
			fprintf(out, "# %s: allow names no %s network, so nobody asks there.\n",
				f->listen[i].address, v6 ? "IPv6" : "IPv4");
	}
}

/* iptables has a program for each family. */
static void print_other_family(FILE *out, const struct port_firewall *f)
{
	bool has[2] = {false, false};
	bool v6 = f->format == PORT_FIREWALL_IP6TABLES;

	if (f->format == PORT_FIREWALL_NFT)
		return;
	for (unsigned i = 0; i < f->source_count; i++)
		has[is_v6(f->sources[i].address)] = true;
	for (unsigned i = 0; i < f->listen_count; i++)
		has[is_v6(f->listen[i].address)] = true;
	if (has[!v6])
		fprintf(out,
			"# %s only: there are %s addresses too: porticoctl ports firewall %s\n",
			v6 ? "IPv6" : "IPv4", v6 ? "IPv4" : "IPv6",
			program_of(v6 ? PORT_FIREWALL_IPTABLES : PORT_FIREWALL_IP6TABLES));
	if (!has[v6])
		fprintf(out, "# There is no %s address: no rules.\n", v6 ? "IPv6" : "IPv4");
}

static void print_header(FILE *out, const struct port_firewall *f, const struct table *filter,
			 const struct table *raw)
{
	print_purpose(out, f);
	print_loading(out, f, filter, raw);
	print_state(out, f);
	print_sources(out, f);
	print_clients(out, f);
	print_other_family(out, f);
}

/* ---- nft ---- */

static void nft_define_ports(FILE *out, const struct port_firewall *f, unsigned source_idx)
{
	struct run run;
	int chars = LINE_CHARS;

	fprintf(out, "define portico_ports_%u = {", source_idx + 1);
	for (uint32_t at = 0; next_run(&f->sources[source_idx].ports, at, &run);
	     at = run.last + 1) {
		if (chars >= LINE_CHARS)
			chars = fprintf(out, "%s\n\t", at == 0 ? "" : ",");
		else
			chars += fprintf(out, ", ");
		chars += print_run(out, &run, '-');
	}
	fputs("\n}\n", out);
}

static void nft_define_servers(FILE *out, const struct port_firewall *f, unsigned first)
{
	bool v6 = is_v6(f->servers[first].address);

	fprintf(out, "define portico_servers_%s_%u = {", v6 ? "ip6" : "ip", f->servers[first].port);
	for (unsigned i = first; i < f->server_count; i++) {
		if (is_v6(f->servers[i].address) == v6 &&
		    f->servers[i].port == f->servers[first].port)
			fprintf(out, "%s\n\t%s", i == first ? "" : ",", f->servers[i].address);
	}
	fputs("\n}\n", out);
}

static void nft_define_clients(FILE *out, const struct port_firewall *f, bool v6)
{
	const char *before = "";

	if (clients_of(f, v6) != CLIENTS_SOME)
		return;
	fprintf(out, "define portico_clients_%s = {", v6 ? "ip6" : "ip");
	for (unsigned i = 0; i < f->client_count; i++) {
		if (is_v6(f->clients[i].prefix) != v6)
			continue;
		fprintf(out, "%s\n\t%s", before, f->clients[i].prefix);
		before = ",";
	}
	fputs("\n}\n", out);
}

static void nft_defines(FILE *out, const struct port_firewall *f)
{
	for (unsigned i = 0; i < f->source_count; i++) {
		if (ports_name(f, i) == i)
			nft_define_ports(out, f, i);
	}
	for (unsigned i = 0; i < f->server_count; i++) {
		if (is_named(f, i) && is_first_server_of_port(f, i))
			nft_define_servers(out, f, i);
	}
	nft_define_clients(out, f, false);
	nft_define_clients(out, f, true);
}

/* "ip saddr { A, B } ": what = saddr or daddr. */
static void nft_own(const struct printer *p, const struct flow *flow, const char *what)
{
	unsigned count = flow->asks ? p->f->source_count : p->f->listen_count;
	const char *before = "";

	fprintf(p->out, "%s %s { ", flow->v6 ? "ip6" : "ip", what);
	for (unsigned i = 0; i < count; i++) {
		if ((flow->own >> i & 1) == 0)
			continue;
		fprintf(p->out, "%s%s", before, own_address(p->f, flow, i));
		before = ", ";
	}
	fputs(" } ", p->out);
}

/* Between these sources and the servers that are asked at this port; DNS_PORT: or anybody. */
static void nft_ask_rule(const struct printer *p, const struct flow *flow, uint16_t server_port,
			 enum direction direction)
{
	const char *family = flow->v6 ? "ip6" : "ip";
	bool outwards = direction == DIRECTION_OUT;

	fputs("\t\t", p->out);
	nft_own(p, flow, outwards ? "saddr" : "daddr");
	fprintf(p->out, "udp %s $portico_ports_%u ", outwards ? "sport" : "dport",
		ports_name(p->f, flow->idx) + 1);
	if (!p->f->any_server || server_port != DNS_PORT)
		fprintf(p->out, "%s %s $portico_servers_%s_%u ", family,
			outwards ? "daddr" : "saddr", family, server_port);
	fprintf(p->out, "udp %s %u %s\n", outwards ? "dport" : "sport", server_port,
		outwards ? p->verdict->begins : p->verdict->back);
}

static void nft_listen_rule(const struct printer *p, const struct flow *flow,
			    enum direction direction)
{
	const char *family = flow->v6 ? "ip6" : "ip";
	bool inwards = direction == DIRECTION_IN;

	fputs("\t\t", p->out);
	nft_own(p, flow, inwards ? "daddr" : "saddr");
	if (clients_of(p->f, flow->v6) == CLIENTS_SOME)
		fprintf(p->out, "%s %s $portico_clients_%s ", family, inwards ? "saddr" : "daddr",
			family);
	fprintf(p->out, "udp %s %u %s\n", inwards ? "dport" : "sport", p->f->listen[flow->idx].port,
		inwards ? p->verdict->begins : p->verdict->back);
}

static void nft_ask_rules(const struct printer *p, const struct flow *flow,
			  enum direction direction)
{
	if (p->f->any_server)
		nft_ask_rule(p, flow, DNS_PORT, direction);
	for (unsigned i = 0; i < p->f->server_count; i++) {
		if (is_v6(p->f->servers[i].address) == flow->v6 && is_named(p->f, i) &&
		    is_first_server_of_port(p->f, i))
			nft_ask_rule(p, flow, p->f->servers[i].port, direction);
	}
}

/* Both ways of a flow, as far as they come by this hook. */
static void nft_flow(const struct printer *p, const struct hook *hook, const struct flow *flow)
{
	enum direction begins = flow->asks ? DIRECTION_OUT : DIRECTION_IN;

	for (unsigned d = DIRECTION_OUT; d <= DIRECTION_IN; d++) {
		if ((hook->directions & d) == 0 || (d != begins && p->verdict->back == NULL))
			continue;
		if (flow->asks)
			nft_ask_rules(p, flow, (enum direction)d);
		else
			nft_listen_rule(p, flow, (enum direction)d);
	}
	/* On the way back connection tracking tells. */
	if (p->verdict->back == NULL && (hook->directions & ~(unsigned)begins) != 0) {
		fputs("\t\t", p->out);
		nft_own(p, flow, flow->asks ? "daddr" : "saddr");
		fputs("meta l4proto udp ct state established accept\n", p->out);
	}
}

static void nft_rules(const struct printer *p, const struct hook *hook)
{
	fputs("\t\t# queries and their replies\n", p->out);
	for (unsigned i = 0; i < p->f->source_count; i++) {
		struct flow flow = source_flow(p->f, i);

		if (is_first(&flow) && has_servers(p->f, flow.v6))
			nft_flow(p, hook, &flow);
	}
	fputs("\t\t# questions and their answers\n", p->out);
	for (unsigned i = 0; i < p->f->listen_count; i++) {
		struct flow flow = listen_flow(p->f, i);

		if (is_first(&flow) && clients_of(p->f, flow.v6) != CLIENTS_NONE)
			nft_flow(p, hook, &flow);
	}
}

static void nft_filter(FILE *out, const struct port_firewall *f, const struct table *t,
		       const struct verdict *verdict)
{
	const struct printer p = {out, f, t, verdict};

	fprintf(out, "\ntable inet %s {\n", t->name);
	for (unsigned i = 0; i < t->hook_count; i++)
		fprintf(out, "\tchain %s {\n\t}\n", t->hooks[i].chain);
	fputs("}\n", out);
	for (unsigned i = 0; i < t->hook_count; i++)
		fprintf(out, "flush chain inet %s %s\n", t->name, t->hooks[i].chain);
	fprintf(out, "table inet %s {\n", t->name);
	for (unsigned i = 0; i < t->hook_count; i++) {
		fprintf(out, "\tchain %s {\n", t->hooks[i].chain);
		nft_rules(&p, &t->hooks[i]);
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}

/* A table of its own, made anew by each load: what is not tracked is so whatever other tables say. */
static void nft_notrack(FILE *out, const struct port_firewall *f)
{
	static const struct table tables[] = {
		[PORT_FIREWALL_FORWARD] = {.hooks = {{"prerouting", "prerouting",
						      DIRECTION_OUT | DIRECTION_IN}},
					   .hook_count = 1},
		[PORT_FIREWALL_HOST] = {.hooks = {{"prerouting", "prerouting", DIRECTION_IN},
						  {"output", "output", DIRECTION_OUT}},
					.hook_count = 2},
	};
	static const struct verdict verdict = {"notrack", "notrack"};
	const struct table *t = &tables[f->place];
	const struct printer p = {out, f, t, &verdict};

	fputs("\ntable inet portico_notrack\ndelete table inet portico_notrack\n"
	      "table inet portico_notrack {\n",
	      out);
	for (unsigned i = 0; i < t->hook_count; i++) {
		fprintf(out, "\tchain %s {\n\t\ttype filter hook %s priority raw;\n",
			t->hooks[i].chain, t->hooks[i].hook);
		nft_rules(&p, &t->hooks[i]);
		fputs("\t}\n", out);
	}
	fputs("}\n", out);
}

static void print_nft(FILE *out, const struct port_firewall *f)
{
	static const struct table filter[] = {
		[PORT_FIREWALL_FORWARD] = {.name = "filter",
					   .hooks = {{"forward", "portico",
						      DIRECTION_OUT | DIRECTION_IN}},
					   .hook_count = 1},
		[PORT_FIREWALL_HOST] = {.name = "filter",
					.hooks = {{"input", "portico_in", DIRECTION_IN},
						  {"output", "portico_out", DIRECTION_OUT}},
					.hook_count = 2},
	};
	static const struct verdict stateless = {"accept", "accept"};
	static const struct verdict stateful = {"ct state new,established accept", NULL};
	const struct table *t = &filter[f->place];

	fputs("#!/usr/sbin/nft -f\n", out);
	print_header(out, f, t, NULL);
	nft_defines(out, f);
	nft_filter(out, f, t, f->state == PORT_FIREWALL_STATEFUL ? &stateful : &stateless);
	if (f->state == PORT_FIREWALL_NOTRACK)
		nft_notrack(out, f);
}

/* ---- iptables and ip6tables ---- */

/* Chains that look at the other side, once for all addresses and ports of ours. */
#define CHAIN_TO_SERVERS "PORTICO-TO"
#define CHAIN_FROM_SERVERS "PORTICO-FROM"
#define CHAIN_FROM_CLIENTS "PORTICO-ASK"
#define CHAIN_TO_CLIENTS "PORTICO-ANSWER"

/* The ports of a source in lines that multiport takes. */
static void xt_ask_rules(const struct printer *p, unsigned source_idx, enum direction direction,
			 const char *chain)
{
	const struct port_firewall_source *s = &p->f->sources[source_idx];
	bool outwards = direction == DIRECTION_OUT;
	const char *target = outwards ? CHAIN_TO_SERVERS : CHAIN_FROM_SERVERS;
	unsigned taken = 0;
	struct run run;

	for (uint32_t at = 0; next_run(&s->ports, at, &run); at = run.last + 1) {
		unsigned places = run.first == run.last ? 1 : 2;

		if (taken > 0 && taken + places > MULTIPORT_MAX) {
			fprintf(p->out, " -j %s\n", target);
			taken = 0;
		}
		if (taken == 0)
			fprintf(p->out, "-A %s -%c %s -p udp -m multiport --%s ", chain,
				outwards ? 's' : 'd', s->address, outwards ? "sports" : "dports");
		else
			fputc(',', p->out);
		print_run(p->out, &run, ':');
		taken += places;
	}
	if (taken > 0)
		fprintf(p->out, " -j %s\n", target);
}

static void xt_established(const struct printer *p, const char *chain, char side,
			   const char *address)
{
	fprintf(p->out, "-A %s -%c %s -p udp -m conntrack --ctstate ESTABLISHED -j ACCEPT\n", chain,
		side, address);
}

static void xt_source(const struct printer *p, const struct hook *hook, unsigned idx)
{
	const char *address = p->f->sources[idx].address;

	if (hook->directions & DIRECTION_OUT)
		xt_ask_rules(p, idx, DIRECTION_OUT, hook->chain);
	if ((hook->directions & DIRECTION_IN) == 0)
		return;
	if (p->verdict->back == NULL)
		xt_established(p, hook->chain, 'd', address);
	else
		xt_ask_rules(p, idx, DIRECTION_IN, hook->chain);
}

static void xt_listen(const struct printer *p, const struct hook *hook,
		      const struct port_firewall_endpoint *listen)
{
	if (hook->directions & DIRECTION_IN)
		fprintf(p->out, "-A %s -d %s -p udp --dport %u -j %s\n", hook->chain,
			listen->address, listen->port, CHAIN_FROM_CLIENTS);
	if ((hook->directions & DIRECTION_OUT) == 0)
		return;
	if (p->verdict->back == NULL)
		xt_established(p, hook->chain, 's', listen->address);
	else
		fprintf(p->out, "-A %s -s %s -p udp --sport %u -j %s\n", hook->chain,
			listen->address, listen->port, CHAIN_TO_CLIENTS);
}

static void xt_hook(const struct printer *p, const struct hook *hook)
{
	for (unsigned i = 0; i < p->f->source_count; i++) {
		bool v6 = is_v6(p->f->sources[i].address);

		if (concerns(p->f, v6) && has_servers(p->f, v6))
			xt_source(p, hook, i);
	}
	for (unsigned i = 0; i < p->f->listen_count; i++) {
		bool v6 = is_v6(p->f->listen[i].address);

		if (concerns(p->f, v6) && clients_of(p->f, v6) != CLIENTS_NONE)
			xt_listen(p, hook, &p->f->listen[i]);
	}
}

static void xt_servers(const struct printer *p)
{
	const struct port_firewall *f = p->f;

	if (f->any_server) {
		fprintf(p->out, "-A %s -p udp --dport %u %s\n", CHAIN_TO_SERVERS, DNS_PORT,
			p->verdict->begins);
		if (p->verdict->back != NULL)
			fprintf(p->out, "-A %s -p udp --sport %u %s\n", CHAIN_FROM_SERVERS,
				DNS_PORT, p->verdict->back);
	}
	for (unsigned i = 0; i < f->server_count; i++) {
		const struct port_firewall_endpoint *server = &f->servers[i];

		if (!concerns(f, is_v6(server->address)) || !is_named(f, i))
			continue;
		fprintf(p->out, "-A %s -d %s -p udp --dport %u %s\n", CHAIN_TO_SERVERS,
			server->address, server->port, p->verdict->begins);
		if (p->verdict->back != NULL)
			fprintf(p->out, "-A %s -s %s -p udp --sport %u %s\n", CHAIN_FROM_SERVERS,
				server->address, server->port, p->verdict->back);
	}
}

static void xt_clients(const struct printer *p)
{
	for (unsigned i = 0; i < p->f->client_count; i++) {
		const char *prefix = p->f->clients[i].prefix;

		if (!concerns(p->f, is_v6(prefix)))
			continue;
		fprintf(p->out, "-A %s -s %s -p udp %s\n", CHAIN_FROM_CLIENTS, prefix,
			p->verdict->begins);
		if (p->verdict->back != NULL)
			fprintf(p->out, "-A %s -d %s -p udp %s\n", CHAIN_TO_CLIENTS, prefix,
				p->verdict->back);
	}
}

static void xt_table(const struct printer *p)
{
	fprintf(p->out, "*%s\n", p->table->name);
	for (unsigned i = 0; i < p->table->hook_count; i++)
		fprintf(p->out, ":%s - [0:0]\n", p->table->hooks[i].chain);
	fprintf(p->out, ":%s - [0:0]\n:%s - [0:0]\n", CHAIN_TO_SERVERS, CHAIN_FROM_CLIENTS);
	if (p->verdict->back != NULL)
		fprintf(p->out, ":%s - [0:0]\n:%s - [0:0]\n", CHAIN_FROM_SERVERS, CHAIN_TO_CLIENTS);
	xt_servers(p);
	xt_clients(p);
	for (unsigned i = 0; i < p->table->hook_count; i++)
		xt_hook(p, &p->table->hooks[i]);
	fputs("COMMIT\n", p->out);
}

static void print_xtables(FILE *out, const struct port_firewall *f)
{
	static const struct table filter[] = {
		[PORT_FIREWALL_FORWARD] = {"filter",
					   {{"FORWARD", "PORTICO", DIRECTION_OUT | DIRECTION_IN}},
					   1},
		[PORT_FIREWALL_HOST] = {"filter",
					{{"INPUT", "PORTICO-IN", DIRECTION_IN},
					 {"OUTPUT", "PORTICO-OUT", DIRECTION_OUT}},
					2},
	};
	static const struct table raw[] = {
		[PORT_FIREWALL_FORWARD] =
			{"raw", {{"PREROUTING", "PORTICO", DIRECTION_OUT | DIRECTION_IN}}, 1},
		[PORT_FIREWALL_HOST] = {"raw",
					{{"PREROUTING", "PORTICO-IN", DIRECTION_IN},
					 {"OUTPUT", "PORTICO-OUT", DIRECTION_OUT}},
					2},
	};
	static const struct verdict stateless = {"-j ACCEPT", "-j ACCEPT"};
	static const struct verdict stateful = {"-m conntrack --ctstate NEW,ESTABLISHED -j ACCEPT",
						NULL};
	static const struct verdict notrack = {"-j CT --notrack", "-j CT --notrack"};
	bool tracks = f->state == PORT_FIREWALL_STATEFUL;
	const struct printer main = {out, f, &filter[f->place], tracks ? &stateful : &stateless};
	const struct printer untracked = {out, f, &raw[f->place], &notrack};

	print_header(out, f, &filter[f->place],
		     f->state == PORT_FIREWALL_NOTRACK ? &raw[f->place] : NULL);
	xt_table(&main);
	if (f->state == PORT_FIREWALL_NOTRACK)
		xt_table(&untracked);
}

void port_firewall_print(FILE *out, const struct port_firewall *f)
{
	switch (f->format) {
	case PORT_FIREWALL_NFT:
		print_nft(out, f);
		break;
	case PORT_FIREWALL_IPTABLES:
	case PORT_FIREWALL_IP6TABLES:
		print_xtables(out, f);
		break;
	}
}
