/* What a client's question may cost (SECURITY.md table 1.1): of each limit, that all of it may be used, that one more ends the
 * question with SERVFAIL and an EDE and is counted by the limit's name, and that nothing gives it back: sub-questions, aliases,
 * TCP, other workers. */
#include <stdio.h>
#include <string.h>

#include "core/budget.h"
#include "core/dns_const.h"
#include "core/msg_build.h"
#include "core/wire_cursor.h"
#include "iterate_world.h"
#include "unit.h"

#define ROOT "192.0.32.1"
#define NET "192.0.33.1"
#define ORG "192.0.34.1"
#define TLDS 4

/* ---- messages of servers ---- */

/* owner: the offset of its name. */
static size_t put_record(uint8_t *out, size_t length, unsigned owner, uint16_t type,
			 size_t rdata_bytes, const uint8_t *rdata)
{
	uint8_t *at = out + length;

	wire_put_u16(at, (uint16_t)(DNS_POINTER_FLAG << 8 | owner));
	wire_put_u16(at + 2, type);
	wire_put_u16(at + 4, DNS_CLASS_IN);
	wire_put_u32(at + 6, 300);
	wire_put_u16(at + 10, (uint16_t)rdata_bytes);
	if (rdata != NULL)
		memcpy(at + 12, rdata, rdata_bytes);
	else
		memset(at + 12, 0, rdata_bytes);
	return length + 12 + rdata_bytes;
}

/* The question again, as a reply of no records. */
static size_t reply_begin(const struct world_event *event, uint16_t flags, uint8_t *out)
{
	struct msg_query query;

	CU_ASSERT_EQUAL_FATAL(msg_parse_query((struct span){event->message, event->length_bytes},
					      &query),
			      MSG_QUERY_OK);
	memcpy(out, event->message, query.question_end);
	wire_put_u16(out + 2, DNS_FLAG_QR | flags);
	memset(out + 6, 0, 6);
	return query.question_end;
}

static size_t reply_rcode(const struct world_event *event, uint16_t rcode, uint8_t *out)
{
	return reply_begin(event, rcode, out);
}

static size_t reply_record(const struct world_event *event, uint16_t type, size_t rdata_bytes,
			   const uint8_t *rdata, uint8_t *out)
{
	size_t length = reply_begin(event, DNS_FLAG_AA, out);

	wire_put_u16(out + 6, 1);
	return put_record(out, length, DNS_HEADER_BYTES, type, rdata_bytes, rdata);
}

static size_t reply_address(const struct world_event *event, uint8_t *out)
{
	static const uint8_t address[] = {198, 18, 0, 1};

	return reply_record(event, DNS_TYPE_A, sizeof(address), address, out);
}

static size_t reply_alias(const struct world_event *event, const char *target, uint8_t *out)
{
	struct name name;

	CU_ASSERT_FATAL(name_from_text(target, &name));
	return reply_record(event, DNS_TYPE_CNAME, name.length_bytes, name.bytes, out);
}

/* ---- asking ---- */

static bool is_priming(const struct iterate_query *query)
{
	return strcmp(query->qname, ".") == 0 && query->qtype == DNS_TYPE_NS;
}

/* The answer is there, or SERVFAIL, with the limit's counter gone up by one. */
static void ask(struct iterate_world *w, const char *qname, enum counter which, bool is_within)
{
	uint64_t before = world_count(w->world, which);

	CU_ASSERT_FATAL(iterate_ask(w, qname, DNS_TYPE_A));
	if (is_within) {
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_NOERROR);
		CU_ASSERT(iterate_answer_count(w) > 0);
		CU_ASSERT_EQUAL(world_count(w->world, which), before);
	} else {
		CU_ASSERT_EQUAL(iterate_rcode(w), DNS_RCODE_SERVFAIL);
		CU_ASSERT_EQUAL(iterate_ede(w), DNS_EDE_NO_REACHABLE_AUTHORITY);
		CU_ASSERT_EQUAL(world_count(w->world, which), before + 1);
	}
}

/* ---- links ---- */

