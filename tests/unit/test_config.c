/* Good files: every field of struct config, given and by default. */
#include <stdio.h>
#include <string.h>

#include "config/text_value.h"
#include "core/frame.h"
#include "test_config_fixture.h"
#include "unit.h"

static struct loaded load(const char *text)
{
	struct loaded l = test_config_load(text, strlen(text));

	if (l.config == NULL)
		printf("\n%s", l.printed);
	CU_ASSERT_FATAL(l.config != NULL);
	return l;
}

static bool address_is(const struct address *a, const char *text)
{
	struct address want;

	return text_value_address(text, &want) == TEXT_OK && address_equal(a, &want);
}

static bool endpoint_is(const struct endpoint *e, const char *text, uint16_t port)
{
	return address_is(&e->address, text) && e->port == port;
}

static bool prefix_is(const struct prefix *p, const char *text, unsigned bits)
{
	return address_is(&p->address, text) && p->bits == bits;
}

static bool name_is(const struct name *n, const char *text)
{
	struct name want;

	return name_from_text(text, &want) && name_equal_exact(n, &want);
}

static const char full[] =
	"workers: [2, 5, 3]\n"
	"control_cpu: 1\n"
	"poll: busy\n"
	"dpdk: {memory_mb: 1024, hugepages: required, file_prefix: p1, eal: [\"--lcores=1\", -v]}\n"
	"interfaces:\n"
	"  - name: wan\n"
	"    device: 0000:3b:00.0\n"
	"    mac: 02:00:00:00:aB:01\n"
	"    addresses: [192.0.2.53/24, \"2001:db8::53/64\"]\n"
	"    gateway: [192.0.2.1, \"2001:db8::1\"]\n"
	"    vlan: 42\n"
	"    mtu: 9000\n"
	"    kernel: none\n"
	"  - device: \"net_af_packet0,iface=eth0\"\n"
	"    addresses: 10.1.2.3/16\n"
	"listen: [192.0.2.53, 10.1.2.3@5300, \"2001:db8::53@53\"]\n"
	"allow: [10.0.0.0/8, 192.0.2.7, \"2001:db8::/32\"]\n"
	"tcp: {enabled: false, max_clients: 100, idle_s: 30}\n"
	"outgoing:\n"
	"  addresses: [\"2001:db8::53\", 10.1.2.3]\n"
	"  send_port: random\n"
	"  pool_size: all\n"
	"  range: [2000-9000, \"20000-29999\"]\n"
	"  exclude: [4500, \"8000-8100\", 8050-8200]\n"
	"  exclude_defaults: false\n"
	"  respect_kernel: false\n"
	"  rotate_s: 30\n"
	"  v6_identifiers: 4096\n"
	"  late_ms: 2500\n"
	"  max_under_way: 1000\n"
	"  case_randomization: false\n"
	"  edns_udp_size: 1000\n"
	"  reserve_in_kernel: false\n"
	"mode: forward\n"
	"forward:\n"
	"  - zone: .\n"
	"    to: [10.1.0.9@5353, \"2001:db8:7::1\"]\n"
	"    policy: hash\n"
	"    transport: auto\n"
	"    timeout_ms: 250\n"
	"    tries: 5\n"
	"    health: {interval_s: 7, rise: 2, fall: 4, name: Up.Example}\n"
	"  - {zone: B.Example., to: 10.1.0.8, health: {name: up.example}}\n"
	"stub:\n"
	"  - {zone: a.b.example, to: 10.1.0.7, policy: in_order, transport: tcp, health: {name: UP.example.}}\n"
	"  - {zone: a.example, to: 10.1.0.6, policy: round_robin, health: {name: up.example}}\n"
	"cache: {size_mb: 7, min_ttl_s: 2, max_ttl_s: 3, negative_max_ttl_s: 4, failure_ttl_s: 6, prefetch: false,\n"
	"  serve_stale: {enabled: false, max_stale_s: 8, client_timeout_ms: 9}, rrset_order: fixed, file: /var/x}\n"
	"metrics: {listen: none}\n"
	"dnssec: {validate: false, trust_anchors: [], negative_trust_anchors: []}\n"
	"log: {level: debug, format: json}\n"
	"shutdown_s: 0\n";

