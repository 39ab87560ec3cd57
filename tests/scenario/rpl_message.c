/* Messages: records read, messages compared, made and shown. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "rpl.h"

#define OPTION_NSID 3
#define OPTION_COOKIE 10
#define OPTION_EDE 15
#define COOKIE_CLIENT_BYTES 8
#define EDNS_FLAG_CO 0x4000

/* ---- records ---- */

static bool is_class(const char *word)
{
	static const char *const classes[] = {"IN", "CH", "HS", "NONE"};

	for (unsigned i = 0; i < ARRAY_COUNT(classes); i++)
		if (rpl_is(word, classes[i]))
			return true;
	return strncasecmp(word, "CLASS", 5) == 0 && isdigit((unsigned char)word[5]);
}

static bool is_ttl(const char *word)
{
	return isdigit((unsigned char)word[0]) &&
	       strspn(word, "0123456789smhdwSMHDW") == strlen(word);
}

uint16_t rpl_type(struct rpl_file *f, const char *text)
{
	ldns_rr_type type = text != NULL ? ldns_get_rr_type_by_name(text) : 0;

	if (type == 0 && (text == NULL || !rpl_is(text, "TYPE0")))
		rpl_stop(f, RPL_SKIP, "line %u: unknown type %s", f->line,
			 text != NULL ? text : "");
	return (uint16_t)type;
}

/* owner [TTL] [class] type rest, TTL and class in either order. */
struct record_words {
	const char *owner, *class, *type, *ttl;
	char *rest;
};

static struct record_words split(struct rpl_file *f, char *line)
{
	struct record_words w = {.class = "IN"};
	const char *word;

	w.owner = rpl_word(&line);
	while ((word = rpl_word(&line)) != NULL) {
		if (w.ttl == NULL && is_ttl(word)) {
			w.ttl = word;
		} else if (is_class(word)) {
			w.class = word;
		} else {
			w.type = word;
			break;
		}
	}
	if (w.type == NULL)
		rpl_stop(f, RPL_SKIP, "line %u: no record: %s", f->line, w.owner);
	w.rest = line;
	return w;
}

static ldns_rr *question(struct rpl_file *f, const struct record_words *w)
{
	ldns_rr *rr = ldns_rr_new();
	ldns_rdf *owner = ldns_dname_new_frm_str(w->owner);

	if (owner == NULL)
		rpl_stop(f, RPL_SKIP, "line %u: no name: %s", f->line, w->owner);
	if (f->origin != NULL && !ldns_dname_str_absolute(w->owner))
		(void)ldns_dname_cat(owner, f->origin);
	ldns_rr_set_question(rr, true);
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, (ldns_rr_type)rpl_type(f, w->type));
	ldns_rr_set_class(rr, ldns_get_rr_class_by_name(w->class));
	return rr;
}

/* The address in it is a server's, perhaps. */
static void stand_in(const struct rpl_file *f, ldns_rr *rr)
{
	struct address address;
	uint8_t *bytes;
	bool is_v4 = ldns_rr_get_type(rr) == LDNS_RR_TYPE_A;

	if ((!is_v4 && ldns_rr_get_type(rr) != LDNS_RR_TYPE_AAAA) || ldns_rr_rd_count(rr) != 1)
		return;
	bytes = ldns_rdf_data(ldns_rr_rdf(rr, 0));
	if (is_v4)
		address = address_from_v4(bytes);
	else
		memcpy(address.bytes, bytes, ADDRESS_BYTES);
	rpl_stand_in(f, &address);
	memcpy(bytes, address.bytes + (is_v4 ? ADDRESS_V4_OFFSET : 0),
	       ldns_rdf_size(ldns_rr_rdf(rr, 0)));
}

ldns_rr *rpl_record(struct rpl_file *f, const char *line, bool is_question)
{
	char *copy = strdup(line);
	struct record_words w = split(f, copy);
	size_t bytes = strlen(line) + 64;
	char *text;
	ldns_rr *rr = NULL;
	ldns_status status;

	if (is_question)
		return question(f, &w);
	text = rpl_new(bytes);
	if (w.ttl != NULL)
		snprintf(text, bytes, "%s %s %s %s %s", w.owner, w.ttl, w.class, w.type, w.rest);
	else
		snprintf(text, bytes, "%s %u %s %s %s", w.owner, f->default_ttl_s, w.class, w.type,
			 w.rest);
	status = ldns_rr_new_frm_str(&rr, text, f->default_ttl_s, f->origin, NULL);
	if (status != LDNS_STATUS_OK)
		rpl_stop(f, RPL_SKIP, "line %u: record not understood (%s): %.200s", f->line,
			 ldns_get_errorstr_by_id(status), text);
	free(text);
	free(copy);
	stand_in(f, rr);
	return rr;
}

