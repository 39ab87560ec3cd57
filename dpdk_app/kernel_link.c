#include "dpdk_app/kernel_link.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk_app/netlink.h"

static bool is_address(const struct sockaddr *sockaddr, const struct address *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sockaddr;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sockaddr;

	if (sockaddr == NULL)
		return false;
	if (sockaddr->sa_family == AF_INET)
		return address_is_v4(address) &&
		       memcmp(&in->sin_addr, address->bytes + ADDRESS_V4_OFFSET,
			      sizeof(in->sin_addr)) == 0;
	return sockaddr->sa_family == AF_INET6 && !address_is_v4(address) &&
	       memcmp(&in6->sin6_addr, address->bytes, sizeof(in6->sin6_addr)) == 0;
}

bool kernel_link_has_address(unsigned ifindex, const struct address *address)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (const struct ifaddrs *i = list; i != NULL && !found; i = i->ifa_next) {
		if (is_address(i->ifa_addr, address)) {
			char name[IFNAMSIZ];

			/* Labels of IPv4 addresses ("eth0:1") are names too. */
			snprintf(name, sizeof(name), "%.*s", (int)strcspn(i->ifa_name, ":"),
				 i->ifa_name);
			found = if_nametoindex(name) == ifindex;
		}
	}
	freeifaddrs(list);
	return found;
}

/* ---- VLANs ---- */

struct vlan_search {
	unsigned ifindex;
	int vlan;       /* -1: any */
	unsigned found; /* the last */
};

/* The tag in IFLA_LINKINFO of a VLAN interface; -1: it is none. */
static int vlan_of(const struct nlattr *link_info)
{
	struct netlink_attributes info, data;

	netlink_nested(link_info, &info);
	if (info.of[IFLA_INFO_KIND] == NULL || info.of[IFLA_INFO_DATA] == NULL ||
	    strcmp(mnl_attr_get_str(info.of[IFLA_INFO_KIND]), "vlan") != 0)
		return -1;
	netlink_nested(info.of[IFLA_INFO_DATA], &data);
	return data.of[IFLA_VLAN_ID] == NULL ? -1 : mnl_attr_get_u16(data.of[IFLA_VLAN_ID]);
}

static int on_link(const struct nlmsghdr *message, void *context)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct vlan_search *search = context;
	struct netlink_attributes all;
	int vlan;

	netlink_attributes(message, sizeof(*info), &all);
	if (all.of[IFLA_LINK] == NULL || all.of[IFLA_LINKINFO] == NULL ||
	    mnl_attr_get_u32(all.of[IFLA_LINK]) != search->ifindex)
		return MNL_CB_OK;
	vlan = vlan_of(all.of[IFLA_LINKINFO]);
	if (vlan >= 0 && (search->vlan < 0 || search->vlan == vlan))
		search->found = (unsigned)info->ifi_index;
	return MNL_CB_OK;
}

static unsigned find_vlan(unsigned ifindex, int vlan)
{
	struct vlan_search search = {.ifindex = ifindex, .vlan = vlan};
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	info->ifi_family = AF_UNSPEC;
	if (netlink_talk(message, message->nlmsg_len, 1, on_link, &search) != 0 && errno != EINTR)
		return 0;
	return search.found;
}

unsigned kernel_link_of_vlan(unsigned ifindex, uint16_t vlan)
{
	return find_vlan(ifindex, vlan);
}

bool kernel_link_has_vlans(unsigned ifindex)
{
	return find_vlan(ifindex, -1) != 0;
}

/* ---- ours ---- */

static int on_alias(const struct nlmsghdr *message, void *context)
{
	struct netlink_attributes all;
	bool *marked = context;

	netlink_attributes(message, sizeof(struct ifinfomsg), &all);
	*marked = all.of[IFLA_IFALIAS] != NULL &&
		  strcmp(mnl_attr_get_str(all.of[IFLA_IFALIAS]), KERNEL_LINK_MARK) == 0;
	return MNL_CB_OK;
}

bool kernel_link_is_marked(unsigned ifindex)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	bool marked = false;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	info->ifi_index = (int)ifindex;
	return netlink_talk(message, message->nlmsg_len, 1, on_alias, &marked) == 0 && marked;
}

/* ---- what the hardware does ---- */

static bool ask_ethtool(const char *name, void *command)
{
	struct ifreq request = {.ifr_data = command};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool answered;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	answered = ioctl(fd, SIOCETHTOOL, &request) == 0;
	close(fd);
	return answered;
}

unsigned kernel_link_rx_queues(const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (!ask_ethtool(name, &channels))
		return 0;
	return channels.rx_count + channels.combined_count;
}

unsigned kernel_link_paired_queues(const char *name)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	return ask_ethtool(name, &channels) ? channels.combined_count : 0;
}

bool kernel_link_strips_vlan(const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};

	return ask_ethtool(name, &value) && (value.data & ETH_FLAG_RXVLAN) != 0;
}

bool kernel_link_merges(const char *name)
{
	struct ethtool_value gro = {.cmd = ETHTOOL_GGRO}, flags = {.cmd = ETHTOOL_GFLAGS};

	return (ask_ethtool(name, &gro) && gro.data != 0) ||
	       (ask_ethtool(name, &flags) && (flags.data & ETH_FLAG_LRO) != 0);
}
