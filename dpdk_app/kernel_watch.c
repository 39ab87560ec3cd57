#include "dpdk_app/kernel_watch.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/mono.h"
#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"

/* How often neighbours may be looked at (kernel_neighbours_poll decides which). */
#define TICK_MS 20
#define GATHER_NS (100 * NS_PER_MS)
/* A reading that takes long is not repeated before so many times that time. */
#define PAUSE_FACTOR 4
/* A dump that was refused is tried again then. */
#define RETRY_NS NS_PER_S
/* Notifications of one socket that are taken before others have their turn. */
#define BATCH_MAX 64
#define NEWS_BYTES 32768
/* A storm of a routing protocol fits. */
#define SOCKET_BUFFER_BYTES (4 << 20)

struct kernel_watch {
	struct kernel_watch_parts parts;
	struct mnl_socket *sockets[INTERFACES_MAX];
	mono_ns read_at; /* when routes are read; MONO_NEVER: nothing has changed */
	mono_ns not_before;
	pthread_t thread;
	_Atomic bool quit; /* who stops: sets; the thread: reads */
};

static mono_ns monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_ns)now.tv_sec * NS_PER_S + (mono_ns)now.tv_nsec;
}

/* ---- notifications ---- */

static void want_routes(struct kernel_watch *w, mono_ns now)
{
	if (w->read_at == MONO_NEVER)
		w->read_at = now + GATHER_NS > w->not_before ? now + GATHER_NS : w->not_before;
}

static void on_neighbour(struct kernel_watch *w, unsigned space, const struct nlmsghdr *message)
{
	const struct ndmsg *body = mnl_nlmsg_get_payload(message);
	struct netlink_attributes all;
	struct address address;
	const struct nlattr *destination;

	netlink_attributes(message, sizeof(*body), &all);
	destination = all.of[NDA_DST];
	if (destination == NULL)
		return;
	if (mnl_attr_get_payload_len(destination) == 4)
		address = address_from_v4(mnl_attr_get_payload(destination));
	else if (mnl_attr_get_payload_len(destination) == ADDRESS_BYTES)
		memcpy(address.bytes, mnl_attr_get_payload(destination), ADDRESS_BYTES);
	else
		return;
	kernel_neighbours_on_news(w->parts.neighbours, space, (unsigned)body->ndm_ifindex, &address,
				  monotonic_ns());
}

struct news {
	struct kernel_watch *watch;
	unsigned space;
};

static int on_news(const struct nlmsghdr *message, void *context)
{
	const struct news *news = context;
	struct kernel_watch *w = news->watch;

	switch (message->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neighbour(w, news->space, message);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (kernel_routes_concern(w->parts.routes, news->space, message))
			want_routes(w, monotonic_ns());
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		/* A link that goes down takes routes with it, of IPv4 without a word, and neighbours. */
		kernel_neighbours_doubt(w->parts.neighbours);
		want_routes(w, monotonic_ns());
		break;
	default: /* addresses, next hop objects: routes go with them */
		want_routes(w, monotonic_ns());
		break;
	}
	return MNL_CB_OK;
}

/* What has come; at most BATCH_MAX of it. */
static void take_news(struct kernel_watch *w, unsigned space)
{
	struct news news = {w, space};
	char buffer[NEWS_BYTES];

	for (unsigned i = 0; i < BATCH_MAX; i++) {
		ssize_t got = recv(mnl_socket_get_fd(w->sockets[space]), buffer, sizeof(buffer),
				   MSG_DONTWAIT);

		if (got < 0 && errno == ENOBUFS) {
			log_write(CONFIG_LOG_DEBUG, "route", "notifications were lost");
			kernel_neighbours_doubt(w->parts.neighbours);
			want_routes(w, monotonic_ns());
			continue;
		}
		if (got <= 0)
			return;
		(void)mnl_cb_run(buffer, (size_t)got, 0, 0, on_news, &news);
	}
}

