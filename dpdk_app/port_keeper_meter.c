#include "dpdk_app/port_keeper_state.h"

#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

/* A line that often, an address. */
#define ALARM_SPELL_NS (60 * NS_PER_S)

static void add_counts(uint32_t to[SOURCE_METER_BLOCKS], const uint32_t from[SOURCE_METER_BLOCKS])
{
	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void add_meter(struct source_meter *sum, const struct source_meter *of_worker)
{
	add_counts(sum->ports, of_worker->ports);
	add_counts(sum->ids, of_worker->ids);
	add_counts(sum->port_steps, of_worker->port_steps);
	add_counts(sum->id_steps, of_worker->id_steps);
	sum->sent += __atomic_load_n(&of_worker->sent, __ATOMIC_RELAXED);
}

static void alarm(struct kept_address *a, mono_ns now)
{
	const struct entropy_figures *f = &a->meter.last;
	char text[TEXT_ADDRESS_BYTES];

	if (a->alarm_told_at != 0 && now - a->alarm_told_at < ALARM_SPELL_NS)
		return;
	a->alarm_told_at = now;
	log_write(CONFIG_LOG_WARNING, "ports",
		  "what we send does not look random: %s address=%s samples=%llu port_p=%.3g "
		  "id_p=%.3g id_step_p=%.3g port_bits=%.2f id_bits=%.2f port_step_bits=%.2f "
		  "remedy=\"report this; `porticoctl ports audit` shows what arrives outside\"",
		  entropy_fault_text[f->fault], text_address(&a->outgoing->address, text),
		  (unsigned long long)f->samples, f->port_p, f->id_p, f->id_step_p,
		  f->port_min_entropy_bits, f->id_min_entropy_bits, f->port_step_min_entropy_bits);
}

void port_keeper_meter_gather(struct port_keeper *k, mono_ns now)
{
	/* Some worker may still send from the set before; or none does. */
	if (k->turns_wanted > 0 || k->worker_count == 0 || k->reloading)
		return;
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];
		struct source_meter sum = {0};

		if (a->outgoing->retired)
			continue;
		for (unsigned w = 0; w < k->worker_count; w++)
			add_meter(&sum, engine_source_meter(k->workers[w].engine, i));
		if (entropy_meter_gather(&a->meter, &a->current->ports.map, &sum) &&
		    a->meter.last.alarm)
			alarm(a, now);
	}
}
