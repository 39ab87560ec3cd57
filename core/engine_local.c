/* Questions that are answered here (local_name.h), by the worker that owns them: kept and given out as if a server had said so. */
#include "engine_iterate.h"

#include "local_name.h"

/* Is there a zone of the configuration at or below the special one, or one above it that a site's own server may answer for? */
static bool is_configured(const struct engine *e, const struct resolution_key *key,
			  const struct local_name *local)
{
	const struct engine_config *c = e->config;

	if (key->zone_idx >= c->zone_count)
		return false;
	return c->zones[key->zone_idx].name.length_bytes >= local->zone_bytes ||
	       (!engine_zone_iterates(c, key->zone_idx) && local_name_is_for_forwarders(local));
}

bool engine_local_answer(struct engine *e, uint32_t idx)
{
	struct resolution *r = &e->resolutions.resolutions[idx];
	struct msg_response found;
	struct local_name local;
	enum resolution_step step;
	size_t length_bytes;

	if (LIKELY(!local_name_find(&r->key.qname, r->key.qtype, &local)) ||
	    !resolution_has_zone(r, e->config) || is_configured(e, &r->key, &local))
		return false;
	length_bytes = local_name_answer((struct buffer){e->composed, sizeof(e->composed)}, &local,
					 &r->key.qname, r->key.qtype);
	if (length_bytes == 0 ||
	    msg_parse_response((struct span){e->composed, length_bytes}, &found) != MSG_RESPONSE_OK)
		return false;
	counter_add(&e->counters, COUNTER_LOCAL_NAMES, 1);
	if (r->waiting != 0 && !engine_can_keep(e, length_bytes)) {
		resolution_on_hindered(&e->resolutions, idx);
		step = resolution_on_given_up(&e->resolutions, idx, DNS_EDE_OTHER);
	} else {
		if (e->cache != NULL)
			engine_cache_store(e, r, &found, e->composed);
		step = resolution_on_found(&e->resolutions, idx, found.flags & DNS_RCODE_MASK);
	}
	engine_step(e, idx, step, &found);
	return true;
}
