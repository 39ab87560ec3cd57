/* The cache as a file, so that it survives a restart. What is read is untrusted input: nothing of it is given out before
 * the checksum over the whole file was right, and every entry is checked by cache_entry_check whenever it is read.
 *
 * The file, all numbers little-endian:
 *   16 bytes   "PORTICO" 0x1a | version 32 | 0 32
 *   entries    as in memory (core/cache.h), one behind the other; each says its length
 *   72 bytes   "PORTEND" 0x1a | entry count 64 | bytes of all entries 64 | wall clock when it was written, ns since 1970, 64 |
 *              the cache's own clock at the same moment, ns, 64 | SHA-256 over all bytes before
 * Whoever changes the layout of entries raises CACHE_FILE_VERSION.
 *
 * It is written beside its place (FILE.new), made durable and renamed: there is always a whole one. Mode 0600. What is
 * at its place and is not such a file is never written over.
 *
 * Memory: a buffer of CACHE_FILE_BUFFER_BYTES each, freed. Threads: one a reader or writer. Time: given.
 * Examples: tests/unit/test_cache_file.c.
 */
#ifndef PORTICO_CACHE_FILE_H
#define PORTICO_CACHE_FILE_H

#include <limits.h>
#include <stdint.h>

#include "core/cache.h"
#include "core/check.h"
#include "core/mono.h"

#define CACHE_FILE_VERSION 1u
#define CACHE_FILE_BUFFER_BYTES ((size_t)1 << 20)
#define CACHE_FILE_START_BYTES 16
#define CACHE_FILE_END_BYTES 72
/* An entry older than this is none that was ever kept: TTL and max_stale_s at their largest. */
#define CACHE_FILE_AGE_S_MAX (2 * CACHE_TTL_S_MAX)

enum cache_file_result {
	CACHE_FILE_OK,
	CACHE_FILE_MISSING,
	CACHE_FILE_NOT_OPENED,  /* error says why */
	CACHE_FILE_NOT_REGULAR, /* a directory, a device */
	CACHE_FILE_NOT_OURS,    /* others own it or may write to it */
	CACHE_FILE_EMPTY,
	CACHE_FILE_FOREIGN, /* does not begin as one of ours */
	CACHE_FILE_OTHER_VERSION,
	CACHE_FILE_CUT,     /* ends too early, or too late */
	CACHE_FILE_DAMAGED, /* the checksum differs */
	CACHE_FILE_BAD_ENTRY,
	CACHE_FILE_NOT_READ,    /* error says why */
	CACHE_FILE_NOT_WRITTEN, /* error says why */
	CACHE_FILE_NO_MEMORY,
	CACHE_FILE_RESULT_COUNT,
};
/* What is wrong, and what to do. */
struct cache_file_text {
	const char *problem;
	const char *remedy;
};
extern const struct cache_file_text cache_file_text[CACHE_FILE_RESULT_COUNT];

/* A moment by two clocks. */
struct cache_file_time {
	uint64_t wall_ns;
	mono_ns mono;
};

/* ---- reading ---- */

struct cache_file_reader {
	int fd;
	int error;        /* errno, where a result says so */
	uint32_t version; /* as the file says it; OTHER_VERSION */
	uint64_t entry_count;
	uint64_t body_bytes;
	struct cache_file_time saved;
	/* The rest is cache_file.c's. */
	uint64_t body_left; /* not in the buffer yet */
	uint32_t shift_s;   /* modulo 2^32 */
	size_t at, filled;  /* in the buffer */
	uint8_t *buffer;
};

/* Open and verify all of it: the checksum, each entry, the count. On anything but OK all is closed again. */
MUST_USE enum cache_file_result cache_file_open(struct cache_file_reader *r, const char *path);
/* The same with an open descriptor, which is the reader's from now on. */
MUST_USE enum cache_file_result cache_file_open_fd(struct cache_file_reader *r, int fd);
void cache_file_close(struct cache_file_reader *r);

/* What cache_file_next gives has its ages by the cache's clock of this process from now on. What has passed since it was saved
 * is the wall clock's to say; where that has gone back, nothing has, so that no TTL grows. */
void cache_file_rebase(struct cache_file_reader *r, const struct cache_file_time *now);

/* The next entry, and its key but for the hash. entry_count entries after cache_file_open have none after them: OK with
 * *word_count 0. Anything else: somebody has changed the file since. */
MUST_USE enum cache_file_result cache_file_next(struct cache_file_reader *r,
						uint64_t words[CACHE_ENTRY_WORDS_MAX],
						unsigned *word_count, struct cache_key *key);

/* ---- writing ---- */

struct cache_file_writer {
	int fd;
	int error; /* errno; 0: none yet */
	uint64_t entry_count;
	uint64_t body_bytes;
	/* The rest is cache_file.c's. */
	const char *path;
	char path_new[PATH_MAX];
	void *digest;
	size_t filled;
	uint8_t *buffer;
};

/* path: the caller's, until finish or abandon. On anything but OK nothing is left behind. */
MUST_USE enum cache_file_result cache_file_create(struct cache_file_writer *w, const char *path);
/* An entry as cache_walk_next gives it. Errors wait for cache_file_finish. */
void cache_file_add(struct cache_file_writer *w, const uint64_t words[], unsigned word_count);
/* saved: now, not before any entry was stored. On anything but OK the former file is still in its place. Closes. */
MUST_USE enum cache_file_result cache_file_finish(struct cache_file_writer *w,
						  const struct cache_file_time *saved);
void cache_file_abandon(struct cache_file_writer *w);

/* Names that have come or gone beside path survive a crash of the machine, where the file system can do that. */
void cache_file_sync_directory(const char *path);

#endif
