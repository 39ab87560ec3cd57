#include "dpdk_app/cache_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cache_entry.h"

#define MAGIC_BYTES 8
#define VERSION_AT MAGIC_BYTES
#define RESERVED_AT (VERSION_AT + 4)
#define COUNT_AT MAGIC_BYTES
#define BODY_BYTES_AT (COUNT_AT + 8)
#define WALL_AT (BODY_BYTES_AT + 8)
#define MONO_AT (WALL_AT + 8)
#define DIGEST_AT (MONO_AT + 8)
#define DIGEST_BYTES 32
#define FRAME_BYTES (CACHE_FILE_START_BYTES + CACHE_FILE_END_BYTES)
#define HEAD_BYTES (CACHE_HEAD_WORDS * sizeof(uint64_t))
/* Far beyond every time that an entry is kept; an age that was half of 32 bits would be one from the future. */
#define ELAPSED_S_MAX (UINT32_C(1) << 30)
/* No clock of ours comes so far. */
#define MONO_MAX ((mono_ns)INT64_MAX / 4)
#define NEW_SUFFIX ".new"

static const uint8_t magic_start[MAGIC_BYTES] = {'P', 'O', 'R', 'T', 'I', 'C', 'O', 0x1a};
static const uint8_t magic_end[MAGIC_BYTES] = {'P', 'O', 'R', 'T', 'E', 'N', 'D', 0x1a};

static_assert(DIGEST_AT + DIGEST_BYTES == CACHE_FILE_END_BYTES, "the end holds nothing else");
static_assert(RESERVED_AT + 4 == CACHE_FILE_START_BYTES, "the start holds nothing else");
static_assert(CACHE_ENTRY_BYTES_MAX <= CACHE_FILE_BUFFER_BYTES / 2, "a buffer holds an entry");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "entries are written as they are");

#define REPLACED "the next save replaces it; delete it if it should be read as nothing at once"
const struct cache_file_text cache_file_text[CACHE_FILE_RESULT_COUNT] = {
	[CACHE_FILE_OK] = {"none", ""},
	[CACHE_FILE_MISSING] = {"there is no such file", "the first save makes it"},
	[CACHE_FILE_NOT_OPENED] = {"it cannot be opened", "check the path and its permissions"},
	[CACHE_FILE_NOT_REGULAR] = {"it is not a regular file",
				    "give cache.file the name of a file"},
	[CACHE_FILE_NOT_OURS] = {"others own it or may write to it, and could put answers into it",
				 "chown it to the user that runs Portico and chmod 0600, or delete "
				 "it"},
	[CACHE_FILE_EMPTY] = {"it is empty", REPLACED},
	[CACHE_FILE_FOREIGN] = {"it is not a cache file of Portico, and is left as it is",
				"give cache.file another name, or move this file away"},
	[CACHE_FILE_OTHER_VERSION] = {"another version of Portico has written it", REPLACED},
	[CACHE_FILE_CUT] = {"it is not whole: its end is missing or not where it should be",
			    REPLACED},
	[CACHE_FILE_DAMAGED] = {"its checksum differs: it is damaged", REPLACED},
	[CACHE_FILE_BAD_ENTRY] = {"it holds what is not an entry, or changed while it was read",
				  REPLACED},
	[CACHE_FILE_NOT_READ] = {"it cannot be read", "check the disk"},
	[CACHE_FILE_NOT_WRITTEN] = {"it cannot be written",
				    "check the directory, its permissions and the free space"},
	[CACHE_FILE_NO_MEMORY] = {"there is no memory for it", "free some, or start without "
							       "cache.file"},
};

/* ---- numbers ---- */

static void put_u64(uint8_t *out, uint64_t value)
{
	memcpy(out, &value, sizeof(value));
}

static uint64_t get_u64(const uint8_t *in)
{
	uint64_t value;

	memcpy(&value, in, sizeof(value));
	return value;
}

static uint32_t get_u32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return value;
}

/* ---- files ---- */

