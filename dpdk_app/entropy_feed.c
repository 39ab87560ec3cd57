#include "dpdk_app/entropy_feed.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "dpdk_app/log.h"

enum entropy_feed_result entropy_feed_key(void *out, size_t length_bytes)
{
	char reason[256];

	CHECK(length_bytes <= INT_MAX);
	if (RAND_bytes(out, (int)length_bytes) == 1)
		return ENTROPY_FEED_OK;
	ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
	log_write(CONFIG_LOG_ERROR, "entropy", "no random bytes from OpenSSL reason=\"%s\"",
		  reason);
	return ENTROPY_FEED_FAILED;
}

enum entropy_feed_result entropy_feed_fill(struct entropy *e)
{
	for (unsigned i = 0; i < ARRAY_COUNT(e->blocks); i++) {
		struct buffer block = entropy_block_to_fill(e);

		if (block.capacity_bytes == 0)
			break;
		if (entropy_feed_key(block.data, block.capacity_bytes) != ENTROPY_FEED_OK)
			return ENTROPY_FEED_FAILED;
		entropy_filled(e);
	}
	return ENTROPY_FEED_OK;
}
