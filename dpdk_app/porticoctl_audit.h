/* porticoctl ports audit: asks questions for random names under a name whose server answers with what it saw of each
 * query (tests/lab/echo_server.py does), through Portico's ordinary send side, until enough are answered, and judges
 * what arrived outside (ports_audit_verdict.h).
 *
 * Threads: one.
 */
#ifndef PORTICO_PORTICOCTL_AUDIT_H
#define PORTICO_PORTICOCTL_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/check.h"
#include "dpdk_app/porticoctl_socket.h"

#define PORTICOCTL_AUDIT_COUNT 256 /* answers that are wanted, as a rule */
#define PORTICOCTL_AUDIT_COUNT_MIN 16
#define PORTICOCTL_AUDIT_COUNT_MAX 4096

struct porticoctl_audit {
	const char *name; /* what the echo server answers for; random labels go in front of it */
	uint64_t count;   /* answers wanted; 0: PORTICOCTL_AUDIT_COUNT */
	bool json;
};

enum porticoctl_audit_result {
	PORTICOCTL_AUDIT_OK,      /* what leaves us arrives as random as it left */
	PORTICOCTL_AUDIT_BAD,     /* something on the way takes it away: named on stdout */
	PORTICOCTL_AUDIT_REFUSED, /* not asked, or nothing came back: why is on stderr */
};

/* Prints the verdict. */
MUST_USE enum porticoctl_audit_result porticoctl_audit_run(const struct porticoctl_socket *s,
							   const struct porticoctl_audit *audit);

#endif