/* Exactly so many bytes from there. False: errno, 0 at the end of the file. */
static bool read_at(int fd, uint8_t *out, size_t bytes, uint64_t offset)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t got = pread(fd, out + done, bytes - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = 0;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool write_all(int fd, const uint8_t *bytes, size_t count)
{
	size_t done = 0;

	while (done < count) {
		ssize_t put = write(fd, bytes + done, count - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		done += (size_t)put;
	}
	return true;
}

/* Not waiting for anybody who might be at the other end of what is no file. */
static enum cache_file_result open_to_read(const char *path, int *fd, int *error)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd >= 0)
		return CACHE_FILE_OK;
	*error = errno;
	return errno == ENOENT ? CACHE_FILE_MISSING : CACHE_FILE_NOT_OPENED;
}

/* What is there: one of ours, as far as its beginning says? *version is written where that is read. */
static enum cache_file_result check_start(int fd, uint64_t *file_bytes, uint32_t *version,
					  int *error)
{
	uint8_t start[CACHE_FILE_START_BYTES];
	struct stat status;

	if (fstat(fd, &status) != 0) {
		*error = errno;
		return CACHE_FILE_NOT_READ;
	}
	if (!S_ISREG(status.st_mode))
		return CACHE_FILE_NOT_REGULAR;
	*file_bytes = (uint64_t)status.st_size;
	if (status.st_size == 0)
		return CACHE_FILE_EMPTY;
	if (status.st_size < CACHE_FILE_START_BYTES)
		return CACHE_FILE_FOREIGN;
	if (!read_at(fd, start, sizeof(start), 0)) {
		*error = errno;
		return errno != 0 ? CACHE_FILE_NOT_READ : CACHE_FILE_CUT;
	}
	if (memcmp(start, magic_start, MAGIC_BYTES) != 0)
		return CACHE_FILE_FOREIGN;
	*version = get_u32(start + VERSION_AT);
	if (*version != CACHE_FILE_VERSION || get_u32(start + RESERVED_AT) != 0)
		return CACHE_FILE_OTHER_VERSION;
	return CACHE_FILE_OK;
}

/* Could somebody else have written it? */
static bool is_ours(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 &&
	       (status.st_uid == geteuid() || status.st_uid == 0);
}

/* ---- reading ---- */

static enum cache_file_result read_failed(struct cache_file_reader *r)
{
	r->error = errno;
	return r->error != 0 ? CACHE_FILE_NOT_READ : CACHE_FILE_CUT;
}

static enum cache_file_result read_end(struct cache_file_reader *r, uint64_t file_bytes,
				       uint8_t digest[DIGEST_BYTES])
{
	uint8_t end[CACHE_FILE_END_BYTES];

	if (file_bytes < FRAME_BYTES)
		return CACHE_FILE_CUT;
	if (!read_at(r->fd, end, sizeof(end), file_bytes - sizeof(end)))
		return read_failed(r);
	r->entry_count = get_u64(end + COUNT_AT);
	r->body_bytes = get_u64(end + BODY_BYTES_AT);
	r->saved.wall_ns = get_u64(end + WALL_AT);
	r->saved.mono = get_u64(end + MONO_AT);
	memcpy(digest, end + DIGEST_AT, DIGEST_BYTES);
	if (memcmp(end, magic_end, MAGIC_BYTES) != 0 || r->body_bytes != file_bytes - FRAME_BYTES)
		return CACHE_FILE_CUT;
	return CACHE_FILE_OK;
}

