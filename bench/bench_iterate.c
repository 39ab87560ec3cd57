/* Cycles that one worker's engine spends on a question that it iterates, without any device: whatever it receives and sends for it,
 * from the client's question to the answer. Names are never the same; the rows are how much is known of where they lie.
 *
 *   bench_iterate [ROUNDS] [--only known|zone|cold]
 *       ROUNDS   of each row (100); rows take turns
 *       --only   one row (for callgrind)
 *
 * Timed (TSC cycles): engine_rx() in bursts of at most 32, questions and replies mixed, and engine_tx(), timers included. Not timed:
 * clients and servers. Exit code 1: something was not answered as it should be.
 */
#include "bench/bench_engine_world.h"

#define BURST 32
#define UNDER_WAY 256
#define ROUND_TURNS 128
#define WARM_TURNS 256
#define CACHE_BYTES (UINT64_C(256) << 20)
#define STEP_NS (20 * NS_PER_US)
#define WARM_STEP_NS (10 * NS_PER_MS)
#define PACKETS (4 * UNDER_WAY)
#define ROOT_SERVER 20
#define TLD_SERVER 21
#define ZONE_SERVER 22
#define SECOND 10 /* a second server of the same, so much further on */
#define DNS_BYTES_MAX 512

struct fifo {
	unsigned head, tail;
	struct packet *packets[PACKETS];
};

struct row {
	const char *name, *what;
	const char *format; /* of a question's name, by its number, twice */
	struct engine *engine;
	struct fifo wire; /* replies that are to be received */
	struct fifo free;
	struct packet *packets;
	unsigned under_way;
	unsigned long long asked, answered, received, cycles;
	const char *trouble;
	mono_ns now;
	struct bench_rounds rounds;
};

static void fifo_put(struct fifo *f, struct packet *p)
{
	f->packets[f->tail++ % PACKETS] = p;
}

static struct packet *fifo_take(struct fifo *f)
{
	return f->packets[f->head++ % PACKETS];
}

static unsigned fifo_count(const struct fifo *f)
{
	return f->tail - f->head;
}

/* ---- servers ---- */

static uint8_t *put_record(uint8_t *at, unsigned owner, uint16_t type, const void *rdata,
			   size_t bytes)
{
	wire_put_u16(at, (uint16_t)(DNS_POINTER_FLAG << 8 | owner));
	wire_put_u16(at + 2, type);
	wire_put_u16(at + 4, DNS_CLASS_IN);
	wire_put_u32(at + 6, 3600);
	wire_put_u16(at + 10, (uint16_t)bytes);
	memcpy(at + 12, rdata, bytes);
	return at + 12 + bytes;
}

/* The delegation of the name at this offset, to two servers below it. */
static uint8_t *put_delegation(uint8_t *at, const uint8_t *dns, unsigned owner, uint8_t server)
{
	unsigned targets[2];

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t target[] = {2, 'n', (uint8_t)('1' + i), DNS_POINTER_FLAG,
					  (uint8_t)owner};

		at = put_record(at, owner, DNS_TYPE_NS, target, sizeof(target));
		targets[i] = (unsigned)(at - dns) - (unsigned)sizeof(target);
	}
	for (unsigned i = 0; i < 2; i++)
		at = put_record(at, targets[i], DNS_TYPE_A,
				world_v4((uint8_t)(server + i * SECOND)).bytes + ADDRESS_V4_OFFSET,
				4);
	return at;
}

