/* The machine that plays a scenario: queries that engines send are answered by the ranges of the step at hand, at once; time
 * stands still but where a step waits for what has not come, or says that it passes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/engine.h"
#include "rpl.h"
#include "tests/sim/world.h"

#define WAIT_NS (12 * NS_PER_S)  /* for what a step wants: longer than any question takes */
#define OPEN_NS (6 * NS_PER_S)   /* after that nobody waits for a query's reply any more */
#define UDP_REPLY_BYTES_MAX 4096 /* what is longer is cut, with TC */
#define DECKARD_UDP_BYTES 4096   /* what its clients take */
#define SECONDS_MAX 4e8          /* that pass in one step */

/* A query of an engine that waits for its reply. */
struct open_query {
	struct world_event event;
	struct rpl_seen seen;
	mono_ns opened_at;
	/* A REPLY step has answered it, as whoever has guessed it might: it is open still, but not for ranges. */
	bool was_answered;
	struct open_query *next;
};

/* A reply that is on its way. */
struct later {
	mono_ns due;
	struct world_event event;
	ldns_buffer *message;
	struct later *next;
};

/* What a client got. */
struct answer {
	struct rpl_seen seen;
	bool need_not_be; /* to what Deckard does not expect to be answered */
	struct answer *next;
};

struct player {
	struct rpl_file *file;
	const struct rpl_options *options;
	struct world *world;
	unsigned step;              /* index of the one at hand */
	bool step_is_done;          /* what it wants it has had: the next one is what counts */
	struct open_query *checked; /* by the last CHECK_OUT_QUERY; NULL: it is gone */
	struct open_query *open;
	struct later *later;
	struct answer *answers;
	struct rpl_sent *sent;
	mono_ns began_at;
	uint16_t raw_port; /* that a RAW question came from last; 0: none has */
	unsigned asked;    /* questions of clients */
	unsigned answered;
	bool is_lenient;
	char lenient_reason[300];
};

static const struct rpl_step *step_at(const struct player *p, unsigned idx)
{
	return idx < p->file->step_count ? &p->file->steps[idx] : NULL;
}

static void tell(const struct player *p, const char *says, const ldns_pkt *packet)
{
	if (p->options->is_verbose)
		rpl_show(says, packet);
}

/* ---- replies ---- */

static struct span span_of(ldns_buffer *b)
{
	return (struct span){ldns_buffer_begin(b), ldns_buffer_position(b)};
}

static void deliver(struct player *p, const struct world_event *event, ldns_buffer *message)
{
	struct span bytes = span_of(message);

	if (event->kind == WORLD_STREAM_QUERY) {
		world_stream_reply(p->world, event, bytes);
		return;
	}
	if (bytes.length_bytes > UDP_REPLY_BYTES_MAX) {
		/* The header, cut, says that there is more. */
		uint8_t header[DNS_HEADER_BYTES] = {0};

		memcpy(header, bytes.data, 4);
		header[2] |= 0x02;
		world_udp(p->world, event->engine, &event->peer, &event->local,
			  (struct span){header, sizeof(header)});
		return;
	}
	world_udp(p->world, event->engine, &event->peer, &event->local, bytes);
}

static void send_reply(struct player *p, const struct open_query *q, ldns_buffer *message,
		       uint64_t delay_ns)
{
	struct later **place = &p->later;
	struct later *l;

	/* Whoever carries TCP knows a reply by its ID. */
	if (q->event.kind == WORLD_STREAM_QUERY &&
	    (ldns_buffer_position(message) < LDNS_HEADER_SIZE ||
	     ldns_buffer_read_u16_at(message, 0) != ldns_pkt_id(q->seen.packet))) {
		ldns_buffer_free(message);
		return;
	}
	if (delay_ns == 0) {
		deliver(p, &q->event, message);
		ldns_buffer_free(message);
		return;
	}
	l = rpl_new(sizeof(*l));
	*l = (struct later){p->world->now + delay_ns, q->event, message, NULL};
	while (*place != NULL && (*place)->due <= l->due)
		place = &(*place)->next;
	l->next = *place;
	*place = l;
}

/* Whoever has sent it has its reply, or never will. */
static void close_query(struct player *p, struct open_query *q)
{
	struct open_query **place = &p->open;

	while (*place != q)
		place = &(*place)->next;
	*place = q->next;
	if (p->checked == q)
		p->checked = NULL;
	ldns_pkt_free(q->seen.packet);
	free(q);
}

