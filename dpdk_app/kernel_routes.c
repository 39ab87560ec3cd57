#include "dpdk_app/kernel_routes.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine_plan.h"
#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"
#include "dpdk_app/text.h"

#define MESSAGE_BYTES 256
/* A dump that was changed while it went on is begun again, so often. */
#define TRIES 4
#define V4_BITS (ADDRESS_V4_OFFSET * 8)

struct list {
	unsigned count;
	unsigned left_out;
	struct route routes[ROUTES_MAX];
};

struct kernel_routes {
	const struct kernel_spaces *spaces;
	struct list *read;    /* the reader's own */
	pthread_mutex_t lock; /* of what follows */
	struct list *kept;    /* in order */
};

/* ---- one message ---- */

struct reading {
	const struct kernel_spaces *spaces;
	unsigned space;
	unsigned found;
	struct list *out; /* NULL: they are only counted */
};

/* In network order; false: of another length than such an address has. */
static bool take_address(const void *bytes, size_t length, struct address *out)
{
	if (length == 4)
		*out = address_from_v4(bytes);
	else if (length == ADDRESS_BYTES)
		memcpy(out->bytes, bytes, ADDRESS_BYTES);
	else
		return false;
	return true;
}

static bool take_attribute(const struct nlattr *attribute, struct address *out)
{
	return take_address(mnl_attr_get_payload(attribute), mnl_attr_get_payload_len(attribute),
			    out);
}

static void add(struct reading *r, const struct route *route)
{
	r->found++;
	if (r->out != NULL && r->out->count < ROUTES_MAX)
		r->out->routes[r->out->count++] = *route;
	else if (r->out != NULL)
		r->out->left_out++;
}

/* A next hop's way, its prefix and metric known. Attributes: RTA_GATEWAY, or RTA_VIA (a gateway of the other family). */
static void add_hop(struct reading *r, struct route route, unsigned ifindex, unsigned flags,
		    const struct netlink_attributes *all)
{
	const int interface_idx = kernel_spaces_interface(r->spaces, r->space, ifindex);
	const struct nlattr *via = all->of[RTA_VIA];

	if (interface_idx < 0 || (flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) != 0)
		return;
	route.interface_idx = (uint8_t)interface_idx;
	if (all->of[RTA_GATEWAY] != NULL) {
		if (!take_attribute(all->of[RTA_GATEWAY], &route.gateway))
			return;
	} else if (via != NULL) {
		const char *bytes = mnl_attr_get_payload(via);
		const size_t length = mnl_attr_get_payload_len(via);
		const size_t family = sizeof(((struct rtvia *)0)->rtvia_family);

		if (length < family ||
		    !take_address(bytes + family, length - family, &route.gateway))
			return;
	} else {
		route.is_on_link = true;
	}
	add(r, &route);
}

/* RTA_MULTIPATH: a list of rtnexthop, each with its attributes. */
static void add_hops(struct reading *r, const struct route *route, const struct nlattr *list)
{
	const char *at = mnl_attr_get_payload(list);
	size_t left = mnl_attr_get_payload_len(list);
	struct rtnexthop hop;

	while (left >= sizeof(hop)) {
		struct netlink_attributes all;
		struct route way = *route;
		size_t whole;

		memcpy(&hop, at, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left)
			return;
		netlink_list(at + sizeof(hop), hop.rtnh_len - sizeof(hop), &all);
		/* The kernel keeps the weight less one. */
		way.weight = hop.rtnh_hops < UINT8_MAX ? (uint8_t)(hop.rtnh_hops + 1) : UINT8_MAX;
		add_hop(r, way, (unsigned)hop.rtnh_ifindex, hop.rtnh_flags, &all);
		whole = RTNH_ALIGN(hop.rtnh_len);
		if (whole > left)
			return;
		at += whole;
		left -= whole;
	}
}

/* False: no prefix that packets are looked up in. */
static bool take_prefix(const struct rtmsg *body, const struct nlattr *destination,
			struct prefix *out)
{
	const unsigned shift = body->rtm_family == AF_INET ? V4_BITS : 0;

