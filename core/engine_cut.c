/* Zone cuts in the cache: under their zone's name and type 0, which nobody can ask for. All workers find what any has learnt. A
 * cut that is lost costs a referral. */
#include "engine_hit.h"
#include "engine_iterate.h"

#define CUT_TYPE 0
/* Of a name's own and the zones above it so many are looked for ahead: where most cuts are. */
#define CUTS_AHEAD 3

void engine_cut_look(const struct engine *e, const struct name *name)
{
	uint8_t lower[NAME_FOLD_BYTES];
	size_t at = 0;

	for (unsigned i = 0; i < CUTS_AHEAD && at + 1 < name->length_bytes; i++) {
		uint64_t name_hash =
			e->fold(e->fold_key, name->bytes + at, name->length_bytes - at, lower);

		cache_prefetch(e->cache, engine_key_hash(name_hash, CUT_TYPE, 0));
		if (i > 0)
			cache_prefetch(e->cache, engine_key_hash(name_hash, DNS_TYPE_A, 0));
		at += (size_t)name->bytes[at] + 1;
	}
}

/* The fresh cut under this key. */
static bool cut_of(struct engine *e, const struct cache_key *key, struct zone_cut *out)
{
	struct cache_found found;

	if (!engine_cache_find(e, key, e->kept, &found) ||
	    cache_entry_state(e->kept, 0, e->now_s) != CACHE_ENTRY_FRESH ||
	    !cache_entry_cut(e->kept, out) || out->expires_at_s <= e->now_s)
		return false;
	DCHECK(out->hash == key->hash);
	return true;
}

bool engine_cut_find(struct engine *e, const struct name *name, unsigned bytes_above,
		     struct zone_cut *out)
{
	struct cache_key key;
	size_t at = 0;

	if (e->cache == NULL)
		return false;
	for (; at < name->length_bytes && name->length_bytes - at > bytes_above;
	     at += (size_t)name->bytes[at] + 1) {
		engine_key_fold(e, name->bytes + at, (uint8_t)(name->length_bytes - at), CUT_TYPE,
				0, &key);
		if (cut_of(e, &key, out))
			return true;
	}
	return false;
}

uint64_t engine_cut_hash(const struct engine *e, const struct name *zone)
{
	uint8_t lower[NAME_FOLD_BYTES];

	return engine_key_hash(e->fold(e->fold_key, zone->bytes, zone->length_bytes, lower),
			       CUT_TYPE, 0);
}

void engine_cut_store(struct engine *e, struct zone_cut *cut)
{
	struct cache_key key;
	unsigned word_count;

	if (e->cache == NULL || cut->expires_at_s <= e->now_s)
		return;
	if (cut->hash == 0)
		cut->hash = engine_cut_hash(e, &cut->zone);
	engine_key_known(&cut->zone, CUT_TYPE, 0, false, cut->hash, &key);
	if (!cache_entry_make_cut(e->kept, &word_count, &key, cut, e->now_s))
		return;
	switch (cache_put(e->cache_writer, &key, e->kept, word_count, e->now_s, e->flush)) {
	case CACHE_PUT_OK:
	case CACHE_PUT_LOST: /* counted there */
	case CACHE_PUT_TOO_LONG:
		break;
	}
}
