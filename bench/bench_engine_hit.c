/* Cycles that a worker's engine spends on a question that it answers from the cache, without any device, and on which
 * stage: frames and questions parsed and keyed, the index reached, answers put together in the packets.
 *
 *   bench_engine_hit [ROUNDS] [--entries N]...
 *       ROUNDS       of each row (200)
 *       --entries N  rows with so many names in the cache only (1,000, 100,000, 1,000,000); up to 8 of them
 *
 * Names are asked for by Zipf's law (exponent 0.95), in mixed letter case, with EDNS and without DO, by clients that
 * the ACL has among 100 other prefixes; each has one A record. Timed (TSC cycles): engine_rx() in bursts of 32, all else on:
 * counters, hit marks, rotation, the check for what is to be refreshed. Not timed: what writes the questions into their
 * packets, so that these are in the cache as a device or the driver's prefetch has them. Exit code 1: a question was not answered
 * from the cache.
 */
#include <math.h>
#include <time.h>

#include "bench/bench_engine_world.h"
#include "core/cache_entry.h"
#include "core/engine_hit.h"

#define ZIPF 0.95
#define BURST 32
#define ROUND_BURSTS 256
#define WARM_BURSTS 8192
#define TRACE_LENGTH (1u << 18) /* questions, then they are the same again */
#define FRAME_BYTES 128
#define ENTRY_BYTES 160 /* of the cache, an entry: none is to go */
#define ALLOWED 100
#define ROWS_MOST 8
#define CLOCK_S 1000
/* Packets lie as in a DPDK pool, an odd number of cache lines apart: at whole pages they would all want the same few lines of
 * the first cache. */
#define PACKET_STRIDE_BYTES ((sizeof(struct packet) + 63) / 64 / 2 * 128 + 64)

struct trace_frame {
	uint16_t length_bytes;
	uint8_t bytes[FRAME_BYTES - sizeof(uint16_t)];
};

struct row {
	unsigned entry_count;
	struct engine *engine;
	struct trace_frame *trace;
	unsigned at; /* in the trace */
	mono_ns now;
	unsigned long long asked;
	struct bench_rounds rounds, parse, reach, act;
};

static struct packet *packets[BURST];
static uint64_t random_state = 1;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t read_cycles(void)
{
	return __rdtsc();
}

/* ---- what is in the cache ---- */

/* The numberth name's response, as its server gives it. */
static void fill_one(struct engine *e, struct packet *p, unsigned number)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	static const struct cache_entry_rules rules = {0, CACHE_TTL_S_MAX, CACHE_TTL_S_MAX};
	struct msg_response response;
	struct cache_key key;
	unsigned word_count;

	world_put_question(p, number);
	world_put_reply(p);
	CHECK(msg_parse_response((struct span){p->data + DNS_OFFSET, p->length_bytes - DNS_OFFSET},
				 &response) == MSG_RESPONSE_OK);
	engine_key_make(e, &response.qname, response.qtype, false, &key);
	CHECK(cache_entry_make(words, &word_count, &key, &response, &rules, CLOCK_S) ==
	      CACHE_ENTRY_OK);
	CHECK(engine_cache_restore(e, &key, words, word_count, CLOCK_S * NS_PER_S));
}

static bool is_kept(struct engine *e, unsigned number)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_found found;
	struct cache_key key;
	struct name qname;
	char text[64];

	snprintf(text, sizeof(text), "n%u.perf.example", number);
	CHECK(name_from_text(text, &qname));
	engine_key_make(e, &qname, DNS_TYPE_A, false, &key);
	return engine_cache_find(e, &key, words, &found);
}

/* ---- what is asked ---- */

/* Numbers below n, the kth as often as 1 / (k + 1)^ZIPF, in a shuffle so that popular names are no neighbours. The few that
 * the cache has lost (a bucket that was full) are not asked for. */
static unsigned *zipf_trace(struct engine *e, unsigned n)
{
	double *sums = malloc(n * sizeof(*sums)), sum = 0;
	unsigned *order = malloc(n * sizeof(*order));
	unsigned *trace = malloc(TRACE_LENGTH * sizeof(*trace));

	CHECK(sums != NULL && order != NULL && trace != NULL);
	for (unsigned i = 0; i < n; i++) {
		unsigned other = (unsigned)(random_next() % (i + 1));

		sums[i] = sum += 1 / pow(i + 1, ZIPF);
		order[i] = order[other];
		order[other] = i;
	}
	for (unsigned i = 0; i < TRACE_LENGTH;) {
		double x = (double)(random_next() >> 11) * 0x1p-53 * sum;
		unsigned low = 0, high = n - 1;

		while (low < high) {
			unsigned middle = (low + high) / 2;

			if (sums[middle] < x)
				low = middle + 1;
			else
				high = middle;
		}
		trace[i] = order[low];
		i += is_kept(e, order[low]);
	}
	free(sums);
	free(order);
	return trace;
}

