#include "dpdk_app/tc_drop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/socket.h>

#include "dpdk_app/netlink.h"
#include "dpdk_app/xdp_steer.h"

#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)
#define EGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)
/* Of a handle: the owner made the qdisc; what is below tells owners apart. */
#define HANDLE_MADE_QDISC 0x40000000u
#define HANDLE_OWNER_MASK 0x3fffffffu
#define FILTERS_MAX 64 /* of ours on one interface */
#define LIST_TRIES 8   /* a list that changed while it was read is read again */

struct filter {
	uint32_t handle;
	uint32_t info; /* priority and protocol */
};

/* What hangs on one hook of an interface. */
struct listing {
	unsigned ifindex;
	unsigned message_count; /* filters of anybody, and their heads */
	unsigned ours_count;
	struct filter ours[FILTERS_MAX];
	bool has_clsact; /* of a listing of qdiscs */
};

/* ---- netlink ---- */

static struct nlmsghdr *put_message(void *place, uint16_t type, uint16_t flags,
				    const struct tcmsg *body)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(place);
	struct tcmsg *tc;

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	tc = mnl_nlmsg_put_extra_header(message, sizeof(*tc));
	*tc = *body;
	return message;
}

static struct tcmsg qdisc_of(unsigned ifindex)
{
	return (struct tcmsg){
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
		.tcm_parent = TC_H_CLSACT,
	};
}

/* The name in the options of a filter of kind "bpf", or NULL. */
static const char *name_of(const struct nlmsghdr *message)
{
	struct netlink_attributes all, options;

	netlink_attributes(message, sizeof(struct tcmsg), &all);
	if (all.of[TCA_KIND] == NULL || all.of[TCA_OPTIONS] == NULL ||
	    strcmp(mnl_attr_get_str(all.of[TCA_KIND]), "bpf") != 0)
		return NULL;
	netlink_nested(all.of[TCA_OPTIONS], &options);
	return options.of[TCA_BPF_NAME] == NULL ? NULL : mnl_attr_get_str(options.of[TCA_BPF_NAME]);
}

static int on_filter(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct listing *listing = context;
	const char *name;

	if ((unsigned)tc->tcm_ifindex != listing->ifindex)
		return MNL_CB_OK;
	listing->message_count++;
	name = name_of(message);
	if (name != NULL && strcmp(name, XDP_STEER_DROP_PROGRAM) == 0 && tc->tcm_handle != 0 &&
	    listing->ours_count < FILTERS_MAX)
		listing->ours[listing->ours_count++] = (struct filter){
			.handle = tc->tcm_handle,
			.info = tc->tcm_info,
		};
	return MNL_CB_OK;
}

static int on_qdisc(const struct nlmsghdr *message, void *context)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct listing *listing = context;
	struct netlink_attributes all;

	netlink_attributes(message, sizeof(*tc), &all);
	if ((unsigned)tc->tcm_ifindex == listing->ifindex && all.of[TCA_KIND] != NULL &&
	    strcmp(mnl_attr_get_str(all.of[TCA_KIND]), "clsact") == 0)
		listing->has_clsact = true;
	return MNL_CB_OK;
}

/* parent 0: the qdiscs themselves. */
static int list(struct listing *listing, unsigned ifindex, uint32_t parent)
{
	char buffer[256];
	const struct tcmsg body = {.tcm_ifindex = (int)ifindex, .tcm_parent = parent};
	struct nlmsghdr *message =
		put_message(buffer, parent == 0 ? RTM_GETQDISC : RTM_GETTFILTER, NLM_F_DUMP, &body);
	int result = -1;

	for (unsigned i = 0; i < LIST_TRIES; i++) {
		*listing = (struct listing){.ifindex = ifindex};
		result = netlink_talk(message, message->nlmsg_len, 1,
				      parent == 0 ? on_qdisc : on_filter, listing);
		if (result == 0 || errno != EINTR)
			break;
	}
	return result;
}

static int find_clsact(unsigned ifindex, bool *found)
{
	struct listing listing;

	if (list(&listing, ifindex, 0) != 0)
		return -1;
	*found = listing.has_clsact;
	return 0;
}

static int delete_filter(unsigned ifindex, const struct filter *filter)
{
	char buffer[256];
	const struct tcmsg body = {
		.tcm_ifindex = (int)ifindex,
		.tcm_handle = filter->handle,
		.tcm_parent = INGRESS,
		.tcm_info = filter->info,
	};
	struct nlmsghdr *message = put_message(buffer, RTM_DELTFILTER, NLM_F_ACK, &body);

	mnl_attr_put_strz(message, TCA_KIND, "bpf");
	return netlink_talk(message, message->nlmsg_len, 1, NULL, NULL);
}

