#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "chi_square.h"
#include "dpdk_app/entropy_meter.h"
#include "unit.h"

/* Fixed, as any bound on p is exceeded by some seed. */
#define SEED 65536
#define WINDOW_TICKETS (ENTROPY_WINDOW_SAMPLES / 2 * SOURCE_METER_STRIDE)
#define IDS 65536

/* What sends, and the meter that looks at it. */
struct sender {
	struct port_set set;
	struct source_meter sum;
	struct entropy_meter meter;
	unsigned long long random;
	uint32_t sent;
	struct ticket last;
	uint32_t deck_left;
	uint16_t deck[IDS];
	struct ticket cycle[5000];
};

static struct sender *sender_make(uint16_t first, uint16_t last, bool exclude_defaults)
{
	struct sender *s = calloc(1, sizeof(*s));
	struct port_map map;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	port_map_clear(&map);
	port_map_add(&map, first, last);
	for (unsigned i = 0; exclude_defaults && i < port_exclusions_default_count; i++)
		port_map_remove(&map, port_exclusions_default[i].first,
				port_exclusions_default[i].last);
	port_set_build(&s->set, &map);
	s->random = SEED;
	entropy_meter_init(&s->meter);
	CU_ASSERT_FALSE(entropy_meter_gather(&s->meter, &s->set.map, &s->sum));
	return s;
}

static uint32_t below(struct sender *s, uint32_t bound)
{
	return (uint32_t)(((unit_random(&s->random) >> 32) * bound) >> 32);
}

static uint16_t any_port(struct sender *s)
{
	return s->set.ports[below(s, s->set.port_count)];
}

static uint16_t any_id(struct sender *s)
{
	return (uint16_t)below(s, IDS);
}

/* The next card of a shuffled deck of card_count, which is shuffled again when it is played. */
static uint16_t next_card(struct sender *s, uint32_t card_count)
{
	uint32_t at;
	uint16_t card;

	if (s->deck_left == 0) {
		for (uint32_t i = 0; i < card_count; i++)
			s->deck[i] = (uint16_t)i;
		s->deck_left = card_count;
	}
	at = below(s, s->deck_left--);
	card = s->deck[at];
	s->deck[at] = s->deck[s->deck_left];
	return card;
}

/* Only so many ports of the set, at random. */
static void take_pool(struct sender *s, uint32_t port_count)
{
	struct port_map map = s->set.map;

	for (uint32_t left = s->set.port_count; left > port_count;) {
		uint16_t port = any_port(s);

		left -= port_map_has(&map, port);
		port_map_remove(&map, port, port);
	}
	port_set_build(&s->set, &map);
	CU_ASSERT_FALSE(entropy_meter_gather(&s->meter, &s->set.map, &s->sum));
}

/* ---- generators, good and bad ---- */

static struct ticket good(struct sender *s)
{
	return (struct ticket){any_port(s), any_id(s)};
}

static struct ticket port_counter(struct sender *s)
{
	return (struct ticket){s->set.ports[s->sent % s->set.port_count], any_id(s)};
}

static struct ticket port_stride(struct sender *s)
{
	return (struct ticket){s->set.ports[s->sent * 7919ULL % s->set.port_count], any_id(s)};
}

static struct ticket port_half(struct sender *s)
{
	return (struct ticket){s->set.ports[below(s, s->set.port_count / 2)], any_id(s)};
}

static struct ticket port_bit_6(struct sender *s)
{
	struct ticket ticket = good(s);

	while (ticket.port & 64)
		ticket = good(s);
	return ticket;
}

static struct ticket port_bit_0(struct sender *s)
{
	struct ticket ticket = good(s);

	while (ticket.port & 1)
		ticket = good(s);
	return ticket;
}

static struct ticket port_favourite(struct sender *s)
{
	struct ticket ticket = good(s);

	if (s->sent % 100 == 0)
		ticket.port = s->set.ports[0];
	return ticket;
}

