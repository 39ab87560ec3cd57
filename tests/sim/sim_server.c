#include "tests/sim/sim_server.h"

#include <stdio.h>
#include <string.h>

const char *const sim_habit_text[SIM_HABIT_COUNT] = {
	[SIM_HABIT_HONEST] = "honest",
	[SIM_HABIT_DEAD] = "dead",
	[SIM_HABIT_REFUSES] = "refuses",
	[SIM_HABIT_FAILS] = "fails",
	[SIM_HABIT_NOT_IMPLEMENTED] = "NOTIMP",
	[SIM_HABIT_UPWARD] = "refers upward",
	[SIM_HABIT_SELF_REFERRAL] = "refers to itself",
	[SIM_HABIT_NOT_AUTHORITATIVE] = "not authoritative",
	[SIM_HABIT_POISONS] = "poisons",
	[SIM_HABIT_FLOODS] = "floods",
	[SIM_HABIT_NO_EDNS] = "no EDNS",
	[SIM_HABIT_LOWER_CASE] = "lower case",
	[SIM_HABIT_TRUNCATES] = "truncates",
	[SIM_HABIT_SLOW] = "slow",
	[SIM_HABIT_JUNK] = "junk",
	[SIM_HABIT_TRAILING] = "trailing byte",
	[SIM_HABIT_ANOTHER_QUESTION] = "another question",
	[SIM_HABIT_NO_RESPONSE_BIT] = "QR=0",
	[SIM_HABIT_LOOPING_NAMES] = "looping names",
	[SIM_HABIT_HEADER_ONLY] = "header only",
};

