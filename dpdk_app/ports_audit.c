#include "dpdk_app/ports_audit.h"

#include <assert.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dpdk_app/ports_audit_verdict.h"
#include "dpdk_app/telemetry_rows.h"
#include "dpdk_app/text.h"

#define LABEL_BYTES 6 /* random, twice as many hex digits */
#define LABEL_CHARS (2 * LABEL_BYTES)
/* A name is shown in one string of a reply, which is cut at RTE_TEL_MAX_STRING_LEN. */
#define NAME_CHARS_MAX (RTE_TEL_MAX_STRING_LEN - 1 - LABEL_CHARS - 1)
static_assert(PORTS_AUDIT_ROUND == ENGINE_ASKS_MAX, "a round fits a worker");
static_assert(PORTS_AUDIT_TIMEOUT_MS > CLIENT_DEADLINE_MS, "every question ends meanwhile");

enum question_state {
	QUESTION_NEW,
	QUESTION_UNDER_WAY,
	QUESTION_DONE, /* or lost: then asked.done is false */
};

struct question {
	enum question_state state;
	char text[RTE_TEL_MAX_STRING_LEN];
	struct name qname;
	unsigned worker_idx; /* who owns it, as far as is known */
	uint32_t handle;
	struct engine_asked asked;
};

struct round {
	const struct ports_audit_sources *from;
	struct rte_tel_data *data;
	struct question questions[PORTS_AUDIT_ROUND];
};

static void refuse(const struct round *r, const char *why)
{
	rte_tel_data_add_dict_string(r->data, "error", why);
}

/* ---- names ---- */

static bool make_names(struct round *r, const char *below)
{
	char text[NAME_TEXT_BYTES_MAX];
	struct name parent;

	if (below == NULL || !name_from_text(below, &parent)) {
		refuse(r, "the name below which to ask is not a domain name");
		return false;
	}
	if (name_to_text(&parent, text) > NAME_CHARS_MAX) {
		refuse(r, "the name below which to ask is too long");
		return false;
	}
	for (unsigned i = 0; i < PORTS_AUDIT_ROUND; i++) {
		struct question *q = &r->questions[i];
		uint8_t label[LABEL_BYTES];

		if (RAND_bytes(label, sizeof(label)) != 1) {
			refuse(r, "no random bytes");
			return false;
		}
		for (unsigned b = 0; b < LABEL_BYTES; b++)
			snprintf(q->text + 2 * b, 3, "%02x", label[b]);
		snprintf(q->text + LABEL_CHARS, sizeof(q->text) - LABEL_CHARS, ".%.*s",
			 NAME_CHARS_MAX, strcmp(text, ".") == 0 ? "" : text);
		if (!name_from_text(q->text, &q->qname)) {
			refuse(r, "the name below which to ask is too long");
			return false;
		}
	}
	return true;
}

/* ---- asking ---- */

/* The questions in this state that are this worker's: their indices. */
static unsigned choose(const struct round *r, unsigned worker_idx, enum question_state state,
		       unsigned idx[PORTS_AUDIT_ROUND])
{
	unsigned count = 0;

	for (unsigned i = 0; i < PORTS_AUDIT_ROUND; i++)
		if (r->questions[i].state == state && r->questions[i].worker_idx == worker_idx)
			idx[count++] = i;
	return count;
}

/* After a post: has the worker filled the rows? */
static bool filled(const struct round *r, unsigned worker_idx, enum mailbox_result posted)
{
	char why[WORKER_WHY_BYTES];

	if (worker_filled(r->from->workers, worker_idx, posted, why))
		return true;
	refuse(r, why);
	return false;
}

static bool take_result(const struct round *r, struct question *q, const struct mailbox_ask *row)
{
	switch (row->result) {
	case ENGINE_ASK_STARTED:
		q->state = QUESTION_UNDER_WAY;
		q->handle = row->handle;
		return true;
	case ENGINE_ASK_NOT_OURS:
		q->worker_idx = row->owner;
		return true;
	case ENGINE_ASK_FULL:
		refuse(r, "as many questions are under way as there may be, or it is stopping");
		return false;
	case ENGINE_ASK_NO_ZONE:
		refuse(r, "no forward zone for that name");
		return false;
	}
	return false;
}

