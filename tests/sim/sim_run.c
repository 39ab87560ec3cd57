#include "tests/sim/sim_run.h"
#include "tests/sim/sim_state.h"

#include "core/check.h"
#include "core/dns_const.h"
#include "core/zone_cut.h"

#include <stdlib.h>
#include <string.h>

enum {
	ENGINES_MAX = 4,
	CALM_ONE_IN = 6,
	ALONE_ONE_IN = 4,
	HABIT_ONE_IN = 4, /* of servers that need not be good ones */
	ZONES_MIN = 50,
	ZONES_SPAN = 30,
	HOSTS_MAX = 6,
	QUESTIONS_SPAN = 60,
	LOSS_PER_MILLION = 60000,
	DUPLICATE_PER_MILLION = 100000,
	CORRUPT_PER_MILLION = 60000,
	FORGED_PER_MILLION = 200000,
	TCP_FAILURE_PER_MILLION = 300000,
	DELAY_MS_MIN = 2,
	DELAY_MS_SPAN = 60,
	JITTER_MS = 120,
	SPREAD_MS = 20000,     /* the time that clients ask in */
	ALONE_EVERY_MS = 6000, /* longer than any question may take */
	TAIL_MS = 12000,       /* after the last question: everything has ended, late words, too */
	REPEAT_ONE_IN = 3,
	TCP_ONE_IN = 8,
	QUERY_BYTES_MAX = 12 + TREE_NAME_BYTES + 4 + 11,
	CLIENT_PORT_FIRST = 10000,
	STEPS_BETWEEN_CHECKS = 16,
	POISONER_ONE_IN = 4, /* of bad ones */
	/* More than the servers of what one question needs, fewer than all. */
	FEW_SERVERS = 64,
	GUESSES = 24, /* more than a ticket bears */
	FLIPS_MAX = 2,
	RING_US_MAX = 3000,
	SMALL_RING = 3,
	SMALL_CACHE_BYTES = 1 << 20,
	PAUSE_MS_MAX = 1500,
};
#define CIRCLE_APART_NS (5 * NS_PER_MS)
#define FINGERPRINT_PRIME UINT64_C(0x100000001b3)

const char *const sim_fault_text[SIM_FAULT_COUNT] = {
	[SIM_FAULT_LOSS] = "loss",
	[SIM_FAULT_JITTER] = "jitter",
	[SIM_FAULT_DUPLICATES] = "duplicates",
	[SIM_FAULT_CORRUPTION] = "corruption",
	[SIM_FAULT_PARTITION] = "partition",
	[SIM_FAULT_BAD_SERVERS] = "bad servers",
	[SIM_FAULT_ATTACKER] = "attacker",
	[SIM_FAULT_RINGS] = "rings",
	[SIM_FAULT_PAUSES] = "pauses",
	[SIM_FAULT_TCP] = "tcp",
	[SIM_FAULT_SMALL_CACHE] = "small cache",
	[SIM_FAULT_STOPPED_ENGINE] = "stopped engine",
};

static const uint16_t asked_types[] = {TREE_A,   TREE_A,  TREE_A,     TREE_AAAA,
				       TREE_TXT, TREE_MX, TREE_NS,    TREE_CNAME,
				       TREE_SOA, TREE_DS, TREE_HTTPS, TREE_UNKNOWN};

static unsigned net_below(struct sim *s, unsigned bound)
{
	return sim_below(&s->network, bound);
}

static bool happens(struct sim *s, enum sim_fault fault, uint32_t per_million)
{
	return sim_has(s, fault) && random_is_within(random_next(&s->network), per_million);
}

static struct address address_of(const uint8_t bytes[TREE_ADDRESS_BYTES])
{
	struct address a;

	memcpy(a.bytes, bytes, sizeof(a.bytes));
	return a;
}

/* ---- the world ---- */

static uint32_t choose_faults(struct sim *s)
{
	uint32_t faults = 0;
	unsigned count = 0;

	if (sim_below(&s->random, CALM_ONE_IN) == 0)
		return 0;
	while (count < 3) {
		faults = (uint32_t)random_next(&s->random) & ((1u << SIM_FAULT_COUNT) - 1);
		count = (unsigned)__builtin_popcount(faults);
	}
	return faults & ~s->options.faults_off;
}

