/* Whatever authorities do, and whatever is lost between workers: who asks has one answer within CLIENT_DEADLINE_MS, and if it is a
 * failure it says why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/limits.h"
#include "iterate_world.h"
#include "unit.h"

#define MS NS_PER_MS
#define LATE_MAX 512
#define ASKED_MAX 64
#define RUN_NS (12 * NS_PER_S)
/* A turn, and the way there and back. */
#define SLACK_NS (20 * MS)

/* net. and org.; c1 to c6 lead on to the next by CNAME; the servers of g1 are named in g2, those of g2 in g3, and so on. */
static const struct iterate_zone zones[] = {
	{".", "192.0.32.1 192.0.32.2",
	 "net. NS ns.net.\nnet. NS ns2.net.\nns.net. A 192.0.33.1\nns2.net. A 192.0.33.2\n"
	 "org. NS ns.org.\nns.org. A 192.0.34.1\n"},
	{"net.", "192.0.33.1 192.0.33.2",
	 "@ NS ns\nns A 192.0.33.1\nns2 A 192.0.33.2\n"
	 "c1 NS ns.c1\nns.c1 A 192.0.41.1\nc3 NS ns.c3\nns.c3 A 192.0.43.1\n"
	 "c5 NS ns.c5\nns.c5 A 192.0.45.1\ng1 NS ns.g2.org.\ng3 NS ns.g4.org.\n"
	 "wide NS a.wide\nwide NS b.wide\nwide NS c.wide\na.wide A 192.0.51.1\n"
	 "b.wide A 192.0.51.2\nb.wide A 192.0.51.3\nc.wide A 192.0.51.4\n"},
	{"org.", "192.0.34.1",
	 "@ NS ns\nns A 192.0.34.1\nc2 NS ns.c2\nns.c2 A 192.0.42.1\nc4 NS ns.c4\n"
	 "ns.c4 A 192.0.44.1\nc6 NS ns.c6\nns.c6 A 192.0.46.1\ng2 NS ns.g3.net.\n"
	 "g4 NS ns.g4\nns.g4 A 192.0.54.1\n"},
	{"c1.net.", "192.0.41.1", "@ NS ns\nns A 192.0.41.1\nwww CNAME www.c2.org.\n"},
	{"c2.org.", "192.0.42.1", "@ NS ns\nns A 192.0.42.1\nwww CNAME www.c3.net.\n"},
	{"c3.net.", "192.0.43.1", "@ NS ns\nns A 192.0.43.1\nwww CNAME www.c4.org.\n"},
	{"c4.org.", "192.0.44.1", "@ NS ns\nns A 192.0.44.1\nwww CNAME www.c5.net.\n"},
	{"c5.net.", "192.0.45.1", "@ NS ns\nns A 192.0.45.1\nwww CNAME www.c6.org.\n"},
	{"c6.org.", "192.0.46.1", "@ NS ns\nns A 192.0.46.1\nwww A 198.18.0.6\n"},
	{"g1.net.", "192.0.57.1", "@ NS ns.g2.org.\nwww A 198.18.0.1\n"},
	{"g2.org.", "192.0.56.1", "@ NS ns.g3.net.\nns A 192.0.57.1\n"},
	{"g3.net.", "192.0.55.1", "@ NS ns.g4.org.\nns A 192.0.56.1\n"},
	{"g4.org.", "192.0.54.1", "@ NS ns\nns A 192.0.55.1\n"},
	{"wide.net.", "192.0.51.1 192.0.51.2 192.0.51.3 192.0.51.4",
	 "@ NS a\nwww A 198.18.0.7\na.b.c.d.e.f.g.h.i.j.k A 198.18.0.8\n"},
};

static const char *const asked[] = {"www.c1.net.", "www.g1.net.", "www.wide.net.",
				    "a.b.c.d.e.f.g.h.i.j.k.wide.net.", "www.c4.org."};

enum what {
	ANSWERS,
	NOTHING,
	WITH_RCODE,
	TRUNCATED, /* by UDP only */
	TRUNCATED_BY_ALL,
	OTHER_ID,
	LOWER_CASE,
	SHORT, /* no message at all */
};

struct bound_case {
	const char *says;
	enum what what;
	uint64_t delay_ns;
	uint16_t rcode;
	bool tcp_is_silent;                  /* connects and says nothing, ever */
	bool root_is_well;                   /* and at once */
	bool loses_questions, loses_answers; /* between workers, those for sub-questions */
};

