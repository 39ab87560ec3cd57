/* Who carries TCP, played. */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/engine_state.h"
#include "engine_rig_list.h"
#include "engine_rig_own.h"
#include "unit.h"

#define CARRIER_ANSWERS 4

void rig_carrier_new(struct rig *r)
{
	struct engine_params params = r->params;
	size_t bytes;

	/* As small as may be: it owns nothing. */
	params.worker_idx = (uint8_t)r->engine_count;
	params.under_way_max = 1;
	params.waiter_count_max = 1;
	params.answer_buffer_count = CARRIER_ANSWERS;
	bytes = (engine_memory_bytes(&params) + ARENA_ALIGN_BYTES) / ARENA_ALIGN_BYTES *
		ARENA_ALIGN_BYTES;
	r->carrier_memory = aligned_alloc(ARENA_ALIGN_BYTES, bytes);
	CHECK(r->carrier_memory != NULL);
	memset(r->carrier_memory, 0xa5, bytes);
	r->carrier = engine_init(r->carrier_memory, &params);
}

/* ---- what the engines have for us ---- */

static void take_answer(struct rig *r, unsigned engine, const struct stream_slot *slot)
{
	struct rig_stream_answer *a = malloc(sizeof(*a));

	CHECK(a != NULL);
	a->handle = slot->handle;
	a->engine = engine;
	a->worker = slot->worker;
	a->length_bytes = slot->length_bytes;
	memcpy(a->message, slot->data, slot->length_bytes);
	r->answers_sent++;
	if ((r->on_stream_answer == NULL || !r->on_stream_answer(r, a)) && r->collects)
		rig_list_push(r->stream_answers, a);
	free(a);
}

static void take_query(struct rig *r, unsigned engine, const struct stream_slot *slot)
{
	struct rig_query q = {
		.local = {slot->local, 0},
		.server = slot->server,
		.at = r->now,
		.engine = engine,
		.server_idx = -1,
		.length_bytes = (uint16_t)slot->length_bytes,
		.handle = slot->handle,
		.timeout_ms = slot->timeout_ms,
	};

	CU_ASSERT_FATAL(slot->length_bytes <= sizeof(q.message));
	CU_ASSERT_EQUAL(slot->worker, engine);
	CU_ASSERT(slot->timeout_ms > 0);
	memcpy(q.message, slot->data, slot->length_bytes);
	CU_ASSERT(msg_parse_query((struct span){q.message, q.length_bytes}, &q.parsed) ==
		  MSG_QUERY_OK);
	for (unsigned i = 0; i < r->config.server_count; i++)
		if (endpoint_equal(&q.server, &r->config.server_endpoints[i]))
			q.server_idx = (int)i;
	q.is_probe = q.parsed.qtype == DNS_TYPE_SOA &&
		     name_equal(&q.parsed.qname, &r->config.health_name);
	r->stream_queries_sent++;
	if ((r->on_stream_query == NULL || !r->on_stream_query(r, &q)) && r->collects)
		rig_list_push(r->stream_queries, &q);
}

void rig_stream_take(struct rig *r, unsigned engine)
{
	for (;;) {
		/* Exactly what is lent, so that a sanitizer sees a step beyond it. */
		struct stream_slot slot = {.data = malloc(STREAM_MESSAGE_BYTES_MAX),
					   .capacity_bytes = STREAM_MESSAGE_BYTES_MAX};
		bool wants = engine_stream_wants_out(r->engines[engine]);
		bool is_there;

		CHECK(slot.data != NULL);
		is_there = engine_stream_out(r->engines[engine], &slot, r->now);
		CU_ASSERT(wants || !is_there);
		if (is_there && slot.kind == STREAM_ANSWER)
			take_answer(r, engine, &slot);
		else if (is_there)
			take_query(r, engine, &slot);
		free(slot.data);
		if (!is_there)
			return;
	}
}

bool rig_stream_query_next(struct rig *r, struct rig_query *out)
{
	return rig_list_pop(r->stream_queries, out);
}

bool rig_stream_answer_next(struct rig *r, struct rig_stream_answer *out)
{
	return rig_list_pop(r->stream_answers, out);
}

/* ---- what we have for them ---- */

/* The one outcome that has been counted since. */
static enum counter outcome_since(const struct engine *e, const struct counters *before)
{
	enum counter outcome = COUNTER_OUTCOME_COUNT;
	const uint64_t *value = engine_counters(e)->value;

	for (unsigned c = 0; c < COUNTER_OUTCOME_COUNT; c++) {
		if (value[c] == before->value[c])
			continue;
		CU_ASSERT(value[c] == before->value[c] + 1 && outcome == COUNTER_OUTCOME_COUNT);
		outcome = (enum counter)c;
	}
	return outcome;
}

