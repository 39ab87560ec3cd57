/* What becomes of a question that is traced: each is called only where its resolution is (resolution.traced), but for begin.
 *
 * Memory: the engine's ring of events. Threads: the engine's.
 */
#ifndef PORTICO_ENGINE_TRACE_H
#define PORTICO_ENGINE_TRACE_H

#include <stdint.h>

#include "inflight.h"
#include "msg_parse.h"
#include "name.h"
#include "stream.h"
#include "sub.h"

struct engine;

/* What a step makes of the reply that led to it. */
extern const char *const engine_trace_step_text[];
/* And what became of a query over TCP that brought nothing. */
extern const char *const engine_trace_tcp_text[STREAM_FAILURE_COUNT];

/* It is, from now on. */
void engine_trace_begin(struct engine *e, uint32_t resolution_idx);
void engine_trace_sent(struct engine *e, uint32_t resolution_idx, const struct inflight_slot *slot);
/* verdict: a constant. */
void engine_trace_reply(struct engine *e, uint32_t resolution_idx, const struct inflight_slot *slot,
			const struct msg_response *response, const char *verdict);
/* The query in slot brings nothing. */
void engine_trace_silence(struct engine *e, uint32_t resolution_idx,
			  const struct inflight_slot *slot, const char *verdict);
/* It goes on at that zone cut. */
void engine_trace_cut(struct engine *e, uint32_t resolution_idx, const struct name *zone);
void engine_trace_asks(struct engine *e, uint32_t resolution_idx, const struct sub_question *q,
		       uint8_t owner);
void engine_trace_told(struct engine *e, uint32_t resolution_idx, const struct sub_answer *a);
/* DONE. */
void engine_trace_end(struct engine *e, uint32_t resolution_idx);

#endif
