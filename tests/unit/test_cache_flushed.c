/* The list of what was flushed since a cache file was saved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_flushed.h"
#include "unit.h"

struct place {
	char directory[64];
	char path[96];
	char list[128];
};

static struct place place_make(void)
{
	struct place p = {.directory = "/tmp/portico-unit.XXXXXX"};

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p.directory));
	snprintf(p.path, sizeof(p.path), "%s/cache", p.directory);
	snprintf(p.list, sizeof(p.list), "%s.flushed", p.path);
	return p;
}

static void place_remove(const struct place *p)
{
	unlink(p->path);
	unlink(p->list);
	CU_ASSERT_EQUAL(rmdir(p->directory), 0);
}

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void note(const struct place *p, const char *text, bool below, uint16_t qtype)
{
	struct name name;

	CU_ASSERT_FATAL(name_from_text(text, &name));
	cache_flushed_note(p->path, &name, below, qtype);
}

static bool names(const struct cache_flushed *f, const char *text, uint16_t qtype)
{
	static uint64_t words[CACHE_ENTRY_WORDS_MAX];
	struct cache_key key = {.hash = 0};
	struct name name;
	unsigned count;

	CU_ASSERT_FATAL(name_from_text(text, &name));
	cache_key_set(&key, qtype, 0, false, name.length_bytes);
	memcpy(key.image + CACHE_KEY_NAME, name.bytes, name.length_bytes);
	cache_entry_make_failure(words, &count, &key, 2, 22, 60, 0);
	return cache_flushed_names(f, words);
}

static void cache_flushed_read__gives_back_what_was_noted(void)
{
	static struct cache_flushed f;
	struct place p = place_make();
	struct stat status;

	cache_flushed_read(p.path, &f);
	CU_ASSERT(!f.all && f.count == 0);
	CU_ASSERT(!names(&f, "a.example", 1));
	note(&p, "A.Example", false, 28);
	note(&p, "corp.example", true, 0);
	note(&p, "odd\\.\\032name.example", false, 0);
	CU_ASSERT_EQUAL(stat(p.list, &status), 0);
	CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
	cache_flushed_read(p.path, &f);
	CU_ASSERT(!f.all);
	CU_ASSERT_EQUAL(f.count, 3);
	CU_ASSERT(names(&f, "a.example", 28));
	CU_ASSERT(!names(&f, "a.example", 1));
	CU_ASSERT(!names(&f, "b.a.example", 28));
	CU_ASSERT(names(&f, "corp.example", 1));
	CU_ASSERT(names(&f, "w.corp.example", 1));
	CU_ASSERT(!names(&f, "wcorp.example", 1));
	CU_ASSERT(names(&f, "odd\\.\\032name.example", 1));
	cache_flushed_forget(p.path);
	CU_ASSERT_NOT_EQUAL(stat(p.list, &status), 0);
	cache_flushed_forget(p.path);
	cache_flushed_read(p.path, &f);
	CU_ASSERT(!f.all && f.count == 0);
	place_remove(&p);
}

static void cache_flushed_read__of_all_names(void)
{
	static struct cache_flushed f;
	struct place p = place_make();

	note(&p, ".", true, 0);
	cache_flushed_read(p.path, &f);
	CU_ASSERT(!f.all);
	CU_ASSERT(names(&f, "a.example", 1));
	place_remove(&p);
}

static void cache_flushed_read__takes_what_it_cannot_hold_for_all(void)
{
	static struct cache_flushed f;
	struct place p = place_make();
	struct stat status;

	for (unsigned i = 0; i <= CACHE_FLUSHED_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "n%u.example", i);
		note(&p, text, false, 0);
		if (i != CACHE_FLUSHED_MAX - 1)
			continue;
		cache_flushed_read(p.path, &f);
		CU_ASSERT(!f.all);
		CU_ASSERT(names(&f, "n0.example", 1));
		CU_ASSERT(names(&f, text, 1));
		CU_ASSERT(!names(&f, "a.example", 1));
	}
	cache_flushed_read(p.path, &f);
	CU_ASSERT(f.all);
	CU_ASSERT(names(&f, "a.example", 1));
	/* Nor does it grow for ever. */
	CU_ASSERT_EQUAL(truncate(p.list, CACHE_FLUSHED_BYTES_MAX), 0);
	note(&p, "a.example", false, 0);
	CU_ASSERT_EQUAL(stat(p.list, &status), 0);
	CU_ASSERT_EQUAL(status.st_size, CACHE_FLUSHED_BYTES_MAX);
	cache_flushed_read(p.path, &f);
	CU_ASSERT(f.all);
	place_remove(&p);
}

static void cache_flushed_read__takes_what_it_does_not_know_for_all(void)
{
	static const char *const texts[] = {
		"name 0 a.example.",
		"name 0 a.example.\nname 0",
		"name\n",
		"name 65536 a.example.\n",
		"name -1 a.example.\n",
		"name x a.example.\n",
		"file 0 a.example.\n",
		"\n",
		"name 0 a..example.\n",
		"name 0 name 0 a.example.\n",
		"zone 0 a.example.\n\x01garbage\n",
	};
	static struct cache_flushed f;
	struct place p = place_make();

	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		write_text(p.list, texts[i]);
		cache_flushed_read(p.path, &f);
		if (!f.all)
			printf("\n%s", texts[i]);
		CU_ASSERT(f.all);
	}
	unlink(p.list);
	CU_ASSERT_EQUAL(mkdir(p.list, 0700), 0);
	cache_flushed_read(p.path, &f);
	CU_ASSERT(f.all);
	rmdir(p.list);
	place_remove(&p);
}

/* Better nothing than what was flushed. */
static void cache_flushed_note__deletes_the_file_where_it_cannot_write(void)
{
	struct place p = place_make();
	struct stat status;

	write_text(p.path, "a cache");
	note(&p, "a.example", false, 0);
	CU_ASSERT_EQUAL(stat(p.path, &status), 0);
	unlink(p.list);
	CU_ASSERT_EQUAL(mkdir(p.list, 0700), 0);
	note(&p, "a.example", false, 0);
	CU_ASSERT_NOT_EQUAL(stat(p.path, &status), 0);
	rmdir(p.list);
	place_remove(&p);
}

static const struct unit_test tests[] = {
	UNIT_TEST(cache_flushed_read__gives_back_what_was_noted),
	UNIT_TEST(cache_flushed_read__of_all_names),
	UNIT_TEST(cache_flushed_read__takes_what_it_cannot_hold_for_all),
	UNIT_TEST(cache_flushed_read__takes_what_it_does_not_know_for_all),
	UNIT_TEST(cache_flushed_note__deletes_the_file_where_it_cannot_write),
};
UNIT_SUITE(cache_flushed, tests)