static uint64_t ring_delay(void *context, unsigned from, unsigned to, enum rx_kind kind)
{
	struct sim *s = context;

	(void)from;
	(void)to;
	(void)kind;
	return sim_has(s, SIM_FAULT_RINGS) ? net_below(s, RING_US_MAX) * NS_PER_US : 0;
}

/* The first server of a zone is a good one: so the truth can be had. */
static void choose_habits(struct sim *s)
{
	bool is_needed[TREE_SERVERS_MAX] = {false};
	unsigned spread_ms = s->is_alone ? SIM_QUESTIONS_MIN * ALONE_EVERY_MS : SPREAD_MS;

	for (unsigned z = 0; z < s->tree->zone_count; z++) {
		unsigned i = 0;

		while (i < s->tree->server_count) {
			const struct tree_server *server = &s->tree->servers[i];
			unsigned k = 0;

			while (k < server->zone_count && server->zones[k] != z)
				k++;
			if (k < server->zone_count)
				break;
			i++;
		}
		is_needed[i] = true;
	}
	for (unsigned i = 0; i < s->tree->server_count; i++) {
		s->delays_ms[i] = (uint16_t)(DELAY_MS_MIN + sim_below(&s->random, DELAY_MS_SPAN));
		s->cut_off[i] = sim_below(&s->random, 3) == 0;
		if (sim_has(s, SIM_FAULT_BAD_SERVERS) && !is_needed[i] &&
		    sim_below(&s->random, HABIT_ONE_IN) == 0)
			s->habits[i] =
				sim_below(&s->random, POISONER_ONE_IN) == 0
					? SIM_HABIT_POISONS
					: (enum sim_habit)sim_below(&s->random, SIM_HABIT_COUNT);
	}
	s->partition_from = sim_below(&s->random, spread_ms) * NS_PER_MS;
	s->partition_until = s->partition_from + sim_below(&s->random, spread_ms / 2) * NS_PER_MS;
}

/* The servers of the root are what the engines know at first. */
static void give_hints(struct sim *s)
{
	struct zone_cut *hints = &s->world->config->root_hints;
	const struct tree_zone *root = &s->tree->zones[0];
	struct name name;
	unsigned at = 0;

	CHECK(name_from_text(".", &name));
	zone_cut_init(hints, &name, ZONE_CUT_HINTS, UINT32_MAX);
	for (const struct tree_record *ns;
	     (ns = tree_find(root, &root->name, TREE_NS, &at)) != NULL;) {
		struct tree_name server = {.length_bytes = (uint8_t)ns->rdata_bytes};
		unsigned from = 0;
		const struct tree_record *a;

		memcpy(server.bytes, ns->rdata, ns->rdata_bytes);
		name.length_bytes = server.length_bytes;
		memcpy(name.bytes, server.bytes, server.length_bytes);
		CHECK(zone_cut_add_server(hints, &name));
		while ((a = tree_find(root, &server, TREE_ANY, &from)) != NULL) {
			struct endpoint to = {.port = DNS_PORT};

			if (a->type == TREE_A)
				to.address = address_from_v4(a->rdata);
			else if (a->type == TREE_AAAA)
				to.address = address_of(a->rdata);
			else
				continue;
			CHECK(zone_cut_add_address(hints, &to, hints->server_count - 1u));
		}
	}
	s->world->config->iterates = true;
}

static void make_world(struct sim *s)
{
	struct world_params params = {
		.engine_count = 1 + sim_below(&s->random, ENGINES_MAX),
		.seed = random_next(&s->random),
		.cache_bytes = sim_has(s, SIM_FAULT_SMALL_CACHE) ? SMALL_CACHE_BYTES : 0,
		.ring_capacity = sim_has(s, SIM_FAULT_RINGS) ? SMALL_RING : 0,
		.learned_server_count = s->is_alone && s->is_calm ? FEW_SERVERS : 0,
		.is_dirty = sim_below(&s->random, 4) == 0,
		.checks = false,
		.ring_delay_ns = ring_delay,
		.context = s,
	};

	s->world = world_new(&params);
	give_hints(s);
	s->world->config->cache.serve_stale = sim_below(&s->random, 2) == 0;
	s->world->config->cache.prefetch = sim_below(&s->random, 2) == 0;
	s->world->config->cache.round_robin = sim_below(&s->random, 2) == 0;
	world_start(s->world);
}

