#include "iterate_world.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/msg_build.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define ZONE_TEXT_BYTES 16384
#define ASK_NS (6 * NS_PER_S)

/* ---- zones ---- */

static void load_record(struct tree_zone *zone, ldns_rr *rr)
{
	struct tree_record *record = &zone->records[zone->record_count++];
	ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN);
	uint8_t *rdata;

	ldns_rr2canonical(rr);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_rdata2buffer_wire(buffer, rr), LDNS_STATUS_OK);
	record->owner.length_bytes = (uint8_t)ldns_rdf_size(ldns_rr_owner(rr));
	memcpy(record->owner.bytes, ldns_rdf_data(ldns_rr_owner(rr)), record->owner.length_bytes);
	record->type = (uint16_t)ldns_rr_get_type(rr);
	record->ttl_s = ldns_rr_ttl(rr);
	record->rdata_bytes = (uint16_t)ldns_buffer_position(buffer);
	rdata = malloc(record->rdata_bytes + 1u);
	memcpy(rdata, ldns_buffer_begin(buffer), record->rdata_bytes);
	record->rdata = rdata;
	ldns_buffer_free(buffer);
}

static void load_zone(struct tree_zone *zone, const struct iterate_zone *from)
{
	char text[ZONE_TEXT_BYTES];
	ldns_zone *loaded = NULL;
	int line = 0;
	FILE *file;
	bool has_ns = strstr(from->text, "@ NS") != NULL || strstr(from->text, "@ 60 NS") != NULL;

	snprintf(
		text, sizeof(text),
		"$ORIGIN %s\n$TTL 3600\n@ SOA ns.invalid. host.invalid. 1 3600 600 86400 300\n%s%s",
		from->name, has_ns ? "" : "@ NS ns.invalid.\n", from->text);
	file = fmemopen(text, strlen(text), "r");
	if (ldns_zone_new_frm_fp_l(&loaded, file, NULL, 0, LDNS_RR_CLASS_IN, &line) !=
	    LDNS_STATUS_OK) {
		fprintf(stderr, "zone %s: line %d\n", from->name, line);
		CU_FAIL_FATAL("zone");
	}
	fclose(file);
	zone->name = tree_name_of(from->name);
	zone->records =
		calloc(ldns_rr_list_rr_count(ldns_zone_rrs(loaded)) + 1, sizeof(*zone->records));
	load_record(zone, ldns_zone_soa(loaded));
	for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_zone_rrs(loaded)); i++)
		load_record(zone, ldns_rr_list_rr(ldns_zone_rrs(loaded), i));
	ldns_zone_deep_free(loaded);
}

static struct tree_server *server_named(struct tree *tree, const char *text)
{
	struct address address;
	struct tree_server *s;

	CU_ASSERT_FATAL(world_address(text, &address));
	for (unsigned i = 0; i < tree->server_count; i++)
		if (memcmp(tree->servers[i].address, address.bytes, ADDRESS_BYTES) == 0)
			return &tree->servers[i];
	s = &tree->servers[tree->server_count++];
	memcpy(s->address, address.bytes, ADDRESS_BYTES);
	return s;
}

static void serve(struct tree *tree, unsigned zone_idx, const char *servers)
{
	char words[256];
	char *rest = words;

	snprintf(words, sizeof(words), "%s", servers);
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		struct tree_server *s = server_named(tree, word);

		s->zones[s->zone_count++] = (uint16_t)zone_idx;
	}
}

/* ---- the world ---- */

