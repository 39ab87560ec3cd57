/* `porticoctl cache`: what is kept, shown in presentation format, and taken out.
 *
 * Memory: what is shown, freed. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_CACHE_H
#define PORTICO_PORTICOCTL_CACHE_H

#include "core/check.h"
#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_socket.h"

/* What a command's arguments may be, before anybody is asked. False: printed what is wrong. args: the words after the
 * command, NULL behind the last. */
MUST_USE bool porticoctl_cache_check_lookup(const struct porticoctl_options *o,
					    const char *const args[]);
MUST_USE bool porticoctl_cache_check_flush(const struct porticoctl_options *o,
					   const char *const args[]);

/* Each false: printed why, or that nothing was found. */
MUST_USE bool porticoctl_cache_stats(const struct porticoctl_socket *s,
				     const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_cache_lookup(const struct porticoctl_socket *s,
				      const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_cache_flush(const struct porticoctl_socket *s,
				     const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_cache_flush_zone(const struct porticoctl_socket *s,
					  const struct porticoctl_options *o,
					  const char *const args[]);
MUST_USE bool porticoctl_cache_flush_all(const struct porticoctl_socket *s,
					 const struct porticoctl_options *o,
					 const char *const args[]);
MUST_USE bool porticoctl_cache_save(const struct porticoctl_socket *s,
				    const struct porticoctl_options *o, const char *const args[]);

#endif