static const struct bound_case cases[] = {
	{"well, but slow", ANSWERS, 350 * MS, 0, false, false, false, false},
	{"slower", ANSWERS, 700 * MS, 0, false, false, false, false},
	{"slower than what is waited for at first", ANSWERS, 1400 * MS, 0, false, true, false,
	 false},
	{"1.9 s each", ANSWERS, 1900 * MS, 0, false, false, false, false},
	{"1.9 s each, below a root that is well", ANSWERS, 1900 * MS, 0, false, true, false, false},
	{"silent", NOTHING, 0, 0, false, false, false, false},
	{"silent below the root", NOTHING, 0, 0, false, true, false, false},
	{"refused by all", WITH_RCODE, 0, DNS_RCODE_REFUSED, false, true, false, false},
	{"refused by all, late", WITH_RCODE, 340 * MS, DNS_RCODE_REFUSED, false, true, false,
	 false},
	{"SERVFAIL by all, late", WITH_RCODE, 340 * MS, DNS_RCODE_SERVFAIL, false, true, false,
	 false},
	{"FORMERR to all", WITH_RCODE, 340 * MS, DNS_RCODE_FORMERR, false, true, false, false},
	{"truncated, and TCP is silent", TRUNCATED, 100 * MS, 0, true, true, false, false},
	{"truncated, and TCP takes long", TRUNCATED, 100 * MS, 0, false, true, false, false},
	{"truncated, by TCP, too", TRUNCATED_BY_ALL, 200 * MS, 0, false, true, false, false},
	{"guessed at, and TCP is silent", OTHER_ID, 10 * MS, 0, true, true, false, false},
	{"all letters in lower case", LOWER_CASE, 250 * MS, 0, false, true, false, false},
	{"cut short", SHORT, 10 * MS, 0, true, true, false, false},
	{"sub-questions are lost", ANSWERS, 50 * MS, 0, false, false, true, false},
	{"their answers are lost", ANSWERS, 50 * MS, 0, false, false, false, true},
	{"both, and all is slow", ANSWERS, 700 * MS, 0, false, true, true, true},
};

struct late {
	mono_ns due;
	struct world_event event;
	size_t length;
	uint8_t bytes[AUTHORITY_MESSAGE_BYTES_MAX];
};

struct bound {
	const struct bound_case *now;
	struct iterate_world *w;
	struct late late[LATE_MAX];
	unsigned late_count;
	mono_ns sent_at[ASKED_MAX];
	unsigned answers[ASKED_MAX]; /* by ID */
	unsigned failures;
};

/* ---- what servers do ---- */

static size_t reply(struct bound *b, const struct world_event *event, uint8_t *out)
{
	bool is_tcp = event->kind == WORLD_STREAM_QUERY;
	size_t length = iterate_authority(b->w, event, out);
	enum what what = b->now->what;

	if (length == 0 || what == ANSWERS || (what == TRUNCATED && is_tcp))
		return length;
	switch (what) {
	case WITH_RCODE:
		memcpy(out, event->message, event->length_bytes);
		out[2] |= 0x80;
		out[3] = (uint8_t)b->now->rcode;
		return event->length_bytes;
	case TRUNCATED:
	case TRUNCATED_BY_ALL:
		memcpy(out, event->message, event->length_bytes);
		out[2] |= 0x82;
		return event->length_bytes;
	case OTHER_ID:
		out[0] ^= 0x55;
		return length;
	case LOWER_CASE:
		for (size_t i = DNS_HEADER_BYTES; out[i] != 0; i += out[i] + 1u)
			for (size_t j = i + 1; j <= i + out[i]; j++)
				if (out[j] >= 'A' && out[j] <= 'Z')
					out[j] |= 0x20;
		return length;
	case SHORT:
		return DNS_HEADER_BYTES - 1;
	case ANSWERS:
	case NOTHING:
		break;
	}
	return 0;
}

static bool is_root(const struct world_event *event)
{
	return event->peer.address.bytes[14] == 32;
}

static void on_query(struct bound *b, const struct world_event *event)
{
	bool is_well = b->now->root_is_well && is_root(event);
	struct late *l = &b->late[b->late_count];

	if (!is_well && event->kind == WORLD_STREAM_QUERY && b->now->tcp_is_silent)
		return;
	CU_ASSERT_FATAL(b->late_count < LATE_MAX);
	l->event = *event;
	l->length = is_well ? iterate_authority(b->w, event, l->bytes) : reply(b, event, l->bytes);
	l->due = event->at + (is_well ? MS : b->now->delay_ns);
	b->late_count += l->length > 0;
}

static mono_ns next_due(const struct bound *b)
{
	mono_ns due = MONO_NEVER;

	for (unsigned i = 0; i < b->late_count; i++)
		if (b->late[i].due < due)
			due = b->late[i].due;
	return due;
}