static void reply_by(struct player *p, struct open_query *q, struct rpl_entry *entry)
{
	for (struct rpl_entry *e = entry; e != NULL; e = e->extra) {
		e->was_used = true;
		if ((e->adjust & RPL_DO_NOT_ANSWER) == 0)
			send_reply(p, q, rpl_reply(e, q->seen.packet), e->sleep_ms * NS_PER_MS);
	}
	tell(p, "reply", entry->packet);
	q->was_answered = true;
}

/* ---- which reply ---- */

static bool plays(const struct rpl_range *r, const struct address *server)
{
	for (unsigned i = 0; i < r->address_count; i++)
		if (address_equal(&r->addresses[i], server))
			return true;
	return r->address_count == 0;
}

/* The first entry that matches of the ranges of a step; *is_played: somebody is there. */
static struct rpl_entry *range_entry(const struct player *p, const struct rpl_step *at,
				     const struct open_query *q, bool *is_played)
{
	for (struct rpl_range *r = at != NULL ? p->file->ranges : NULL; r != NULL; r = r->next) {
		if (at->number < r->first || at->number > r->last ||
		    !plays(r, &q->event.peer.address))
			continue;
		*is_played = true;
		for (struct rpl_entry *e = r->entries; e != NULL; e = e->next)
			if (rpl_mismatch(e, &q->seen) == 0)
				return e;
	}
	return NULL;
}

/* Does the step want this very query? */
static bool wants(const struct rpl_step *s, const struct open_query *q)
{
	return (!s->has_address || address_equal(&s->address, &q->event.peer.address)) &&
	       (s->entry == NULL || rpl_mismatch(s->entry, &q->seen) == 0);
}

/* This step or the one after it checks the query or replies to it, so that it must be there then. */
static bool is_held(const struct player *p, const struct open_query *q)
{
	for (unsigned idx = p->step + p->step_is_done; idx <= p->step + 1; idx++) {
		const struct rpl_step *s = step_at(p, idx);

		if (s != NULL &&
		    (s->kind == RPL_STEP_CHECK_OUT_QUERY ||
		     (s->kind == RPL_STEP_REPLY && !p->file->is_flat)) &&
		    wants(s, q))
			return true;
	}
	return false;
}

static bool is_wanted_later(const struct player *p, const struct open_query *q)
{
	for (unsigned idx = p->step; idx < p->file->step_count; idx++) {
		const struct rpl_step *s = step_at(p, idx);

		if ((s->kind == RPL_STEP_CHECK_OUT_QUERY || s->kind == RPL_STEP_REPLY ||
		     s->kind == RPL_STEP_TIMEOUT || s->kind == RPL_STEP_ERROR) &&
		    wants(s, q))
			return true;
	}
	return false;
}

static void reply_unforeseen(struct player *p, struct open_query *q)
{
	ldns_pkt *reply = rpl_unforeseen(p->file, q->seen.packet);
	ldns_buffer *message = ldns_buffer_new(4096);

	CHECK(ldns_pkt2buffer_wire(message, reply) == LDNS_STATUS_OK);
	tell(p, "reply (unforeseen)", reply);
	send_reply(p, q, message, 0);
	ldns_pkt_free(reply);
	close_query(p, q);
}

/* Answer it, if the step at hand does. */
static void consider(struct player *p, struct open_query *q)
{
	struct rpl_entry *entry;
	bool is_played = false;

	if (q->was_answered || is_held(p, q))
		return;
	entry = range_entry(p, step_at(p, p->step), q, &is_played);
	/* Between two steps it is either's. */
	if (entry == NULL)
		entry = range_entry(p, step_at(p, p->step + 1), q, &is_played);
	if (entry != NULL) {
		reply_by(p, q, entry);
		close_query(p, q);
	} else if (is_played && !is_wanted_later(p, q)) {
		reply_unforeseen(p, q);
	}
}

static void consider_all(struct player *p)
{
	struct open_query *next;

	for (struct open_query *q = p->open; q != NULL; q = next) {
		next = q->next;
		if (p->world->now - q->opened_at > OPEN_NS)
			close_query(p, q);
		else
			consider(p, q);
	}
}

/* ---- events ---- */