static enum cache_file_result check_digest(struct cache_file_reader *r, uint64_t file_bytes,
					   const uint8_t want[DIGEST_BYTES])
{
	const uint64_t covered = file_bytes - DIGEST_BYTES;
	enum cache_file_result result = CACHE_FILE_OK;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	uint8_t got[DIGEST_BYTES];

	if (digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1)
		result = CACHE_FILE_NO_MEMORY;
	for (uint64_t at = 0; result == CACHE_FILE_OK && at < covered;) {
		size_t bytes = CACHE_FILE_BUFFER_BYTES;

		if (covered - at < bytes)
			bytes = (size_t)(covered - at);
		if (!read_at(r->fd, r->buffer, bytes, at))
			result = read_failed(r);
		else if (EVP_DigestUpdate(digest, r->buffer, bytes) != 1)
			result = CACHE_FILE_NO_MEMORY;
		at += bytes;
	}
	if (result == CACHE_FILE_OK && EVP_DigestFinal_ex(digest, got, NULL) != 1)
		result = CACHE_FILE_NO_MEMORY;
	EVP_MD_CTX_free(digest);
	if (result == CACHE_FILE_OK && memcmp(got, want, DIGEST_BYTES) != 0)
		result = CACHE_FILE_DAMAGED;
	return result;
}

static void rewind_reader(struct cache_file_reader *r)
{
	r->body_left = r->body_bytes;
	r->at = 0;
	r->filled = 0;
}

static enum cache_file_result check_entries(struct cache_file_reader *r)
{
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	enum cache_file_result result;
	struct cache_key key;
	unsigned word_count;
	uint64_t count = 0;

	rewind_reader(r);
	for (;;) {
		result = cache_file_next(r, words, &word_count, &key);
		if (result != CACHE_FILE_OK || word_count == 0)
			break;
		count++;
	}
	if (result == CACHE_FILE_OK && count != r->entry_count)
		result = CACHE_FILE_BAD_ENTRY;
	return result;
}

static enum cache_file_result verify(struct cache_file_reader *r)
{
	uint8_t digest[DIGEST_BYTES];
	uint64_t file_bytes = 0;
	enum cache_file_result result;

	result = check_start(r->fd, &file_bytes, &r->version, &r->error);
	if (result == CACHE_FILE_OK)
		result = read_end(r, file_bytes, digest);
	if (result != CACHE_FILE_OK)
		return result;
	r->buffer = malloc(CACHE_FILE_BUFFER_BYTES);
	if (r->buffer == NULL)
		return CACHE_FILE_NO_MEMORY;
	result = check_digest(r, file_bytes, digest);
	/* What has the right checksum can still be forged. */
	if (result == CACHE_FILE_OK && r->saved.mono > MONO_MAX)
		result = CACHE_FILE_BAD_ENTRY;
	if (result == CACHE_FILE_OK)
		result = check_entries(r);
	rewind_reader(r);
	return result;
}

enum cache_file_result cache_file_open_fd(struct cache_file_reader *r, int fd)
{
	enum cache_file_result result;

	*r = (struct cache_file_reader){.fd = fd};
	result = verify(r);
	if (result != CACHE_FILE_OK)
		cache_file_close(r);
	return result;
}

enum cache_file_result cache_file_open(struct cache_file_reader *r, const char *path)
{
	int fd, error;
	enum cache_file_result result = open_to_read(path, &fd, &error);

	if (result != CACHE_FILE_OK) {
		*r = (struct cache_file_reader){.fd = -1, .error = error};
		return result;
	}
	result = cache_file_open_fd(r, fd);
	if (result == CACHE_FILE_OK && !is_ours(fd)) {
		cache_file_close(r);
		result = CACHE_FILE_NOT_OURS;
	}
	return result;
}

void cache_file_close(struct cache_file_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	free(r->buffer);
	r->buffer = NULL;
}

void cache_file_rebase(struct cache_file_reader *r, const struct cache_file_time *now)
{
	uint64_t elapsed_ns = 0;
	int64_t shift_ns, shift_s;

	if (now->wall_ns > r->saved.wall_ns)
		elapsed_ns = now->wall_ns - r->saved.wall_ns;
	if (elapsed_ns > ELAPSED_S_MAX * NS_PER_S)
		elapsed_ns = ELAPSED_S_MAX * NS_PER_S;
	/* Each is below 2^62: verify and the line above. */
	shift_ns = (int64_t)now->mono - (int64_t)r->saved.mono - (int64_t)elapsed_ns;
	shift_s = shift_ns / (int64_t)NS_PER_S;
	/* Rounded down: an entry may seem a second older than it is, never younger. */
	if (shift_ns % (int64_t)NS_PER_S < 0)
		shift_s--;
	r->shift_s = (uint32_t)shift_s;
}