static enum counter stream_in(struct rig *r, const struct rig_query *q, enum stream_kind kind,
			      const uint8_t *message, size_t length_bytes,
			      enum stream_failure failure)
{
	struct engine *e = r->engines[q->engine];
	struct counters before = *engine_counters(e);
	struct stream_slot slot = {.data = malloc(length_bytes + 1),
				   .capacity_bytes = (uint32_t)length_bytes,
				   .length_bytes = (uint32_t)length_bytes,
				   .kind = (uint8_t)kind,
				   .failure = (uint8_t)failure,
				   .worker = (uint8_t)q->engine,
				   .handle = q->handle};
	uint8_t *exact = slot.data;
	enum counter outcome;

	CHECK(exact != NULL);
	slot.data = exact + 1; /* unaligned, as behind the frame's length */
	if (length_bytes > 0)
		memcpy(slot.data, message, length_bytes);
	r->delivered[q->engine]++;
	engine_stream_in(e, &slot, r->now);
	free(exact);
	outcome = outcome_since(e, &before);
	if (r->checks)
		rig_check(r);
	return outcome;
}

enum counter rig_stream_reply_bytes(struct rig *r, const struct rig_query *q,
				    const uint8_t *message, size_t length_bytes)
{
	return stream_in(r, q, STREAM_RESPONSE, message, length_bytes, STREAM_FAILURE_COUNT);
}

enum counter rig_stream_reply(struct rig *r, const struct rig_query *q,
			      const struct rig_reply *reply)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length_bytes = rig_reply_build(q, reply, message);

	return rig_stream_reply_bytes(r, q, message, length_bytes);
}

enum counter rig_stream_fail(struct rig *r, const struct rig_query *q, enum stream_failure failure)
{
	return stream_in(r, q, STREAM_FAILED, NULL, 0, failure);
}

/* ---- clients ---- */

static void client_answered(struct rig *r, unsigned engine, const struct rx_slot *slot,
			    struct stream_handle handle)
{
	struct stream_slot answer = {.data = slot->data,
				     .length_bytes = slot->length_bytes,
				     .kind = STREAM_ANSWER,
				     .worker = (uint8_t)engine,
				     .handle = handle};

	CU_ASSERT(slot->length_bytes <= STREAM_MESSAGE_BYTES_MAX);
	take_answer(r, engine, &answer);
}

enum counter rig_stream_send(struct rig *r, const struct rig_question *from, const uint8_t *message,
			     size_t length_bytes, unsigned engine, uint32_t idx)
{
	bool by_carrier = engine == RIG_CARRIER;
	struct engine *e = by_carrier ? r->carrier : r->engines[engine];
	struct stream_origin origin = {
		.handle = {idx, ~idx},
		.client = rig_client(from->family, from->client,
				     from->client_port != 0 ? from->client_port : 40000),
		.local = r->config.listen[from->family].endpoint,
	};
	uint8_t *data = malloc(STREAM_MESSAGE_BYTES_MAX);
	struct rx_slot slot = {.data = data,
			       .length_bytes = (uint32_t)length_bytes,
			       .tailroom_bytes =
				       (uint16_t)(STREAM_MESSAGE_BYTES_MAX - length_bytes),
			       .verdict = UINT8_MAX,
			       .outcome = UINT16_MAX};
	enum counter outcome;
	enum rx_verdict verdict;

	CHECK(data != NULL && length_bytes <= STREAM_MESSAGE_BYTES_MAX);
	memcpy(data, message, length_bytes);
	if (by_carrier)
		r->carried++;
	else
		r->delivered[engine]++;
	verdict = engine_stream_question(e, &slot, &origin, r->now);
	CU_ASSERT(verdict == slot.verdict && slot.data == data);
	outcome = (enum counter)slot.outcome;
	CU_ASSERT_FATAL(outcome < COUNTER_OUTCOME_COUNT);
	CU_ASSERT(!by_carrier || engine_counters(e)->value[COUNTER_STREAM_MESSAGES] == r->carried);
	if (verdict == RX_SEND)
		client_answered(r, by_carrier ? r->engine_count : engine, &slot, origin.handle);
	/* Only the carrier is no worker: it alone passes here. */
	CU_ASSERT_FATAL(verdict != RX_WORKER || by_carrier);
	if (verdict == RX_WORKER &&
	    !rig_carrier_passes(r, slot.to_worker, slot.data, slot.length_bytes)) {
		engine_not_passed(e, RX_PASSED_QUESTION, 1);
		outcome = COUNTER_DROP_HANDOFF_FULL;
	}
	free(data);
	rig_rings_run(r);
	if (r->checks)
		rig_check(r);
	return outcome;
}

enum counter rig_stream_ask(struct rig *r, const struct rig_question *q, unsigned engine,
			    uint32_t idx)
{
	uint8_t message[RIG_MESSAGE_BYTES_MAX];
	size_t length_bytes = rig_question_build(q, message);

	return rig_stream_send(r, q, message, length_bytes, engine, idx);
}
