#include "resolution_own.h"

#include "dns_const.h"
#include "limits.h"

const char *const resolution_state_text[RESOLUTION_STATE_COUNT] = {
	[RESOLUTION_FREE] = "free",    [RESOLUTION_SEND] = "to send",
	[RESOLUTION_WAIT] = "reply",   [RESOLUTION_PAUSE] = "pause",
	[RESOLUTION_ASK] = "question", [RESOLUTION_DONE] = "answering",
};

/* ---- steps ---- */

static int16_t position_of(const struct engine_zone *zone, uint16_t server_idx)
{
	for (int16_t i = 0; i < zone->server_count; i++)
		if (zone->servers[i] == server_idx)
			return i;
	return -1;
}

/* The zone has gone or its servers are others: go on with the one that has the name now. */
static const struct engine_zone *zone_anew(struct resolution *r, const struct engine_config *config)
{
	uint16_t idx = engine_zone_for(config, &r->key.qname);
	const struct engine_zone *zone;

	if (idx >= config->zone_count)
		return NULL;
	zone = &config->zones[idx];
	r->key.zone_idx = idx;
	r->key.zone_generation = zone->generation;
	r->tried_mask = 0;
	if (r->server_pos >= 0)
		r->server_pos = position_of(zone, r->server_idx);
	return zone;
}

/* NULL: no zone has the name any more. */
static inline const struct engine_zone *zone_of(struct resolution *r,
						const struct engine_config *config)
{
	if (LIKELY(resolution_has_zone(r, config)))
		return &config->zones[r->key.zone_idx];
	return zone_anew(r, config);
}

static void mark_tried(struct resolution *r)
{
	if (r->server_pos >= 0)
		r->tried_mask |= UINT32_C(1) << r->server_pos;
}

static enum resolution_step fail(struct resolution_table *t, uint32_t idx, uint16_t ede)
{
	t->resolutions[idx].rcode = DNS_RCODE_SERVFAIL;
	t->resolutions[idx].ede = ede;
	resolution_set_state(t, idx, RESOLUTION_DONE);
	return RESOLUTION_STEP_FAIL;
}

/* May one more packet be sent for this question? */
static bool budget_left(const struct resolution *r, mono_ns now)
{
	return r->packets < r->packets_max && now < r->deadline_at;
}

static void try_for(struct resolution *r, uint64_t timeout_ms, mono_ns now)
{
	r->try_until = now + timeout_ms * NS_PER_MS;
	if (r->try_until > r->deadline_at)
		r->try_until = r->deadline_at;
}

/* How long a server of a zone cut is waited for. */
static uint32_t server_timeout_ms(const struct resolution *r, const struct resolution_env *env)
{
	enum { TCP_ROUND_TRIPS = 3 };
	uint32_t timeout_ms;

	if (r->server_idx >= SERVER_SLOTS_MAX) {
		timeout_ms = server_rto_ms(env->servers, r->server_idx);
		if (r->tcp_for == RESOLUTION_TCP_FOR_NONE &&
		    !server_tcp_only(env->servers, r->server_idx, env->now))
			return timeout_ms;
		timeout_ms *= TCP_ROUND_TRIPS;
		return timeout_ms > TCP_TIMEOUT_MS_MIN ? timeout_ms : TCP_TIMEOUT_MS_MIN;
	}
	/* A stub zone's. */
	return env->config->zones[r->key.zone_idx].timeout_ms;
}

static enum resolution_step iterate(struct resolution_table *t, uint32_t idx)
{
	resolution_set_state(t, idx, RESOLUTION_ASK);
	return RESOLUTION_STEP_ITERATE;
}