/* The first questions: of zones that need each other, and at the same time. */
static void ask_circle(struct sim *s, unsigned i, mono_ns *at)
{
	unsigned zone_idx = s->tree->zone_count - 1 - i;

	if (i >= 2 || s->is_alone || !s->tree->zones[zone_idx].is_unreachable)
		return;
	s->questions[i].qname = s->tree->zones[zone_idx].name;
	s->questions[i].qtype = TREE_TXT;
	*at = s->world->now + SPREAD_MS / 2 * NS_PER_MS + i * CIRCLE_APART_NS;
}

static void make_questions(struct sim *s)
{
	unsigned count = SIM_QUESTIONS_MIN + sim_below(&s->random, QUESTIONS_SPAN);

	s->questions = calloc(count, sizeof(*s->questions));
	s->question_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct sim_question *q = &s->questions[i];
		uint8_t v4[4] = {198, 19, 255, (uint8_t)(60 + sim_below(&s->random, 150))};
		mono_ns at = s->world->now;

		if (i > 0 && sim_below(&s->random, REPEAT_ONE_IN) == 0) {
			*q = s->questions[sim_below(&s->random, i)];
		} else {
			q->qname = s->tree->names[sim_below(&s->random, s->tree->name_count)];
			q->qtype = asked_types[sim_below(
				&s->random, sizeof(asked_types) / sizeof(asked_types[0]))];
		}
		q->id = (uint16_t)random_next(&s->random);
		q->over_tcp = sim_below(&s->random, TCP_ONE_IN) == 0;
		q->has_edns = sim_below(&s->random, 4) != 0;
		q->engine = sim_below(&s->random, s->world->engine_count);
		q->client =
			(struct endpoint){address_from_v4(v4), (uint16_t)(CLIENT_PORT_FIRST + i)};
		if (s->is_alone)
			at += i * ALONE_EVERY_MS * NS_PER_MS;
		else
			at += sim_below(&s->random, SPREAD_MS) * NS_PER_MS;
		ask_circle(s, i, &at);
		/* Left out when a failure is shrunk: of what is drawn nothing changes. */
		if (s->options.question_count == 0 || i < s->options.question_count)
			sim_net_put(&s->net,
				    &(struct sim_item){.at = at, .kind = SIM_ASK, .idx = i});
	}
}

/* ---- clients ---- */

static unsigned build_query(const struct sim_question *q, uint8_t out[QUERY_BYTES_MAX])
{
	unsigned at = 12;

	memset(out, 0, QUERY_BYTES_MAX);
	out[0] = (uint8_t)(q->id >> 8);
	out[1] = (uint8_t)q->id;
	out[2] = 1; /* RD */
	out[5] = 1;
	memcpy(out + at, q->qname.bytes, q->qname.length_bytes);
	at += q->qname.length_bytes;
	out[at] = (uint8_t)(q->qtype >> 8);
	out[at + 1] = (uint8_t)q->qtype;
	out[at + 3] = DNS_CLASS_IN;
	at += 4;
	if (!q->has_edns)
		return at;
	out[11] = 1;
	out[at + 2] = DNS_TYPE_OPT;
	out[at + 3] = EDNS_UDP_BYTES >> 8;
	out[at + 4] = EDNS_UDP_BYTES & 0xff;
	return at + 11;
}

static void ask(struct sim *s, unsigned idx)
{
	struct sim_question *q = &s->questions[idx];
	struct endpoint listen = world_listen(s->world, &q->client.address);
	struct stream_handle handle = {.idx = idx, .generation = 1};
	uint8_t query[QUERY_BYTES_MAX];
	unsigned bytes = build_query(q, query);
	enum counter outcome;

	/* Not where the same client goes on over TCP. */
	if (s->is_alone && q->asked_at == 0)
		sim_check_cost(s);
	q->asked_at = s->world->now;
	if (s->is_alone)
		sim_wire_begin(s, q);
	sim_note(s, "question %u to engine %u: type %u%s", idx, q->engine, q->qtype,
		 q->over_tcp ? " over TCP" : "");
	if (!q->over_tcp)
		world_udp(s->world, q->engine, &q->client, &listen, (struct span){query, bytes});
	else if (!world_stream_ask(s->world, q->engine, &q->client, handle,
				   (struct span){query, bytes}, &outcome))
		q->answers = 1; /* refused by name: there will be none */
}