enum {
	HEADER_BYTES = 12,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	SLOW_MS = 2000,
	FLOOD_SERVERS = 100,
	COUNT_ANSWER = 6,
	COUNT_AUTHORITY = 8,
	COUNT_ADDITIONAL = 10,
	TTL_S = 86400,
	JUNK_BYTES = 20,
	SPARE_BYTES = 8192, /* of a message, for what is added */
};

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static unsigned get_u16(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

static size_t question_end(const struct authority_question *q)
{
	return HEADER_BYTES + q->spelled.length_bytes + 4u;
}

/* A record at the end; its section is the last that has records yet, or a later one. */
static size_t append(uint8_t *out, size_t bytes, size_t count_at, const struct tree_name *owner,
		     unsigned type, const uint8_t *rdata, size_t rdata_bytes)
{
	memcpy(out + bytes, owner->bytes, owner->length_bytes);
	bytes += owner->length_bytes;
	put_u16(out + bytes, type);
	put_u16(out + bytes + 2, 1);
	put_u16(out + bytes + 4, TTL_S >> 16);
	put_u16(out + bytes + 6, TTL_S & 0xffff);
	put_u16(out + bytes + 8, (unsigned)rdata_bytes);
	memcpy(out + bytes + 10, rdata, rdata_bytes);
	put_u16(out + count_at, get_u16(out + count_at) + 1);
	return bytes + 10 + rdata_bytes;
}

/* Header and question, with this RCODE and nothing else. */
static size_t only(const struct authority_question *q, uint8_t *out, unsigned rcode,
		   bool is_authoritative)
{
	memset(out, 0, HEADER_BYTES);
	put_u16(out, q->id);
	put_u16(out + 2, 0x8000u | (is_authoritative ? 0x0400u : 0) | rcode);
	put_u16(out + 4, 1);
	memcpy(out + HEADER_BYTES, q->spelled.bytes, q->spelled.length_bytes);
	put_u16(out + HEADER_BYTES + q->spelled.length_bytes, q->qtype);
	put_u16(out + HEADER_BYTES + q->spelled.length_bytes + 2, 1);
	return question_end(q);
}

static size_t refer_to(const struct authority_question *q, uint8_t *out,
		       const struct tree_name *zone)
{
	static const uint8_t address[] = {SIM_POISON_V4};
	struct tree_name server;
	size_t bytes = only(q, out, 0, false);

	if (!tree_name_join((const uint8_t *)"\003bad", 4, zone, &server))
		return bytes;
	bytes = append(out, bytes, COUNT_AUTHORITY, zone, TREE_NS, server.bytes,
		       server.length_bytes);
	return append(out, bytes, COUNT_ADDITIONAL, &server, TREE_A, address, sizeof(address));
}

static bool speaks_for(const struct tree *tree, const struct tree_server *server,
		       const struct tree_name *name)
{
	for (unsigned i = 0; i < server->zone_count; i++)
		if (tree_name_is_below(name, &tree->zones[server->zones[i]].name))
			return true;
	return false;
}

/* The record's type and rdata; returns where it ends. Names are as append and authorities write them. */
static size_t read_record(const uint8_t *message, size_t at, unsigned *type,
			  struct tree_name *rdata)
{
	unsigned rdata_bytes;

	while (message[at] != 0 && message[at] < 0xc0)
		at += message[at] + 1u;
	at += message[at] == 0 ? 1 : 2;
	*type = get_u16(message + at);
	rdata_bytes = get_u16(message + at + 8);
	at += 10;
	rdata->length_bytes = rdata_bytes <= TREE_NAME_BYTES ? (uint8_t)rdata_bytes : 0;
	memcpy(rdata->bytes, message + at, rdata->length_bytes);
	return at + rdata_bytes;
}

/* An address for each name that others speak for, and that the records name: of servers as glue, of what an alias leads to as
 * its answer. */
static size_t poison_named(const struct tree *tree, const struct tree_server *server,
			   const struct authority_question *q, uint8_t *out, size_t bytes)
{
	static const uint8_t address[] = {SIM_POISON_V4};
	unsigned answers = get_u16(out + COUNT_ANSWER);
	unsigned count = answers + get_u16(out + COUNT_AUTHORITY);
	size_t at = question_end(q);

	for (unsigned i = 0; i < count && bytes + SPARE_BYTES < AUTHORITY_MESSAGE_BYTES_MAX; i++) {
		struct tree_name named;
		unsigned type;

		at = read_record(out, at, &type, &named);
		if (named.length_bytes == 0 || type != (i < answers ? TREE_CNAME : TREE_NS) ||
		    speaks_for(tree, server, &named) || (i < answers && count > answers))
			continue;
		bytes = append(out, bytes, i < answers ? COUNT_ANSWER : COUNT_ADDITIONAL, &named,
			       TREE_A, address, sizeof(address));
	}
	return bytes;
}

/* Records of others' names, behind the truth: in its last section, whichever that is, and those after it. */
static size_t poison(const struct tree *tree, const struct tree_server *server,
		     const struct authority_question *q, uint8_t *out, size_t bytes)
{
	static const uint8_t address[] = {SIM_POISON_V4};
	size_t count_at = COUNT_ADDITIONAL;

	if (q->has_edns) { /* the OPT stands last; it goes */
		bytes -= 11;
		put_u16(out + COUNT_ADDITIONAL, get_u16(out + COUNT_ADDITIONAL) - 1);
	}
	if (get_u16(out + COUNT_ADDITIONAL) == 0)
		count_at = get_u16(out + COUNT_AUTHORITY) == 0 ? COUNT_ANSWER : COUNT_AUTHORITY;
	bytes = poison_named(tree, server, q, out, bytes);
	if (get_u16(out + COUNT_ADDITIONAL) != 0)
		count_at = COUNT_ADDITIONAL;
	for (unsigned i = 0; i < tree->zone_count && i < 12; i++) {
		const struct tree_name *zone = &tree->zones[i].name;
		struct tree_name bad;
		struct tree_name host;

		if (speaks_for(tree, server, zone))
			continue;
		if (!tree_name_join((const uint8_t *)"\003bad", 4, zone, &bad) ||
		    !tree_name_join((const uint8_t *)"\002h0", 3, zone, &host) ||
		    bytes + SPARE_BYTES > AUTHORITY_MESSAGE_BYTES_MAX)
			continue;
		bytes = append(out, bytes, count_at, &host, TREE_A, address, sizeof(address));
		bytes = append(out, bytes, count_at, zone, TREE_NS, bad.bytes, bad.length_bytes);
		bytes = append(out, bytes, count_at, &bad, TREE_A, address, sizeof(address));
	}
	return bytes;
}

/* Of a referral: a hundred more servers, of names that do not exist. */
static size_t flood(const struct tree *tree, const struct authority_question *q, uint8_t *out,
		    size_t bytes)
{
	struct tree_name zone = {.length_bytes = 0};
	size_t at = question_end(q);
	unsigned type;

	if (get_u16(out + COUNT_ANSWER) != 0 || get_u16(out + COUNT_AUTHORITY) == 0)
		return bytes;
	if (out[at] >= 0xc0) {
		zone = q->qname;
		type = get_u16(out + at + 2);
	} else {
		while (out[at + zone.length_bytes] != 0)
			zone.length_bytes =
				(uint8_t)(zone.length_bytes + out[at + zone.length_bytes] + 1);
		zone.length_bytes++;
		memcpy(zone.bytes, out + at, zone.length_bytes);
		type = get_u16(out + at + zone.length_bytes);
	}
	if (type != TREE_NS)
		return bytes;
	/* Only those of the flood: as additional records they would be glue. */
	bytes = only(q, out, 0, false);
	for (unsigned i = 0; i < FLOOD_SERVERS; i++) {
		const struct tree_name *victim = &tree->zones[i % tree->zone_count].name;
		struct tree_name server;
		char label[12];
		int label_bytes = snprintf(label + 1, sizeof(label) - 1, "no%u", i);

		label[0] = (char)label_bytes;
		if (tree_name_join((const uint8_t *)label, (size_t)label_bytes + 1, victim,
				   &server))
			bytes = append(out, bytes, COUNT_AUTHORITY, &zone, TREE_NS, server.bytes,
				       server.length_bytes);
	}
	return bytes;
}

static size_t refuse(const struct authority_question *q, enum sim_habit habit, uint8_t *out)
{
	if (habit == SIM_HABIT_REFUSES)
		return only(q, out, RCODE_REFUSED, false);
	if (habit == SIM_HABIT_FAILS)
		return only(q, out, RCODE_SERVFAIL, false);
	if (habit == SIM_HABIT_NOT_IMPLEMENTED)
		return only(q, out, RCODE_NOTIMP, false);
	return only(q, out, 0, false);
}

/* The truth, spoilt. Returns its length. */
static size_t spoil(const struct authority_question *q, enum sim_habit habit, uint8_t *out,
		    size_t bytes)
{
	size_t end = question_end(q);

	if (habit == SIM_HABIT_LOWER_CASE)
		memcpy(out + HEADER_BYTES, q->qname.bytes, q->qname.length_bytes);
	if (habit == SIM_HABIT_ANOTHER_QUESTION)
		out[end - 3] ^= 1; /* the type */
	if (habit == SIM_HABIT_NO_RESPONSE_BIT)
		out[2] &= 0x7f;
	if (habit == SIM_HABIT_TRAILING)
		out[bytes++] = 0;
	if (habit == SIM_HABIT_JUNK) {
		memset(out + end, 0xff, JUNK_BYTES);
		return end + JUNK_BYTES;
	}
	if (habit == SIM_HABIT_LOOPING_NAMES) {
		put_u16(out + COUNT_ANSWER, 1);
		put_u16(out + end, 0xc000u | (unsigned)end);
		return end + 2;
	}
	if (habit == SIM_HABIT_HEADER_ONLY) {
		memset(out + 4, 0, HEADER_BYTES - 4);
		return HEADER_BYTES;
	}
	return bytes;
}

size_t sim_server_answer(const struct tree *tree, const struct tree_server *server,
			 enum sim_habit habit, const uint8_t *query, size_t query_bytes,
			 bool over_tcp, uint8_t *out, unsigned *delay_ms)
{
	struct authority_question q;
	size_t bytes;

	if (habit == SIM_HABIT_DEAD || !authority_parse(query, query_bytes, &q))
		return 0;
	if (over_tcp)
		q.limit_bytes = AUTHORITY_MESSAGE_BYTES_MAX - SPARE_BYTES;
	if (habit == SIM_HABIT_SLOW)
		*delay_ms += SLOW_MS;
	if (habit == SIM_HABIT_REFUSES || habit == SIM_HABIT_FAILS ||
	    habit == SIM_HABIT_NOT_IMPLEMENTED || habit == SIM_HABIT_NOT_AUTHORITATIVE)
		return refuse(&q, habit, out);
	if (habit == SIM_HABIT_NO_EDNS && q.has_edns)
		return only(&q, out, RCODE_FORMERR, false);
	if (habit == SIM_HABIT_UPWARD)
		return refer_to(&q, out, &tree->zones[0].name);
	if (habit == SIM_HABIT_SELF_REFERRAL)
		return refer_to(&q, out, &tree->zones[server->zones[0]].name);
	if (habit == SIM_HABIT_TRUNCATES && !over_tcp)
		q.limit_bytes = 0;
	bytes = authority_answer(tree, server, &q, out);
	if (habit == SIM_HABIT_POISONS)
		return poison(tree, server, &q, out, bytes);
	if (habit == SIM_HABIT_FLOODS)
		return flood(tree, &q, out, bytes);
	return spoil(&q, habit, out, bytes);
}
