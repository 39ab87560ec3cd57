/* TCP in telemetry replies: connections of clients by state; servers, a row each and local address (telemetry_rows.h).
 *
 * Threads: one at a time, the caller's lock; the stream thread answers (stream_report.h), else the reply is an "error".
 */
#ifndef PORTICO_TELEMETRY_TCP_H
#define PORTICO_TELEMETRY_TCP_H

#include <rte_telemetry.h>
#include <stdint.h>

#include "dpdk_app/stream_report.h"

/* data: a dictionary that has been started. report: NULL: there is no TCP, as the reply says. */
void telemetry_tcp_clients(struct stream_report *report, struct rte_tel_data *data);
void telemetry_tcp_servers(struct stream_report *report, uint32_t cursor,
			   struct rte_tel_data *data);

#endif
