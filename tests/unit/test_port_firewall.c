#include "dpdk_app/port_firewall.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define MULTIPORT_MAX 15 /* iptables-extensions(8) */

/* One address of each family, from 10 to 20 and 30; two servers, one of them IPv6; a network of clients of each family. */
static struct port_firewall *make_firewall(enum port_firewall_format format,
					   enum port_firewall_place place,
					   enum port_firewall_state state)
{
	struct port_firewall *f = calloc(1, sizeof(*f));

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	f->format = format;
	f->place = place;
	f->state = state;
	f->source_count = 2;
	strcpy(f->sources[0].address, "198.18.0.53");
	strcpy(f->sources[1].address, "2001:2::53");
	for (unsigned i = 0; i < f->source_count; i++) {
		port_map_add(&f->sources[i].ports, 10, 20);
		port_map_add(&f->sources[i].ports, 30, 30);
	}
	f->listen_count = 1;
	f->listen[0] = (struct port_firewall_endpoint){"198.18.0.53", 53};
	f->client_count = 2;
	strcpy(f->clients[0].prefix, "198.18.1.0/24");
	strcpy(f->clients[1].prefix, "2001:2:0:1::/64");
	f->server_count = 2;
	f->servers[0] = (struct port_firewall_endpoint){"198.18.0.20", 5300};
	f->servers[1] = (struct port_firewall_endpoint){"2001:2::20", 53};
	return f;
}

/* To be freed. */
static char *print(const struct port_firewall *f)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	port_firewall_print(out, f);
	fclose(out);
	return text;
}

static char *print_and_free(struct port_firewall *f)
{
	char *text = print(f);

	free(f);
	return text;
}

/* Prints the text of a missing line, so that the reader sees which. */
static bool has(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return true;
	fprintf(stderr, "missing: %s\n", part);
	return false;
}

static unsigned count(const char *text, const char *part)
{
	unsigned found = 0;

	for (; (text = strstr(text, part)) != NULL; text += strlen(part))
		found++;
	return found;
}

static void port_firewall_nft__lets_both_ways_through_by_ports(void)
{
	char *text = print_and_free(
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS));

	CU_ASSERT(has(text, "define portico_ports_1 = {\n\t10-20, 30\n}\n"));
	CU_ASSERT(has(text, "define portico_servers_ip_5300 = {\n\t198.18.0.20\n}\n"));
	CU_ASSERT(has(text, "define portico_servers_ip6_53 = {\n\t2001:2::20\n}\n"));
	CU_ASSERT(has(text, "\tip saddr { 198.18.0.53 } udp sport $portico_ports_1 ip daddr "
			    "$portico_servers_ip_5300 udp dport 5300 accept\n"));
	CU_ASSERT(has(text, "\tip daddr { 198.18.0.53 } udp dport $portico_ports_1 ip saddr "
			    "$portico_servers_ip_5300 udp sport 5300 accept\n"));
	CU_ASSERT(has(text, "\tip6 saddr { 2001:2::53 } udp sport $portico_ports_1 ip6 daddr "
			    "$portico_servers_ip6_53 udp dport 53 accept\n"));
	CU_ASSERT(has(text, "\tip6 daddr { 2001:2::53 } udp dport $portico_ports_1 ip6 saddr "
			    "$portico_servers_ip6_53 udp sport 53 accept\n"));
	CU_ASSERT(has(text, "define portico_clients_ip = {\n\t198.18.1.0/24\n}\n"));
	CU_ASSERT(has(text, "\tip daddr { 198.18.0.53 } ip saddr $portico_clients_ip udp dport 53 "
			    "accept\n"));
	CU_ASSERT(has(text, "\tip saddr { 198.18.0.53 } ip daddr $portico_clients_ip udp sport 53 "
			    "accept\n"));
	/* And nothing else, nor a word on what is done with the rest. */
	CU_ASSERT_EQUAL(count(text, " accept\n"), 6);
	CU_ASSERT_PTR_NULL(strstr(text, "ct state"));
	CU_ASSERT_PTR_NULL(strstr(text, " notrack"));
	CU_ASSERT_PTR_NULL(strstr(text, "policy drop"));
	CU_ASSERT_PTR_NULL(strstr(text, "policy accept"));
	free(text);
}

