#include "tests/sim/authority.h"

#include <ctype.h>
#include <string.h>

enum {
	HEADER_BYTES = 12,
	FLAG_AA = 0x0400,
	FLAG_QR = 0x8000,
	FLAG_TC = 0x0200,
	RCODE_NXDOMAIN = 3,
	RCODE_YXDOMAIN = 6,
	RCODE_REFUSED = 5,
	CLASS_IN = 1,
	TYPE_OPT = 41,
	UDP_BYTES = 512,
	OPT_BYTES = 11,
	OWN_UDP_BYTES = 1232,
	ALIASES_MAX = 16,
	POINTER_TO_QNAME = 0xc00c,
};

enum section { SECTION_ANSWER, SECTION_AUTHORITY, SECTION_ADDITIONAL, SECTION_COUNT };

struct writer {
	const struct authority_question *question;
	uint8_t *out;
	size_t bytes;
	uint16_t counts[SECTION_COUNT];
	uint16_t flags;
	uint16_t rcode;
};

static uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_u16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

bool authority_parse(const uint8_t *query, size_t query_bytes, struct authority_question *out)
{
	size_t at = HEADER_BYTES;

	memset(out, 0, sizeof(*out));
	if (query_bytes < HEADER_BYTES || (get_u16(query + 2) & 0xf800) != 0 ||
	    get_u16(query + 4) != 1)
		return false;
	out->id = get_u16(query);
	while (at < query_bytes && query[at] != 0 && query[at] < 64)
		at += query[at] + 1u;
	if (at + 5 > query_bytes || query[at] != 0 || at - HEADER_BYTES + 1 > TREE_NAME_BYTES)
		return false;
	at++;
	out->spelled.length_bytes = out->qname.length_bytes = (uint8_t)(at - HEADER_BYTES);
	memcpy(out->spelled.bytes, query + HEADER_BYTES, out->spelled.length_bytes);
	for (unsigned i = 0; i < out->qname.length_bytes; i++)
		out->qname.bytes[i] = (uint8_t)tolower(out->spelled.bytes[i]);
	out->qtype = get_u16(query + at);
	if (get_u16(query + at + 2) != CLASS_IN)
		return false;
	at += 4;
	out->limit_bytes = UDP_BYTES;
	if (get_u16(query + 10) == 1 && at + OPT_BYTES <= query_bytes && query[at] == 0 &&
	    get_u16(query + at + 1) == TYPE_OPT) {
		out->has_edns = true;
		out->limit_bytes = get_u16(query + at + 3);
		if (out->limit_bytes < UDP_BYTES)
			out->limit_bytes = UDP_BYTES;
	}
	return true;
}

/* ---- writing ---- */

static void write_record_of(struct writer *w, enum section section, const struct tree_name *owner,
			    uint16_t type, uint32_t ttl_s, const uint8_t *rdata, size_t rdata_bytes)
{
	uint8_t *at = w->out + w->bytes;

	if (w->bytes + TREE_NAME_BYTES + 10 + rdata_bytes > AUTHORITY_MESSAGE_BYTES_MAX)
		return;
	if (tree_name_equal(owner, &w->question->qname)) {
		put_u16(at, POINTER_TO_QNAME);
		at += 2;
	} else {
		memcpy(at, owner->bytes, owner->length_bytes);
		at += owner->length_bytes;
	}
	put_u16(at, type);
	put_u16(at + 2, CLASS_IN);
	put_u16(at + 4, ttl_s >> 16);
	put_u16(at + 6, ttl_s & 0xffff);
	put_u16(at + 8, (unsigned)rdata_bytes);
	memcpy(at + 10, rdata, rdata_bytes);
	w->bytes = (size_t)(at + 10 + rdata_bytes - w->out);
	w->counts[section]++;
}

/* All records of a set, under that owner (a wildcard's under another). Returns how many. */
static unsigned write_set(struct writer *w, enum section section, const struct tree_zone *zone,
			  const struct tree_name *stored, const struct tree_name *owner,
			  uint16_t type)
{
	const struct tree_record *record;
	unsigned at = 0;
	unsigned count = 0;

	while ((record = tree_find(zone, stored, type, &at)) != NULL) {
		write_record_of(w, section, owner, record->type, record->ttl_s, record->rdata,
				record->rdata_bytes);
		count++;
	}
	return count;
}

