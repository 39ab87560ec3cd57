#include "tests/sim/sim_wire.h"

#include "core/limits.h"
#include "tests/sim/sim_state.h"

#include <string.h>

enum {
	QUESTION_MS_MAX = 5000, /* SECURITY.md table 1.1: all is over by then */
	GHOST_MS_MAX =
		10000, /* beyond its TTL: what was begun within it, and seconds that are whole ones */
	EDNS_REFUSED_MAX =
		8, /* by a server, of one engine; one or two would do where nothing is lost */
	STEPS_FOR_SURE = MINIMISED_STEPS_MAX,
	/* A question's own, and as much for what is asked beside it (priming, what is asked again early). */
	BYTES_MAX = 2 * UPSTREAM_BYTES_MAX,
	REFERRALS_SEEN_MAX = 2 * REFERRALS_MAX,
};

static uint64_t hash_of(const struct tree_name *name, unsigned salt)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325) + salt;

	for (unsigned i = 0; i < name->length_bytes; i++)
		sum = (sum ^ name->bytes[i]) * UINT64_C(0x100000001b3);
	return random_mix(sum) | 1;
}

/* Its place, or the free one where it belongs. */
static uint64_t *place_of(struct sim_wire *w, const struct tree_name *name)
{
	uint64_t hash = hash_of(name, 0);
	unsigned at = (unsigned)(hash >> 32) % SIM_WIRE_NAMES;

	for (unsigned i = 0; i + 1 < SIM_WIRE_NAMES; i++) {
		if (w->names[at] == 0 || w->names[at] == hash)
			break;
		at = (at + 1) % SIM_WIRE_NAMES;
	}
	return &w->names[at];
}

static bool was_asked(struct sim_wire *w, const struct tree_name *name)
{
	return *place_of(w, name) != 0;
}

/* ---- zones ---- */

static bool serves(const struct tree_server *server, unsigned zone_idx)
{
	for (unsigned i = 0; i < server->zone_count; i++)
		if (server->zones[i] == zone_idx)
			return true;
	return false;
}

/* The zone that has the cut; the root's own is the root. */
static unsigned parent_of(const struct tree *tree, unsigned zone_idx)
{
	const struct tree_name *name = &tree->zones[zone_idx].name;

	for (unsigned labels = tree_name_labels(name); labels > 0;) {
		struct tree_name above = tree_name_tail(name, --labels);
		int idx = tree_zone_named(tree, &above);

		if (idx >= 0)
			return (unsigned)idx;
	}
	return 0;
}

/* The deepest zone of the server that the name is in; -1: none. */
static int zone_at(const struct tree *tree, const struct tree_server *server,
		   const struct authority_question *q)
{
	int best = -1;

	for (unsigned i = 0; i < server->zone_count; i++) {
		const struct tree_name *zone = &tree->zones[server->zones[i]].name;

		if (!tree_name_is_below(&q->qname, zone) ||
		    (q->qtype == TREE_DS && zone->length_bytes > 1 &&
		     tree_name_equal(&q->qname, zone)))
			continue;
		if (best < 0 || zone->length_bytes > tree->zones[best].name.length_bytes)
			best = server->zones[i];
	}
	return best;
}

/* Does it have a zone above this one, and this one or what is below it? */
static bool bridges(const struct tree *tree, const struct tree_server *server,
		    const struct tree_name *zone)
{
	bool has_above = false, has_below = false;

	for (unsigned i = 0; i < server->zone_count; i++) {
		const struct tree_name *name = &tree->zones[server->zones[i]].name;

		if (tree_name_is_below(name, zone))
			has_below = true;
		else if (tree_name_is_below(zone, name))
			has_above = true;
	}
	return has_above && has_below;
}

void sim_wire_init(struct sim *s)
{
	const struct tree *tree = s->tree;

	for (unsigned z = 1; s->is_alone && z < tree->zone_count; z++)
		for (unsigned i = 0; i < tree->server_count && !s->wire.is_bridged[z]; i++)
			s->wire.is_bridged[z] =
				tree->servers[i].zone_count > 1 &&
				bridges(tree, &tree->servers[i], &tree->zones[z].name);
}