/* ---- the thread ---- */

static void read_routes(struct kernel_watch *w, mono_ns now)
{
	mono_ns after;

	/* What changes from here on is a change again. */
	w->read_at = MONO_NEVER;
	switch (kernel_routes_read(w->parts.routes)) {
	case KERNEL_ROUTES_SAME:
		break;
	case KERNEL_ROUTES_CHANGED:
		reload_routes(w->parts.reload);
		break;
	case KERNEL_ROUTES_LOST:
		w->read_at = now + RETRY_NS;
		break;
	}
	after = monotonic_ns();
	w->not_before = after + PAUSE_FACTOR * (after - now);
}

static void *run(void *argument)
{
	struct kernel_watch *w = argument;
	const unsigned count = w->parts.spaces->count;
	struct pollfd waits[INTERFACES_MAX];
	mono_ns now;

	for (unsigned i = 0; i < count; i++)
		waits[i] =
			(struct pollfd){.fd = mnl_socket_get_fd(w->sockets[i]), .events = POLLIN};
	while (!atomic_load_explicit(&w->quit, memory_order_relaxed)) {
		if (poll(waits, count, TICK_MS) > 0) {
			for (unsigned i = 0; i < count; i++)
				take_news(w, i);
		}
		now = monotonic_ns();
		if (now >= w->read_at)
			read_routes(w, now);
		kernel_neighbours_poll(w->parts.neighbours, monotonic_ns());
	}
	return NULL;
}

/* ---- start and end ---- */

static bool join(struct mnl_socket *socket)
{
	static const int groups[] = {RTNLGRP_LINK,       RTNLGRP_NEIGH,       RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
				     RTNLGRP_NEXTHOP};
	const int buffer_bytes = SOCKET_BUFFER_BYTES;

	for (size_t i = 0; i < ARRAY_COUNT(groups); i++) {
		/* Kernels before 5.3 have no next hop objects. */
		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP,
					  (void *)(uintptr_t)&groups[i], sizeof(groups[i])) != 0 &&
		    groups[i] != RTNLGRP_NEXTHOP)
			return false;
	}
	/* It takes CAP_NET_ADMIN, which is there; without, more is lost and looked at. */
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes,
			 sizeof(buffer_bytes));
	return true;
}

static bool listen_everywhere(struct kernel_watch *w)
{
	for (unsigned i = 0; i < w->parts.spaces->count; i++) {
		w->sockets[i] = kernel_spaces_open(w->parts.spaces, i);
		if (w->sockets[i] == NULL || !join(w->sockets[i])) {
			log_write(CONFIG_LOG_ERROR, "route",
				  "no netlink notifications error=\"%s\"", strerror(errno));
			return false;
		}
	}
	return true;
}

static void free_all(struct kernel_watch *w)
{
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if (w->sockets[i] != NULL)
			mnl_socket_close(w->sockets[i]);
	}
	free(w);
}

struct kernel_watch *kernel_watch_start(const struct kernel_watch_parts *parts)
{
	struct kernel_watch *w = calloc(1, sizeof(*w));
	int error;

	if (w == NULL) {
		log_write(CONFIG_LOG_ERROR, "route", "no memory");
		return NULL;
	}
	w->parts = *parts;
	/* At once: the last reading was before anybody listened. */
	w->read_at = 0;
	if (!listen_everywhere(w)) {
		free_all(w);
		return NULL;
	}
	error = pthread_create(&w->thread, NULL, run, w);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "route", "no thread error=\"%s\"", strerror(error));
		free_all(w);
		return NULL;
	}
	pthread_setname_np(w->thread, "portico-kernel");
	return w;
}

void kernel_watch_stop(struct kernel_watch *w)
{
	if (w == NULL)
		return;
	atomic_store_explicit(&w->quit, true, memory_order_relaxed);
	pthread_join(w->thread, NULL);
	free_all(w);
}
