#include "bench/load/load_counter.h"

#include <assert.h>

const char *const load_counter_text[] = {
	[LOAD_SENT] = "sent",
	[LOAD_ANSWERED] = "answered",
	[LOAD_LOST] = "lost",
	[LOAD_LOST_AWAY] = "lost_away",
	[LOAD_LATE] = "late",
	[LOAD_SENT_SET] = "sent_set",
	[LOAD_ANSWERED_SET] = "answered_set",
	[LOAD_ANSWERED_NEW] = "answered_new",
	[LOAD_LOST_SET] = "lost_set",
	[LOAD_WRONG] = "wrong",
	[LOAD_WRONG_RCODE] = "wrong_rcode",
	[LOAD_WRONG_RECORD] = "wrong_record",
	[LOAD_WRONG_TTL] = "wrong_ttl",
	[LOAD_WRONG_GROWN] = "wrong_grown",
	[LOAD_WRONG_MESSAGE] = "wrong_message",
	[LOAD_WRONG_SOURCE] = "wrong_source",
	[LOAD_CHECKED] = "checked",
	[LOAD_TRUNCATED] = "truncated",
	[LOAD_UNSENT_NO_SLOT] = "unsent_no_slot",
	[LOAD_UNSENT_NO_BUFFER] = "unsent_no_buffer",
	[LOAD_UNSENT_AWAY] = "unsent_away",
	[LOAD_AWAY] = "away",
	[LOAD_UPSTREAM_QUERIES] = "upstream_queries",
	[LOAD_UPSTREAM_ANSWERED] = "upstream_answered",
	[LOAD_UPSTREAM_REFERRALS] = "upstream_referrals",
	[LOAD_UPSTREAM_WRONG_IDS] = "upstream_wrong_ids",
	[LOAD_UPSTREAM_SILENT] = "upstream_silent",
	[LOAD_UPSTREAM_LOSS] = "upstream_loss",
	[LOAD_UPSTREAM_MUTATED] = "upstream_mutated",
	[LOAD_UPSTREAM_MALFORMED] = "upstream_malformed",
	[LOAD_UPSTREAM_NO_BUFFER] = "upstream_no_buffer",
	[LOAD_LINK_ANSWERS] = "link_answers",
	[LOAD_GARBAGE] = "garbage",
	[LOAD_RX_PACKETS] = "rx_packets",
	[LOAD_TX_PACKETS] = "tx_packets",
	[LOAD_TX_REFUSED] = "tx_refused",
	[LOAD_TX_DROPPED] = "tx_dropped",
	[LOAD_BUSY_CYCLES] = "busy_cycles",
};
static_assert(sizeof(load_counter_text) / sizeof(load_counter_text[0]) == LOAD_COUNTER_COUNT,
	      "each counter has a name");

const char *const load_class_text[LOAD_CLASSES] = {
	[LOAD_CLASS_SET] = "set",
	[LOAD_CLASS_NEW] = "new",
};

static void subtract(uint64_t *later, const uint64_t *earlier, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		later[i] -= earlier[i];
}

void load_counter_subtract(struct load_counters *later, const struct load_counters *earlier)
{
	subtract(later->of, earlier->of, LOAD_COUNTER_COUNT);
	subtract(later->rcodes, earlier->rcodes, LOAD_RCODES);
	subtract(later->garbage, earlier->garbage, FRAME_RESULT_COUNT);
	subtract(later->upstream_by_server, earlier->upstream_by_server,
		 ARRAY_COUNT(later->upstream_by_server));
}