/* Choose a server that this question has not tried yet; when all were tried, begin again. */
static inline __attribute__((always_inline)) void begin_try(struct resolution *r,
							    const struct engine_zone *zone,
							    const struct resolution_env *env)
{
	uint64_t timeout_ns = zone->timeout_ms * NS_PER_MS;
	uint32_t *cursor = &env->zone_cursors[r->key.zone_idx];
	int pos;

	for (int round = 0; round < 2; round++) {
		pos = server_choose(env->servers, zone->servers, zone->server_count,
				    (enum server_policy)zone->policy, r->tried_mask, cursor,
				    r->key.hash, env->entropy);
		if (pos >= 0)
			break;
		r->tried_mask = 0;
	}
	CHECK(pos >= 0); /* config refuses a zone without servers */
	r->server_pos = (int16_t)pos;
	r->server_idx = zone->servers[pos];
	r->edns_retry = false;
	r->tcp_for = zone->transport;
	r->try_until = env->now + timeout_ns;
	if (r->try_until > r->deadline_at)
		r->try_until = r->deadline_at;
}

/* This try brought no answer: the next server, or the end. */
static enum resolution_step next_try(struct resolution_table *t, uint32_t idx,
				     const struct resolution_env *env, uint16_t ede)
{
	struct resolution *r = &t->resolutions[idx];
	const struct engine_zone *zone;

	if (r->iterates) {
		r->ede = ede;
		if (r->tries < UINT8_MAX)
			r->tries++;
		return iterate(t, idx);
	}
	zone = zone_of(r, env->config);
	if (UNLIKELY(zone == NULL))
		return fail(t, idx, DNS_EDE_OTHER);
	mark_tried(r);
	r->tries++;
	if (r->tries >= zone->tries || !budget_left(r, env->now))
		return fail(t, idx, ede);
	begin_try(r, zone, env);
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return RESOLUTION_STEP_SEND;
}

/* The same server again, with another ticket; the budget of packets and the deadline bound it. One that the zone does not
 * have any more is another's turn. */
static enum resolution_step same_server(struct resolution_table *t, uint32_t idx,
					const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	const struct engine_zone *zone;

	if (r->iterates) {
		if (!budget_left(r, env->now) || !resolution_has_zone(r, env->config))
			return iterate(t, idx);
		try_for(r, server_timeout_ms(r, env), env->now);
		resolution_set_state(t, idx, RESOLUTION_SEND);
		return RESOLUTION_STEP_SEND;
	}
	zone = zone_of(r, env->config);
	if (UNLIKELY(zone == NULL))
		return fail(t, idx, DNS_EDE_OTHER);
	if (!budget_left(r, env->now))
		return fail(t, idx, DNS_EDE_NO_REACHABLE_AUTHORITY);
	if (UNLIKELY(r->server_pos < 0))
		begin_try(r, zone, env);
	try_for(r, zone->timeout_ms, env->now);
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return RESOLUTION_STEP_SEND;
}

enum resolution_step resolution_on_start(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	const struct engine_zone *zone = zone_of(r, env->config);

	resolution_set_state(t, idx, RESOLUTION_SEND);
	if (UNLIKELY(zone == NULL))
		return fail(t, idx, DNS_EDE_OTHER);
	begin_try(r, zone, env);
	return RESOLUTION_STEP_SEND;
}

bool resolution_on_start_alone(struct resolution_table *t, uint32_t idx,
			       const struct engine_zone *zone, mono_ns now)
{
	struct resolution *r = &t->resolutions[idx];
	mono_ns until = now + zone->timeout_ms * NS_PER_MS;

	if (UNLIKELY(zone->server_count != 1))
		return false;
	/* begin_try, of one that has tried nothing. */
	r->server_pos = 0;
	r->server_idx = zone->servers[0];
	r->tcp_for = zone->transport;
	r->try_until = until < r->deadline_at ? until : r->deadline_at;
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return true;
}

void resolution_on_step(struct resolution_table *t, uint32_t idx, uint32_t at, uint64_t hash)
{
	struct resolution *r = &t->resolutions[idx];

	DCHECK(r->state == RESOLUTION_SEND && r->iterates);
	r->asks_step = true;
	r->asked_at = at;
	r->asked_hash = hash;
}

void resolution_on_taken_over(struct resolution_table *t, uint32_t idx,
			      const struct resolution *from, uint32_t slot_idx)
{
	struct resolution *r = &t->resolutions[idx];

	DCHECK(r->state == RESOLUTION_ASK);
	r->server_pos = from->server_pos;
	r->server_idx = from->server_idx;
	r->try_until = from->try_until;
	resolution_set_state(t, idx, RESOLUTION_SEND);
	resolution_on_sent(t, idx, slot_idx);
}

