/* Zone cuts in the cache: under their zone's name and type 0, which nobody can ask for. All workers find what any has learnt. A
 * cut that is lost costs a referral. */
#include "engine_hit.h"
#include "engine_iterate.h"

/* ---- hashes ---- */

static struct engine_name_ahead *name_ahead(struct engine *e, uint64_t hash)
{
	return &e->names_ahead[hash & (ENGINE_NAMES_AHEAD - 1)];
}

static uint64_t fold(const struct engine *e, const struct name *name, size_t at)
{
	uint8_t lower[NAME_FOLD_BYTES];

	return e->fold(e->fold_key, name->bytes + at, name->length_bytes - at, lower);
}

void engine_cut_look(struct engine *e, const struct cache_key *key, uint64_t name_hash)
{
	const struct name *name = engine_key_name(key);
	struct engine_name_ahead *ahead = name_ahead(e, key->hash);
	size_t at = 0;

	*ahead = (struct engine_name_ahead){.hash = key->hash};
	for (unsigned i = 0; i < NAME_HASHES && at + 1 < name->length_bytes; i++) {
		uint64_t hash = i == 0 && name_hash != 0 ? name_hash : fold(e, name, at);

		ahead->hashes.of[i] = hash;
		at += (size_t)name->bytes[at] + 1;
	}
}

void engine_cut_fetch(struct engine *e, uint64_t question_hash)
{
	const struct engine_name_ahead *ahead = name_ahead(e, question_hash);

	for (unsigned i = 0; i < NAME_HASHES && ahead->hashes.of[i] != 0; i++)
		cache_prefetch(e->cache, engine_cut_key_hash(ahead->hashes.of[i]));
}

void engine_name_ahead(struct engine *e, uint64_t question_hash, uint64_t hash)
{
	*name_ahead(e, question_hash) = (struct engine_name_ahead){question_hash, {{hash}}};
}

void engine_name_hashes_begin(struct engine *e, uint32_t idx)
{
	uint64_t hash = e->resolutions.resolutions[idx].key.hash;
	const struct engine_name_ahead *ahead = name_ahead(e, hash);

	if (ahead->hash == hash)
		e->iterations[idx].name_hashes = ahead->hashes;
}

uint64_t engine_name_hash(struct engine *e, uint32_t idx, size_t at)
{
	const struct name *name = &e->resolutions.resolutions[idx].key.qname;
	uint64_t *made = e->iterations[idx].name_hashes.of;
	size_t label_at = 0;
	unsigned i = 0;

	for (; label_at < at && i < NAME_HASHES; i++)
		label_at += (size_t)name->bytes[label_at] + 1;
	if (i == NAME_HASHES)
		return fold(e, name, at);
	if (made[i] == 0)
		made[i] = fold(e, name, at);
	DCHECK(made[i] == fold(e, name, at));
	return made[i];
}

/* ---- cuts ---- */

uint64_t engine_cut_hash_of(struct engine *e, uint32_t idx, size_t at)
{
	return engine_cut_key_hash(engine_name_hash(e, idx, at));
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

bool engine_cut_find(struct engine *e, uint32_t idx, size_t at, unsigned bytes_above,
		     struct zone_cut *out)
{
	const struct name *name = &e->resolutions.resolutions[idx].key.qname;
	struct cache_key key;

	for (; at < name->length_bytes && name->length_bytes - at > bytes_above;
	     at += (size_t)name->bytes[at] + 1) {
		uint64_t hash = engine_cut_hash_of(e, idx, at);

		if (!engine_cache_may_have(e, hash))
			continue;
		engine_key_known(name, at, CACHE_ENTRY_CUT_TYPE, 0, false, hash, &key);
		if (cut_of(e, &key, out))
			return true;
	}
	return false;
}

uint64_t engine_cut_hash(const struct engine *e, const struct name *zone)
{
	return engine_cut_key_hash(fold(e, zone, 0));
}

void engine_cut_store(struct engine *e, struct zone_cut *cut)
{
	struct cache_key key;
	unsigned word_count;

	if (e->cache == NULL || cut->expires_at_s <= e->now_s)
		return;
	if (cut->hash == 0)
		cut->hash = engine_cut_hash(e, &cut->zone);
	engine_key_known(&cut->zone, 0, CACHE_ENTRY_CUT_TYPE, 0, false, cut->hash, &key);
	if (!cache_entry_make_cut(e->kept, &word_count, &key, cut, e->now_s))
		return;
	switch (cache_put(e->cache_writer, &key, e->kept, word_count, e->now_s, e->flush)) {
	case CACHE_PUT_OK:
	case CACHE_PUT_LOST: /* counted there */
	case CACHE_PUT_TOO_LONG:
		break;
	}
}