/* ---- sections as sets ---- */

static ldns_rr_list *canonical(const ldns_rr_list *list, bool with_ttl)
{
	ldns_rr_list *copy = list != NULL ? ldns_rr_list_clone(list) : ldns_rr_list_new();
	ldns_rr_list *set = ldns_rr_list_new();

	if (copy == NULL)
		copy = ldns_rr_list_new();
	for (size_t i = 0; i < ldns_rr_list_rr_count(copy); i++) {
		ldns_rr *rr = ldns_rr_list_rr(copy, i);
		bool is_there = false;

		ldns_rr2canonical(rr);
		if (!with_ttl)
			ldns_rr_set_ttl(rr, 0);
		for (size_t j = 0; j < ldns_rr_list_rr_count(set); j++)
			is_there = is_there ||
				   (ldns_rr_compare(rr, ldns_rr_list_rr(set, j)) == 0 &&
				    ldns_rr_ttl(rr) == ldns_rr_ttl(ldns_rr_list_rr(set, j)));
		if (!is_there)
			ldns_rr_list_push_rr(set, rr);
	}
	return set;
}

static bool has(const ldns_rr_list *set, const ldns_rr *rr)
{
	for (size_t i = 0; i < ldns_rr_list_rr_count(set); i++) {
		const ldns_rr *other = ldns_rr_list_rr(set, i);

		if (ldns_rr_compare(rr, other) == 0 && ldns_rr_ttl(rr) == ldns_rr_ttl(other))
			return true;
	}
	return false;
}

static bool same_set(const ldns_rr_list *a, const ldns_rr_list *b, bool with_ttl)
{
	ldns_rr_list *first = canonical(a, with_ttl);
	ldns_rr_list *second = canonical(b, with_ttl);
	bool same = ldns_rr_list_rr_count(first) == ldns_rr_list_rr_count(second);

	for (size_t i = 0; same && i < ldns_rr_list_rr_count(first); i++)
		same = has(second, ldns_rr_list_rr(first, i));
	return same;
}

/* ---- the question ---- */

static const ldns_rr *question_of(const ldns_pkt *p)
{
	const ldns_rr_list *list = ldns_pkt_question(p);

	return list != NULL && ldns_rr_list_rr_count(list) > 0 ? ldns_rr_list_rr(list, 0) : NULL;
}

static bool same_name(const ldns_rr *a, const ldns_rr *b)
{
	return a != NULL && b != NULL &&
	       ldns_dname_compare(ldns_rr_owner(a), ldns_rr_owner(b)) == 0;
}

static bool same_case(const ldns_rr *a, const ldns_rr *b)
{
	const ldns_rdf *first = a != NULL ? ldns_rr_owner(a) : NULL;
	const ldns_rdf *second = b != NULL ? ldns_rr_owner(b) : NULL;

	return first != NULL && second != NULL && ldns_rdf_size(first) == ldns_rdf_size(second) &&
	       memcmp(ldns_rdf_data(first), ldns_rdf_data(second), ldns_rdf_size(first)) == 0;
}

static bool same_type(const ldns_rr *a, const ldns_rr *b)
{
	return a != NULL && b != NULL && ldns_rr_get_type(a) == ldns_rr_get_type(b);
}

static bool is_at_or_below(const ldns_rr *above, const ldns_rr *below)
{
	return same_name(above, below) ||
	       (above != NULL && below != NULL &&
		ldns_dname_is_subdomain(ldns_rr_owner(below), ldns_rr_owner(above)));
}

static bool same_question(const ldns_rr *a, const ldns_rr *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return same_name(a, b) && same_type(a, b) && ldns_rr_get_class(a) == ldns_rr_get_class(b);
}

/* ---- EDNS ---- */