/* At least so many bytes in the buffer. */
static enum cache_file_result fill(struct cache_file_reader *r, size_t bytes)
{
	size_t kept = r->filled - r->at;
	size_t more = CACHE_FILE_BUFFER_BYTES - kept;

	if (kept >= bytes)
		return CACHE_FILE_OK;
	if (r->body_left < bytes - kept)
		return CACHE_FILE_BAD_ENTRY;
	if (r->body_left < more)
		more = (size_t)r->body_left;
	memmove(r->buffer, r->buffer + r->at, kept);
	r->at = 0;
	r->filled = kept;
	if (!read_at(r->fd, r->buffer + kept, more,
		     CACHE_FILE_START_BYTES + r->body_bytes - r->body_left))
		return read_failed(r);
	r->body_left -= more;
	r->filled += more;
	return CACHE_FILE_OK;
}

enum cache_file_result cache_file_next(struct cache_file_reader *r,
				       uint64_t words[CACHE_ENTRY_WORDS_MAX], unsigned *word_count,
				       struct cache_key *key)
{
	const uint32_t saved_s = (uint32_t)(r->saved.mono / NS_PER_S);
	enum cache_file_result result;
	struct cache_head head;

	*word_count = 0;
	if (r->body_left == 0 && r->at == r->filled)
		return CACHE_FILE_OK;
	result = fill(r, HEAD_BYTES);
	if (result != CACHE_FILE_OK)
		return result;
	memcpy(words, r->buffer + r->at, HEAD_BYTES);
	head = cache_head_get(words);
	if (head.word_count <= CACHE_HEAD_WORDS || head.word_count > CACHE_ENTRY_WORDS_MAX ||
	    (uint32_t)(saved_s - head.stored_at_s) > CACHE_FILE_AGE_S_MAX)
		return CACHE_FILE_BAD_ENTRY;
	result = fill(r, head.word_count * sizeof(words[0]));
	if (result != CACHE_FILE_OK)
		return result;
	memcpy(words, r->buffer + r->at, head.word_count * sizeof(words[0]));
	if (!cache_entry_check(words, head.word_count, key))
		return CACHE_FILE_BAD_ENTRY;
	r->at += head.word_count * sizeof(words[0]);
	head.stored_at_s += r->shift_s;
	cache_head_set(words, &head);
	*word_count = head.word_count;
	return CACHE_FILE_OK;
}

/* ---- writing ---- */

/* May what is at the path be replaced? Not if it is somebody else's. */
static enum cache_file_result check_replaceable(struct cache_file_writer *w)
{
	uint64_t file_bytes;
	uint32_t version;
	int fd;
	enum cache_file_result result = open_to_read(w->path, &fd, &w->error);

	if (result == CACHE_FILE_MISSING)
		return CACHE_FILE_OK;
	if (result != CACHE_FILE_OK)
		return result;
	result = check_start(fd, &file_bytes, &version, &w->error);
	close(fd);
	if (result == CACHE_FILE_EMPTY || result == CACHE_FILE_OTHER_VERSION)
		return CACHE_FILE_OK;
	return result;
}

static void flush(struct cache_file_writer *w)
{
	if (w->error == 0 && EVP_DigestUpdate(w->digest, w->buffer, w->filled) != 1)
		w->error = ENOMEM;
	if (w->error == 0 && !write_all(w->fd, w->buffer, w->filled))
		w->error = errno;
	w->filled = 0;
}

static void put(struct cache_file_writer *w, const void *bytes, size_t count)
{
	if (CACHE_FILE_BUFFER_BYTES - w->filled < count)
		flush(w);
	memcpy(w->buffer + w->filled, bytes, count);
	w->filled += count;
}