static void port_firewall_nft__groups_addresses_of_equal_ports(void)
{
	struct port_firewall *f =
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS);
	char *text;

	f->source_count = 4;
	f->sources[2] = f->sources[0];
	strcpy(f->sources[2].address, "198.18.0.54");
	f->sources[3] = f->sources[0];
	strcpy(f->sources[3].address, "198.18.0.55");
	port_map_remove(&f->sources[3].ports, 30, 30);
	text = print_and_free(f);
	CU_ASSERT(has(text, "ip saddr { 198.18.0.53, 198.18.0.54 } udp sport $portico_ports_1 "));
	CU_ASSERT(has(text, "ip saddr { 198.18.0.55 } udp sport $portico_ports_4 "));
	CU_ASSERT(has(text, "define portico_ports_4 = {\n\t10-20\n}\n"));
	CU_ASSERT_EQUAL(count(text, "define portico_ports_"), 2);
	free(text);
}

static void port_firewall_nft__host_has_a_chain_each_way(void)
{
	char *text = print_and_free(
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_HOST, PORT_FIREWALL_STATELESS));
	char *in = strstr(text, "\nflush chain inet filter portico_out\n");
	char *out;

	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	out = strstr(in, "\tchain portico_out {");
	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	CU_ASSERT_PTR_NULL(strstr(text, "forward "));
	CU_ASSERT_PTR_NULL(strstr(out, "sport 5300"));
	CU_ASSERT_PTR_NULL(strstr(out, "dport 53 accept\n\t\tip daddr"));
	*out = '\0';
	CU_ASSERT(has(in, "udp sport 5300 accept"));
	CU_ASSERT(has(in,
		      "ip daddr { 198.18.0.53 } ip saddr $portico_clients_ip udp dport 53 accept"));
	CU_ASSERT_PTR_NULL(strstr(in, "saddr { 198.18.0.53 }"));
	free(text);
}

static void port_firewall__stateful_leaves_the_way_back_to_conntrack(void)
{
	char *nft = print_and_free(
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATEFUL));
	char *xt = print_and_free(
		make_firewall(PORT_FIREWALL_IPTABLES, PORT_FIREWALL_HOST, PORT_FIREWALL_STATEFUL));

	CU_ASSERT(has(nft, "udp dport 5300 ct state new,established accept\n"));
	CU_ASSERT(has(nft,
		      "\tip daddr { 198.18.0.53 } meta l4proto udp ct state established accept\n"));
	CU_ASSERT(
		has(nft,
		    "\tip daddr { 198.18.0.53 } ip saddr $portico_clients_ip udp dport 53 ct state "
		    "new,established accept\n"));
	CU_ASSERT(has(nft,
		      "\tip saddr { 198.18.0.53 } meta l4proto udp ct state established accept\n"));
	CU_ASSERT_PTR_NULL(strstr(nft, "udp sport 5300"));
	CU_ASSERT_PTR_NULL(strstr(nft, "udp sport 53 "));
	CU_ASSERT(has(xt, "-A PORTICO-TO -d 198.18.0.20 -p udp --dport 5300 -m conntrack --ctstate "
			  "NEW,ESTABLISHED -j ACCEPT\n"));
	CU_ASSERT(has(xt,
		      "-A PORTICO-IN -d 198.18.0.53 -p udp -m conntrack --ctstate ESTABLISHED -j "
		      "ACCEPT\n"));
	CU_ASSERT(has(xt,
		      "-A PORTICO-OUT -s 198.18.0.53 -p udp -m conntrack --ctstate ESTABLISHED -j "
		      "ACCEPT\n"));
	CU_ASSERT(has(xt, "-A PORTICO-ASK -s 198.18.1.0/24 -p udp -m conntrack --ctstate "
			  "NEW,ESTABLISHED -j ACCEPT\n"));
	CU_ASSERT_PTR_NULL(strstr(xt, "PORTICO-FROM"));
	CU_ASSERT_PTR_NULL(strstr(xt, "PORTICO-ANSWER"));
	CU_ASSERT_PTR_NULL(strstr(xt, "--sport "));
	free(nft);
	free(xt);
}