/* The option of this code that so many others of it stand before; false: none. */
static bool option_after(const ldns_pkt *p, uint16_t code, unsigned others, struct span *out)
{
	const ldns_rdf *data = ldns_pkt_edns(p) ? ldns_pkt_edns_data(p) : NULL;
	const uint8_t *bytes = data != NULL ? ldns_rdf_data(data) : NULL;
	size_t left = data != NULL ? ldns_rdf_size(data) : 0;

	while (left >= 4) {
		size_t length = ldns_read_uint16(bytes + 2);

		if (length > left - 4)
			return false;
		*out = (struct span){bytes + 4, length};
		if (ldns_read_uint16(bytes) == code && others-- == 0)
			return true;
		bytes += 4 + length;
		left -= 4 + length;
	}
	return false;
}

static bool option(const ldns_pkt *p, uint16_t code, struct span *out)
{
	return option_after(p, code, 0, out);
}

static bool has_ede(const struct rpl_entry *e, const ldns_pkt *p)
{
	struct span contents;

	/* There may be several (RFC 8914 section 2). */
	for (unsigned i = 0; option_after(p, OPTION_EDE, i, &contents); i++)
		if (contents.length_bytes >= 2 &&
		    (e->ede == RPL_EDE_ANY || ldns_read_uint16(contents.data) == e->ede))
			return true;
	return false;
}

/* Those options that nothing else of the entry is about, one behind the other; returns their length. */
static size_t other_options(const struct rpl_entry *e, const ldns_pkt *p, uint8_t out[])
{
	const ldns_rdf *data = ldns_pkt_edns_data(p);
	const uint8_t *bytes = data != NULL ? ldns_rdf_data(data) : NULL;
	size_t left = data != NULL ? ldns_rdf_size(data) : 0;
	size_t length = 0;

	while (left >= 4 && ldns_read_uint16(bytes + 2) <= left - 4) {
		size_t whole = 4u + ldns_read_uint16(bytes + 2);
		unsigned code = ldns_read_uint16(bytes);

		if ((code != OPTION_EDE || (e->match & RPL_EDE) == 0) &&
		    (code != OPTION_COOKIE ||
		     (e->match & (RPL_CLIENT_COOKIE | RPL_SERVER_COOKIE)) == 0)) {
			memcpy(out + length, bytes, whole);
			length += whole;
		}
		bytes += whole;
		left -= whole;
	}
	return length;
}

static bool same_options(const struct rpl_entry *e, const ldns_pkt *p)
{
	static uint8_t want[UINT16_MAX + 1], have[UINT16_MAX + 1];
	size_t length = other_options(e, e->packet, want);

	return other_options(e, p, have) == length && memcmp(want, have, length) == 0;
}

static bool has_serial(const struct rpl_entry *e, const ldns_pkt *p)
{
	const ldns_rr_list *list = ldns_pkt_authority(p);
	const ldns_rr *rr =
		list != NULL && ldns_rr_list_rr_count(list) > 0 ? ldns_rr_list_rr(list, 0) : NULL;

	return rr != NULL && ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA &&
	       ldns_rdf2native_int32(ldns_rr_rdf(rr, 2)) == e->serial;
}

static unsigned edns_mismatch(const struct rpl_entry *e, const ldns_pkt *p)
{
	bool cookie;
	struct span contents = {NULL, 0};
	unsigned wrong = 0;

	cookie = option(p, OPTION_COOKIE, &contents);
	wrong |= ldns_pkt_edns(p) && ldns_pkt_edns_do(p) ? 0u : RPL_DO;
	wrong |= (ldns_pkt_edns_z(p) & EDNS_FLAG_CO) != 0 ? 0u : RPL_CO;
	wrong |= ldns_pkt_edns(p) ? RPL_NOEDNS : RPL_EDNS;
	wrong |= cookie && contents.length_bytes == COOKIE_CLIENT_BYTES ? 0u : RPL_CLIENT_COOKIE;
	wrong |= cookie && contents.length_bytes > COOKIE_CLIENT_BYTES ? 0u : RPL_SERVER_COOKIE;
	wrong |= option(p, OPTION_NSID, &contents) ? 0u : RPL_NSID;
	wrong |= has_ede(e, p) ? 0u : RPL_EDE;
	wrong |= same_options(e, p) ? 0u : RPL_EDNSDATA;
	return wrong;
}

/* ---- comparing ---- */

