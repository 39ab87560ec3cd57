#include "dpdk_app/porticoctl_cache.h"

#include <inttypes.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/name.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_table.h"

/* Command and parameters are a request of at most 1,000 bytes (porticoctl_socket.h). */
#define PARAMS_BYTES 960
#define RESULT_BYTES 96
#define STATE_BYTES 32
#define WHY_BYTES 256
#define MESSAGE_BYTES_MAX 65535
/* How often an entry may change while its pages are read. */
#define TRIES_MAX 8

/* ---- names and types ---- */

/* False: printed what is wrong. */
static bool parse_name(const char *text, struct name *out)
{
	if (name_from_text(text, out))
		return true;
	fprintf(stderr, "porticoctl: \"%s\" is not a domain name\n", text);
	return false;
}

/* "A", "TYPE65"; 0 is none. */
static bool parse_type(const char *text, unsigned *out)
{
	*out = (unsigned)ldns_get_rr_type_by_name(text);
	if (*out != 0)
		return true;
	fprintf(stderr, "porticoctl: \"%s\" is not a record type, such as A, AAAA, TYPE65\n", text);
	return false;
}

static char *type_text(unsigned type)
{
	return ldns_rr_type2str((ldns_rr_type)type);
}

bool porticoctl_cache_check_lookup(const struct porticoctl_options *o, const char *const args[])
{
	struct name name;
	unsigned type;

	(void)o;
	return parse_name(args[0], &name) && parse_type(args[1], &type);
}

bool porticoctl_cache_check_flush(const struct porticoctl_options *o, const char *const args[])
{
	struct name name;
	unsigned type;

	(void)o;
	return parse_name(args[0], &name) && (args[1] == NULL || parse_type(args[1], &type));
}

static bool is_json(const struct porticoctl_options *o)
{
	return porticoctl_options_has(o, PORTICOCTL_JSON);
}

/* A refusal, as the program says it. True: it is none. */
static bool is_done(struct fy_node *body, const char *command)
{
	char result[RESULT_BYTES];

	porticoctl_field_text(body, "result", result, sizeof(result));
	if (strcmp(result, "done") == 0)
		return true;
	fprintf(stderr, "porticoctl: %s: %s\n", command, result);
	return false;
}

/* ---- stats ---- */

static void print_member(const char *key, const char *value, bool first, bool json)
{
	if (!json) {
		printf("%-24s%20s\n", key, value);
		return;
	}
	fputs(first ? "{\n  " : ",\n  ", stdout);
	porticoctl_print_json_string(key);
	fputs(": ", stdout);
	if (porticoctl_is_number(value))
		fputs(value, stdout);
	else
		porticoctl_print_json_string(value);
}

bool porticoctl_cache_stats(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			    const char *const args[])
{
	struct porticoctl_reply reply;
	struct fy_node_pair *pair;
	void *at = NULL;
	bool first = true, good = true;

	(void)args;
	if (!porticoctl_socket_ask(s, "cache_stats", 0, &reply))
		return false;
	if (fy_node_mapping_lookup_by_string(reply.body, "result", strlen("result")) != NULL)
		good = is_done(reply.body, "cache stats");
	while (good && (pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
		char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));
		char *value = porticoctl_copy_scalar(fy_node_pair_value(pair));

		print_member(key, value, first, is_json(o));
		first = false;
		free(key);
		free(value);
	}
	if (good && is_json(o))
		puts("\n}");
	porticoctl_reply_free(&reply);
	return good;
}

/* ---- look-up ---- */

