#include "dpdk_app/stream_counter.h"

const struct stream_counter_row stream_counter_rows[STREAM_COUNTER_COUNT] = {
#define X(symbol, name, help) [STREAM_##symbol] = {name, help},
	STREAM_COUNTERS(X) STREAM_GAUGES(X)
#undef X
};