/* Letters in random case, as clients with 0x20 send them; checksums as they are then. */
static void mix_letters(struct packet *p)
{
	uint8_t *at = p->data + DNS_OFFSET + DNS_HEADER_BYTES;
	unsigned payload_bytes = p->length_bytes - DNS_OFFSET;
	uint8_t from = p->data[26 + 3];

	for (; *at != 0; at += *at + 1)
		for (unsigned i = 1; i <= *at; i++)
			if (at[i] >= 'a' && at[i] <= 'z' && random_next() % 2 == 0)
				at[i] ^= 0x20;
	world_put_udp(p, from, CLIENT_PORT, DNS_PORT, payload_bytes);
}

static struct trace_frame *frames_of(const unsigned trace[])
{
	struct trace_frame *frames = bench_memory(TRACE_LENGTH * sizeof(*frames), BENCH_PAGES_HUGE);
	struct packet *p = packets[0];

	for (unsigned i = 0; i < TRACE_LENGTH; i++) {
		world_put_question(p, trace[i]);
		mix_letters(p);
		CHECK(p->length_bytes <= sizeof(frames[i].bytes));
		frames[i].length_bytes = (uint16_t)p->length_bytes;
		memcpy(frames[i].bytes, p->data, p->length_bytes);
	}
	return frames;
}

/* ---- bursts ---- */

/* Returns the cycles; false in *ok: not all were hits. */
static unsigned long long burst(struct row *r, bool *ok)
{
	struct rx_slot slots[BURST];
	unsigned long long begun, cycles;

	for (unsigned i = 0; i < BURST; i++) {
		const struct trace_frame *f = &r->trace[r->at++ % TRACE_LENGTH];
		struct packet *p = packets[i];

		p->data = p->bytes + HEADROOM_BYTES;
		p->length_bytes = f->length_bytes;
		memcpy(p->data, f->bytes, f->length_bytes);
		slots[i] = world_slot(p, RX_PACKET);
	}
	r->now += 3 * NS_PER_US;
	begun = __rdtsc();
	engine_rx(r->engine, slots, BURST, r->now);
	cycles = __rdtsc() - begun;
	engine_burst_sent(r->engine, r->now);
	for (unsigned i = 0; i < BURST; i++)
		*ok &= slots[i].outcome == COUNTER_CACHE_HIT && slots[i].verdict == RX_SEND &&
		       slots[i].length_bytes ==
			       r->trace[(r->at - BURST + i) % TRACE_LENGTH].length_bytes + 16u;
	return cycles;
}

static double counted(const struct row *r, enum counter which)
{
	return (double)engine_counters(r->engine)->value[which];
}

static bool row_round(struct row *r)
{
	double yard = bench_yardstick();
	double parse = counted(r, COUNTER_CYCLES_PARSE), reach = counted(r, COUNTER_CYCLES_REACH);
	double act = counted(r, COUNTER_CYCLES_ACT), count = counted(r, COUNTER_SAMPLED_PACKETS);
	unsigned long long cycles = 0;
	bool ok = true;

	for (unsigned i = 0; i < ROUND_BURSTS; i++)
		cycles += burst(r, &ok);
	yard = bench_longer(yard, bench_yardstick());
	count = counted(r, COUNTER_SAMPLED_PACKETS) - count;
	bench_rounds_add(&r->rounds, (double)cycles / (ROUND_BURSTS * BURST), yard);
	bench_rounds_add(&r->parse, (counted(r, COUNTER_CYCLES_PARSE) - parse) / count, yard);
	bench_rounds_add(&r->reach, (counted(r, COUNTER_CYCLES_REACH) - reach) / count, yard);
	bench_rounds_add(&r->act, (counted(r, COUNTER_CYCLES_ACT) - act) / count, yard);
	return ok;
}

/* ---- rows ---- */