static void config_load__fills_process_fields(void)
{
	struct loaded l = load(full);
	const struct config *c = l.config;

	CU_ASSERT_EQUAL(l.error_count, 0);
	CU_ASSERT_EQUAL(l.warning_count, 0);
	CU_ASSERT_STRING_EQUAL(l.printed, "");
	CU_ASSERT_STRING_EQUAL(c->file, "x.yaml");
	CU_ASSERT_EQUAL(c->worker_count, 3);
	CU_ASSERT_EQUAL(c->worker_cpu_count, 3);
	CU_ASSERT_EQUAL(c->worker_cpus[0], 2);
	CU_ASSERT_EQUAL(c->worker_cpus[1], 5);
	CU_ASSERT_EQUAL(c->worker_cpus[2], 3);
	CU_ASSERT_EQUAL(c->control_cpu, 1);
	CU_ASSERT_EQUAL(c->poll, CONFIG_POLL_BUSY);
	CU_ASSERT_EQUAL(c->memory_mb, 1024);
	CU_ASSERT_EQUAL(c->hugepages, CONFIG_HUGEPAGES_REQUIRED);
	CU_ASSERT_STRING_EQUAL(c->file_prefix, "p1");
	CU_ASSERT_EQUAL_FATAL(c->eal_arg_count, 2);
	CU_ASSERT_STRING_EQUAL(c->eal_args[0], "--lcores=1");
	CU_ASSERT_STRING_EQUAL(c->eal_args[1], "-v");
	CU_ASSERT_EQUAL(c->log_level, CONFIG_LOG_DEBUG);
	CU_ASSERT_EQUAL(c->log_format, CONFIG_LOG_JSON);
	CU_ASSERT_EQUAL(c->shutdown_s, 0);
	test_config_unload(&l);
}

static void config_load__fills_cache(void)
{
	struct loaded l = load(full);
	const struct config_cache *c = &l.config->cache;

	CU_ASSERT_EQUAL(c->size_mb, 7);
	CU_ASSERT_EQUAL(c->min_ttl_s, 2);
	CU_ASSERT_EQUAL(c->max_ttl_s, 3);
	CU_ASSERT_EQUAL(c->negative_max_ttl_s, 4);
	CU_ASSERT_EQUAL(c->failure_ttl_s, 6);
	CU_ASSERT_FALSE(c->prefetch);
	CU_ASSERT_FALSE(c->serve_stale);
	CU_ASSERT_EQUAL(c->max_stale_s, 8);
	CU_ASSERT_EQUAL(c->client_timeout_ms, 9);
	CU_ASSERT_EQUAL(c->rrset_order, CONFIG_RRSET_FIXED);
	CU_ASSERT_STRING_EQUAL(c->file, "/var/x");
	test_config_unload(&l);
}

