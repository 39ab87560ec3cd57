/* Sub-questions and their answers as messages between workers, in buffers that the driver lends (engine_tx) and passes on. What
 * can be answered at once goes back in the buffer that it came in. Bytes of an engine of ours, in its own layout: lengths are
 * CHECKed, not parsed. */
#include "engine_sub.h"

#include <string.h>

/* A question: this, its ancestors, its name, its packed cut. */
struct passed_question {
	uint32_t asker_idx;
	uint32_t serial;
	mono_ns deadline_at;
	uint64_t hash; /* all workers' is the same */
	struct budget lent;
	uint16_t qtype;
	uint16_t cut_bytes; /* 0: none */
	uint8_t purpose;    /* enum sub_purpose */
	uint8_t worker;     /* who asks */
	uint8_t ancestor_count;
	uint8_t name_bytes;
	bool traced;
	bool checking_disabled;
};

/* An answer: this, and a packed cut or a message. */
struct passed_answer {
	uint32_t asker_idx;
	uint32_t serial;
	struct budget left;
	uint16_t rcode;
	uint16_t ede;
	uint16_t content_bytes;
	uint8_t verdict; /* enum sub_verdict */
	uint8_t purpose; /* enum sub_purpose */
	bool is_loop;
	bool is_ours;
};

static_assert(sizeof(struct passed_answer) + ZONE_CUT_PACKED_BYTES_MAX <= TX_BUFFER_BYTES_MIN,
	      "an answer with any cut fits a buffer");
static_assert(sizeof(struct passed_question) + SUB_ANCESTORS_MAX * sizeof(uint64_t) +
			      DNS_NAME_BYTES_MAX <=
		      TX_BUFFER_BYTES_MIN,
	      "as does a question, if without its cut");

/* ---- written ---- */

static size_t put(uint8_t *to, size_t at, const void *bytes, size_t count)
{
	memcpy(to + at, bytes, count);
	return at + count;
}

/* Returns the length. */
static uint32_t put_question(const struct engine *e, const struct sub_question *q,
			     const struct waiter_sub *asker, struct buffer out)
{
	struct passed_question head = {
		.asker_idx = asker->asker_idx,
		.serial = asker->serial,
		.deadline_at = q->deadline_at,
		.hash = q->hash,
		.lent = q->lent,
		.qtype = q->qtype,
		.purpose = (uint8_t)q->purpose,
		.worker = e->worker_idx,
		.ancestor_count = q->ancestor_count,
		.name_bytes = q->qname.length_bytes,
		.traced = q->traced,
		.checking_disabled = q->checking_disabled,
	};
	size_t at = sizeof(head);

	at = put(out.data, at, q->ancestors, q->ancestor_count * sizeof(q->ancestors[0]));
	at = put(out.data, at, q->qname.bytes, q->qname.length_bytes);
	/* Where it has no room the owner goes by what it knows itself. */
	if (q->cut != NULL)
		head.cut_bytes = (uint16_t)zone_cut_pack(
			q->cut, (struct buffer){out.data + at, out.capacity_bytes - at});
	memcpy(out.data, &head, sizeof(head));
	return (uint32_t)(at + head.cut_bytes);
}

/* content: of SUB_CUT or SUB_ANSWER, which become something else where it does not fit. */
static uint32_t put_answer(const struct engine *e, const struct sub_answer *answer,
			   struct span content, uint32_t asker_idx, uint32_t serial,
			   struct buffer out)
{
	struct passed_answer head = {
		.asker_idx = asker_idx,
		.serial = serial,
		.left = answer->left,
		.rcode = answer->rcode,
		.ede = answer->ede,
		.verdict = (uint8_t)answer->verdict,
		.purpose = (uint8_t)answer->purpose,
		.is_loop = answer->is_loop,
		.is_ours = answer->is_ours,
	};

	if (content.length_bytes > out.capacity_bytes - sizeof(head)) {
		head.verdict = e->cache != NULL ? SUB_CACHED : SUB_FAILED;
		head.is_ours = e->cache == NULL;
		content.length_bytes = 0;
	}
	head.content_bytes = (uint16_t)content.length_bytes;
	memcpy(out.data, &head, sizeof(head));
	if (content.length_bytes > 0)
		memmove(out.data + sizeof(head), content.data, content.length_bytes);
	return (uint32_t)(sizeof(head) + content.length_bytes);
}

