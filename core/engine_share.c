/* Each zone's share of what a worker may have under way, held by those who ask its servers. */
#include "engine_iterate.h"

bool engine_share_take(struct engine *e, uint32_t idx)
{
	struct iteration *it = &e->iterations[idx];

	/* A stub's servers are configured. */
	if (it->has_share || (it->cut.flags & ZONE_CUT_STUB) != 0)
		return true;
	if (it->cut.hash == 0)
		it->cut.hash = engine_cut_hash(e, &it->cut.zone);
	if (zone_share_take(&e->zone_shares, it->cut.hash, e->now, &it->share_place) !=
	    ZONE_SHARE_OK)
		return false;
	it->has_share = true;
	it->share_at = e->now;
	return true;
}

void engine_share_put(struct engine *e, uint32_t idx, enum zone_share_end end)
{
	struct iteration *it = &e->iterations[idx];

	if (!it->has_share)
		return;
	it->has_share = false;
	zone_share_put(&e->zone_shares, it->share_place, it->share_at, end, e->now);
}

void engine_share_on_end(struct engine *e, uint32_t idx)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];

	if (r->rcode != DNS_RCODE_SERVFAIL || e->iterations[idx].has_told)
		engine_share_put(e, idx, ZONE_SHARE_HEARD);
	else
		engine_share_put(e, idx,
				 r->hindered || r->loops ? ZONE_SHARE_NEITHER : ZONE_SHARE_SILENT);
}

void engine_share_check(const struct engine *e)
{
	uint64_t in_use = 0;

	for (uint32_t i = 0; i < e->resolutions.free.fresh; i++) {
		const struct resolution *r = &e->resolutions.resolutions[i];
		const struct iteration *it = &e->iterations[i];

		if (!r->has_iteration || !it->has_share)
			continue;
		CHECK(r->state != RESOLUTION_FREE && r->state != RESOLUTION_DONE);
		in_use += it->share_place != ZONE_SHARE_NONE;
	}
	zone_share_check(&e->zone_shares, in_use);
}
