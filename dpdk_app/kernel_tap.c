#include "dpdk_app/kernel_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/frame.h"
#include "dpdk_app/device.h"
#include "dpdk_app/kernel_link.h"
#include "dpdk_app/kernel_rule.h"
#include "dpdk_app/log.h"
#include "dpdk_app/mbuf_span.h"
#include "dpdk_app/netlink.h"
#include "dpdk_app/text.h"

#define TUN_PATH "/dev/net/tun"
#define NAME_PATTERN "portico%d" /* the kernel counts */
/* Of default routes in the main table: after whatever else there is. */
#define ROUTE_METRIC 4096
#define V4_BYTES 4
#define V4_BITS 32
#define WHY_BYTES 512
/* What a frame has besides its packet, within one buffer: Ethernet and a tag. */
#define FRAME_HEADERS_BYTES 18

/* One interface while its TAP is made. */
struct making {
	const struct config *config;
	const struct config_interface *interface;
	unsigned idx;
	struct kernel_tap *tap;
};

/* A refusal, or a warning where it was not asked for; false in either case. */
__attribute__((format(printf, 3, 4))) static bool fail(const struct making *m, const char *key,
						       const char *format, ...)
{
	const struct log_place place = {m->config->file, m->interface->line, m->interface->column};
	char why[WHY_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	if (m->interface->kernel == CONFIG_KERNEL_TAP)
		log_refusal(place, "interfaces[%u].%s: %s", m->idx, key, why);
	else
		log_write(CONFIG_LOG_WARNING, "tap",
			  "the kernel gets nothing of this interface port=%s why=\"%s\"",
			  m->interface->name, why);
	return false;
}

static bool is_wanted(const struct config_interface *interface)
{
	return interface->kernel == CONFIG_KERNEL_TAP ||
	       (interface->kernel == CONFIG_KERNEL_AUTO &&
		device_bus(interface->device) == DEVICE_PCI);
}

bool kernel_tap_any_wanted(const struct config *config)
{
	for (unsigned i = 0; i < config->interface_count; i++)
		if (is_wanted(&config->interfaces[i]))
			return true;
	return false;
}

/* ---- addresses and routes ---- */

static struct nlmsghdr *put_address_message(char buffer[256], uint16_t type, unsigned ifindex,
					    const struct prefix *p)
{
	const bool v4 = address_is_v4(&p->address);
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
	const uint8_t *bytes = p->address.bytes + (v4 ? ADDRESS_V4_OFFSET : 0);
	const size_t bytes_count = v4 ? V4_BYTES : ADDRESS_BYTES;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWADDR)
		message->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	body->ifa_family = v4 ? AF_INET : AF_INET6;
	body->ifa_prefixlen = (uint8_t)(v4 ? p->bits - (ADDRESS_BITS - V4_BITS) : p->bits);
	/* The address is used from the first moment on, by workers too: nothing waits for it. */
	body->ifa_flags = v4 ? 0 : IFA_F_NODAD;
	body->ifa_index = ifindex;
	mnl_attr_put(message, IFA_LOCAL, bytes_count, bytes);
	mnl_attr_put(message, IFA_ADDRESS, bytes_count, bytes);
	return message;
}

static bool change_address(uint16_t type, unsigned ifindex, const struct prefix *p)
{
	char buffer[256];
	struct nlmsghdr *message = put_address_message(buffer, type, ifindex, p);

	return netlink_talk(message, message->nlmsg_len, 1, NULL, NULL) == 0;
}

/* The default route by this gateway, in one table. */
static bool change_route(uint16_t type, unsigned ifindex, const struct address *gateway,
			 uint32_t table)
{
	const bool v4 = address_is_v4(gateway);
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	if (type == RTM_NEWROUTE)
		message->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	body->rtm_family = v4 ? AF_INET : AF_INET6;
	body->rtm_protocol = KERNEL_RULE_PROTOCOL;
	body->rtm_scope = RT_SCOPE_UNIVERSE;
	body->rtm_type = RTN_UNICAST;
	body->rtm_flags = RTNH_F_ONLINK;
	body->rtm_table = RT_TABLE_UNSPEC;
	mnl_attr_put_u32(message, RTA_TABLE, table);
	mnl_attr_put(message, RTA_GATEWAY, v4 ? V4_BYTES : ADDRESS_BYTES,
		     gateway->bytes + (v4 ? ADDRESS_V4_OFFSET : 0));
	mnl_attr_put_u32(message, RTA_OIF, ifindex);
	mnl_attr_put_u32(message, RTA_PRIORITY, ROUTE_METRIC);
	return netlink_talk(message, message->nlmsg_len, 1, NULL, NULL) == 0;
}

