#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_file.h"
#include "unit.h"

#define SAVED_S 1000
#define TTL_S 300
#define DIGEST_BYTES 32
#define DATA_BYTES_MAX 4096
#define ENTRY_AT CACHE_FILE_START_BYTES

/* A directory of its own, and the file in it. */
struct place {
	char directory[64];
	char path[128];
};

static struct place place_make(void)
{
	struct place p = {.directory = "/tmp/portico-unit.XXXXXX"};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p.directory));
	snprintf(p.path, sizeof(p.path), "%s/cache", p.directory);
	return p;
}

static void place_remove(const struct place *p)
{
	unlink(p->path);
	rmdir(p->path);
	CU_ASSERT_EQUAL(rmdir(p->directory), 0); /* nothing else was left in it */
}

/* n<number>.<longer>.test. A, stored at this second. */
static unsigned entry_make(uint64_t words[CACHE_ENTRY_WORDS_MAX], unsigned number,
			   uint32_t stored_at_s)
{
	struct cache_key key = {.hash = 0};
	char text[128];
	struct name name;
	unsigned count;

	snprintf(text, sizeof(text), "n%u.%.*s.test", number, (int)(number % 60 + 1),
		 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij");
	CU_ASSERT_FATAL(name_from_text(text, &name));
	cache_key_set(&key, 1, 0, false, name.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, name.bytes, name.length_bytes);
	cache_entry_make_failure(words, &count, &key, 2, 22, TTL_S, stored_at_s);
	return count;
}

/* Entry i is stored i % 60 seconds before the file was saved. */
static uint32_t stored_at(unsigned number)
{
	return SAVED_S - number % 60;
}

static struct cache_file_time saved_time(void)
{
	return (struct cache_file_time){.wall_ns = UINT64_C(1700000000) * NS_PER_S,
					.mono = SAVED_S * NS_PER_S};
}

static void file_make(const struct place *p, unsigned entry_count)
{
	const struct cache_file_time saved = saved_time();
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_file_writer w;

	CU_ASSERT_EQUAL_FATAL(cache_file_create(&w, p->path), CACHE_FILE_OK);
	for (unsigned i = 0; i < entry_count; i++)
		cache_file_add(&w, words, entry_make(words, i, stored_at(i)));
	CU_ASSERT_EQUAL(w.entry_count, entry_count);
	CU_ASSERT_EQUAL_FATAL(cache_file_finish(&w, &saved), CACHE_FILE_OK);
}

static size_t data_load(const struct place *p, uint8_t data[DATA_BYTES_MAX])
{
	int fd = open(p->path, O_RDONLY);
	ssize_t got = read(fd, data, DATA_BYTES_MAX);

	CU_ASSERT_FATAL(got >= 0 && got < DATA_BYTES_MAX);
	close(fd);
	return (size_t)got;
}

static void data_store(const struct place *p, const uint8_t *data, size_t bytes)
{
	int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CU_ASSERT_EQUAL_FATAL(write(fd, data, bytes), (ssize_t)bytes);
	close(fd);
}

/* As somebody does who knows how. */
static void data_seal(uint8_t *data, size_t bytes)
{
	CU_ASSERT_EQUAL_FATAL(EVP_Digest(data, bytes - DIGEST_BYTES, data + bytes - DIGEST_BYTES,
					 NULL, EVP_sha256(), NULL),
			      1);
}

static enum cache_file_result open_result(const struct place *p)
{
	struct cache_file_reader r;
	enum cache_file_result result = cache_file_open(&r, p->path);

	if (result == CACHE_FILE_OK)
		cache_file_close(&r);
	CU_ASSERT_EQUAL(r.fd, -1);
	CU_ASSERT_PTR_NULL(r.buffer);
	return result;
}

/* ---- there and back ---- */

static void cache_file__gives_back_what_was_added(void)
{
	const unsigned count =
		20000; /* more than a buffer of them, so that some lie across its end */
	struct place p = place_make();
	uint64_t want[CACHE_ENTRY_WORDS_MAX], words[CACHE_ENTRY_WORDS_MAX];
	struct cache_file_reader r;
	struct cache_key key;
	struct stat status;
	unsigned word_count;

	file_make(&p, count);
	CU_ASSERT_EQUAL(stat(p.path, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 07777, 0600);
	CU_ASSERT((size_t)status.st_size > CACHE_FILE_BUFFER_BYTES);
	CU_ASSERT_EQUAL_FATAL(cache_file_open(&r, p.path), CACHE_FILE_OK);
	CU_ASSERT_EQUAL(r.entry_count, count);
	for (unsigned i = 0; i < count; i++) {
		unsigned want_count = entry_make(want, i, stored_at(i));

		CU_ASSERT_EQUAL_FATAL(cache_file_next(&r, words, &word_count, &key), CACHE_FILE_OK);
		CU_ASSERT_EQUAL_FATAL(word_count, want_count);
		CU_ASSERT_EQUAL(memcmp(words, want, want_count * sizeof(words[0])), 0);
		CU_ASSERT_EQUAL(memcmp(key.image, want + CACHE_HEAD_WORDS, key.image_bytes), 0);
	}
	CU_ASSERT_EQUAL(cache_file_next(&r, words, &word_count, &key), CACHE_FILE_OK);
	CU_ASSERT_EQUAL(word_count, 0);
	cache_file_close(&r);
	place_remove(&p);
}

static void cache_file__keeps_an_empty_cache(void)
{
	struct place p = place_make();

	file_make(&p, 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_OK);
	place_remove(&p);
}

/* ---- time ---- */

static void cache_file_rebase__keeps_ages_over_a_restart(void)
{
	static const struct {
		const char *says;
		int64_t wall_ms;          /* since it was saved */
		uint64_t mono_ms;         /* of the new process */
		uint32_t least_s, most_s; /* age then, of an entry that was 59 s old */
	} cases[] = {
		{"at once", 0, 1000, 59, 59},
		{"a tenth of a second later", 100, 1000, 59, 60},
		{"just before a second", 999, 1999, 59, 60},
		{"ten seconds, the new clock as old", 10000, 1010000, 69, 69},
		{"an hour", 3600000, 1500, 3659, 3660},
		{"a year", INT64_C(31536000000), 2000, 31536059, 31536060},
		{"a hundred years", INT64_C(3153600000000), 2000, UINT32_C(1) << 30, UINT32_MAX},
		{"the wall clock went back", -5000, 1000, 59, 59},
		{"and far", -1600000000000, 7700, 59, 60},
	};
	struct place p = place_make();

	file_make(&p, 60);
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct cache_file_time now = saved_time();
		uint64_t words[CACHE_ENTRY_WORDS_MAX];
		struct cache_file_reader r;
		struct cache_key key;
		unsigned word_count;
		uint32_t age_s;

		now.wall_ns += (uint64_t)(cases[i].wall_ms * (int64_t)NS_PER_MS);
		now.mono = cases[i].mono_ms * NS_PER_MS;
		CU_ASSERT_EQUAL_FATAL(cache_file_open(&r, p.path), CACHE_FILE_OK);
		cache_file_rebase(&r, &now);
		for (unsigned n = 0; n < 60; n++)
			CU_ASSERT_EQUAL(cache_file_next(&r, words, &word_count, &key),
					CACHE_FILE_OK);
		age_s = (uint32_t)(now.mono / NS_PER_S) - cache_head_get(words).stored_at_s;
		CU_ASSERT(age_s >= cases[i].least_s && age_s <= cases[i].most_s);
		if (age_s < cases[i].least_s || age_s > cases[i].most_s)
			printf("%s: age %u\n", cases[i].says, age_s);
		cache_file_close(&r);
	}
	place_remove(&p);
}

/* ---- what is refused ---- */

static void cache_file_open__refuses_every_shorter_file(void)
{
	struct place p = place_make();
	uint8_t data[DATA_BYTES_MAX];
	size_t bytes;

	file_make(&p, 3);
	bytes = data_load(&p, data);
	for (size_t cut = 0; cut < bytes; cut++) {
		enum cache_file_result result;

		data_store(&p, data, cut);
		result = open_result(&p);
		CU_ASSERT(result == (cut == 0                       ? CACHE_FILE_EMPTY
				     : cut < CACHE_FILE_START_BYTES ? CACHE_FILE_FOREIGN
								    : CACHE_FILE_CUT));
	}
	data[bytes] = 0;
	data_store(&p, data, bytes + 1);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_CUT);
	place_remove(&p);
}