static void config_load__fills_interfaces(void)
{
	static const struct mac mac = {{0x02, 0, 0, 0, 0xab, 0x01}};
	struct loaded l = load(full);
	const struct config_interface *i = l.config->interfaces;

	CU_ASSERT_EQUAL_FATAL(l.config->interface_count, 2);
	CU_ASSERT_STRING_EQUAL(i->name, "wan");
	CU_ASSERT_STRING_EQUAL(i->device, "0000:3b:00.0");
	CU_ASSERT(i->mac_given && mac_equal(&i->mac, &mac));
	CU_ASSERT_EQUAL_FATAL(i->address_count, 2);
	CU_ASSERT(prefix_is(&i->addresses[0], "192.0.2.53", 96 + 24));
	CU_ASSERT(prefix_is(&i->addresses[1], "2001:db8::53", 64));
	CU_ASSERT_EQUAL_FATAL(i->gateway_count, 2);
	CU_ASSERT(address_is(&i->gateways[0], "192.0.2.1"));
	CU_ASSERT(address_is(&i->gateways[1], "2001:db8::1"));
	CU_ASSERT_EQUAL(i->vlan, 42);
	CU_ASSERT_EQUAL(i->mtu_bytes, 9000);
	CU_ASSERT_EQUAL(i->kernel, CONFIG_KERNEL_NONE);
	CU_ASSERT_EQUAL(i->line, 7);
	CU_ASSERT_EQUAL(i->column, 13);
	i++;
	CU_ASSERT_STRING_EQUAL(i->name, "net1");
	CU_ASSERT_STRING_EQUAL(i->device, "net_af_packet0,iface=eth0");
	CU_ASSERT(!i->mac_given);
	CU_ASSERT_EQUAL(i->address_count, 1);
	CU_ASSERT(prefix_is(&i->addresses[0], "10.1.2.3", 96 + 16));
	CU_ASSERT_EQUAL(i->gateway_count, 0);
	CU_ASSERT_EQUAL(i->vlan, FRAME_VLAN_NONE);
	CU_ASSERT_EQUAL(i->mtu_bytes, 1500);
	CU_ASSERT_EQUAL(i->kernel, CONFIG_KERNEL_AUTO);
	CU_ASSERT_EQUAL(i->line, 14);
	CU_ASSERT_EQUAL(i->column, 13);
	test_config_unload(&l);
}

static void config_load__fills_listen_and_allow(void)
{
	struct loaded l = load(full);
	const struct config *c = l.config;

	CU_ASSERT_EQUAL_FATAL(c->listen_count, 3);
	CU_ASSERT(endpoint_is(&c->listen[0].endpoint, "192.0.2.53", 53));
	CU_ASSERT_EQUAL(c->listen[0].interface_idx, 0);
	CU_ASSERT(endpoint_is(&c->listen[1].endpoint, "10.1.2.3", 5300));
	CU_ASSERT_EQUAL(c->listen[1].interface_idx, 1);
	CU_ASSERT(endpoint_is(&c->listen[2].endpoint, "2001:db8::53", 53));
	CU_ASSERT_EQUAL_FATAL(c->allow_count, 3);
	CU_ASSERT(prefix_is(&c->allow[0], "10.0.0.0", 96 + 8));
	CU_ASSERT(prefix_is(&c->allow[1], "192.0.2.7", 128));
	CU_ASSERT(prefix_is(&c->allow[2], "2001:db8::", 32));
	CU_ASSERT_FALSE(c->tcp.enabled);
	CU_ASSERT_EQUAL(c->tcp.max_clients, 100);
	CU_ASSERT_EQUAL(c->tcp.idle_s, 30);
	test_config_unload(&l);
}

