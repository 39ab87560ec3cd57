#include "dpdk_app/ports_audit_verdict.h"

#include <arpa/inet.h>
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/port_set.h"

/* One in so many may differ by chance or a retransmission: no rule is made of it. */
#define ODD_ONE_OUT 16
/* A step that one in so many takes is a rule: by chance, hardly two of them are equal. */
#define STRIDE_SHARE 3
/* In one round of random ports lies nearly all of their range; of counted ones, as little as there are rounds. */
#define IN_ORDER_SHARE 4
#define IN_ORDER_ROUNDS 4
#define IN_ORDER_ROUND_SAMPLES 8
/* So many pairs of equal ports say how many there are to draw from; fewer may be chance. */
#define PAIRS_ENOUGH 12
#define GROUP_BYTES_V6 8 /* a /64 */

const char *const ports_audit_verdict_text[PORTS_AUDIT_VERDICT_COUNT] = {
	[PORTS_AUDIT_TOO_FEW] = "too_few", [PORTS_AUDIT_NO_NAT] = "no_nat",
	[PORTS_AUDIT_ADDRESS] = "address", [PORTS_AUDIT_RANDOM] = "random",
	[PORTS_AUDIT_FEW] = "few",         [PORTS_AUDIT_IN_ORDER] = "in_order",
	[PORTS_AUDIT_STRIDE] = "stride",   [PORTS_AUDIT_ONE_PORT] = "one_port",
	[PORTS_AUDIT_PROXY] = "proxy",
};
static_assert(PORTS_AUDIT_PROXY + 1 == PORTS_AUDIT_VERDICT_COUNT, "the last verdict has its word");

bool ports_audit_verdict_is_bad(enum ports_audit_verdict verdict)
{
	switch (verdict) {
	case PORTS_AUDIT_TOO_FEW:
	case PORTS_AUDIT_NO_NAT:
	case PORTS_AUDIT_ADDRESS:
	case PORTS_AUDIT_RANDOM:
		return false;
	case PORTS_AUDIT_FEW:
	case PORTS_AUDIT_IN_ORDER:
	case PORTS_AUDIT_STRIDE:
	case PORTS_AUDIT_ONE_PORT:
	case PORTS_AUDIT_PROXY:
	case PORTS_AUDIT_VERDICT_COUNT:
		break;
	}
	return true;
}

/* ---- reading ---- */

void ports_audit_text(struct span message, char text[PORTS_AUDIT_TEXT_BYTES])
{
	struct msg_response response;
	struct msg_record record;
	size_t offset, length;

	text[0] = '\0';
	if (msg_parse_response(message, &response) != MSG_RESPONSE_OK)
		return;
	offset = response.records_offset;
	for (unsigned i = 0; i < response.answer_count; i++) {
		const uint8_t *rdata;

		if (!msg_record_next(message, &offset, &record))
			return;
		rdata = message.data + record.rdata_offset;
		if (record.type != DNS_TYPE_TXT || record.rdata_length_bytes == 0 ||
		    rdata[0] >= record.rdata_length_bytes)
			continue;
		length = rdata[0] < PORTS_AUDIT_TEXT_BYTES ? rdata[0] : PORTS_AUDIT_TEXT_BYTES - 1;
		for (size_t c = 0; c < length; c++) {
			uint8_t byte = rdata[1 + c];
			bool is_plain = byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\';

			text[c] = is_plain ? (char)byte : '?';
		}
		text[length] = '\0';
		return;
	}
}

static bool parse_address(const char *text, struct address *out)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = address_from_v4(v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out->bytes) == 1;
}

void ports_audit_understand(struct ports_audit_sample *sample, const char *text)
{
	char address[INET6_ADDRSTRLEN];
	unsigned port, id;
	int end = 0;

	static_assert(INET6_ADDRSTRLEN == 46, "the format below takes 45 characters");
	sample->understood = sscanf(text, "from=%45[0-9a-fA-F.:] port=%5u id=%5u%n", address, &port,
				    &id, &end) == 3 &&
			     text[end] == '\0' && port <= UINT16_MAX && id <= UINT16_MAX &&
			     parse_address(address, &sample->seen_address);
	if (!sample->understood)
		return;
	sample->seen_port = (uint16_t)port;
	sample->seen_id = (uint16_t)id;
}

/* ---- groups ---- */

static bool in_group(const struct ports_audit_group *group, const struct address *a)
{
	if (address_is_v4(a) || address_is_v4(&group->address))
		return address_equal(a, &group->address);
	return memcmp(a->bytes, group->address.bytes, GROUP_BYTES_V6) == 0;
}

static bool is_of(const struct ports_audit_group *group, const struct ports_audit_sample *s)
{
	return s->sent_port != 0 && in_group(group, &s->sent_address);
}

/* NULL: there is no place for another, nor can there be so many. */
static struct ports_audit_group *find_group(struct ports_audit_judgement *j,
					    const struct ports_audit_sample *s)
{
	for (unsigned i = 0; i < j->group_count; i++)
		if (is_of(&j->groups[i], s))
			return &j->groups[i];
	if (j->group_count == OUTGOING_MAX)
		return NULL;
	j->groups[j->group_count] = (struct ports_audit_group){
		.address = s->sent_address,
		.first_port = UINT16_MAX,
	};
	return &j->groups[j->group_count++];
}

