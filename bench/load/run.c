#include "dpdk_app/dpdk.h"

#include "bench/load/run.h"

#include <rte_pause.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/client.h"
#include "bench/load/link.h"
#include "bench/load/load_port.h"
#include "bench/load/pace.h"
#include "bench/load/server_side.h"
#include "core/dns_const.h"

/* Between two tries to find the other side's MAC. */
#define TRIES_PER_S 100
#define WARM_OUTSTANDING 256
/* Of answers, from each queue, in an open loop: many for each burst of questions, and yet a turn is far shorter than what
 * counts as away. A closed loop has never more under way than it may, and goes round fastest with as many in as out. */
#define OPEN_BURSTS 16
/* A turn that begins so long after the last one: somebody else had our core. */
#define AWAYS_PER_S 1000

static volatile sig_atomic_t stopped;

struct runner {
	const struct options *options;
	struct load_port port;
	struct link link;
	struct content content;
	struct client client;
	struct server_side server;
	struct load_counters counters;
	struct load_counters at_start; /* of measuring */
	struct load_counters at_end;   /* of sending */
	struct histogram latency_ns[LOAD_CLASSES];
	struct ttl_book ttl_book;
	struct pace pace;
	struct pace flood;
	uint64_t tsc_hz;
	uint64_t measure_tsc; /* the warm-up's end */
	uint64_t end_tsc;     /* of sending */
	uint64_t sent_tsc;    /* when it ended */
	uint64_t turn_tsc;    /* when the last turn began */
	uint64_t away_cycles; /* longer than this between two turns: we were away */
	bool was_away;        /* and have not taken yet all that came meanwhile */
	uint64_t carried;
	bool asks;
	bool measuring;
	bool sending;
	bool warming;
	double warm_seconds;
	uint64_t warm_misses;
};

void run_stop(void)
{
	stopped = 1;
}

/* ---- packets in ---- */

static void answer_link(struct runner *r, struct rte_mbuf *mbuf, const struct frame_view *view)
{
	struct buffer frame = {rte_pktmbuf_mtod(mbuf, uint8_t *),
			       mbuf->data_len + (size_t)rte_pktmbuf_tailroom(mbuf)};
	unsigned length = link_answer(&r->link, frame, view);

	if (length == 0) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	mbuf->data_len = (uint16_t)length;
	mbuf->pkt_len = length;
	r->counters.of[LOAD_LINK_ANSWERS]++;
	load_port_send(&r->port, mbuf, 0);
}

static void take_udp(struct runner *r, struct rte_mbuf *mbuf, const struct frame_view *view,
		     uint64_t now_tsc)
{
	enum options_mode mode = r->options->mode;
	uint32_t idx;

	switch (link_owner(&r->link, &view->dst, &idx)) {
	case LINK_SERVER:
		if (mode == OPTIONS_MODE_BOTH || mode == OPTIONS_MODE_SERVER) {
			server_side_take(&r->server, mbuf, view, idx, now_tsc);
			return;
		}
		break;
	case LINK_CLIENT:
		if (r->asks)
			client_take(&r->client, view, idx, now_tsc);
		break;
	case LINK_GATEWAY:
	case LINK_NOBODY:
		break;
	}
	rte_pktmbuf_free(mbuf);
}

static void take_packet(struct runner *r, struct rte_mbuf *mbuf, uint64_t now_tsc)
{
	struct span frame = {rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len};
	struct frame_view view;
	enum frame_result result = link_parse(&r->link, frame, &view);

	if (UNLIKELY(result != FRAME_OK)) {
		r->counters.of[LOAD_GARBAGE]++;
		r->counters.garbage[result]++;
		rte_pktmbuf_free(mbuf);
		return;
	}
	switch (view.kind) {
	case FRAME_UDP:
		take_udp(r, mbuf, &view, now_tsc);
		return;
	case FRAME_ARP_REQUEST:
	case FRAME_ND_SOLICIT:
		answer_link(r, mbuf, &view);
		return;
	case FRAME_ARP_REPLY:
	case FRAME_ND_ADVERTISE:
		link_learn(&r->link, &view);
		break;
	case FRAME_ECHO_REQUEST:
	case FRAME_NEIGHBOUR_HINT:
		break;
	}
	rte_pktmbuf_free(mbuf);
}

