#include "dpdk_app/kernel_neighbours.h"
#include "dpdk_app/dpdk.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "core/mono.h"
#include "dpdk_app/log.h"
#include "dpdk_app/netlink.h"
#include "dpdk_app/text.h"

#define MESSAGE_BYTES 256
#define ANSWER_BYTES 8192
/* An answer comes at once, or is lost. The keeper has other things to do. */
#define TIMEOUT_US 200000
/* How often the kernel is asked to look for one that does not answer, or told that one is in use. */
#define ASK_AGAIN_NS NS_PER_S
/* What answers at all on a link does so in a millisecond or some. */
#define CONFIRM_NS (100 * NS_PER_MS)
/* No more often, whatever is suspected. */
#define CONFIRM_AGAIN_NS (500 * NS_PER_MS)
/* How often it is looked at: its notifications tell of changes, unless they are lost. */
#define LOOK_AGAIN_NS NS_PER_S
#define LOOK_SOON_NS (20 * NS_PER_MS)
/* One that stays unknown is not asked for that often for long. */
#define LOOK_SPELL_NS (5 * NS_PER_S)
/* How long a new way may keep the old one in force: an answer comes in less. */
#define PREPARE_NS (100 * NS_PER_MS)
#define PREPARE_LOOK_NS (5 * NS_PER_MS)
#define STATES_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)
/* In these the kernel does not ask. */
#define STATES_FOR_GOOD (NUD_PERMANENT | NUD_NOARP)
/* In these it has asked with success, or asks already, or soon. */
#define STATES_IN_HAND (NUD_REACHABLE | NUD_INCOMPLETE | NUD_PROBE | NUD_DELAY)

struct entry {
	struct address address;
	uint16_t idx; /* of the shared words */
	uint8_t space;
	unsigned ifindex;
	enum neighbour_knowledge told;
	struct mac mac;          /* if told KNOWN */
	mono_ns next_ask_at;     /* not before */
	mono_ns next_confirm_at; /* likewise */
	mono_ns next_look_at;    /* unless it is suspected */
	mono_ns unknown_since;   /* if told UNKNOWN */
	mono_ns confirmed_till; /* when its owner must have answered; MONO_NEVER: it is not being confirmed */
};

struct kernel_neighbours {
	const struct kernel_spaces *spaces;
	struct neighbour_shared *shared;
	const struct tsc_clock *workers_clock;
	pthread_mutex_t lock; /* of what follows */
	struct mnl_socket *sockets[INTERFACES_MAX];
	uint32_t sequence; /* of the last message: its answer bears it */
	bool complained;   /* of the kernel's refusal, once */
	unsigned entry_count;
	struct entry entries[NEIGHBOUR_PLACES_MAX];
	/* Places on demand that were given up: until when they rest; 0: not such a one. */
	mono_ns resting_until[NEIGHBOUR_DEMAND_MAX];
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
static ssize_t receive(struct kernel_neighbours *n, struct mnl_socket *socket,
		       char buffer[ANSWER_BYTES])
{
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(socket, buffer, ANSWER_BYTES);
		struct nlmsghdr first;

		if (got < (ssize_t)sizeof(first))
			return -1;
		memcpy(&first, buffer, sizeof(first));
		if (first.nlmsg_seq == n->sequence)
			return got;
	}
}

/* One message, one answer, which may be an acknowledgement. */
static enum exchange_result exchange(struct kernel_neighbours *n, const struct entry *e,
				     struct nlmsghdr *message, struct answer *out)
{
	struct mnl_socket *socket = n->sockets[e->space];
	char buffer[ANSWER_BYTES];
	ssize_t got;