static void cache_file_open__refuses_every_flipped_bit(void)
{
	struct place p = place_make();
	uint8_t data[DATA_BYTES_MAX];
	size_t bytes;

	file_make(&p, 2);
	bytes = data_load(&p, data);
	for (size_t bit = 0; bit < bytes * 8; bit++) {
		enum cache_file_result result;

		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		data_store(&p, data, bytes);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		result = open_result(&p);
		if (bit / 8 < 8)
			CU_ASSERT_EQUAL(result, CACHE_FILE_FOREIGN)
		else if (bit / 8 < ENTRY_AT)
			CU_ASSERT_EQUAL(result, CACHE_FILE_OTHER_VERSION)
		else
			CU_ASSERT(result == CACHE_FILE_DAMAGED || result == CACHE_FILE_CUT);
	}
	place_remove(&p);
}

/* With the right checksum: who can compute one is not believed either. */
static void cache_file_open__refuses_forged_contents(void)
{
	struct place p = place_make();
	uint8_t data[DATA_BYTES_MAX], copy[DATA_BYTES_MAX];
	uint64_t words[CACHE_HEAD_WORDS];
	struct cache_head head;
	size_t bytes, end;

	file_make(&p, 2);
	bytes = data_load(&p, data);
	end = bytes - CACHE_FILE_END_BYTES;
	memcpy(words, data + ENTRY_AT, sizeof(words));
	head = cache_head_get(words);
	for (unsigned change = 0; change < 6; change++) {
		struct cache_head changed = head;

		memcpy(copy, data, bytes);
		switch (change) {
		case 0: /* one entry more than there is */
			copy[end + 8]++;
			break;
		case 1:
			changed.word_count = 0;
			break;
		case 2: /* longer than what follows */
			changed.word_count = CACHE_ENTRY_WORDS_MAX;
			break;
		case 3: /* from the future: its TTL would last for a century */
			changed.stored_at_s = SAVED_S + 1;
			break;
		case 4: /* no name */
			copy[ENTRY_AT + CACHE_HEAD_WORDS * 8 + CACHE_KEY_NAME] = 77;
			break;
		default: /* saved at the end of time */
			memset(copy + end + 32, 0xff, 8);
			break;
		}
		if (change >= 1 && change <= 3) {
			cache_head_set(words, &changed);
			memcpy(copy + ENTRY_AT, words, sizeof(words));
		}
		data_seal(copy, bytes);
		data_store(&p, copy, bytes);
		CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_BAD_ENTRY);
	}
	data_seal(data, bytes);
	data_store(&p, data, bytes);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_OK);
	place_remove(&p);
}