	*out = (struct prefix){.bits = (uint8_t)(body->rtm_dst_len + shift)};
	if (body->rtm_dst_len + shift > ADDRESS_BITS)
		return false;
	if (body->rtm_family == AF_INET)
		out->address = address_from_v4((const uint8_t[4]){0});
	if (destination != NULL && !take_attribute(destination, &out->address))
		return false;
	/* An IPv6 route for mapped addresses is none for IPv4. */
	return (out->bits >= V4_BITS && address_is_v4(&out->address)) ==
	       (body->rtm_family == AF_INET);
}

static bool is_of_main_table(const struct rtmsg *body, const struct nlattr *table)
{
	return (table != NULL ? mnl_attr_get_u32(table) : body->rtm_table) == RT_TABLE_MAIN;
}

static void take_route(const struct nlmsghdr *message, struct reading *r)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	struct netlink_attributes all;
	struct route route;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*body) ||
	    (body->rtm_family != AF_INET && body->rtm_family != AF_INET6))
		return;
	netlink_attributes(message, sizeof(*body), &all);
	/* All of it, padding too: lists are compared as they stand. */
	memset(&route, 0, sizeof(route));
	if (!is_of_main_table(body, all.of[RTA_TABLE]) || (body->rtm_flags & RTM_F_CLONED) != 0 ||
	    body->rtm_tos != 0 || body->rtm_src_len != 0 ||
	    !take_prefix(body, all.of[RTA_DST], &route.prefix))
		return;
	if (all.of[RTA_PRIORITY] != NULL)
		route.metric = mnl_attr_get_u32(all.of[RTA_PRIORITY]);
	switch (body->rtm_type) {
	case RTN_UNICAST:
		if (all.of[RTA_MULTIPATH] != NULL)
			add_hops(r, &route, all.of[RTA_MULTIPATH]);
		else if (all.of[RTA_OIF] != NULL)
			add_hop(r, route, mnl_attr_get_u32(all.of[RTA_OIF]), body->rtm_flags, &all);
		break;
	case RTN_BLACKHOLE:
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
	case RTN_THROW:
		route.interface_idx = ROUTE_NOWHERE;
		add(r, &route);
		break;
	default: /* our own addresses, broadcast, multicast */
		break;
	}
}

static int on_route(const struct nlmsghdr *message, void *context)
{
	if (message->nlmsg_type == RTM_NEWROUTE)
		take_route(message, context);
	return MNL_CB_OK;
}

bool kernel_routes_concern(const struct kernel_routes *k, unsigned space,
			   const struct nlmsghdr *message)
{
	struct reading r = {.spaces = k->spaces, .space = space};

	take_route(message, &r);
	return r.found > 0;
}

/* ---- all of them ---- */

static bool dump(struct mnl_socket *socket, struct reading *r, unsigned char family)
{
	char buffer[MESSAGE_BYTES];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	body->rtm_family = family;
	return netlink_ask(socket, message, message->nlmsg_len, 1, on_route, r) == 0;
}

/* Both families of a namespace, IPv6 first: its list is the shorter one where there are many. On a socket of its own: what is
 * late of a dump that was given up must not come into the next. */
static bool read_space(const struct kernel_routes *k, unsigned space)
{
	struct mnl_socket *socket = kernel_spaces_open(k->spaces, space);
	struct reading r = {.spaces = k->spaces, .space = space, .out = k->read};
	bool read;
	int error;

	if (socket == NULL)
		return false;
	read = dump(socket, &r, AF_INET6) && dump(socket, &r, AF_INET);
	error = errno;
	mnl_socket_close(socket);
	errno = error;
	return read;
}

static bool read_all(struct kernel_routes *k)
{
	for (unsigned tries = 0; tries < TRIES; tries++) {
		bool read = true;

		k->read->count = 0;
		k->read->left_out = 0;
		for (unsigned space = 0; read && space < k->spaces->count; space++)
			read = read_space(k, space);
		if (read)
			return true;
		if (errno != EINTR)
			break;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct route));
}