static struct span content_of(const struct sub_answer *answer)
{
	return answer->verdict == SUB_ANSWER ? answer->response->message : (struct span){NULL, 0};
}

/* ---- sent ---- */

static bool answer_fill(struct engine *e, struct tx_slot *slot)
{
	uint32_t idx = engine_sub_out_next(e);
	const struct waiter *waiter = &e->waiters.waiters[idx];
	struct sub_answer answer;
	struct span content;

	if (idx == POOL_NONE)
		return false;
	engine_sub_answer_of(e, idx, &answer);
	content = answer.verdict == SUB_CUT ? engine_sub_packed_cut(e, idx) : content_of(&answer);
	slot->length_bytes =
		put_answer(e, &answer, content, waiter->sub.asker_idx, waiter->sub.serial,
			   (struct buffer){slot->data, slot->capacity_bytes});
	slot->to_worker = waiter->origin_worker;
	slot->kind = RX_PASSED_SUB_ANSWER;
	engine_sub_waiter_end(e, idx);
	return true;
}

static bool question_fill(struct engine *e, struct tx_slot *slot)
{
	uint32_t idx = e->subs.out.head;
	struct sub_question q;
	struct waiter waiter;

	if (e->subs.out.count == 0)
		return false;
	engine_sub_question_of(e, idx, &q);
	waiter = engine_sub_waiter_of(e, idx);
	slot->length_bytes =
		put_question(e, &q, &waiter.sub, (struct buffer){slot->data, slot->capacity_bytes});
	slot->to_worker = e->subs.states[idx].owner;
	slot->kind = RX_PASSED_SUB_QUESTION;
	engine_sub_sent(e, idx);
	return true;
}

/* The root's servers, of whoever owns them. */
static bool prime_fill(struct engine *e, struct tx_slot *slot)
{
	const struct waiter_sub nobody = {.asker_idx = POOL_NONE};

	/* Our own is asked in the next turn. */
	if (!e->subs.primes || e->subs.prime_owner == e->worker_idx)
		return false;
	e->subs.primes = false;
	e->subs.prime.ancestor_count = 0;
	slot->length_bytes = put_question(e, &e->subs.prime, &nobody,
					  (struct buffer){slot->data, slot->capacity_bytes});
	slot->to_worker = e->subs.prime_owner;
	slot->kind = RX_PASSED_SUB_QUESTION;
	return true;
}

bool engine_sub_fill(struct engine *e, struct tx_slot *slot)
{
	if (!engine_sub_due(e))
		return false;
	CHECK(slot->capacity_bytes >= TX_BUFFER_BYTES_MIN);
	if (!answer_fill(e, slot) && !question_fill(e, slot) && !prime_fill(e, slot))
		return false;
	CHECK(slot->to_worker != e->worker_idx && slot->to_worker < e->worker_count);
	counter_add(&e->counters, COUNTER_SUB_PASSED, 1);
	return true;
}

/* ---- taken ---- */

/* *q refers to e->sub_cut. */
static void take_question(struct engine *e, struct span message, struct sub_question *q,
			  struct waiter *waiter)
{
	struct passed_question head;
	size_t at = sizeof(head);
	size_t hashes_bytes;