/* An answer that did not fit is asked for again over TCP, once. */
static void on_answer(struct sim *s, const struct world_event *event)
{
	bool over_tcp = event->kind == WORLD_STREAM_ANSWER;
	unsigned idx =
		over_tcp ? event->handle.idx : (unsigned)event->peer.port - CLIENT_PORT_FIRST;
	struct sim_question *q;

	if (idx >= s->question_count)
		sim_violated(s, "an answer to nobody's question: port %u", event->peer.port);
	q = &s->questions[idx];
	if (!over_tcp && !endpoint_equal(&q->client, &event->peer))
		sim_violated(s, "an answer to somebody else");
	sim_check_answer(s, q, event->message, event->length_bytes, over_tcp);
	if (q->is_truncated && !q->over_tcp) {
		q->over_tcp = true;
		ask(s, idx);
	}
}

/* ---- servers and the network ---- */

static mono_ns travel(struct sim *s, unsigned server_idx)
{
	mono_ns ns = s->delays_ms[server_idx] * NS_PER_MS;

	if (sim_has(s, SIM_FAULT_JITTER))
		ns += net_below(s, JITTER_MS * 1000) * NS_PER_US;
	return ns;
}

/* What no checksum would save from: ID, counts, a letter of the name, its length. */
static void corrupt(struct sim *s, uint8_t *message, uint32_t *bytes)
{
	switch (net_below(s, 4)) {
	case 0:
		message[net_below(s, 2)] ^= (uint8_t)(1 + net_below(s, 255));
		break;
	case 1:
		message[4 + net_below(s, 8)] ^= (uint8_t)(1 + net_below(s, 255));
		break;
	case 2:
		message[12] ^= 1;
		break;
	default:
		*bytes = net_below(s, *bytes);
		break;
	}
}

static void send_to_engine(struct sim *s, const struct world_event *query, unsigned delay_ms,
			   unsigned server_idx, uint8_t *message, uint32_t bytes)
{
	struct sim_item item = {
		.kind = SIM_DATAGRAM,
		/* The peer's frames come by any queue. */
		.engine = net_below(s, s->world->engine_count),
		.src = query->peer,
		.dst = query->local,
		.bytes = message,
		.length_bytes = bytes,
	};

	if (happens(s, SIM_FAULT_CORRUPTION, CORRUPT_PER_MILLION))
		corrupt(s, message, &item.length_bytes);
	do {
		item.at = s->world->now + travel(s, server_idx) + delay_ms * NS_PER_MS;
		sim_net_put(&s->net, &item);
	} while (happens(s, SIM_FAULT_DUPLICATES, DUPLICATE_PER_MILLION));
}

/* Does what is sent to one engine arrive, and in order? */
static bool is_heard_in_order(const struct sim *s)
{
	return !sim_has(s, SIM_FAULT_RINGS) && !sim_has(s, SIM_FAULT_PAUSES) &&
	       !sim_has(s, SIM_FAULT_STOPPED_ENGINE);
}

/* All IDs in turn, up to the right one: by then there is nothing to be had at this port any more. */
static void forge_series(struct sim *s, struct sim_item *item)
{
	uint8_t low = item->bytes[1];

	for (unsigned k = GUESSES; k > 0; k--) {
		item->bytes[1] = (uint8_t)(low - k);
		sim_net_put(&s->net, item);
	}
	item->bytes[1] = low;
	sim_net_put(&s->net, item);
}

/* The first letter that is a capital in the question's name. False: there is none, and letter case may not count. */
static bool flip_letter(uint8_t *message, uint32_t bytes)
{
	for (uint32_t at = 12; at < bytes && message[at] != 0; at += message[at] + 1u)
		for (uint32_t i = 1; i <= message[at] && at + i < bytes; i++)
			if (message[at + i] >= 'A' && message[at + i] <= 'Z') {
				message[at + i] |= 0x20;
				return true;
			}
	return false;
}

/* The attacker answers what he has seen the port of, with an ID that is not the right one, or with all of them in turn; or he
 * guesses all; or, a few times, all but the case of a letter. */
