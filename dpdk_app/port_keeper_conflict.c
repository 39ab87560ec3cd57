#include "dpdk_app/port_keeper_state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "dpdk_app/log.h"
#include "dpdk_app/port_floor.h"
#include "dpdk_app/text.h"

/* A line that often, an address. */
#define LOSS_SPELL_NS (60 * NS_PER_S)

static int64_t wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static struct port_conflict *conflict_at(struct port_keeper *k, uint64_t n)
{
	return &k->conflicts[n % PORT_KEEPER_CONFLICTS_MAX];
}

static void begin(struct port_keeper *k, const struct port_holder *holder, uint16_t port)
{
	struct port_conflict *c = conflict_at(k, k->conflict_total++);
	char text[TEXT_ADDRESS_BYTES];

	*c = (struct port_conflict){
		.port = port,
		.bound = holder->socket.bound.address,
		.pid = holder->process.pid,
		.since_s = wall_s(),
	};
	snprintf(c->process, sizeof(c->process), "%s", holder->process.name);
	log_write(CONFIG_LOG_INFO, "ports",
		  "gave a port to the process that bound it port=%u process=\"%s\" pid=%ld "
		  "address=%s",
		  port, c->process, c->pid, text_address(&c->bound, text));
}

static void end(struct port_keeper *k, struct port_conflict *c)
{
	bool is_drawn = false;

	for (unsigned i = 0; i < k->address_count; i++)
		is_drawn = is_drawn || (k->addresses[i].shared &&
					port_map_has(&k->addresses[i].drawn, c->port));
	c->until_s = wall_s();
	log_write(CONFIG_LOG_INFO, "ports", "%s: it is %s port=%u process=\"%s\" pid=%ld",
		  k->settings.respect_kernel ? "the process has left a port"
					     : "took back a port, respect_kernel is off",
		  is_drawn ? "ours again" : "not drawn", c->port, c->process, c->pid);
}

static void end_all(struct port_keeper *k, const struct port_map *returned)
{
	uint64_t first = k->conflict_total > PORT_KEEPER_CONFLICTS_MAX
				 ? k->conflict_total - PORT_KEEPER_CONFLICTS_MAX
				 : 0;

	for (uint64_t n = first; n < k->conflict_total; n++) {
		struct port_conflict *c = conflict_at(k, n);

		if (c->until_s == 0 && port_map_has(returned, c->port))
			end(k, c);
	}
}

void port_keeper_conflict_update(struct port_keeper *k)
{
	struct port_map now = {{0}};
	struct port_map taken, returned;

	for (unsigned i = 0; i < k->address_count; i++)
		port_map_unite(&now, &k->addresses[i].yielded);
	taken = now;
	port_map_subtract(&taken, &k->yielded);
	returned = k->yielded;
	port_map_subtract(&returned, &now);
	k->yielded = now;
	k->yielded_count += port_map_count(&taken);
	k->returned_count += port_map_count(&returned);
	port_map_unite(&k->untold, &taken);
	if (!port_map_is_empty(&returned))
		end_all(k, &returned);
}

/* ---- telling ---- */

/* Without the lock: whatever was read under it before may be another afterwards. */
static unsigned ask(struct port_keeper *k, const struct port_networks *networks,
		    const struct port_map *ports, struct port_holder holders[], unsigned most)
{
	unsigned count;

	pthread_mutex_unlock(&k->lock);
	count = port_keeper_kernel_holders(networks, ports, holders, most);
	pthread_mutex_lock(&k->lock);
	return count;
}

/* The lines of many at once are the log's to leave out. */
static void tell_taken(struct port_keeper *k)
{
	/* Who has gone before it could be asked for. */
	static const struct port_holder unknown = {.process = {.name = "?"}};
	struct port_holder *holders = calloc(PORT_KEEPER_CONFLICTS_MAX, sizeof(*holders));
	struct port_map left = k->untold;
	struct port_map gone = k->untold;
	struct port_networks networks;
	unsigned count = 0;

	port_map_clear(&k->untold);
	port_keeper_kernel_networks(k, NULL, &networks);
	if (holders != NULL)
		count = ask(k, &networks, &left, holders, PORT_KEEPER_CONFLICTS_MAX);
	for (unsigned i = 0; i < count; i++) {
		uint16_t port = holders[i].socket.bound.port;

		begin(k, &holders[i], port);
		port_map_remove(&left, port, port);
	}
	free(holders);
	for (unsigned i = count; i < PORT_KEEPER_CONFLICTS_MAX && !port_map_is_empty(&left); i++) {
		uint16_t port = port_map_first(&left);

		begin(k, &unknown, port);
		port_map_remove(&left, port, port);
	}
	/* Returned before it was told who had them. */
	port_map_subtract(&gone, &k->yielded);
	if (!port_map_is_empty(&gone))
		end_all(k, &gone);
}