static void write_soa(struct writer *w, const struct tree_zone *zone)
{
	w->flags |= FLAG_AA;
	write_set(w, SECTION_AUTHORITY, zone, &zone->name, &zone->name, TREE_SOA);
}

static void write_referral(struct writer *w, const struct tree_zone *zone,
			   const struct tree_name *cut)
{
	const struct tree_record *record;
	unsigned at = 0;

	write_set(w, SECTION_AUTHORITY, zone, cut, cut, TREE_NS);
	write_set(w, SECTION_AUTHORITY, zone, cut, cut, TREE_DS);
	while ((record = tree_find(zone, cut, TREE_NS, &at)) != NULL) {
		struct tree_name server = {.length_bytes = (uint8_t)record->rdata_bytes};

		memcpy(server.bytes, record->rdata, record->rdata_bytes);
		write_set(w, SECTION_ADDITIONAL, zone, &server, &server, TREE_A);
		write_set(w, SECTION_ADDITIONAL, zone, &server, &server, TREE_AAAA);
	}
}

/* ---- finding ---- */

/* The zone, of those that the server has, that the name is in: the one with the longest name; for DS the one above a zone of
 * exactly this name, if the server has it. -1: none. */
static int zone_for(const struct tree *tree, const struct tree_server *server,
		    const struct tree_name *name, uint16_t qtype)
{
	int best = -1;
	bool best_is_apex = false;

	for (unsigned i = 0; i < server->zone_count; i++) {
		int idx = server->zones[i];
		const struct tree_name *zone = &tree->zones[idx].name;
		bool is_apex =
			qtype == TREE_DS && zone->length_bytes > 1 && tree_name_equal(zone, name);

		if (!tree_name_is_below(name, zone))
			continue;
		if (best < 0 || (best_is_apex && !is_apex) ||
		    (best_is_apex == is_apex &&
		     zone->length_bytes > tree->zones[best].name.length_bytes)) {
			best = idx;
			best_is_apex = is_apex;
		}
	}
	return best;
}

/* A name above it, in the zone, that has a DNAME. */
static const struct tree_record *dname_above(const struct tree_zone *zone,
					     const struct tree_name *name)
{
	for (unsigned labels = tree_name_labels(name); labels > tree_name_labels(&zone->name);) {
		struct tree_name above;
		const struct tree_record *record;
		unsigned at = 0;

		above = tree_name_tail(name, --labels);
		record = tree_find(zone, &above, TREE_DNAME, &at);
		if (record != NULL)
			return record;
	}
	return NULL;
}

/* The wildcard that the name would be made of; false: none. */
static bool wildcard_for(const struct tree_zone *zone, const struct tree_name *name,
			 struct tree_name *out)
{
	unsigned labels = tree_name_labels(name);

	while (labels > 0) {
		struct tree_name encloser = tree_name_tail(name, --labels);

		if (!tree_has_name(zone, &encloser))
			continue;
		return tree_name_join((const uint8_t *)"\001*", 2, &encloser, out) &&
		       tree_has_name(zone, out);
	}
	return false;
}

/* Follow the DNAME: *name becomes what it makes. False: too long (YXDOMAIN). */
static bool follow_dname(struct writer *w, const struct tree_record *dname, struct tree_name *name)
{
	struct tree_name target = {.length_bytes = (uint8_t)dname->rdata_bytes};
	struct tree_name made;

	memcpy(target.bytes, dname->rdata, dname->rdata_bytes);
	write_record_of(w, SECTION_ANSWER, &dname->owner, TREE_DNAME, dname->ttl_s, dname->rdata,
			dname->rdata_bytes);
	if (!tree_name_join(name->bytes, (size_t)(name->length_bytes - dname->owner.length_bytes),
			    &target, &made)) {
		w->rcode = RCODE_YXDOMAIN;
		return false;
	}
	write_record_of(w, SECTION_ANSWER, name, TREE_CNAME, dname->ttl_s, made.bytes,
			made.length_bytes);
	*name = made;
	return true;
}