	CHECK(message.length_bytes >= sizeof(head));
	memcpy(&head, message.data, sizeof(head));
	hashes_bytes = head.ancestor_count * sizeof(q->ancestors[0]);
	CHECK(head.ancestor_count <= SUB_ANCESTORS_MAX && head.worker < e->worker_count &&
	      head.purpose < SUB_PURPOSE_COUNT &&
	      message.length_bytes == at + hashes_bytes + head.name_bytes + head.cut_bytes);
	q->purpose = (enum sub_purpose)head.purpose;
	q->traced = head.traced;
	q->checking_disabled = head.checking_disabled;
	q->ancestor_count = head.ancestor_count;
	q->qtype = head.qtype;
	q->deadline_at = head.deadline_at;
	q->hash = head.hash;
	q->lent = head.lent;
	memcpy(q->ancestors, message.data + at, hashes_bytes);
	at += hashes_bytes;
	q->qname.length_bytes = head.name_bytes;
	memcpy(q->qname.bytes, message.data + at, head.name_bytes);
	at += head.name_bytes;
	q->cut = NULL;
	if (head.cut_bytes > 0 &&
	    zone_cut_unpack((struct span){message.data + at, head.cut_bytes}, &e->sub_cut))
		q->cut = &e->sub_cut;
	*waiter = (struct waiter){
		.kind = WAITER_SUB,
		.origin_worker = head.worker,
		.next = POOL_NONE,
		.arrived_at = e->now,
		.sub = {.asker_idx = head.asker_idx,
			.serial = head.serial,
			.purpose = head.purpose,
			.verdict = SUB_VERDICT_COUNT,
			.buffer_idx = POOL_NONE,
			.lent = head.lent},
	};
}

static void question_passed(struct engine *e, struct rx_slot *slot)
{
	struct sub_question q;
	struct waiter waiter;
	struct sub_answer answer;
	bool is_prime;

	take_question(e, (struct span){slot->data, slot->length_bytes}, &q, &waiter);
	is_prime = q.purpose == SUB_PRIME;
	if (!engine_sub_begin(e, &q, is_prime ? NULL : &waiter, &answer) || is_prime) {
		engine_end(e, slot, COUNTER_SUB_QUESTION, RX_FREE);
		return;
	}
	slot->length_bytes = put_answer(e, &answer, content_of(&answer), waiter.sub.asker_idx,
					waiter.sub.serial, engine_room(slot));
	slot->to_worker = waiter.origin_worker;
	slot->kind = RX_PASSED_SUB_ANSWER;
	counter_add(&e->counters, COUNTER_SUB_PASSED, 1);
	engine_end(e, slot, COUNTER_SUB_QUESTION, RX_WORKER);
}

/* What is told of refers to the message and to *e. */
static void read_content(struct engine *e, struct span content, struct sub_answer *answer)
{
	bool is_read = true;

	if (answer->verdict == SUB_CUT) {
		is_read = zone_cut_unpack(content, &e->sub_cut);
		answer->cut = &e->sub_cut;
	} else if (answer->verdict == SUB_ANSWER) {
		is_read = msg_parse_response(content, &e->sub_response) == MSG_RESPONSE_OK;
		answer->response = &e->sub_response;
	}
	if (is_read)
		return;
	answer->verdict = SUB_FAILED;
	answer->rcode = DNS_RCODE_SERVFAIL;
	answer->is_ours = true;
	answer->cut = NULL;
	answer->response = NULL;
}

static void answer_passed(struct engine *e, struct rx_slot *slot)
{
	struct passed_answer head;
	struct sub_answer answer;
	bool taken;

	CHECK(slot->length_bytes >= sizeof(head));
	memcpy(&head, slot->data, sizeof(head));
	CHECK(slot->length_bytes == sizeof(head) + head.content_bytes &&
	      head.verdict < SUB_VERDICT_COUNT && head.purpose < SUB_PURPOSE_COUNT);
	answer = (struct sub_answer){
		.verdict = (enum sub_verdict)head.verdict,
		.purpose = (enum sub_purpose)head.purpose,
		.rcode = head.rcode,
		.ede = head.ede,
		.is_loop = head.is_loop,
		.is_ours = head.is_ours,
		.left = head.left,
	};
	read_content(e, (struct span){slot->data + sizeof(head), head.content_bytes}, &answer);
	taken = engine_sub_answered(e, head.asker_idx, head.serial, &answer);
	engine_end(e, slot, taken ? COUNTER_SUB_ANSWER : COUNTER_SUB_ANSWER_LATE, RX_FREE);
}

void engine_sub_passed(struct engine *e, struct rx_slot *slot)
{
	if (slot->kind == RX_PASSED_SUB_QUESTION)
		question_passed(e, slot);
	else
		answer_passed(e, slot);
}