/* But where something hangs on it. */
static int delete_idle_qdisc(unsigned ifindex, bool *deleted)
{
	char buffer[256];
	struct listing in, out;
	const struct tcmsg body = qdisc_of(ifindex);
	struct nlmsghdr *message;

	*deleted = false;
	if (list(&in, ifindex, INGRESS) != 0 || list(&out, ifindex, EGRESS) != 0)
		return -1;
	if (in.message_count > 0 || out.message_count > 0)
		return 0;
	message = put_message(buffer, RTM_DELQDISC, NLM_F_ACK, &body);
	mnl_attr_put_strz(message, TCA_KIND, "clsact");
	if (netlink_talk(message, message->nlmsg_len, 1, NULL, NULL) != 0)
		return -1;
	*deleted = true;
	return 0;
}

/* ---- what a dead one left ---- */

bool tc_drop_recover(unsigned ifindex, bool *made_qdisc)
{
	struct listing listing;
	bool exists, deleted;

	*made_qdisc = false;
	if (find_clsact(ifindex, &exists) != 0)
		return false;
	if (!exists)
		return true;
	if (list(&listing, ifindex, INGRESS) != 0)
		return false;
	for (unsigned i = 0; i < listing.ours_count; i++) {
		const struct filter *filter = &listing.ours[i];

		if (delete_filter(ifindex, filter) != 0)
			return false;
		*made_qdisc = *made_qdisc || (filter->handle & HANDLE_MADE_QDISC) != 0;
	}
	if (*made_qdisc) {
		if (delete_idle_qdisc(ifindex, &deleted) != 0)
			return false;
		*made_qdisc = !deleted;
	}
	return true;
}

/* ---- ours ---- */

/* Qdisc, if it is to be made, and filter in one call, so that nobody can kill us in between. */
static int put_filter(unsigned ifindex, uint32_t handle, int program_fd, bool make_qdisc)
{
	char buffer[1024];
	const struct tcmsg qdisc = qdisc_of(ifindex);
	const struct tcmsg filter = {
		.tcm_ifindex = (int)ifindex,
		.tcm_handle = handle,
		.tcm_parent = INGRESS,
		.tcm_info = TC_H_MAKE(0, htons(ETH_P_ALL)), /* the kernel chooses the priority */
	};
	struct nlmsghdr *message;
	struct nlattr *options;
	size_t length_bytes = 0;

	if (make_qdisc) {
		message = put_message(buffer, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
				      &qdisc);
		mnl_attr_put_strz(message, TCA_KIND, "clsact");
		length_bytes += message->nlmsg_len;
	}
	message = put_message(buffer + length_bytes, RTM_NEWTFILTER,
			      NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &filter);
	mnl_attr_put_strz(message, TCA_KIND, "bpf");
	options = mnl_attr_nest_start(message, TCA_OPTIONS);
	mnl_attr_put_u32(message, TCA_BPF_FD, (uint32_t)program_fd);
	mnl_attr_put_strz(message, TCA_BPF_NAME, XDP_STEER_DROP_PROGRAM);
	mnl_attr_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(message, options);
	length_bytes += message->nlmsg_len;
	return netlink_talk(buffer, length_bytes, make_qdisc ? 2 : 1, NULL, NULL);
}

static void delete_own(const struct tc_drop *drop)
{
	struct listing listing;

	if (list(&listing, drop->ifindex, INGRESS) != 0)
		return;
	for (unsigned i = 0; i < listing.ours_count; i++) {
		if (listing.ours[i].handle == drop->handle)
			(void)delete_filter(drop->ifindex, &listing.ours[i]);
	}
}

/* At random: two of us on one interface have two. */
static bool draw_handle(struct tc_drop *drop, bool made_qdisc)
{
	uint32_t owner = 0;

	while (owner == 0) {
		if (RAND_bytes((unsigned char *)&owner, sizeof(owner)) != 1) {
			errno = EIO;
			return false;
		}
		owner &= HANDLE_OWNER_MASK;
	}
	drop->handle = owner | (made_qdisc ? HANDLE_MADE_QDISC : 0);
	return true;
}

bool tc_drop_attach(struct tc_drop *drop, unsigned ifindex, int program_fd, bool made_qdisc)
{
	bool exists;
	int error;

	if (find_clsact(ifindex, &exists) != 0)
		return false;
	*drop = (struct tc_drop){.ifindex = ifindex};
	if (!draw_handle(drop, made_qdisc || !exists))
		return false;
	drop->active = true;
	if (put_filter(ifindex, drop->handle, program_fd, !exists) == 0)
		return true;
	error = errno;
	if (error == EEXIST && !exists) {
		/* Somebody has made the qdisc meanwhile: the kernel refused ours and hung the filter on his. */
		delete_own(drop);
		if (draw_handle(drop, made_qdisc) &&
		    put_filter(ifindex, drop->handle, program_fd, false) == 0)
			return true;
		error = errno;
	}
	tc_drop_detach(drop);
	errno = error;
	return false;
}

void tc_drop_detach(struct tc_drop *drop)
{
	bool deleted;

	if (!drop->active)
		return;
	drop->active = false;
	delete_own(drop);
	if ((drop->handle & HANDLE_MADE_QDISC) != 0)
		(void)delete_idle_qdisc(drop->ifindex, &deleted);
}
