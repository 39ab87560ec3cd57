/* From the configuration, the started ports and the first source sets to what engines run on: the configuration snapshot, the shared
 * in-flight words, keys, and each worker's memory.
 *
 * Memory: allocated once; it lives until the process ends, because reports may still be looking. Threads: the
 * main thread builds it before workers start; then the snapshot is read by all.
 */
#ifndef PORTICO_ENGINE_SETUP_H
#define PORTICO_ENGINE_SETUP_H

#include "config/config.h"
#include "core/check.h"
#include "core/engine.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/xdp.h"

struct engine_setup {
	const struct engine_config *_Atomic current;
	struct engine_config snapshot;
	struct inflight_words words;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	struct engine_params params; /* what all workers share; worker_idx and table_key differ */
};

/* NULL: too many servers, no memory or no randomness (logged). */
MUST_USE struct engine_setup *engine_setup_make(const struct config *config,
						const struct port_table *ports,
						const struct xdp_table *xdp,
						struct port_keeper *keeper);

/* An engine for worker worker_idx on socket_id's memory, its entropy blocks full. NULL: failed (logged). */
MUST_USE struct engine *engine_setup_worker(struct engine_setup *s, uint8_t worker_idx,
					    enum eal_pages pages, int socket_id, mono_ns now);

#endif