static void count_sample(struct ports_audit_group *g, const struct ports_audit_sample *s)
{
	g->answered++;
	if (!s->understood)
		return;
	if (g->understood++ == 0)
		g->seen_address = s->seen_address;
	g->addresses_changed += !address_equal(&s->seen_address, &s->sent_address);
	g->ports_changed += s->seen_port != s->sent_port;
	g->ids_changed += s->seen_id != s->sent_id;
	if (s->seen_port < g->first_port)
		g->first_port = s->seen_port;
	if (s->seen_port > g->last_port)
		g->last_port = s->seen_port;
}

static void count_all(struct ports_audit_judgement *j, const struct ports_audit_sample *s)
{
	j->asked++;
	if (s->sent_port != 0) {
		j->answered++;
		j->understood += s->understood;
	}
	if (s->understood)
		return;
	if (s->rcode == DNS_RCODE_NXDOMAIN)
		j->no_name++;
	else if (s->rcode == DNS_RCODE_SERVFAIL)
		j->failed++;
	else if (s->rcode == DNS_RCODE_NOERROR)
		j->silent++;
	else
		j->rejected++;
}

/* ---- what the ports tell ---- */

/* How often each port was seen. */
struct tally {
	uint16_t counts[PORT_COUNT];
	uint32_t sample_count;
};

static uint32_t different(const struct tally *t)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < PORT_COUNT; i++)
		sum += t->counts[i] != 0;
	return sum;
}

/* Pairs of samples with equal ports. */
static double pairs(const struct tally *t)
{
	double sum = 0;

	for (unsigned i = 0; i < PORT_COUNT; i++)
		sum += t->counts[i] * (t->counts[i] - 1.0) / 2;
	return sum;
}

/* Samples without the odd ones out. */
static uint32_t most_of(uint32_t sample_count)
{
	return sample_count - sample_count / ODD_ONE_OUT;
}

/* The fewest successive ports, 0 after 65,535, that hold most of the samples. */
static uint32_t arc(const struct tally *t)
{
	uint32_t needed = most_of(t->sample_count);
	uint32_t inside = 0, fewest = PORT_COUNT;
	uint32_t first = 0;

	for (uint32_t last = 0; last < 2 * PORT_COUNT; last++) {
		inside += t->counts[last % PORT_COUNT];
		if (inside < needed)
			continue;
		while (inside - t->counts[first % PORT_COUNT] >= needed)
			inside -= t->counts[first++ % PORT_COUNT];
		if (last - first + 1 < fewest)
			fewest = last - first + 1;
	}
	return fewest;
}

/* How many ports there seem to be to draw from: by how far apart they lie or, if that says far less (they lie scattered),
 * by how often the same one comes, which is less exact. */
static double pool_size(const struct tally *t)
{
	double n = t->sample_count;
	double by_range, by_pairs;

	if (t->sample_count < 2)
		return t->sample_count;
	/* So many steps from the first of them to the last, of one more than there are samples. */
	by_range = fmin(PORT_COUNT,
			1 + (arc(t) - 1) * (n + 1) / fmax(1, most_of(t->sample_count) - 1.0));
	by_pairs = pairs(t) >= PAIRS_ENOUGH ? n * (n - 1) / 2 / pairs(t) : PORT_COUNT;
	return fmax(1, by_pairs < by_range / 2 ? by_pairs : by_range);
}

/* The ports of a group's round, in the order of the samples. */
struct round {
	unsigned count;
	uint16_t ports[PORTS_AUDIT_ROUND];
};

/* From samples[*at] on; false: no more. */
static bool next_round(const struct ports_audit_sample samples[], size_t sample_count,
		       const struct ports_audit_group *group, size_t *at, struct round *out)
{
	unsigned number;

	if (*at == sample_count)
		return false;
	number = samples[*at].round;
	out->count = 0;
	for (; *at < sample_count && samples[*at].round == number; (*at)++) {
		const struct ports_audit_sample *s = &samples[*at];

		if (is_of(group, s) && s->understood && out->count < PORTS_AUDIT_ROUND)
			out->ports[out->count++] = s->seen_port;
	}
	return true;
}

static void sort_round(struct round *r)
{
	for (unsigned i = 1; i < r->count; i++)
		for (unsigned k = i; k > 0 && r->ports[k - 1] > r->ports[k]; k--) {
			uint16_t larger = r->ports[k - 1];

			r->ports[k - 1] = r->ports[k];
			r->ports[k] = larger;
		}
}

/* Of a sorted round: how many ports its samples span, round the end where that is shorter. */
static uint32_t round_arc(const struct round *r)
{
	uint32_t largest = (uint16_t)(r->ports[0] - r->ports[r->count - 1]);

	for (unsigned i = 1; i < r->count; i++) {
		uint32_t gap = (uint32_t)(r->ports[i] - r->ports[i - 1]);

		if (gap > largest)
			largest = gap;
	}
	return PORT_COUNT - largest;
}

