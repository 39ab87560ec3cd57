#include "dpdk_app/port_keeper_state.h"

#include <stdio.h>

#include "dpdk_app/kernel_ports.h"
#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

/* The rules in the order in which they take ports, each with its remedy. */
static const struct {
	enum port_verdict verdict;
	const char *name;
	const char *remedy;
} rules[] = {
	{PORT_OUT_OF_RANGE, "outgoing.range", "widen it"},
	{PORT_EXCLUDED, "outgoing.exclude", "exclude fewer, or widen outgoing.range"},
	{PORT_CLAIMED, "outgoing.exclude_defaults", "widen outgoing.range, or set it to false"},
	{PORT_LISTENS, "listen", "listen on another port, or widen outgoing.range"},
	{PORT_RESERVED, "net.ipv4.ip_local_reserved_ports",
	 "widen outgoing.range, or reserve fewer there"},
	{PORT_EPHEMERAL, "net.ipv4.ip_local_port_range",
	 "widen outgoing.range beyond it, or set outgoing.reserve_in_kernel: true"},
	{PORT_HELD, "processes that hold them", "widen outgoing.range, or stop them: ss -ulnp"},
};

const char *port_keeper_start_counts(const struct port_plan *plan,
				     char out[PORT_KEEPER_COUNTS_BYTES])
{
	int length = snprintf(out, PORT_KEEPER_COUNTS_BYTES, "%u in range",
			      PORT_COUNT - plan->counts[PORT_OUT_OF_RANGE]);

	for (size_t i = 1; i < ARRAY_COUNT(rules); i++) {
		if (plan->counts[rules[i].verdict] > 0 && length < PORT_KEEPER_COUNTS_BYTES)
			length +=
				snprintf(out + length, (size_t)(PORT_KEEPER_COUNTS_BYTES - length),
					 ", %u less by %s", plan->counts[rules[i].verdict],
					 rules[i].name);
	}
	return out;
}

static struct log_place place_of(const struct port_keeper *k)
{
	return (struct log_place){k->config->file, k->config->ports.range_line,
				  k->config->ports.range_column};
}

/* Somebody holds outgoing.send_port. */
static void refuse_send_port(const struct port_keeper *k, const struct kept_address *a)
{
	const struct log_place place = {.file = k->config->file};
	const uint16_t port = k->settings.send_port;
	struct port_holder holder;
	struct port_map wanted = {{0}};
	struct port_networks networks;
	char text[TEXT_ADDRESS_BYTES];

	port_keeper_kernel_networks(k, a, &networks);
	text_address(&a->outgoing->address, text);
	port_map_add(&wanted, port, port);
	if (port_keeper_kernel_holders(&networks, &wanted, &holder, 1) == 1 &&
	    holder.process.pid != 0)
		log_refusal(
			place,
			"outgoing.send_port: %u: process %s (pid %ld) holds UDP port %u on %s; stop "
			"it, move it to another address, or set another send_port",
			port, holder.process.name, holder.process.pid, port, text);
	else
		log_refusal(place,
			    "outgoing.send_port: %u: a process that may not be looked at from here "
			    "holds UDP port %u on %s; see `ss -ulnp`, or set another send_port",
			    port, port, text);
}

static void refuse_empty(const struct port_keeper *k, const struct kept_address *a)
{
	char text[TEXT_ADDRESS_BYTES], counts[PORT_KEEPER_COUNTS_BYTES];
	size_t last = 0;

	for (size_t i = 1; i < ARRAY_COUNT(rules); i++) {
		if (a->plan.counts[rules[i].verdict] > 0)
			last = i;
	}
	log_refusal(place_of(k),
		    "outgoing.range: no source port is left for %s: %s; %s took the last: %s",
		    text_address(&a->outgoing->address, text),
		    port_keeper_start_counts(&a->plan, counts), rules[last].name,
		    rules[last].remedy);
}

/* What processes hold comes back: too few because of them is no mistake in the file. */
static bool check_pool(const struct port_keeper *k, const struct kept_address *a)
{
	const uint32_t eligible = a->plan.counts[PORT_ELIGIBLE];
	const struct log_place place = {.file = k->config->file};
	char text[TEXT_ADDRESS_BYTES], counts[PORT_KEEPER_COUNTS_BYTES];

	if (k->settings.send_port != 0 || k->settings.pool_size <= eligible)
		return true;
	text_address(&a->outgoing->address, text);
	port_keeper_start_counts(&a->plan, counts);
	if (k->settings.pool_size <= eligible + a->plan.counts[PORT_HELD]) {
		log_write(CONFIG_LOG_WARNING, "ports",
			  "the pool is smaller than outgoing.pool_size until processes leave ports "
			  "pool_size=%u eligible=%u address=%s",
			  k->settings.pool_size, eligible, text);
		return true;
	}
	log_refusal(
		place,
		"outgoing.pool_size: %u is more than the %u ports that %s may use (%s); lower it to "
		"%u, set it to all, or widen outgoing.range",
		k->settings.pool_size, eligible, text, counts, eligible);
	return false;
}

/* With respect_kernel off, these are drawn too: a process that is handed one gets no replies. */
static void warn_of_ephemeral(const struct port_keeper *k, const struct kept_address *a)
{
	struct port_map ephemeral, eligible;
	char text[TEXT_ADDRESS_BYTES];

	if (!a->shared || k->settings.respect_kernel || k->settings.reserve_in_kernel ||
	    !kernel_ports_read_ephemeral(&ephemeral))
		return;
	port_plan_eligible(&a->plan, &eligible);
	port_map_intersect(&eligible, &ephemeral);
	if (port_map_is_empty(&eligible))
		return;
	log_write(
		CONFIG_LOG_WARNING, "ports",
		"respect_kernel is off: ports are drawn that the kernel hands out to processes here, "
		"which get no replies there then address=%s ports=%u "
		"remedy=\"outgoing.respect_kernel: true, or reserve_in_kernel: true, or a range "
		"beyond net.ipv4.ip_local_port_range\"",
		text_address(&a->outgoing->address, text), port_map_count(&eligible));
}

bool port_keeper_start_check(const struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		const struct kept_address *a = &k->addresses[i];
		char text[TEXT_ADDRESS_BYTES];

		if (a->outgoing->retired)
			continue;
		if (a->plan.counts[PORT_ELIGIBLE] == 0) {
			if (k->settings.send_port != 0)
				refuse_send_port(k, a);
			else
				refuse_empty(k, a);
			return false;
		}
		if (!check_pool(k, a))
			return false;
		warn_of_ephemeral(k, a);
		log_write(CONFIG_LOG_DEBUG, "ports", "made a plan address=%s eligible=%u held=%u",
			  text_address(&a->outgoing->address, text), a->plan.counts[PORT_ELIGIBLE],
			  a->plan.counts[PORT_HELD]);
	}
	return true;
}
