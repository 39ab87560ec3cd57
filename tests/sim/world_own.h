/* What the world's own files share.
 *
 *   world.c       making one, its configuration, turns, time, the books
 *   world_ring.c  packets on their way to the engines and between them; verdicts carried out
 *   world_wire.c  frames: what the engines send, taken apart; what is sent to them, built; TCP
 */
#ifndef PORTICO_WORLD_OWN_H
#define PORTICO_WORLD_OWN_H

#include "world.h"

void world_rings_new(struct world *w);
void world_rings_free(struct world *w); /* and what is in them */
/* When something comes out of a ring or device of an engine that is not stopped. */
mono_ns world_rings_next(const struct world *w);
/* An engine's turn, the first half: what others have passed, then its device. */
void world_receive(struct world *w, unsigned engine);
/* A frame for the engine's device. */
void world_frame(struct world *w, unsigned engine, const uint8_t *frame, uint32_t length_bytes);
/* Into a ring of this kind; false: it is full, counted and told. */
bool world_pass(struct world *w, unsigned from, unsigned to, enum rx_kind kind, const uint8_t *data,
		uint32_t length_bytes);

/* An engine has sent this. */
void world_take_frame(struct world *w, unsigned engine, const uint8_t *frame,
		      uint32_t length_bytes);
/* What an engine has for who carries TCP. */
void world_take_streams(struct world *w, unsigned engine);

void *world_memory(size_t bytes); /* whole cache lines */

#endif