static void port_firewall__notrack_adds_the_raw_rules(void)
{
	char *nft = print_and_free(
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_HOST, PORT_FIREWALL_NOTRACK));
	char *xt = print_and_free(make_firewall(PORT_FIREWALL_IPTABLES, PORT_FIREWALL_FORWARD,
						PORT_FIREWALL_NOTRACK));

	CU_ASSERT(has(nft, "type filter hook prerouting priority raw;\n"));
	CU_ASSERT(has(nft, "type filter hook output priority raw;\n"));
	CU_ASSERT(has(nft, "udp dport 5300 notrack\n"));
	CU_ASSERT(has(nft, "ip daddr { 198.18.0.53 } ip saddr $portico_clients_ip udp dport 53 "
			   "notrack\n"));
	/* Every packet that is let through is not tracked, and no other. */
	CU_ASSERT_EQUAL(count(nft, " notrack\n"), count(nft, " accept\n"));
	CU_ASSERT(has(xt, "*raw\n"));
	CU_ASSERT(has(xt, "-A PORTICO-FROM -s 198.18.0.20 -p udp --sport 5300 -j CT --notrack\n"));
	CU_ASSERT(has(xt, "-A PORTICO-ASK -s 198.18.1.0/24 -p udp -j CT --notrack\n"));
	CU_ASSERT(has(xt,
		      "#   iptables -t raw -C PREROUTING -j PORTICO 2>/dev/null || iptables -t raw "
		      "-I PREROUTING -j PORTICO\n"));
	CU_ASSERT_EQUAL(count(xt, "-j CT --notrack\n"), count(xt, "-j ACCEPT\n"));
	free(nft);
	free(xt);
}

static void port_firewall_iptables__has_its_family_and_names_the_other(void)
{
	char *v4 = print_and_free(make_firewall(PORT_FIREWALL_IPTABLES, PORT_FIREWALL_FORWARD,
						PORT_FIREWALL_STATELESS));
	char *v6 = print_and_free(make_firewall(PORT_FIREWALL_IP6TABLES, PORT_FIREWALL_FORWARD,
						PORT_FIREWALL_STATELESS));

	CU_ASSERT(has(v4, "-A PORTICO -s 198.18.0.53 -p udp -m multiport --sports 10:20,30 -j "
			  "PORTICO-TO\n"));
	CU_ASSERT(has(v4, "-A PORTICO -d 198.18.0.53 -p udp -m multiport --dports 10:20,30 -j "
			  "PORTICO-FROM\n"));
	CU_ASSERT(has(v4, "-A PORTICO-TO -d 198.18.0.20 -p udp --dport 5300 -j ACCEPT\n"));
	CU_ASSERT(has(v4, "-A PORTICO-FROM -s 198.18.0.20 -p udp --sport 5300 -j ACCEPT\n"));
	CU_ASSERT(has(v4, "-A PORTICO -d 198.18.0.53 -p udp --dport 53 -j PORTICO-ASK\n"));
	CU_ASSERT(has(v4, "-A PORTICO -s 198.18.0.53 -p udp --sport 53 -j PORTICO-ANSWER\n"));
	CU_ASSERT(has(v4, "-A PORTICO-ASK -s 198.18.1.0/24 -p udp -j ACCEPT\n"));
	CU_ASSERT(has(v4, "-A PORTICO-ANSWER -d 198.18.1.0/24 -p udp -j ACCEPT\n"));
	CU_ASSERT(has(v4, "porticoctl ports firewall ip6tables\n"));
	CU_ASSERT_PTR_NULL(strstr(v4, "2001:2::"));
	CU_ASSERT_EQUAL(count(v4, "-j ACCEPT\n"), 4);
	CU_ASSERT(has(v6, "-A PORTICO -s 2001:2::53 -p udp -m multiport --sports 10:20,30 -j "
			  "PORTICO-TO\n"));
	CU_ASSERT(has(v6, "-A PORTICO-TO -d 2001:2::20 -p udp --dport 53 -j ACCEPT\n"));
	CU_ASSERT(has(v6, "porticoctl ports firewall iptables\n"));
	CU_ASSERT_PTR_NULL(strstr(v6, "198.18."));
	CU_ASSERT_EQUAL(count(v6, "-j ACCEPT\n"), 4);
	free(v4);
	free(v6);
}