void sim_wire_begin(struct sim *s, const struct sim_question *q)
{
	struct sim_wire *w = &s->wire;

	w->question = q;
	w->is_beside = false;
	w->try_count = 0;
	w->referrals = 0;
	w->bytes = 0;
}

/* ---- what is looked at ---- */

static bool has_pauses(const struct sim *s)
{
	return sim_has(s, SIM_FAULT_PAUSES) || sim_has(s, SIM_FAULT_STOPPED_ENGINE);
}

/* Whoever never answers is asked a client's question twice, and no more (SECURITY.md D7). What is asked for its sake may have ended
 * for want of time, and is asked again. A server of several zones may be asked as each one's. */
static void check_tries(struct sim *s, const struct authority_question *q, int server_idx)
{
	struct sim_wire *w = &s->wire;
	uint64_t hash = hash_of(&q->qname, q->qtype);
	struct sim_try *at = NULL;

	if (server_idx < 0 || s->tree->servers[server_idx].zone_count > 1 ||
	    q->qtype != w->question->qtype || !tree_name_equal(&q->qname, &w->question->qname) ||
	    sim_has(s, SIM_FAULT_ATTACKER) ||
	    ((sim_has(s, SIM_FAULT_RINGS) || sim_has(s, SIM_FAULT_STOPPED_ENGINE)) &&
	     s->world->engine_count > 1) ||
	    (s->habits[server_idx] != SIM_HABIT_DEAD && !sim_is_cut_off(s, (unsigned)server_idx)))
		return;
	for (unsigned i = 0; i < w->try_count && at == NULL; i++)
		if (w->tries[i].question == hash && w->tries[i].server_idx == server_idx)
			at = &w->tries[i];
	if (at == NULL && w->try_count < SIM_WIRE_TRIES) {
		at = &w->tries[w->try_count++];
		*at = (struct sim_try){.question = hash, .server_idx = server_idx};
	}
	if (at != NULL && ++at->count > SERVER_TRIES_PER_QUESTION_MAX)
		sim_violated(s, "server %d, which says nothing, is asked %u times about one thing",
			     server_idx, at->count);
}

/* May names below this one be asked for at once? It is denied, or nothing is known of it. */
static bool tells_nothing(const struct sim *s, const struct tree_name *name)
{
	static struct reference want;

	reference_answer(s->tree, name, TREE_A, &want);
	return want.rcode != 0 || want.links > 0 || want.is_unanswerable;
}

/* A server hears of one label more than it has told of before (RFC 9156), where nothing goes wrong. */
static void check_minimised(struct sim *s, const struct authority_question *q, int zone_idx)
{
	struct sim_wire *w = &s->wire;
	unsigned labels = tree_name_labels(&q->qname);
	struct tree_name above;

	if (q->qname.length_bytes > 1 && !tree_name_is_below(&w->question->qname, &q->qname))
		w->is_beside = true;
	if (!s->is_calm || w->is_beside || zone_idx < 0 || labels < 2 ||
	    tree_name_labels(&w->question->qname) > STEPS_FOR_SURE)
		return;
	above = tree_name_tail(&q->qname, labels - 1);
	if (tree_name_labels(&above) <= tree_name_labels(&s->tree->zones[zone_idx].name) ||
	    was_asked(w, &above))
		return;
	for (unsigned n = labels - 1; n > tree_name_labels(&s->tree->zones[zone_idx].name); n--) {
		above = tree_name_tail(&q->qname, n);
		if (was_asked(w, &above) && tells_nothing(s, &above))
			return;
	}
	sim_violated(s, "a server of zone %d hears of %u labels before it has to", zone_idx,
		     labels);
}