static struct ticket port_deck(struct sender *s)
{
	return (struct ticket){s->set.ports[next_card(s, s->set.port_count)], any_id(s)};
}

/* Half of the time the port of before, as of one socket for several queries. */
static struct ticket port_kept(struct sender *s)
{
	return (struct ticket){s->sent % 2 == 0 || s->last.port == 0 ? any_port(s) : s->last.port,
			       any_id(s)};
}

static struct ticket id_counter(struct sender *s)
{
	return (struct ticket){any_port(s), (uint16_t)s->sent};
}

static struct ticket id_stride(struct sender *s)
{
	return (struct ticket){any_port(s), (uint16_t)(s->sent * 40503)};
}

/* 0, 32768, 16384, 49152, ...: every ID once, as evenly as can be. */
static struct ticket id_reversed_counter(struct sender *s)
{
	uint16_t id = 0;

	for (unsigned bit = 0; bit < 16; bit++)
		id |= (uint16_t)((s->sent >> bit & 1) << (15 - bit));
	return (struct ticket){any_port(s), id};
}

static struct ticket id_bit_15(struct sender *s)
{
	return (struct ticket){any_port(s), any_id(s) | 32768};
}

static struct ticket id_bit_6(struct sender *s)
{
	return (struct ticket){any_port(s), any_id(s) & (uint16_t)~64};
}

static struct ticket id_bit_0(struct sender *s)
{
	return (struct ticket){any_port(s), any_id(s) | 1};
}

static struct ticket id_deck(struct sender *s)
{
	return (struct ticket){any_port(s), next_card(s, IDS)};
}

/* The middle of two dice. */
static struct ticket id_triangle(struct sender *s)
{
	return (struct ticket){any_port(s), (uint16_t)((any_id(s) + any_id(s)) / 2)};
}

/* A generator with a short period. */
static struct ticket cycle(struct sender *s)
{
	if (s->sent == 0)
		for (size_t i = 0; i < ARRAY_COUNT(s->cycle); i++)
			s->cycle[i] = good(s);
	return s->cycle[s->sent % ARRAY_COUNT(s->cycle)];
}

static struct ticket twice(struct sender *s)
{
	return s->sent % 2 == 0 ? good(s) : s->last;
}

/* ---- sending ---- */

typedef struct ticket (*draw)(struct sender *s);

static bool send_tickets(struct sender *s, draw next, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		s->last = next(s);
		s->sent++;
		source_meter_add(&s->sum, s->last);
	}
	return entropy_meter_gather(&s->meter, &s->set.map, &s->sum);
}

/* Only those tickets that are counted; a good generator's others make no difference. */
static bool send_good_window(struct sender *s)
{
	for (uint32_t i = 0; i < ENTROPY_WINDOW_SAMPLES; i++) {
		s->sum.sent +=
			i % 2 == 0 ? SOURCE_METER_STRIDE - s->sum.sent % SOURCE_METER_STRIDE : 0;
		source_meter_add(&s->sum, good(s));
	}
	return entropy_meter_gather(&s->meter, &s->set.map, &s->sum);
}

/* The number of the window that alarms first; 0: none of that many. */
static unsigned first_alarm(struct sender *s, draw next, unsigned window_count)
{
	for (unsigned window = 1; window <= window_count; window++) {
		CU_ASSERT_TRUE(send_tickets(s, next, WINDOW_TICKETS));
		CU_ASSERT_EQUAL(s->meter.last.samples, ENTROPY_WINDOW_SAMPLES);
		if (s->meter.last.alarm) {
			CU_ASSERT_EQUAL(s->meter.alarms, 1);
			return window;
		}
		CU_ASSERT_EQUAL(s->meter.last.fault, ENTROPY_FAULT_NONE);
	}
	CU_ASSERT_EQUAL(s->meter.alarms, 0);
	return 0;
}