static void allow_more(struct portico *p)
{
	struct engine_config *c = &p->config;

	for (unsigned i = 0; i < ALLOWED; i++)
		c->allow[c->allow_count++] = (struct prefix){
			address_from_v4((const uint8_t[]){198, 19, (uint8_t)i, 0}), 120};
	c->acl = acl_init(bench_memory(acl_memory_bytes(), BENCH_PAGES_HUGE), c->allow,
			  c->allow_count);
}

static bool row_make(struct row *r, unsigned entry_count)
{
	struct portico *p = world_portico(1, CLOCK_S * NS_PER_S);
	unsigned *trace;
	bool ok = true;

	r->entry_count = entry_count;
	r->now = CLOCK_S * NS_PER_S;
	p->params.under_way_max = 4096;
	p->params.waiter_count_max = 8192;
	p->params.answer_buffer_count = 256;
	p->params.read_cycles = read_cycles;
	world_cache(p, CACHE_BYTES_MIN + (size_t)entry_count * ENTRY_BYTES);
	allow_more(p);
	r->engine = world_engine(p, 0);
	for (unsigned i = 0; i < entry_count; i++)
		fill_one(r->engine, packets[0], i);
	trace = zipf_trace(r->engine, entry_count);
	r->trace = frames_of(trace);
	free(trace);
	for (unsigned i = 0; i < WARM_BURSTS; i++)
		(void)burst(r, &ok);
	return ok;
}

static double figure(const struct bench_rounds *r)
{
	struct bench_figures f = bench_figures_of(r);

	return f.quiet_count > 0 ? f.quiet : f.median;
}

static void print_rows(const struct row rows[], unsigned row_count)
{
	printf("| engine: cached hit, cycles a question (%u rounds of %u bursts of %u) | median | of "
	       "quiet rounds | best | worst | parse | reach | act |\n"
	       "|---|---|---|---|---|---|---|---|\n",
	       rows[0].rounds.count, ROUND_BURSTS, BURST);
	for (unsigned i = 0; i < row_count; i++) {
		struct bench_figures f = bench_figures_of(&rows[i].rounds);

		printf("| %u names | %.0f | %.0f (%u) | %.0f | %.0f | %.0f | %.0f | %.0f |\n",
		       rows[i].entry_count, f.median, f.quiet, f.quiet_count, f.best, f.worst,
		       figure(&rows[i].parse), figure(&rows[i].reach), figure(&rows[i].act));
	}
	printf("\nMemory on transparent huge pages: %ld MB.\n", bench_huge_kb() / 1024);
}

static bool arguments(int argc, char **argv, unsigned *round_count, unsigned entries[ROWS_MOST],
		      unsigned *row_count)
{
	unsigned given = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--entries") == 0 && i + 1 < argc && given < ROWS_MOST) {
			long count = strtol(argv[++i], NULL, 10);

			if (count < 1 || count > 100000000)
				return false;
			entries[given++] = (unsigned)count;
			continue;
		}
		*round_count = bench_round_count(argv[i]);
		if (*round_count == 0)
			return false;
	}
	if (given > 0)
		*row_count = given;
	return true;
}

int main(int argc, char **argv)
{
	static struct row rows[ROWS_MOST];
	unsigned entries[ROWS_MOST] = {1000, 100000, 1000000};
	unsigned round_count = 200, row_count = 3;
	uint8_t *memory;
	cpu_set_t cpus;

	if (!arguments(argc, argv, &round_count, entries, &row_count)) {
		fprintf(stderr, "usage: bench_engine_hit [ROUNDS, 1 to %d] [--entries N]...\n",
			BENCH_ROUNDS_MAX);
		return 2;
	}
	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	bench_pin(&cpus, 0);
	bench_yardsticks();
	memory = bench_memory(BURST * PACKET_STRIDE_BYTES, BENCH_PAGES_HUGE);
	for (unsigned i = 0; i < BURST; i++)
		packets[i] = (struct packet *)(void *)(memory + (size_t)i * PACKET_STRIDE_BYTES);
	for (unsigned i = 0; i < row_count; i++) {
		if (!row_make(&rows[i], entries[i])) {
			fprintf(stderr, "bench_engine_hit: a question was not a hit\n");
			return 1;
		}
	}
	for (unsigned round = 0; round < round_count; round++)
		for (unsigned i = 0; i < row_count; i++)
			if (!row_round(&rows[i]))
				return 1;
	print_rows(rows, row_count);
	return 0;
}