static bool has_address(const struct kernel_tap_given *given, const struct prefix *p)
{
	for (unsigned i = 0; i < given->address_count; i++)
		if (given->addresses[i].bits == p->bits &&
		    address_equal(&given->addresses[i].address, &p->address))
			return true;
	return false;
}

static bool has_gateway(const struct kernel_tap_given *given, const struct address *a)
{
	for (unsigned i = 0; i < given->gateway_count; i++)
		if (address_equal(&given->gateways[i], a))
			return true;
	return false;
}

static struct kernel_tap_given wanted_of(const struct config_interface *interface)
{
	struct kernel_tap_given given = {
		.address_count = interface->address_count,
		.gateway_count = interface->gateway_count,
	};

	memcpy(given.addresses, interface->addresses,
	       interface->address_count * sizeof(given.addresses[0]));
	memcpy(given.gateways, interface->gateways,
	       interface->gateway_count * sizeof(given.gateways[0]));
	return given;
}

static bool give_address(const struct making *m, const struct prefix *p)
{
	char text[TEXT_ADDRESS_BYTES];
	int error;

	if (change_address(RTM_NEWADDR, m->tap->ifindex, p) || errno == EEXIST)
		if (kernel_rule_add(&p->address, m->tap->ifindex))
			return true;
	error = errno;
	return fail(m, "addresses", "the kernel does not take %s on %s: %s%s",
		    text_address(&p->address, text), m->tap->name, strerror(error),
		    !address_is_v4(&p->address) && (error == EACCES || error == EPERM)
			    ? ": is IPv6 off? sysctl net.ipv6.conf.default.disable_ipv6=0"
			    : "");
}

static bool give_gateway(const struct making *m, const struct address *a)
{
	const uint32_t tables[] = {kernel_rule_table(m->tap->ifindex), RT_TABLE_MAIN};
	char text[TEXT_ADDRESS_BYTES];

	for (size_t i = 0; i < ARRAY_COUNT(tables); i++)
		/* The main table's may be another TAP's of ours. */
		if (!change_route(RTM_NEWROUTE, m->tap->ifindex, a, tables[i]) && errno != EEXIST)
			return fail(m, "gateway", "the kernel does not take %s on %s: %s",
				    text_address(a, text), m->tap->name, strerror(errno));
	return true;
}

/* With another length it may stay, and then its rules do. */
static void take_address(struct kernel_tap *tap, const struct prefix *p,
			 const struct kernel_tap_given *wanted)
{
	bool stays = false;

	for (unsigned i = 0; i < wanted->address_count; i++)
		stays = stays || address_equal(&wanted->addresses[i].address, &p->address);
	if (!stays)
		kernel_rule_remove(&p->address, tap->ifindex);
	(void)change_address(RTM_DELADDR, tap->ifindex, p);
}

static void take_gateway(struct kernel_tap *tap, const struct address *a)
{
	(void)change_route(RTM_DELROUTE, tap->ifindex, a, RT_TABLE_MAIN);
	(void)change_route(RTM_DELROUTE, tap->ifindex, a, kernel_rule_table(tap->ifindex));
}

/* In its namespace: take off what is not wanted. given says what is there. */
static void narrow(struct kernel_tap *tap, const struct kernel_tap_given *wanted)
{
	struct kernel_tap_given left = {.address_count = 0};

	for (unsigned i = 0; i < tap->given.gateway_count; i++) {
		const struct address *a = &tap->given.gateways[i];

		if (has_gateway(wanted, a))
			left.gateways[left.gateway_count++] = *a;
		else
			take_gateway(tap, a);
	}
	for (unsigned i = 0; i < tap->given.address_count; i++) {
		const struct prefix *p = &tap->given.addresses[i];

		if (has_address(wanted, p))
			left.addresses[left.address_count++] = *p;
		else
			take_address(tap, p, wanted);
	}
	tap->given = left;
}

/* In its namespace: add what is wanted. */
static bool widen(const struct making *m, const struct kernel_tap_given *wanted)
{
	struct kernel_tap_given *given = &m->tap->given;

	for (unsigned i = 0; i < wanted->address_count; i++) {
		const struct prefix *p = &wanted->addresses[i];

		if (has_address(given, p))
			continue;
		if (!give_address(m, p))
			return false;
		given->addresses[given->address_count++] = *p;
	}
	for (unsigned i = 0; i < wanted->gateway_count; i++) {
		const struct address *a = &wanted->gateways[i];

		if (has_gateway(given, a))
			continue;
		if (!give_gateway(m, a))
			return false;
		given->gateways[given->gateway_count++] = *a;
	}
	return true;
}

/* ---- the device ---- */

static bool refuse_tun(const struct making *m)
{
	const char *remedy = "it takes CAP_NET_ADMIN";

	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		remedy = "modprobe tun; in a container: --device " TUN_PATH;
	else if (errno != EPERM && errno != EACCES)
		remedy = "see dmesg";
	return fail(m, "kernel", "tap: %s: %s: %s; or kernel: none", TUN_PATH, strerror(errno),
		    remedy);
}

