#include "dpdk_app/dpdk.h"

#include "dpdk_app/telemetry_cache.h"

#include <ctype.h>
#include <inttypes.h>
#include <rte_telemetry.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/log.h"
#include "dpdk_app/telemetry_rows.h"

/* A string of a reply is cut at RTE_TEL_MAX_STRING_LEN. */
#define PART_BYTES 60
/* Of a message, a reply: two characters a byte and four around a part must stay well below 16 KiB. */
#define PAGE_BYTES 6000
#define DECIMAL_BYTES 32

/* DPDK's callbacks take no argument of ours. */
static struct cache_control *_Atomic opened; /* NULL: closed */

/* ---- what the parameters say ---- */

/* A number and the space behind it. False: it is none, or more than `maximum`. */
static bool take_number(const char **params, uint64_t maximum, uint64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)**params))
		return false;
	*out = strtoull(*params, &end, 10);
	if (*end != ' ' || *out > maximum)
		return false;
	*params = end + 1;
	return true;
}

/* A word and the space behind it. */
static bool take_word(const char **params, const char *word)
{
	size_t bytes = strlen(word);

	if (strncmp(*params, word, bytes) != 0 || (*params)[bytes] != ' ')
		return false;
	*params += bytes + 1;
	return true;
}

static void add_result(struct rte_tel_data *data, enum cache_control_result result)
{
	rte_tel_data_add_dict_string(data, "result", cache_control_text[result]);
}

static void add_bad_params(struct rte_tel_data *data)
{
	rte_tel_data_add_dict_string(data, "error", "parameters as in telemetry_cache.h");
}

/* ---- stats ---- */

static void add_decimal(struct rte_tel_data *data, const char *name, double value)
{
	char text[DECIMAL_BYTES];

	snprintf(text, sizeof(text), "%.4f", value);
	rte_tel_data_add_dict_string(data, name, text);
}

/* 0 of nothing is 0. */
static double ratio(uint64_t part, uint64_t whole)
{
	return whole != 0 ? (double)part / (double)whole : 0;
}

static void add_sample(struct cache_control *control, struct rte_tel_data *data)
{
	static const char *const names[CACHE_CONTROL_STEPS] = {
		"sample_ttl_expired", "sample_ttl_to_10s", "sample_ttl_to_1m", "sample_ttl_to_10m",
		"sample_ttl_to_1h",   "sample_ttl_to_1d",  "sample_ttl_above",
	};
	struct cache_control_sample s;

	if (cache_control_sample(control, &s) != CACHE_CONTROL_OK)
		return;
	rte_tel_data_add_dict_u64(data, "sample_entries", s.entries);
	rte_tel_data_add_dict_u64(data, "sample_failures", s.failures);
	add_decimal(data, "sample_mean_bytes", ratio(s.bytes, s.entries));
	add_decimal(data, "sample_mean_age_s", ratio(s.age_s, s.entries));
	for (unsigned i = 0; i < CACHE_CONTROL_STEPS; i++)
		rte_tel_data_add_dict_u64(data, names[i], s.ttl_left[i]);
}

static void reply_stats(struct cache_control *control, const char *params,
			struct rte_tel_data *data)
{
	struct cache_control_stats s;

	(void)params;
	cache_control_stats(control, &s);
	if (!s.has_cache) {
		add_result(data, CACHE_CONTROL_NO_CACHE);
		return;
	}
	rte_tel_data_add_dict_u64(data, "entries", s.usage.index_words_used);
	rte_tel_data_add_dict_u64(data, "size_bytes", s.usage.size_bytes);
	rte_tel_data_add_dict_u64(data, "log_bytes", s.usage.log_bytes);
	rte_tel_data_add_dict_u64(data, "log_used_bytes", s.usage.log_used_bytes);
	rte_tel_data_add_dict_u64(data, "index_bytes", s.usage.index_bytes);
	add_decimal(data, "index_load", ratio(s.usage.index_words_used, s.usage.index_words));
	rte_tel_data_add_dict_u64(data, "hits", s.hits);
	rte_tel_data_add_dict_u64(data, "misses", s.misses);
	add_decimal(data, "hit_ratio", ratio(s.hits, s.hits + s.misses));
	rte_tel_data_add_dict_u64(data, "stale", s.stale);
	rte_tel_data_add_dict_u64(data, "prefetches", s.prefetches);
	rte_tel_data_add_dict_u64(data, "failures", s.failures);
	rte_tel_data_add_dict_u64(data, "overtaken", s.overtaken);
	rte_tel_data_add_dict_u64(data, "inserts", s.writers.inserts);
	rte_tel_data_add_dict_u64(data, "inserts_lost", s.writers.inserts_lost);
	rte_tel_data_add_dict_u64(data, "evictions", s.writers.evictions);
	rte_tel_data_add_dict_u64(data, "displaced", s.writers.displaced);
	rte_tel_data_add_dict_u64(data, "second_chances", s.writers.second_chances);
	add_decimal(data, "mean_age_at_eviction_s",
		    ratio(s.writers.evicted_age_s, s.writers.evictions));
	rte_tel_data_add_dict_string(data, "file_read_back", cache_restore_state_text[s.restore]);
	rte_tel_data_add_dict_u64(data, "restored", s.restored);
	add_sample(control, data);
}