/* A burst of the queue. Returns the packets received. */
static unsigned receive(struct runner *r, unsigned queue, uint64_t now_tsc)
{
	struct rte_mbuf *mbufs[LOAD_BURST];
	unsigned received = load_port_receive(&r->port, queue, mbufs);
	unsigned count = received;

	if (r->asks)
		count = client_take_plain(&r->client, mbufs, count, rte_rdtsc());
	for (unsigned i = 0; i < count; i++)
		take_packet(r, mbufs[i], now_tsc);
	return received;
}

static unsigned bursts_a_turn(const struct runner *r)
{
	return r->options->rate_per_s > 0 ? OPEN_BURSTS : 1;
}

/* In an open loop all that is there, as a wire would have taken it, before anything more is asked. More questions may be
 * under way than the ring of answers holds (a ring of them, and what waits to be sent): when who answers comes back after a
 * pause, and is faster than we are at both asking and reading, he would find that ring full. */
static unsigned receive_all(struct runner *r, uint64_t now_tsc)
{
	unsigned total = 0, received;

	for (unsigned q = 0; q < r->port.queue_count; q++) {
		for (unsigned left = bursts_a_turn(r); left > 0; left--) {
			received = receive(r, q, now_tsc);
			total += received;
			if (received < LOAD_BURST)
				break;
		}
	}
	return total;
}

/* ---- questions out ---- */

static void end_sending(struct runner *r, uint64_t now_tsc)
{
	r->sending = false;
	r->sent_tsc = now_tsc;
	r->at_end = r->counters;
}

static bool is_count_reached(const struct runner *r)
{
	uint64_t sent = r->counters.of[LOAD_SENT] - r->at_start.of[LOAD_SENT];

	return r->options->count != 0 && r->measuring && sent >= r->options->count;
}

/* Closed loop: may another be asked? Nobody waits for the flood. */
static bool is_room_in_loop(const struct runner *r)
{
	uint32_t waiting = r->client.waiting_count;

	if (r->options->flood_per_s > 0)
		waiting -= r->client.waiting_new_count;
	return waiting < r->options->outstanding;
}

/* The set's names in order, a closed loop. */
static unsigned ask_in_order(struct runner *r, uint64_t now_tsc)
{
	const struct client_moment moment = {now_tsc, now_tsc};
	unsigned count = 0;

	while (count < LOAD_BURST && names_is_in_order(&r->client.names) &&
	       r->client.waiting_count < WARM_OUTSTANDING &&
	       client_ask(&r->client, moment, CLIENT_ANY))
		count++;
	return count;
}

static unsigned ask_flood(struct runner *r, uint64_t now_tsc)
{
	unsigned count = 0;

	if (r->options->flood_per_s == 0)
		return 0;
	while (count < LOAD_BURST && pace_next(&r->flood) <= now_tsc) {
		const struct client_moment moment = {pace_next(&r->flood), now_tsc};

		pace_take(&r->flood);
		if (!client_ask(&r->client, moment, CLIENT_NEW))
			break;
		count++;
	}
	return count;
}

static unsigned ask_due(struct runner *r, uint64_t now_tsc)
{
	const struct options *o = r->options;
	unsigned count;

	for (count = 0; count < LOAD_BURST; count++) {
		uint64_t due_tsc = now_tsc;

		if (is_count_reached(r)) {
			end_sending(r, now_tsc);
			break;
		}
		if (o->rate_per_s > 0) {
			due_tsc = pace_next(&r->pace);
			if (due_tsc > now_tsc || due_tsc >= r->end_tsc)
				break;
		} else if (!is_room_in_loop(r)) {
			break;
		}
		if (!client_ask(&r->client, (struct client_moment){due_tsc, now_tsc}, CLIENT_ANY))
			break;
		pace_take(&r->pace);
	}
	return count + ask_flood(r, now_tsc);
}

static unsigned ask(struct runner *r, uint64_t now_tsc)
{
	if (!load_port_has_room(&r->port))
		return 0;
	if (r->warming)
		return ask_in_order(r, now_tsc);
	return r->sending ? ask_due(r, now_tsc) : 0;
}