static void hints(struct iterate_world *w, const char *servers)
{
	struct zone_cut *cut = &w->world->config->root_hints;
	char words[256];
	char *rest = words;
	struct name root = {.length_bytes = 1}, server;
	unsigned count = 0;

	zone_cut_init(cut, &root, ZONE_CUT_HINTS, UINT32_MAX);
	snprintf(words, sizeof(words), "%s", servers);
	for (char *word; (word = strsep(&rest, " ")) != NULL; count++) {
		struct endpoint peer = {.port = DNS_PORT};
		char text[32];

		snprintf(text, sizeof(text), "%c.root.invalid.", 'a' + (int)count);
		CU_ASSERT_FATAL(name_from_text(text, &server));
		CU_ASSERT_FATAL(world_address(word, &peer.address));
		CU_ASSERT_FATAL(zone_cut_add_server(cut, &server));
		CU_ASSERT_FATAL(zone_cut_add_address(cut, &peer, count));
	}
}

struct iterate_world *iterate_new(const struct iterate_zone zones[], unsigned zone_count,
				  unsigned engine_count)
{
	struct iterate_world *w = calloc(1, sizeof(*w));
	struct world_params params = {
		.engine_count = engine_count,
		.seed = 7,
		.is_dirty = true,
		.checks = true,
	};

	w->tree.zones = calloc(ITERATE_ZONES_MAX, sizeof(*w->tree.zones));
	w->tree.servers = calloc(TREE_SERVERS_MAX, sizeof(*w->tree.servers));
	for (unsigned i = 0; i < zone_count; i++) {
		load_zone(&w->tree.zones[i], &zones[i]);
		serve(&w->tree, i, zones[i].servers);
	}
	w->tree.zone_count = zone_count;
	w->world = world_new(&params);
	w->world->config->iterates = true;
	hints(w, zones[0].servers);
	return w;
}

void iterate_start(struct iterate_world *w)
{
	world_start(w->world);
}

void iterate_free(struct iterate_world *w)
{
	(void)iterate_run(w, ASK_NS);
	world_check(w->world);
	for (unsigned i = 0; i < w->world->engine_count; i++) {
		struct engine_gauges g;

		engine_gauges(w->world->engines[i], &g);
		CU_ASSERT_EQUAL(g.resolutions_active, 0);
		CU_ASSERT_EQUAL(g.waiters, 0);
		CU_ASSERT_EQUAL(g.answer_buffers_used, 0);
		CU_ASSERT_EQUAL(g.tickets_out, 0);
	}
	world_free(w->world);
	for (unsigned i = 0; i < w->tree.zone_count; i++) {
		for (unsigned j = 0; j < w->tree.zones[i].record_count; j++)
			free((void *)(uintptr_t)w->tree.zones[i].records[j].rdata);
		free(w->tree.zones[i].records);
	}
	free(w->tree.zones);
	free(w->tree.servers);
	free(w);
}

/* ---- events ---- */

static void address_text(const struct address *a, char text[64])
{
	if (address_is_v4(a))
		snprintf(text, 64, "%u.%u.%u.%u", a->bytes[12], a->bytes[13], a->bytes[14],
			 a->bytes[15]);
	else
		snprintf(text, 64, "%x:%x::%x", (unsigned)a->bytes[0] << 8 | a->bytes[1],
			 (unsigned)a->bytes[2] << 8 | a->bytes[3],
			 (unsigned)a->bytes[14] << 8 | a->bytes[15]);
}

size_t iterate_authority(const struct iterate_world *w, const struct world_event *event,
			 uint8_t *out)
{
	const struct tree_server *server = tree_server_at(&w->tree, event->peer.address.bytes);
	struct authority_question question;

	if (server == NULL || !authority_parse(event->message, event->length_bytes, &question))
		return 0;
	if (event->kind == WORLD_STREAM_QUERY)
		question.limit_bytes = UINT16_MAX;
	return authority_answer(&w->tree, server, &question, out);
}