/* x0.net. leads to y1.org., that to x2.net. ...; in_message: within net. only. */
static void links_zones(bool in_message, unsigned links, char net[], char org[], size_t room)
{
	size_t net_at = (size_t)snprintf(net, room, "@ NS ns.net.\nns A " NET "\n");
	size_t org_at = (size_t)snprintf(org, room, "@ NS ns.org.\nns A " ORG "\n");

	for (unsigned i = 0; i <= links; i++) {
		bool in_net = in_message || i % 2 == 0;
		char *to = in_net ? net + net_at : org + org_at;
		size_t left = room - (in_net ? net_at : org_at);
		int length = i == links ? snprintf(to, left, "x%u A 198.18.0.1\n", i)
					: snprintf(to, left, "x%u CNAME x%u.%s.\n", i, i + 1,
						   in_message || i % 2 == 1 ? "net" : "org");

		*(in_net ? &net_at : &org_at) += (size_t)length;
	}
}

static void budget__ten_links(void)
{
	static const unsigned engine_counts[] = {1, 4};
	char net[1024], org[1024];

	for (unsigned i = 0; i < 8; i++) {
		bool in_message = (i & 1) != 0;
		unsigned links = LINKS_MAX + (i >> 1 & 1);
		struct iterate_zone zones[] = {
			{".", ROOT,
			 "net. NS ns.net.\nns.net. A " NET "\norg. NS ns.org.\nns.org. A " ORG
			 "\n"},
			{"net.", NET, net},
			{"org.", ORG, org},
		};
		struct iterate_world *w;

		links_zones(in_message, links, net, org, sizeof(net));
		w = iterate_new(zones, ARRAY_COUNT(zones), engine_counts[i >> 2]);
		iterate_start(w);
		ask(w, "x0.net.", COUNTER_BUDGET_LINKS, links <= LINKS_MAX);
		iterate_free(w);
	}
}

/* ---- referrals ---- */

struct referrals {
	unsigned cuts;
};

/* Each server refers to that of the name with one label more; the last one answers. */
static size_t refer(struct iterate_world *w, const struct iterate_query *query,
		    const struct world_event *event, uint8_t *out)
{
	const struct referrals *plan = w->context;
	const uint8_t *peer = event->peer.address.bytes + ADDRESS_BYTES - 4;
	unsigned at = peer[0] == 10 ? peer[3] : 0; /* labels of its zone */
	uint8_t address[4] = {10, 9, 0, (uint8_t)(at + 1)};
	uint8_t server[2];
	struct name qname;
	unsigned owner = DNS_HEADER_BYTES;
	size_t length;

	if (is_priming(query))
		return SIZE_MAX;
	if (at == plan->cuts)
		return reply_address(event, out);
	CU_ASSERT_FATAL(name_from_text(query->qname, &qname));
	for (unsigned labels = name_label_count(&qname); labels > at + 1; labels--)
		owner += event->message[owner] + 1u;
	length = reply_begin(event, 0, out);
	wire_put_u16(out + 8, 1);
	wire_put_u16(out + 10, 1);
	/* Its server has its own name. */
	wire_put_u16(server, (uint16_t)(DNS_POINTER_FLAG << 8 | owner));
	length = put_record(out, length, owner, DNS_TYPE_NS, sizeof(server), server);
	return put_record(out, length, owner, DNS_TYPE_A, sizeof(address), address);
}

static void budget__thirty_two_referrals(void)
{
	static const struct iterate_zone zones[] = {{".", ROOT, "net. NS ns.net.\n"}};
	static const unsigned engine_counts[] = {1, 4};

	for (unsigned i = 0; i < 4; i++) {
		struct iterate_world *w = iterate_new(zones, 1, engine_counts[i >> 1]);
		struct referrals plan = {.cuts = REFERRALS_MAX + (i & 1)};
		char qname[256] = "";

		for (unsigned n = 0; n <= plan.cuts; n++)
			strcat(qname, "a.");
		w->server = refer;
		w->context = &plan;
		iterate_start(w);
		ask(w, qname, COUNTER_BUDGET_REFERRALS, plan.cuts <= REFERRALS_MAX);
		iterate_free(w);
	}
}

/* ---- depth ---- */

#define ZONES_DEEP_MAX (DEPTH_MAX + 1)

