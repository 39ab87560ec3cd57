/* /portico/ports_audit,NAME: asks 16 questions "<12 random hex digits>.NAME TXT" through the ordinary send side and
 * tells of each how its query left and what came back. Who judges is porticoctl (ports_audit_verdict.h).
 *
 * Threads: one audit at a time, under the caller's lock, which is given up while there is nothing to do but wait
 * (pause); it takes 4.5 s at most. The workers ask between two of their bursts (mailbox.h).
 */
#ifndef PORTICO_PORTS_AUDIT_H
#define PORTICO_PORTS_AUDIT_H

#include <rte_telemetry.h>
#include <stdbool.h>

#include "dpdk_app/worker.h"

/* A question ends after CLIENT_DEADLINE_MS; porticoctl waits for 5 s. */
#define PORTS_AUDIT_TIMEOUT_MS 4500

struct ports_audit_sources {
	struct worker *workers;
	unsigned worker_count;
	/* A few milliseconds, with the caller's lock free for others, who may use the workers' mailboxes meanwhile. False: it is
	 * ending, workers are not to be touched any more. */
	bool (*pause)(void);
};

/* data: a dictionary that has been started. Rows "0", "1" …: name, rcode, address, port, id (as sent; port 0: no answer),
 * answer (the first TXT record's text, "" if there is none; what is not printable is shown as '?'). If it cannot be
 * asked: "error". */
void ports_audit_reply(const struct ports_audit_sources *from, const char *name,
		       struct rte_tel_data *data);

#endif
