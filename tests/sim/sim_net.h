/* What is on its way in the simulated network: datagrams and replies over TCP, by the time of their arrival, and what is to happen then.
 *
 * Memory: heap. Threads: one's own.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "core/address.h"
#include "core/mono.h"
#include "tests/sim/world.h"

enum sim_kind {
	SIM_DATAGRAM,     /* to an engine */
	SIM_STREAM_REPLY, /* of a server over TCP */
	SIM_STREAM_FAIL,
	SIM_ASK, /* a client asks: question `idx` */
};

struct sim_item {
	mono_ns at;
	uint64_t order; /* of those of one time: as they were put */
	enum sim_kind kind;
	unsigned engine;
	unsigned idx;
	struct endpoint src;
	struct endpoint dst;
	struct world_event query; /* of a stream */
	enum stream_failure failure;
	uint32_t length_bytes;
	uint8_t *bytes;
};

struct sim_net {
	struct sim_item *items; /* a heap */
	unsigned count;
	unsigned capacity;
	uint64_t puts;
};

void sim_net_fini(struct sim_net *net);
/* bytes are copied. */
void sim_net_put(struct sim_net *net, const struct sim_item *item);
/* MONO_NEVER: nothing is on its way. */
mono_ns sim_net_next_at(const struct sim_net *net);
/* The first to arrive; its bytes are the caller's to free. */
struct sim_item sim_net_take(struct sim_net *net);

#endif
