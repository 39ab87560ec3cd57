#include "dpdk_app/entropy_meter.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Expected in a bin at least: blocks that would have fewer are counted together with their neighbours. Pearson's
 * statistic is chi-square distributed for large numbers only. */
#define BIN_EXPECTED_MIN 10.0
/* Quantile of the normal distribution for the upper bound of a probability (SP 800-90B section 6.3.1: 99 %,
 * two-sided). */
#define UPPER_BOUND_DEVIATE 2.576
#define ID_BITS 16.0
/* A window's weight in the drift, a window later. Ten windows count, as it were. */
#define DRIFT_FADE 0.9

const char *const entropy_fault_text[] = {
	[ENTROPY_FAULT_NONE] = "none",
	[ENTROPY_FAULT_FOREIGN_PORT] = "a port outside the set",
	[ENTROPY_FAULT_PORTS] = "ports are uneven or too even",
	[ENTROPY_FAULT_IDS] = "IDs are uneven or too even",
	[ENTROPY_FAULT_ID_STEPS] = "steps between IDs repeat",
	[ENTROPY_FAULT_PORT_STEP_BITS] = "steps between ports repeat",
};
static_assert(sizeof(entropy_fault_text) / sizeof(entropy_fault_text[0]) == ENTROPY_FAULT_COUNT,
	      "a text for each");
static_assert(1u << SOURCE_METER_BLOCK_SHIFT == 64 && PORT_COUNT / 64 == SOURCE_METER_BLOCKS,
	      "a word of a port map is a block");

/* Wilson and Hilferty 1931: the cube root of chi-square over its degrees of freedom is nearly normal. */
static double chi_square_deviate(double x, unsigned df)
{
	double variance = 2.0 / (9.0 * df);

	return (cbrt(x / df) - (1 - variance)) / sqrt(variance);
}

static double normal_upper_tail(double deviate)
{
	return erfc(deviate / sqrt(2)) / 2;
}

double entropy_chi_square_p(double x, unsigned df)
{
	return normal_upper_tail(-chi_square_deviate(x, df));
}

static uint64_t counts_sum(const uint32_t counts[])
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++)
		sum += counts[i];
	return sum;
}

static double probability_upper_bound(double count, double samples)
{
	double p = count / samples;
	double bound = p + UPPER_BOUND_DEVIATE * sqrt(p * (1 - p) / (samples - 1));

	return bound < 1 ? bound : 1;
}

/* Counts of a window against what they should be. */
struct evenness {
	double deviate;    /* of the normal distribution; NAN: one bin only */
	double excess_max; /* how many times as likely as it should be is the commonest bin, at most */
};

struct bin {
	double observed, expected;
};

static void evenness_add(struct evenness *e, struct bin bin, double samples, double *chi_square)
{
	double difference = bin.observed - bin.expected;
	double excess = probability_upper_bound(bin.observed, samples) / (bin.expected / samples);

	*chi_square += difference * difference / bin.expected;
	if (excess > e->excess_max)
		e->excess_max = excess;
}

/* expected sums up to as much as observed, samples. */
static struct evenness evenness_of(const uint32_t observed[], const double expected[],
				   uint64_t samples)
{
	struct evenness e = {.deviate = NAN, .excess_max = 0};
	struct bin bin = {0}, full = {0};
	double chi_square = 0;
	unsigned bin_count = 0;

	/* What is left after the last full bin belongs to it: a bin is counted when the next one is full. */
	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
		bin.observed += observed[i];
		bin.expected += expected[i];
		if (bin.expected < BIN_EXPECTED_MIN)
			continue;
		if (bin_count++ > 0)
			evenness_add(&e, full, (double)samples, &chi_square);
		full = bin;
		bin = (struct bin){0};
	}
	full.observed += bin.observed;
	full.expected += bin.expected;
	evenness_add(&e, full, (double)samples, &chi_square);
	if (bin_count > 1)
		e.deviate = chi_square_deviate(chi_square, bin_count - 1);
	return e;
}

static struct evenness evenness_uniform(const uint32_t observed[])
{
	double expected[SOURCE_METER_BLOCKS];
	uint64_t samples = counts_sum(observed);

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++)
		expected[i] = (double)samples / SOURCE_METER_BLOCKS;
	return evenness_of(observed, expected, samples);
}

static double bits_left(double bits, double excess_max)
{
	return fmax(0, bits - fmax(0, log2(excess_max)));
}

static double block_min_entropy_bits(const uint32_t observed[])
{
	uint32_t most = 0;

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++)
		if (observed[i] > most)
			most = observed[i];
	return fabs(log2(probability_upper_bound(most, (double)counts_sum(observed))));
}

/* Is the tail that this deviate cuts off too small? */
static bool deviate_is_alarming(double deviate, bool may_be_too_even)
{
	if (isnan(deviate))
		return false;
	return normal_upper_tail(deviate) < ENTROPY_ALARM_P ||
	       (may_be_too_even && normal_upper_tail(-deviate) < ENTROPY_ALARM_P);
}