static void put_start(struct cache_file_writer *w)
{
	const uint32_t version[2] = {CACHE_FILE_VERSION, 0};

	put(w, magic_start, sizeof(magic_start));
	put(w, version, sizeof(version));
}

enum cache_file_result cache_file_create(struct cache_file_writer *w, const char *path)
{
	enum cache_file_result result;
	int length;

	*w = (struct cache_file_writer){.fd = -1, .path = path};
	result = check_replaceable(w);
	if (result != CACHE_FILE_OK)
		return result;
	w->error = 0;
	length = snprintf(w->path_new, sizeof(w->path_new), "%s" NEW_SUFFIX, path);
	if (length >= (int)sizeof(w->path_new)) {
		w->error = ENAMETOOLONG;
		return CACHE_FILE_NOT_OPENED;
	}
	/* What a save that was killed has left behind. */
	unlink(w->path_new);
	w->fd = open(w->path_new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     S_IRUSR | S_IWUSR);
	if (w->fd < 0) {
		w->error = errno;
		return CACHE_FILE_NOT_WRITTEN;
	}
	w->buffer = malloc(CACHE_FILE_BUFFER_BYTES);
	w->digest = EVP_MD_CTX_new();
	if (w->buffer == NULL || w->digest == NULL ||
	    EVP_DigestInit_ex(w->digest, EVP_sha256(), NULL) != 1) {
		cache_file_abandon(w);
		return CACHE_FILE_NO_MEMORY;
	}
	put_start(w);
	return CACHE_FILE_OK;
}

void cache_file_add(struct cache_file_writer *w, const uint64_t words[], unsigned word_count)
{
	const size_t bytes = word_count * sizeof(words[0]);

	CHECK(word_count > CACHE_HEAD_WORDS && word_count <= CACHE_ENTRY_WORDS_MAX);
	put(w, words, bytes);
	w->entry_count++;
	w->body_bytes += bytes;
}

static void put_end(struct cache_file_writer *w, const struct cache_file_time *saved)
{
	uint8_t end[CACHE_FILE_END_BYTES];

	memcpy(end, magic_end, MAGIC_BYTES);
	put_u64(end + COUNT_AT, w->entry_count);
	put_u64(end + BODY_BYTES_AT, w->body_bytes);
	put_u64(end + WALL_AT, saved->wall_ns);
	put_u64(end + MONO_AT, saved->mono);
	put(w, end, DIGEST_AT);
	flush(w);
	if (w->error == 0 && EVP_DigestFinal_ex(w->digest, w->buffer, NULL) != 1)
		w->error = ENOMEM;
	if (w->error == 0 && !write_all(w->fd, w->buffer, DIGEST_BYTES))
		w->error = errno;
}

/* The new name survives a crash of the machine only when its directory is on the disk. Not every file system can do that,
 * and whether it did changes nothing for us. */
void cache_file_sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX] = ".";
	int fd;

	if (slash == path)
		strcpy(directory, "/");
	else if (slash != NULL)
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - path), path);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

static void free_writer(struct cache_file_writer *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	EVP_MD_CTX_free(w->digest);
	w->digest = NULL;
	free(w->buffer);
	w->buffer = NULL;
}

enum cache_file_result cache_file_finish(struct cache_file_writer *w,
					 const struct cache_file_time *saved)
{
	put_end(w, saved);
	if (w->error == 0 && (fsync(w->fd) != 0 || rename(w->path_new, w->path) != 0))
		w->error = errno;
	if (w->error != 0) {
		cache_file_abandon(w);
		return CACHE_FILE_NOT_WRITTEN;
	}
	cache_file_sync_directory(w->path);
	free_writer(w);
	return CACHE_FILE_OK;
}

void cache_file_abandon(struct cache_file_writer *w)
{
	unlink(w->path_new);
	free_writer(w);
}
