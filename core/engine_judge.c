/* What of a reply is believed (scrub.h), and what follows from that. */
#include "engine_hit.h"
#include "engine_iterate.h"
#include "msg_compose.h"

#include <string.h>

/* ---- what others have found ---- */

bool engine_cached_by_key(struct engine *e, const struct cache_key *key, struct msg_response *out)
{
	struct cache_found found;
	size_t length_bytes;

	if (!engine_cache_find(e, key, e->kept, &found) || cache_entry_is_failure(e->kept) ||
	    cache_entry_state(e->kept, 0, e->now_s) != CACHE_ENTRY_FRESH)
		return false;
	length_bytes =
		cache_entry_message((struct buffer){e->clean, sizeof(e->clean)}, e->kept, e->now_s);
	return length_bytes > 0 &&
	       msg_parse_response((struct span){e->clean, length_bytes}, out) == MSG_RESPONSE_OK;
}

bool engine_cached_message(struct engine *e, const struct name *qname, uint16_t qtype,
			   bool checking_disabled, struct msg_response *out)
{
	struct cache_key key;

	if (e->cache == NULL)
		return false;
	engine_key_make(e, qname, qtype, checking_disabled, &key);
	return engine_cached_by_key(e, &key, out);
}

bool engine_compose(struct engine *e, uint32_t idx, const struct msg_response *rest,
		    struct msg_response *out)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	const struct msg_response *links = engine_kept_answer(e, r);

	bool is_large = (r->answer_idx & ENGINE_ANSWER_LARGE) != 0;

	/* Only when it has ended are the links let go of, to make room for the whole. */
	return links != NULL &&
	       msg_compose_chain(links, rest, (struct buffer){e->composed, sizeof(e->composed)},
				 out) &&
	       (r->waiting == 0 || (out->message.length_bytes > ANSWER_BUFFER_BYTES) == is_large ||
		engine_can_keep(e, out->message.length_bytes));
}

/* ---- verdicts ---- */

/* Is there anybody else to be asked, or to be looked for? */
static bool has_others(const struct engine *e, uint32_t idx)
{
	const struct iteration *it = &e->iterations[idx];
	uint32_t all = (UINT32_C(1) << it->candidate_count) - 1;
	uint16_t type;

	return (iteration_tried_mask(it) & all) != all ||
	       iteration_address_next(it, true, true, &type) >= 0;
}

/* Others are asked; it has its turn again in the next round. */
static enum resolution_step passed_over(struct engine *e, uint32_t idx)
{
	struct resolution_env env = engine_env(e);

	counter_add(&e->counters, COUNTER_UPSTREAM_USELESS, 1);
	return resolution_on_useless(&e->resolutions, idx, &env);
}

static enum resolution_step useless(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	/* The only one is asked once more: what came first may not have been its own. */
	if (r->iterates && has_others(e, idx))
		iteration_spend(&e->iterations[idx], r->server_pos);
	return passed_over(e, idx);
}

/* A name that its servers have denied has something below it: they do not mean what they say (RFC 8020 section 3). */
static void on_liar(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = &e->iterations[idx];
	struct cache_found found;
	struct cache_key key;
	struct name denied;

	counter_add(&e->counters, COUNTER_DENIED_WRONGLY, 1);
	it->cut.flags |= ZONE_CUT_ENT_LIAR;
	if ((it->cut.flags & (ZONE_CUT_HINTS | ZONE_CUT_STUB)) == 0)
		engine_cut_store(e, &it->cut);
	iteration_suffix(&r->key.qname, it->denied_labels, &denied);
	it->denied_labels = 0;
	engine_key_make(e, &denied, DNS_TYPE_A, false, &key);
	if (engine_cache_find(e, &key, e->kept, &found))
		(void)cache_remove(e->cache, &found);
}

static bool is_priming(const struct resolution_key *key)
{
	return key->qname.length_bytes == 1 && key->qtype == DNS_TYPE_NS;
}

/* The message without what is not believed. False: there is no room for it. */
static bool cleaned(struct engine *e, const struct resolution *r,
		    const struct msg_response *response, uint8_t *message,
		    struct msg_response *clean)
{
	return scrub_clean(response, &e->scrubbed, message,
			   (struct buffer){e->clean, sizeof(e->clean)}, clean) &&
	       (r->waiting == 0 || engine_can_keep(e, clean->message.length_bytes));
}