static void config_load__fills_outgoing(void)
{
	static const struct {
		uint16_t port;
		bool eligible;
	} wants[] = {
		{1999, false}, {2000, true},  {9000, true},   {9001, false}, {19999, false},
		{20000, true}, {29999, true}, {30000, false}, {4500, false}, {4499, true},
		{8000, false}, {8200, false}, {8201, true},   {5300, false}, {5353, true},
	};
	struct loaded l = load(full);
	const struct config *c = l.config;
	struct port_map ports;

	CU_ASSERT_EQUAL_FATAL(c->outgoing_count, 2);
	CU_ASSERT(address_is(&c->outgoing[0].address, "2001:db8::53"));
	CU_ASSERT_EQUAL(c->outgoing[0].interface_idx, 0);
	CU_ASSERT(address_is(&c->outgoing[1].address, "10.1.2.3"));
	CU_ASSERT_EQUAL(c->outgoing[1].interface_idx, 1);
	CU_ASSERT_EQUAL(c->outgoing[0].prefix_bits, 128);
	ports = test_config_eligible(c, 1);
	for (size_t i = 0; i < ARRAY_COUNT(wants); i++)
		CU_ASSERT_EQUAL(port_map_has(&ports, wants[i].port), wants[i].eligible);
	/* 7001 + 10000 in range; 1 + 201 excluded; port 5300 is listened on, on the second address. */
	CU_ASSERT_EQUAL(port_map_count(&ports), 7001 + 10000 - 1 - 201 - 1);
	ports = test_config_eligible(c, 0);
	CU_ASSERT_EQUAL(port_map_count(&ports), 7001 + 10000 - 1 - 201);
	CU_ASSERT_EQUAL(c->ports.send_port, 0);
	CU_ASSERT_EQUAL(c->ports.pool_size, 0);
	CU_ASSERT(!c->ports.exclude_defaults && !c->ports.respect_kernel);
	CU_ASSERT(!c->ports.reserve_in_kernel);
	CU_ASSERT_EQUAL(c->ports.rotate_s, 30);
	CU_ASSERT_EQUAL(c->ports.v6_identifiers, 4096);
	CU_ASSERT_EQUAL(c->ports.range_line, 23);
	CU_ASSERT_EQUAL(c->ports.range_column, 10);
	CU_ASSERT_EQUAL(c->ports.pool_size_line, 22);
	CU_ASSERT_EQUAL(c->ports.pool_size_column, 14);
	CU_ASSERT_EQUAL(c->ports.send_port_line, 21);
	CU_ASSERT_EQUAL(c->ports.send_port_column, 14);
	CU_ASSERT_EQUAL(c->late_ms, 2500);
	CU_ASSERT_EQUAL(c->max_under_way, 1000);
	CU_ASSERT(!c->case_randomization);
	CU_ASSERT_EQUAL(c->edns_udp_size_bytes, 1000);
	test_config_unload(&l);
}

static void config_load__fills_zones_most_labels_first(void)
{
	struct loaded l = load(full);
	const struct config_forward *f = l.config->forwards;

	CU_ASSERT_EQUAL_FATAL(l.config->forward_count, 4);
	CU_ASSERT(name_is(&f[0].zone, "a.b.example"));
	CU_ASSERT(f[0].stub);
	CU_ASSERT_EQUAL(f[0].policy, SERVER_POLICY_IN_ORDER);
	CU_ASSERT_EQUAL(f[0].transport, ZONE_TRANSPORT_TCP);
	CU_ASSERT_EQUAL(f[0].server_count, 1);
	CU_ASSERT(endpoint_is(&f[0].servers[0], "10.1.0.7", 53));
	CU_ASSERT(name_is(&f[1].zone, "a.example"));
	CU_ASSERT(f[1].stub);
	CU_ASSERT_EQUAL(f[1].policy, SERVER_POLICY_ROUND_ROBIN);
	CU_ASSERT(name_is(&f[2].zone, "b.example"));
	CU_ASSERT(!f[2].stub);
	CU_ASSERT_EQUAL(f[2].policy, SERVER_POLICY_FASTEST);
	CU_ASSERT_EQUAL(f[2].transport, ZONE_TRANSPORT_AUTO);
	CU_ASSERT_EQUAL(f[2].timeout_ms, 800);
	CU_ASSERT_EQUAL(f[2].tries, 3);
	CU_ASSERT_EQUAL(f[2].health.interval_ms, 1000);
	CU_ASSERT_EQUAL(f[2].health.rise, 1);
	CU_ASSERT_EQUAL(f[2].health.fall, 3);
	CU_ASSERT(name_is(&f[2].health_name, "up.example"));
	CU_ASSERT(name_is(&f[3].zone, "."));
	CU_ASSERT(!f[3].stub);
	CU_ASSERT_EQUAL(f[3].policy, SERVER_POLICY_HASH);
	CU_ASSERT_EQUAL_FATAL(f[3].server_count, 2);
	CU_ASSERT(endpoint_is(&f[3].servers[0], "10.1.0.9", 5353));
	CU_ASSERT(endpoint_is(&f[3].servers[1], "2001:db8:7::1", 53));
	CU_ASSERT_EQUAL(f[3].timeout_ms, 250);
	CU_ASSERT_EQUAL(f[3].tries, 5);
	CU_ASSERT_EQUAL(f[3].health.interval_ms, 7000);
	CU_ASSERT_EQUAL(f[3].health.rise, 2);
	CU_ASSERT_EQUAL(f[3].health.fall, 4);
	test_config_unload(&l);
}

