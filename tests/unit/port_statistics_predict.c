#include <math.h>
#include <stdlib.h>

#include "port_statistics.h"

#define BLOCKS 64   /* states of the Markov chain */
#define RECENT 1000 /* draws that were a moment ago */
#define NEAR 32     /* a guess hits if it is so far off at most */
#define LEARN_EVERY 1000

/* Predictors: each says of every value whether it is the next, or bets on a set of values. */
enum predictor {
	PREDICT_RARE,      /* not among those observed */
	PREDICT_FREQUENT,  /* more than twice as often among them as the mean */
	PREDICT_RECENT,    /* drawn a moment ago */
	PREDICT_NEAR_LAST, /* close to the last one, either side */
	PREDICT_SAME_STEP, /* as far from the last one as that was from the one before */
	PREDICT_REFLECTED, /* the middle between the last two */
	PREDICT_MARKOV,    /* the block that most often followed the last one's */
	PREDICTOR_COUNT,
};

/* Hits of a predictor, and what chance gives: each bet is won with probability (size of the bet / bound), whatever
 * was before, so the sum of the differences is nearly normal. */
struct score {
	double hits, expected, variance;
};

struct observer {
	const uint16_t *values;
	uint32_t bound;
	size_t window; /* values observed */
	uint32_t frequent_min;
	uint32_t *counts; /* of each value, in the window */
	uint32_t *recent_counts;
	uint32_t rare, frequent, recent; /* values that are so */
	uint32_t (*followers)[BLOCKS];   /* in the window */
	unsigned likeliest[BLOCKS];
	uint32_t block_sizes[BLOCKS];
	struct score scores[PREDICTOR_COUNT];
};

static void score_add(struct score *s, bool hit, double p)
{
	s->hits += hit;
	s->expected += p;
	s->variance += p * (1 - p);
}

static unsigned block_of(const struct observer *o, size_t at)
{
	return (uint32_t)o->values[at] * BLOCKS / o->bound;
}

/* Around the circle of values. */
static bool is_near(const struct observer *o, uint32_t value, int64_t guess)
{
	int64_t distance = (value - guess) % o->bound;

	if (distance < 0)
		distance += o->bound;
	return distance <= NEAR || distance >= o->bound - NEAR;
}

static void observer_see(struct observer *o, size_t at)
{
	uint32_t value = o->values[at];
	uint32_t count = ++o->counts[value];

	o->rare -= count == 1;
	o->frequent += count == o->frequent_min;
	o->recent += ++o->recent_counts[value] == 1;
	if (at > 0)
		o->followers[block_of(o, at - 1)][block_of(o, at)]++;
	if (at >= RECENT)
		o->recent -= --o->recent_counts[o->values[at - RECENT]] == 0;
	if (at < o->window)
		return;
	count = --o->counts[o->values[at - o->window]];
	o->rare += count == 0;
	o->frequent -= count == o->frequent_min - 1;
	if (at > o->window)
		o->followers[block_of(o, at - o->window - 1)][block_of(o, at - o->window)]--;
}

static void observer_learn(struct observer *o)
{
	for (unsigned from = 0; from < BLOCKS; from++)
		for (unsigned to = 0; to < BLOCKS; to++)
			if (o->followers[from][to] > o->followers[from][o->likeliest[from]])
				o->likeliest[from] = to;
}

static void observer_predict(struct observer *o, size_t at)
{
	uint32_t value = o->values[at];
	int64_t last = o->values[at - 1], before = o->values[at - 2];
	unsigned guess = o->likeliest[block_of(o, at - 1)];
	double near_p = (2 * NEAR + 1) / (double)o->bound;

	score_add(&o->scores[PREDICT_RARE], o->counts[value] == 0, o->rare / (double)o->bound);
	score_add(&o->scores[PREDICT_FREQUENT], o->counts[value] >= o->frequent_min,
		  o->frequent / (double)o->bound);
	score_add(&o->scores[PREDICT_RECENT], o->recent_counts[value] > 0,
		  o->recent / (double)o->bound);
	score_add(&o->scores[PREDICT_NEAR_LAST], is_near(o, value, last), near_p);
	score_add(&o->scores[PREDICT_SAME_STEP], is_near(o, value, 2 * last - before), near_p);
	score_add(&o->scores[PREDICT_REFLECTED], is_near(o, value, (last + before) / 2), near_p);
	score_add(&o->scores[PREDICT_MARKOV], block_of(o, at) == guess,
		  o->block_sizes[guess] / (double)o->bound);
}

void port_statistics_predict(struct port_verdicts *v, enum port_statistic statistic,
			     const uint16_t values[], size_t count, uint32_t bound)
{
	struct observer o = {.values = values, .bound = bound};

	/* Of few draws, four fifths are observed. */
	o.window = count < PORT_OBSERVED / 4 * 5 ? count / 5 * 4 : PORT_OBSERVED;
	if (o.window < 2 * RECENT || bound <= 4 * NEAR)
		return;
	o.frequent_min = (uint32_t)(2 * o.window / bound) + 1;
	o.rare = bound;
	o.counts = calloc(bound, sizeof(*o.counts));
	o.recent_counts = calloc(bound, sizeof(*o.recent_counts));
	o.followers = calloc(BLOCKS, sizeof(*o.followers));
	CHECK(o.counts != NULL && o.recent_counts != NULL && o.followers != NULL);
	for (uint32_t value = 0; value < bound; value++)
		o.block_sizes[value * BLOCKS / bound]++;
	for (size_t at = 0; at < count; at++) {
		if (at >= o.window) {
			if (at % LEARN_EVERY == 0 || at == o.window)
				observer_learn(&o);
			observer_predict(&o, at);
		}
		observer_see(&o, at);
	}
	for (unsigned i = 0; i < PREDICTOR_COUNT; i++)
		if (o.scores[i].variance > 0)
			port_verdicts_add_deviate(v, statistic,
						  (o.scores[i].hits - o.scores[i].expected) /
							  sqrt(o.scores[i].variance));
	free(o.counts);
	free(o.recent_counts);
	free(o.followers);
}
