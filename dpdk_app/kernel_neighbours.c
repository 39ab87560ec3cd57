#include "dpdk_app/kernel_neighbours.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/mono.h"
#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"
#include "dpdk_app/text.h"

#define MESSAGE_BYTES 256
#define ANSWER_BYTES 8192
/* An answer comes at once, or is lost. The keeper has other things to do. */
#define TIMEOUT_US 200000
/* How often the kernel is asked to look for one that does not answer, or to confirm one that is suspected. */
#define ASK_AGAIN_NS NS_PER_S
#define STATES_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
/* In these the kernel does not ask, or asks already. */
#define STATES_LEFT_ALONE (NUD_PERMANENT | NUD_NOARP | NUD_PROBE | NUD_DELAY)

struct entry {
	struct address address;
	uint16_t idx; /* of the shared words */
	unsigned ifindex;
	enum neighbour_knowledge told;
	struct mac mac;      /* if told KNOWN */
	mono_ns next_ask_at; /* not before */
};

struct kernel_neighbours {
	const struct xdp_table *xdp;
	struct neighbour_shared *shared;
	struct mnl_socket *socket;
	uint32_t sequence;    /* of the last message: its answer bears it */
	bool complained;      /* of the kernel's refusal, once */
	pthread_mutex_t lock; /* of what follows */
	unsigned entry_count;
	struct entry entries[NEIGHBOUR_SLOTS_MAX];
};

/* What the kernel says of one. */
struct answer {
	uint16_t state; /* NUD_*; NUD_NONE: it has no such entry */
	bool has_mac;
	struct mac mac;
};

/* ---- netlink ---- */

static struct nlmsghdr *put_message(char buffer[MESSAGE_BYTES], const struct entry *e,
				    uint16_t type, uint16_t flags, struct ndmsg **body)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	bool v4 = address_is_v4(&e->address);

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	*body = mnl_nlmsg_put_extra_header(message, sizeof(**body));
	(*body)->ndm_family = v4 ? AF_INET : AF_INET6;
	(*body)->ndm_ifindex = (int)e->ifindex;
	if (v4)
		mnl_attr_put(message, NDA_DST, 4, e->address.bytes + ADDRESS_V4_OFFSET);
	else
		mnl_attr_put(message, NDA_DST, ADDRESS_BYTES, e->address.bytes);
	return message;
}

enum exchange_result {
	EXCHANGE_OK,
	EXCHANGE_REFUSED, /* errno: the kernel's word */
	EXCHANGE_LOST,    /* no answer, in time */
};

/* The kernel has no memory for it now, or a signal came. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
}

static int on_neighbour(const struct nlmsghdr *message, void *context)
{
	const struct ndmsg *body = mnl_nlmsg_get_payload(message);
	struct answer *out = context;
	struct netlink_attributes all;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	netlink_attributes(message, sizeof(*body), &all);
	out->state = body->ndm_state;
	if (all.of[NDA_LLADDR] != NULL &&
	    mnl_attr_get_payload_len(all.of[NDA_LLADDR]) == sizeof(out->mac.bytes)) {
		memcpy(out->mac.bytes, mnl_attr_get_payload(all.of[NDA_LLADDR]),
		       sizeof(out->mac.bytes));
		out->has_mac = true;
	}
	return MNL_CB_STOP;
}

/* The answer to the last message; what comes late, to one before it, is passed over. -1: errno. */
static ssize_t receive(struct kernel_neighbours *n, char buffer[ANSWER_BYTES])
{
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(n->socket, buffer, ANSWER_BYTES);
		struct nlmsghdr first;

		if (got < (ssize_t)sizeof(first))
			return -1;
		memcpy(&first, buffer, sizeof(first));
		if (first.nlmsg_seq == n->sequence)
			return got;
	}
}

/* One message, one answer, which may be an acknowledgement. */
static enum exchange_result exchange(struct kernel_neighbours *n, struct nlmsghdr *message,
				     struct answer *out)
{
	char buffer[ANSWER_BYTES];
	ssize_t got;