void resolution_on_sent(struct resolution_table *t, uint32_t idx, uint32_t slot_idx)
{
	struct resolution *r = &t->resolutions[idx];

	resolution_set_state(t, idx, RESOLUTION_WAIT);
	r->slot_idx = slot_idx;
	r->packets++;
	r->pauses = 0;
	if (r->asks_step) {
		place_add(t, r->asked_hash, idx);
		t->step_count++;
	}
}

void resolution_on_cached(struct resolution_table *t, uint32_t idx)
{
	t->resolutions[idx].from_cache = true;
	resolution_set_state(t, idx, RESOLUTION_DONE);
}

void resolution_on_tcp_sent(struct resolution_table *t, uint32_t idx, uint32_t slot_idx)
{
	struct resolution *r = &t->resolutions[idx];

	DCHECK(resolution_may_tcp(r));
	resolution_set_state(t, idx, RESOLUTION_WAIT);
	r->slot_idx = slot_idx;
	r->packets = (uint8_t)(r->packets + UPSTREAM_TCP_PACKETS);
	r->tcp_tries++;
	r->pauses = 0;
}

enum resolution_step resolution_on_blocked(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env, mono_ns resume_at)
{
	struct resolution *r = &t->resolutions[idx];

	/* A server that is asked late has less time to answer, one that is not asked none. */
	r->hindered = true;
	if (env->now >= r->try_until)
		return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
	r->resume_at = resume_at < r->try_until ? resume_at : r->try_until;
	if (r->pauses < UINT8_MAX)
		r->pauses++;
	resolution_set_state(t, idx, RESOLUTION_PAUSE);
	return RESOLUTION_STEP_PAUSE;
}

void resolution_on_hindered(struct resolution_table *t, uint32_t idx)
{
	t->resolutions[idx].hindered = true;
}

enum resolution_step resolution_on_unreachable(struct resolution_table *t, uint32_t idx,
					       const struct resolution_env *env)
{
	server_on_unreachable(env->servers, resolution_server(&t->resolutions[idx]), env->now);
	return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

enum resolution_step resolution_on_shed(struct resolution_table *t, uint32_t idx,
					const struct resolution_env *env)
{
	(void)env;
	return fail(t, idx, DNS_EDE_OTHER);
}

enum resolution_step resolution_on_no_route(struct resolution_table *t, uint32_t idx,
					    const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	const struct engine_zone *zone;
	uint32_t all;

	if (r->iterates)
		return iterate(t, idx);
	zone = zone_of(r, env->config);
	if (UNLIKELY(zone == NULL))
		return fail(t, idx, DNS_EDE_OTHER);
	/* It costs no time, so it is no try; but when the last of a round is unreachable the round counts as one,
	 * so that a zone of such servers comes to an end. */
	all = (UINT32_C(1) << zone->server_count) - 1;
	mark_tried(r);
	if (r->tried_mask == all)
		return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
	begin_try(r, zone, env);
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return RESOLUTION_STEP_SEND;
}

enum resolution_step resolution_on_resume(struct resolution_table *t, uint32_t idx,
					  const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];

	r->resume_at = MONO_NEVER;
	/* After a guess another server's turn has come. */
	if (r->iterates && (r->server_pos < 0 || !budget_left(r, env->now)))
		return iterate(t, idx);
	if (!budget_left(r, env->now))
		return fail(t, idx, DNS_EDE_NO_REACHABLE_AUTHORITY);
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return RESOLUTION_STEP_SEND;
}

enum resolution_step resolution_on_timeout(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env, mono_ns sent_at)
{
	struct resolution *r = &t->resolutions[idx];