static enum resolution_step on_answer(struct engine *e, uint32_t idx,
				      const struct msg_response *response, uint8_t *message,
				      struct msg_response *clean)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	uint16_t rcode = e->scrubbed.rcode;

	/* Before it is cleaned: the addresses are in what goes. Without a stub for the root. */
	if (r->key.zone_idx == ENGINE_ZONE_ITERATE && is_priming(&r->key) &&
	    zone_cut_from_priming(response, e->now_s, &e->cut))
		engine_cut_store(e, &e->cut);
	if (!cleaned(e, r, response, message, clean)) {
		resolution_on_hindered(&e->resolutions, idx);
		return useless(e, idx);
	}
	return resolution_on_accepted(&e->resolutions, idx, rcode);
}

/* Its links are kept until what they lead to is known. */
static enum resolution_step on_link(struct engine *e, uint32_t idx,
				    const struct msg_response *response, uint8_t *message,
				    struct msg_response *clean)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = &e->iterations[idx];

	if (it->budget.links < e->scrubbed.links || e->scrubbed.links == 0)
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_LINKS);
	if (!cleaned(e, r, response, message, clean) || !engine_keep_answer(e, r, clean)) {
		resolution_on_hindered(&e->resolutions, idx);
		return useless(e, idx);
	}
	it->budget.links = (uint8_t)(it->budget.links - e->scrubbed.links);
	it->has_target = true;
	name_copy(&it->target, &e->scrubbed.target);
	it->has_told = !engine_sub_release_steps(e, idx, SUB_NO_CUT, NULL) && it->is_step;
	return resolution_on_known(&e->resolutions, idx);
}

/* The cut that it tells of is e->cut. False: there is nobody in it to be asked. */
static bool read_referral(struct engine *e, uint32_t idx, const struct msg_response *response)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct iteration *it = &e->iterations[idx];
	uint64_t hash;

	/* No link leads to a referral: it is at or above the name that was asked. */
	DCHECK(name_is_below(&r->key.qname, &e->scrubbed.target));
	hash = engine_cut_hash_of(
		e, idx, (size_t)(r->key.qname.length_bytes - e->scrubbed.target.length_bytes));
	if (e->cache != NULL)
		cache_prefetch(e->cache, hash);
	zone_share_prefetch(&e->zone_shares, hash);
	if (!zone_cut_from_referral(response, &e->scrubbed.target, &it->cut, e->now_s, &e->cut))
		return false;
	e->cut.hash = hash;
	return true;
}

static void keep_referral(struct engine *e, struct iteration *it)
{
	it->budget.referrals--;
	counter_add(&e->counters, COUNTER_REFERRALS, 1);
	engine_cut_store(e, &e->cut);
}

/* Is what was said to a step that the resolution has asked itself the referral that it is asked for? Then the cut is at hand. */
static bool is_step_taken(struct engine *e, uint32_t idx, const struct msg_response *response,
			  const struct name *step_name)
{
	struct iteration *it = &e->iterations[idx];

	if (e->scrubbed.verdict != SCRUB_REFERRAL ||
	    !name_equal_exact(&e->scrubbed.target, step_name) || it->budget.referrals == 0 ||
	    !read_referral(e, idx, response))
		return false;
	keep_referral(e, it);
	iteration_book_step(it, &e->resolutions.resolutions[idx]);
	engine_iterate_adopt(e, idx, &e->cut);
	return true;
}

static enum resolution_step on_referral(struct engine *e, uint32_t idx,
					const struct msg_response *response)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = &e->iterations[idx];
	bool is_at_name = name_equal_exact(&e->scrubbed.target, &r->key.qname);

	/* Who is asked for DS, and refers, does not know what is the parent's to know. */
	if (is_at_name && r->key.qtype == DNS_TYPE_DS)
		return useless(e, idx);
	if (it->budget.referrals == 0)
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_REFERRALS);
	if (!read_referral(e, idx, response))
		return useless(e, idx);
	keep_referral(e, it);
	if (is_at_name)
		it->has_told = !engine_sub_release_steps(e, idx, SUB_CUT, &e->cut) && it->is_step;
	if (!it->has_told)
		engine_iterate_adopt(e, idx, &e->cut);
	return resolution_on_known(&e->resolutions, idx);
}

static enum resolution_step on_doubted(struct engine *e, uint32_t idx)
{
	struct resolution_env env = engine_env(e);
	enum resolution_step step = resolution_on_doubted(&e->resolutions, idx, &env);

	counter_add(&e->counters,
		    step == RESOLUTION_STEP_SEND ? COUNTER_TRUNCATED_TO_TCP
						 : COUNTER_UPSTREAM_USELESS,
		    1);
	return step;
}