static void config_load__defaults_are_what_an_operator_wants(void)
{
	struct loaded l = load(GOOD);
	const struct config *c = l.config;

	CU_ASSERT_EQUAL(l.warning_count, 0);
	CU_ASSERT_EQUAL(c->worker_count, 1);
	CU_ASSERT_EQUAL(c->worker_cpu_count, 0);
	CU_ASSERT_EQUAL(c->control_cpu, -1);
	CU_ASSERT_EQUAL(c->poll, CONFIG_POLL_ADAPTIVE);
	CU_ASSERT_EQUAL(c->memory_mb, 512);
	CU_ASSERT_EQUAL(c->hugepages, CONFIG_HUGEPAGES_AUTO);
	CU_ASSERT_STRING_EQUAL(c->file_prefix, "portico");
	CU_ASSERT_EQUAL(c->eal_arg_count, 0);
	CU_ASSERT_STRING_EQUAL(c->interfaces[0].name, "net0");
	CU_ASSERT_EQUAL(c->late_ms, 3000);
	CU_ASSERT(c->tcp.enabled);
	CU_ASSERT_EQUAL(c->tcp.max_clients, 8192);
	CU_ASSERT_EQUAL(c->tcp.idle_s, 10);
	CU_ASSERT_EQUAL(c->max_under_way, 65536);
	CU_ASSERT(c->case_randomization);
	CU_ASSERT_EQUAL(c->edns_udp_size_bytes, 1232);
	CU_ASSERT_EQUAL(c->log_level, CONFIG_LOG_INFO);
	CU_ASSERT_EQUAL(c->log_format, CONFIG_LOG_TEXT);
	CU_ASSERT_EQUAL(c->shutdown_s, 5);
	CU_ASSERT_EQUAL(c->cache.size_mb, 256);
	CU_ASSERT(c->cache.serve_stale && c->cache.prefetch);
	CU_ASSERT_EQUAL(c->cache.rrset_order, CONFIG_RRSET_ROUND_ROBIN);
	CU_ASSERT_PTR_NULL(c->cache.file);
	CU_ASSERT(name_is(&c->forwards[0].health_name, "."));
	test_config_unload(&l);
}

static void config_load__default_listen_is_every_address(void)
{
	struct loaded l = load("interfaces:\n"
			       "  - {device: net_null0, addresses: [10.0.0.1/24, \"fd00::1/64\"]}\n"
			       "  - {device: net_null1, addresses: [10.0.1.1/24]}\n" MODE);
	const struct config *c = l.config;

	CU_ASSERT_EQUAL_FATAL(c->listen_count, 3);
	CU_ASSERT(endpoint_is(&c->listen[0].endpoint, "10.0.0.1", 53));
	CU_ASSERT(endpoint_is(&c->listen[1].endpoint, "fd00::1", 53));
	CU_ASSERT(endpoint_is(&c->listen[2].endpoint, "10.0.1.1", 53));
	CU_ASSERT_EQUAL(c->listen[2].interface_idx, 1);
	CU_ASSERT_EQUAL_FATAL(c->outgoing_count, 3);
	CU_ASSERT(address_is(&c->outgoing[1].address, "fd00::1"));
	CU_ASSERT_EQUAL(c->outgoing[2].interface_idx, 1);
	test_config_unload(&l);
}

