#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_save.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/cache_entry.h"
#include "dpdk_app/cache_clock.h"
#include "dpdk_app/log.h"

/* Entries between two looks at whether to break off. */
#define CANCEL_ENTRIES 1024

static bool is_cancelled(const struct cache_save *save)
{
	return save->cancel != NULL &&
	       atomic_load_explicit(save->cancel, memory_order_relaxed) != 0;
}

static bool is_worth_it(const struct cache_save *save, const struct cache_found *found,
			const uint64_t copy[], uint32_t now_s)
{
	switch (cache_entry_state(copy, save->max_stale_s, now_s)) {
	case CACHE_ENTRY_DEAD:
		return false;
	case CACHE_ENTRY_FRESH:
	case CACHE_ENTRY_FRESH_STALE:
	case CACHE_ENTRY_STALE:
		break;
	}
	return !cache_entry_is_failure(copy) && !cache_entry_is_cut(copy) &&
	       !cache_flusher_covers(save->flusher, found, copy);
}

/* False: told to break off. */
static bool add_all(const struct cache_save *save, struct cache_file_writer *w)
{
	const uint32_t now_s = cache_clock_s(save->clock);
	uint64_t copy[CACHE_ENTRY_WORDS_MAX];
	struct cache_found found;
	struct cache_walk walk;

	cache_walk_begin(&walk, save->cache);
	for (uint64_t i = 1; cache_walk_next(&walk, copy, &found); i++) {
		if (is_worth_it(save, &found, copy, now_s))
			cache_file_add(w, copy, found.word_count);
		if (i % CANCEL_ENTRIES == 0 && is_cancelled(save))
			return false;
	}
	return true;
}

static enum cache_file_result write_file(const struct cache_save *save, struct cache_file_writer *w)
{
	enum cache_file_result result = cache_file_create(w, save->path);
	struct cache_file_time now;

	if (result != CACHE_FILE_OK)
		return result;
	if (!add_all(save, w)) {
		w->error = 0;
		cache_file_abandon(w);
		return CACHE_FILE_NOT_WRITTEN;
	}
	now = cache_clock_now(save->clock);
	return cache_file_finish(w, &now);
}

static void log_failure(const struct cache_save *save, enum cache_file_result result, int error)
{
	const struct cache_file_text *text = &cache_file_text[result];

	log_write(CONFIG_LOG_WARNING, "cache", "not saved file=%s problem=\"%s%s%s\" remedy=\"%s\"",
		  save->path, text->problem, error != 0 ? ": " : "",
		  error != 0 ? strerror(error) : "", text->remedy);
}

enum cache_file_result cache_save_run(const struct cache_save *save, struct cache_saved *out)
{
	const mono_ns started = cache_clock_now(save->clock).mono;
	struct cache_file_writer w;
	enum cache_file_result result = write_file(save, &w);

	*out = (struct cache_saved){
		.entry_count = w.entry_count,
		.bytes = w.body_bytes + CACHE_FILE_START_BYTES + CACHE_FILE_END_BYTES,
		.ms = (cache_clock_now(save->clock).mono - started) / NS_PER_MS,
		.error = w.error,
	};
	if (is_cancelled(save))
		return result;
	if (result != CACHE_FILE_OK)
		log_failure(save, result, w.error);
	else
		log_write(CONFIG_LOG_INFO, "cache",
			  "saved file=%s entries=%" PRIu64 " bytes=%" PRIu64 " ms=%" PRIu64,
			  save->path, out->entry_count, out->bytes, out->ms);
	return result;
}