static void put(stats_put *to, void *context, const char *name, enum stats_kind kind,
		uint64_t value, const char *help)
{
	const struct stats_number number = {
		.what = name, .kind = kind, .value = value, .help = help};

	to(context, &number);
}

void telemetry_cache_numbers(stats_put *to, void *context)
{
	struct cache_control *control = atomic_load_explicit(&opened, memory_order_acquire);
	struct cache_control_stats s = {.has_cache = false};

	if (control != NULL)
		cache_control_stats(control, &s);
	put(to, context, "cache_inserts", STATS_COUNTER, s.writers.inserts,
	    "answers put into the cache");
	put(to, context, "cache_inserts_lost", STATS_COUNTER, s.writers.inserts_lost,
	    "answers not kept because another worker changed the index at that moment");
	put(to, context, "cache_evictions", STATS_COUNTER, s.writers.evictions,
	    "entries overwritten before they expired");
	put(to, context, "cache_displaced", STATS_COUNTER, s.writers.displaced,
	    "entries given up for want of place in the index");
	put(to, context, "cache_second_chances", STATS_COUNTER, s.writers.second_chances,
	    "entries kept on because they had been asked for");
	put(to, context, "cache_evicted_age_s", STATS_COUNTER, s.writers.evicted_age_s,
	    "seconds that evicted entries had been there, summed up");
	put(to, context, "cache_entries", STATS_GAUGE, s.usage.index_words_used,
	    "entries, expired ones too");
	put(to, context, "cache_size_bytes", STATS_GAUGE, s.usage.size_bytes,
	    "memory of the cache");
	put(to, context, "cache_log_bytes", STATS_GAUGE, s.usage.log_bytes,
	    "of it, room for entries");
	put(to, context, "cache_log_used_bytes", STATS_GAUGE, s.usage.log_used_bytes,
	    "of that, ever used");
	put(to, context, "cache_index_words", STATS_GAUGE, s.usage.index_words,
	    "places in the index");
	put(to, context, "cache_restored", STATS_COUNTER, s.restored,
	    "entries read back from the file");
}

/* ---- look-up ---- */

static void add_message(struct rte_tel_data *data, const struct cache_control_entry *entry,
			size_t start)
{
	static const char digits[] = "0123456789abcdef";
	struct rte_tel_data *parts = rte_tel_data_alloc();
	size_t end = start + PAGE_BYTES;

	if (end > entry->message_bytes)
		end = entry->message_bytes;
	telemetry_cursor_add(data,
			     end < entry->message_bytes ? (uint32_t)end : TELEMETRY_CURSOR_END);
	if (parts == NULL)
		return;
	rte_tel_data_start_array(parts, RTE_TEL_STRING_VAL);
	for (size_t at = start; at < end;) {
		char text[2 * PART_BYTES + 1];
		unsigned chars = 0;

		for (; at < end && chars < 2 * PART_BYTES; at++) {
			text[chars++] = digits[entry->message[at] >> 4];
			text[chars++] = digits[entry->message[at] & 0xf];
		}
		text[chars] = '\0';
		rte_tel_data_add_array_string(parts, text);
	}
	rte_tel_data_add_dict_container(data, "message", parts, 0);
}

static void reply_lookup(struct cache_control *control, const char *params,
			 struct rte_tel_data *data)
{
	struct cache_control_entry *entry;
	enum cache_control_result result;
	uint64_t type, checking_disabled, start;
	struct name name;