/* Adds what a list of multiport says to the map; returns the places it takes. */
static unsigned read_multiport(const char *list, struct port_map *out)
{
	unsigned places = 0;

	for (;;) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		places++;
		if (*end == ':') {
			last = strtoul(end + 1, &end, 10);
			places++;
		}
		CU_ASSERT_FATAL(first <= last && last < PORT_COUNT);
		CU_ASSERT(!port_map_has(out, (uint16_t)first));
		port_map_add(out, (uint16_t)first, (uint16_t)last);
		if (*end != ',')
			return places;
		list = end + 1;
	}
}

static void port_firewall_iptables__splits_what_multiport_does_not_take(void)
{
	struct port_firewall *f = make_firewall(PORT_FIREWALL_IPTABLES, PORT_FIREWALL_FORWARD,
						PORT_FIREWALL_STATELESS);
	struct port_map *ports = &f->sources[0].ports;
	unsigned long long random = unit_seed();
	struct port_map got = {0};
	unsigned lines = 0, full = 0;
	char *text;

	/* Runs and single ports of any length, and both ends of the space. */
	port_map_clear(ports);
	for (uint32_t port = 1; port < PORT_COUNT;
	     port += 1 + (uint32_t)(unit_random(&random) % 90)) {
		uint32_t last = port + (unit_random(&random) % 2 == 0 ? 0 : 7);

		port_map_add(ports, (uint16_t)port, (uint16_t)(last < PORT_COUNT ? last : port));
	}
	port_map_add(ports, PORT_COUNT - 1, PORT_COUNT - 1);
	text = print(f);
	for (char *at = text; (at = strstr(at, " --sports ")) != NULL; lines++) {
		unsigned places;

		at += strlen(" --sports ");
		places = read_multiport(at, &got);
		CU_ASSERT(places <= MULTIPORT_MAX);
		full += places >= MULTIPORT_MAX - 1;
	}
	CU_ASSERT(memcmp(&got, ports, sizeof(got)) == 0);
	CU_ASSERT_EQUAL(full, lines - 1); /* all but the last line are as full as they can be */
	CU_ASSERT_EQUAL(count(text, " --dports "), lines);
	free(text);
	free(f);
}