static void cache_file_open__refuses_what_is_no_file_of_ours(void)
{
	static const uint8_t text[] = "workers: 1\ninterfaces: []\n";
	struct place p = place_make();

	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_MISSING);
	CU_ASSERT_EQUAL(mkdir(p.path, 0700), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_NOT_REGULAR);
	rmdir(p.path);
	CU_ASSERT_EQUAL(mkfifo(p.path, 0600), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_NOT_REGULAR);
	unlink(p.path);
	data_store(&p, text, sizeof(text));
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_FOREIGN);
	unlink(p.path);
	CU_ASSERT_EQUAL(symlink(p.path, p.path), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_NOT_OPENED);
	place_remove(&p);
}

static void cache_file_open__refuses_what_others_may_write(void)
{
	struct place p = place_make();

	file_make(&p, 1);
	CU_ASSERT_EQUAL(chmod(p.path, 0644), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_OK);
	CU_ASSERT_EQUAL(chmod(p.path, 0620), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_NOT_OURS);
	CU_ASSERT_EQUAL(chmod(p.path, 0602), 0);
	CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_NOT_OURS);
	place_remove(&p);
}

/* ---- writing ---- */

static void cache_file_create__leaves_what_is_not_ours(void)
{
	static const uint8_t text[] = "somebody's only copy";
	struct place p = place_make();
	uint8_t data[DATA_BYTES_MAX];
	struct cache_file_writer w;

	data_store(&p, text, sizeof(text));
	CU_ASSERT_EQUAL(cache_file_create(&w, p.path), CACHE_FILE_FOREIGN);
	CU_ASSERT_EQUAL(data_load(&p, data), sizeof(text));
	CU_ASSERT_EQUAL(memcmp(data, text, sizeof(text)), 0);
	unlink(p.path);
	CU_ASSERT_EQUAL(mkdir(p.path, 0700), 0);
	CU_ASSERT_EQUAL(cache_file_create(&w, p.path), CACHE_FILE_NOT_REGULAR);
	place_remove(&p);
}

static void cache_file_create__replaces_damaged_files_of_ours(void)
{
	struct place p = place_make();
	uint8_t data[DATA_BYTES_MAX];
	size_t bytes;

	file_make(&p, 2);
	bytes = data_load(&p, data);
	for (unsigned i = 0; i < 3; i++) {
		data[8] = i == 1 ? 9 : 1; /* the version */
		data_store(&p, data, i == 0 ? 0 : bytes / 2);
		file_make(&p, 1);
		CU_ASSERT_EQUAL(open_result(&p), CACHE_FILE_OK);
	}
	place_remove(&p);
}