static void entropy_meter_gather__alarms_on_bad_generators(void)
{
	static const struct {
		const char *says;
		draw next;
		uint16_t first_port, last_port;
		uint32_t pool;    /* so many ports of these, at random; 0: all */
		unsigned windows; /* within which there is an alarm */
		enum entropy_fault want;
	} rows[] = {
		{"ports one after the other", port_counter, 1024, 65535, 0, 1,
		 ENTROPY_FAULT_PORT_STEP_BITS},
		{"the same of a pool", port_counter, 1024, 65535, 2500, 1,
		 ENTROPY_FAULT_PORT_STEP_BITS},
		{"the same of a range", port_counter, 20000, 22499, 0, 1,
		 ENTROPY_FAULT_PORT_STEP_BITS},
		{"ports by a stride", port_stride, 1024, 65535, 0, 1, ENTROPY_FAULT_PORT_STEP_BITS},
		{"half of the ports", port_half, 1024, 65535, 0, 1, ENTROPY_FAULT_PORTS},
		{"half of 128 ports", port_half, 1024, 1151, 0, 1, ENTROPY_FAULT_PORTS},
		{"port bit 6 stuck", port_bit_6, 1024, 65535, 0, 1, ENTROPY_FAULT_PORTS},
		{"one port one time in 100", port_favourite, 1024, 65535, 0, 1,
		 ENTROPY_FAULT_PORTS},
		{"ports kept for a query more", port_kept, 1024, 65535, 0, 1,
		 ENTROPY_FAULT_PORT_STEP_BITS},
		{"a deck of 2500 ports", port_deck, 1024, 65535, 2500, 3, ENTROPY_FAULT_PORTS},
		{"a deck of all ports", port_deck, 1024, 65535, 0, 6, ENTROPY_FAULT_PORTS},
		{"IDs one after the other", id_counter, 1024, 65535, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"the same on one port", id_counter, 53, 53, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"IDs by a stride", id_stride, 1024, 65535, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"the same on one port", id_stride, 53, 53, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"IDs as even as can be", id_reversed_counter, 1024, 65535, 0, 1,
		 ENTROPY_FAULT_ID_STEPS},
		{"ID bit 15 stuck", id_bit_15, 1024, 65535, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"ID bit 6 stuck", id_bit_6, 1024, 65535, 0, 1, ENTROPY_FAULT_IDS},
		{"a deck of IDs", id_deck, 1024, 65535, 0, 6, ENTROPY_FAULT_IDS},
		{"IDs of two dice", id_triangle, 1024, 65535, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"5000 tickets over and over", cycle, 1024, 65535, 0, 1, ENTROPY_FAULT_ID_STEPS},
		{"each ticket twice", twice, 1024, 65535, 0, 1, ENTROPY_FAULT_PORT_STEP_BITS},
	};

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct sender *s = sender_make(rows[i].first_port, rows[i].last_port, false);
		unsigned window;

		if (rows[i].pool > 0)
			take_pool(s, rows[i].pool);
		window = first_alarm(s, rows[i].next, rows[i].windows);
		if (window == 0 || s->meter.last.fault != rows[i].want)
			printf("\n%s: %s in window %u, port p %g id p %g step p %g, bits %g %g %g\n",
			       rows[i].says, entropy_fault_text[s->meter.last.fault], window,
			       s->meter.last.port_p, s->meter.last.id_p, s->meter.last.id_step_p,
			       s->meter.last.port_min_entropy_bits,
			       s->meter.last.id_min_entropy_bits,
			       s->meter.last.port_step_min_entropy_bits);
		CU_ASSERT_NOT_EQUAL(window, 0);
		CU_ASSERT_EQUAL(s->meter.last.fault, rows[i].want);
		free(s);
	}
}

/* What the header says that it cannot see. */
static void entropy_meter_gather__sees_nothing_below_a_block(void)
{
	static const draw unseen[] = {port_bit_0, id_bit_0};

	for (size_t i = 0; i < ARRAY_COUNT(unseen); i++) {
		struct sender *s = sender_make(1024, 65535, false);

		CU_ASSERT_EQUAL(first_alarm(s, unseen[i], 4), 0);
		free(s);
	}
}