/* Zone z0 is served by a name in z1, that by one in z2, ...; the last one has its server's address in net. */
static struct iterate_world *deep_world(unsigned zone_count)
{
	static char net[2048], names[ZONES_DEEP_MAX][24], texts[ZONES_DEEP_MAX][96],
		servers[ZONES_DEEP_MAX][24];
	struct iterate_zone zones[ZONES_DEEP_MAX + 2] = {
		{".", ROOT, "net. NS ns.net.\nns.net. A " NET "\n"}, {"net.", NET, net}};
	size_t at = (size_t)snprintf(net, sizeof(net), "@ NS ns.net.\nns A " NET "\n");
	unsigned last = zone_count - 1;

	for (unsigned i = 0; i < zone_count; i++) {
		snprintf(names[i], sizeof(names[i]), "z%u.net.", i);
		snprintf(servers[i], sizeof(servers[i]), "192.0.40.%u", i + 1);
		/* Its ns is the server of the zone before. */
		snprintf(texts[i], sizeof(texts[i]),
			 "@ NS ns.z%u.net.\nwww A 198.18.0.1\nns A 192.0.40.%u\n", i + 1, i);
		at += (size_t)snprintf(net + at, sizeof(net) - at,
				       i < last ? "z%u NS ns.z%u.net.\n" : "z%u NS own.z%u.net.\n",
				       i, i < last ? i + 1 : i);
		zones[i + 2] = (struct iterate_zone){names[i], servers[i], texts[i]};
	}
	snprintf(net + at, sizeof(net) - at, "own.z%u A 192.0.40.%u\n", last, last + 1);
	return iterate_new(zones, zone_count + 2, 2);
}

static void budget__seven_that_wait_for_each_other(void)
{
	for (unsigned zone_count = DEPTH_MAX; zone_count <= DEPTH_MAX + 1; zone_count++) {
		struct iterate_world *w = deep_world(zone_count);

		iterate_start(w);
		ask(w, "www.z0.net.", COUNTER_BUDGET_DEPTH, zone_count == DEPTH_MAX);
		iterate_free(w);
	}
}

/* ---- names of servers ---- */

struct lookups {
	unsigned failing; /* so many of the names that are asked for first do not exist, */
	unsigned needed;  /* and only when so many have been asked for does a server answer */
	unsigned names;
	char seen[ZONE_CUT_SERVERS_MAX][256];
};

static unsigned seen_at(struct lookups *l, const char *qname)
{
	for (unsigned i = 0; i < l->names; i++)
		if (strcmp(l->seen[i], qname) == 0)
			return i;
	snprintf(l->seen[l->names], sizeof(l->seen[0]), "%s", qname);
	return l->names++;
}

static size_t look_up(struct iterate_world *w, const struct iterate_query *query,
		      const struct world_event *event, uint8_t *out)
{
	struct lookups *l = w->context;

	if (strncmp(query->server, "10.8.", 5) == 0)
		return l->names >= l->needed ? reply_address(event, out)
					     : reply_rcode(event, DNS_RCODE_REFUSED, out);
	if (strncmp(query->qname, "ns1", 3) == 0 || strncmp(query->qname, "ns2", 3) == 0) {
		if (seen_at(l, query->qname) < l->failing)
			return reply_rcode(event, DNS_FLAG_AA | DNS_RCODE_NXDOMAIN, out);
	}
	return SIZE_MAX;
}

static void look_up_with(struct lookups *l, enum counter which, bool is_within,
			 unsigned engine_count)
{
	char net[1024], root[1024];
	struct iterate_zone zones[] = {{".", ROOT, root}, {"net.", NET, net}};
	size_t net_at = (size_t)snprintf(net, sizeof(net), "@ NS ns.net.\nns A " NET "\n");
	size_t root_at =
		(size_t)snprintf(root, sizeof(root), "net. NS ns.net.\nns.net. A " NET "\n");
	struct iterate_world *w;

	for (unsigned i = 10; i < 10 + ZONE_CUT_SERVERS_MAX; i++) {
		net_at += (size_t)snprintf(net + net_at, sizeof(net) - net_at, "ns%u A 10.8.0.%u\n",
					   i, i);
		root_at += (size_t)snprintf(root + root_at, sizeof(root) - root_at,
					    "org. NS ns%u.net.\n", i);
	}
	w = iterate_new(zones, 2, engine_count);
	w->server = look_up;
	w->context = l;
	iterate_start(w);
	ask(w, "www.org.", which, is_within);
	iterate_free(w);
}

