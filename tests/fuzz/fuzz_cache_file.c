/* Fuzzes the reading of a cache file, and what is done with entries that it gives.
 *
 * Input: the file. Its checksum, and the length of all entries, are made right first where there is room for them, so that
 * what lies behind is reached.
 */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cache_entry.h"
#include "core/check.h"
#include "dpdk_app/cache_file.h"

#define DIGEST_BYTES 32
#define BODY_BYTES_AT 16 /* in the end */
#define FRAME_BYTES (CACHE_FILE_START_BYTES + CACHE_FILE_END_BYTES)
#define NOW_S 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void seal(uint8_t *file, size_t size)
{
	const uint64_t body_bytes = size - FRAME_BYTES;

	memcpy(file + size - CACHE_FILE_END_BYTES + BODY_BYTES_AT, &body_bytes, sizeof(body_bytes));
	CHECK(EVP_Digest(file, size - DIGEST_BYTES, file + size - DIGEST_BYTES, NULL, EVP_sha256(),
			 NULL) == 1);
}

static int file_make(const uint8_t *data, size_t size)
{
	uint8_t *file = malloc(size + 1);
	int fd = memfd_create("cache", MFD_CLOEXEC);

	CHECK(file != NULL && fd >= 0);
	memcpy(file, data, size);
	if (size >= FRAME_BYTES)
		seal(file, size);
	CHECK(write(fd, file, size) == (ssize_t)size);
	free(file);
	return fd;
}

/* What is read out of an entry must bear being used. */
static void use(const uint64_t words[], unsigned word_count)
{
	const size_t bytes = word_count * sizeof(words[0]);
	uint64_t *entry = malloc(bytes);
	uint8_t *message = malloc(UINT16_MAX);

	CHECK(entry != NULL && message != NULL);
	memcpy(entry, words, bytes);
	(void)cache_entry_state(entry, 86400, NOW_S);
	(void)cache_entry_wants_refresh(entry, NOW_S);
	(void)cache_entry_message((struct buffer){.data = message, .capacity_bytes = UINT16_MAX},
				  entry, NOW_S);
	free(message);
	free(entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cache_file_time now = {.wall_ns = UINT64_C(1700000000) * NS_PER_S,
					    .mono = NOW_S * NS_PER_S};
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_file_reader r;
	struct cache_key key;
	unsigned word_count;
	uint64_t count = 0;

	if (cache_file_open_fd(&r, file_make(data, size)) != CACHE_FILE_OK)
		return 0;
	cache_file_rebase(&r, &now);
	for (;;) {
		/* What was verified is read. */
		CHECK(cache_file_next(&r, words, &word_count, &key) == CACHE_FILE_OK);
		if (word_count == 0)
			break;
		CHECK(word_count <= CACHE_ENTRY_WORDS_MAX && key.image_bytes > CACHE_KEY_NAME);
		use(words, word_count);
		count++;
	}
	CHECK(count == r.entry_count);
	cache_file_close(&r);
	return 0;
}
