/* Ranges, entries, steps. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "rpl.h"

#define DEFAULT_TTL_S 3600
#define EDNS_FLAG_CO 0x4000 /* RFC 9824 */

/* A keyword and the bit that it stands for. */
struct keyword {
	const char *text;
	unsigned bits;
};

static const struct keyword matches[] = {
	{"opcode", RPL_OPCODE},
	{"qtype", RPL_QTYPE},
	{"qname", RPL_QNAME},
	{"qcase", RPL_QCASE},
	{"subdomain", RPL_SUBDOMAIN},
	{"question", RPL_QUESTION},
	{"answer", RPL_ANSWER},
	{"authority", RPL_AUTHORITY},
	{"additional", RPL_ADDITIONAL},
	{"rcode", RPL_RCODE},
	{"flags", RPL_FLAGS},
	{"all", RPL_ALL},
	{"all_noedns", RPL_ALL},
	{"ttl", RPL_TTL},
	{"UDP", RPL_UDP},
	{"TCP", RPL_TCP},
	{"DO", RPL_DO},
	{"CO", RPL_CO},
	{"noedns", RPL_NOEDNS},
	{"edns", RPL_EDNS},
	{"nsid", RPL_NSID},
	{"ednsdata", RPL_EDNSDATA},
	{"client_cookie", RPL_CLIENT_COOKIE},
	{"server_cookie", RPL_SERVER_COOKIE},
	{NULL, 0},
};
static const struct keyword adjusts[] = {
	{"copy_id", RPL_COPY_ID},
	{"copy_query", RPL_COPY_QUERY},
	{"raw_id", RPL_RAW_ID},
	{"do_not_answer", RPL_DO_NOT_ANSWER},
	{NULL, 0},
};
static const struct keyword opcodes[] = {
	{"QUERY", LDNS_PACKET_QUERY},   {"IQUERY", LDNS_PACKET_IQUERY},
	{"STATUS", LDNS_PACKET_STATUS}, {"NOTIFY", LDNS_PACKET_NOTIFY},
	{"UPDATE", LDNS_PACKET_UPDATE}, {NULL, 0},
};
static const struct keyword rcodes[] = {
	{"NOERROR", 0}, {"FORMERR", 1},  {"SERVFAIL", 2}, {"NXDOMAIN", 3},   {"NOTIMPL", 4},
	{"NOTIMP", 4},  {"REFUSED", 5},  {"YXDOMAIN", 6}, {"YXRRSET", 7},    {"NXRRSET", 8},
	{"NOTAUTH", 9}, {"NOTZONE", 10}, {"BADVERS", 16}, {"BADCOOKIE", 23}, {NULL, 0},
};

static const struct keyword *find(const struct keyword table[], const char *word)
{
	for (; table->text != NULL; table++)
		if (rpl_is(word, table->text))
			return table;
	return NULL;
}

static _Noreturn void unknown(struct rpl_file *f, const char *what, const char *word)
{
	rpl_stop(f, RPL_SKIP, "line %u: %s %s", f->line, what, word);
}

/* "name=value": the value. */
static const char *value_of(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncasecmp(word, name, length) == 0 && word[length] == '=' ? word + length + 1
									   : NULL;
}

static_assert(RPL_ANSWER == RPL_QUESTION << 1 && RPL_AUTHORITY == RPL_QUESTION << 2 &&
		      RPL_ADDITIONAL == RPL_QUESTION << 3,
	      "sections in their order");

static void match_line(struct rpl_file *f, struct rpl_entry *e, char *line)
{
	char *word;

	while ((word = rpl_word(&line)) != NULL) {
		const struct keyword *known = find(matches, word);
		const char *value;

		if (known != NULL) {
			e->match |= known->bits;
		} else if ((value = value_of(word, "serial")) != NULL) {
			e->match |= RPL_SERIAL;
			e->serial = rpl_number(f, value);
		} else if ((value = value_of(word, "ede")) != NULL) {
			e->match |= RPL_EDE;
			e->ede = rpl_is(value, "any") ? RPL_EDE_ANY : rpl_number(f, value);
		} else {
			unknown(f, "MATCH", word);
		}
	}
}