static void budget__six_names_of_servers(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct lookups l = {.needed = ADDRESS_LOOKUPS_MAX + (i & 1)};

		look_up_with(&l, COUNTER_BUDGET_ADDRESS_LOOKUPS, (i & 1) == 0, 1 + i);
		CU_ASSERT_EQUAL(l.names, ADDRESS_LOOKUPS_MAX);
	}
}

/* The fifth that fails is the last that is looked up. */
static void budget__five_names_of_servers_that_fail(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct lookups l = {.failing = ADDRESS_FAILURES_MAX - 1 + (i & 1)};

		look_up_with(&l, COUNTER_BUDGET_ADDRESS_FAILURES, (i & 1) == 0, 1 + i);
		CU_ASSERT_EQUAL(l.names, ADDRESS_FAILURES_MAX);
	}
}

/* ---- minimised names ---- */

#define LABELS_24 "a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a."
#define LABELS_12 "b.b.b.b.b.b.b.b.b.b.b.b."

/* They are no reason to fail: whole names are asked then. Nine are for the first name, the tenth for what it leads to. */
static void budget__ten_minimised_names(void)
{
	static const struct iterate_zone zones[] = {
		{".", ROOT,
		 "net. NS ns.net.\nns.net. A " NET "\norg. NS ns.org.\nns.org. A " ORG "\n"},
		{"net.", NET,
		 "@ NS ns.net.\nns A " NET "\n" LABELS_24 "net. CNAME " LABELS_12 "org.\n"},
		{"org.", ORG, "@ NS ns.org.\nns A " ORG "\n" LABELS_12 "org. A 198.18.0.1\n"},
	};

	for (unsigned engines = 1; engines <= 4; engines += 3) {
		struct iterate_world *w = iterate_new(zones, ARRAY_COUNT(zones), engines);
		unsigned whole;

		iterate_start(w);
		CU_ASSERT_FATAL(iterate_ask(w, LABELS_24 "net.", DNS_TYPE_A));
		CU_ASSERT_EQUAL(iterate_answer_count(w), 2);
		CU_ASSERT_EQUAL(world_count(w->world, COUNTER_BUDGET_STEPS), 1);
		whole = iterate_queries(w, NULL, LABELS_24 "net.", 0) +
			iterate_queries(w, NULL, LABELS_12 "org.", 0) +
			iterate_queries(w, NULL, ".", 0);
		CU_ASSERT_EQUAL(w->query_count - whole, MINIMISED_STEPS_MAX);
		/* The first four with one label more each. */
		CU_ASSERT_EQUAL(iterate_queries(w, NET, "a.a.a.net.", DNS_TYPE_A), 1);
		CU_ASSERT_EQUAL(iterate_queries(w, NET, "a.a.a.a.net.", DNS_TYPE_A), 0);
		iterate_free(w);
	}
}

/* ---- packets, bytes, TCP ---- */

/* www.t0. to www.t3., each with 26 addresses; each leads to the next one, the last to an address. */
struct tlds {
	unsigned count;
	unsigned quota[TLDS]; /* queries to its servers, the last of which is answered */
	unsigned asked[TLDS];
	unsigned packets;
	bool is_last_silent;
	/* with is_truncating: */
	bool is_truncating; /* whole answers over UDP from tcp_needed queries over TCP on */
	unsigned tcp_asked, tcp_needed;
	size_t bytes; /* of all replies, and how many there are to be before one is of use; 0: TCP fails */
	size_t bytes_needed;
};

static size_t tld_answer(const struct tlds *t, unsigned tld, const struct world_event *event,
			 uint8_t *out)
{
	char target[] = "www.t0.";

	target[5] = (char)('0' + tld + 1);
	return tld + 1 == t->count ? reply_address(event, out) : reply_alias(event, target, out);
}