static void on_query(struct player *p, const struct world_event *event, ldns_pkt *packet)
{
	struct open_query **last = &p->open;
	struct open_query *q = rpl_new(sizeof(*q));
	char says[128];

	*q = (struct open_query){.event = *event,
				 .seen = {packet, event->kind == WORLD_STREAM_QUERY},
				 .opened_at = p->world->now};
	q->event.message = NULL;
	while (*last != NULL)
		last = &(*last)->next;
	*last = q;
	rpl_sent_add(&p->sent, step_at(p, p->step), &q->event.peer.address, &q->seen);
	if (p->options->is_verbose) {
		ldns_rdf *server = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, ADDRESS_BYTES,
							 event->peer.address.bytes);
		char *text = ldns_rdf2str(server);

		snprintf(says, sizeof(says), "query to %s at %.3f s", text,
			 (double)(p->world->now - UINT64_C(1000) * NS_PER_S) / 1e9);
		rpl_show(says, packet);
		free(text);
		ldns_rdf_deep_free(server);
	}
	consider(p, q);
}

static void on_answer(struct player *p, const struct world_event *event, ldns_pkt *packet)
{
	struct answer **last = &p->answers;
	struct answer *a = rpl_new(sizeof(*a));

	*a = (struct answer){.seen = {packet, event->kind == WORLD_STREAM_ANSWER},
			     .need_not_be = p->file->is_flat && event->kind == WORLD_ANSWER &&
					    event->peer.port == p->raw_port};
	while (*last != NULL)
		last = &(*last)->next;
	*last = a;
	p->answered++;
	tell(p, "answer", packet);
}

static bool is_probe(const ldns_pkt *packet)
{
	const ldns_rr_list *list = ldns_pkt_question(packet);
	ldns_rdf *probe = ldns_dname_new_frm_str(RPL_PROBE_NAME);
	bool is = list != NULL && ldns_rr_list_rr_count(list) == 1 &&
		  ldns_dname_compare(ldns_rr_owner(ldns_rr_list_rr(list, 0)), probe) == 0;

	ldns_rdf_deep_free(probe);
	return is;
}

/* Who is played is there, whatever it replies to questions. */
static void on_probe(struct player *p, const struct world_event *event, ldns_pkt *packet)
{
	const struct rpl_step *at = step_at(p, p->step);
	ldns_buffer *message = ldns_buffer_new(512);
	bool is_there = false;

	for (const struct rpl_range *r = p->file->ranges; at != NULL && r != NULL; r = r->next)
		is_there = is_there || (at->number >= r->first && at->number <= r->last &&
					plays(r, &event->peer.address));
	ldns_pkt_set_qr(packet, true);
	CHECK(ldns_pkt2buffer_wire(message, packet) == LDNS_STATUS_OK);
	if (is_there)
		deliver(p, event, message);
	ldns_buffer_free(message);
	ldns_pkt_free(packet);
}

static void on_event(struct player *p, const struct world_event *event)
{
	ldns_pkt *packet = NULL;
	ldns_status status = ldns_wire2pkt(&packet, event->message, event->length_bytes);
	bool is_answer = event->kind == WORLD_ANSWER || event->kind == WORLD_STREAM_ANSWER;

	if (status != LDNS_STATUS_OK)
		rpl_stop(p->file, RPL_FAIL, "step %u: %s is no DNS message: %s",
			 p->file->steps[p->step].number, is_answer ? "an answer" : "a query",
			 ldns_get_errorstr_by_id(status));
	if (is_answer)
		on_answer(p, event, packet);
	else if (is_probe(packet))
		on_probe(p, event, packet);
	else
		on_query(p, event, packet);
}

/* ---- time ---- */

static void deliver_due(struct player *p)
{
	while (p->later != NULL && p->later->due <= p->world->now) {
		struct later *l = p->later;

		p->later = l->next;
		deliver(p, &l->event, l->message);
		ldns_buffer_free(l->message);
		free(l);
	}
}

/* On until then, or until what is waited for is there (NULL: nothing is). */
static void run(struct player *p, mono_ns until, bool (*is_there)(const struct player *p))
{
	struct world_event event;

	for (;;) {
		mono_ns next = until;

		deliver_due(p);
		if (is_there != NULL && world_deadline(p->world) > p->world->now && is_there(p))
			return;
		if (p->later != NULL && p->later->due < next)
			next = p->later->due;
		/* Deadline by deadline, so that it is seen at once. */
		if (is_there != NULL && world_deadline(p->world) < next)
			next = world_deadline(p->world) > p->world->now ? world_deadline(p->world)
									: p->world->now;
		if (world_run(p->world, next)) {
			while (world_next(p->world, &event))
				on_event(p, &event);
			continue;
		}
		if (p->later != NULL && p->later->due <= p->world->now)
			continue;
		if (p->world->now >= until)
			return;
	}
}