static unsigned rcode(const ldns_pkt *p)
{
	unsigned upper = ldns_pkt_edns(p) ? ldns_pkt_edns_extended_rcode(p) : 0;

	return upper << 4 | (unsigned)ldns_pkt_get_rcode(p);
}

static bool same_flags(const ldns_pkt *a, const ldns_pkt *b)
{
	return ldns_pkt_qr(a) == ldns_pkt_qr(b) && ldns_pkt_aa(a) == ldns_pkt_aa(b) &&
	       ldns_pkt_tc(a) == ldns_pkt_tc(b) && ldns_pkt_rd(a) == ldns_pkt_rd(b) &&
	       ldns_pkt_ra(a) == ldns_pkt_ra(b) && ldns_pkt_ad(a) == ldns_pkt_ad(b) &&
	       ldns_pkt_cd(a) == ldns_pkt_cd(b);
}

static unsigned section_mismatch(const struct rpl_entry *e, const ldns_pkt *p)
{
	bool ttl = (e->match & RPL_TTL) != 0;
	unsigned wrong = 0;

	if ((e->match & RPL_ANSWER) != 0 &&
	    !same_set(ldns_pkt_answer(e->packet), ldns_pkt_answer(p), ttl))
		wrong |= RPL_ANSWER;
	if ((e->match & RPL_AUTHORITY) != 0 &&
	    !same_set(ldns_pkt_authority(e->packet), ldns_pkt_authority(p), ttl))
		wrong |= RPL_AUTHORITY;
	if ((e->match & RPL_ADDITIONAL) != 0 &&
	    !same_set(ldns_pkt_additional(e->packet), ldns_pkt_additional(p), ttl))
		wrong |= RPL_ADDITIONAL;
	return wrong;
}

unsigned rpl_mismatch(const struct rpl_entry *e, const struct rpl_seen *seen)
{
	const ldns_pkt *want = e->packet;
	const ldns_pkt *have = seen->packet;
	const ldns_rr *asked = question_of(want);
	const ldns_rr *question_seen = question_of(have);
	unsigned wrong = 0;

	wrong |= ldns_pkt_get_opcode(want) == ldns_pkt_get_opcode(have) ? 0u : RPL_OPCODE;
	wrong |= same_type(asked, question_seen) ? 0u : RPL_QTYPE;
	wrong |= same_name(asked, question_seen) ? 0u : RPL_QNAME;
	wrong |= same_case(asked, question_seen) ? 0u : RPL_QCASE;
	wrong |= is_at_or_below(asked, question_seen) ? 0u : RPL_SUBDOMAIN;
	wrong |= same_question(asked, question_seen) ? 0u : RPL_QUESTION;
	wrong |= rcode(want) == rcode(have) ? 0u : RPL_RCODE;
	wrong |= same_flags(want, have) ? 0u : RPL_FLAGS;
	wrong |= seen->is_tcp ? RPL_UDP : RPL_TCP;
	wrong |= has_serial(e, have) ? 0u : RPL_SERIAL;
	wrong |= edns_mismatch(e, have);
	wrong |= section_mismatch(e, have);
	/* Whoever asks for nothing is about no name. */
	if (asked == NULL)
		wrong &= ~(unsigned)(RPL_QTYPE | RPL_QNAME | RPL_QCASE | RPL_SUBDOMAIN);
	return wrong & e->match;
}

bool rpl_lenient(const struct rpl_entry *e, const struct rpl_seen *seen)
{
	const ldns_pkt *want = e->packet;
	const ldns_pkt *have = seen->packet;

	return rcode(want) == rcode(have) && ldns_pkt_qr(want) == ldns_pkt_qr(have) &&
	       ldns_pkt_tc(want) == ldns_pkt_tc(have) && ldns_pkt_ad(want) == ldns_pkt_ad(have) &&
	       same_question(question_of(want), question_of(have)) &&
	       same_set(ldns_pkt_answer(want), ldns_pkt_answer(have), (e->match & RPL_TTL) != 0) &&
	       (rpl_mismatch(e, seen) & ~(unsigned)(RPL_SECTIONS | RPL_FLAGS)) == 0;
}