static bool statistic_is_alarming(struct entropy_drift *drift, double deviate, bool may_be_too_even)
{
	if (isnan(deviate))
		return false;
	/* What is rightly too even now shall not outweigh what is uneven later. */
	drift->sum = drift->sum * DRIFT_FADE + (may_be_too_even ? deviate : fmax(deviate, 0));
	drift->variance = drift->variance * DRIFT_FADE * DRIFT_FADE + 1;
	return deviate_is_alarming(deviate, may_be_too_even) ||
	       deviate_is_alarming(drift->sum / sqrt(drift->variance), may_be_too_even);
}

static void window_begin(struct entropy_meter *m)
{
	memset(&m->window, 0, sizeof(m->window));
	memset(m->expected, 0, sizeof(m->expected));
}

static void alarm_raise(struct entropy_meter *m, enum entropy_fault fault)
{
	m->last.alarm = true;
	m->last.fault = fault;
	m->alarms++;
	/* The next one shall need evidence of its own. */
	memset(m->drift, 0, sizeof(m->drift));
}

/* What the figures and deviates of a window amount to. All three drifts go on, whatever the first fault is. */
static enum entropy_fault window_fault(struct entropy_meter *m, const double deviates[],
				       uint32_t port_count)
{
	double port_bits = log2(port_count);
	bool alarming[ENTROPY_STATISTIC_COUNT];

	/* Too even: see the header. Steps between IDs of a deck are as even as others. */
	for (unsigned i = 0; i < ENTROPY_STATISTIC_COUNT; i++)
		alarming[i] = statistic_is_alarming(&m->drift[i], deviates[i],
						    port_count >= ENTROPY_EVEN_PORTS_MIN);
	/* A step of a good generator has a probability of 1 / port_count at most (step 0 has just that), a block
	 * of steps 64 times as much. */
	if (m->last.port_step_min_entropy_bits < (port_bits - SOURCE_METER_BLOCK_SHIFT) / 2)
		return ENTROPY_FAULT_PORT_STEP_BITS;
	if (alarming[ENTROPY_ID_STEPS])
		return ENTROPY_FAULT_ID_STEPS;
	if (alarming[ENTROPY_PORTS])
		return ENTROPY_FAULT_PORTS;
	if (alarming[ENTROPY_IDS])
		return ENTROPY_FAULT_IDS;
	return ENTROPY_FAULT_NONE;
}

static void window_judge(struct entropy_meter *m, uint64_t samples)
{
	uint32_t port_count = port_map_count(&m->ports);
	struct evenness ports = evenness_of(m->window.ports, m->expected, samples);
	struct evenness ids = evenness_uniform(m->window.ids);
	struct evenness id_steps = evenness_uniform(m->window.id_steps);
	const double deviates[ENTROPY_STATISTIC_COUNT] = {
		[ENTROPY_PORTS] = ports.deviate,
		[ENTROPY_IDS] = ids.deviate,
		[ENTROPY_ID_STEPS] = id_steps.deviate,
	};
	enum entropy_fault fault;

	m->last = (struct entropy_figures){
		.samples = samples,
		.port_p = normal_upper_tail(ports.deviate),
		.id_p = normal_upper_tail(ids.deviate),
		.id_step_p = normal_upper_tail(id_steps.deviate),
		.port_min_entropy_bits = bits_left(log2(port_count), ports.excess_max),
		.id_min_entropy_bits = bits_left(ID_BITS, ids.excess_max),
		.port_step_min_entropy_bits = block_min_entropy_bits(m->window.port_steps),
	};
	fault = window_fault(m, deviates, port_count);
	if (fault != ENTROPY_FAULT_NONE)
		alarm_raise(m, fault);
	window_begin(m);
}

void entropy_meter_init(struct entropy_meter *m)
{
	memset(m, 0, sizeof(*m));
	m->last.port_p = NAN;
	m->last.id_p = NAN;
	m->last.id_step_p = NAN;
}

/* Counts what was sent since the last call; false: of a block that the set has no port of. */
static bool window_add(struct entropy_meter *m, const struct source_meter *sum)
{
	double port_count = port_map_count(&m->ports);
	uint64_t sent = 0;
	bool all_ours = true;

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
		uint32_t ports = sum->ports[i] - m->seen.ports[i];

		m->window.ports[i] += ports;
		m->window.ids[i] += sum->ids[i] - m->seen.ids[i];
		m->window.port_steps[i] += sum->port_steps[i] - m->seen.port_steps[i];
		m->window.id_steps[i] += sum->id_steps[i] - m->seen.id_steps[i];
		sent += ports;
		all_ours = all_ours && (ports == 0 || m->ports.bits[i] != 0);
	}
	if (!all_ours || sent == 0)
		return all_ours;
	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++)
		m->expected[i] +=
			(double)sent * __builtin_popcountll(m->ports.bits[i]) / port_count;
	return true;
}

bool entropy_meter_gather(struct entropy_meter *m, const struct port_map *ports,
			  const struct source_meter *sum)
{
	uint64_t samples;
	bool all_ours = true;

	if (memcmp(&m->ports, ports, sizeof(*ports)) == 0)
		all_ours = window_add(m, sum);
	m->ports = *ports;
	m->seen = *sum;
	if (!all_ours) {
		m->last.port_p = 0;
		alarm_raise(m, ENTROPY_FAULT_FOREIGN_PORT);
		window_begin(m);
		return true;
	}
	samples = counts_sum(m->window.ports);
	if (samples < ENTROPY_WINDOW_SAMPLES)
		return false;
	window_judge(m, samples);
	return true;
}