	message->nlmsg_seq = ++n->sequence;
	*out = (struct answer){.state = NUD_NONE};
	if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
		return is_passing(errno) ? EXCHANGE_LOST : EXCHANGE_REFUSED;
	got = receive(n, socket, buffer);
	if (got < 0)
		return EXCHANGE_LOST;
	return mnl_cb_run(buffer, (size_t)got, message->nlmsg_seq, mnl_socket_get_portid(socket),
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

	switch (exchange(n, e, message, out)) {
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

enum wish {
	WISH_USE,     /* NTF_USE: it is in use, find or confirm it */
	WISH_CONFIRM, /* NUD_PROBE: ask its owner now */
	WISH_FORGET,  /* NUD_FAILED: its owner is silent */
};

static void ask_for(struct kernel_neighbours *n, struct entry *e, enum wish wish, mono_ns now)
{
	static const uint16_t states[] = {
		[WISH_USE] = NUD_NONE, [WISH_CONFIRM] = NUD_PROBE, [WISH_FORGET] = NUD_FAILED};
	char buffer[MESSAGE_BYTES];
	struct answer none;
	struct ndmsg *body;
	struct nlmsghdr *message =
		put_message(buffer, e, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, &body);

	body->ndm_flags = wish == WISH_USE ? NTF_USE : 0;
	body->ndm_state = states[wish];
	e->next_ask_at = now + ASK_AGAIN_NS;
	/* EINVAL, ENOENT: it has gone meanwhile; the next look says so. */
	if (exchange(n, e, message, &none) == EXCHANGE_REFUSED && errno != EINVAL &&
	    errno != ENOENT)
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

/* One that the kernel has no MAC of any more has none for us: what it was may be somebody else's. */
static void take_answer(struct kernel_neighbours *n, struct entry *e, const struct answer *answer,
			mono_ns now)
{
	if ((answer->state & STATES_VALID) != 0 && answer->has_mac) {
		tell(n, e, NEIGHBOUR_KNOWN, &answer->mac);
	} else if ((answer->state & NUD_FAILED) != 0) {
		tell(n, e, NEIGHBOUR_SILENT, NULL);
	} else if (e->told == NEIGHBOUR_KNOWN) {
		tell(n, e, NEIGHBOUR_UNKNOWN, NULL);
		e->unknown_since = now;
		e->next_ask_at = now;
	}
}

/* It is being confirmed: until its owner answers, or has not in time. */
static void go_on_confirming(struct kernel_neighbours *n, struct entry *e,
			     const struct answer *answer, mono_ns now)
{
	if ((answer->state & NUD_PROBE) != 0 && now < e->confirmed_till)
		return;
	e->confirmed_till = MONO_NEVER;
	if ((answer->state & NUD_PROBE) == 0)
		return;
	ask_for(n, e, WISH_FORGET, now);
	ask_for(n, e, WISH_USE, now);
	e->next_look_at = now;
}

static void ask_where_needed(struct kernel_neighbours *n, struct entry *e,
			     const struct answer *answer, bool suspected, mono_ns now)
{
	const uint16_t state = answer->state;

	if ((state & STATES_FOR_GOOD) != 0)
		return;
	if (suspected && (state & STATES_VALID) != 0 && now >= e->next_confirm_at) {
		e->confirmed_till = now + CONFIRM_NS;
		e->next_confirm_at = now + CONFIRM_AGAIN_NS;
		ask_for(n, e, WISH_CONFIRM, now);
	} else if ((state & STATES_IN_HAND) == 0 && now >= e->next_ask_at) {
		ask_for(n, e, WISH_USE, now);
	}
}

static mono_ns next_look(const struct entry *e, mono_ns now)
{
	bool soon = e->confirmed_till != MONO_NEVER ||
		    (e->told == NEIGHBOUR_UNKNOWN && now - e->unknown_since < LOOK_SPELL_NS);

	return now + (soon ? LOOK_SOON_NS : LOOK_AGAIN_NS);
}

/* False: the answer was lost; nothing has changed. */
static bool look_at(struct kernel_neighbours *n, struct entry *e, bool suspected, mono_ns now)
{
	struct answer answer;

	if (!look_up(n, e, &answer))
		return false;
	e->next_look_at = MONO_NEVER;
	take_answer(n, e, &answer, now);
	if (e->confirmed_till != MONO_NEVER)
		go_on_confirming(n, e, &answer, now);
	else
		ask_where_needed(n, e, &answer, suspected, now);
	if (e->next_look_at == MONO_NEVER)
		e->next_look_at = next_look(e, now);
	return true;
}

/* ---- whom to look at, on demand ---- */

static struct entry new_entry(const struct kernel_neighbours *n, uint16_t idx,
			      const struct neighbour_place *place, mono_ns now)
{
	const struct kernel_spaces *spaces = n->spaces;

	/* What stands there from the last time may be old. */
	neighbour_tell(n->shared, idx, NEIGHBOUR_UNKNOWN, NULL);
	return (struct entry){
		.address = place->address,
		.idx = idx,
		.space = spaces->of_interface[place->interface_idx],
		.ifindex = spaces->path->interfaces[place->interface_idx].ifindex,
		.told = NEIGHBOUR_UNKNOWN,
		.unknown_since = now,
		.confirmed_till = MONO_NEVER,
	};
}

static bool is_demanded(const struct kernel_neighbours *n, const struct entry *e)
{
	return e->idx >= n->shared->demands.first;
}

/* Nobody has use for it any more: no one has sent there for long, or nobody answers there. */
static bool is_over(const struct kernel_neighbours *n, const struct entry *e, mono_ns now)
{
	const struct neighbour_demands *d = &n->shared->demands;
	const uint16_t position = (uint16_t)(e->idx - d->first);
	const mono_ns workers_now = tsc_clock_ns(n->workers_clock, rte_rdtsc());

	return neighbour_demand_is_idle(d, position, workers_now) ||
	       neighbour_demand_is_double(d, position) ||
	       (e->told == NEIGHBOUR_SILENT &&
		now - e->unknown_since > NEIGHBOUR_DEMAND_TRIES * NS_PER_S);
}

static void give_up(struct kernel_neighbours *n, unsigned i, mono_ns now)
{
	const uint16_t position = (uint16_t)(n->entries[i].idx - n->shared->demands.first);

	neighbour_demand_give_up(&n->shared->demands, position);
	n->resting_until[position] = now + NEIGHBOUR_DEMAND_REST_MS * NS_PER_MS;
	n->entries[i] = n->entries[--n->entry_count];
}

static void free_rested(struct kernel_neighbours *n, mono_ns now)
{
	struct neighbour_demands *d = &n->shared->demands;

	for (uint16_t i = 0; i < d->count; i++) {
		if (n->resting_until[i] == 0 || now < n->resting_until[i])
			continue;
		n->resting_until[i] = 0;
		neighbour_forget(n->shared, (uint16_t)(d->first + i));
		neighbour_demand_free(d, i);
	}
}

static bool has_entry(const struct kernel_neighbours *n, uint16_t idx)
{
	for (unsigned i = 0; i < n->entry_count; i++)
		if (n->entries[i].idx == idx)
			return true;
	return false;
}

/* Take up what workers have demanded since, and give up what they demand no more. */
static void follow_demands(struct kernel_neighbours *n, mono_ns now)
{
	const struct neighbour_demands *d = &n->shared->demands;
	struct neighbour_wanted wanted;

	for (unsigned i = n->entry_count; i-- > 0;)
		if (is_demanded(n, &n->entries[i]) && is_over(n, &n->entries[i], now))
			give_up(n, i, now);
	free_rested(n, now);
	for (uint16_t i = 0; i < d->count; i++) {
		const uint16_t idx = (uint16_t)(d->first + i);

		if (!neighbour_demand_at(d, i, &wanted) || !wanted.is_kernels ||
		    n->entry_count == ARRAY_COUNT(n->entries) || has_entry(n, idx))
			continue;
		n->entries[n->entry_count++] =
			new_entry(n, idx,
				  &(struct neighbour_place){.address = wanted.address,
							    .interface_idx = wanted.interface_idx},
				  now);
	}
}

void kernel_neighbours_poll(struct kernel_neighbours *n, mono_ns now)
{
	bool answers = true;

	pthread_mutex_lock(&n->lock);
	follow_demands(n, now);
	/* The rest is looked at the next time: a kernel that is silent is not waited for again and again. */
	for (unsigned i = 0; answers && i < n->entry_count; i++) {
		struct entry *e = &n->entries[i];
		bool suspected = neighbour_take_suspicion(n->shared, e->idx);

		if (suspected || now >= e->next_look_at)
			answers = look_at(n, e, suspected, now);
	}
	pthread_mutex_unlock(&n->lock);
}

void kernel_neighbours_doubt(struct kernel_neighbours *n)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < n->entry_count; i++)
		n->entries[i].next_look_at = 0;
	pthread_mutex_unlock(&n->lock);
}

void kernel_neighbours_on_news(struct kernel_neighbours *n, unsigned space, unsigned ifindex,
			       const struct address *address, mono_ns now)
{
	pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < n->entry_count; i++) {
		struct entry *e = &n->entries[i];

		/* What it is now counts, not what it was when this was said. */
		if (e->space == space && e->ifindex == ifindex &&
		    address_equal(&e->address, address) && !look_at(n, e, false, now))
			e->next_look_at = now;
	}
	pthread_mutex_unlock(&n->lock);
}

/* ---- whom to look at ---- */

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

static bool is_ours(const struct neighbour_place *place)
{
	return place->is_kernels && !place->retired;
}

static void collect(struct kernel_neighbours *n, const struct engine_config *snapshot,
		    const struct entry before[], unsigned before_count, mono_ns now)
{
	n->entry_count = 0;
	for (uint16_t idx = 0; idx < snapshot->neighbour_count; idx++) {
		const struct neighbour_place *place = &snapshot->neighbours[idx];
		const struct entry *known = find_before(before, before_count, idx, &place->address);

		if (!is_ours(place))
			continue;
		n->entries[n->entry_count++] =
			known != NULL ? *known : new_entry(n, idx, place, now);
	}
	/* What workers demand does not change with the configuration. */
	for (unsigned i = 0; i < before_count; i++)
		if (is_demanded(n, &before[i]))
			n->entries[n->entry_count++] = before[i];
}

/* Places that nobody had are nobody's yet: they may be told of. */
static void add_new(struct kernel_neighbours *n, const struct engine_config *next, mono_ns now)
{
	const unsigned before_count = n->entry_count;

	for (uint16_t idx = 0; idx < next->neighbour_count; idx++) {
		const struct neighbour_place *place = &next->neighbours[idx];

		if (is_ours(place) && n->entry_count < NEIGHBOUR_SLOTS_MAX &&
		    find_before(n->entries, before_count, idx, &place->address) == NULL)
			n->entries[n->entry_count++] = new_entry(n, idx, place, now);
	}
}

/* Of those from `first` on. */
static bool any_unknown(struct kernel_neighbours *n, unsigned first, mono_ns now)
{
	bool answers = true, unknown = false;

	pthread_mutex_lock(&n->lock);
	for (unsigned i = first; answers && i < n->entry_count; i++) {
		struct entry *e = &n->entries[i];

		if (e->told == NEIGHBOUR_UNKNOWN)
			answers = look_at(n, e, false, now);
		unknown = unknown || e->told == NEIGHBOUR_UNKNOWN;
	}
	pthread_mutex_unlock(&n->lock);
	return answers && unknown;
}

void kernel_neighbours_prepare(struct kernel_neighbours *n, const struct engine_config *next,
			       mono_ns now)
{
	const struct timespec pause = {.tv_nsec = PREPARE_LOOK_NS};
	const mono_ns until = now + PREPARE_NS;
	unsigned first;

	pthread_mutex_lock(&n->lock);
	first = n->entry_count;
	add_new(n, next, now);
	pthread_mutex_unlock(&n->lock);
	for (; now < until && any_unknown(n, first, now); now += PREPARE_LOOK_NS)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
}

void kernel_neighbours_follow(struct kernel_neighbours *n, const struct engine_config *snapshot,
			      mono_ns now)
{
	struct entry *before = malloc(sizeof(n->entries));
	unsigned before_count = 0;

	pthread_mutex_lock(&n->lock);
	/* Without memory for it, all are asked for anew. */
	if (before != NULL) {
		before_count = n->entry_count;
		memcpy(before, n->entries, before_count * sizeof(before[0]));
	}
	collect(n, snapshot, before, before_count, now);
	pthread_mutex_unlock(&n->lock);
	free(before);
}

/* ---- start and end ---- */

static bool open_sockets(struct kernel_neighbours *n)
{
	const struct timeval timeout = {.tv_usec = TIMEOUT_US};

	for (unsigned i = 0; i < n->spaces->count; i++) {
		n->sockets[i] = kernel_spaces_open(n->spaces, i);
		if (n->sockets[i] == NULL ||
		    setsockopt(mnl_socket_get_fd(n->sockets[i]), SOL_SOCKET, SO_RCVTIMEO, &timeout,
			       sizeof(timeout)) != 0)
			return false;
	}
	return true;
}

struct kernel_neighbours *kernel_neighbours_open(const struct kernel_spaces *spaces,
						 const struct engine_config *snapshot,
						 struct neighbour_shared *shared,
						 const struct tsc_clock *workers_clock, mono_ns now)
{
	struct kernel_neighbours *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		log_write(CONFIG_LOG_ERROR, "neighbour", "no memory");
		return NULL;
	}
	n->spaces = spaces;
	n->shared = shared;
	n->workers_clock = workers_clock;
	pthread_mutex_init(&n->lock, NULL);
	if (!open_sockets(n)) {
		log_write(CONFIG_LOG_ERROR, "neighbour", "no netlink socket error=\"%s\"",
			  strerror(errno));
		kernel_neighbours_close(n);
		return NULL;
	}
	collect(n, snapshot, NULL, 0, now);
	return n;
}

void kernel_neighbours_close(struct kernel_neighbours *n)
{
	if (n == NULL)
		return;
	for (unsigned i = 0; i < INTERFACES_MAX; i++) {
		if (n->sockets[i] != NULL)
			mnl_socket_close(n->sockets[i]);
	}
	free(n);
}