static bool is_allowed(const struct config *c, const char *text)
{
	struct address a;

	CU_ASSERT_FATAL(text_value_address(text, &a) == TEXT_OK);
	for (unsigned i = 0; i < c->allow_count; i++)
		if (prefix_contains(&c->allow[i], &a))
			return true;
	return false;
}

static void config_load__default_allow_is_own_and_private_networks(void)
{
	static const struct {
		const char *address;
		bool allowed;
	} wants[] = {
		{"192.0.2.1", true},       {"192.0.3.1", false},    {"10.255.0.1", true},
		{"172.15.255.255", false}, {"172.16.0.0", true},    {"172.31.255.255", true},
		{"172.32.0.0", false},     {"192.168.255.1", true}, {"192.169.0.0", false},
		{"100.63.255.255", false}, {"100.64.0.0", true},    {"100.127.255.255", true},
		{"100.128.0.0", false},    {"fc00::1", true},       {"fdff::1", true},
		{"fe00::1", false},        {"2001:db8::1", false},  {"127.0.0.1", false},
	};
	struct loaded l = load(GOOD);

	for (size_t i = 0; i < ARRAY_COUNT(wants); i++)
		CU_ASSERT_EQUAL(is_allowed(l.config, wants[i].address), wants[i].allowed);
	/* Host bits are cleared: 192.0.2.0/24, not 192.0.2.53/24. */
	CU_ASSERT(prefix_is(&l.config->allow[0], "192.0.2.0", 96 + 24));
	test_config_unload(&l);
}

static void config_load__default_outgoing_skips_link_local(void)
{
	struct loaded l = load("interfaces:\n"
			       "  - device: net_null0\n"
			       "    addresses: [\"fe80::53/64\", \"2001:db8::53/64\"]\n"
			       "    gateway: \"fe80::1\"\n" MODE
			       "forward: [{zone: ., to: \"2001:db8:9::1\"}]\n");

	CU_ASSERT_EQUAL(l.config->listen_count, 2);
	CU_ASSERT_EQUAL_FATAL(l.config->outgoing_count, 1);
	CU_ASSERT(address_is(&l.config->outgoing[0].address, "2001:db8::53"));
	test_config_unload(&l);
}

static void config_load__takes_one_scalar_for_a_list(void)
{
	struct loaded l = load(GOOD "listen: 192.0.2.53\n"
				    "allow: 10.0.0.0/8\n"
				    "dpdk: {eal: --no-pci}\n"
				    "outgoing: {addresses: 192.0.2.53, exclude: 2000}\n");

	CU_ASSERT_EQUAL(l.config->listen_count, 1);
	CU_ASSERT_EQUAL(l.config->allow_count, 1);
	CU_ASSERT_EQUAL(l.config->eal_arg_count, 1);
	CU_ASSERT_EQUAL(l.config->outgoing_count, 1);
	CU_ASSERT(port_map_has(&l.config->ports.exclude, 2000));
	CU_ASSERT_EQUAL(port_map_count(&l.config->ports.exclude), 1);
	test_config_unload(&l);
}

static void config_load__takes_a_count_of_workers(void)
{
	static const struct {
		const char *line;
		unsigned count;
	} rows[] = {{"workers: 1\n", 1}, {"workers: 4\n", 4}, {"workers: 127\n", 127}};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		char text[1024];
		struct loaded l;

		snprintf(text, sizeof(text), GOOD "%s", rows[i].line);
		l = load(text);
		CU_ASSERT_EQUAL(l.config->worker_count, rows[i].count);
		CU_ASSERT_EQUAL(l.config->worker_cpu_count, 0);
		test_config_unload(&l);
	}
}

