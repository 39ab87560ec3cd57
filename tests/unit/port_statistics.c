#include "port_statistics.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"

#define BINS 1024
#define IDS 65536
#define EXPECTED_MIN 5
#define LAG_MAX 16
#define CORRELATION_DEVIATE_MAX 5.0
#define COMPLEXITY_BITS 4096
#define COMPLEXITY_WORDS (COMPLEXITY_BITS / 64 + 1)
#define COMPLEXITY_TOLERANCE 40
#define OVERLAP_DRAWS 2500
#define OVERLAP_ROUNDS 8
/* With so many draws a value, chance misses a given one once in 10^6 times. */
#define ENDS_DRAWS_EACH 14

const char *const port_statistic_text[] = {
	[PORT_FOREIGN] = "foreign port",
	[PORT_ENDS] = "ends",
	[PORT_EACH] = "each port",
	[PORT_BINS] = "bins of ports",
	[PORT_ID_EACH] = "each ID",
	[PORT_ID_BINS] = "bins of IDs",
	[PORT_WITH_ID] = "port with ID",
	[PORT_WORKER] = "worker with port",
	[PORT_WORKER_ID] = "worker with ID",
	[PORT_OVERLAP] = "overlap of workers",
	[PORT_SERIAL] = "serial correlation",
	[PORT_COMPLEXITY] = "linear complexity",
	[PORT_PREDICTED] = "predicted port",
	[PORT_ID_PREDICTED] = "predicted ID",
};
static_assert(ARRAY_COUNT(port_statistic_text) == PORT_STATISTIC_COUNT, "a text for each");

void port_draws_make(struct port_draws *d, const struct port_set *set, size_t count,
		     unsigned worker_count)
{
	*d = (struct port_draws){.set = set, .count = count, .worker_count = worker_count};
	d->ports = calloc(count, sizeof(*d->ports));
	d->ids = calloc(count, sizeof(*d->ids));
	d->workers = calloc(count, sizeof(*d->workers));
	CHECK(d->ports != NULL && d->ids != NULL && d->workers != NULL);
}

void port_draws_free(struct port_draws *d)
{
	free(d->ports);
	free(d->ids);
	free(d->workers);
}

/* ---- verdicts ---- */

void port_verdicts_refuse(struct port_verdicts *v, enum port_statistic statistic)
{
	v->refused |= PORT_STATISTIC_BIT(statistic);
}

void port_verdicts_add_p(struct port_verdicts *v, enum port_statistic statistic, double p)
{
	if (p > CHI_SQUARE_P_MIN && p < 1 - CHI_SQUARE_P_MIN)
		return;
	port_verdicts_refuse(v, statistic);
	if (v->who != NULL)
		printf("\n%s: %s: p = %g\n", v->who, port_statistic_text[statistic], p);
}

void port_verdicts_add_deviate(struct port_verdicts *v, enum port_statistic statistic,
			       double deviate)
{
	if (fabs(deviate) < PORT_DEVIATE_MAX)
		return;
	port_verdicts_refuse(v, statistic);
	if (v->who != NULL)
		printf("\n%s: %s: z = %g\n", v->who, port_statistic_text[statistic], deviate);
}

/* ---- evenness ---- */

static double total_of(const uint32_t observed[], size_t bin_count)
{
	double total = 0;

	for (size_t i = 0; i < bin_count; i++)
		total += observed[i];
	return total;
}

static double even_p(const uint32_t observed[], size_t bin_count)
{
	double each = total_of(observed, bin_count) / (double)bin_count;
	double statistic = 0;

	for (size_t i = 0; i < bin_count; i++)
		statistic += chi_square_statistic(&observed[i], &each, 1);
	return chi_square_p(statistic, (double)(bin_count - 1));
}

/* ranks_of: the index in the set, of each port. */
struct judgement {
	const struct port_draws *draws;
	struct port_verdicts verdicts;
	uint32_t port_count;
	uint16_t *ranks; /* of draws->ports */
};