/* Windows of good randomness: none alarms, p is even between 0 and 1, and the bits are nearly all there are. */
static void entropy_meter_gather__does_not_alarm_on_good_randomness(void)
{
	enum { P_BINS = 10 };
	static const struct {
		const char *says;
		uint16_t first, last;
		bool exclude_defaults;
		unsigned windows;
		double port_bits_min;
		bool has_port_p, has_many_bins;
	} rows[] = {
		{"all ports", 1024, 65535, true, 4000, 14, true, true},
		{"4096 ports", 32768, 36863, true, 300, 11, true, true},
		{"2500 ports, the last block is short", 50000, 52499, false, 300, 10, true, true},
		{"65 ports: a block of 64 and one", 6400, 6464, false, 100, 5, true, false},
		{"two ports of two blocks", 127, 128, false, 100, 0.9, true, false},
		{"64 ports of one block", 6400, 6463, false, 100, 6, false, false},
		{"one port", 53, 53, false, 100, 0, false, false},
	};

	for (size_t row = 0; row < ARRAY_COUNT(rows); row++) {
		struct sender *s =
			sender_make(rows[row].first, rows[row].last, rows[row].exclude_defaults);
		uint32_t p_bins[ENTROPY_STATISTIC_COUNT][P_BINS] = {0};
		const struct entropy_figures *last = &s->meter.last;

		for (unsigned i = 0; i < rows[row].windows; i++) {
			CU_ASSERT_TRUE(send_good_window(s));
			CU_ASSERT_FALSE(last->alarm);
			CU_ASSERT_NOT_EQUAL(isnan(last->port_p), rows[row].has_port_p);
			CU_ASSERT(last->port_min_entropy_bits >= rows[row].port_bits_min);
			CU_ASSERT(last->port_min_entropy_bits <= log2(s->set.port_count));
			CU_ASSERT(last->id_min_entropy_bits > 14 && last->id_min_entropy_bits < 16);
			p_bins[ENTROPY_IDS][(unsigned)(last->id_p * P_BINS)]++;
			p_bins[ENTROPY_ID_STEPS][(unsigned)(last->id_step_p * P_BINS)]++;
			if (rows[row].has_port_p)
				p_bins[ENTROPY_PORTS][(unsigned)(last->port_p * P_BINS)]++;
		}
		CU_ASSERT_EQUAL(s->meter.alarms, 0);
		CU_ASSERT(chi_square_accepts("p of IDs", p_bins[ENTROPY_IDS], NULL, P_BINS));
		CU_ASSERT(chi_square_accepts("p of steps", p_bins[ENTROPY_ID_STEPS], NULL, P_BINS));
		if (rows[row].has_many_bins)
			CU_ASSERT(chi_square_accepts("p of ports", p_bins[ENTROPY_PORTS], NULL,
						     P_BINS));
		free(s);
	}
}

/* Single ports far from each other, blocks with a few, blocks with all. */
static void entropy_meter_gather__does_not_alarm_on_ragged_sets(void)
{
	for (unsigned round = 0; round < 20; round++) {
		struct sender *s = sender_make(1, 1, false);
		struct port_map map;

		port_map_clear(&map);
		for (uint32_t port = 64 * (round + 1); port < PORT_COUNT; port++)
			if (port % 64 <= below(s, 1 + port / 64 * 7 % 64))
				port_map_add(&map, (uint16_t)port, (uint16_t)port);
		port_set_build(&s->set, &map);
		for (unsigned i = 0; i < 20; i++)
			CU_ASSERT_EQUAL(send_good_window(s), i > 0); /* the first is of no set */
		CU_ASSERT_EQUAL(s->meter.alarms, 0);
		CU_ASSERT_FALSE(isnan(s->meter.last.port_p));
		free(s);
	}
}

