#include "tests/sim/sim_state.h"

#include "core/limits.h"
#include "core/resolution.h"

#include <ldns/ldns.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RCODE_SERVFAIL = 2,
	FLAG_TC = 0x02, /* of the third byte */
	REPORT_ROWS = 64,
	STALE_TTL_S = 30, /* RFC 8767 section 4 */
	LIVE_MAX = 4096,
	ANSWER_MS_MAX = 5000, /* SECURITY.md table 1.1 */
	CIRCLE_MS_MAX = 1500,
	/* A question's budget, and one for what is asked beside it (priming, what is asked again early). */
	PACKETS_MAX = 2 * UPSTREAM_PACKETS_MAX,
};

static void say(const struct sim *s, const char *what, const char *format, va_list arguments)
{
	fprintf(stderr, "seed %llu step %llu at %llu.%06llu ms: %s",
		(unsigned long long)s->options.seed, (unsigned long long)s->world->steps,
		(unsigned long long)(s->world->now / NS_PER_MS),
		(unsigned long long)(s->world->now % NS_PER_MS), what);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

void sim_violated(const struct sim *s, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(s, "VIOLATED: ", format, arguments);
	va_end(arguments);
	fflush(stderr);
	_Exit(1);
}

void sim_note(const struct sim *s, const char *format, ...)
{
	va_list arguments;

	if (!s->options.verbose)
		return;
	va_start(arguments, format);
	say(s, "", format, arguments);
	va_end(arguments);
}

/* ---- answers ---- */

static const char *printed(const struct tree_name *name)
{
	static char text[4 * TREE_NAME_BYTES + 2];

	tree_name_print(name, text);
	return text;
}

static bool is_same(const struct reference_record *want, ldns_rr *rr, const uint8_t *rdata,
		    size_t bytes)
{
	const ldns_rdf *owner = ldns_rr_owner(rr);
	const uint8_t *expected = want->rdata != NULL ? want->rdata : want->name.bytes;

	return want->type == (uint16_t)ldns_rr_get_type(rr) && want->rdata_bytes == bytes &&
	       memcmp(expected, rdata, bytes) == 0 &&
	       want->owner.length_bytes == ldns_rdf_size(owner) &&
	       memcmp(want->owner.bytes, ldns_rdf_data(owner), want->owner.length_bytes) == 0;
}

/* The record is one of those wanted, with no longer a TTL, and was not there before. */
static void check_record(struct sim *s, const struct sim_question *q, const struct reference *want,
			 bool seen[], ldns_rr *rr)
{
	ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN);
	char *text = ldns_rr2str(rr);
	bool is_wanted = false;

	ldns_rr2canonical(rr);
	if (ldns_rr_rdata2buffer_wire(buffer, rr) != LDNS_STATUS_OK)
		sim_violated(s, "%s %u: a record that ldns cannot write", printed(&q->qname),
			     q->qtype);
	for (unsigned i = 0; i < want->record_count && !is_wanted; i++) {
		if (seen[i] || !is_same(&want->records[i], rr, ldns_buffer_begin(buffer),
					ldns_buffer_position(buffer)))
			continue;
		if (ldns_rr_ttl(rr) > want->records[i].ttl_s &&
		    !(s->world->config->cache.serve_stale && ldns_rr_ttl(rr) <= STALE_TTL_S))
			sim_violated(s, "%s %u: TTL is more than %u: %s", printed(&q->qname),
				     q->qtype, want->records[i].ttl_s, text);
		seen[i] = is_wanted = true;
	}
	if (!is_wanted)
		sim_violated(s, "%s %u: nobody who may say so has said: %s", printed(&q->qname),
			     q->qtype, text);
	free(text);
	ldns_buffer_free(buffer);
}