	message->nlmsg_seq = ++n->sequence;
	*out = (struct answer){.state = NUD_NONE};
	if (mnl_socket_sendto(n->socket, message, message->nlmsg_len) < 0)
		return is_passing(errno) ? EXCHANGE_LOST : EXCHANGE_REFUSED;
	got = receive(n, buffer);
	if (got < 0)
		return EXCHANGE_LOST;
	return mnl_cb_run(buffer, (size_t)got, message->nlmsg_seq, mnl_socket_get_portid(n->socket),
			  on_neighbour, out) >= 0
		       ? EXCHANGE_OK
		       : EXCHANGE_REFUSED;
}

static void complain(struct kernel_neighbours *n, const char *what, const struct entry *e)
{
	char text[TEXT_ADDRESS_BYTES];

	if (n->complained)
		return;
	n->complained = true;
	log_write(CONFIG_LOG_ERROR, "neighbour",
		  "the kernel refuses what=\"%s\" address=%s error=\"%s\" hint=\"it takes "
		  "CAP_NET_ADMIN\"",
		  what, text_address(&e->address, text), strerror(errno));
}

/* False: the answer was lost. */
static bool look_up(struct kernel_neighbours *n, const struct entry *e, struct answer *out)
{
	char buffer[MESSAGE_BYTES];
	struct ndmsg *body;
	struct nlmsghdr *message = put_message(buffer, e, RTM_GETNEIGH, 0, &body);

	switch (exchange(n, message, out)) {
	case EXCHANGE_OK:
		return true;
	case EXCHANGE_LOST:
		return false;
	case EXCHANGE_REFUSED:
		break;
	}
	if (errno != ENOENT)
		complain(n, "looking up a neighbour", e);
	return true;
}

/* NTF_USE: it is in use, find or confirm it. NUD_PROBE: confirm it now. */
static void ask_for(struct kernel_neighbours *n, struct entry *e, bool probe, mono_ns now)
{
	char buffer[MESSAGE_BYTES];
	struct answer none;
	struct ndmsg *body;
	struct nlmsghdr *message =
		put_message(buffer, e, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, &body);

	body->ndm_flags = probe ? 0 : NTF_USE;
	body->ndm_state = probe ? NUD_PROBE : NUD_NONE;
	e->next_ask_at = now + ASK_AGAIN_NS;
	/* EINVAL, ENOENT: it has gone meanwhile; the next look says so. */
	if (exchange(n, message, &none) == EXCHANGE_REFUSED && errno != EINVAL && errno != ENOENT)
		complain(n, "using a neighbour", e);
}

/* ---- what is made of it ---- */

static void tell(struct kernel_neighbours *n, struct entry *e, enum neighbour_knowledge told,
		 const struct mac *mac)
{
	char address[TEXT_ADDRESS_BYTES], mac_text[TEXT_MAC_BYTES];

	if (told == e->told && (told != NEIGHBOUR_KNOWN || mac_equal(mac, &e->mac)))
		return;
	neighbour_tell(n->shared, e->idx, told, mac);
	if (told == NEIGHBOUR_KNOWN) {
		log_write(CONFIG_LOG_DEBUG, "neighbour", "the kernel knows address=%s mac=%s",
			  text_address(&e->address, address), text_mac(mac, mac_text));
		e->mac = *mac;
	}
	e->told = told;
}