enum order { ORDER_AS_ASKED, ORDER_BY_PORT };

/* The commonest step from one port of a round to the next; 0: no step is a rule. By port, a step too is found that
 * several workers took in no order that we know. */
static int commonest_step(const struct ports_audit_sample samples[], size_t sample_count,
			  const struct ports_audit_group *group, enum order order)
{
	struct tally steps = {.sample_count = 0};
	struct round r;
	size_t at = 0;
	uint16_t best = 0;

	while (next_round(samples, sample_count, group, &at, &r)) {
		if (order == ORDER_BY_PORT)
			sort_round(&r);
		for (unsigned i = 1; i < r.count; i++, steps.sample_count++)
			steps.counts[(uint16_t)(r.ports[i] - r.ports[i - 1])]++;
	}
	for (unsigned i = 1; i < PORT_COUNT; i++)
		if (steps.counts[i] > steps.counts[best] || best == 0)
			best = (uint16_t)i;
	if (steps.counts[best] * STRIDE_SHARE < steps.sample_count || steps.counts[best] < 2)
		return 0;
	return (int16_t)best;
}

/* Do the rounds lie one after the other, most of them in little of the whole? */
static bool is_in_order(const struct ports_audit_sample samples[], size_t sample_count,
			const struct ports_audit_group *group, uint32_t whole_arc)
{
	uint32_t rounds = 0, narrow = 0;
	struct round r;
	size_t at = 0;

	while (next_round(samples, sample_count, group, &at, &r)) {
		if (r.count < IN_ORDER_ROUND_SAMPLES)
			continue;
		sort_round(&r);
		narrow += round_arc(&r) * IN_ORDER_SHARE < whole_arc;
		rounds++;
	}
	return rounds >= IN_ORDER_ROUNDS && narrow * 4 >= rounds * 3;
}

static enum ports_audit_verdict judge_ports(const struct ports_audit_sample samples[],
					    size_t sample_count, struct ports_audit_group *g,
					    const struct tally *seen)
{
	if (g->seen_ports == 1)
		return PORTS_AUDIT_ONE_PORT;
	/* Where the same ports come again and again there are few, in whatever order. */
	if (g->seen_ports * 4 < g->understood * 3)
		return PORTS_AUDIT_FEW;
	g->stride = commonest_step(samples, sample_count, g, ORDER_AS_ASKED);
	if (g->stride == 0)
		g->stride = commonest_step(samples, sample_count, g, ORDER_BY_PORT);
	if (g->stride != 0)
		return PORTS_AUDIT_STRIDE;
	if (is_in_order(samples, sample_count, g, arc(seen)))
		return PORTS_AUDIT_IN_ORDER;
	return pool_size(seen) < PORTS_AUDIT_SMALL_RANGE ? PORTS_AUDIT_FEW : PORTS_AUDIT_RANDOM;
}

static bool is_rule(uint32_t changed, const struct ports_audit_group *g)
{
	return changed * ODD_ONE_OUT > g->understood;
}

static void judge_group(const struct ports_audit_sample samples[], size_t sample_count,
			struct ports_audit_group *g)
{
	struct tally sent = {.sample_count = 0}, seen = {.sample_count = 0};

	for (size_t i = 0; i < sample_count; i++) {
		const struct ports_audit_sample *s = &samples[i];

		if (!is_of(g, s) || !s->understood)
			continue;
		sent.counts[s->sent_port]++;
		seen.counts[s->seen_port]++;
		sent.sample_count++;
		seen.sample_count++;
	}
	g->sent_ports = different(&sent);
	g->seen_ports = different(&seen);
	g->port_bits = log2(fmax(1, pool_size(&seen)));
	if (g->understood < PORTS_AUDIT_ENOUGH)
		g->verdict = PORTS_AUDIT_TOO_FEW;
	else if (is_rule(g->ids_changed, g))
		g->verdict = PORTS_AUDIT_PROXY;
	else if (is_rule(g->ports_changed, g))
		g->verdict = judge_ports(samples, sample_count, g, &seen);
	else if (is_rule(g->addresses_changed, g))
		g->verdict = PORTS_AUDIT_ADDRESS;
	else
		g->verdict = PORTS_AUDIT_NO_NAT;
}

void ports_audit_judge(const struct ports_audit_sample samples[], size_t sample_count,
		       struct ports_audit_judgement *out)
{
	*out = (struct ports_audit_judgement){.asked = 0};
	for (size_t i = 0; i < sample_count; i++) {
		struct ports_audit_group *group;

		count_all(out, &samples[i]);
		group = samples[i].sent_port != 0 ? find_group(out, &samples[i]) : NULL;
		if (group != NULL)
			count_sample(group, &samples[i]);
	}
	for (unsigned i = 0; i < out->group_count; i++) {
		judge_group(samples, sample_count, &out->groups[i]);
		out->bad |= ports_audit_verdict_is_bad(out->groups[i].verdict);
	}
}