/* All that is to be done now. */
static void settle(struct player *p)
{
	run(p, p->world->now, NULL);
}

/* ---- steps ---- */

static void step_query(struct player *p, const struct rpl_step *s)
{
	struct endpoint client = rpl_client(s);
	struct endpoint listen = world_listen(p->world, &client.address);
	ldns_buffer *message = ldns_buffer_new(1024);
	unsigned engine = p->asked % p->world->engine_count;
	enum counter outcome;

	if (s->entry == NULL)
		rpl_stop(p->file, RPL_SKIP, "step %u: a QUERY without entry", s->number);
	ldns_pkt_set_id(s->entry->packet, (uint16_t)(0x1000 + p->asked));
	if (p->file->is_flat && ldns_pkt_edns_udp_size(s->entry->packet) == 0 &&
	    (s->entry->match & RPL_NOEDNS) == 0)
		ldns_pkt_set_edns_udp_size(s->entry->packet, DECKARD_UDP_BYTES);
	if (s->entry->raw != NULL) {
		ldns_buffer_free(message);
		message = s->entry->raw;
	} else {
		CHECK(ldns_pkt2buffer_wire(message, s->entry->packet) == LDNS_STATUS_OK);
	}
	tell(p, "question", s->entry->packet);
	p->asked++;
	client.port = (uint16_t)(client.port + p->asked);
	if (s->entry->raw != NULL)
		p->raw_port = client.port;
	if ((s->entry->match & RPL_TCP) != 0)
		(void)world_stream_ask(p->world, p->world->engine_count, &client,
				       (struct stream_handle){p->asked, 1}, span_of(message),
				       &outcome);
	else
		world_udp(p->world, engine, &client, &listen, span_of(message));
}

static struct answer *answer_that_matches(const struct player *p)
{
	const struct rpl_step *s = &p->file->steps[p->step];

	for (struct answer *a = p->answers; a != NULL; a = a->next)
		if (rpl_mismatch(s->entry, &a->seen) == 0)
			return a;
	return NULL;
}

/* To the question that the entry is about, right or wrong. */
static struct answer *answer_to_check(const struct player *p)
{
	const struct rpl_step *s = &p->file->steps[p->step];
	struct rpl_entry about = *s->entry;
	struct answer *a = answer_that_matches(p);

	if (a != NULL)
		return a;
	about.match = ldns_pkt_qdcount(about.packet) > 0 ? RPL_QUESTION : 0;
	for (a = p->answers; a != NULL; a = a->next)
		if (rpl_mismatch(&about, &a->seen) == 0)
			return a;
	return NULL;
}

static bool has_answer_to_check(const struct player *p)
{
	return answer_to_check(p) != NULL;
}

static bool all_are_answered(const struct player *p)
{
	return p->answered >= p->asked;
}

static void forget_answer(struct player *p, struct answer *a)
{
	struct answer **place = &p->answers;

	while (*place != a)
		place = &(*place)->next;
	*place = a->next;
	ldns_pkt_free(a->seen.packet);
	free(a);
}

static void step_check_answer(struct player *p, const struct rpl_step *s)
{
	struct answer *a;
	unsigned mismatch;
	char text[256];

	if (s->entry == NULL)
		rpl_stop(p->file, RPL_SKIP, "step %u: a CHECK_ANSWER without entry", s->number);
	run(p, p->world->now + WAIT_NS, has_answer_to_check);
	a = answer_to_check(p);
	a = a != NULL ? a : p->answers;
	if (a == NULL)
		rpl_stop(p->file, RPL_FAIL, "step %u: no answer", s->number);
	mismatch = rpl_mismatch(s->entry, &a->seen);
	rpl_mismatch_text(mismatch, text);
	if (mismatch != 0 && rpl_lenient(s->entry, &a->seen)) {
		p->is_lenient = true;
		snprintf(p->lenient_reason, sizeof(p->lenient_reason), "step %u: %s differ",
			 s->number, text);
	} else if (mismatch != 0) {
		rpl_show("wanted", s->entry->packet);
		rpl_show("got", a->seen.packet);
		rpl_stop(p->file, RPL_FAIL, "step %u (line %u): the answer differs: %s", s->number,
			 s->line, text);
	}
	s->entry->was_used = true;
	forget_answer(p, a);
}

