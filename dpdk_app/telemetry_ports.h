/* What porticoctl shows of source ports, as telemetry replies: rows "0", "1", … each a dictionary, "next" the cursor to
 * go on from, and "more", 0 at the end. Numbers with decimals are strings, "" where there is none.
 *
 *   ports            a row an outgoing address: what the rules leave, what is drawn, and how random it looks
 *   ports_ranges     maximal runs of ports of equal verdict, drawn and accepted; cursor: outgoing << 16 | first port; a
 *                    page is of one address, and "set" another number when that has changed since the page before
 *   ports_why        a row an outgoing address: verdict and sentence of one port
 *   ports_conflicts  ports given to processes, newest first
 *   ports_allow      the networks that may ask, less those within others
 *   ports_set        "result": "ok" or "refused", "why"
 *
 * Threads: one at a time, the caller's lock.
 */
#ifndef PORTICO_TELEMETRY_PORTS_H
#define PORTICO_TELEMETRY_PORTS_H

#include <rte_telemetry.h>
#include <stdint.h>

#include "config/config.h"
#include "dpdk_app/port_keeper.h"

struct telemetry_ports_sources {
	const struct config *config;
	struct port_keeper *keeper;
};

/* data: a dictionary that has been started. cursor: 0, or the "next" of the page before. */
void telemetry_ports_rows(const struct telemetry_ports_sources *from, uint32_t cursor,
			  struct rte_tel_data *data);
void telemetry_ports_ranges(const struct telemetry_ports_sources *from, uint32_t cursor,
			    struct rte_tel_data *data);
/* port: untrusted text. */
void telemetry_ports_why(const struct telemetry_ports_sources *from, const char *port,
			 struct rte_tel_data *data);
void telemetry_ports_conflicts(const struct telemetry_ports_sources *from, uint32_t cursor,
			       struct rte_tel_data *data);
void telemetry_ports_allow(const struct telemetry_ports_sources *from, uint32_t cursor,
			   struct rte_tel_data *data);
/* setting: untrusted text, KEY=VALUE. */
void telemetry_ports_set(const struct telemetry_ports_sources *from, const char *setting,
			 struct rte_tel_data *data);

#endif