/* Half of the blocks have all of their ports, the others one each, of which 0.6 is expected in a window. */
static void entropy_meter_gather__has_even_p_for_ragged_sets(void)
{
	enum { WINDOWS = 1000, P_BINS = 10 };
	struct sender *s = sender_make(1024, 33023, false);
	uint32_t p_bins[P_BINS] = {0};
	struct port_map map = s->set.map;

	for (uint32_t port = 33024; port < PORT_COUNT; port += 64)
		port_map_add(&map, (uint16_t)port, (uint16_t)port);
	port_set_build(&s->set, &map);
	CU_ASSERT_FALSE(send_good_window(s));
	for (unsigned i = 0; i < WINDOWS; i++) {
		CU_ASSERT_TRUE(send_good_window(s));
		p_bins[(unsigned)(s->meter.last.port_p * P_BINS)]++;
	}
	CU_ASSERT(chi_square_accepts("p of ports", p_bins, NULL, P_BINS));
	CU_ASSERT_EQUAL(s->meter.alarms, 0);
	free(s);
}

/* Of 1,024 blocks with 20 IDs and 10 steps each, by hand: p = 1 / 1024, and 2.576 standard deviations on top. */
static void entropy_meter_gather__estimates_bits_by_the_upper_bound(void)
{
	struct sender *s = sender_make(1, 65535, false);

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
		s->sum.ports[i] = 20;
		s->sum.ids[i] = 20;
		s->sum.port_steps[i] = 10;
		s->sum.id_steps[i] = 10;
	}
	CU_ASSERT_TRUE(entropy_meter_gather(&s->meter, &s->set.map, &s->sum));
	CU_ASSERT(fabs(s->meter.last.id_min_entropy_bits - 15.3439) < 0.001);
	CU_ASSERT(fabs(s->meter.last.port_step_min_entropy_bits - 9.1406) < 0.001);
	/* The first block has 63 ports. */
	CU_ASSERT(fabs(s->meter.last.port_min_entropy_bits - 15.3439) < 0.03);
	CU_ASSERT_EQUAL(s->meter.last.fault, ENTROPY_FAULT_ID_STEPS); /* too even by far */
	free(s);
}

/* One port with 45,000 queries under way to one server: an ID under way is not drawn again until it is answered. */
static void entropy_meter_gather__does_not_alarm_on_a_port_that_is_full(void)
{
	enum { UNDER_WAY = 45000 };
	struct sender *s = sender_make(53, 53, false);
	static uint16_t ring[UNDER_WAY];
	static bool taken[IDS];
	uint32_t drawn = 0;

	memset(taken, 0, sizeof(taken));
	for (unsigned i = 0; i < 50 * (WINDOW_TICKETS / SOURCE_METER_STRIDE); i++) {
		for (unsigned k = 0; k < SOURCE_METER_STRIDE; k++) {
			uint16_t id = any_id(s);

			while (taken[id])
				id = any_id(s);
			taken[id] = true;
			if (drawn >= UNDER_WAY)
				taken[ring[drawn % UNDER_WAY]] = false;
			ring[drawn++ % UNDER_WAY] = id;
			source_meter_add(&s->sum, (struct ticket){53, id});
		}
		if (i % (WINDOW_TICKETS / SOURCE_METER_STRIDE / 4) == 0)
			(void)entropy_meter_gather(&s->meter, &s->set.map, &s->sum);
	}
	CU_ASSERT_EQUAL(s->meter.last.samples, ENTROPY_WINDOW_SAMPLES);
	CU_ASSERT_EQUAL(s->meter.alarms, 0);
	CU_ASSERT(isnan(s->meter.last.port_p));
	CU_ASSERT_EQUAL(s->meter.last.port_min_entropy_bits, 0);
	free(s);
}