static void port_firewall__asks_anybody_at_53_where_servers_are_not_given(void)
{
	struct port_firewall *f =
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS);
	char *text;

	f->server_count = 0;
	f->any_server = true;
	text = print(f);
	CU_ASSERT(
		has(text,
		    "\tip saddr { 198.18.0.53 } udp sport $portico_ports_1 udp dport 53 accept\n"));
	CU_ASSERT(
		has(text,
		    "\tip6 daddr { 2001:2::53 } udp dport $portico_ports_1 udp sport 53 accept\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "portico_servers"));
	free(text);
	f->format = PORT_FIREWALL_IPTABLES;
	text = print_and_free(f);
	CU_ASSERT(has(text, "-A PORTICO-TO -p udp --dport 53 -j ACCEPT\n"));
	CU_ASSERT(has(text, "-A PORTICO-FROM -p udp --sport 53 -j ACCEPT\n"));
	free(text);
}

/* Of stub and forward zones: at another port these servers and nobody else, at 53 anybody and no rule twice. */
static void port_firewall__asks_servers_of_other_ports_beside_anybody_at_53(void)
{
	struct port_firewall *f =
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS);
	char *text;

	f->any_server = true;
	text = print(f);
	CU_ASSERT(has(text, "define portico_servers_ip_5300 = {\n\t198.18.0.20\n}\n"));
	CU_ASSERT(has(text, "\tip saddr { 198.18.0.53 } udp sport $portico_ports_1 ip daddr "
			    "$portico_servers_ip_5300 udp dport 5300 accept\n"));
	CU_ASSERT(has(text, "\tip daddr { 198.18.0.53 } udp dport $portico_ports_1 ip saddr "
			    "$portico_servers_ip_5300 udp sport 5300 accept\n"));
	CU_ASSERT_EQUAL(count(text, "$portico_ports_1 udp dport 53 accept\n"), 2);
	CU_ASSERT_EQUAL(count(text, "$portico_ports_1 udp sport 53 accept\n"), 2);
	CU_ASSERT_EQUAL(count(text, "port 5300 accept\n"), 2);
	CU_ASSERT_PTR_NULL(strstr(text, "portico_servers_ip6"));
	CU_ASSERT_EQUAL(count(text, " accept\n"), 8); /* two of them the clients' */
	free(text);
	f->format = PORT_FIREWALL_IPTABLES;
	text = print(f);
	CU_ASSERT(has(text, "-A PORTICO-TO -p udp --dport 53 -j ACCEPT\n"));
	CU_ASSERT(has(text, "-A PORTICO-TO -d 198.18.0.20 -p udp --dport 5300 -j ACCEPT\n"));
	CU_ASSERT(has(text, "-A PORTICO-FROM -s 198.18.0.20 -p udp --sport 5300 -j ACCEPT\n"));
	CU_ASSERT_EQUAL(count(text, "-j ACCEPT\n"), 6);
	free(text);
	f->format = PORT_FIREWALL_IP6TABLES;
	text = print_and_free(f);
	CU_ASSERT(has(text, "-A PORTICO-TO -p udp --dport 53 -j ACCEPT\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "2001:2::20"));
	CU_ASSERT_EQUAL(count(text, "-j ACCEPT\n"), 4);
	free(text);
}

static void port_firewall__lets_in_the_questions_of_clients_only(void)
{
	struct port_firewall *f =
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS);
	char *text;

	f->listen[f->listen_count++] = (struct port_firewall_endpoint){"2001:2::53", 5353};
	f->clients[f->client_count++] = (struct port_firewall_network){"198.18.7.0/25"};
	text = print(f);
	CU_ASSERT(
		has(text, "define portico_clients_ip = {\n\t198.18.1.0/24,\n\t198.18.7.0/25\n}\n"));
	CU_ASSERT(has(text, "define portico_clients_ip6 = {\n\t2001:2:0:1::/64\n}\n"));
	CU_ASSERT(has(text,
		      "\tip6 daddr { 2001:2::53 } ip6 saddr $portico_clients_ip6 udp dport 5353 "
		      "accept\n"));
	free(text);
	/* Everybody, of one family; nobody, of the other. */
	f->clients[1] = (struct port_firewall_network){"0.0.0.0/0"};
	text = print(f);
	CU_ASSERT(has(text, "\tip daddr { 198.18.0.53 } udp dport 53 accept\n"));
	CU_ASSERT(has(text, "# 2001:2::53: allow names no IPv6 network, so nobody asks there.\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "dport 5353"));
	CU_ASSERT_PTR_NULL(strstr(text, "portico_clients"));
	free(text);
	f->format = PORT_FIREWALL_IP6TABLES;
	text = print(f);
	CU_ASSERT_PTR_NULL(strstr(text, "dport 5353"));
	free(text);
	f->format = PORT_FIREWALL_IPTABLES;
	text = print_and_free(f);
	CU_ASSERT(has(text, "-A PORTICO-ASK -s 0.0.0.0/0 -p udp -j ACCEPT\n"));
	CU_ASSERT(has(text, "-A PORTICO-ASK -s 198.18.7.0/25 -p udp -j ACCEPT\n"));
	free(text);
}

/* What is loaded touches chains of ours only, so that loading it again changes nothing; the jump is told. */
static void port_firewall__tells_the_jumps_and_loads_none(void)
{
	static const char *const jumps[][2] = {
		[PORT_FIREWALL_NFT] = {"#   nft list chain inet filter input | grep -qw 'jump "
				       "portico_in' || nft insert rule inet filter input jump "
				       "portico_in\n",
				       "#   nft list chain inet filter output | grep -qw 'jump "
				       "portico_out' || nft insert rule inet filter output jump "
				       "portico_out\n"},
		[PORT_FIREWALL_IPTABLES] =
			{"#   iptables -t filter -C INPUT -j PORTICO-IN 2>/dev/null || "
			 "iptables -t filter -I INPUT -j PORTICO-IN\n",
			 "#   iptables -t filter -C OUTPUT -j PORTICO-OUT "
			 "2>/dev/null || iptables -t filter -I OUTPUT -j "
			 "PORTICO-OUT\n"},
		[PORT_FIREWALL_IP6TABLES] = {"#   ip6tables -t filter -C INPUT -j PORTICO-IN "
					     "2>/dev/null || ip6tables -t filter -I INPUT -j "
					     "PORTICO-IN\n",
					     "#   ip6tables -t raw -C PREROUTING -j PORTICO-IN "
					     "2>/dev/null || ip6tables -t raw -I PREROUTING -j "
					     "PORTICO-IN\n"},
	};

	for (enum port_firewall_format format = PORT_FIREWALL_NFT;
	     format <= PORT_FIREWALL_IP6TABLES; format++) {
		char *text = print_and_free(
			make_firewall(format, PORT_FIREWALL_HOST, PORT_FIREWALL_NOTRACK));

		CU_ASSERT(has(text, jumps[format][0]));
		CU_ASSERT(has(text, jumps[format][1]));
		CU_ASSERT_PTR_NULL(strstr(text, "\ninsert "));
		CU_ASSERT_PTR_NULL(strstr(text, "\n-I "));
		CU_ASSERT_PTR_NULL(strstr(text, "\n-A INPUT"));
		CU_ASSERT_PTR_NULL(strstr(text, "hook input priority filter"));
		free(text);
	}
}

static void port_firewall__says_what_a_reader_should_know(void)
{
	struct port_firewall *f =
		make_firewall(PORT_FIREWALL_NFT, PORT_FIREWALL_FORWARD, PORT_FIREWALL_STATELESS);
	char *text;

	f->sources[0].pool = 5;
	f->sources[0].held = 2;
	f->server_count = 1; /* none is IPv6 */
	text = print_and_free(f);
	CU_ASSERT(strncmp(text, "#!/usr/sbin/nft -f\n# Lets Portico's packets through", 50) == 0);
	CU_ASSERT(has(text,
		      "# 198.18.0.53: the pool is 5 ports and ROTATES: all 12 eligible ones are "
		      "let through.\n"));
	CU_ASSERT(has(text, "# 198.18.0.53: 2 of its ports are held by processes now"));
	CU_ASSERT(has(text, "# 2001:2::53: no server is IPv6, so it asks none.\n"));
	CU_ASSERT(has(text, "define portico_ports_1 = {\n\t10-20, 30\n}\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "ip6 saddr"));
	free(text);
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_firewall_nft__lets_both_ways_through_by_ports),
	UNIT_TEST(port_firewall_nft__groups_addresses_of_equal_ports),
	UNIT_TEST(port_firewall_nft__host_has_a_chain_each_way),
	UNIT_TEST(port_firewall__stateful_leaves_the_way_back_to_conntrack),
	UNIT_TEST(port_firewall__notrack_adds_the_raw_rules),
	UNIT_TEST(port_firewall_iptables__has_its_family_and_names_the_other),
	UNIT_TEST(port_firewall_iptables__splits_what_multiport_does_not_take),
	UNIT_TEST(port_firewall__asks_anybody_at_53_where_servers_are_not_given),
	UNIT_TEST(port_firewall__asks_servers_of_other_ports_beside_anybody_at_53),
	UNIT_TEST(port_firewall__lets_in_the_questions_of_clients_only),
	UNIT_TEST(port_firewall__tells_the_jumps_and_loads_none),
	UNIT_TEST(port_firewall__says_what_a_reader_should_know),
};
UNIT_SUITE(port_firewall, tests)