static void tell_kept(struct port_keeper *k, struct kept_address *a)
{
	struct port_holder holder = {.process = {.name = "?"}};
	const struct port_map kept = a->kept;
	const uint32_t drawn_count = port_map_count(&a->drawn), kept_count = port_map_count(&kept);
	struct port_networks networks;
	char text[TEXT_ADDRESS_BYTES];

	text_address(&a->outgoing->address, text);
	a->kept_told = a->kept_kind;
	switch (a->kept_kind) {
	case KEPT_NONE:
		log_write(CONFIG_LOG_INFO, "ports", "there are ports again address=%s drawn=%u",
			  text, drawn_count);
		return;
	case KEPT_SPOKEN_FOR:
		log_write(CONFIG_LOG_WARNING, "ports",
			  "the kernel's settings leave too few ports: some of those that they take "
			  "are kept address=%s drawn=%u kept=%u remedy=\"widen outgoing.range, or "
			  "narrow net.ipv4.ip_local_port_range\"",
			  text, drawn_count, kept_count);
		return;
	case KEPT_HELD:
		break;
	}
	port_keeper_kernel_networks(k, a, &networks);
	(void)ask(k, &networks, &kept, &holder, 1);
	if (k->settings.send_port != 0)
		log_write(
			CONFIG_LOG_WARNING, "ports",
			"A PROCESS HAS BOUND outgoing.send_port: it is kept, and that process gets no "
			"replies of ours nor its own port=%u address=%s process=\"%s\" pid=%ld "
			"remedy=\"stop or move that process, or set another send_port\"",
			k->settings.send_port, text, holder.process.name, holder.process.pid);
	else
		log_write(
			CONFIG_LOG_ERROR, "ports",
			"processes hold so many ports that some of theirs are kept: they are "
			"fought over address=%s drawn=%u kept=%u process=\"%s\" pid=%ld "
			"remedy=\"look at ss -ulnp, stop who holds them, or widen outgoing.range\"",
			text, drawn_count, kept_count, holder.process.name, holder.process.pid);
}

/* More than one bit of what was configured is missing. Told anew when it is half of that again. */
static void tell_loss(const struct port_keeper *k, struct kept_address *a)
{
	const uint32_t pool_size = k->settings.send_port != 0 ? 0 : k->settings.pool_size;
	const uint32_t configured = port_floor_configured(&a->plan, pool_size);
	const uint32_t drawn = port_map_count(&a->drawn);
	const mono_ns now = port_keeper_now();
	char text[TEXT_ADDRESS_BYTES], counts[PORT_KEEPER_COUNTS_BYTES];

	if (2 * drawn >= configured) {
		a->loss_told = 0;
		return;
	}
	if ((a->loss_told != 0 && 2 * drawn >= a->loss_told) ||
	    (a->loss_told_at != 0 && now - a->loss_told_at < LOSS_SPELL_NS))
		return;
	a->loss_told = drawn;
	a->loss_told_at = now;
	log_write(
		CONFIG_LOG_WARNING, "ports",
		"the kernel and processes leave less than half of the configured ports address=%s "
		"drawn=%u configured=%u rules=\"%s\"",
		text_address(&a->outgoing->address, text), drawn, configured,
		port_keeper_start_counts(&a->plan, counts));
}

static void tell_listener(struct port_keeper *k, unsigned idx)
{
	/* A copy: a reload may come while it is asked. */
	const struct endpoint endpoint = k->config->listen[idx].endpoint;
	const struct port_networks one = {
		.count = 1, .list = {{.address = endpoint.address, .bits = ADDRESS_BITS}}};
	struct port_map port = {{0}};
	struct port_holder holder;
	char text[TEXT_ENDPOINT_BYTES];

	k->listen_told[idx] = true;
	port_map_add(&port, endpoint.port, endpoint.port);
	/* If it has gone: no word of it. */
	if (ask(k, &one, &port, &holder, 1) == 0)
		return;
	text_endpoint(&endpoint, text);
	log_write(CONFIG_LOG_WARNING, "listen",
		  "a process has bound an endpoint on which we answer: it gets none of the "
		  "questions endpoint=%s process=\"%s\" pid=%ld remedy=\"stop or move that "
		  "process, or take the endpoint out of listen\"",
		  text, holder.process.name, holder.process.pid);
}

void port_keeper_conflict_tell(struct port_keeper *k)
{
	/* What matters most comes first: of the many lines that follow, the log leaves some out. */
	for (unsigned i = 0; i < k->address_count; i++) {
		if (k->addresses[i].outgoing->retired)
			continue;
		if (k->addresses[i].kept_kind != k->addresses[i].kept_told)
			tell_kept(k, &k->addresses[i]);
		tell_loss(k, &k->addresses[i]);
	}
	if (!port_map_is_empty(&k->untold))
		tell_taken(k);
	for (unsigned i = 0; i < k->config->listen_count; i++) {
		if (!k->listen_now[i] && !k->listen_before[i])
			k->listen_told[i] = false;
		else if (k->listen_now[i] && !k->listen_told[i])
			tell_listener(k, i);
	}
}