static void entropy_meter_gather__leaves_out_what_two_sets_sent(void)
{
	struct sender *s = sender_make(1024, 33791, false);
	struct port_set one = s->set, other;
	struct port_map map;
	const uint32_t part = WINDOW_TICKETS / 10;
	unsigned judged = 0;

	port_map_clear(&map);
	port_map_add(&map, 33792, 65535);
	port_set_build(&other, &map);
	for (unsigned i = 0; i < 200; i++) {
		const struct port_set *next = i % 2 == 0 ? &other : &one;

		judged += send_tickets(s, good, part);
		/* These are of the old set or of the new one, who knows. */
		for (uint32_t k = 0; k < part / 2; k++)
			source_meter_add(&s->sum, good(s));
		s->set = *next;
		judged += send_tickets(s, good, part / 2);
	}
	CU_ASSERT_EQUAL(judged, 20);
	CU_ASSERT_EQUAL(s->meter.alarms, 0);
	CU_ASSERT_FALSE(isnan(s->meter.last.port_p));
	CU_ASSERT(s->meter.last.port_p > 1e-6 && s->meter.last.port_p < 1 - 1e-6);
	free(s);
}

static void entropy_meter_gather__alarms_at_once_on_a_foreign_port(void)
{
	struct sender *s = sender_make(1024, 65535, false);
	struct ticket foreign = {1023, 7};

	CU_ASSERT_FALSE(send_tickets(s, good, 1000 * SOURCE_METER_STRIDE));
	source_meter_add(&s->sum, foreign);
	CU_ASSERT_TRUE(send_tickets(s, good, 0));
	CU_ASSERT_TRUE(s->meter.last.alarm);
	CU_ASSERT_EQUAL(s->meter.last.fault, ENTROPY_FAULT_FOREIGN_PORT);
	CU_ASSERT_EQUAL(s->meter.last.port_p, 0);
	CU_ASSERT_EQUAL(s->meter.last.samples, 0);
	CU_ASSERT_EQUAL(s->meter.alarms, 1);
	/* And goes on with a window of its own. */
	s->sum.sent += SOURCE_METER_STRIDE - 1;
	CU_ASSERT_FALSE(send_tickets(s, good, WINDOW_TICKETS - SOURCE_METER_STRIDE));
	CU_ASSERT_TRUE(send_tickets(s, good, SOURCE_METER_STRIDE));
	CU_ASSERT_FALSE(s->meter.last.alarm);
	CU_ASSERT_EQUAL(s->meter.last.samples, ENTROPY_WINDOW_SAMPLES);
	CU_ASSERT_EQUAL(s->meter.alarms, 1);
	free(s);
}

static void entropy_meter_gather__goes_on_where_counts_wrap(void)
{
	struct sender *s = sender_make(1024, 65535, false);

	for (unsigned i = 0; i < SOURCE_METER_BLOCKS; i++) {
		s->sum.ports[i] = UINT32_MAX - i % 30;
		s->sum.ids[i] = UINT32_MAX - i % 20;
		s->sum.port_steps[i] = UINT32_MAX;
		s->sum.id_steps[i] = UINT32_MAX - 1;
	}
	s->meter.seen = s->sum;
	CU_ASSERT_EQUAL(first_alarm(s, good, 1), 0);
	CU_ASSERT_EQUAL(s->meter.last.samples, ENTROPY_WINDOW_SAMPLES);
	free(s);
}

/* A fault that is too small for any one window: every 16th port is of the upper half. */
static bool alarms_on_a_small_bias(unsigned window_count)
{
	struct sender *s = sender_make(1024, 65535, false);
	bool alarmed = false;

	for (unsigned i = 0; i < window_count && !alarmed; i++) {
		for (uint32_t k = 0; k < WINDOW_TICKETS; k++) {
			struct ticket ticket = good(s);

			if (k % SOURCE_METER_STRIDE == 0 && k / SOURCE_METER_STRIDE % 16 < 2)
				ticket.port |= 32768;
			source_meter_add(&s->sum, ticket);
		}
		CU_ASSERT_TRUE(entropy_meter_gather(&s->meter, &s->set.map, &s->sum));
		CU_ASSERT(s->meter.last.port_p > ENTROPY_ALARM_P);
		alarmed = s->meter.last.alarm;
	}
	free(s);
	return alarmed;
}

static void entropy_meter_gather__adds_small_faults_up(void)
{
	CU_ASSERT_FALSE(alarms_on_a_small_bias(1));
	CU_ASSERT_TRUE(alarms_on_a_small_bias(40));
}

