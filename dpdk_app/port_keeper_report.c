#include "dpdk_app/port_keeper_state.h"

#include <math.h>
#include <stdio.h>

#include "dpdk_app/text.h"

static double bits_of(uint32_t count)
{
	return count > 0 ? log2(count) : 0.0;
}

struct port_keeper_least port_keeper_least(const struct port_keeper *k)
{
	uint32_t ports = atomic_load_explicit(&k->fewest, memory_order_relaxed);

	return (struct port_keeper_least){.ports = ports, .entropy_bits = bits_of(ports)};
}

void port_keeper_stats(struct port_keeper *k, struct port_keeper_stats *out)
{
	const struct port_keeper_least least = port_keeper_least(k);

	pthread_mutex_lock(&k->lock);
	*out = (struct port_keeper_stats){
		.yielded = k->yielded_count,
		.returned = k->returned_count,
		.rotations = k->rotation_count,
		.conflicts_now = port_map_count(&k->yielded),
		.eligible = least.ports,
		.entropy_bits = least.entropy_bits,
	};
	for (unsigned i = 0; i < k->address_count; i++) {
		out->kept += port_map_count(&k->addresses[i].kept);
		out->entropy_alarms += k->addresses[i].meter.alarms;
	}
	pthread_mutex_unlock(&k->lock);
}

static void fill_row(const struct port_keeper *k, const struct kept_address *a,
		     struct port_keeper_row *out)
{
	*out = (struct port_keeper_row){
		.address = a->outgoing->address,
		.prefix_bits = a->outgoing->prefix_bits,
		.interface_idx = a->outgoing->interface_idx,
		.shared = a->shared,
		.send_port = k->settings.send_port,
		.drawn = a->current->ports.port_count,
		.accepted = port_map_count(&a->current->accept),
		.identifiers = a->current->identifier_count,
		.figures = a->meter.last,
		.alarms = a->meter.alarms,
	};
	memcpy(out->counts, a->plan.counts, sizeof(out->counts));
	out->port_bits = bits_of(out->drawn);
	out->identifier_bits = bits_of(out->identifiers);
}

unsigned port_keeper_rows(struct port_keeper *k, struct port_keeper_row rows[OUTGOING_MAX])
{
	unsigned count = 0;

	pthread_mutex_lock(&k->lock);
	for (unsigned i = 0; i < k->address_count; i++) {
		if (!k->addresses[i].outgoing->retired)
			fill_row(k, &k->addresses[i], &rows[count++]);
	}
	pthread_mutex_unlock(&k->lock);
	return count;
}

uint64_t port_keeper_plan(struct port_keeper *k, unsigned outgoing_idx, struct port_plan *plan,
			  struct port_map *drawn, struct port_map *accepted)
{
	const struct kept_address *a = &k->addresses[outgoing_idx];
	uint64_t generation;

	CHECK(outgoing_idx < OUTGOING_SLOTS_MAX);
	pthread_mutex_lock(&k->lock);
	*plan = a->plan;
	*drawn = a->current->ports.map;
	*accepted = a->current->accept;
	generation = a->generation;
	pthread_mutex_unlock(&k->lock);
	return generation;
}

/* ---- why ---- */

static void say_eligible(const struct port_keeper *k, const struct kept_address *a, uint16_t port,
			 char out[PORT_KEEPER_WHY_BYTES])
{
	if (port_map_has(&a->drawn, port) && k->settings.send_port != 0)
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "outgoing.send_port: every query leaves from it");
	else if (port_map_has(&a->drawn, port))
		snprintf(out, PORT_KEEPER_WHY_BYTES, "eligible and drawn: queries leave from it");
	else if (port_map_has(&a->accept, port))
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "eligible, drawn until lately: replies are still taken on it");
	else
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "eligible, but not among the %u drawn this time (outgoing.pool_size)",
			 port_map_count(&a->drawn));
}

static void say_range(const struct port_keeper *k, uint16_t port, char out[PORT_KEEPER_WHY_BYTES])
{
	if (port == 0)
		snprintf(out, PORT_KEEPER_WHY_BYTES, "port 0 is no port to send from");
	else if (k->settings.send_port != 0)
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "outgoing.send_port: every query leaves from port %u",
			 k->settings.send_port);
	else
		snprintf(out, PORT_KEEPER_WHY_BYTES, "not in outgoing.range");
}

/* The longest sentence: names are cut. Not under the lock. */
static void say_held(const struct port_networks *networks, uint16_t port,
		     char out[PORT_KEEPER_WHY_BYTES])
{
	struct port_map wanted = {{0}};
	struct port_holder holder;
	char text[TEXT_ADDRESS_BYTES];

	port_map_add(&wanted, port, port);
	if (port_keeper_kernel_holders(networks, &wanted, &holder, 1) == 0) {
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "a process held it a moment ago: it is free again soon");
		return;
	}
	text_address(&holder.socket.bound.address, text);
	if (holder.process.pid != 0)
		snprintf(out, PORT_KEEPER_WHY_BYTES, "process %.32s (pid %ld) holds it on %s",
			 holder.process.name, holder.process.pid, text);
	else
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "a process of %.20s that cannot be seen holds it on %s",
			 holder.process.name, text);
}

