/* What engines know, changed by steps: messages that are cached, how fast a server is. */
#include <stdlib.h>

#include "core/cache.h"
#include "core/cache_entry.h"
#include "core/dns_const.h"
#include "core/engine_state.h"
#include "rpl.h"
#include "tests/sim/world.h"

/* The entry of the same age as its TTL: its time is over. */
static void expire(struct world *w, const struct cache_key *key, uint64_t words[])
{
	struct engine *e = w->engines[0];
	struct cache_head head = cache_head_get(words);

	head.stored_at_s = e->now_s - head.ttl_s;
	cache_head_set(words, &head);
	(void)!cache_put(e->cache_writer, key, words, head.word_count, e->now_s, NULL);
}

void rpl_forget(struct rpl_file *f, struct world *w, const struct rpl_step *s)
{
	static uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_candidates candidates;
	struct cache_found found;
	struct cache_key key;
	struct name name;

	if (!name_from_text(s->name, &name))
		rpl_stop(f, RPL_SKIP, "line %u: no name: %s", s->line, s->name);
	for (unsigned cd = 0; cd < 2; cd++) {
		engine_key_make(w->engines[0], &name, s->qtype, cd != 0, &key);
		cache_candidates(w->cache, key.hash, &candidates);
		if (cache_find(w->cache, &candidates, &key, copy, CACHE_ENTRY_WORDS_MAX, &found) !=
		    CACHE_FOUND)
			continue;
		if (s->kind == RPL_STEP_EXPIRE_MESSAGE)
			expire(w, &key, copy);
		else
			(void)cache_remove(w->cache, &found);
	}
}

/* As if the server had answered after so long. */
void rpl_set_rtt(struct world *w, const struct rpl_step *s)
{
	struct endpoint server = {s->address, DNS_PORT};

	for (unsigned i = 0; i < w->engine_count; i++) {
		struct server_table *servers = &w->engines[i]->servers;
		uint16_t idx = server_learn(servers, &server, w->now);

		if (idx == SERVER_NONE)
			continue;
		server_on_sent(servers, idx);
		server_on_answer(servers, idx, s->count * 1000, false, w->now);
	}
}
