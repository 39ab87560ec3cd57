/* Replies to where few ports carry many queries, or lately have: which words they may be for. */
#include "engine_state.h"

/* Keep the words in ascending order of owner, then slot; what moves during a look may be seen twice. */
static void word_insert(struct engine_reply_words *out, struct inflight_hit at,
			enum inflight_find found)
{
	unsigned place = out->count;

	for (unsigned i = 0; i < out->count; i++) {
		const struct inflight_hit *there = &out->words[i].at;

		if (there->owner == at.owner && there->slot == at.slot)
			return;
		if (place == out->count && (there->owner > at.owner ||
					    (there->owner == at.owner && there->slot > at.slot)))
			place = i;
	}
	for (unsigned i = out->count; i > place; i--)
		out->words[i] = out->words[i - 1];
	out->words[place] = (struct engine_reply_word){at, (uint8_t)found};
	out->count++;
}

/* The hash that the query would have if its set were of the other kind. */
static uint64_t other_hash(const struct source_set *source, const struct engine_rx_work *work)
{
	uint64_t hash = inflight_hash(work->peer_hash, work->view.dst_port);

	return source->is_small ? hash
				: inflight_hash_of_few(hash, source_identifier_of(&work->view.dst),
						       msg_id(work->view.payload));
}

void engine_reply_find(const struct engine *e, const struct engine_rx_work *work,
		       struct engine_reply_words *out)
{
	const struct inflight_words *words = e->inflight.words;
	const struct source_set *source = e->sources[work->outgoing_idx];
	struct inflight_hit hits[2][INFLIGHT_BUCKET_WORDS];
	unsigned counts[2] = {0, 0};
	enum inflight_find found[2] = {INFLIGHT_NONE, INFLIGHT_NONE};
	enum inflight_find best;
	uint16_t id = msg_id(work->view.payload);

	out->count = 0;
	found[0] = inflight_find(words, work->hash, id, hits[0], &counts[0]);
	if (source->was_other_kind)
		found[1] = inflight_find(words, other_hash(source, work), id, hits[1], &counts[1]);
	/* An equal ID wins over a near miss, a live word over a late one, whichever kind they are of. */
	best = found[0] < found[1] ? found[0] : found[1];
	for (unsigned kind = 0; kind < ARRAY_COUNT(counts); kind++)
		for (unsigned i = 0; found[kind] == best && i < counts[kind]; i++)
			word_insert(out, hits[kind][i], best);
	out->has_id = best == INFLIGHT_MATCH || best == INFLIGHT_LATE;
}

static bool has_owner(const struct engine_reply_words *words, uint8_t owner)
{
	for (unsigned i = 0; i < words->count; i++)
		if (words->words[i].at.owner == owner)
			return true;
	return false;
}

void engine_reply_aim(const struct engine *e, const struct engine_rx_work *work,
		      const struct engine_reply_words *by_id, struct engine_reply_aim *out)
{
	const struct inflight_words *words = e->inflight.words;
	struct inflight_hit hits[INFLIGHT_BUCKET_WORDS];
	unsigned hit_count;
	uint64_t hash;

	out->words.count = 0;
	out->words.has_id = false;
	if (!by_id->has_id)
		out->words = *by_id;
	if (!inflight_aim_parse(work->view.payload, &out->question))
		return;
	hash = inflight_aim_hash(words, work->peer_hash, &out->question.qname, out->question.qtype,
				 out->question.qclass);
	out->mark = inflight_mark_of_reply(words, hash, msg_id(work->view.payload),
					   work->view.dst_port);
	hit_count = inflight_aim_find(words, hash, hits);
	for (unsigned i = 0; i < hit_count; i++)
		if (!by_id->has_id || hits[i].owner == e->worker_idx ||
		    !has_owner(by_id, hits[i].owner))
			word_insert(&out->words, hits[i], INFLIGHT_AIMED);
}

/* The first owner from this one on, but us; UINT8_MAX: none. */
static uint8_t first_owner(const struct engine *e, const struct engine_reply_words *words,
			   unsigned from)
{
	for (unsigned i = 0; i < words->count; i++)
		if (words->words[i].at.owner >= from && words->words[i].at.owner != e->worker_idx)
			return words->words[i].at.owner;
	return UINT8_MAX;
}

uint8_t engine_reply_next(const struct engine *e, const struct engine_reply_words *by_id,
			  const struct engine_reply_words *aimed)
{
	uint8_t next;

	/* In the second round, as we have no word of its ID. */
	if (!by_id->has_id || !has_owner(by_id, e->worker_idx))
		return first_owner(e, aimed, e->worker_idx);
	next = first_owner(e, by_id, e->worker_idx);
	return next != UINT8_MAX ? next : first_owner(e, aimed, 0);
}

/* ---- duplicates ---- */

void engine_finished_add(struct engine *e, const struct inflight_slot *slot)
{
	struct inflight_mark mark = inflight_mark_of(e->inflight.words, slot);

	e->finished[mark.bucket % ENGINE_FINISHED] = mark;
}

bool engine_finished_has(const struct engine *e, const struct inflight_mark *mark)
{
	return inflight_mark_equal(&e->finished[mark->bucket % ENGINE_FINISHED], mark);
}