/* The last one sent that has no reply; for replies rather the one that was checked, else the last one that has a reply. */
static struct open_query *wanted_query(const struct player *p)
{
	const struct rpl_step *s = &p->file->steps[p->step];
	struct open_query *fresh = NULL;
	struct open_query *stale = NULL;

	if (s->kind == RPL_STEP_REPLY && p->checked != NULL && wants(s, p->checked))
		return p->checked;
	for (struct open_query *q = p->open; q != NULL; q = q->next)
		if (wants(s, q)) {
			if (q->was_answered)
				stale = q;
			else
				fresh = q;
		}
	if (fresh == NULL && s->kind == RPL_STEP_REPLY)
		return stale;
	return fresh;
}

static bool has_wanted_query(const struct player *p)
{
	return wanted_query(p) != NULL;
}

static bool has_wanted_query_or_all_answers(const struct player *p)
{
	return wanted_query(p) != NULL || all_are_answered(p);
}

/* The query that the step is about, which must be there. */
static struct open_query *expect_query(struct player *p, const struct rpl_step *s)
{
	struct open_query *q;

	run(p, p->world->now + WAIT_NS, has_wanted_query);
	q = wanted_query(p);
	if (q == NULL) {
		if (s->entry != NULL)
			rpl_show("wanted", s->entry->packet);
		for (q = p->open; q != NULL; q = q->next)
			rpl_show("open", q->seen.packet);
		rpl_stop(p->file, RPL_FAIL, "step %u (line %u): no such query is open", s->number,
			 s->line);
	}
	return q;
}

static void step_check_out_query(struct player *p, const struct rpl_step *s)
{
	struct open_query *q = expect_query(p, s);

	p->checked = q;
	if (s->entry == NULL)
		return;
	s->entry->was_used = true;
	if (!s->entry->has_reply || (s->entry->adjust & RPL_COPY_ID) == 0)
		return;
	reply_by(p, q, s->entry);
	close_query(p, q);
}

static void step_reply(struct player *p, const struct rpl_step *s)
{
	if (s->entry == NULL)
		rpl_stop(p->file, RPL_SKIP, "step %u: a REPLY without entry", s->number);
	/* Deckard's ranges come first. */
	if (p->file->is_flat) {
		run(p, p->world->now + WAIT_NS, has_wanted_query_or_all_answers);
		if (wanted_query(p) == NULL)
			return;
	}
	reply_by(p, expect_query(p, s), s->entry);
}

static uint64_t tries_ended(const struct player *p)
{
	return world_count(p->world, COUNTER_UPSTREAM_TIMEOUTS) +
	       world_count(p->world, COUNTER_UPSTREAM_TCP_TIMEOUTS) +
	       world_count(p->world, COUNTER_UPSTREAM_TCP_FAILURE) +
	       world_count(p->world, COUNTER_UPSTREAM_CANCELLED);
}

/* The query gets no reply: time goes on until the engine has given it up. A failed one over TCP it is told of. How often an
 * engine asks is its own affair: with nothing open there is nothing to be done. */
static void step_timeout(struct player *p, const struct rpl_step *s)
{
	struct open_query *q = wanted_query(p);
	uint64_t ended = tries_ended(p);
	mono_ns until = p->world->now + WAIT_NS;

	if (q == NULL)
		return;
	if (s->kind == RPL_STEP_ERROR && q->event.kind == WORLD_STREAM_QUERY)
		world_stream_fail(p->world, &q->event, STREAM_FAILURE_REFUSED);
	close_query(p, q);
	while (tries_ended(p) == ended && p->world->now < until) {
		mono_ns next = world_deadline(p->world);

		run(p, next > p->world->now && next < until ? next : p->world->now + NS_PER_MS,
		    NULL);
	}
}

static bool is_quiet(const struct player *p)
{
	for (unsigned i = 0; i < p->world->engine_count; i++)
		if (!engine_idle(p->world->engines[i]))
			return false;
	return all_are_answered(p) && p->later == NULL && world_in_rings(p->world) == 0;
}