static void warn_of_many(const struct list *list)
{
	if (list->left_out > 0)
		log_write(CONFIG_LOG_WARNING, "route",
			  "too many routes: the rest goes the way of shorter prefixes taken=%u "
			  "left_out=%u",
			  list->count, list->left_out);
}

enum kernel_routes_change kernel_routes_read(struct kernel_routes *k)
{
	struct list *read = k->read;
	bool same;

	if (!read_all(k))
		return KERNEL_ROUTES_LOST;
	/* The order of a dump says nothing. */
	qsort(read->routes, read->count, sizeof(read->routes[0]), compare);
	same = read->count == k->kept->count &&
	       memcmp(read->routes, k->kept->routes, read->count * sizeof(read->routes[0])) == 0;
	if (same)
		return KERNEL_ROUTES_SAME;
	if (read->left_out > 0 && k->kept->left_out == 0)
		warn_of_many(read);
	pthread_mutex_lock(&k->lock);
	k->read = k->kept;
	k->kept = read;
	pthread_mutex_unlock(&k->lock);
	return KERNEL_ROUTES_CHANGED;
}

void kernel_routes_fill(struct kernel_routes *k, struct engine_config *snapshot)
{
	unsigned left_out;

	pthread_mutex_lock(&k->lock);
	left_out = engine_plan_routes(snapshot, k->kept->routes, k->kept->count);
	pthread_mutex_unlock(&k->lock);
	if (left_out > 0)
		log_write(CONFIG_LOG_DEBUG, "route", "no place for routes left_out=%u", left_out);
}

static bool same_ways(const struct engine_config *last, const struct engine_config *next,
		      uint16_t server_idx)
{
	const struct engine_route *a = &last->routes[server_idx], *b = &next->routes[server_idx];

	if (a->way_count != b->way_count)
		return false;
	for (unsigned i = 0; i < a->way_count; i++) {
		if (a->ways[i].outgoing_idx != b->ways[i].outgoing_idx ||
		    a->ways[i].neighbour_idx != b->ways[i].neighbour_idx)
			return false;
	}
	return true;
}

void kernel_routes_tell(const struct engine_config *last, const struct engine_config *next)
{
	unsigned moved = 0, cut_off = 0;
	char text[TEXT_ENDPOINT_BYTES] = "";

	for (uint16_t i = 0; i < next->server_count; i++) {
		bool is_new = last == NULL || i >= last->server_count;

		if (next->server_retired[i] || (!is_new && same_ways(last, next, i)))
			continue;
		moved++;
		if (next->routes[i].way_count > 0)
			continue;
		if (cut_off++ == 0)
			(void)text_endpoint(&next->server_endpoints[i], text);
	}
	if (cut_off > 0)
		log_write(
			CONFIG_LOG_WARNING, "route",
			"no way leads to servers: the kernel has no route by an interface that has "
			"an outgoing address count=%u first=%s",
			cut_off, text);
	if (last != NULL && moved > cut_off)
		log_write(CONFIG_LOG_INFO, "route", "servers have another way servers=%u",
			  moved - cut_off);
}

struct kernel_routes *kernel_routes_open(const struct kernel_spaces *spaces)
{
	struct kernel_routes *k = calloc(1, sizeof(*k));

	if (k != NULL) {
		k->spaces = spaces;
		pthread_mutex_init(&k->lock, NULL);
		k->read = calloc(1, sizeof(*k->read));
		k->kept = calloc(1, sizeof(*k->kept));
	}
	if (k == NULL || k->read == NULL || k->kept == NULL) {
		log_write(CONFIG_LOG_ERROR, "route", "no memory");
		kernel_routes_close(k);
		return NULL;
	}
	if (kernel_routes_read(k) == KERNEL_ROUTES_LOST) {
		log_write(CONFIG_LOG_ERROR, "route",
			  "the kernel does not tell its routes error=\"%s\"", strerror(errno));
		kernel_routes_close(k);
		return NULL;
	}
	return k;
}

void kernel_routes_close(struct kernel_routes *k)
{
	if (k == NULL)
		return;
	free(k->read);
	free(k->kept);
	free(k);
}