/* False: the answer was lost; nothing has changed. */
static bool poll_one(struct kernel_neighbours *n, struct entry *e, mono_ns now)
{
	struct answer answer;
	bool suspected;

	if (!look_up(n, e, &answer))
		return false;
	suspected = neighbour_take_suspicion(n->shared, e->idx);
	if ((answer.state & STATES_VALID) != 0 && answer.has_mac)
		tell(n, e, NEIGHBOUR_KNOWN, &answer.mac);
	else if ((answer.state & NUD_FAILED) != 0)
		tell(n, e, NEIGHBOUR_SILENT, NULL);
	/* Else it is being asked for, or forgotten: what was known is as good as it was. */
	if (now < e->next_ask_at || (answer.state & STATES_LEFT_ALONE) != 0)
		return true;
	if (suspected && (answer.state & STATES_VALID) != 0)
		ask_for(n, e, true, now);
	else if ((answer.state & (NUD_REACHABLE | NUD_INCOMPLETE)) == 0)
		ask_for(n, e, false, now);
	return true;
}

unsigned kernel_neighbours_poll(struct kernel_neighbours *n, mono_ns now)
{
	unsigned unknown = 0;
	bool answers = true;

	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < n->entry_count; i++) {
		/* The rest is looked at the next time: a kernel that is silent is not waited for again and again. */
		answers = answers && poll_one(n, &n->entries[i], now);
		unknown += n->entries[i].told == NEIGHBOUR_UNKNOWN;
	}
	pthread_mutex_unlock(&n->lock);
	return unknown;
}

/* ---- start and end ---- */

/* NULL: it is new, or another had its place. */
static const struct entry *find_before(const struct entry before[], unsigned before_count,
				       uint16_t idx, const struct address *address)
{
	for (unsigned i = 0; i < before_count; i++) {
		if (before[i].idx == idx)
			return address_equal(&before[i].address, address) ? &before[i] : NULL;
	}
	return NULL;
}

static void collect(struct kernel_neighbours *n, const struct engine_config *snapshot,
		    const struct entry before[], unsigned before_count)
{
	n->entry_count = 0;
	for (uint16_t idx = 0; idx < snapshot->neighbour_count; idx++) {
		const struct neighbour_place *place = &snapshot->neighbours[idx];
		const struct entry *known = find_before(before, before_count, idx, &place->address);
		struct entry *e = &n->entries[n->entry_count];

		if (place->retired || !place->is_kernels)
			continue;
		n->entry_count++;
		if (known != NULL) {
			*e = *known;
			continue;
		}
		*e = (struct entry){
			.address = place->address,
			.idx = idx,
			.ifindex = n->xdp->interfaces[place->interface_idx].address_ifindex,
			.told = NEIGHBOUR_UNKNOWN,
		};
	}
}

void kernel_neighbours_follow(struct kernel_neighbours *n, const struct engine_config *snapshot)
{
	struct entry *before = malloc(sizeof(n->entries));
	unsigned before_count = 0;

	pthread_mutex_lock(&n->lock);
	/* Without memory for it, all are asked for anew. */
	if (before != NULL) {
		before_count = n->entry_count;
		memcpy(before, n->entries, before_count * sizeof(before[0]));
	}
	collect(n, snapshot, before, before_count);
	pthread_mutex_unlock(&n->lock);
	free(before);
}

struct kernel_neighbours *kernel_neighbours_open(const struct xdp_table *xdp,
						 const struct engine_config *snapshot,
						 struct neighbour_shared *shared)
{
	const struct timeval timeout = {.tv_usec = TIMEOUT_US};
	struct kernel_neighbours *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		log_write(CONFIG_LOG_ERROR, "neighbour", "no memory");
		return NULL;
	}
	n->xdp = xdp;
	n->shared = shared;
	pthread_mutex_init(&n->lock, NULL);
	n->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (n->socket == NULL || mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) != 0 ||
	    setsockopt(mnl_socket_get_fd(n->socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) != 0) {
		log_write(CONFIG_LOG_ERROR, "neighbour", "no netlink socket error=\"%s\"",
			  strerror(errno));
		kernel_neighbours_close(n);
		return NULL;
	}
	collect(n, snapshot, NULL, 0);
	return n;
}

void kernel_neighbours_close(struct kernel_neighbours *n)
{
	if (n == NULL)
		return;
	if (n->socket != NULL)
		mnl_socket_close(n->socket);
	free(n);
}