/* The warm-up is over: figures count from here. */
static void begin_measuring(struct runner *r, uint64_t now_tsc)
{
	r->measuring = true;
	r->measure_tsc = now_tsc;
	r->counters.behind_tsc_most = 0;
	r->counters.away_tsc_most = 0;
	r->at_start = r->counters;
	r->carried = r->client.waiting_count;
	r->client.measure_tsc = now_tsc;
	for (unsigned i = 0; i < LOAD_CLASSES; i++)
		histogram_clear(&r->latency_ns[i]);
	/* For whoever measures the tested program meanwhile. */
	fputs("load: measuring\n", stderr);
}

static void follow_clock(struct runner *r, uint64_t now_tsc)
{
	if (!r->measuring && now_tsc >= r->measure_tsc)
		begin_measuring(r, now_tsc);
	if (r->sending && (now_tsc >= r->end_tsc || stopped != 0))
		end_sending(r, now_tsc);
}

/* What we have slept through is nobody else's doing: what was due then is not asked, and nothing times out while its answer may
 * wait in the device's rings. How long answers took is measured from when the questions were due all the same. */
static void come_back(struct runner *r, uint64_t now_tsc)
{
	uint64_t *of = r->counters.of;
	uint64_t away_tsc = now_tsc - r->turn_tsc;

	of[LOAD_AWAY]++;
	if (away_tsc > r->counters.away_tsc_most)
		r->counters.away_tsc_most = away_tsc;
	client_note_away(&r->client, r->turn_tsc, now_tsc);
	r->was_away = true;
	if (!r->sending)
		return;
	if (r->options->rate_per_s > 0)
		of[LOAD_UNSENT_AWAY] += pace_skip(&r->pace, away_tsc);
	if (r->options->flood_per_s > 0)
		of[LOAD_UNSENT_AWAY] += pace_skip(&r->flood, away_tsc);
}

/* One turn. Busy cycles are those of turns that found something to do. */
static void turn(struct runner *r)
{
	uint64_t now_tsc = rte_rdtsc();
	unsigned done, received;

	if (UNLIKELY(now_tsc - r->turn_tsc > r->away_cycles))
		come_back(r, now_tsc);
	r->turn_tsc = now_tsc;
	done = server_side_send_due(&r->server, now_tsc);
	received = receive_all(r, now_tsc);
	done += received;
	/* Else a queue may have more. */
	if (received < bursts_a_turn(r) * LOAD_BURST)
		r->was_away = false;
	if (r->asks) {
		done += ask(r, now_tsc);
		if (!r->was_away)
			client_expire(&r->client, now_tsc);
	}
	load_port_flush(&r->port);
	follow_clock(r, now_tsc);
	if (done > 0)
		r->counters.of[LOAD_BUSY_CYCLES] += rte_rdtsc() - now_tsc;
	else if (r->options->nap_us > 0)
		rte_delay_us_sleep(r->options->nap_us);
	else
		rte_pause();
}

/* ---- the other side ---- */

/* Ask for the targets' MACs. */
static void solicit(struct runner *r)
{
	for (unsigned v = 0; v < OPTIONS_VERSIONS; v++) {
		struct rte_mbuf *mbuf = load_port_packet(&r->port);
		unsigned length;

		if (mbuf == NULL)
			return;
		length = link_solicit(&r->link,
				      (struct buffer){rte_pktmbuf_mtod(mbuf, uint8_t *),
						      rte_pktmbuf_tailroom(mbuf)},
				      (enum options_version)v);
		if (length == 0) {
			rte_pktmbuf_free(mbuf);
			continue;
		}
		mbuf->data_len = (uint16_t)length;
		mbuf->pkt_len = length;
		load_port_send(&r->port, mbuf, 0);
	}
}

static bool is_link_ready(const struct runner *r)
{
	return !r->asks || link_is_ready(&r->link);
}

/* One question, whatever becomes of it. */
static void try_question(struct runner *r)
{
	uint64_t now_tsc = rte_rdtsc();

	if (!client_ask(&r->client, (struct client_moment){now_tsc, now_tsc}, CLIENT_ANY))
		fprintf(stderr, "load: no room for a first question\n");
}