const char *rpl_mismatch_text(unsigned mismatch, char text[256])
{
	static const char *const words[] = {
		"opcode", "qtype",     "qname",      "qcase",     "subdomain",     "question",
		"answer", "authority", "additional", "rcode",     "flags",         "ttl",
		"UDP",    "TCP",       "DO",         "CO",        "noedns",        "edns",
		"nsid",   "serial",    "ede",        "edns data", "client cookie", "server cookie"};
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++)
		if ((mismatch >> i & 1) != 0 && at < 200)
			at += (size_t)snprintf(text + at, 256 - at, "%s%s", at > 0 ? ", " : "",
					       words[i]);
	return text;
}

/* ---- making and showing ---- */

/* The query's letters over a raw reply's, if the reply asks for the same name: a server that echoes them, as it should. */
static void copy_letters(ldns_buffer *reply, const ldns_pkt *query)
{
	const ldns_rr *asked = question_of(query);
	const ldns_rdf *name = asked != NULL ? ldns_rr_owner(asked) : NULL;
	size_t length = name != NULL ? ldns_rdf_size(name) : 0;
	const uint8_t *letters = name != NULL ? ldns_rdf_data(name) : NULL;
	uint8_t *own = ldns_buffer_begin(reply) + LDNS_HEADER_SIZE;

	if (ldns_buffer_position(reply) < LDNS_HEADER_SIZE + length)
		return;
	for (size_t i = 0; i < length; i++)
		if (tolower(own[i]) != tolower(letters[i]))
			return;
	memcpy(own, letters, length);
}

static void write_id(ldns_buffer *message, uint16_t id)
{
	if (ldns_buffer_position(message) >= sizeof(id))
		ldns_buffer_write_u16_at(message, 0, id);
}

static ldns_buffer *raw_reply(const struct rpl_entry *e, const ldns_pkt *query)
{
	size_t length = ldns_buffer_position(e->raw);
	ldns_buffer *out = ldns_buffer_new(length + 2);

	ldns_buffer_write(out, ldns_buffer_begin(e->raw), length);
	/* Deckard's copy_id is not for raw bytes. */
	if ((e->adjust & RPL_RAW_ID) != 0 ||
	    (e->adjust & (RPL_COPY_ID | RPL_COPY_NAME)) == RPL_COPY_ID)
		write_id(out, ldns_pkt_id(query));
	if ((e->adjust & RPL_COPY_QUERY) != 0)
		copy_letters(out, query);
	return out;
}

static void copy_name(ldns_pkt *reply, const ldns_pkt *query)
{
	ldns_rr *own = ldns_rr_list_rr(ldns_pkt_question(reply), 0);

	ldns_rdf_deep_free(ldns_rr_owner(own));
	ldns_rr_set_owner(own, ldns_rdf_clone(ldns_rr_owner(question_of(query))));
}

ldns_buffer *rpl_reply(const struct rpl_entry *e, const ldns_pkt *query)
{
	ldns_buffer *out;
	ldns_pkt *reply;

	if (e->raw != NULL)
		return raw_reply(e, query);
	reply = ldns_pkt_clone(e->packet);
	if ((e->adjust & RPL_COPY_ID) != 0)
		ldns_pkt_set_id(reply, ldns_pkt_id(query));
	if ((e->adjust & RPL_COPY_QUERY) != 0) {
		ldns_rr_list *list = ldns_pkt_question(query);

		ldns_pkt_set_question(reply,
				      list != NULL ? ldns_rr_list_clone(list) : ldns_rr_list_new());
		ldns_pkt_set_qdcount(reply,
				     (uint16_t)(list != NULL ? ldns_rr_list_rr_count(list) : 0));
	}
	if ((e->adjust & RPL_COPY_NAME) != 0 && question_of(reply) != NULL &&
	    question_of(query) != NULL)
		copy_name(reply, query);
	out = ldns_buffer_new(4096);
	CHECK(ldns_pkt2buffer_wire(out, reply) == LDNS_STATUS_OK);
	ldns_pkt_free(reply);
	return out;
}

void rpl_show(const char *says, const ldns_pkt *packet)
{
	char *text = packet != NULL ? ldns_pkt2str(packet) : NULL;

	printf("  --- %s ---\n", says);
	for (char *line = text; line != NULL && *line != '\0';) {
		size_t length = strcspn(line, "\n");

		printf("  %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	if (text == NULL)
		printf("  nothing\n");
	free(text);
}
