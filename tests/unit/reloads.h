/* A rig whose configuration is replaced while it runs, as the driver does it.
 *
 *   reloads_start(&s, 1, 0)            a rig of one engine, without a cache
 *   reloads_begin(&s)                  s.next: all that the last snapshot has, but for servers and zones
 *   reloads_zone(&s, ".", servers)     any other change: to *s.next
 *   reloads_do(&s)                     published, taken by every engine, the last one freed
 *   reloads_finish(&s)                 with the rig
 *
 * The last snapshot is freed as the driver frees it, so that a look at it shows under AddressSanitizer.
 */
#ifndef PORTICO_TEST_RELOADS_H
#define PORTICO_TEST_RELOADS_H

#include "core/engine_plan.h"
#include "engine_rig.h"

/* How long what is gone has its place. */
#define RELOADS_GRACE_NS (8 * NS_PER_S)

struct reloads {
	struct rig *r;
	struct engine_plan plan;
	struct engine_config *running; /* NULL: the rig's own */
	struct engine_config *next;
	void *running_acl, *next_acl;
};

/* Two zones: "." at the link's server (198.18.0.10), example.org at the far one (203.0.113.11). */
void reloads_start(struct reloads *s, unsigned engine_count, size_t cache_bytes);
const struct engine_config *reloads_running(const struct reloads *s);
void reloads_begin(struct reloads *s);
/* As it stands in a snapshot. */
struct endpoint reloads_server(const char *address);
/* servers: addresses, NULL behind the last. */
void reloads_zone(struct reloads *s, const char *name, const char *const servers[]);
/* Published; not seen by anybody yet. Returns the one before, which reloads_settle frees. */
struct engine_config *reloads_publish(struct reloads *s);
/* Two turns of every engine. */
void reloads_settle(struct reloads *s, struct engine_config *last);
void reloads_do(struct reloads *s);
void reloads_finish(struct reloads *s);

#endif