static void adjust_line(struct rpl_file *f, struct rpl_entry *e, char *line)
{
	char *word;

	while ((word = rpl_word(&line)) != NULL) {
		const struct keyword *known = find(adjusts, word);
		const char *value = value_of(word, "sleep");

		value = value != NULL ? value : value_of(word, "packet_sleep");
		if (known != NULL)
			e->adjust |= known->bits;
		else if (value != NULL)
			e->sleep_ms = rpl_number(f, value) * UINT64_C(1000);
		else
			unknown(f, "ADJUST", word);
	}
}

static bool reply_flag(ldns_pkt *packet, const char *word)
{
	static const struct {
		const char *text;
		void (*set)(ldns_pkt *packet, bool on);
	} flags[] = {{"QR", ldns_pkt_set_qr}, {"AA", ldns_pkt_set_aa}, {"TC", ldns_pkt_set_tc},
		     {"RD", ldns_pkt_set_rd}, {"RA", ldns_pkt_set_ra}, {"AD", ldns_pkt_set_ad},
		     {"CD", ldns_pkt_set_cd}};

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (rpl_is(word, flags[i].text)) {
			flags[i].set(packet, true);
			return true;
		}
	if (rpl_is(word, "DO"))
		ldns_pkt_set_edns_do(packet, true);
	else if (rpl_is(word, "CO"))
		ldns_pkt_set_edns_z(packet, EDNS_FLAG_CO | ldns_pkt_edns_z(packet));
	else
		return false;
	ldns_pkt_set_edns_udp_size(packet, 4096);
	return true;
}

/* What Deckard's guide has for what is not said (rpl.h). */
static void set_defaults(const struct rpl_file *f, struct rpl_entry *e)
{
	if (!f->is_flat)
		return;
	if (e->match == 0)
		e->match = RPL_OPCODE | RPL_QTYPE | RPL_QNAME;
	if (e->adjust == 0)
		e->adjust = RPL_COPY_ID;
	if ((e->adjust & RPL_COPY_ID) != 0)
		e->adjust |= RPL_COPY_NAME;
	if ((e->match & RPL_ALL) != RPL_ALL)
		return;
	for (unsigned i = 0; i < 4; i++)
		if ((e->sections >> i & 1) == 0)
			e->match &= ~((unsigned)RPL_QUESTION << i);
}

static void reply_line(struct rpl_file *f, struct rpl_entry *e, char *line)
{
	char *word;

	e->has_reply = true;
	while ((word = rpl_word(&line)) != NULL) {
		const struct keyword *known;

		if (reply_flag(e->packet, word))
			continue;
		if ((known = find(rcodes, word)) != NULL) {
			ldns_pkt_set_rcode(e->packet, known->bits & 0xf);
			ldns_pkt_set_edns_extended_rcode(e->packet, (uint8_t)(known->bits >> 4));
		} else if ((known = find(opcodes, word)) != NULL) {
			ldns_pkt_set_opcode(e->packet, (ldns_pkt_opcode)known->bits);
		} else {
			unknown(f, "REPLY", word);
		}
	}
}

/* $ORIGIN or $TTL; false: neither. */
static bool zone_file_keyword(struct rpl_file *f, const char *word, char *rest)
{
	if (rpl_is(word, "$TTL")) {
		f->default_ttl_s = rpl_number(f, rpl_word(&rest));
	} else if (rpl_is(word, "$ORIGIN")) {
		word = rpl_word(&rest);
		f->origin = word != NULL ? ldns_dname_new_frm_str(word) : NULL;
		if (f->origin == NULL)
			unknown(f, "$ORIGIN", word != NULL ? word : "");
	} else {
		return false;
	}
	return true;
}

