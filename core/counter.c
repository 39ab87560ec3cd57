#include "counter.h"

#include <assert.h>

const struct counter_row counter_rows[COUNTER_COUNT] = {
#define X(symbol, name, help) [COUNTER_##symbol] = {name, help},
	COUNTER_OUTCOMES(X) COUNTER_EVENTS(X)
#undef X
};

static_assert((int)COUNTER_OUTCOME_COUNT == (int)COUNTER_RX_PACKETS,
	      "events follow the outcomes without a gap");