/* In its namespace. */
static bool make_device(const struct making *m)
{
	const char *name = m->interface->tap_name;
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_TUN_EXCL)};

	m->tap->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (m->tap->fd < 0)
		return refuse_tun(m);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s",
		 name != NULL ? name : NAME_PATTERN);
	if (ioctl(m->tap->fd, TUNSETIFF, &request) != 0) {
		if (name != NULL && (errno == EBUSY || errno == EEXIST || errno == EINVAL) &&
		    if_nametoindex(name) != 0)
			return fail(m, "tap.name",
				    "another interface is called %s already: ip link del %s, "
				    "another name, or auto",
				    name, name);
		return refuse_tun(m);
	}
	snprintf(m->tap->name, sizeof(m->tap->name), "%s", request.ifr_name);
	m->tap->ifindex = if_nametoindex(m->tap->name);
	return true;
}

static void set_ipv6(const struct kernel_tap *tap, const char *key)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", tap->name, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "0", 1);
	close(fd);
}

/* A namespace may have IPv6 off for what is new in it; and duplicates are not looked for: until the link-local address had been
 * found to be ours alone, a second later, nobody could be asked for. Best effort: addresses are refused where IPv6 is off. */
static void enable_ipv6(const struct kernel_tap *tap)
{
	set_ipv6(tap, "accept_dad");
	set_ipv6(tap, "disable_ipv6");
}

static bool has_ipv6(const struct config_interface *interface)
{
	for (unsigned i = 0; i < interface->address_count; i++)
		if (!address_is_v4(&interface->addresses[i].address))
			return true;
	return false;
}

/* The port's MAC, our mark, up. */
static bool set_link(const struct making *m, const struct mac *mac)
{
	uint32_t mtu = m->interface->mtu_bytes;
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	/* What comes in more than one buffer the workers drop. */
	if (mtu > MBUF_DATA_BYTES - FRAME_HEADERS_BYTES)
		mtu = MBUF_DATA_BYTES - FRAME_HEADERS_BYTES;
	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info->ifi_index = (int)m->tap->ifindex;
	info->ifi_flags = IFF_UP;
	info->ifi_change = IFF_UP;
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac->bytes), mac->bytes);
	mnl_attr_put_u32(message, IFLA_MTU, mtu);
	mnl_attr_put_str(message, IFLA_IFALIAS, KERNEL_LINK_MARK);
	if (has_ipv6(m->interface))
		enable_ipv6(m->tap);
	if (netlink_talk(message, message->nlmsg_len, 1, NULL, NULL) == 0)
		return true;
	return fail(m, "kernel", "tap: setting up %s: %s", m->tap->name, strerror(errno));
}

/* ---- what stands in the way ---- */

static bool is_address(const struct sockaddr *sockaddr, const struct address *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (sockaddr == NULL)
		return false;
	if (sockaddr->sa_family == AF_INET && address_is_v4(address)) {
		memcpy(&in, sockaddr, sizeof(in));
		return memcmp(&in.sin_addr, address->bytes + ADDRESS_V4_OFFSET, V4_BYTES) == 0;
	}
	if (sockaddr->sa_family != AF_INET6 || address_is_v4(address))
		return false;
	memcpy(&in6, sockaddr, sizeof(in6));
	return memcmp(&in6.sin6_addr, address->bytes, ADDRESS_BYTES) == 0;
}

static unsigned shown_bits(const struct prefix *p)
{
	unsigned bits = p->bits;

	return address_is_v4(&p->address) ? bits - (ADDRESS_BITS - V4_BITS) : bits;
}

/* In its namespace: no other interface may have an address of ours. */
static bool addresses_are_free(const struct making *m)
{
	char text[TEXT_ADDRESS_BYTES];
	struct ifaddrs *list;
	bool free_of_it = true;

	if (getifaddrs(&list) != 0)
		return fail(m, "addresses", "the kernel does not say which it has: %s",
			    strerror(errno));
	for (const struct ifaddrs *i = list; i != NULL && free_of_it; i = i->ifa_next) {
		for (unsigned k = 0; k < m->interface->address_count && free_of_it; k++) {
			const struct prefix *p = &m->interface->addresses[k];

			if (!is_address(i->ifa_addr, &p->address))
				continue;
			free_of_it = fail(m, "addresses",
					  "the kernel has %s on %s already: ip addr del %s/%u dev "
					  "%s; or another address; or kernel: bifurcated",
					  text_address(&p->address, text), i->ifa_name, text,
					  shown_bits(p), i->ifa_name);
		}
	}
	freeifaddrs(list);
	return free_of_it;
}