/* So that bytes_needed are reached exactly, with replies of 50,000 at most. */
static size_t tld_junk(const struct tlds *t, const struct world_event *event, uint8_t *out)
{
	size_t length = reply_begin(event, DNS_RCODE_REFUSED, out);
	size_t most = t->bytes_needed - t->bytes - length - 12;

	wire_put_u16(out + 10, 1);
	return put_record(out, length, DNS_HEADER_BYTES, DNS_TYPE_TXT, most > 50000 ? 50000 : most,
			  NULL);
}

static size_t tld_reply(struct tlds *t, const struct iterate_query *query,
			const struct world_event *event, uint8_t *out)
{
	unsigned tld = event->peer.address.bytes[13];

	t->packets += query->is_tcp ? UPSTREAM_TCP_PACKETS : 1;
	t->tcp_asked += query->is_tcp;
	if (t->is_last_silent && tld + 1 == t->count)
		return 0;
	if (!t->is_truncating) {
		if (++t->asked[tld] < t->quota[tld])
			return reply_rcode(event, DNS_RCODE_REFUSED, out);
		return tld_answer(t, tld, event, out);
	}
	if (query->is_tcp && t->bytes_needed == 0)
		return 0;
	if (query->is_tcp)
		return tld_junk(t, event, out);
	if (t->bytes_needed > 0
		    ? t->bytes >= t->bytes_needed
		    : t->tcp_asked >= t->tcp_needed || (tld == 0 && t->tcp_asked >= t->quota[0]))
		return tld_answer(t, tld, event, out);
	return reply_begin(event, DNS_FLAG_TC, out);
}

static size_t tld(struct iterate_world *w, const struct iterate_query *query,
		  const struct world_event *event, uint8_t *out)
{
	struct tlds *t = w->context;
	size_t length;

	if (is_priming(query))
		return SIZE_MAX;
	if (strcmp(query->server, ROOT) == 0) {
		t->packets++;
		length = iterate_authority(w, event, out);
	} else {
		length = tld_reply(t, query, event, out);
	}
	t->bytes += length;
	return length;
}

/* Whole names are asked: each is one question, which begins at the root. How long it took. */
static mono_ns tlds_with(struct tlds *t, enum counter which, bool is_within, unsigned engine_count)
{
	static char root[8192];
	struct iterate_zone zones[] = {{".", ROOT, root}};
	struct iterate_world *w;
	size_t at = 0;
	mono_ns took;

	for (unsigned i = 0; i < TLDS; i++)
		for (unsigned j = 0; j < ZONE_CUT_SERVERS_MAX; j++)
			at += (size_t)snprintf(root + at, sizeof(root) - at,
					       "t%u. NS n%u.t%u.\nn%u.t%u. A 10.%u.0.%u\n"
					       "n%u.t%u. A 10.%u.1.%u\n",
					       i, j, i, j, i, i, j + 1, j, i, i, j + 1);
	w = iterate_new(zones, 1, engine_count);
	w->world->config->asks_whole_names = true;
	w->server = tld;
	w->context = t;
	iterate_start(w);
	took = w->world->now;
	ask(w, "www.t0.", which, is_within);
	took = w->answered_at - took;
	iterate_free(w);
	return took;
}

static void budget__sixty_four_packets(void)
{
	for (unsigned engines = 1; engines <= 4; engines++)
		for (unsigned more = 0; more < 2; more++) {
			struct tlds t = {.count = 4, .quota = {20, 20, 15, 5 + more}};

			(void)tlds_with(&t, COUNTER_BUDGET_PACKETS, more == 0, engines);
			CU_ASSERT_EQUAL(t.packets, UPSTREAM_PACKETS_MAX);
		}
}

static void budget__twenty_four_packets_of_one_name(void)
{
	for (unsigned more = 0; more < 2; more++) {
		struct tlds t = {.count = 1, .quota = {QUESTION_PACKETS_MAX - 1 + more}};

		(void)tlds_with(&t, COUNTER_BUDGET_QUESTION_PACKETS, more == 0, 1);
		CU_ASSERT_EQUAL(t.packets, QUESTION_PACKETS_MAX);
	}
}