static void check_records(struct sim *s, const struct sim_question *q, const struct reference *want,
			  const uint8_t *message, size_t bytes)
{
	bool seen[REFERENCE_RECORDS_MAX] = {false};
	ldns_pkt *pkt = NULL;
	ldns_rr_list *list;

	if (ldns_wire2pkt(&pkt, message, bytes) != LDNS_STATUS_OK)
		sim_violated(s, "%s %u: an answer that ldns cannot read", printed(&q->qname),
			     q->qtype);
	list = ldns_pkt_answer(pkt);
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++)
		check_record(s, q, want, seen, ldns_rr_list_rr(list, i));
	for (unsigned i = 0; i < want->record_count; i++)
		if (!seen[i])
			sim_violated(s, "%s %u: %zu of %u records, type %u is missing",
				     printed(&q->qname), q->qtype, ldns_rr_list_rr_count(list),
				     want->record_count, want->records[i].type);
	ldns_pkt_free(pkt);
}

/* May this question fail? Where something is wrong, or it may rightly cost too much. */
static bool may_fail(const struct sim *s, const struct reference *want)
{
	enum { LINKS_FOR_SURE = 2 };

	return !s->is_calm || want->is_unanswerable || want->links > LINKS_FOR_SURE;
}

/* Whatever happens; and where nothing does, what can never be known is seen to be so at once. */
static void check_latency(const struct sim *s, const struct sim_question *q,
			  const struct reference *want)
{
	mono_ns most_ms = s->is_calm && want->is_unreachable ? CIRCLE_MS_MAX : ANSWER_MS_MAX;

	if (!sim_has(s, SIM_FAULT_PAUSES) && !sim_has(s, SIM_FAULT_STOPPED_ENGINE) &&
	    s->world->now > q->asked_at + most_ms * NS_PER_MS)
		sim_violated(s, "%s %u: answered after %llu ms", printed(&q->qname), q->qtype,
			     (unsigned long long)((s->world->now - q->asked_at) / NS_PER_MS));
}

void sim_check_answer(struct sim *s, struct sim_question *q, const uint8_t *message, size_t bytes,
		      bool over_tcp)
{
	static struct reference want;
	unsigned rcode;

	if (q->answers++ > (q->is_truncated ? 1 : 0))
		sim_violated(s, "%s %u: a second answer", printed(&q->qname), q->qtype);
	if (bytes < 12 || message[0] != q->id >> 8 || message[1] != (q->id & 0xff))
		sim_violated(s, "%s %u: an answer of another ID", printed(&q->qname), q->qtype);
	rcode = message[3] & 0xf;
	reference_answer(s->tree, &q->qname, q->qtype, &want);
	sim_note(s, "answer to %s %u: rcode %u, %zu bytes%s", printed(&q->qname), q->qtype, rcode,
		 bytes, over_tcp ? " over TCP" : "");
	if (!over_tcp && (message[2] & FLAG_TC) != 0) {
		q->is_truncated = true;
		return;
	}
	s->outcome->answered++;
	check_latency(s, q, &want);
	if (rcode == RCODE_SERVFAIL && may_fail(s, &want)) {
		s->outcome->servfails++;
		return;
	}
	if (want.is_unanswerable)
		sim_violated(s, "%s %u: answered with rcode %u, and has no answer",
			     printed(&q->qname), q->qtype, rcode);
	if (rcode != want.rcode)
		sim_violated(s, "%s %u: rcode %u, not %u", printed(&q->qname), q->qtype, rcode,
			     want.rcode);
	check_records(s, q, &want, message, bytes);
}

/* ---- queries ---- */

static bool is_poisoned(const struct endpoint *peer)
{
	static const uint8_t poison[] = {SIM_POISON_V4};

	return address_is_v4(&peer->address) &&
	       memcmp(peer->address.bytes + ADDRESS_V4_OFFSET, poison, sizeof(poison)) == 0;
}