static void forge(struct sim *s, const struct world_event *query)
{
	static const uint8_t evil[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 1, 0, 0, 0, 4, SIM_POISON_V4};
	uint8_t message[QUERY_BYTES_MAX + sizeof(evil)];
	uint32_t bytes = query->length_bytes;
	struct sim_item item = {.kind = SIM_DATAGRAM, .src = query->peer, .dst = query->local};

	if (bytes < 12 + 5 || bytes > QUERY_BYTES_MAX)
		return;
	memcpy(message, query->message, bytes);
	if (message[11] != 0)
		bytes -= 11; /* without its OPT */
	message[11] = 0;
	message[2] = 0x84;
	message[7] = 1;
	memcpy(message + bytes, evil, sizeof(evil));
	item.engine = net_below(s, s->world->engine_count);
	item.at = s->world->now + NS_PER_MS;
	item.bytes = message;
	item.length_bytes = bytes + (uint32_t)sizeof(evil);
	if (net_below(s, 8) == 0 && is_heard_in_order(s)) {
		forge_series(s, &item);
		return;
	}
	if (s->flips < FLIPS_MAX && flip_letter(message, item.length_bytes)) {
		s->flips++;
		sim_net_put(&s->net, &item);
		return;
	}
	message[1] ^= (uint8_t)(1 + net_below(s, 255));
	if (net_below(s, 2) == 0)
		item.dst.port = (uint16_t)(1024 + net_below(s, 64000));
	sim_net_put(&s->net, &item);
}

static void on_stream_query(struct sim *s, const struct world_event *event, int server_idx)
{
	static uint8_t out[AUTHORITY_MESSAGE_BYTES_MAX];
	struct sim_item item = {.kind = SIM_STREAM_REPLY, .query = *event, .bytes = out};
	unsigned delay_ms = 0;

	item.query.message = NULL;
	item.at = s->world->now + 2 * NS_PER_MS;
	if (server_idx >= 0) {
		item.at = s->world->now + 2 * travel(s, (unsigned)server_idx);
		if (!sim_is_cut_off(s, (unsigned)server_idx))
			item.length_bytes = (uint32_t)sim_server_answer(
				s->tree, &s->tree->servers[server_idx], s->habits[server_idx],
				event->message, event->length_bytes, true, out, &delay_ms);
	}
	item.at += delay_ms * NS_PER_MS;
	if (item.length_bytes > 0)
		sim_wire_reply(s, event, server_idx, out, item.length_bytes);
	if (item.length_bytes == 0 || happens(s, SIM_FAULT_TCP, TCP_FAILURE_PER_MILLION)) {
		item.kind = SIM_STREAM_FAIL;
		item.failure = (enum stream_failure)net_below(s, STREAM_FAILURE_LIMIT);
		item.length_bytes = 0;
	}
	if (item.at > s->world->now + event->timeout_ms * NS_PER_MS) {
		item.at = s->world->now + event->timeout_ms * NS_PER_MS;
		item.kind = SIM_STREAM_FAIL;
		item.failure = STREAM_FAILURE_TIMEOUT;
		item.length_bytes = 0;
	}
	sim_net_put(&s->net, &item);
}

static void on_udp_query(struct sim *s, const struct world_event *event, int server_idx)
{
	static uint8_t out[AUTHORITY_MESSAGE_BYTES_MAX];
	unsigned delay_ms = 0;
	size_t bytes;

	if (happens(s, SIM_FAULT_ATTACKER, FORGED_PER_MILLION))
		forge(s, event);
	if (server_idx < 0 || sim_is_cut_off(s, (unsigned)server_idx) ||
	    happens(s, SIM_FAULT_LOSS, LOSS_PER_MILLION))
		return;
	bytes = sim_server_answer(s->tree, &s->tree->servers[server_idx], s->habits[server_idx],
				  event->message, event->length_bytes, false, out, &delay_ms);
	if (bytes == 0 || bytes > EDNS_UDP_BYTES)
		return;
	sim_wire_reply(s, event, server_idx, out, bytes);
	send_to_engine(s, event, delay_ms, (unsigned)server_idx, out, (uint32_t)bytes);
}

static void on_query(struct sim *s, const struct world_event *event)
{
	const struct tree_server *server = tree_server_at(s->tree, event->peer.address.bytes);
	int idx = server != NULL ? (int)(server - s->tree->servers) : -1;

	s->outcome->queries++;
	sim_check_query(s, event);
	sim_wire_query(s, event, idx);
	if (event->kind == WORLD_STREAM_QUERY)
		on_stream_query(s, event, idx);
	else
		on_udp_query(s, event, idx);
}

/* ---- the run ---- */

static void note_fingerprint(struct sim *s, const struct world_event *event)
{
	uint64_t sum = s->outcome->fingerprint ^ event->at;

	for (uint32_t i = 0; i < event->length_bytes; i++)
		sum = (sum ^ event->message[i]) * FINGERPRINT_PRIME;
	s->outcome->fingerprint = sum;
}