static int section_of(const char *word)
{
	static const char *const sections[] = {"QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL"};

	for (int i = 0; word != NULL && i < 4; i++)
		if (rpl_is(word, sections[i]))
			return i;
	return -1;
}

/* Pairs of hex digits of a line, behind what is there. */
static void hex_line(struct rpl_file *f, ldns_buffer *out, const char *line)
{
	for (const char *p = line; *p != '\0'; p++) {
		char pair[3] = {p[0], p[0] != '\0' ? p[1] : '\0', '\0'};

		if (isspace((unsigned char)*p))
			continue;
		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
			rpl_stop(f, RPL_SKIP, "line %u: not hexadecimal", f->line);
		if (ldns_buffer_remaining(out) < 1)
			(void)ldns_buffer_reserve(out, 1);
		ldns_buffer_write_u8(out, (uint8_t)strtoul(pair, NULL, 16));
		p++;
	}
}

static ldns_buffer *hex_block(struct rpl_file *f, const char *end)
{
	ldns_buffer *out = ldns_buffer_new(512);
	char *line;

	while ((line = rpl_line(f, false)) != NULL) {
		if (strncasecmp(line, end, strlen(end)) == 0)
			return out;
		hex_line(f, out, line);
	}
	rpl_stop(f, RPL_SKIP, "line %u: no %s", f->line, end);
}

static struct rpl_entry *entry_new(const struct rpl_file *f)
{
	struct rpl_entry *e = rpl_new(sizeof(*e));

	e->line = f->line;
	e->packet = ldns_pkt_new();
	return e;
}

static void set_options(struct rpl_entry *e)
{
	if (e->options == NULL)
		return;
	ldns_pkt_set_edns_data(e->packet, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_NONE,
								ldns_buffer_position(e->options),
								ldns_buffer_begin(e->options)));
	if (ldns_pkt_edns_udp_size(e->packet) == 0)
		ldns_pkt_set_edns_udp_size(e->packet, 4096);
}

/* A line of an entry that is not a record's. False: it is none. */
static bool entry_keyword(struct rpl_file *f, struct rpl_entry *e, const char *word, char *rest,
			  int *section)
{
	if (rpl_is(word, "MATCH")) {
		match_line(f, e, rest);
	} else if (rpl_is(word, "ADJUST")) {
		adjust_line(f, e, rest);
	} else if (rpl_is(word, "REPLY")) {
		reply_line(f, e, rest);
	} else if (rpl_is(word, "MANDATORY")) {
		e->is_mandatory = true;
	} else if (rpl_is(word, "HEX_ANSWER_BEGIN")) {
		e->raw = hex_block(f, "HEX_ANSWER_END");
	} else if (rpl_is(word, "HEX_EDNSDATA_BEGIN") || rpl_is(word, "HEX_EDNS_BEGIN")) {
		e->options = hex_block(f, "HEX_EDNS");
	} else if (rpl_is(word, "RAW")) {
		char *line = *rest != '\0' ? rest : rpl_line(f, false);

		e->raw = ldns_buffer_new(512);
		if (line != NULL)
			hex_line(f, e->raw, line);
	} else if (rpl_is(word, "SECTION")) {
		*section = section_of(rpl_word(&rest));
		if (*section < 0)
			unknown(f, "SECTION", "");
		e->sections |= 1u << *section;
	} else {
		return zone_file_keyword(f, word, rest);
	}
	return true;
}

/* From behind ENTRY_BEGIN. */
static struct rpl_entry *entry_parse(struct rpl_file *f)
{
	struct rpl_entry *first = entry_new(f);
	struct rpl_entry *e = first;
	int section = -1;
	char *line;