	server_on_timeout(env->servers, resolution_server(r), sent_at, false, env->now);
	return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

enum resolution_step resolution_on_moved(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env)
{
	server_on_cancelled(env->servers, resolution_server(&t->resolutions[idx]), false);
	return same_server(t, idx, env);
}

/* Another ticket, after a while: longer with each that was burnt. */
static enum resolution_step hold_off(struct resolution_table *t, uint32_t idx,
				     const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	uint64_t hold_off_ms = NEAR_MISS_HOLD_OFF_MS;
	uint64_t timeout_ms = 0;
	const struct engine_zone *zone;

	for (uint32_t i = 1; i < r->near_misses && hold_off_ms < NEAR_MISS_HOLD_OFF_MS_MAX; i++)
		hold_off_ms *= 2;
	if (!budget_left(r, env->now))
		return r->iterates ? iterate(t, idx) : fail(t, idx, DNS_EDE_OTHER);
	/* Whoever guesses at one server's queries must not keep the others' answers from us. */
	if (r->iterates) {
		r->server_pos = -1;
	} else {
		zone = zone_of(r, env->config);
		if (UNLIKELY(zone == NULL))
			return fail(t, idx, DNS_EDE_OTHER);
		mark_tried(r);
		begin_try(r, zone, env);
		timeout_ms = zone->timeout_ms;
	}
	r->resume_at = env->now + hold_off_ms * NS_PER_MS;
	if (r->resume_at > r->deadline_at)
		r->resume_at = r->deadline_at;
	try_for(r, timeout_ms, r->resume_at);
	resolution_set_state(t, idx, RESOLUTION_PAUSE);
	return RESOLUTION_STEP_PAUSE;
}

/* The same server at once, over TCP. */
static enum resolution_step over_tcp(struct resolution_table *t, uint32_t idx,
				     const struct resolution_env *env,
				     enum resolution_tcp_for tcp_for)
{
	t->resolutions[idx].tcp_for = (uint8_t)tcp_for;
	return same_server(t, idx, env);
}

static bool has_tcp(const struct resolution *r, const struct resolution_env *env)
{
	if (env->config->tcp_interfaces == 0 || !resolution_has_zone(r, env->config))
		return false;
	if (UNLIKELY(server_is_learned(r->server_idx)))
		return engine_family_has_tcp(
			env->config,
			address_is_v4(&server_endpoint(env->servers, r->server_idx)->address));
	return engine_server_has_tcp(env->config, r->server_idx);
}

enum resolution_step resolution_on_near_miss(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	uint16_t server_idx = resolution_server(r);

	server_on_cancelled(env->servers, server_idx, false);
	server_on_near_miss(env->servers, server_idx);
	r->near_misses++;
	if (has_tcp(r, env) && resolution_may_tcp(r))
		return over_tcp(t, idx, env, RESOLUTION_TCP_FOR_GUESS);
	return hold_off(t, idx, env);
}

enum resolution_step resolution_on_tcp_failed(struct resolution_table *t, uint32_t idx,
					      const struct resolution_env *env, mono_ns sent_at,
					      enum stream_failure failure)
{
	struct resolution *r = &t->resolutions[idx];
	uint16_t server_idx = resolution_server(r);

	switch (failure) {
	case STREAM_FAILURE_REFUSED:
	case STREAM_FAILURE_UNREACHABLE:
	case STREAM_FAILURE_TIMEOUT:
		server_on_tcp_useless(env->servers, server_idx, env->now);
		server_on_timeout(env->servers, server_idx, sent_at, false, env->now);
		break;
	case STREAM_FAILURE_CLOSED:
	case STREAM_FAILURE_GARBAGE:
		server_on_timeout(env->servers, server_idx, sent_at, false, env->now);
		break;
	case STREAM_FAILURE_LIMIT:
	case STREAM_FAILURE_COUNT:
		server_on_cancelled(env->servers, server_idx, false);
		r->hindered = true;
		break;
	}
	if (r->tcp_for == RESOLUTION_TCP_FOR_GUESS)
		return hold_off(t, idx, env);
	return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

unsigned resolution_near_miss_tolerance(const struct resolution *r,
					const struct inflight_slot *slot)
{
	if (r->near_misses != NEAR_MISS_BURNS)
		return 0;
	if ((slot->flags & INFLIGHT_SLOT_CASE) != 0 &&
	    name_letter_count(&slot->qname) >= NEAR_MISS_LETTERS)
		return NEAR_MISS_TOLERATED;
	return 1;
}

enum resolution_step resolution_on_case_lost(struct resolution_table *t, uint32_t idx,
					     const struct resolution_env *env)
{
	struct resolution *r = &t->resolutions[idx];
	uint16_t server_idx = resolution_server(r);

	server_on_cancelled(env->servers, server_idx, false);
	server_on_case_lost(env->servers, server_idx, env->now);
	r->case_losses++;
	return same_server(t, idx, env);
}

static bool rcode_ends_try(uint16_t rcode)
{
	return rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN &&
	       rcode != DNS_RCODE_YXDOMAIN;
}

/* Whole it is to be had over TCP. */
static enum resolution_step on_truncated(struct resolution_table *t, uint32_t idx,
					 const struct resolution_env *env)
{
	if (!resolution_may_tcp(&t->resolutions[idx]))
		return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
	return over_tcp(t, idx, env, RESOLUTION_TCP_FOR_TRUNCATED);
}

enum resolution_step resolution_on_response(struct resolution_table *t, uint32_t idx,
					    const struct resolution_env *env,
					    const struct inflight_slot *slot,
					    const struct msg_response *response,
					    enum counter *outcome)
{
	uint16_t rcode = (uint16_t)(response->flags & DNS_RCODE_MASK);
	uint32_t rtt_us = (uint32_t)((env->now - slot->sent_at) / NS_PER_US);
	uint16_t server_idx = slot->server_idx;

