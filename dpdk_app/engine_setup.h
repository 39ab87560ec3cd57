/* From the configuration, the started ports and the source sets to what engines run on: snapshots of the configuration, the
 * shared in-flight words, keys, the cache, and each worker's memory.
 *
 * Memory: tables once; they live until the process ends, because reports may still be looking. A snapshot is one block; the
 * one that was replaced is whoever reloads' to free, when every worker has begun two turns and nobody else looks at it.
 * Threads: the main thread makes it before workers start; then one thread at a time makes and publishes snapshots,
 * which all read.
 */
#ifndef PORTICO_ENGINE_SETUP_H
#define PORTICO_ENGINE_SETUP_H

#include "config/config.h"
#include "core/check.h"
#include "core/engine.h"
#include "core/engine_plan.h"
#include "core/name_fold.h"
#include "dpdk_app/eal.h"
#include "dpdk_app/kernel_path.h"
#include "dpdk_app/kernel_routes.h"
#include "dpdk_app/port.h"
#include "dpdk_app/port_keeper.h"
#include "dpdk_app/xdp.h"

struct engine_setup {
	/* workers: load (acquire); who reloads: stores (release) */
	const struct engine_config *_Atomic current;
	struct engine_plan plan;
	struct inflight_words words;
	struct server_shared_table servers;
	struct neighbour_shared neighbours;
	struct cache *cache; /* NULL: the configuration wants none */
	struct name_fold_key fold_key;
	const struct port_table *ports;
	const struct xdp_table *xdp;
	const struct kernel_path *path;
	struct port_keeper *keeper;
	struct kernel_routes *routes; /* NULL: the kernel keeps none */
	struct engine_params params;  /* what all workers share; worker_idx and table_key differ */
};

/* routes NULL: the kernel keeps none. NULL: too many servers, no memory or no randomness (logged). */
MUST_USE struct engine_setup *engine_setup_make(
	const struct config *config, const struct port_table *ports, const struct xdp_table *xdp,
	const struct kernel_path *path, struct port_keeper *keeper, struct kernel_routes *routes);

/* An engine for worker worker_idx, or for the stream thread (worker_idx is the count of workers), on socket_id's memory, its entropy
 * blocks full. NULL: failed (logged). */
MUST_USE struct engine *engine_setup_worker(struct engine_setup *s, uint8_t worker_idx,
					    enum eal_pages pages, int socket_id, mono_ns now);

/* ---- reload ---- */

/* How long what a reload takes out may still be referred to: the clients' deadline, and the replies that come late by either
 * configuration. */
uint64_t engine_setup_grace_ns(const struct config *last, const struct config *next);

/* The next snapshot, not published yet. The port keeper has the outgoing addresses' sets already. NULL: what the last reloads
 * have taken out still fills the tables, or no memory (logged). */
MUST_USE struct engine_config *engine_setup_snapshot(struct engine_setup *s,
						     const struct config *config, mono_ns now,
						     uint64_t grace_ns);
/* The workers take it with their next turns. Returns the one before. */
MUST_USE struct engine_config *engine_setup_publish(struct engine_setup *s,
						    const struct engine_config *next);
/* One that was replaced, or never published. */
void engine_setup_discard(struct engine_config *snapshot);

#endif