/* The first answer says that the whole way is open. Where nobody is to answer there is none to wait for. */
static bool is_way_open(const struct runner *r)
{
	const struct options *o = r->options;
	uint32_t all = (UINT32_C(1) << o->server_count) - 1;

	if (o->mode == OPTIONS_MODE_ECHO)
		return r->counters.of[LOAD_ANSWERED] > 0;
	if (!r->asks || (o->silent_servers & all) == all ||
	    o->silent_per_million == RANDOM_MILLION || o->loss_per_million == RANDOM_MILLION)
		return true;
	return r->counters.rcodes[DNS_RCODE_NOERROR] + r->counters.rcodes[DNS_RCODE_NXDOMAIN] > 0;
}

/* Try it, a few times a second, until it is so. False: the time was over. */
static bool try_until(struct runner *r, bool (*is_so)(const struct runner *r),
		      void (*try_it)(struct runner *r), uint64_t end_tsc)
{
	uint64_t next_tsc = 0;

	while (!is_so(r)) {
		uint64_t now_tsc = rte_rdtsc();

		if (now_tsc > end_tsc || stopped != 0)
			return false;
		if (now_tsc > next_tsc) {
			try_it(r);
			next_tsc = now_tsc + r->tsc_hz / TRIES_PER_S;
		}
		server_side_send_due(&r->server, now_tsc);
		receive_all(r, now_tsc);
		load_port_flush(&r->port);
		if (r->options->nap_us > 0)
			rte_delay_us_sleep(r->options->nap_us);
	}
	return true;
}

static bool is_device_up(const struct runner *r)
{
	return load_port_is_up(&r->port);
}

static void rest(struct runner *r)
{
	(void)r;
	rte_delay_us_sleep(1000);
}

static enum run_result find_other_side(struct runner *r)
{
	uint64_t end_tsc = rte_rdtsc() + r->options->wait_s * r->tsc_hz;

	/* For whoever starts it now. */
	fputs("load: looks for the other side\n", stderr);
	if (!try_until(r, is_device_up, rest, end_tsc)) {
		fprintf(stderr, "load: nobody is at the other end of %s, or it has fewer queues\n",
			r->options->vdev);
		return RUN_NO_LINK;
	}
	if (!try_until(r, is_link_ready, solicit, end_tsc)) {
		fprintf(stderr, "load: the target does not say its MAC (ARP, ND)\n");
		return RUN_NO_ANSWER;
	}
	if (r->asks)
		client_begin(&r->client);
	if (!try_until(r, is_way_open, try_question, end_tsc)) {
		fprintf(stderr, "load: %s\n",
			r->options->mode == OPTIONS_MODE_ECHO ? "no packet comes back"
							      : "no question is answered");
		return RUN_NO_ANSWER;
	}
	fputs("load: the other side is there\n", stderr);
	return RUN_OK;
}

/* ---- the whole ---- */

/* Where nobody counts a TTL down there is nothing to watch. */
static bool start_ttl_book(struct runner *r)
{
	const struct options *o = r->options;
	bool watched =
		o->names == OPTIONS_NAMES_SET &&
		(o->mode == OPTIONS_MODE_BOTH || (o->mode == OPTIONS_MODE_CLIENT && o->ttl_falls));

	if (ttl_book_init(&r->ttl_book, watched ? o->set_count : 0, o->mode == OPTIONS_MODE_BOTH))
		return true;
	fprintf(stderr, "load: no memory for the TTLs of %u names\n", o->set_count);
	return false;
}

static bool start_parts(struct runner *r)
{
	const struct options *o = r->options;
	uint64_t now_tsc = rte_rdtsc();

	content_init(&r->content, o->seed);
	r->content.nxdomain_per_million = o->nxdomain_per_million;
	r->content.silent_per_million = o->silent_per_million;
	link_init(&r->link, o, &r->port.mac);
	r->asks = o->mode != OPTIONS_MODE_SERVER;
	return start_ttl_book(r) &&
	       client_init(&r->client,
			   &(struct client_parts){
				   .options = o,
				   .link = &r->link,
				   .port = &r->port,
				   .content = &r->content,
				   .counters = &r->counters,
				   .latency_ns = r->latency_ns,
				   .ttl_book = &r->ttl_book,
				   .tsc_hz = r->tsc_hz,
				   .now_tsc = now_tsc,
			   }) &&
	       server_side_init(&r->server, &(struct server_side_parts){
						    .options = o,
						    .link = &r->link,
						    .port = &r->port,
						    .content = &r->content,
						    .counters = &r->counters,
						    .ttl_book = &r->ttl_book,
						    .names = &r->client.names,
						    .tsc_hz = r->tsc_hz,
						    .now_tsc = now_tsc,
					    });
}