void sim_check_query(struct sim *s, const struct world_event *event)
{
	uint16_t id = (uint16_t)(event->message[0] << 8 | event->message[1]);
	mono_ns late_ns = s->world->config->late_ms * NS_PER_MS;
	struct sim_query *kept;

	if (is_poisoned(&event->peer))
		sim_violated(s, "a query to an address that nobody who may say so has named");
	s->packets += event->kind == WORLD_STREAM_QUERY ? UPSTREAM_TCP_PACKETS : 1;
	if (event->kind == WORLD_STREAM_QUERY)
		return;
	for (unsigned i = 0; i < SIM_QUERIES_KEPT && i < s->query_count; i++) {
		const struct sim_query *q = &s->queries[i];

		if (q->id == id && q->at + late_ns > event->at &&
		    endpoint_equal(&q->local, &event->local) &&
		    endpoint_equal(&q->peer, &event->peer))
			sim_violated(s, "port %u and ID %u are out twice to one server",
				     event->local.port, id);
	}
	kept = &s->queries[s->query_count++ % SIM_QUERIES_KEPT];
	kept->local = event->local;
	kept->peer = event->peer;
	kept->id = id;
	kept->at = event->at;
}

void sim_check_cost(struct sim *s)
{
	if (s->packets > s->packets_before + PACKETS_MAX)
		sim_violated(s, "one question has cost %llu packets",
			     (unsigned long long)(s->packets - s->packets_before));
	s->packets_before = s->packets;
}

/* ---- between steps ---- */

struct live {
	struct name qname;
	uint16_t qtype;
};

void sim_check_step(const struct sim *s)
{
	static struct live live[LIVE_MAX];
	unsigned count = 0;

	for (unsigned e = 0; e < s->world->engine_count; e++) {
		struct engine_inflight_row rows[REPORT_ROWS];
		uint32_t cursor = 0;

		while (cursor != ENGINE_REPORT_END) {
			unsigned got = engine_report_inflight(s->world->engines[e], rows,
							      REPORT_ROWS, &cursor, s->world->now);

			for (unsigned i = 0; i < got && count < LIVE_MAX; i++) {
				if (strcmp(rows[i].state, resolution_state_text[RESOLUTION_WAIT]) !=
				    0)
					continue;
				live[count].qname = rows[i].qname;
				live[count++].qtype = rows[i].qtype;
			}
		}
	}
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = i + 1; k < count; k++)
			if (live[i].qtype == live[k].qtype &&
			    name_equal_exact(&live[i].qname, &live[k].qname))
				sim_violated(s, "one question is asked twice at a time, type %u",
					     live[i].qtype);
}

/* ---- the end ---- */

static uint64_t drops(const struct sim *s)
{
	uint64_t count = 0;

	for (unsigned k = 0; k < RX_KIND_COUNT; k++)
		count += s->world->ring_drops[k];
	for (unsigned i = 0; i < COUNTER_OUTCOME_COUNT; i++)
		if (strncmp(counter_rows[i].name, "drops_", 6) == 0)
			count += s->world->outcomes[i];
	return count;
}

static void check_gauges(const struct sim *s, unsigned engine)
{
	struct engine_gauges g;

	engine_gauges(s->world->engines[engine], &g);
	if (g.resolutions_active != 0 || g.waiters != 0 || g.tickets_out != 0 ||
	    g.answer_buffers_used != 0 || g.large_buffers_used != 0 || g.tcp_queries_out != 0)
		sim_violated(s,
			     "engine %u keeps something: %llu resolutions, %llu waiters, %llu "
			     "tickets, %llu+%llu buffers, %llu over TCP",
			     engine, (unsigned long long)g.resolutions_active,
			     (unsigned long long)g.waiters, (unsigned long long)g.tickets_out,
			     (unsigned long long)g.answer_buffers_used,
			     (unsigned long long)g.large_buffers_used,
			     (unsigned long long)g.tcp_queries_out);
}

void sim_check_end(struct sim *s)
{
	if (s->is_alone)
		sim_check_cost(s);
	for (unsigned e = 0; e < s->world->engine_count; e++)
		check_gauges(s, e);
	for (unsigned i = 0; i < s->question_count; i++)
		if (s->questions[i].asked_at != 0 && s->questions[i].answers == 0)
			s->outcome->silent++;
	if (s->outcome->silent > drops(s))
		sim_violated(s, "%u questions have no answer, and %llu packets were dropped",
			     s->outcome->silent, (unsigned long long)drops(s));
	if (s->outcome->queries > (uint64_t)PACKETS_MAX * s->question_count)
		sim_violated(s, "%llu queries for %u questions",
			     (unsigned long long)s->outcome->queries, s->question_count);
}