/* Why a port is drawn all the same: the kernel leaves too few. */
struct kept_word {
	const char *rule; /* the kernel's, that it is kept against; NULL: it is not kept */
	bool is_held;     /* by a process, too */
	bool is_send_port;
	uint32_t floor;
};

static struct kept_word kept_word(const struct port_keeper *k, const struct kept_address *a,
				  uint16_t port)
{
	static const char *const rules[PORT_VERDICT_COUNT] = {
		[PORT_RESERVED] = "net.ipv4.ip_local_reserved_ports names it",
		[PORT_EPHEMERAL] = "net.ipv4.ip_local_port_range has it",
		[PORT_HELD] = "a process held it a moment ago",
	};

	return (struct kept_word){
		.rule = port_map_has(&a->kept, port) ? rules[a->plan.verdict[port]] : NULL,
		.is_held = port_map_has(&a->held, port),
		.is_send_port = k->settings.send_port != 0,
		.floor = a->floor,
	};
}

/* Not under the lock. */
static void say_kept(const struct kept_word *kept, const struct port_networks *networks,
		     uint16_t port, char out[PORT_KEEPER_WHY_BYTES])
{
	struct port_map wanted = {{0}};
	struct port_holder holder;
	const char *rule = kept->rule;
	char text[64];

	port_map_add(&wanted, port, port);
	if (kept->is_held && port_keeper_kernel_holders(networks, &wanted, &holder, 1) == 1) {
		snprintf(text, sizeof(text), "process %.32s (pid %ld) holds it",
			 holder.process.name, holder.process.pid);
		rule = text;
	}
	if (kept->is_send_port)
		snprintf(out, PORT_KEEPER_WHY_BYTES, "kept although %s: outgoing.send_port", rule);
	else
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "kept although %s: fewer than %u would be left", rule, kept->floor);
}

static void say_verdict(const struct port_keeper *k, const struct kept_address *a, uint16_t port,
			char out[PORT_KEEPER_WHY_BYTES])
{
	const struct port_exclusion *claim = port_exclusion_of(port);

	switch ((enum port_verdict)a->plan.verdict[port]) {
	case PORT_ELIGIBLE:
		say_eligible(k, a, port, out);
		break;
	case PORT_OUT_OF_RANGE:
		say_range(k, port, out);
		break;
	case PORT_EXCLUDED:
		snprintf(out, PORT_KEEPER_WHY_BYTES, "outgoing.exclude names it");
		break;
	case PORT_CLAIMED:
		snprintf(out, PORT_KEEPER_WHY_BYTES, "outgoing.exclude_defaults: %s",
			 claim != NULL ? claim->reason : "");
		break;
	case PORT_LISTENS:
		snprintf(out, PORT_KEEPER_WHY_BYTES, "listen: questions are taken on it");
		break;
	case PORT_RESERVED:
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "net.ipv4.ip_local_reserved_ports: the administrator keeps it for others");
		break;
	case PORT_EPHEMERAL:
		snprintf(out, PORT_KEEPER_WHY_BYTES,
			 "net.ipv4.ip_local_port_range: the kernel hands it to processes here");
		break;
	case PORT_HELD: /* say_held */
		break;
	case PORT_VERDICT_COUNT:
		CHECK(false);
	}
}

void port_keeper_why(struct port_keeper *k, unsigned outgoing_idx, uint16_t port,
		     char out[PORT_KEEPER_WHY_BYTES])
{
	const struct kept_address *a = &k->addresses[outgoing_idx];
	struct port_networks networks;
	struct kept_word kept;
	bool is_held;

	CHECK(outgoing_idx < k->address_count);
	pthread_mutex_lock(&k->lock);
	port_keeper_kernel_networks(k, a, &networks);
	kept = kept_word(k, a, port);
	is_held = a->plan.verdict[port] == PORT_HELD;
	say_verdict(k, a, port, out);
	pthread_mutex_unlock(&k->lock);
	/* Who it is takes as long as there are processes: nobody waits for that. */
	if (kept.rule != NULL)
		say_kept(&kept, &networks, port, out);
	else if (is_held)
		say_held(&networks, port, out);
}

unsigned port_keeper_conflicts(struct port_keeper *k, unsigned start, struct port_conflict rows[],
			       unsigned count)
{
	uint64_t kept;
	unsigned found = 0;

	pthread_mutex_lock(&k->lock);
	kept = k->conflict_total < PORT_KEEPER_CONFLICTS_MAX ? k->conflict_total
							     : PORT_KEEPER_CONFLICTS_MAX;
	for (uint64_t n = start; n < kept && found < count; n++)
		rows[found++] =
			k->conflicts[(k->conflict_total - 1 - n) % PORT_KEEPER_CONFLICTS_MAX];
	pthread_mutex_unlock(&k->lock);
	return found;
}