static bool refuse_netns(const struct making *m)
{
	return fail(m, "tap.netns", "%s: %s%s", m->interface->tap_netns, strerror(errno),
		    errno == EPERM || errno == EACCES
			    ? ": it takes CAP_SYS_ADMIN; or ip netns add, and netns: none in it"
			    : "");
}

/* ---- before anything ---- */

bool kernel_tap_prepare(const struct config *config)
{
	const char *keep[INTERFACES_MAX + 1] = {NULL};
	unsigned keep_count = 0;

	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		if (is_wanted(interface) && interface->tap_netns != NULL)
			keep[keep_count++] = interface->tap_netns;
	}
	netns_recover(keep);
	/* Where we may not, there is nothing that we could have put there. */
	if (kernel_rule_recover() || errno == EPERM)
		return true;
	log_refusal((struct log_place){.file = config->file},
		    "interfaces: the rules of a Portico that was killed cannot be removed: %s; see "
		    "`ip rule list proto %u`",
		    strerror(errno), KERNEL_RULE_PROTOCOL);
	return false;
}

/* ---- opening and closing ---- */

/* In its namespace. */
static bool open_in(const struct making *m, const struct mac *mac)
{
	const struct kernel_tap_given wanted = wanted_of(m->interface);

	/* In a namespace that was there before us there may be some, too. */
	if (m->tap->netns.fd >= 0)
		(void)!kernel_rule_recover();
	return addresses_are_free(m) && make_device(m) && set_link(m, mac) && widen(m, &wanted);
}

static void close_one(struct kernel_tap *tap)
{
	const struct kernel_tap_given nothing = {.address_count = 0};
	int back;

	if (tap->ifindex != 0 && netns_enter(tap->netns.fd, &back)) {
		narrow(tap, &nothing);
		netns_leave(back);
	}
	if (tap->fd >= 0)
		close(tap->fd);
	netns_close(&tap->netns);
	*tap = (struct kernel_tap){.fd = -1, .netns = {.fd = -1}};
}

static bool open_one(const struct making *m, const struct mac *mac)
{
	const char *netns = m->interface->tap_netns;
	bool done;
	int back;

	if (netns != NULL && !netns_open(netns, &m->tap->netns))
		return refuse_netns(m);
	if (!netns_enter(m->tap->netns.fd, &back))
		return refuse_netns(m);
	done = open_in(m, mac);
	netns_leave(back);
	m->tap->is_there = done;
	if (!done) {
		close_one(m->tap);
		return false;
	}
	log_write(CONFIG_LOG_INFO, "tap", "the kernel has the interface port=%s tap=%s netns=%s",
		  m->interface->name, m->tap->name, netns != NULL ? netns : "none");
	return true;
}

bool kernel_tap_open_all(const struct config *config, const struct port_table *ports,
			 struct kernel_tap_table *table)
{
	table->interface_count = config->interface_count;
	for (unsigned i = 0; i < config->interface_count; i++)
		table->taps[i] = (struct kernel_tap){.fd = -1, .netns = {.fd = -1}};
	for (unsigned i = 0; i < config->interface_count; i++) {
		const struct making m = {
			.config = config,
			.interface = &config->interfaces[i],
			.idx = i,
			.tap = &table->taps[i],
		};

		if (is_wanted(m.interface) && !open_one(&m, &ports->ports[i].mac) &&
		    m.interface->kernel == CONFIG_KERNEL_TAP)
			return false;
	}
	return true;
}

void kernel_tap_close_all(struct kernel_tap_table *table)
{
	for (unsigned i = table->interface_count; i-- > 0;)
		close_one(&table->taps[i]);
	table->interface_count = 0;
}

/* ---- reload ---- */

bool kernel_tap_widen(struct kernel_tap_table *table, const struct config *next)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		const struct making m = {
			.config = next,
			.interface = &next->interfaces[i],
			.idx = i,
			.tap = &table->taps[i],
		};
		const struct kernel_tap_given wanted = wanted_of(m.interface);
		bool done;
		int back;

		if (!m.tap->is_there)
			continue;
		if (!netns_enter(m.tap->netns.fd, &back))
			return refuse_netns(&m);
		done = widen(&m, &wanted);
		netns_leave(back);
		if (!done)
			return false;
	}
	return true;
}

void kernel_tap_narrow(struct kernel_tap_table *table, const struct config *next)
{
	for (unsigned i = 0; i < table->interface_count; i++) {
		const struct kernel_tap_given wanted = wanted_of(&next->interfaces[i]);
		struct kernel_tap *tap = &table->taps[i];
		int back;

		if (!tap->is_there || !netns_enter(tap->netns.fd, &back))
			continue;
		narrow(tap, &wanted);
		netns_leave(back);
	}
}