static struct rpl_clock clock_of(const struct player *p)
{
	mono_ns deadline = world_deadline(p->world);
	uint64_t left =
		deadline == MONO_NEVER || deadline < p->world->now ? 0 : deadline - p->world->now;

	return (struct rpl_clock){.time_s =
					  (double)p->world->params.wall_s +
					  (double)(p->world->now - p->began_at) / (double)NS_PER_S,
				  .timeout_s = (double)left / (double)NS_PER_S};
}

static void step_time_passes(struct player *p, const struct rpl_step *s)
{
	struct rpl_clock clock = clock_of(p);
	char *text = rpl_expand(p->file, s, &clock);
	double seconds = rpl_calculate(p->file, s, text);

	if (seconds < 0 || seconds > SECONDS_MAX)
		rpl_stop(p->file, RPL_FAIL, "step %u (line %u): that time cannot pass: %s",
			 s->number, s->line, text);
	free(text);
	run(p, p->world->now + (uint64_t)(seconds * (double)NS_PER_S), NULL);
}

static void step_assign(struct player *p, const struct rpl_step *s)
{
	struct rpl_clock clock = clock_of(p);
	char *text = rpl_expand(p->file, s, &clock);

	rpl_assign(p->file, s->name, text);
	free(text);
}

static void play_step(struct player *p, const struct rpl_step *s)
{
	switch (s->kind) {
	case RPL_STEP_QUERY:
		step_query(p, s);
		break;
	case RPL_STEP_CHECK_ANSWER:
		step_check_answer(p, s);
		break;
	case RPL_STEP_CHECK_OUT_QUERY:
		step_check_out_query(p, s);
		break;
	case RPL_STEP_REPLY:
		step_reply(p, s);
		break;
	case RPL_STEP_TIMEOUT:
	case RPL_STEP_ERROR:
		step_timeout(p, s);
		break;
	case RPL_STEP_TRAFFIC:
		run(p, p->world->now + WAIT_NS, is_quiet);
		break;
	case RPL_STEP_TIME_PASSES:
		step_time_passes(p, s);
		break;
	case RPL_STEP_FLUSH_MESSAGE:
	case RPL_STEP_EXPIRE_MESSAGE:
		rpl_forget(p->file, p->world, s);
		break;
	case RPL_STEP_INFRA_RTT:
		rpl_set_rtt(p->world, s);
		break;
	case RPL_STEP_ASSIGN:
		step_assign(p, s);
		break;
	case RPL_STEP_CHECK_QUERIES:
		rpl_sent_check(p->file, p->sent, s);
		break;
	case RPL_STEP_NOTHING:
	case RPL_STEP_KINDS:
		break;
	}
	p->step_is_done = true;
	settle(p);
}

/* ---- from the first step to the last ---- */

static void check_end(struct player *p)
{
	for (struct answer *a = p->answers; a != NULL; a = a->next)
		if (!a->need_not_be) {
			rpl_show("not checked", a->seen.packet);
			rpl_stop(p->file, RPL_FAIL, "an answer came that no step has checked");
		}
	for (struct rpl_range *r = p->file->ranges; r != NULL; r = r->next)
		for (struct rpl_entry *e = r->entries; e != NULL; e = e->next)
			if (e->is_mandatory && !e->was_used)
				rpl_stop(p->file, RPL_FAIL, "the entry of line %u was not used",
					 e->line);
}

void rpl_play(struct rpl_file *f, const struct rpl_options *options)
{
	struct player p = {.file = f, .options = options, .world = rpl_world_new(f, options)};

	p.began_at = p.world->now;
	if (f->step_count == 0)
		rpl_stop(f, RPL_SKIP, "line %u: no steps", f->line);
	for (p.step = 0; p.step < f->step_count; p.step++) {
		if (options->is_verbose)
			printf("step %u %s\n", f->steps[p.step].number,
			       rpl_step_text[f->steps[p.step].kind]);
		p.step_is_done = false;
		consider_all(&p);
		settle(&p);
		play_step(&p, &f->steps[p.step]);
	}
	p.step = f->step_count - 1;
	check_end(&p);
	/* What is under way ends, and nothing is left of it. */
	run(&p, p.world->now + WAIT_NS, is_quiet);
	world_check(p.world);
	world_free(p.world);
	rpl_stop(f, p.is_lenient ? RPL_LENIENT : RPL_PASS, "%s",
		 p.is_lenient ? p.lenient_reason : f->title);
}
