/* `porticoctl ports`: the source ports of upstream queries, shown and governed.
 *
 * Memory: what is shown, freed. Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_PORTS_H
#define PORTICO_PORTICOCTL_PORTS_H

#include "core/check.h"
#include "dpdk_app/porticoctl_options.h"
#include "dpdk_app/porticoctl_socket.h"

/* What a command's arguments may be, before anybody is asked. False: printed what is wrong. args: the words after
 * the command. */
MUST_USE bool porticoctl_ports_check_why(const struct porticoctl_options *o,
					 const char *const args[]);
MUST_USE bool porticoctl_ports_check_set(const struct porticoctl_options *o,
					 const char *const args[]);
MUST_USE bool porticoctl_ports_check_audit(const struct porticoctl_options *o,
					   const char *const args[]);
MUST_USE bool porticoctl_ports_check_firewall(const struct porticoctl_options *o,
					      const char *const args[]);

/* Each false: printed why. */
MUST_USE bool porticoctl_ports_table(const struct porticoctl_socket *s,
				     const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_ports_why(const struct porticoctl_socket *s,
				   const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_ports_set(const struct porticoctl_socket *s,
				   const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_ports_audit(const struct porticoctl_socket *s,
				     const struct porticoctl_options *o, const char *const args[]);
MUST_USE bool porticoctl_ports_picture(const struct porticoctl_socket *s,
				       const struct porticoctl_options *o,
				       const char *const args[]);
MUST_USE bool porticoctl_ports_firewall(const struct porticoctl_socket *s,
					const struct porticoctl_options *o,
					const char *const args[]);

#endif