static void take_events(struct sim *s)
{
	struct world_event event;

	while (world_next(s->world, &event)) {
		note_fingerprint(s, &event);
		if (event.kind == WORLD_QUERY || event.kind == WORLD_STREAM_QUERY)
			on_query(s, &event);
		else
			on_answer(s, &event);
	}
}

static void deliver(struct sim *s, struct sim_item *item)
{
	switch (item->kind) {
	case SIM_DATAGRAM:
		world_udp(s->world, item->engine, &item->src, &item->dst,
			  (struct span){item->bytes, item->length_bytes});
		break;
	case SIM_STREAM_REPLY:
		world_stream_reply(s->world, &item->query,
				   (struct span){item->bytes, item->length_bytes});
		break;
	case SIM_STREAM_FAIL:
		world_stream_fail(s->world, &item->query, item->failure);
		break;
	case SIM_ASK:
		ask(s, item->idx);
		break;
	}
	free(item->bytes);
}

/* Now and then nothing runs, or one engine does not, while time goes on. */
static void pause_some(struct sim *s)
{
	mono_ns until = s->world->now + net_below(s, PAUSE_MS_MAX) * NS_PER_MS;
	unsigned one = net_below(s, s->world->engine_count);
	bool all = happens(s, SIM_FAULT_PAUSES, 2000);
	bool single = happens(s, SIM_FAULT_STOPPED_ENGINE, 2000);

	if (!all && !single)
		return;
	for (unsigned e = 0; e < s->world->engine_count; e++)
		s->world->stopped[e] = all || e == one;
	while (world_run(s->world, until))
		take_events(s);
	for (unsigned e = 0; e < s->world->engine_count; e++)
		s->world->stopped[e] = false;
}

static void check_step(struct sim *s, uint64_t *checked_at)
{
	if (s->world->steps < *checked_at + STEPS_BETWEEN_CHECKS)
		return;
	*checked_at = s->world->steps;
	sim_check_step(s);
	world_check(s->world);
}

static void run(struct sim *s)
{
	uint64_t checked_at = 0;
	mono_ns end = s->world->now + TAIL_MS * NS_PER_MS;

	for (;;) {
		mono_ns next = sim_net_next_at(&s->net);

		if (next == MONO_NEVER && s->world->now >= end)
			return;
		if (s->options.step_max != 0 && s->world->steps >= s->options.step_max)
			return;
		if (next == MONO_NEVER)
			next = end;
		else if (end < next + TAIL_MS * NS_PER_MS)
			end = next + TAIL_MS * NS_PER_MS;
		if (next < s->world->now)
			next = s->world->now;
		/* What it has sent may be answered before `next`. */
		if (world_run(s->world, next)) {
			take_events(s);
			check_step(s, &checked_at);
			continue;
		}
		while (sim_net_next_at(&s->net) <= s->world->now) {
			struct sim_item item = sim_net_take(&s->net);

			deliver(s, &item);
		}
		pause_some(s);
		check_step(s, &checked_at);
	}
}

void sim_run(const struct sim_options *options, struct sim_outcome *out)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct tree_shape shape = {.hosts = HOSTS_MAX};

	memset(out, 0, sizeof(*out));
	s->options = *options;
	s->outcome = out;
	s->random.state = random_mix(options->seed + 1);
	s->network.state = random_mix(options->seed ^ UINT64_C(0x5bd1e995));
	out->faults = choose_faults(s);
	s->is_calm = out->faults == 0 && options->faults_off == 0;
	s->is_alone = sim_below(&s->random, ALONE_ONE_IN) == 0;
	shape.zone_count = ZONES_MIN + sim_below(&s->random, ZONES_SPAN);
	shape.has_v6 = sim_below(&s->random, 2) == 0;
	shape.has_loops = sim_below(&s->random, 2) == 0;
	s->tree = tree_make(&s->random, &shape);
	CHECK(s->tree != NULL);
	choose_habits(s);
	sim_wire_init(s);
	make_world(s);
	s->partition_from += s->world->now;
	s->partition_until += s->world->now;
	make_questions(s);
	run(s);
	out->steps = s->world->steps;
	out->engines = s->world->engine_count;
	out->zones = s->tree->zone_count;
	out->questions = s->question_count;
	if (options->step_max == 0)
		sim_check_end(s);
	sim_net_fini(&s->net);
	world_free(s->world);
	tree_free(s->tree);
	free(s->questions);
	free(s);
}