static void judge_ports(struct judgement *j)
{
	static uint32_t each[PORT_COUNT], bins[BINS];
	double bin_expected[BINS] = {0};
	double per_port = (double)j->draws->count / j->port_count;
	uint32_t bin_count = j->port_count < BINS ? j->port_count : BINS;

	memset(each, 0, sizeof(each));
	memset(bins, 0, sizeof(bins));
	for (size_t i = 0; i < j->draws->count; i++) {
		each[j->ranks[i]]++;
		bins[(uint32_t)j->ranks[i] * bin_count / j->port_count]++;
	}
	for (uint32_t rank = 0; rank < j->port_count; rank++)
		bin_expected[rank * bin_count / j->port_count] += per_port;
	port_verdicts_add_p(&j->verdicts, PORT_BINS,
			    chi_square_p(chi_square_statistic(bins, bin_expected, bin_count),
					 bin_count - 1));
	if (per_port >= EXPECTED_MIN)
		port_verdicts_add_p(&j->verdicts, PORT_EACH, even_p(each, j->port_count));
	if (per_port >= ENDS_DRAWS_EACH && (each[0] == 0 || each[j->port_count - 1] == 0))
		port_verdicts_refuse(&j->verdicts, PORT_ENDS);
}

static void judge_ids(struct judgement *j)
{
	static uint32_t each[IDS], high[BINS], low[BINS];

	memset(each, 0, sizeof(each));
	memset(high, 0, sizeof(high));
	memset(low, 0, sizeof(low));
	for (size_t i = 0; i < j->draws->count; i++) {
		uint16_t id = j->draws->ids[i];

		each[id]++;
		high[id / (IDS / BINS)]++;
		low[id % BINS]++;
	}
	port_verdicts_add_p(&j->verdicts, PORT_ID_BINS, even_p(high, BINS));
	port_verdicts_add_p(&j->verdicts, PORT_ID_BINS, even_p(low, BINS));
	if (j->draws->count >= (size_t)EXPECTED_MIN * IDS)
		port_verdicts_add_p(&j->verdicts, PORT_ID_EACH, even_p(each, IDS));
	if (j->draws->count >= (size_t)ENDS_DRAWS_EACH * IDS &&
	    (each[0] == 0 || each[IDS - 1] == 0))
		port_verdicts_refuse(&j->verdicts, PORT_ENDS);
}

/* Do row and column of a table say nothing of each other? cells: row_count rows of column_count. */
static double contingency_p(const uint32_t cells[], size_t row_count, size_t column_count)
{
	double total = total_of(cells, row_count * column_count);
	double statistic = 0;

	for (size_t column = 0; column < column_count; column++) {
		double column_total = 0;

		for (size_t row = 0; row < row_count; row++)
			column_total += cells[row * column_count + column];
		for (size_t row = 0; row < row_count; row++) {
			double row_total = total_of(&cells[row * column_count], column_count);
			double expected = row_total * column_total / total;

			if (expected > 0)
				statistic += chi_square_statistic(
					&cells[row * column_count + column], &expected, 1);
		}
	}
	return chi_square_p(statistic, (double)((row_count - 1) * (column_count - 1)));
}

static void judge_port_with_id(struct judgement *j)
{
	enum { SIDE = 32 };
	static uint32_t high[SIDE * SIDE], low[SIDE * SIDE], next[SIDE * SIDE];
	const struct port_draws *d = j->draws;

	memset(high, 0, sizeof(high));
	memset(low, 0, sizeof(low));
	memset(next, 0, sizeof(next));
	for (size_t i = 0; i < d->count; i++) {
		high[(uint32_t)j->ranks[i] * SIDE / j->port_count * SIDE +
		     d->ids[i] / (IDS / SIDE)]++;
		low[d->ports[i] % SIDE * SIDE + d->ids[i] % SIDE]++;
		if (i > 0)
			next[d->ids[i - 1] % SIDE * SIDE + d->ports[i] % SIDE]++;
	}
	port_verdicts_add_p(&j->verdicts, PORT_WITH_ID, contingency_p(high, SIDE, SIDE));
	port_verdicts_add_p(&j->verdicts, PORT_WITH_ID, contingency_p(low, SIDE, SIDE));
	port_verdicts_add_p(&j->verdicts, PORT_WITH_ID, contingency_p(next, SIDE, SIDE));
}

/* ---- workers ---- */