static void entropy_meter_gather__forgets_what_it_has_alarmed_on(void)
{
	struct sender *s = sender_make(1024, 65535, false);

	CU_ASSERT_EQUAL(first_alarm(s, port_half, 1), 1);
	for (unsigned i = 0; i < 20; i++) {
		CU_ASSERT_TRUE(send_good_window(s));
		CU_ASSERT_FALSE(s->meter.last.alarm);
	}
	CU_ASSERT_EQUAL(s->meter.alarms, 1);
	free(s);
}

static void entropy_meter_init__has_no_figures(void)
{
	static struct entropy_meter m;

	entropy_meter_init(&m);
	CU_ASSERT_EQUAL(m.last.samples, 0);
	CU_ASSERT(isnan(m.last.port_p) && isnan(m.last.id_p) && isnan(m.last.id_step_p));
	CU_ASSERT_FALSE(m.last.alarm);
	CU_ASSERT_STRING_EQUAL(entropy_fault_text[m.last.fault], "none");
}

/* Against the exact function: 0.01 for a few degrees of freedom, 0.001 for many. */
static void entropy_chi_square_p__is_nearly_exact(void)
{
	static const unsigned freedoms[] = {1, 2, 5, 10, 31, 100, 511, 1007, 1023};

	for (size_t i = 0; i < ARRAY_COUNT(freedoms); i++) {
		unsigned df = freedoms[i];

		for (double z = -3; z <= 3; z += 0.25) {
			double x = fmax(0.2, df + z * sqrt(2.0 * df));
			double error = entropy_chi_square_p(x, df) - (1 - chi_square_p(x, df));

			CU_ASSERT(fabs(error) < (df < 31 ? 0.02 : 0.001));
		}
	}
}

/* Where it matters: an upper tail that is called 1e-12 is between 0.5e-12 and 2e-12 for a thousand blocks. */
static void entropy_chi_square_p__is_right_in_the_tail(void)
{
	for (unsigned df = 500; df <= 1023; df++) {
		double low = df, high = 3 * df;

		for (unsigned i = 0; i < 60; i++) {
			double middle = (low + high) / 2;

			if (chi_square_p(middle, df) > ENTROPY_ALARM_P)
				low = middle;
			else
				high = middle;
		}
		/* 1 - p has four digits there. */
		CU_ASSERT(1 - entropy_chi_square_p(low, df) > ENTROPY_ALARM_P / 2);
		CU_ASSERT(1 - entropy_chi_square_p(low, df) < ENTROPY_ALARM_P * 2);
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(entropy_chi_square_p__is_nearly_exact),
	UNIT_TEST(entropy_chi_square_p__is_right_in_the_tail),
	UNIT_TEST(entropy_meter_init__has_no_figures),
	UNIT_TEST(entropy_meter_gather__alarms_on_bad_generators),
	UNIT_TEST(entropy_meter_gather__sees_nothing_below_a_block),
	UNIT_TEST(entropy_meter_gather__does_not_alarm_on_good_randomness),
	UNIT_TEST(entropy_meter_gather__does_not_alarm_on_ragged_sets),
	UNIT_TEST(entropy_meter_gather__has_even_p_for_ragged_sets),
	UNIT_TEST(entropy_meter_gather__estimates_bits_by_the_upper_bound),
	UNIT_TEST(entropy_meter_gather__does_not_alarm_on_a_port_that_is_full),
	UNIT_TEST(entropy_meter_gather__leaves_out_what_two_sets_sent),
	UNIT_TEST(entropy_meter_gather__alarms_at_once_on_a_foreign_port),
	UNIT_TEST(entropy_meter_gather__goes_on_where_counts_wrap),
	UNIT_TEST(entropy_meter_gather__adds_small_faults_up),
	UNIT_TEST(entropy_meter_gather__forgets_what_it_has_alarmed_on),
};
UNIT_SUITE(entropy_meter, tests)