static void config_load__takes_text_in_pieces_as_yaml_has_it(void)
{
	char text[1024] = GOOD "dpdk:\n  eal:\n"
			       "  - 'it''s'\n"
			       "  - \"caf\\u00e9 \\x41\\\n"
			       "    bc\"\n"
			       "  - one\n"
			       "    two\n"
			       "  - >-\n"
			       "    three\n"
			       "    four\n"
			       "  - 'x";
	char many[256] = "x";
	struct loaded l;

	for (unsigned i = 0; i < 100; i++) {
		strcat(text, "''x");
		strcat(many, "'x");
	}
	strcat(text, "'\n");
	l = load(text);
	CU_ASSERT_EQUAL_FATAL(l.config->eal_arg_count, 5);
	CU_ASSERT_STRING_EQUAL(l.config->eal_args[0], "it's");
	CU_ASSERT_STRING_EQUAL(l.config->eal_args[1], "caf\xc3\xa9 Abc");
	CU_ASSERT_STRING_EQUAL(l.config->eal_args[2], "one two");
	CU_ASSERT_STRING_EQUAL(l.config->eal_args[3], "three four");
	CU_ASSERT_STRING_EQUAL(l.config->eal_args[4], many);
	test_config_unload(&l);
}

static void config_load__takes_sections_without_keys(void)
{
	struct loaded l = load(GOOD "cache:\nlog:\noutgoing: {}\nstub:\ntcp: null\n");

	CU_ASSERT_EQUAL(l.warning_count, 0);
	CU_ASSERT_EQUAL(l.config->forward_count, 1);
	test_config_unload(&l);
}

static void config_load__takes_windows_line_ends_and_a_byte_order_mark(void)
{
	struct loaded l = load("\xef\xbb\xbf"
			       "interfaces:\r\n  - device: net_null0\r\n    addresses: "
			       "192.0.2.53/24\r\nmode: forward\r\n");

	CU_ASSERT_STRING_EQUAL(l.config->interfaces[0].device, "net_null0");
	test_config_unload(&l);
}

static void config_load__reads_the_examples(void)
{
	static const struct {
		const char *file;
		unsigned warning_count;
	} rows[] = {
		{"config/examples/minimal.yaml", 0},
		{"config/examples/resolver.yaml", 0},
		{"config/examples/lab_af_packet.yaml", 0},
		{"config/examples/forwarder_pci.yaml", 0},
		{"config/examples/shared_nic.yaml", 0},
		{"config/examples/send_port_53.yaml", 1}, /* that ports can be guessed */
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct loaded l = test_config_load_file(rows[i].file);

		if (l.config == NULL)
			printf("\n%s", l.printed);
		CU_ASSERT_FATAL(l.config != NULL);
		CU_ASSERT_EQUAL(l.warning_count, rows[i].warning_count);
		CU_ASSERT_STRING_EQUAL(l.config->file, rows[i].file);
		test_config_unload(&l);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_load__fills_process_fields),
	UNIT_TEST(config_load__fills_cache),
	UNIT_TEST(config_load__fills_interfaces),
	UNIT_TEST(config_load__fills_listen_and_allow),
	UNIT_TEST(config_load__fills_outgoing),
	UNIT_TEST(config_load__fills_zones_most_labels_first),
	UNIT_TEST(config_load__defaults_are_what_an_operator_wants),
	UNIT_TEST(config_load__default_listen_is_every_address),
	UNIT_TEST(config_load__default_allow_is_own_and_private_networks),
	UNIT_TEST(config_load__default_outgoing_skips_link_local),
	UNIT_TEST(config_load__takes_one_scalar_for_a_list),
	UNIT_TEST(config_load__takes_a_count_of_workers),
	UNIT_TEST(config_load__takes_text_in_pieces_as_yaml_has_it),
	UNIT_TEST(config_load__takes_sections_without_keys),
	UNIT_TEST(config_load__takes_windows_line_ends_and_a_byte_order_mark),
	UNIT_TEST(config_load__reads_the_examples),
};
UNIT_SUITE(config, tests)