static void on_query(struct iterate_world *w, struct world_event *event)
{
	static uint8_t out[AUTHORITY_MESSAGE_BYTES_MAX];
	struct iterate_query *q = &w->log[w->query_count % ITERATE_LOG_MAX];
	struct authority_question question;
	size_t length = SIZE_MAX;

	CU_ASSERT_FATAL(authority_parse(event->message, event->length_bytes, &question));
	address_text(&event->peer.address, q->server);
	tree_name_print(&question.qname, q->qname);
	q->qtype = question.qtype;
	q->is_tcp = event->kind == WORLD_STREAM_QUERY;
	q->engine = event->engine;
	q->at = event->at;
	w->query_count++;
	if (w->server != NULL)
		length = w->server(w, q, event, out);
	if (length == SIZE_MAX)
		length = iterate_authority(w, event, out);
	if (event->kind == WORLD_STREAM_QUERY && length > 0)
		world_stream_reply(w->world, event, (struct span){out, length});
	else if (event->kind == WORLD_STREAM_QUERY)
		world_stream_fail(w->world, event, STREAM_FAILURE_TIMEOUT);
	else if (length > 0)
		world_udp(w->world, event->engine, &event->peer, &event->local,
			  (struct span){out, length});
}

static void on_answer(struct iterate_world *w, const struct world_event *event)
{
	w->has_answer = true;
	w->answered_at = event->at;
	w->message_bytes = event->length_bytes;
	memcpy(w->message, event->message, event->length_bytes);
	CU_ASSERT_EQUAL_FATAL(msg_parse_response((struct span){w->message, w->message_bytes},
						 &w->answer),
			      MSG_RESPONSE_OK);
}

unsigned iterate_run(struct iterate_world *w, uint64_t ns)
{
	mono_ns until = w->world->now + ns;
	unsigned answers = 0;
	struct world_event event;

	while (w->world->now < until && world_run(w->world, until))
		while (world_next(w->world, &event)) {
			if (event.kind == WORLD_ANSWER) {
				answers++;
				on_answer(w, &event);
			} else {
				on_query(w, &event);
			}
		}
	return answers;
}

void iterate_send(struct iterate_world *w, const char *qname, uint16_t qtype, uint16_t client)
{
	struct endpoint from = {.port = 40000}, to;
	uint8_t message[512];
	struct name name;
	struct msg_query_params params = {
		.id = ++w->next_id,
		.qname = &name,
		.qtype = qtype,
		.qclass = DNS_CLASS_IN,
		.recursion_desired = true,
		.edns = true,
		.edns_udp_size_bytes = 1232,
	};
	size_t length;

	CU_ASSERT_FATAL(name_from_text(qname, &name));
	CU_ASSERT_FATAL(world_address("198.51.100.9", &from.address));
	from.address.bytes[14] = (uint8_t)(client >> 8);
	from.address.bytes[15] = (uint8_t)client;
	to = world_listen(w->world, &from.address);
	length = msg_build_query((struct buffer){message, sizeof(message)}, &params);
	/* Of the client the engine is told that it does no DNSSEC. */
	message[length - 4] = 0;
	world_udp(w->world, client % w->world->engine_count, &from, &to,
		  (struct span){message, length});
}

bool iterate_ask(struct iterate_world *w, const char *qname, uint16_t qtype)
{
	mono_ns until = w->world->now + ASK_NS;
	struct world_event event;

	w->query_count = 0;
	w->has_answer = false;
	iterate_send(w, qname, qtype, 1);
	while (!w->has_answer && w->world->now < until && world_run(w->world, until))
		while (world_next(w->world, &event)) {
			if (event.kind == WORLD_ANSWER)
				on_answer(w, &event);
			else
				on_query(w, &event);
		}
	if (!w->has_answer || getenv("ITERATE_LOG") != NULL)
		iterate_print(w);
	return w->has_answer;
}

/* ---- what there is in an answer ---- */

uint16_t iterate_rcode(const struct iterate_world *w)
{
	return w->answer.flags & DNS_RCODE_MASK;
}

uint16_t iterate_ede(const struct iterate_world *w)
{
	const uint8_t *m = w->message;
	size_t at = w->answer.opt_offset + DNS_OPT_BYTES_MIN;

	if (!w->answer.edns.present)
		return DNS_EDE_NONE;
	while (at + 4 <= w->message_bytes) {
		uint16_t code = wire_get_u16(m + at);

		if (code == DNS_OPTION_EDE)
			return wire_get_u16(m + at + 4);
		at += 4u + wire_get_u16(m + at + 2);
	}
	return DNS_EDE_NONE;
}