/* The query that the engine has sent becomes the server's reply. */
static void reply(struct packet *p)
{
	uint8_t from = p->data[DNS_OFFSET - 9];
	uint8_t server = from >= ROOT_SERVER + SECOND ? (uint8_t)(from - SECOND) : from;
	uint16_t port = wire_get_u16(p->data + SRC_PORT_OFFSET);
	uint8_t opt[DNS_OPT_BYTES_MIN], *dns = p->data + DNS_OFFSET, *at;
	unsigned offsets[8] = {0}, count = 0, end = DNS_HEADER_BYTES;
	uint16_t flags = DNS_FLAG_QR;

	for (; dns[end] != 0 && count < ARRAY_COUNT(offsets); end += dns[end] + 1u)
		offsets[count++] = end;
	at = dns + end + 5;
	memcpy(opt, at, sizeof(opt));
	wire_put_u16(dns + 6, 0);
	wire_put_u16(dns + 8, 0);
	wire_put_u16(dns + 10, 1);
	if (server == ZONE_SERVER || count == 0) {
		const uint8_t root_server[] = {2, 'n', 's', 0};

		flags |= DNS_FLAG_AA;
		wire_put_u16(dns + 6, 1);
		at = count == 0 ? put_record(at, DNS_HEADER_BYTES, DNS_TYPE_NS, root_server,
					     sizeof(root_server))
				: put_record(at, DNS_HEADER_BYTES, DNS_TYPE_A,
					     world_v4(1).bytes + ADDRESS_V4_OFFSET, 4);
	} else {
		unsigned labels = server == ROOT_SERVER ? 1 : 2;

		wire_put_u16(dns + 8, 2);
		wire_put_u16(dns + 10, 3);
		at = put_delegation(at, dns, offsets[count - labels],
				    server == ROOT_SERVER ? TLD_SERVER : ZONE_SERVER);
	}
	wire_put_u16(dns + 2, flags);
	memcpy(at, opt, sizeof(opt));
	world_put_udp(p, from, DNS_PORT, port, (unsigned)(at + sizeof(opt) - dns));
}

/* ---- a turn ---- */

/* A frame that the engine has sent. */
static void leaves(struct row *r, struct packet *p)
{
	if (world_is_query(p)) {
		reply(p);
		fifo_put(&r->wire, p);
		return;
	}
	fifo_put(&r->free, p);
	if (world_is_answer(p)) {
		r->answered++;
		r->under_way--;
	} else {
		r->trouble = "an answer is none";
	}
}

static void receive(struct row *r, struct packet *packets[], unsigned count)
{
	struct rx_slot slots[BURST];
	unsigned long long begun;

	for (unsigned i = 0; i < count; i++)
		slots[i] = world_slot(packets[i], RX_PACKET);
	begun = __rdtsc();
	engine_rx(r->engine, slots, count, r->now);
	r->cycles += __rdtsc() - begun;
	r->received += count;
	for (unsigned i = 0; i < count; i++) {
		packets[i]->data = slots[i].data;
		packets[i]->length_bytes = slots[i].length_bytes;
		if (slots[i].verdict == RX_SEND)
			leaves(r, packets[i]);
		else
			fifo_put(&r->free, packets[i]);
	}
}

static void send_waiting(struct row *r)
{
	struct packet *packets[BURST];
	struct tx_slot slots[BURST];
	unsigned wanted, count;
	unsigned long long begun = __rdtsc();

	wanted = engine_tx_wanted(r->engine, BURST, r->now);
	r->cycles += __rdtsc() - begun;
	for (unsigned i = 0; i < wanted; i++) {
		packets[i] = fifo_take(&r->free);
		packets[i]->data = packets[i]->bytes + HEADROOM_BYTES;
		slots[i] = (struct tx_slot){.data = packets[i]->data,
					    .capacity_bytes = PACKET_BYTES - HEADROOM_BYTES};
	}
	begun = __rdtsc();
	count = engine_tx(r->engine, slots, wanted, r->now);
	r->cycles += __rdtsc() - begun;
	for (unsigned i = 0; i < wanted; i++) {
		packets[i]->length_bytes = i < count ? slots[i].length_bytes : 0;
		if (i >= count)
			fifo_put(&r->free, packets[i]);
		else if (wire_get_u16(packets[i]->data + 12) != ETHERTYPE_ARP)
			leaves(r, packets[i]);
		else {
			world_reply_arp(packets[i]);
			fifo_put(&r->wire, packets[i]);
		}
	}
}

