/* Questions as a file: the frames that the clients would send, in pcap form (classic, microseconds), for net_pcap to replay.
 *
 * Memory: of names.h. Threads: one.
 */
#ifndef LOAD_TRACE_H
#define LOAD_TRACE_H

#include "bench/load/options.h"
#include "core/check.h"

/* options->count frames to options->trace_file, to the MAC that net_pcap gives its first device. False: said why. */
MUST_USE bool trace_write(const struct options *options);

#endif
