#include "dpdk_app/kernel_rule.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "dpdk_app/kernel_link.h"
#include "dpdk_app/netlink.h"

/* Before the kernel's own, 32766, and what people write by hand as a rule. */
#define PRIORITY_MAIN 20480
#define PRIORITY_OWN 20481
#define FOUND_MAX 256
#define LIST_TRIES 8
#define V4_BYTES 4

/* One rule as listed. */
struct found {
	struct address from;
	uint32_t priority;
	uint32_t table;
};

struct listing {
	unsigned count;
	struct found list[FOUND_MAX];
};

/* ---- one rule ---- */

static int change(uint16_t type, const struct found *rule)
{
	const bool v4 = address_is_v4(&rule->from);
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK);
	if (type == RTM_NEWRULE)
		message->nlmsg_flags |= NLM_F_CREATE | NLM_F_EXCL;
	header->family = v4 ? AF_INET : AF_INET6;
	header->src_len = v4 ? 8 * V4_BYTES : ADDRESS_BITS;
	header->action = FR_ACT_TO_TBL;
	header->table = RT_TABLE_UNSPEC;
	if (v4)
		mnl_attr_put(message, FRA_SRC, V4_BYTES, rule->from.bytes + ADDRESS_V4_OFFSET);
	else
		mnl_attr_put(message, FRA_SRC, ADDRESS_BYTES, rule->from.bytes);
	mnl_attr_put_u32(message, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u32(message, FRA_TABLE, rule->table);
	mnl_attr_put_u8(message, FRA_PROTOCOL, KERNEL_RULE_PROTOCOL);
	if (rule->table == RT_TABLE_MAIN)
		mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 0);
	return netlink_talk(message, message->nlmsg_len, 1, NULL, NULL);
}

static struct found main_rule(const struct address *from)
{
	return (struct found){.from = *from, .priority = PRIORITY_MAIN, .table = RT_TABLE_MAIN};
}

static struct found own_rule(const struct address *from, unsigned ifindex)
{
	return (struct found){
		.from = *from,
		.priority = PRIORITY_OWN,
		.table = kernel_rule_table(ifindex),
	};
}

bool kernel_rule_add(const struct address *from, unsigned ifindex)
{
	const struct found own = own_rule(from, ifindex), by_main = main_rule(from);

	/* That which says whose they are first, and last to go. */
	return (change(RTM_NEWRULE, &own) == 0 || errno == EEXIST) &&
	       (change(RTM_NEWRULE, &by_main) == 0 || errno == EEXIST);
}

void kernel_rule_remove(const struct address *from, unsigned ifindex)
{
	const struct found own = own_rule(from, ifindex), by_main = main_rule(from);

	(void)change(RTM_DELRULE, &by_main);
	(void)change(RTM_DELRULE, &own);
}

/* ---- remains ---- */

static int on_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	struct listing *listing = context;
	struct netlink_attributes all;
	struct found found = {.priority = 0};

	netlink_attributes(message, sizeof(*header), &all);
	if (all.of[FRA_PROTOCOL] == NULL || all.of[FRA_SRC] == NULL ||
	    all.of[FRA_PRIORITY] == NULL || all.of[FRA_TABLE] == NULL ||
	    mnl_attr_get_u8(all.of[FRA_PROTOCOL]) != KERNEL_RULE_PROTOCOL)
		return MNL_CB_OK;
	found.priority = mnl_attr_get_u32(all.of[FRA_PRIORITY]);
	found.table = mnl_attr_get_u32(all.of[FRA_TABLE]);
	if (found.priority != PRIORITY_MAIN && found.priority != PRIORITY_OWN)
		return MNL_CB_OK;
	if (mnl_attr_get_payload_len(all.of[FRA_SRC]) == V4_BYTES)
		found.from = address_from_v4(mnl_attr_get_payload(all.of[FRA_SRC]));
	else if (mnl_attr_get_payload_len(all.of[FRA_SRC]) == ADDRESS_BYTES)
		memcpy(found.from.bytes, mnl_attr_get_payload(all.of[FRA_SRC]), ADDRESS_BYTES);
	else
		return MNL_CB_OK;
	if (listing->count < FOUND_MAX)
		listing->list[listing->count++] = found;
	return MNL_CB_OK;
}

static int list(struct listing *out, uint8_t family)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	int result = -1;

	message->nlmsg_type = RTM_GETRULE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header->family = family;
	for (unsigned i = 0; i < LIST_TRIES; i++) {
		out->count = 0;
		result = netlink_talk(message, message->nlmsg_len, 1, on_rule, out);
		if (result == 0 || errno != EINTR)
			break;
	}
	return result;
}

/* Its own rule names a TAP of a Portico's that is there. */
static bool is_alive(const struct listing *listing, const struct address *from)
{
	for (unsigned i = 0; i < listing->count; i++) {
		const struct found *found = &listing->list[i];
		uint32_t ifindex = found->table - kernel_rule_table(0);

		if (found->priority == PRIORITY_OWN && address_equal(&found->from, from) &&
		    kernel_link_is_marked(ifindex))
			return true;
	}
	return false;
}

static bool recover(uint8_t family)
{
	struct listing listing;

	/* A kernel without the family, or without such rules, has none. */
	if (list(&listing, family) != 0)
		return errno == EOPNOTSUPP || errno == EAFNOSUPPORT;
	for (unsigned i = 0; i < listing.count; i++) {
		const struct found *found = &listing.list[i];

		if (!is_alive(&listing, &found->from) && change(RTM_DELRULE, found) != 0 &&
		    errno != ENOENT)
			return false;
	}
	return true;
}

bool kernel_rule_recover(void)
{
	return recover(AF_INET) && recover(AF_INET6);
}