static void turn(struct row *r, bool may_ask, mono_ns step_ns)
{
	struct packet *packets[BURST];
	unsigned count = 0;

	bench_feed(engine_entropy(r->engine));
	/* As a device has them: one kind after the other, as long as there are both. */
	while (count < BURST) {
		bool asks = may_ask && r->under_way < UNDER_WAY;

		if (!asks && fifo_count(&r->wire) == 0)
			break;
		if (fifo_count(&r->wire) > 0 && (!asks || count % 2 == 0)) {
			packets[count++] = fifo_take(&r->wire);
			continue;
		}
		packets[count] = fifo_take(&r->free);
		world_put_named_question(packets[count++], r->format, r->asked);
		r->asked++;
		r->under_way++;
	}
	if (count > 0)
		receive(r, packets, count);
	send_waiting(r);
	r->now += step_ns;
}

/* ---- rows ---- */

static void row_make(struct row *r)
{
	struct portico *p = world_portico(1, NS_PER_S);

	world_iterate(p, ROOT_SERVER);
	world_cache(p, CACHE_BYTES);
	r->now = NS_PER_S;
	r->engine = world_engine(p, 0);
	r->packets = bench_memory(sizeof(struct packet) * PACKETS, BENCH_PAGES_HUGE);
	for (unsigned i = 0; i < PACKETS - 1; i++)
		fifo_put(&r->free, &r->packets[i]);
	/* Neighbours, and what the row takes for known; what was lost meanwhile is asked again. */
	for (unsigned i = 0; i < WARM_TURNS; i++)
		turn(r, i == 0, WARM_STEP_NS);
	for (unsigned i = 0; i < WARM_TURNS; i++)
		turn(r, true, STEP_NS);
}

static void row_round(struct row *r)
{
	unsigned long long answered = r->answered;
	double yard = bench_yardstick();

	r->cycles = 0;
	for (unsigned i = 0; i < ROUND_TURNS; i++)
		turn(r, true, STEP_NS);
	bench_rounds_add(&r->rounds, (double)r->cycles / (double)(r->answered - answered),
			 bench_longer(yard, bench_yardstick()));
}

static bool row_ends(struct row *r)
{
	for (unsigned i = 0; i < WARM_TURNS && r->under_way > 0; i++)
		turn(r, false, STEP_NS);
	engine_check(r->engine);
	if (r->under_way == 0 && r->trouble == NULL)
		return true;
	fprintf(stderr, "bench_iterate: %s: %s, %u not answered\n", r->name,
		r->trouble != NULL ? r->trouble : "questions are lost", r->under_way);
	return false;
}

int main(int argc, char **argv)
{
	static struct row rows[] = {
		{.name = "known", .what = "zone known", .format = "n%llu.load.example"},
		{.name = "zone",
		 .what = "zone cold, its parent known",
		 .format = "a.z%llu.example"},
		{.name = "cold", .what = "all cold", .format = "a.z%llu.t%llu"},
	};
	const char *only =
		argc > 2 && strcmp(argv[argc - 2], "--only") == 0 ? argv[argc - 1] : NULL;
	unsigned round_count = argc > 1 && argv[1][0] != '-' ? bench_round_count(argv[1]) : 100;
	static cpu_set_t cpus;
	bool ok = true;

	if (round_count == 0) {
		fprintf(stderr, "usage: bench_iterate [ROUNDS, 1 to %d] [--only known|zone|cold]\n",
			BENCH_ROUNDS_MAX);
		return 2;
	}
	CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
	bench_pin(&cpus, 0);
	bench_yardsticks();
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
		if (only == NULL || strcmp(only, rows[i].name) == 0)
			row_make(&rows[i]);
	for (unsigned n = 0; n < round_count; n++)
		for (unsigned i = 0; i < ARRAY_COUNT(rows); i++)
			if (rows[i].engine != NULL)
				row_round(&rows[i]);
	printf("| engine: iterated miss, cycles a question | packets received | median | of quiet "
	       "rounds | best | worst |\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < ARRAY_COUNT(rows); i++) {
		struct bench_figures f;

		if (rows[i].engine == NULL)
			continue;
		f = bench_figures_of(&rows[i].rounds);
		printf("| %s | %.2f | %.0f | %.0f (%u) | %.0f | %.0f |\n", rows[i].what,
		       (double)rows[i].received / (double)rows[i].answered, f.median, f.quiet,
		       f.quiet_count, f.best, f.worst);
		ok = row_ends(&rows[i]) && ok;
	}
	return ok ? 0 : 1;
}