	while ((line = rpl_line(f, false)) != NULL) {
		char *copy = strdup(line);
		char *rest = copy;
		const char *word = rpl_word(&rest);

		if (rpl_is(word, "ENTRY_END")) {
			for (e = first; e != NULL; e = e->extra) {
				set_options(e);
				set_defaults(f, e);
			}
			return first;
		}
		if (rpl_is(word, "EXTRA_PACKET")) {
			e->extra = entry_new(f);
			e = e->extra;
			section = -1;
		} else if (!entry_keyword(f, e, word, rest, &section)) {
			if (section < 0)
				unknown(f, "entry", word);
			ldns_pkt_push_rr(e->packet, (ldns_pkt_section)section,
					 rpl_record(f, line, section == 0));
		}
		free(copy);
	}
	rpl_stop(f, RPL_SKIP, "line %u: no ENTRY_END", first->line);
}

static void range_parse(struct rpl_file *f, char *rest)
{
	struct rpl_range *r = rpl_new(sizeof(*r));
	struct rpl_range **last_range = &f->ranges;
	struct rpl_entry **last = &r->entries;
	unsigned begun_at = f->line;
	char *line;

	r->first = rpl_number(f, rpl_word(&rest));
	r->last = rpl_number(f, rpl_word(&rest));
	while (*last_range != NULL)
		last_range = &(*last_range)->next;
	*last_range = r;
	while ((line = rpl_line(f, false)) != NULL) {
		const char *word = rpl_word(&line);

		if (rpl_is(word, "RANGE_END"))
			return;
		if (rpl_is(word, "ADDRESS")) {
			if (r->address_count == RPL_ADDRESSES_MAX)
				unknown(f, "too many", word);
			r->addresses[r->address_count] = rpl_address(f, rpl_word(&line));
			rpl_stand_in(f, &r->addresses[r->address_count++]);
		} else if (rpl_is(word, "ENTRY_BEGIN")) {
			*last = entry_parse(f);
			last = &(*last)->next;
		} else if (!zone_file_keyword(f, word, line)) {
			unknown(f, "RANGE", word);
		}
	}
	rpl_stop(f, RPL_SKIP, "line %u: no RANGE_END", begun_at);
}

/* ---- steps ---- */

static void address_of(struct rpl_file *f, struct rpl_step *s, char **rest)
{
	s->has_address = true;
	s->address = rpl_address(f, rpl_word(rest));
	if (s->kind != RPL_STEP_QUERY)
		rpl_stand_in(f, &s->address);
}

/* name type [class] */
static void message_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	const char *word = rpl_word(&rest);

	if (word == NULL)
		unknown(f, "STEP", "without a name");
	s->name = strdup(word);
	s->qtype = rpl_type(f, rpl_word(&rest));
}

/* address zone milliseconds: whatever the zone, what is known of a server is known. */
static void rtt_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	address_of(f, s, &rest);
	if (rpl_word(&rest) == NULL)
		unknown(f, "STEP", "without a zone");
	s->count = rpl_number(f, rpl_word(&rest));
}

/* variable = expression */
static void assign_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	char *equals = strchr(rest, '=');
	const char *word;

	if (equals == NULL)
		unknown(f, "ASSIGN", "without =");
	*equals = '\0';
	word = rpl_word(&rest);
	if (word == NULL)
		unknown(f, "ASSIGN", "without a name");
	s->name = strdup(word);
	s->expression = strdup(equals + 1 + strspn(equals + 1, " \t"));
}

/* ELAPSE seconds, EVAL expression */
static void time_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	const char *word = rpl_word(&rest);

	if (word == NULL || (!rpl_is(word, "ELAPSE") && !rpl_is(word, "EVAL")))
		unknown(f, "TIME_PASSES", word != NULL ? word : "");
	s->expression = strdup(rest + strspn(rest, " \t"));
}

static bool relation(struct rpl_step *s, const char *word)
{
	static const char *const relations[] = {"<=", ">=", "="};

	for (unsigned i = 0; i < 3; i++)
		if (rpl_is(word, relations[i])) {
			s->relation = word[0];
			return true;
		}
	return false;
}

