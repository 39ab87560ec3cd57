/* RFC 8020: what is below a name that there is not is not either. */
#include "engine_hit.h"
#include "engine_iterate.h"
#include "msg_compose.h"

/* The question by itself, as a message that has no records. */
static bool bare_question(struct engine *e, const struct resolution_key *key,
			  struct msg_response *out)
{
	struct msg_reply_params params = {
		.qname = &key->qname,
		.qtype = key->qtype,
		.qclass = key->qclass,
		.ede = DNS_EDE_NONE,
	};
	size_t length_bytes =
		msg_build_reply((struct buffer){e->scratch, sizeof(e->scratch)}, &params);

	return length_bytes > 0 &&
	       msg_parse_response((struct span){e->scratch, length_bytes}, out) == MSG_RESPONSE_OK;
}

/* Its name from `at` on. */
static bool is_denied(struct engine *e, uint32_t idx, size_t at, struct msg_response *out)
{
	struct cache_key key;
	uint64_t hash = engine_key_hash(engine_name_hash(e, idx, at), DNS_TYPE_A, 0);

	if (!engine_cache_may_have(e, hash))
		return false;
	engine_key_known(&e->resolutions.resolutions[idx].key.qname, at, DNS_TYPE_A, 0, false, hash,
			 &key);
	return engine_cached_by_key(e, &key, out) &&
	       (out->flags & DNS_RCODE_MASK) == DNS_RCODE_NXDOMAIN && out->answer_count == 0;
}

bool engine_denied_above(struct engine *e, uint32_t idx, struct msg_response *found)
{
	const struct resolution *r = &e->resolutions.resolutions[idx];
	const struct iteration *it = &e->iterations[idx];
	struct msg_response denial, question;
	unsigned labels, all;

	if (it->is_step || (it->cut.flags & ZONE_CUT_ENT_LIAR) != 0)
		return false;
	labels = all = name_label_count(&r->key.qname);
	/* Under its own name it is found by whoever asked for A; the root has no name above it. */
	if (r->key.qtype == DNS_TYPE_A && labels > 0)
		labels--;
	for (unsigned n = it->probed_labels + 1u; n <= labels; n++) {
		if (is_denied(e, idx, name_at_label(&r->key.qname, all - n), &denial))
			return bare_question(e, &r->key, &question) &&
			       msg_compose_chain(&question, &denial,
						 (struct buffer){e->composed, sizeof(e->composed)},
						 found);
	}
	return false;
}