static uint64_t cycles_of(const struct runner *r, double seconds)
{
	return (uint64_t)(seconds * (double)r->tsc_hz);
}

/* Every name of the set once, and until each has its answer or is lost. Returns the upstream queries that it took. */
static uint64_t ask_set_once(struct runner *r)
{
	uint64_t before = r->counters.of[LOAD_UPSTREAM_QUERIES];

	names_go_in_order(&r->client.names);
	while (stopped == 0 && (names_is_in_order(&r->client.names) || r->client.waiting_count > 0))
		turn(r);
	return r->counters.of[LOAD_UPSTREAM_QUERIES] - before;
}

/* The second time finds what was lost the first time; a cache that holds the set asks nobody. */
static void warm(struct runner *r)
{
	uint64_t start_tsc = rte_rdtsc();

	r->warming = true;
	r->measure_tsc = r->end_tsc = UINT64_MAX;
	ask_set_once(r);
	r->warm_seconds = (double)(rte_rdtsc() - start_tsc) / (double)r->tsc_hz;
	r->warm_misses = ask_set_once(r);
	r->warming = false;
	fprintf(stderr, "load: %u names in %.2f s; asked again, %llu had to be fetched\n",
		r->options->set_count, r->warm_seconds, (unsigned long long)r->warm_misses);
}

static void send_and_wait(struct runner *r)
{
	const struct options *o = r->options;
	uint64_t start_tsc = rte_rdtsc();

	r->measure_tsc = start_tsc + cycles_of(r, o->warmup_s);
	r->end_tsc = o->seconds > 0 ? r->measure_tsc + cycles_of(r, o->seconds) : UINT64_MAX;
	if (o->rate_per_s > 0)
		pace_init(&r->pace, start_tsc, o->rate_per_s, r->tsc_hz);
	if (o->flood_per_s > 0)
		pace_init(&r->flood, start_tsc, o->flood_per_s, r->tsc_hz);
	r->sending = true;
	follow_clock(r, start_tsc);
	while (r->sending)
		turn(r);
	/* Each has its answer or has timed out. */
	while (r->client.waiting_count > 0 && stopped == 0)
		turn(r);
	/* Stopped during the warm-up: nothing was measured. */
	if (!r->measuring) {
		begin_measuring(r, rte_rdtsc());
		end_sending(r, r->measure_tsc);
	}
}

static void take_figures(const struct runner *r, struct run_figures *out)
{
	*out = (struct run_figures){
		.counters = r->counters,
		.while_sending = r->at_end,
		.warm_seconds = r->warm_seconds,
		.warm_misses = r->warm_misses,
		.carried = r->carried,
		.tsc_hz = r->tsc_hz,
		.upstream_ports = server_side_ports_seen(&r->server),
		.queue_count = r->port.queue_count,
	};
	memcpy(out->latency_ns, r->latency_ns, sizeof(out->latency_ns));
	load_counter_subtract(&out->counters, &r->at_start);
	load_counter_subtract(&out->while_sending, &r->at_start);
	if (r->sent_tsc > r->measure_tsc)
		out->seconds = (double)(r->sent_tsc - r->measure_tsc) / (double)r->tsc_hz;
}

enum run_result run(const struct options *options, struct run_figures *out)
{
	struct runner *r = calloc(1, sizeof(*r));
	enum run_result result = RUN_NO_DEVICE;

	if (r == NULL)
		return RUN_NO_MEMORY;
	r->options = options;
	r->tsc_hz = rte_get_tsc_hz();
	r->away_cycles = r->tsc_hz / AWAYS_PER_S;
	if (load_port_open(&r->port, options, &r->counters)) {
		result = start_parts(r) ? find_other_side(r) : RUN_NO_MEMORY;
		if (result == RUN_OK) {
			r->turn_tsc = rte_rdtsc();
			if (options->warm)
				warm(r);
			send_and_wait(r);
			take_figures(r, out);
		}
	}
	client_fini(&r->client);
	ttl_book_fini(&r->ttl_book);
	server_side_fini(&r->server);
	load_port_close(&r->port);
	free(r);
	return result;
}
