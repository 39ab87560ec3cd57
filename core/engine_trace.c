/* What becomes of questions that are traced (event_trace.h). */
#include "engine_state.h"

static const struct name *zone_of(const struct engine *e, const struct resolution *r)
{
	static const struct name none;

	if (r->iterates && r->has_iteration)
		return &e->iterations[(uint32_t)(r - e->resolutions.resolutions)].cut.zone;
	if (r->key.zone_idx < e->config->zone_count)
		return &e->config->zones[r->key.zone_idx].name;
	return &none;
}

static struct event *add(struct engine *e, uint32_t resolution_idx, enum event_kind kind)
{
	const struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct event *event = event_trace_add(&e->trace, e->now);

	event->kind = (uint8_t)kind;
	event->question = (uint64_t)r->generation << 32 | resolution_idx;
	event->qtype = r->key.qtype;
	event->ede = DNS_EDE_NONE;
	name_copy(&event->qname, &r->key.qname);
	return event;
}

static uint32_t since_us(const struct engine *e, mono_ns then)
{
	return then < e->now ? (uint32_t)((e->now - then) / NS_PER_US) : 0;
}

void engine_trace_begin(struct engine *e, uint32_t resolution_idx)
{
	struct resolution *r = &e->resolutions.resolutions[resolution_idx];

	if (r->traced)
		return;
	r->traced = true;
	(void)add(e, resolution_idx, EVENT_BEGIN);
}

/* Of a query: its server, how it left, its zone. */
static struct event *add_exchange(struct engine *e, uint32_t resolution_idx, enum event_kind kind,
				  const struct inflight_slot *slot)
{
	struct event *event = add(e, resolution_idx, kind);

	event->server = *server_endpoint(&e->servers, slot->server_idx);
	event->local.address = engine_slot_address(e, slot);
	event->local.port = slot->local_port;
	event->id = slot->id;
	event->is_tcp = slot->transport == INFLIGHT_TCP;
	name_copy(&event->other, zone_of(e, &e->resolutions.resolutions[resolution_idx]));
	return event;
}

void engine_trace_sent(struct engine *e, uint32_t resolution_idx, const struct inflight_slot *slot)
{
	(void)add_exchange(e, resolution_idx, EVENT_SENT, slot);
}

void engine_trace_reply(struct engine *e, uint32_t resolution_idx, const struct inflight_slot *slot,
			const struct msg_response *response, const char *verdict)
{
	struct event *event = add_exchange(e, resolution_idx, EVENT_REPLY, slot);

	event->rcode = response->flags & DNS_RCODE_MASK;
	event->verdict = verdict;
	event->after_us = since_us(e, slot->sent_at);
}

const char *const engine_trace_tcp_text[STREAM_FAILURE_COUNT] = {
	[STREAM_FAILURE_REFUSED] = "connection refused",
	[STREAM_FAILURE_UNREACHABLE] = "unreachable over TCP",
	[STREAM_FAILURE_TIMEOUT] = "no reply over TCP",
	[STREAM_FAILURE_CLOSED] = "connection closed",
	[STREAM_FAILURE_GARBAGE] = "no DNS message over TCP",
	[STREAM_FAILURE_LIMIT] = "no place for one more over TCP",
};

const char *const engine_trace_step_text[] = {
	[RESOLUTION_STEP_SEND] = "asked again",
	[RESOLUTION_STEP_PAUSE] = "asked again after a pause",
	[RESOLUTION_STEP_ANSWER] = "answer",
	[RESOLUTION_STEP_FAIL] = "the end",
	[RESOLUTION_STEP_KEEP] = "not the answer",
	[RESOLUTION_STEP_GRACE] = "letter case is lost",
	[RESOLUTION_STEP_JUDGE] = "judged",
	[RESOLUTION_STEP_ITERATE] = "of no use",
};

void engine_trace_silence(struct engine *e, uint32_t resolution_idx,
			  const struct inflight_slot *slot, const char *verdict)
{
	struct event *event = add_exchange(e, resolution_idx, EVENT_SILENCE, slot);

	event->verdict = verdict;
	event->after_us = since_us(e, slot->sent_at);
}

void engine_trace_cut(struct engine *e, uint32_t resolution_idx, const struct name *zone)
{
	name_copy(&add(e, resolution_idx, EVENT_CUT)->other, zone);
}

void engine_trace_asks(struct engine *e, uint32_t resolution_idx, const struct sub_question *q,
		       uint8_t owner)
{
	struct event *event = add(e, resolution_idx, EVENT_ASKS);

	event->verdict = sub_purpose_text[q->purpose];
	event->other_qtype = q->qtype;
	event->owner = owner;
	name_copy(&event->other, &q->qname);
}

void engine_trace_told(struct engine *e, uint32_t resolution_idx, const struct sub_answer *a)
{
	struct event *event = add(e, resolution_idx, EVENT_TOLD);

	event->verdict =
		a->is_loop ? "it would wait for this question" : sub_verdict_text[a->verdict];
	event->rcode = a->rcode;
	if (a->verdict == SUB_FAILED)
		event->ede = a->ede;
}

void engine_trace_end(struct engine *e, uint32_t resolution_idx)
{
	const struct resolution *r = &e->resolutions.resolutions[resolution_idx];
	struct event *event = add(e, resolution_idx, EVENT_END);

	event->rcode = r->rcode;
	event->ede = r->rcode == DNS_RCODE_NOERROR ? (uint16_t)DNS_EDE_NONE : r->ede;
	event->after_us = since_us(e, r->started_at);
	/* A step ends when it has told of a zone cut and nobody wants its answer: that is no failure. */
	if (r->has_iteration && e->iterations[resolution_idx].is_step &&
	    e->iterations[resolution_idx].has_told && r->rcode != DNS_RCODE_NOERROR) {
		event->verdict = "nobody waits for more";
		event->ede = DNS_EDE_NONE;
	}
}