/* Have the worker begin those questions that are its, or say whose they are. */
static bool ask_worker(struct round *r, unsigned worker_idx)
{
	struct worker *worker = &r->from->workers[worker_idx];
	struct mailbox_ask asks[PORTS_AUDIT_ROUND];
	unsigned idx[PORTS_AUDIT_ROUND];
	unsigned count = choose(r, worker_idx, QUESTION_NEW, idx);

	if (count == 0)
		return true;
	for (unsigned i = 0; i < count; i++)
		asks[i] = (struct mailbox_ask){
			.qname = r->questions[idx[i]].qname,
			.qtype = DNS_TYPE_TXT,
		};
	if (!filled(r, worker_idx, mailbox_post_asks(&worker->mailbox, asks, count)))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (!take_result(r, &r->questions[idx[i]], &worker->mailbox.rows.asks[i]))
			return false;
	return true;
}

/* Worker 0 tells who owns each. */
static bool ask_all(struct round *r)
{
	for (unsigned w = 0; w < r->from->worker_count; w++)
		if (!ask_worker(r, w))
			return false;
	return true;
}

/* ---- answers ---- */

static bool fetch_worker(struct round *r, unsigned worker_idx)
{
	struct worker *worker = &r->from->workers[worker_idx];
	uint32_t handles[PORTS_AUDIT_ROUND];
	unsigned idx[PORTS_AUDIT_ROUND];
	unsigned count = choose(r, worker_idx, QUESTION_UNDER_WAY, idx);

	if (count == 0)
		return true;
	for (unsigned i = 0; i < count; i++)
		handles[i] = r->questions[idx[i]].handle;
	if (!filled(r, worker_idx, mailbox_post_asked(&worker->mailbox, handles, count)))
		return false;
	for (unsigned i = 0; i < count; i++) {
		const struct mailbox_asked *row = &worker->mailbox.rows.asked[i];
		struct question *q = &r->questions[idx[i]];

		if (row->known && !row->asked.done)
			continue;
		q->state = QUESTION_DONE;
		if (row->known)
			q->asked = row->asked;
	}
	return true;
}

static bool is_over(const struct round *r)
{
	for (unsigned i = 0; i < PORTS_AUDIT_ROUND; i++)
		if (r->questions[i].state != QUESTION_DONE)
			return false;
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What is not done in time stays as if no query had been answered. */
static bool await_all(struct round *r, uint64_t deadline_ms)
{
	while (!is_over(r) && now_ms() < deadline_ms) {
		if (!r->from->pause()) {
			refuse(r, "Portico is ending");
			return false;
		}
		for (unsigned w = 0; w < r->from->worker_count; w++)
			if (!fetch_worker(r, w))
				return false;
	}
	return true;
}

/* ---- rows ---- */

static void add_row(const struct round *r, unsigned i)
{
	const struct question *q = &r->questions[i];
	struct rte_tel_data *row = telemetry_row_start();
	char answer[PORTS_AUDIT_TEXT_BYTES];
	char address[TEXT_ADDRESS_BYTES] = "";

	if (row == NULL)
		return;
	ports_audit_text((struct span){q->asked.answer, q->asked.answer_bytes}, answer);
	if (q->asked.local.port != 0)
		text_address(&q->asked.local.address, address);
	rte_tel_data_add_dict_string(row, "name", q->text);
	rte_tel_data_add_dict_u64(row, "rcode",
				  q->asked.done ? q->asked.rcode : DNS_RCODE_SERVFAIL);
	rte_tel_data_add_dict_string(row, "address", address);
	rte_tel_data_add_dict_u64(row, "port", q->asked.local.port);
	rte_tel_data_add_dict_u64(row, "id", q->asked.id);
	rte_tel_data_add_dict_string(row, "answer", answer);
	telemetry_row_add(r->data, i, row);
}

void ports_audit_reply(const struct ports_audit_sources *from, const char *name,
		       struct rte_tel_data *data)
{
	uint64_t deadline_ms = now_ms() + PORTS_AUDIT_TIMEOUT_MS;
	struct round r = {.from = from, .data = data};

	if (!make_names(&r, name) || !ask_all(&r) || !await_all(&r, deadline_ms))
		return;
	for (unsigned i = 0; i < PORTS_AUDIT_ROUND; i++)
		add_row(&r, i);
}