/* One name of the zone; true: it is an alias, and *name what it leads to. */
static bool answer_name(struct writer *w, const struct tree_zone *zone, struct tree_name *name)
{
	const struct tree_record *record;
	struct tree_name stored = *name;
	struct tree_name cut;
	uint16_t qtype = w->question->qtype;
	unsigned at = 0;

	w->flags |= FLAG_AA;
	if (tree_find_cut(zone, name, &cut) && !(qtype == TREE_DS && tree_name_equal(&cut, name))) {
		if (w->counts[SECTION_ANSWER] == 0)
			w->flags &= (uint16_t)~FLAG_AA;
		write_referral(w, zone, &cut);
		return false;
	}
	record = dname_above(zone, name);
	if (record != NULL)
		/* The CNAME that it makes is what was asked for, if CNAME was. */
		return follow_dname(w, record, name) && qtype != TREE_CNAME;
	if (!tree_has_name(zone, name) && !wildcard_for(zone, name, &stored)) {
		w->rcode = RCODE_NXDOMAIN;
		write_soa(w, zone);
		return false;
	}
	record = tree_find(zone, &stored, TREE_CNAME, &at);
	if (record != NULL && qtype != TREE_CNAME && qtype != TREE_ANY) {
		write_set(w, SECTION_ANSWER, zone, &stored, name, TREE_CNAME);
		name->length_bytes = (uint8_t)record->rdata_bytes;
		memcpy(name->bytes, record->rdata, record->rdata_bytes);
		return true;
	}
	if (write_set(w, SECTION_ANSWER, zone, &stored, name, qtype) == 0)
		write_soa(w, zone);
	return false;
}

static void finish(struct writer *w)
{
	const struct authority_question *q = w->question;
	size_t question_end = HEADER_BYTES + q->spelled.length_bytes + 4u;
	size_t opt_bytes = q->has_edns ? OPT_BYTES : 0;
	uint8_t *at;

	if (w->bytes + opt_bytes > q->limit_bytes) {
		memset(w->counts, 0, sizeof(w->counts));
		w->bytes = question_end;
		w->flags |= FLAG_TC;
	}
	if (q->has_edns) {
		at = w->out + w->bytes;
		memset(at, 0, OPT_BYTES);
		put_u16(at + 1, TYPE_OPT);
		put_u16(at + 3, OWN_UDP_BYTES);
		w->bytes += OPT_BYTES;
		w->counts[SECTION_ADDITIONAL]++;
	}
	put_u16(w->out, q->id);
	put_u16(w->out + 2, (unsigned)(FLAG_QR | w->flags | w->rcode));
	put_u16(w->out + 4, 1);
	for (unsigned i = 0; i < SECTION_COUNT; i++)
		put_u16(w->out + 6 + 2 * i, w->counts[i]);
}

size_t authority_answer(const struct tree *tree, const struct tree_server *server,
			const struct authority_question *question, uint8_t *out)
{
	struct writer w = {.question = question, .out = out};
	struct tree_name name = question->qname;
	int first = zone_for(tree, server, &name, question->qtype);
	int idx = first;

	memcpy(out + HEADER_BYTES, question->spelled.bytes, question->spelled.length_bytes);
	w.bytes = HEADER_BYTES + question->spelled.length_bytes;
	put_u16(out + w.bytes, question->qtype);
	put_u16(out + w.bytes + 2, CLASS_IN);
	w.bytes += 4;
	if (first < 0)
		w.rcode = RCODE_REFUSED;
	/* An alias is followed as far as its zone goes. */
	for (unsigned i = 0; i < ALIASES_MAX && idx == first && idx >= 0; i++) {
		if (!answer_name(&w, &tree->zones[idx], &name))
			break;
		idx = zone_for(tree, server, &name, question->qtype);
	}
	finish(&w);
	return w.bytes;
}
