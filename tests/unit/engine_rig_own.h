/* What the rig's own files share; tests see engine_rig.h only.
 *
 *   engine_rig.c          making one, turns, time, the books
 *   engine_rig_ring.c     packets on their way to the engines, and between them
 *   engine_rig_frame.c    frames: what the engines send, taken apart; what is sent to them, built
 *   engine_rig_message.c  the DNS messages in them
 *   engine_rig_stream.c   TCP: who carries it
 *   engine_rig_world.c    the configuration and the hosts that it begins with
 *   engine_rig_list.c     growing queues
 */
#ifndef PORTICO_ENGINE_RIG_OWN_H
#define PORTICO_ENGINE_RIG_OWN_H

#include "engine_rig.h"

void rig_rings_new(struct rig *r);
/* Also frees what is in them. */
void rig_rings_free(struct rig *r);
/* Carry what is in the rings, if that is to happen at once. */
void rig_rings_run(struct rig *r);
/* An engine's turn: what others have passed, then its device. */
void rig_receive(struct rig *r, unsigned engine);
/* When something will come out of a ring of an engine that is not stopped; MONO_NEVER: nothing. */
mono_ns rig_rings_next(const struct rig *r);

/* What an engine has for another one, of itself. */
void rig_pass_message(struct rig *r, unsigned from, const struct tx_slot *slot);
/* A question that the carrier's engine has passed; false: no place. */
bool rig_carrier_passes(struct rig *r, unsigned to, const uint8_t *data, uint32_t length_bytes);
/* What an engine has for who carries TCP. */
void rig_stream_take(struct rig *r, unsigned engine);
void rig_carrier_new(struct rig *r);

/* An engine has sent this. */
void rig_take_frame(struct rig *r, unsigned engine, const uint8_t *frame, uint32_t length,
		    uint8_t interface_idx);

#endif