static bool rdata_is(const struct iterate_world *w, const struct msg_record *record,
		     const char *owner, uint16_t type, const char *rdata)
{
	struct span message = {w->message, w->message_bytes};
	char *type_text = ldns_rr_type2str((ldns_rr_type)type);
	char text[1024];
	ldns_rr *rr = NULL;
	uint8_t *wire = NULL;
	size_t wire_bytes = 0, at = record->rdata_offset;
	struct name name;
	bool same = false;

	snprintf(text, sizeof(text), "%s 1 IN %s %s", owner, type_text, rdata);
	free(type_text);
	CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL), LDNS_STATUS_OK);
	CU_ASSERT_EQUAL_FATAL(ldns_rr2wire(&wire, rr, LDNS_SECTION_ANSWER, &wire_bytes),
			      LDNS_STATUS_OK);
	if (type == DNS_TYPE_CNAME || type == DNS_TYPE_NS || type == DNS_TYPE_DNAME) {
		CU_ASSERT_EQUAL_FATAL(name_parse(message, &at, &name), NAME_OK);
		same = name.length_bytes <= wire_bytes &&
		       memcmp(wire + wire_bytes - name.length_bytes, name.bytes,
			      name.length_bytes) == 0;
	} else {
		same = record->rdata_length_bytes <= wire_bytes &&
		       memcmp(wire + wire_bytes - record->rdata_length_bytes,
			      w->message + record->rdata_offset, record->rdata_length_bytes) == 0;
	}
	free(wire);
	ldns_rr_free(rr);
	return same;
}

bool iterate_has(const struct iterate_world *w, const char *owner, uint16_t type, const char *rdata)
{
	struct span message = {w->message, w->message_bytes};
	size_t offset = w->answer.records_offset;
	struct msg_record record;
	struct name wanted, name;

	CU_ASSERT_FATAL(name_from_text(owner, &wanted));
	for (unsigned i = 0; i < w->answer.answer_count; i++) {
		size_t at;

		CU_ASSERT_FATAL(msg_record_next(message, &offset, &record));
		at = record.owner_offset;
		CU_ASSERT_EQUAL_FATAL(name_parse(message, &at, &name), NAME_OK);
		if (record.type == type && name_equal(&name, &wanted) &&
		    (rdata == NULL || rdata_is(w, &record, owner, type, rdata)))
			return true;
	}
	return false;
}

unsigned iterate_answer_count(const struct iterate_world *w)
{
	return w->answer.answer_count;
}

unsigned iterate_queries(const struct iterate_world *w, const char *server, const char *qname,
			 uint16_t qtype)
{
	unsigned count = 0;

	for (unsigned i = 0; i < w->query_count && i < ITERATE_LOG_MAX; i++)
		count += (server == NULL || strcmp(w->log[i].server, server) == 0) &&
			 (qname == NULL || strcmp(w->log[i].qname, qname) == 0) &&
			 (qtype == 0 || w->log[i].qtype == qtype);
	return count;
}

void iterate_print(const struct iterate_world *w)
{
	for (unsigned i = 0; i < COUNTER_COUNT; i++)
		if (world_count(w->world, (enum counter)i) > 0)
			fprintf(stderr, "%s %llu\n", counter_rows[i].name,
				(unsigned long long)world_count(w->world, (enum counter)i));
	for (unsigned i = 0; i < w->query_count && i < ITERATE_LOG_MAX; i++)
		fprintf(stderr, "%llu ms: worker %u asks %s%s for %s type %u\n",
			(unsigned long long)(w->log[i].at / NS_PER_MS), w->log[i].engine,
			w->log[i].server, w->log[i].is_tcp ? " (TCP)" : "", w->log[i].qname,
			w->log[i].qtype);
}