static void cache_file_abandon__leaves_the_former_file(void)
{
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct place p = place_make();
	uint8_t before[DATA_BYTES_MAX], after[DATA_BYTES_MAX];
	struct cache_file_writer w;
	size_t bytes;

	file_make(&p, 2);
	bytes = data_load(&p, before);
	CU_ASSERT_EQUAL(cache_file_create(&w, p.path), CACHE_FILE_OK);
	cache_file_add(&w, words, entry_make(words, 7, SAVED_S));
	cache_file_abandon(&w);
	CU_ASSERT_EQUAL(data_load(&p, after), bytes);
	CU_ASSERT_EQUAL(memcmp(before, after, bytes), 0);
	place_remove(&p);
}

static void cache_file_create__says_why_it_cannot(void)
{
	struct place p = place_make();
	struct cache_file_writer w;
	char path[256];

	snprintf(path, sizeof(path), "%s/missing/cache", p.directory);
	CU_ASSERT_EQUAL(cache_file_create(&w, path), CACHE_FILE_NOT_WRITTEN);
	CU_ASSERT_EQUAL(w.error, ENOENT);
	place_remove(&p);
}

static void cache_file_finish__fails_on_a_full_disk(void)
{
	const struct cache_file_time saved = saved_time();
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct place p = place_make();
	uint8_t before[DATA_BYTES_MAX], after[DATA_BYTES_MAX];
	struct cache_file_writer w;
	size_t bytes;

	file_make(&p, 2);
	bytes = data_load(&p, before);
	CU_ASSERT_EQUAL(cache_file_create(&w, p.path), CACHE_FILE_OK);
	close(w.fd);
	w.fd = open("/dev/full", O_WRONLY);
	CU_ASSERT_FATAL(w.fd >= 0);
	cache_file_add(&w, words, entry_make(words, 7, SAVED_S));
	CU_ASSERT_EQUAL(cache_file_finish(&w, &saved), CACHE_FILE_NOT_WRITTEN);
	CU_ASSERT_EQUAL(w.error, ENOSPC);
	CU_ASSERT_EQUAL(data_load(&p, after), bytes);
	CU_ASSERT_EQUAL(memcmp(before, after, bytes), 0);
	place_remove(&p);
}

static void cache_file_next__notices_a_change_after_it_was_verified(void)
{
	uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct place p = place_make();
	struct cache_file_reader r;
	struct cache_key key;
	unsigned word_count;

	file_make(&p, 20000);
	CU_ASSERT_EQUAL_FATAL(cache_file_open(&r, p.path), CACHE_FILE_OK);
	CU_ASSERT_EQUAL(truncate(p.path, 100), 0);
	CU_ASSERT_EQUAL(cache_file_next(&r, words, &word_count, &key), CACHE_FILE_CUT);
	CU_ASSERT_EQUAL(word_count, 0);
	cache_file_close(&r);
	place_remove(&p);
}

static void cache_file_text__says_something_of_everything(void)
{
	for (unsigned i = 0; i < CACHE_FILE_RESULT_COUNT; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(cache_file_text[i].problem);
		CU_ASSERT_PTR_NOT_NULL_FATAL(cache_file_text[i].remedy);
		CU_ASSERT(i == CACHE_FILE_OK || cache_file_text[i].remedy[0] != '\0');
	}
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_file__gives_back_what_was_added),
	UNIT_TEST(cache_file__keeps_an_empty_cache),
	UNIT_TEST(cache_file_rebase__keeps_ages_over_a_restart),
	UNIT_TEST(cache_file_open__refuses_every_shorter_file),
	UNIT_TEST(cache_file_open__refuses_every_flipped_bit),
	UNIT_TEST(cache_file_open__refuses_forged_contents),
	UNIT_TEST(cache_file_open__refuses_what_is_no_file_of_ours),
	UNIT_TEST(cache_file_open__refuses_what_others_may_write),
	UNIT_TEST(cache_file_create__leaves_what_is_not_ours),
	UNIT_TEST(cache_file_create__replaces_damaged_files_of_ours),
	UNIT_TEST(cache_file_abandon__leaves_the_former_file),
	UNIT_TEST(cache_file_create__says_why_it_cannot),
	UNIT_TEST(cache_file_finish__fails_on_a_full_disk),
	UNIT_TEST(cache_file_next__notices_a_change_after_it_was_verified),
	UNIT_TEST(cache_file_text__says_something_of_everything),
};
UNIT_SUITE(cache_file, tests)
