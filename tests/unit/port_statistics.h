/* Is it chance that chose these ports and IDs? Statistics over many tickets of several workers, for tests of whatever draws
 * them: two-sided, so that too even is refused too. Of each statistic there is a generator in test_port_statistics.c
 * that it must refuse.
 *
 * p-values between CHI_SQUARE_P_MIN and 1 - CHI_SQUARE_P_MIN and deviates below PORT_DEVIATE_MAX are accepted
 * (SECURITY.md A3): of a hundred p-values some good generator's 0.2 is out, so seeds are fixed.
 */
#ifndef PORTICO_PORT_STATISTICS_H
#define PORTICO_PORT_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/port_set.h"

#define PORT_DEVIATE_MAX 4.5
#define PORT_WORKERS_MAX 8
/* So many of a worker's tickets has the observer seen who predicts the next. */
#define PORT_OBSERVED 100000

/* Tickets in the order of time, all drawn from the set. */
struct port_draws {
	const struct port_set *set;
	size_t count;
	unsigned worker_count;
	uint16_t *ports;
	uint16_t *ids;
	uint8_t *workers; /* who drew it */
};
void port_draws_make(struct port_draws *d, const struct port_set *set, size_t count,
		     unsigned worker_count);
void port_draws_free(struct port_draws *d);

enum port_statistic {
	PORT_FOREIGN, /* a port that is not of the set */
	PORT_ENDS, /* the set's first and last port, IDs 0 and 65,535 are drawn (if there are draws enough) */
	PORT_EACH,         /* chi-square over each port, where 5 are expected */
	PORT_BINS,         /* over 1,024 bins of ports */
	PORT_ID_EACH,      /* over each ID */
	PORT_ID_BINS,      /* over the 10 high bits, and the 10 low ones */
	PORT_WITH_ID,      /* high and low bits of port and ID of a ticket, and of the next */
	PORT_WORKER,       /* contingency of workers and ports */
	PORT_WORKER_ID,    /* of workers and IDs */
	PORT_OVERLAP,      /* what any two workers draw at the same time has in common */
	PORT_SERIAL,       /* correlation with 1 to 16 before, of all and of each worker */
	PORT_COMPLEXITY,   /* linear complexity of each bit of port index and ID */
	PORT_PREDICTED,    /* observers predict a worker's next port better or worse than chance */
	PORT_ID_PREDICTED, /* the same of IDs */
	PORT_STATISTIC_COUNT,
};
extern const char *const port_statistic_text[PORT_STATISTIC_COUNT];
#define PORT_STATISTIC_BIT(statistic) (1u << (statistic))

/* What is refused, and whose draws are judged; NULL: say nothing. */
struct port_verdicts {
	const char *who;
	uint32_t refused; /* PORT_STATISTIC_BIT */
};
void port_verdicts_add_p(struct port_verdicts *v, enum port_statistic statistic, double p);
void port_verdicts_add_deviate(struct port_verdicts *v, enum port_statistic statistic,
			       double deviate);
void port_verdicts_refuse(struct port_verdicts *v, enum port_statistic statistic);

/* Everything above. Returns what is refused, and prints why if who is not NULL. */
uint32_t port_statistics(const struct port_draws *d, const char *who);

/* How surprising is this overlap of two random subsets of all_count that have so many members? Normal deviate. */
double port_overlap_deviate(uint32_t overlap, uint32_t one_count, uint32_t other_count,
			    uint32_t all_count);
uint32_t port_overlap(const struct port_map *one, const struct port_map *other);

/* port_statistics_predict.c: values below bound in the order in which one worker drew them. */
void port_statistics_predict(struct port_verdicts *v, enum port_statistic statistic,
			     const uint16_t values[], size_t count, uint32_t bound);

#endif