static void judge_workers(struct judgement *j)
{
	static uint32_t ports[PORT_WORKERS_MAX * BINS], low_ports[PORT_WORKERS_MAX * BINS];
	static uint32_t high_ids[PORT_WORKERS_MAX * BINS], low_ids[PORT_WORKERS_MAX * BINS];
	const struct port_draws *d = j->draws;
	uint32_t bin_count = j->port_count < BINS ? j->port_count : BINS;

	if (d->worker_count == 1)
		return;
	memset(ports, 0, sizeof(ports));
	memset(low_ports, 0, sizeof(low_ports));
	memset(high_ids, 0, sizeof(high_ids));
	memset(low_ids, 0, sizeof(low_ids));
	for (size_t i = 0; i < d->count; i++) {
		uint32_t row = d->workers[i];

		ports[row * bin_count + (uint32_t)j->ranks[i] * bin_count / j->port_count]++;
		low_ports[row * bin_count + j->ranks[i] % bin_count]++;
		high_ids[row * BINS + d->ids[i] / (IDS / BINS)]++;
		low_ids[row * BINS + d->ids[i] % BINS]++;
	}
	port_verdicts_add_p(&j->verdicts, PORT_WORKER,
			    contingency_p(ports, d->worker_count, bin_count));
	port_verdicts_add_p(&j->verdicts, PORT_WORKER,
			    contingency_p(low_ports, d->worker_count, bin_count));
	port_verdicts_add_p(&j->verdicts, PORT_WORKER_ID,
			    contingency_p(high_ids, d->worker_count, BINS));
	port_verdicts_add_p(&j->verdicts, PORT_WORKER_ID,
			    contingency_p(low_ids, d->worker_count, BINS));
}

uint32_t port_overlap(const struct port_map *one, const struct port_map *other)
{
	struct port_map both;

	for (size_t i = 0; i < ARRAY_COUNT(both.bits); i++)
		both.bits[i] = one->bits[i] & other->bits[i];
	return port_map_count(&both);
}

/* Hypergeometric: of all_count, one_count are marked and other_count are taken. */
double port_overlap_deviate(uint32_t overlap, uint32_t one_count, uint32_t other_count,
			    uint32_t all_count)
{
	double all = all_count, share = one_count / all;
	double expected = other_count * share;
	double variance = expected * (1 - share) * (all - other_count) / (all - 1);

	return (overlap - expected) / sqrt(variance);
}

/* Rounds of OVERLAP_DRAWS draws of each worker, those of the same round about the same time. */
static void judge_overlap(struct judgement *j)
{
	static struct port_map maps[OVERLAP_ROUNDS][PORT_WORKERS_MAX];
	const struct port_draws *d = j->draws;
	size_t drawn[PORT_WORKERS_MAX] = {0};
	double sum = 0;
	unsigned pairs = 0;

	if (d->worker_count == 1)
		return;
	memset(maps, 0, sizeof(maps));
	for (size_t i = 0; i < d->count; i++) {
		size_t round = drawn[d->workers[i]]++ / OVERLAP_DRAWS;

		if (round < OVERLAP_ROUNDS)
			port_map_add(&maps[round][d->workers[i]], d->ports[i], d->ports[i]);
	}
	for (unsigned round = 0; round < OVERLAP_ROUNDS; round++) {
		for (unsigned i = 1; i < d->worker_count; i++) {
			for (unsigned k = 0; k < i; k++) {
				const struct port_map *one = &maps[round][i],
						      *other = &maps[round][k];
				double z =
					port_overlap_deviate(port_overlap(one, other),
							     port_map_count(one),
							     port_map_count(other), j->port_count);

				port_verdicts_add_deviate(&j->verdicts, PORT_OVERLAP, z);
				sum += z;
				pairs++;
			}
		}
	}
	port_verdicts_add_deviate(&j->verdicts, PORT_OVERLAP, sum / sqrt(pairs));
}

/* ---- order ---- */

static void judge_correlation(struct judgement *j, const uint16_t values[], size_t count)
{
	for (size_t lag = 1; lag <= LAG_MAX; lag++) {
		double correlation = serial_correlation(values, count, lag);

		if (fabs(correlation) < CORRELATION_DEVIATE_MAX / sqrt((double)count))
			continue;
		port_verdicts_refuse(&j->verdicts, PORT_SERIAL);
		if (j->verdicts.who != NULL)
			printf("\n%s: correlation %g at lag %zu\n", j->verdicts.who, correlation,
			       lag);
	}
}

/* Berlekamp and Massey over GF(2) (Massey 1969), words of 64 coefficients. seen: the bits so far, the last one in bit
 * 0, so that a discrepancy is the parity of a product. */