/* Replies of no use count as well: truncated ones, and refusals over TCP. */
static void budget__bytes(void)
{
	for (unsigned more = 0; more < 2; more++) {
		struct tlds t = {
			.count = 1,
			.is_truncating = true,
			.bytes_needed = UPSTREAM_BYTES_MAX - 1 + more,
		};

		(void)tlds_with(&t, COUNTER_BUDGET_BYTES, more == 0, 1);
		CU_ASSERT(more == 0 ? t.bytes > UPSTREAM_BYTES_MAX : t.bytes == UPSTREAM_BYTES_MAX);
	}
}

/* Four of the first name, the rest of the second one. */
static void budget__eight_queries_over_tcp(void)
{
	for (unsigned engines = 1; engines <= 4; engines += 3)
		for (unsigned more = 0; more < 2; more++) {
			struct tlds t = {
				.count = 2,
				.is_truncating = true,
				.quota = {4},
				.tcp_needed = UPSTREAM_TCP_TRIES_MAX + more,
			};

			(void)tlds_with(&t, COUNTER_BUDGET_TCP, more == 0, engines);
			CU_ASSERT_EQUAL(t.tcp_asked, UPSTREAM_TCP_TRIES_MAX);
			CU_ASSERT(t.packets <= UPSTREAM_PACKETS_MAX);
		}
}

/* ---- time ---- */

/* One of the many servers after another is waited for. The client's question is counted, and not what it has asked. */
static void budget__four_seconds(void)
{
	for (unsigned count = 1; count <= 2; count++) {
		struct tlds t = {.count = count, .quota = {1}, .is_last_silent = true};
		mono_ns took = tlds_with(&t, COUNTER_BUDGET_TIME, false, count);

		CU_ASSERT(took <= CLIENT_DEADLINE_MS * NS_PER_MS);
		CU_ASSERT(took > (CLIENT_DEADLINE_MS - 500) * NS_PER_MS);
	}
}

/* ---- the value ---- */

static void budget__comes_back_less_what_was_spent(void)
{
	struct budget lent = budget_whole(), left = lent, spent, back;

	left.bytes -= 1000;
	left.packets = 3;
	left.tcp_tries = 1;
	left.referrals = 0;
	left.steps--;
	left.links = 0; /* of where it is */
	left.depth = 0;
	spent = budget_minus(&lent, &left);
	CU_ASSERT(budget_is_any(&spent));
	back = budget_rest(&lent, &spent);
	CU_ASSERT_EQUAL(back.bytes, left.bytes);
	CU_ASSERT_EQUAL(back.packets, left.packets);
	CU_ASSERT_EQUAL(back.tcp_tries, left.tcp_tries);
	CU_ASSERT_EQUAL(back.referrals, 0);
	CU_ASSERT_EQUAL(back.steps, left.steps);
	CU_ASSERT_EQUAL(back.links, LINKS_MAX);
	CU_ASSERT_EQUAL(back.depth, DEPTH_MAX - 1);
	CU_ASSERT_EQUAL(back.is_counted, 0);
	left.is_counted = 1;
	spent = budget_minus(&lent, &left);
	CU_ASSERT_EQUAL(budget_rest(&lent, &spent).is_counted, 1);
	/* More was spent than is left: it does not wrap around. */
	left.packets = 2;
	back = budget_rest(&left, &spent);
	CU_ASSERT_EQUAL(back.packets, 0);
	CU_ASSERT_EQUAL(back.tcp_tries, 0);
	spent = budget_minus(&lent, &lent);
	CU_ASSERT(!budget_is_any(&spent));
}

static const struct unit_test tests[] = {
	UNIT_TEST(budget__ten_links),
	UNIT_TEST(budget__thirty_two_referrals),
	UNIT_TEST(budget__seven_that_wait_for_each_other),
	UNIT_TEST(budget__six_names_of_servers),
	UNIT_TEST(budget__five_names_of_servers_that_fail),
	UNIT_TEST(budget__ten_minimised_names),
	UNIT_TEST(budget__sixty_four_packets),
	UNIT_TEST(budget__twenty_four_packets_of_one_name),
	UNIT_TEST(budget__bytes),
	UNIT_TEST(budget__eight_queries_over_tcp),
	UNIT_TEST(budget__four_seconds),
	UNIT_TEST(budget__comes_back_less_what_was_spent),
};
UNIT_SUITE(budget, tests)
