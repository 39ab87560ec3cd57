#include "dpdk_app/trace.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dpdk_app/mailbox.h"
#include "dpdk_app/telemetry_rows.h"
#include "dpdk_app/text.h"

/* Of all workers; a question is 64 packets at most. */
#define STEPS_MAX 1024
/* Two names of 255 bytes, each of which JSON may write as five characters, and the rest: four fit a reply of 16 KiB. */
#define PAGE_STEPS 4
#define NAME_PART_CHARS 120
#define KEY_BYTES 32
/* A cursor: which trace above, the step below. */
#define CURSOR_STEP_BITS 16
#define CURSOR_STEP_MASK ((UINT32_C(1) << CURSOR_STEP_BITS) - 1)
static_assert(STEPS_MAX <= CURSOR_STEP_MASK, "a step fits its bits");
/* So that no cursor is TELEMETRY_CURSOR_END. */
#define TRACES_MAX 0xfff0u

struct step {
	unsigned worker_idx;
	struct event event;
};

/* The last trace; the caller's lock. */
static struct {
	struct step *steps;
	unsigned count, lost;
	uint32_t number;
	mono_ns began_at;
} last;

/* One that is under way. */
struct run {
	const struct trace_sources *from;
	struct rte_tel_data *data;
	struct mailbox_ask ask;
	unsigned owner;
	struct mailbox_asked asked;
	uint32_t seen[WORKERS_MAX]; /* of each worker's events, those before it began */
};

static bool refuse(const struct run *r, const char *why)
{
	rte_tel_data_add_dict_string(r->data, "error", why);
	return false;
}

/* ---- the question ---- */

static bool parse(struct run *r, const char *question)
{
	char *name;
	unsigned long type = strtoul(question, &name, 10);

	if (!isdigit((unsigned char)question[0]) || type == 0 || type > UINT16_MAX || *name != ' ')
		return refuse(r, "a type's number and a name are wanted");
	if (!name_from_text(name + 1, &r->ask.qname))
		return refuse(r, "that is not a domain name");
	r->ask.qtype = (uint16_t)type;
	r->ask.how = ENGINE_ASK_TRACED;
	return true;
}

/* ---- what workers are asked ---- */

/* After a post: has the worker filled the rows? */
static bool filled(const struct run *r, unsigned worker_idx, enum mailbox_result posted)
{
	char why[WORKER_WHY_BYTES];

	if (worker_filled(r->from->workers, worker_idx, posted, why))
		return true;
	return refuse(r, why);
}

/* What there is of events already is not this trace's. */
static bool note_seen(struct run *r)
{
	for (unsigned w = 0; w < r->from->worker_count; w++) {
		struct mailbox *m = &r->from->workers[w].mailbox;

		if (!filled(r, w, mailbox_post(m, MAILBOX_EVENTS, ENGINE_REPORT_END)))
			return false;
		r->seen[w] = m->cursor;
	}
	return true;
}

static bool ask_of(struct run *r, unsigned worker_idx)
{
	struct mailbox *m = &r->from->workers[worker_idx].mailbox;

	if (!filled(r, worker_idx, mailbox_post_asks(m, &r->ask, 1)))
		return false;
	r->ask = m->rows.asks[0];
	r->owner = worker_idx;
	return true;
}

/* Worker 0 tells who owns it. */
static bool ask(struct run *r)
{
	if (!ask_of(r, 0) || (r->ask.result == ENGINE_ASK_NOT_OURS && !ask_of(r, r->ask.owner)))
		return false;
	switch (r->ask.result) {
	case ENGINE_ASK_STARTED:
		return true;
	case ENGINE_ASK_NOT_OURS:
	case ENGINE_ASK_FULL:
		break;
	case ENGINE_ASK_NO_ZONE:
		return refuse(r, "no zone has that name, and mode is forward");
	}
	return refuse(r, "as many questions are under way as there may be, or it is stopping");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Until it is done, or its time is over. */
static bool await(struct run *r, uint64_t deadline_ms)
{
	struct mailbox *m = &r->from->workers[r->owner].mailbox;

	while (now_ms() < deadline_ms) {
		if (!r->from->pause())
			return refuse(r, "Portico is ending");
		if (!filled(r, r->owner, mailbox_post_asked(m, &r->ask.handle, 1)))
			return false;
		r->asked = m->rows.asked[0];
		if (!r->asked.known || r->asked.asked.done)
			return true;
	}
	return true;
}

/* ---- steps ---- */

static void keep(unsigned worker_idx, const struct event events[], unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (last.count == STEPS_MAX)
			last.lost++;
		else
			last.steps[last.count++] = (struct step){worker_idx, events[i]};
	}
}

static bool gather_worker(struct run *r, unsigned worker_idx)
{
	struct mailbox *m = &r->from->workers[worker_idx].mailbox;

	do {
		if (!filled(r, worker_idx, mailbox_post(m, MAILBOX_EVENTS, r->seen[worker_idx])))
			return false;
		r->seen[worker_idx] = m->cursor;
		keep(worker_idx, m->rows.events, m->row_count);
	} while (m->row_count == MAILBOX_EVENT_ROWS);
	return true;
}

/* By time; what a worker did within one turn, in its order. */
static int step_compare(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	if (x->event.at != y->event.at)
		return x->event.at < y->event.at ? -1 : 1;
	if (x->worker_idx != y->worker_idx)
		return x->worker_idx < y->worker_idx ? -1 : 1;
	return x->event.number < y->event.number ? -1 : 1;
}