struct entry {
	const char *name; /* in presentation format */
	unsigned type;
	bool checking_disabled;
	char state[STATE_BYTES];
	unsigned rcode;
	uint64_t age_s, ttl_s, kept_s, entry_bytes, set;
	bool wants_refresh;
	size_t message_bytes;
	uint8_t message[MESSAGE_BYTES_MAX];
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Append what a page has of the message. False: it is not hexadecimal, or too long. */
static bool add_part(struct entry *e, struct fy_node *part)
{
	size_t length = 0;
	const char *text = fy_node_get_scalar(part, &length);

	if (text == NULL || length % 2 != 0)
		return false;
	for (size_t i = 0; i < length; i += 2) {
		int high = digit(text[i]), low = digit(text[i + 1]);

		if (high < 0 || low < 0 || e->message_bytes == sizeof(e->message))
			return false;
		e->message[e->message_bytes++] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool add_parts(struct entry *e, struct fy_node *body)
{
	struct fy_node *list = fy_node_mapping_lookup_by_string(body, "message", strlen("message"));
	struct fy_node *part;
	void *at = NULL;

	while (list != NULL && (part = fy_node_sequence_iterate(list, &at)) != NULL) {
		if (!add_part(e, part))
			return false;
	}
	return true;
}

enum page { PAGE_MORE, PAGE_LAST, PAGE_OTHER_ENTRY, PAGE_NOT_FOUND, PAGE_FAILED };

/* What the reply says, of which the first page has all. */
static enum page read_page(struct entry *e, struct fy_node *body, bool first)
{
	char result[RESULT_BYTES];

	porticoctl_field_text(body, "result", result, sizeof(result));
	if (strcmp(result, "not in the cache") == 0)
		return first ? PAGE_NOT_FOUND : PAGE_OTHER_ENTRY;
	if (!is_done(body, "cache lookup"))
		return PAGE_FAILED;
	if (!first && porticoctl_field_number(body, "set") != e->set)
		return PAGE_OTHER_ENTRY;
	porticoctl_field_text(body, "state", e->state, sizeof(e->state));
	e->set = porticoctl_field_number(body, "set");
	e->rcode = (unsigned)porticoctl_field_number(body, "rcode");
	e->age_s = porticoctl_field_number(body, "age_s");
	e->ttl_s = porticoctl_field_number(body, "ttl_s");
	e->kept_s = porticoctl_field_number(body, "kept_s");
	e->entry_bytes = porticoctl_field_number(body, "entry_bytes");
	e->wants_refresh = porticoctl_field_number(body, "wants_refresh") != 0;
	if (!add_parts(e, body)) {
		fputs("porticoctl: cache lookup: not a message\n", stderr);
		return PAGE_FAILED;
	}
	return porticoctl_field_number(body, "more") != 0 ? PAGE_MORE : PAGE_LAST;
}

static enum page load_page(const struct porticoctl_socket *s, struct entry *e)
{
	char params[PARAMS_BYTES];
	struct porticoctl_reply reply;
	enum page page;

	if (snprintf(params, sizeof(params), "%u %d %zu %s", e->type, e->checking_disabled,
		     e->message_bytes, e->name) >= (int)sizeof(params)) {
		fputs("porticoctl: cache lookup: the name is longer than telemetry takes\n",
		      stderr);
		return PAGE_FAILED;
	}
	if (!porticoctl_socket_ask_with(s, "cache_lookup", params, &reply))
		return PAGE_FAILED;
	page = read_page(e, reply.body, e->message_bytes == 0);
	porticoctl_reply_free(&reply);
	return page;
}

/* PAGE_LAST: all is there. */
static enum page load_entry(const struct porticoctl_socket *s, struct entry *e)
{
	enum page page = PAGE_MORE;

	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		e->message_bytes = 0;
		do
			page = load_page(s, e);
		while (page == PAGE_MORE);
		if (page != PAGE_OTHER_ENTRY)
			return page;
	}
	fputs("porticoctl: cache lookup: it changes while it is read: try again\n", stderr);
	return PAGE_FAILED;
}

static const struct {
	ldns_pkt_section section;
	const char *name;
} sections[] = {
	{LDNS_SECTION_ANSWER, "answer"},
	{LDNS_SECTION_AUTHORITY, "authority"},
	{LDNS_SECTION_ADDITIONAL, "additional"},
};

static ldns_rr_list *records_of(const ldns_pkt *packet, ldns_pkt_section section)
{
	switch ((int)section) {
	case LDNS_SECTION_ANSWER:
		return ldns_pkt_answer(packet);
	case LDNS_SECTION_AUTHORITY:
		return ldns_pkt_authority(packet);
	default:
		return ldns_pkt_additional(packet);
	}
}

/* A record in presentation format, without the line's end; to be freed. */
static char *record_text(const ldns_rr *record)
{
	char *text = ldns_rr2str(record);

	if (text != NULL)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

static void print_records(const ldns_pkt *packet)
{
	for (size_t s = 0; s < ARRAY_COUNT(sections); s++) {
		const ldns_rr_list *list = records_of(packet, sections[s].section);
		size_t count = list != NULL ? ldns_rr_list_rr_count(list) : 0;

		if (count > 0)
			printf(";; %s\n", sections[s].name);
		for (size_t i = 0; i < count; i++) {
			char *text = record_text(ldns_rr_list_rr(list, i));

			puts(text != NULL ? text : "?");
			free(text);
		}
	}
}

static void print_entry(const struct entry *e, const ldns_pkt *packet)
{
	char *type = type_text(e->type);
	char *rcode = ldns_pkt_rcode2str((ldns_pkt_rcode)e->rcode);

	printf(";; %s %s%s: %s, %s, age %" PRIu64 " s, TTL %" PRIu64 " s, kept for %" PRIu64
	       " s at most, %" PRIu64 " bytes%s\n",
	       e->name, type, e->checking_disabled ? " CD=1" : "", rcode != NULL ? rcode : "?",
	       e->state, e->age_s, e->ttl_s, e->kept_s, e->entry_bytes,
	       e->wants_refresh ? ", refreshed when it is asked for" : "");
	print_records(packet);
	free(rcode);
	free(type);
}

static void print_text_json(const char *key, const char *text)
{
	printf(", \"%s\": ", key);
	porticoctl_print_json_string(text != NULL ? text : "?");
}

static void print_records_json(const ldns_pkt *packet)
{
	for (size_t s = 0; s < ARRAY_COUNT(sections); s++) {
		const ldns_rr_list *list = records_of(packet, sections[s].section);
		size_t count = list != NULL ? ldns_rr_list_rr_count(list) : 0;

		printf(",\n   \"%s\": [", sections[s].name);
		for (size_t i = 0; i < count; i++) {
			char *text = record_text(ldns_rr_list_rr(list, i));

			for (char *c = text; c != NULL && (c = strchr(c, '\t')) != NULL;)
				*c = ' ';
			fputs(i == 0 ? "\n    " : ",\n    ", stdout);
			porticoctl_print_json_string(text != NULL ? text : "?");
			free(text);
		}
		putchar(']');
	}
}

static void print_entry_json(const struct entry *e, const ldns_pkt *packet, bool first)
{
	char *type = type_text(e->type);
	char *rcode = ldns_pkt_rcode2str((ldns_pkt_rcode)e->rcode);

	fputs(first ? "[\n  {\"name\": " : ",\n  {\"name\": ", stdout);
	porticoctl_print_json_string(e->name);
	print_text_json("type", type);
	printf(", \"cd\": %d", e->checking_disabled);
	print_text_json("rcode", rcode);
	print_text_json("state", e->state);
	printf(", \"age_s\": %" PRIu64 ", \"ttl_s\": %" PRIu64 ", \"kept_s\": %" PRIu64
	       ", \"entry_bytes\": %" PRIu64 ", \"wants_refresh\": %s",
	       e->age_s, e->ttl_s, e->kept_s, e->entry_bytes, e->wants_refresh ? "true" : "false");
	print_records_json(packet);
	putchar('}');
	free(rcode);
	free(type);
}

/* False: printed why. */
static bool show_entry(const struct entry *e, bool json, bool first)
{
	ldns_pkt *packet = NULL;
	ldns_status status = ldns_wire2pkt(&packet, e->message, e->message_bytes);

	if (status != LDNS_STATUS_OK) {
		fprintf(stderr, "porticoctl: cache lookup: not a message: %s\n",
			ldns_get_errorstr_by_id(status));
		return false;
	}
	if (json)
		print_entry_json(e, packet, first);
	else
		print_entry(e, packet);
	ldns_pkt_free(packet);
	return true;
}

static bool lookup_both(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			struct entry *e, bool *found)
{
	/* With checking disabled it is another question, that few ask. */
	for (int cd = 0; cd <= 1; cd++) {
		e->checking_disabled = cd != 0;
		switch (load_entry(s, e)) {
		case PAGE_LAST:
			if (!show_entry(e, is_json(o), !*found))
				return false;
			*found = true;
			break;
		case PAGE_NOT_FOUND:
			break;
		case PAGE_MORE:
		case PAGE_OTHER_ENTRY:
		case PAGE_FAILED:
			return false;
		}
	}
	return true;
}

bool porticoctl_cache_lookup(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			     const char *const args[])
{
	struct entry *e = calloc(1, sizeof(*e));
	char text[NAME_TEXT_BYTES_MAX];
	struct name name;
	bool good, found = false;

	if (e == NULL || !parse_name(args[0], &name) || !parse_type(args[1], &e->type)) {
		free(e);
		return false;
	}
	name_to_text(&name, text);
	e->name = text;
	good = lookup_both(s, o, e, &found);
	if (is_json(o))
		puts(found ? "\n]" : "[]");
	if (good && !found) {
		char *type = type_text(e->type);

		fprintf(stderr, "porticoctl: %s %s is not in the cache\n", text, type);
		free(type);
	}
	free(e);
	return good && found;
}

/* ---- flush and save ---- */

static void print_flushed(struct fy_node *body, bool under_way, bool json)
{
	uint64_t removed = porticoctl_field_number(body, "removed");
	bool in_force = porticoctl_field_number(body, "in_force") != 0;

	if (json)
		printf("{\"removed\": %" PRIu64 ", \"in_force\": %s, \"done\": %s}\n", removed,
		       in_force ? "true" : "false", under_way ? "false" : "true");
	else if (!under_way)
		printf("%" PRIu64 " %s\n", removed, removed == 1 ? "entry gone" : "entries gone");
	else if (in_force)
		printf("in force; %" PRIu64 " entries gone so far, the rest is swept up\n",
		       removed);
	else
		puts("waits for other flushes; it will come into force by itself");
}

/* kind: as in telemetry, "name" or "zone". */
static bool flush(const struct porticoctl_socket *s, const char *kind, const char *name_text,
		  unsigned type, bool json)
{
	char params[PARAMS_BYTES], text[NAME_TEXT_BYTES_MAX], result[RESULT_BYTES];
	struct porticoctl_reply reply;
	struct name name;
	bool good, under_way;

	if (!parse_name(name_text, &name))
		return false;
	name_to_text(&name, text);
	if (snprintf(params, sizeof(params), "%s %u %s", kind, type, text) >= (int)sizeof(params)) {
		fputs("porticoctl: cache flush: the name is longer than telemetry takes\n", stderr);
		return false;
	}
	if (!porticoctl_socket_ask_with(s, "cache_flush", params, &reply))
		return false;
	porticoctl_field_text(reply.body, "result", result, sizeof(result));
	under_way = strcmp(result, "under way") == 0;
	good = under_way || is_done(reply.body, "cache flush");
	if (good)
		print_flushed(reply.body, under_way, json);
	porticoctl_reply_free(&reply);
	return good;
}

bool porticoctl_cache_flush(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			    const char *const args[])
{
	unsigned type = 0;

	return (args[1] == NULL || parse_type(args[1], &type)) &&
	       flush(s, "name", args[0], type, is_json(o));
}

bool porticoctl_cache_flush_zone(const struct porticoctl_socket *s,
				 const struct porticoctl_options *o, const char *const args[])
{
	return flush(s, "zone", args[0], 0, is_json(o));
}

bool porticoctl_cache_flush_all(const struct porticoctl_socket *s,
				const struct porticoctl_options *o, const char *const args[])
{
	(void)args;
	return flush(s, "zone", ".", 0, is_json(o));
}

static void print_saved(struct fy_node *body, bool json)
{
	uint64_t entries = porticoctl_field_number(body, "entries");
	uint64_t bytes = porticoctl_field_number(body, "bytes");
	uint64_t ms = porticoctl_field_number(body, "ms");

	if (json)
		printf("{\"entries\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"ms\": %" PRIu64 "}\n",
		       entries, bytes, ms);
	else
		printf("%" PRIu64 " %s, %" PRIu64 " bytes, in %" PRIu64 " ms\n", entries,
		       entries == 1 ? "entry" : "entries", bytes, ms);
}

bool porticoctl_cache_save(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			   const char *const args[])
{
	char result[RESULT_BYTES], why[WHY_BYTES], rest[WHY_BYTES];
	struct porticoctl_reply reply;
	bool good = true;

	(void)args;
	if (!porticoctl_socket_ask(s, "cache_save", 0, &reply))
		return false;
	porticoctl_field_text(reply.body, "result", result, sizeof(result));
	porticoctl_field_text(reply.body, "why", why, sizeof(why));
	porticoctl_field_text(reply.body, "why_1", rest, sizeof(rest));
	if (strcmp(result, "under way") == 0) {
		puts(is_json(o) ? "{\"done\": false}" : "under way; the log will say how it ends");
	} else if (why[0] != '\0') {
		fprintf(stderr, "porticoctl: cache save: not saved: %s%s\n", why, rest);
		good = false;
	} else {
		good = is_done(reply.body, "cache save");
		if (good)
			print_saved(reply.body, is_json(o));
	}
	porticoctl_reply_free(&reply);
	return good;
}