/* A zone is asked only while who is above it says so, all the way up (ghost domains, SECURITY.md C4). */
static void check_ghost(struct sim *s, const struct tree_server *server, int zone_idx)
{
	const struct tree *tree = s->tree;
	unsigned z = zone_idx < 0 ? 0 : (unsigned)zone_idx;

	if (has_pauses(s) || sim_has(s, SIM_FAULT_CORRUPTION))
		return;
	/* It may have been asked as any zone's above, that it has. */
	for (unsigned above = z; above != 0;) {
		above = parent_of(tree, above);
		if (serves(server, above))
			z = above;
	}
	for (; z != 0; z = parent_of(tree, z)) {
		unsigned at = 0;
		unsigned parent = parent_of(tree, z);
		const struct tree_record *ns =
			tree_find(&tree->zones[parent], &tree->zones[z].name, TREE_NS, &at);

		if (tree->zones[z].name.length_bytes <= 1 || ns == NULL || s->wire.is_bridged[z])
			continue;
		if (s->world->now >
		    s->wire.referred_at[z] + ns->ttl_s * NS_PER_S + GHOST_MS_MAX * NS_PER_MS)
			sim_violated(s,
				     "zone %u is asked, and zone %u above it was told of long ago",
				     (unsigned)zone_idx, z);
	}
}

static void note_query(const struct sim *s, const struct world_event *event, int server_idx,
		       const struct authority_question *q)
{
	char text[4 * TREE_NAME_BYTES + 2];

	if (!s->options.verbose)
		return;
	tree_name_print(&q->qname, text);
	sim_note(s, "engine %u asks server %d (%s)%s: %s %u", event->engine, server_idx,
		 server_idx >= 0 ? sim_habit_text[s->habits[server_idx]] : "nobody",
		 event->kind == WORLD_STREAM_QUERY ? " over TCP" : "", text, q->qtype);
}

void sim_wire_query(struct sim *s, const struct world_event *event, int server_idx)
{
	struct sim_wire *w = &s->wire;
	const struct tree_server *server = server_idx < 0 ? NULL : &s->tree->servers[server_idx];
	struct authority_question q;
	int zone_idx;

	if (!authority_parse(event->message, event->length_bytes, &q))
		return;
	note_query(s, event, server_idx, &q);
	if (w->question == NULL)
		return;
	if (!has_pauses(s) && event->at > w->question->asked_at + QUESTION_MS_MAX * NS_PER_MS)
		sim_violated(s, "a server is asked %llu ms after the question",
			     (unsigned long long)((event->at - w->question->asked_at) / NS_PER_MS));
	if (event->kind == WORLD_QUERY)
		check_tries(s, &q, server_idx);
	if (server != NULL) {
		zone_idx = zone_at(s->tree, server, &q);
		check_minimised(s, &q, zone_idx);
		check_ghost(s, server, zone_idx);
	}
	*place_of(w, &q.qname) = hash_of(&q.qname, 0);
}

/* ---- replies ---- */

static void check_edns(struct sim *s, const struct world_event *query, int server_idx,
		       const struct authority_question *q)
{
	uint8_t *count = &s->wire.edns_refused[query->engine % SIM_WIRE_ENGINES][server_idx];

	if (s->habits[server_idx] != SIM_HABIT_NO_EDNS || !q->has_edns)
		return;
	if (++*count > EDNS_REFUSED_MAX)
		sim_violated(s, "server %d, which has no EDNS, is asked with EDNS again and again",
			     server_idx);
}

void sim_wire_reply(struct sim *s, const struct world_event *query, int server_idx,
		    const uint8_t *message, size_t bytes)
{
	enum { FLAG_AA_BYTE = 0x04 };
	struct sim_wire *w = &s->wire;
	struct authority_question q;
	struct tree_name cut;
	int zone_idx;

	if (w->question == NULL || bytes < 12 ||
	    !authority_parse(query->message, query->length_bytes, &q))
		return;
	check_edns(s, query, server_idx, &q);
	w->bytes += bytes;
	if (w->bytes > BYTES_MAX + AUTHORITY_MESSAGE_BYTES_MAX)
		sim_violated(s, "one question has cost %llu bytes", (unsigned long long)w->bytes);
	zone_idx = zone_at(s->tree, &s->tree->servers[server_idx], &q);
	if (zone_idx < 0 || (message[2] & FLAG_AA_BYTE) != 0 ||
	    !tree_find_cut(&s->tree->zones[zone_idx], &q.qname, &cut))
		return;
	if (++w->referrals > REFERRALS_SEEN_MAX)
		sim_violated(s, "one question has cost %u referrals", w->referrals);
	zone_idx = tree_zone_named(s->tree, &cut);
	if (zone_idx >= 0)
		w->referred_at[zone_idx] = s->world->now;
}