static unsigned linear_complexity(const uint8_t bits[COMPLEXITY_BITS])
{
	uint64_t connection[COMPLEXITY_WORDS] = {1}, before[COMPLEXITY_WORDS] = {1};
	uint64_t seen[COMPLEXITY_WORDS] = {0}, saved[COMPLEXITY_WORDS];
	unsigned length = 0, shift = 1;

	for (unsigned n = 0; n < COMPLEXITY_BITS; n++, shift++) {
		uint64_t product = 0;

		for (unsigned w = COMPLEXITY_WORDS - 1; w > 0; w--)
			seen[w] = seen[w] << 1 | seen[w - 1] >> 63;
		seen[0] = seen[0] << 1 | bits[n];
		for (unsigned w = 0; w < COMPLEXITY_WORDS; w++)
			product ^= connection[w] & seen[w];
		if (__builtin_parityll(product) == 0)
			continue;
		memcpy(saved, connection, sizeof(saved));
		for (unsigned w = shift / 64; w < COMPLEXITY_WORDS; w++) {
			uint64_t low = w > shift / 64 && shift % 64 != 0
					       ? before[w - shift / 64 - 1] >> (64 - shift % 64)
					       : 0;

			connection[w] ^= before[w - shift / 64] << (shift % 64) | low;
		}
		if (2 * length <= n) {
			length = n + 1 - length;
			memcpy(before, saved, sizeof(before));
			shift = 0;
		}
	}
	return length;
}

static void judge_complexity(struct judgement *j, const uint16_t values[], size_t count)
{
	uint8_t bits[COMPLEXITY_BITS];

	if (count < COMPLEXITY_BITS)
		return;
	for (unsigned bit = 0; bit < 16; bit++) {
		unsigned complexity;

		for (size_t i = 0; i < COMPLEXITY_BITS; i++)
			bits[i] = values[i] >> bit & 1;
		complexity = linear_complexity(bits);
		if (complexity >= COMPLEXITY_BITS / 2 - COMPLEXITY_TOLERANCE &&
		    complexity <= COMPLEXITY_BITS / 2 + COMPLEXITY_TOLERANCE)
			continue;
		port_verdicts_refuse(&j->verdicts, PORT_COMPLEXITY);
		if (j->verdicts.who != NULL)
			printf("\n%s: linear complexity %u of bit %u\n", j->verdicts.who,
			       complexity, bit);
	}
}

/* A rank's high bits are zero where the set is small: they say nothing. */
static void judge_rank_complexity(struct judgement *j, const uint16_t ranks[], size_t count)
{
	if (j->port_count > PORT_COUNT / 2)
		judge_complexity(j, ranks, count);
}

static void judge_order_of_worker(struct judgement *j, unsigned worker)
{
	const struct port_draws *d = j->draws;
	uint16_t *ranks = calloc(d->count, sizeof(*ranks));
	uint16_t *ids = calloc(d->count, sizeof(*ids));
	size_t count = 0;

	CHECK(ranks != NULL && ids != NULL);
	for (size_t i = 0; i < d->count; i++) {
		if (d->workers[i] != worker)
			continue;
		ranks[count] = j->ranks[i];
		ids[count++] = d->ids[i];
	}
	judge_correlation(j, ranks, count);
	judge_correlation(j, ids, count);
	judge_rank_complexity(j, ranks, count);
	judge_complexity(j, ids, count);
	port_statistics_predict(&j->verdicts, PORT_PREDICTED, ranks, count, j->port_count);
	port_statistics_predict(&j->verdicts, PORT_ID_PREDICTED, ids, count, IDS);
	free(ranks);
	free(ids);
}

static void judge_order(struct judgement *j)
{
	if (j->draws->worker_count > 1) {
		judge_correlation(j, j->ranks, j->draws->count);
		judge_correlation(j, j->draws->ids, j->draws->count);
	}
	for (unsigned worker = 0; worker < j->draws->worker_count; worker++)
		judge_order_of_worker(j, worker);
}

uint32_t port_statistics(const struct port_draws *d, const char *who)
{
	static uint16_t rank_of[PORT_COUNT];
	struct judgement j = {
		.draws = d, .verdicts = {.who = who}, .port_count = d->set->port_count};

	j.ranks = calloc(d->count, sizeof(*j.ranks));
	CHECK(j.ranks != NULL);
	for (uint32_t rank = 0; rank < d->set->port_count; rank++)
		rank_of[d->set->ports[rank]] = (uint16_t)rank;
	for (size_t i = 0; i < d->count; i++) {
		if (!port_map_has(&d->set->map, d->ports[i]))
			port_verdicts_refuse(&j.verdicts, PORT_FOREIGN);
		j.ranks[i] = rank_of[d->ports[i]];
	}
	/* Nothing else has a meaning then. */
	if (j.verdicts.refused == 0) {
		judge_ports(&j);
		judge_ids(&j);
		judge_port_with_id(&j);
		judge_workers(&j);
		judge_overlap(&j);
		judge_order(&j);
	}
	free(j.ranks);
	return j.verdicts.refused;
}