	bool is_exact = name_equal_exact(&response->qname, &slot->qname);

	if (response->qtype != slot->qtype || response->qclass != slot->qclass ||
	    (!is_exact && !name_equal(&response->qname, &slot->qname))) {
		*outcome = COUNTER_MISMATCH_QUESTION;
		return RESOLUTION_STEP_KEEP;
	}
	if (!is_exact && slot->transport == INFLIGHT_UDP) {
		*outcome = COUNTER_MISMATCH_CASE;
		/* A server that does not keep letter case gives it back in lower case. Anything else is forged, and so
		 * is any other case than that which was sent where the server is known to lose it. */
		return (slot->flags & INFLIGHT_SLOT_CASE) != 0 &&
				       name_equal_exact(&response->qname,
							&t->resolutions[idx].key.qname)
			       ? RESOLUTION_STEP_GRACE
			       : RESOLUTION_STEP_KEEP;
	}
	server_on_answer(env->servers, server_idx, rtt_us, false, env->now);
	/* A name that went out in lower case proves nothing. Of most servers there is nothing to disprove, and the key's name
	 * need not be fetched. */
	if (UNLIKELY(server_case_doubted(env->servers, server_idx)) &&
	    (slot->flags & INFLIGHT_SLOT_CASE) != 0 &&
	    !name_equal_exact(&slot->qname, &t->resolutions[idx].key.qname))
		server_on_case_kept(env->servers, server_idx);
	*outcome = COUNTER_UPSTREAM_RESPONSE;
	if (response->edns.present)
		rcode |= (uint16_t)(response->edns.extended_rcode << 4);
	if ((rcode == DNS_RCODE_FORMERR || rcode == DNS_RCODE_NOTIMP) && !response->edns.present &&
	    (slot->flags & INFLIGHT_SLOT_EDNS) != 0 && !t->resolutions[idx].edns_retry) {
		/* RFC 6891 section 7: without an OPT of its own it may not know EDNS; ask it once more without. */
		t->resolutions[idx].edns_retry = true;
		return same_server(t, idx, env);
	}
	if (rcode_ends_try(
		    rcode)) /* RFC 8914 section 4.23: "or they potentially refused to reply" */
		return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
	if (t->resolutions[idx].edns_retry) /* it was the EDNS: remember that */
		server_on_edns_refused(env->servers, server_idx, env->now);
	if (UNLIKELY((response->flags & DNS_FLAG_TC) != 0)) {
		if (has_tcp(&t->resolutions[idx], env))
			return on_truncated(t, idx, env);
		/* A server that has more to say than we can hear. */
		if (t->resolutions[idx].iterates)
			return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
	}
	if (env->judges)
		return RESOLUTION_STEP_JUDGE;
	return resolution_on_accepted(t, idx, rcode);
}

/* ---- judged ---- */

enum resolution_step resolution_on_accepted(struct resolution_table *t, uint32_t idx,
					    uint16_t rcode)
{
	t->resolutions[idx].rcode = rcode;
	resolution_set_state(t, idx, RESOLUTION_DONE);
	return RESOLUTION_STEP_ANSWER;
}

enum resolution_step resolution_on_known(struct resolution_table *t, uint32_t idx)
{
	return iterate(t, idx);
}

enum resolution_step resolution_on_useless(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env)
{
	return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

enum resolution_step resolution_on_doubted(struct resolution_table *t, uint32_t idx,
					   const struct resolution_env *env)
{
	if (has_tcp(&t->resolutions[idx], env))
		return on_truncated(t, idx, env);
	return next_try(t, idx, env, DNS_EDE_NO_REACHABLE_AUTHORITY);
}

/* ---- iterating ---- */

void resolution_on_ask(struct resolution_table *t, uint32_t idx)
{
	resolution_set_state(t, idx, RESOLUTION_ASK);
}

enum resolution_step resolution_on_choice(struct resolution_table *t, uint32_t idx,
					  const struct resolution_env *env, int16_t server_pos,
					  uint16_t server_idx, bool is_last)
{
	struct resolution *r = &t->resolutions[idx];
	uint32_t timeout_ms;

	r->server_pos = server_pos;
	r->server_idx = server_idx;
	r->edns_retry = false;
	r->tcp_for = server_idx < SERVER_SLOTS_MAX ? env->config->zones[r->key.zone_idx].transport
						   : RESOLUTION_TCP_FOR_NONE;
	timeout_ms = server_timeout_ms(r, env);
	if (is_last && timeout_ms < SERVER_RTO_MS_MAX)
		timeout_ms = SERVER_RTO_MS_MAX;
	try_for(r, timeout_ms, env->now);
	resolution_set_state(t, idx, RESOLUTION_SEND);
	return RESOLUTION_STEP_SEND;
}

enum resolution_step resolution_on_given_up(struct resolution_table *t, uint32_t idx, uint16_t ede)
{
	return fail(t, idx, ede);
}

enum resolution_step resolution_on_unwanted(struct resolution_table *t, uint32_t idx)
{
	resolution_set_state(t, idx, RESOLUTION_DONE);
	return RESOLUTION_STEP_END;
}

enum resolution_step resolution_on_found(struct resolution_table *t, uint32_t idx, uint16_t rcode)
{
	return resolution_on_accepted(t, idx, rcode);
}

bool resolution_on_answer(struct resolution_table *t, uint32_t idx, struct server_table *servers,
			  mono_ns now, const struct inflight_slot *slot,
			  const struct msg_response *response)
{
	struct resolution *r = &t->resolutions[idx];
	/* With TC it is none of those below. */
	unsigned rcode = (response->flags & (DNS_RCODE_MASK | DNS_FLAG_TC)) |
			 (unsigned)response->edns.extended_rcode << 4;

	/* Without EDNS the upper bits are zero. */
	if (UNLIKELY((rcode != DNS_RCODE_NOERROR && rcode != DNS_RCODE_NXDOMAIN) ||
		     response->qtype != slot->qtype || response->qclass != slot->qclass ||
		     r->edns_retry || server_case_doubted(servers, slot->server_idx)))
		return false;
	server_on_answer(servers, slot->server_idx, (uint32_t)((now - slot->sent_at) / NS_PER_US),
			 false, now);
	r->rcode = (uint16_t)rcode;
	resolution_set_state(t, idx, RESOLUTION_DONE);
	return true;
}

bool resolution_failure_tells(const struct resolution *r)
{
	/* It had less than it may have by itself: whoever asks for it next may have more to spend. */
	bool was_short = r->packets >= r->packets_max && !r->is_spent &&
			 (!r->iterates || r->packets < QUESTION_PACKETS_MAX);

	return r->ede != DNS_EDE_OTHER && (r->packets > 0 || r->iterates) && !was_short &&
	       r->tcp_tries < UPSTREAM_TCP_TRIES_MAX && r->near_misses == 0 && !r->hindered &&
	       !r->loops;
}