static bool gather(struct run *r)
{
	for (unsigned w = 0; w < r->from->worker_count; w++)
		if (!gather_worker(r, w))
			return false;
	qsort(last.steps, last.count, sizeof(last.steps[0]), step_compare);
	last.began_at = last.count > 0 ? last.steps[0].event.at : 0;
	return true;
}

static bool start_steps(void)
{
	if (last.steps == NULL)
		last.steps = calloc(STEPS_MAX, sizeof(last.steps[0]));
	last.number = (last.number + 1) % TRACES_MAX;
	last.count = last.lost = 0;
	return last.steps != NULL;
}

void trace_reply(const struct trace_sources *from, const char *question, struct rte_tel_data *data)
{
	struct run r = {.from = from, .data = data};

	if (!start_steps()) {
		(void)refuse(&r, "no memory");
		return;
	}
	if (!parse(&r, question) || !note_seen(&r) || !ask(&r) ||
	    !await(&r, now_ms() + TRACE_TIMEOUT_MS) || !gather(&r))
		return;
	rte_tel_data_add_dict_u64(data, "done", r.asked.known && r.asked.asked.done);
	rte_tel_data_add_dict_u64(data, "rcode", r.asked.asked.rcode);
	rte_tel_data_add_dict_u64(data, "steps", last.count);
	rte_tel_data_add_dict_u64(data, "lost", last.lost);
	rte_tel_data_add_dict_u64(data, "first", last.number << CURSOR_STEP_BITS);
}

/* ---- rows ---- */

/* key, and key_1, key_2 … where it is longer than one string may be. */
static void add_name(struct rte_tel_data *row, const char *key, const struct name *name)
{
	char text[NAME_TEXT_BYTES_MAX];
	char part[NAME_PART_CHARS + 1];
	char numbered[KEY_BYTES];
	size_t length;

	if (name->length_bytes == 0)
		return;
	length = name_to_text(name, text);
	snprintf(numbered, sizeof(numbered), "%s", key);
	for (size_t at = 0, i = 1; at < length; at += NAME_PART_CHARS, i++) {
		snprintf(part, sizeof(part), "%s", text + at);
		rte_tel_data_add_dict_string(row, numbered, part);
		snprintf(numbered, sizeof(numbered), "%s_%zu", key, i);
	}
}

static void add_exchange(struct rte_tel_data *row, const struct event *e)
{
	char text[TEXT_ENDPOINT_BYTES];

	add_name(row, "zone", &e->other);
	rte_tel_data_add_dict_string(row, "server", text_endpoint(&e->server, text));
	rte_tel_data_add_dict_string(row, "from", text_endpoint(&e->local, text));
	rte_tel_data_add_dict_u64(row, "id", e->id);
	rte_tel_data_add_dict_string(row, "transport", e->is_tcp ? "tcp" : "udp");
}

static void add_end(struct rte_tel_data *row, const struct event *e)
{
	rte_tel_data_add_dict_u64(row, "rcode", e->rcode);
	if (e->ede != DNS_EDE_NONE)
		rte_tel_data_add_dict_u64(row, "ede", e->ede);
}

static void add_kind(struct rte_tel_data *row, const struct event *e)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_BEGIN:
	case EVENT_CUT:
		add_name(row, "zone", &e->other);
		return;
	case EVENT_SENT:
		add_exchange(row, e);
		return;
	case EVENT_REPLY:
		add_exchange(row, e);
		rte_tel_data_add_dict_u64(row, "rcode", e->rcode);
		rte_tel_data_add_dict_u64(row, "after_us", e->after_us);
		return;
	case EVENT_SILENCE:
		add_exchange(row, e);
		rte_tel_data_add_dict_u64(row, "after_us", e->after_us);
		return;
	case EVENT_ASKS:
		add_name(row, "asks", &e->other);
		rte_tel_data_add_dict_u64(row, "asks_type", e->other_qtype);
		rte_tel_data_add_dict_u64(row, "asks_worker", e->owner);
		return;
	case EVENT_TOLD:
		add_end(row, e);
		return;
	case EVENT_END:
		add_end(row, e);
		rte_tel_data_add_dict_u64(row, "after_us", e->after_us);
		return;
	case EVENT_KIND_COUNT:
		return;
	}
}

static void add_step(struct rte_tel_data *row, const struct step *step)
{
	const struct event *e = &step->event;

	rte_tel_data_add_dict_u64(row, "time_us", (e->at - last.began_at) / NS_PER_US);
	rte_tel_data_add_dict_u64(row, "worker", step->worker_idx);
	rte_tel_data_add_dict_string(row, "event", event_kind_text[e->kind]);
	add_name(row, "name", &e->qname);
	rte_tel_data_add_dict_u64(row, "type", e->qtype);
	add_kind(row, e);
	if (e->verdict != NULL)
		rte_tel_data_add_dict_string(row, "verdict", e->verdict);
}

void trace_steps_reply(uint32_t cursor, struct rte_tel_data *data)
{
	unsigned step = cursor & CURSOR_STEP_MASK;

	if (last.steps == NULL || cursor >> CURSOR_STEP_BITS != last.number) {
		rte_tel_data_add_dict_string(data, "error", "another trace has begun since");
		return;
	}
	telemetry_cursor_add(data, step + PAGE_STEPS < last.count ? cursor + PAGE_STEPS
								  : TELEMETRY_CURSOR_END);
	for (unsigned i = 0; i < PAGE_STEPS && step + i < last.count; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_step(row, &last.steps[step + i]);
		telemetry_row_add(data, i, row);
	}
}