	if (!take_number(&params, UINT16_MAX, &type) ||
	    !take_number(&params, 1, &checking_disabled) ||
	    !take_number(&params, UINT16_MAX, &start) || !name_from_text(params, &name)) {
		add_bad_params(data);
		return;
	}
	entry = malloc(sizeof(*entry));
	if (entry == NULL)
		return;
	result =
		cache_control_lookup(control, &name, (uint16_t)type, checking_disabled != 0, entry);
	add_result(data, result);
	if (result == CACHE_CONTROL_OK) {
		rte_tel_data_add_dict_string(data, "state", entry->state);
		rte_tel_data_add_dict_u64(data, "rcode", entry->rcode);
		rte_tel_data_add_dict_u64(data, "age_s", entry->age_s);
		rte_tel_data_add_dict_u64(data, "ttl_s", entry->ttl_s);
		rte_tel_data_add_dict_u64(data, "kept_s", entry->kept_s);
		rte_tel_data_add_dict_u64(data, "wants_refresh", entry->wants_refresh);
		rte_tel_data_add_dict_u64(data, "entry_bytes", entry->entry_bytes);
		rte_tel_data_add_dict_u64(data, "set", entry->word);
		rte_tel_data_add_dict_u64(data, "message_bytes", entry->message_bytes);
		add_message(data, entry, (size_t)start);
	}
	free(entry);
}

/* ---- flush and save ---- */

static void reply_flush(struct cache_control *control, const char *params,
			struct rte_tel_data *data)
{
	struct cache_flush_what what = {.below = take_word(&params, "zone")};
	enum cache_control_result result;
	uint64_t type, removed;
	bool in_force;

	if ((!what.below && !take_word(&params, "name")) ||
	    !take_number(&params, UINT16_MAX, &type) || !name_from_text(params, &what.name)) {
		add_bad_params(data);
		return;
	}
	what.qtype = (uint16_t)type;
	result = cache_control_flush(control, &what, &removed, &in_force);
	add_result(data, result);
	if (result != CACHE_CONTROL_OK && result != CACHE_CONTROL_UNDER_WAY)
		return;
	rte_tel_data_add_dict_u64(data, "removed", removed);
	rte_tel_data_add_dict_u64(data, "in_force", in_force);
}

/* A string is cut; the rest follows. */
static void add_sentence(struct rte_tel_data *data, const char *sentence)
{
	size_t bytes = strlen(sentence);
	char part[RTE_TEL_MAX_STRING_LEN];
	size_t first = bytes < sizeof(part) - 1 ? bytes : sizeof(part) - 1;

	snprintf(part, sizeof(part), "%.*s", (int)first, sentence);
	rte_tel_data_add_dict_string(data, "why", part);
	snprintf(part, sizeof(part), "%.*s", (int)sizeof(part) - 1, sentence + first);
	rte_tel_data_add_dict_string(data, "why_1", part);
}

static void reply_save(struct cache_control *control, const char *params, struct rte_tel_data *data)
{
	char why[CACHE_CONTROL_WHY_BYTES] = "";
	struct cache_saved saved;
	enum cache_control_result result = cache_control_save(control, &saved, why);

	(void)params;
	add_result(data, result);
	add_sentence(data, why);
	if (result != CACHE_CONTROL_OK)
		return;
	rte_tel_data_add_dict_u64(data, "entries", saved.entry_count);
	rte_tel_data_add_dict_u64(data, "bytes", saved.bytes);
	rte_tel_data_add_dict_u64(data, "ms", saved.ms);
}

/* ---- the socket ---- */

static const struct command {
	const char *name;
	void (*reply)(struct cache_control *control, const char *params, struct rte_tel_data *data);
	const char *help;
} commands[] = {
	{"/portico/cache_stats", reply_stats, "Figures of the cache."},
	{"/portico/cache_lookup", reply_lookup,
	 "What is kept of a question. Parameters: TYPE CD START NAME."},
	{"/portico/cache_flush", reply_flush,
	 "Takes answers out. Parameters: name|zone TYPE NAME; TYPE 0: all."},
	{"/portico/cache_save", reply_save, "Writes the cache to its file."},
};

static int on_command(const char *name, const char *params, struct rte_tel_data *data)
{
	struct cache_control *control = atomic_load_explicit(&opened, memory_order_acquire);

	for (size_t i = 0; control != NULL && i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		rte_tel_data_start_dict(data);
		commands[i].reply(control, params == NULL ? "" : params, data);
		return 0;
	}
	return -1;
}

bool telemetry_cache_open(struct cache_control *control)
{
	atomic_store_explicit(&opened, control, memory_order_release);
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
		if (!telemetry_offer(commands[i].name, on_command, commands[i].help))
			return false;
	return true;
}

void telemetry_cache_close(void)
{
	atomic_store_explicit(&opened, NULL, memory_order_release);
}