/* A chain is believed up to where it comes to a zone that is configured by itself: that has servers of its own to ask. */
static void scrub(struct engine *e, uint32_t idx, const struct msg_response *response,
		  struct scrub_question *question)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	unsigned links, own_zones = r->key.zone_idx < e->config->zone_count ? 1 : 0;

	scrub_response(response, question, &e->scrubbed);
	links = e->scrubbed.links;
	if (links == 0 || e->config->zone_count <= own_zones)
		return;
	for (unsigned n = 1; n <= links; n++) {
		question->links_max = (uint8_t)n;
		scrub_response(response, question, &e->scrubbed);
		if (engine_zone_for(e->config, &e->scrubbed.target) != r->key.zone_idx)
			return;
	}
	question->links_max = 0;
	scrub_response(response, question, &e->scrubbed);
}

/* Names in the forward zone are its forwarder's to speak of; what leads out of it is asked for where it belongs, if anywhere. */
static enum resolution_step judge_forwarded(struct engine *e, uint32_t idx,
					    const struct msg_response *response, uint8_t *message,
					    struct msg_response *clean)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct scrub_question question = {
		.zone = &e->config->zones[r->key.zone_idx].name,
		.qname = &r->key.qname,
		.qtype = r->key.qtype,
		.is_recursive = true,
		.is_safe = true,
	};

	if (!resolution_has_zone(r, e->config))
		return useless(e, idx);
	scrub(e, idx, response, &question);
	if (e->scrubbed.verdict == SCRUB_LINK) {
		/* Within its zone the forwarder has said all that there is. */
		uint16_t zone_idx = engine_zone_for(e->config, &e->scrubbed.target);

		if (zone_idx == r->key.zone_idx || zone_idx == ENGINE_ZONE_NONE)
			return on_answer(e, idx, response, message, clean);
		engine_iterate_take_part(e, idx);
		return on_link(e, idx, response, message, clean);
	}
	if (e->scrubbed.verdict == SCRUB_ANSWER || e->scrubbed.verdict == SCRUB_NODATA ||
	    e->scrubbed.verdict == SCRUB_NXDOMAIN)
		return on_answer(e, idx, response, message, clean);
	return useless(e, idx);
}

enum resolution_step engine_judge(struct engine *e, uint32_t idx, const struct inflight_slot *slot,
				  const struct msg_response *response, uint8_t *message,
				  struct msg_response *clean)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	struct iteration *it = &e->iterations[idx];

	if (!r->iterates)
		return judge_forwarded(e, idx, response, message, clean);

	struct name step_name; /* not cleared: names are long */
	struct scrub_question question = {
		.zone = &it->cut.zone,
		.qname = &r->key.qname,
		.qtype = r->key.qtype,
		.is_safe = slot->transport == INFLIGHT_TCP || e->config->tcp_interfaces == 0,
	};
	enum scrub_verdict verdict;

	if (r->asks_step) {
		resolution_step_name(r, &step_name);
		question.qname = &step_name;
		question.qtype = DNS_TYPE_A;
	}
	scrub(e, idx, response, &question);
	if (r->asks_step) {
		if (is_step_taken(e, idx, response, &step_name))
			return resolution_on_known(&e->resolutions, idx);
		idx = engine_sub_here_part(e, idx);
		if (idx == POOL_NONE)
			return RESOLUTION_STEP_KEEP;
		r = &e->resolutions.resolutions[idx];
		it = &e->iterations[idx];
	}
	/* Some zones' servers never say that they are authoritative: when everybody was asked, and none has done better. */
	if (e->scrubbed.verdict == SCRUB_LAME && (it->round > 0 || !has_others(e, idx)))
		e->scrubbed.verdict = e->scrubbed.if_believed;
	verdict = e->scrubbed.verdict;
	if (UNLIKELY(r->traced))
		engine_trace_reply(e, idx, slot, response, scrub_verdict_text[verdict]);
	if (it->denied_labels != 0 && (verdict == SCRUB_ANSWER || verdict == SCRUB_NODATA ||
				       verdict == SCRUB_LINK || verdict == SCRUB_REFERRAL))
		on_liar(e, idx);
	switch (verdict) {
	case SCRUB_ANSWER:
	case SCRUB_NODATA:
	case SCRUB_NXDOMAIN:
		return on_answer(e, idx, response, message, clean);
	case SCRUB_LINK:
		return on_link(e, idx, response, message, clean);
	case SCRUB_REFERRAL:
		return on_referral(e, idx, response);
	case SCRUB_TCP:
		return on_doubted(e, idx);
	case SCRUB_LINKS:
		return engine_iterate_stop(e, idx, COUNTER_BUDGET_LINKS);
	case SCRUB_LAME:
		return e->scrubbed.if_believed == SCRUB_LAME ? useless(e, idx)
							     : passed_over(e, idx);
	case SCRUB_UPWARD:
	case SCRUB_LOOP:
	case SCRUB_RCODE:
	case SCRUB_BROKEN:
	case SCRUB_VERDICT_COUNT:
		break;
	}
	return useless(e, idx);
}
