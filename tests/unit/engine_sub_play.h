/* Sub-questions between engines of a rig, with whoever iterates played: the linker gives us what the engine would tell it
 * (Makefile: UNIT_PLAYED), while a play is on. Who asks is an ordinary question under way; what is asked is forwarded.
 *
 *   struct rig *r = sub_play(2);          change r->config, r->params, then rig_start(r)
 *   idx = sub_play_asker(r, 0, sub_play_name_of(r, 0, 0));
 *   sub_play_ask(r, 0, idx, SUB_LINK, text);
 *   rig_poll(r); ...                      player->heard has what came of it
 *   sub_play_end(r);
 */
#ifndef PORTICO_ENGINE_SUB_PLAY_H
#define PORTICO_ENGINE_SUB_PLAY_H

#include "core/engine_iterate.h"
#include "engine_rig.h"

#define HEARD_MAX 4096
#define LEFT_MAX 512 /* resolutions of an engine */

struct heard {
	unsigned engine;
	uint32_t asker_idx;
	struct sub_answer answer; /* response and cut: whether there was one */
	struct zone_cut cut;
	uint16_t record_count;
	struct name qname;
};

extern struct player {
	struct rig *r;
	struct budget left[RIG_ENGINES_MAX][LEFT_MAX];
	struct zone_cut cut;  /* every asker's */
	bool saw_cut;         /* the last question begun had one: */
	struct zone_cut seen; /* this */
	unsigned begun;
	unsigned joined;
	struct heard heard[HEARD_MAX];
	unsigned heard_count;
	void (*on_heard)(unsigned engine, uint32_t asker_idx);
} * player;

/* What the player has for this resolution's budget. */
struct budget *sub_play_left(const struct engine *e, uint32_t idx);
struct rig *sub_play(unsigned engine_count);
void sub_play_end(struct rig *r);
/* The nth name that this engine owns, with type A. Holds until 63 calls later. */
const char *sub_play_name_of(const struct rig *r, unsigned engine, unsigned n);
/* The resolution of this name; POOL_NONE: none. */
uint32_t sub_play_find(const struct rig *r, unsigned engine, const char *text);
/* A client's question, under way at the engine that owns it. */
uint32_t sub_play_asker(struct rig *r, unsigned engine, const char *text);
/* Of type A, with a whole budget, due in 2 s. */
struct sub_question sub_play_question(const struct rig *r, enum sub_purpose purpose,
				      const char *text);
void sub_play_ask(struct rig *r, unsigned engine, uint32_t idx, enum sub_purpose purpose,
		  const char *text);
/* The query for this name; those before it are forgotten. */
bool sub_play_query_for(struct rig *r, const char *text, struct rig_query *out);
/* Answer it. */
void sub_play_answer(struct rig *r, const char *text, const struct rig_reply *reply);
/* What was heard last; there must be so many. */
const struct heard *sub_play_heard(unsigned count);
/* A cut as long as one can be, and do they agree? */
void sub_play_make_cut(struct zone_cut *cut, const char *zone);
bool sub_play_cut_is(const struct zone_cut *a, const struct zone_cut *b);

#endif