static void deliver(struct bound *b)
{
	for (unsigned i = 0; i < b->late_count;) {
		struct late *l = &b->late[i];
		struct span message = {l->bytes, l->length};

		if (l->due > b->w->world->now) {
			i++;
			continue;
		}
		if (l->event.kind == WORLD_STREAM_QUERY)
			world_stream_reply(b->w->world, &l->event, message);
		else
			world_udp(b->w->world, l->event.engine, &l->event.peer, &l->event.local,
				  message);
		*l = b->late[--b->late_count];
	}
}

/* ---- who asks ---- */

static void ask(struct bound *b, const char *qname)
{
	iterate_send(b->w, qname, DNS_TYPE_A, (uint16_t)(b->w->next_id + 1));
	CU_ASSERT_FATAL(b->w->next_id < ASKED_MAX);
	b->sent_at[b->w->next_id] = b->w->world->now;
}

static void on_answer(struct bound *b, const struct world_event *event)
{
	struct iterate_world *w = b->w;
	uint16_t id = (uint16_t)(event->message[0] << 8 | event->message[1]);

	CU_ASSERT_FATAL(id < ASKED_MAX && b->sent_at[id] != 0);
	b->answers[id]++;
	if (event->at - b->sent_at[id] > CLIENT_DEADLINE_MS * MS + SLACK_NS)
		fprintf(stderr, "%s: question %u: %llu ms\n", b->now->says, id,
			(unsigned long long)((event->at - b->sent_at[id]) / MS));
	CU_ASSERT(event->at - b->sent_at[id] <= CLIENT_DEADLINE_MS * MS + SLACK_NS);
	w->message_bytes = event->length_bytes;
	memcpy(w->message, event->message, event->length_bytes);
	CU_ASSERT_EQUAL_FATAL(msg_parse_response((struct span){w->message, w->message_bytes},
						 &w->answer),
			      MSG_RESPONSE_OK);
	if (iterate_rcode(w) != DNS_RCODE_SERVFAIL)
		return;
	b->failures++;
	if (iterate_ede(w) == DNS_EDE_NONE)
		fprintf(stderr, "%s: question %u: no EDE\n", b->now->says, id);
	CU_ASSERT_NOT_EQUAL(iterate_ede(w), DNS_EDE_NONE);
}

static void run(struct bound *b, mono_ns until)
{
	struct world *world = b->w->world;
	struct world_event event;

	while (world->now < until) {
		mono_ns due = next_due(b);

		if (world_run(world, due < until ? due : until))
			while (world_next(world, &event)) {
				if (event.kind == WORLD_ANSWER)
					on_answer(b, &event);
				else
					on_query(b, &event);
			}
		deliver(b);
	}
}

static void lose(struct world *world, enum rx_kind kind)
{
	for (unsigned to = 0; to < world->engine_count; to++)
		for (unsigned from = 0; from < world->engine_count; from++)
			world->rings[kind][to][from].capacity = 0;
}

/* Each name is asked for at first, and by others while the first still waits. */
static unsigned play(const struct bound_case *c, unsigned engine_count)
{
	struct bound *b = calloc(1, sizeof(*b));
	mono_ns from;
	unsigned failures;

	b->now = c;
	b->w = iterate_new(zones, ARRAY_COUNT(zones), engine_count);
	iterate_start(b->w);
	if (c->loses_questions)
		lose(b->w->world, RX_PASSED_SUB_QUESTION);
	if (c->loses_answers)
		lose(b->w->world, RX_PASSED_SUB_ANSWER);
	from = b->w->world->now;
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < ARRAY_COUNT(asked); i++)
			ask(b, asked[i]);
		run(b, from + (round + 1) * 900 * MS);
	}
	run(b, from + RUN_NS);
	for (uint16_t id = 1; id <= b->w->next_id; id++) {
		if (b->answers[id] != 1)
			fprintf(stderr, "%s: question %u: %u answers\n", c->says, id,
				b->answers[id]);
		CU_ASSERT_EQUAL(b->answers[id], 1);
	}
	failures = b->failures;
	iterate_free(b->w);
	free(b);
	return failures;
}

static void iterate_bound__every_question_is_answered_in_time(void)
{
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++)
		for (unsigned engines = 1; engines <= 4; engines += 3) {
			unsigned failures = play(&cases[i], engines);

			/* It is not that nobody had to wait. */
			if (cases[i].what == NOTHING)
				CU_ASSERT(failures > 0);
		}
}

static const struct unit_test tests[] = {
	UNIT_TEST(iterate_bound__every_question_is_answered_in_time),
};
UNIT_SUITE(iterate_bound, tests)