/* [ADDRESS server], of a CHECK_QUERIES also [SINCE step] relation count */
static void other_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	const char *word;

	s->since = UINT32_MAX;
	while ((word = rpl_word(&rest)) != NULL) {
		if (rpl_is(word, "ADDRESS"))
			address_of(f, s, &rest);
		else if (s->kind == RPL_STEP_CHECK_QUERIES && rpl_is(word, "SINCE"))
			s->since = rpl_number(f, rpl_word(&rest));
		else if (s->kind == RPL_STEP_CHECK_QUERIES && relation(s, word))
			s->count = rpl_number(f, rpl_word(&rest));
		else
			unknown(f, "STEP", word);
	}
	if (s->kind == RPL_STEP_CHECK_QUERIES && s->relation == '\0')
		unknown(f, "CHECK_QUERIES", "without <=, >= or =");
}

/* What follows the kind, on its line. */
static void step_words(struct rpl_file *f, struct rpl_step *s, char *rest)
{
	if (s->kind == RPL_STEP_FLUSH_MESSAGE || s->kind == RPL_STEP_EXPIRE_MESSAGE)
		message_words(f, s, rest);
	else if (s->kind == RPL_STEP_INFRA_RTT)
		rtt_words(f, s, rest);
	else if (s->kind == RPL_STEP_ASSIGN)
		assign_words(f, s, rest);
	else if (s->kind == RPL_STEP_TIME_PASSES)
		time_words(f, s, rest);
	else
		other_words(f, s, rest);
}

static void step_parse(struct rpl_file *f, char *rest)
{
	struct rpl_step *s = &f->steps[f->step_count++];
	const char *word;

	if (f->step_count == RPL_STEPS_MAX)
		unknown(f, "too many", "steps");
	s->line = f->line;
	s->number = rpl_number(f, rpl_word(&rest));
	word = rpl_word(&rest);
	while (word != NULL && s->kind < RPL_STEP_KINDS && !rpl_is(word, rpl_step_text[s->kind]))
		s->kind++;
	if (word == NULL || s->kind == RPL_STEP_KINDS)
		unknown(f, "STEP", word != NULL ? word : "");
	step_words(f, s, rest);
}

static int by_number(const void *a, const void *b)
{
	const struct rpl_step *first = a;
	const struct rpl_step *second = b;

	if (first->number != second->number)
		return first->number < second->number ? -1 : 1;
	return first->line < second->line ? -1 : 1;
}

void rpl_parse(struct rpl_file *f)
{
	char *line;

	f->default_ttl_s = DEFAULT_TTL_S;
	f->steps = rpl_new(RPL_STEPS_MAX * sizeof(*f->steps));
	while ((line = rpl_line(f, false)) != NULL) {
		const char *word = rpl_word(&line);
		struct rpl_step *last = f->step_count > 0 ? &f->steps[f->step_count - 1] : NULL;

		if (rpl_is(word, "SCENARIO_END")) {
			qsort(f->steps, f->step_count, sizeof(*f->steps), by_number);
			return;
		}
		if (rpl_is(word, "SCENARIO_BEGIN")) {
			snprintf(f->title, sizeof(f->title), "%s", line);
		} else if (rpl_is(word, "RANGE_BEGIN")) {
			range_parse(f, line);
		} else if (rpl_is(word, "STEP")) {
			step_parse(f, line);
		} else if (rpl_is(word, "ENTRY_BEGIN") && last != NULL && last->entry == NULL) {
			last->entry = entry_parse(f);
		} else if (rpl_is(word, "ADDRESS") && last != NULL) {
			address_of(f, last, &line);
		} else if (!zone_file_keyword(f, word, line)) {
			unknown(f, "scenario", word);
		}
	}
	rpl_stop(f, RPL_SKIP, "line %u: no SCENARIO_END", f->line);
}
