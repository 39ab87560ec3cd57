#include "iteration.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "dns_const.h"

const char *const iteration_wait_text[ITERATION_WAIT_COUNT] = {
	[ITERATION_WAIT_NONE] = "nothing",
	[ITERATION_WAIT_STEP] = "zone cut",
	[ITERATION_WAIT_ADDRESS] = "address of a server",
	[ITERATION_WAIT_LINK] = "what a CNAME leads to",
};

void iteration_begin(struct iteration *it, const struct sub_question *q)
{
	/* Names and cut are long, and written before they are read. */
	memset(it, 0, offsetof(struct iteration, target));
	it->is_new = true;
	it->budget = q != NULL ? q->lent : budget_whole();
	it->has_client = q == NULL;
	if (q == NULL)
		return;
	it->is_sub = true;
	it->is_step = q->purpose == SUB_STEP;
	it->asks_whole = it->is_step;
}

void iteration_adopt(struct iteration *it, const struct zone_cut *cut)
{
	if (cut != &it->cut)
		zone_cut_copy(&it->cut, cut);
	it->has_candidates = false;
	it->doubts_glue = false;
	it->candidate_count = 0;
	it->round = 0;
	it->asked_a = 0;
	it->asked_aaaa = 0;
	it->counted = 0;
	it->denied_labels = 0;
	it->probed_labels = (uint8_t)name_label_count(&it->cut.zone);
	if ((cut->flags & ZONE_CUT_ENT_LIAR) != 0)
		it->asks_whole = true;
}

/* ---- budget ---- */

void iteration_grant(const struct iteration *it, struct resolution *r)
{
	unsigned most = (unsigned)it->packets_booked + it->budget.packets;

	if (r->iterates && most > QUESTION_PACKETS_MAX)
		most = QUESTION_PACKETS_MAX;
	if (it->budget.bytes == 0)
		most = it->packets_booked;
	r->packets_max = (uint8_t)(most < UPSTREAM_PACKETS_MAX ? most : UPSTREAM_PACKETS_MAX);
	/* As if it had used up itself what others have. */
	r->tcp_tries = (uint8_t)(UPSTREAM_TCP_TRIES_MAX - it->budget.tcp_tries);
}

void iteration_book(struct iteration *it, struct resolution *r)
{
	uint8_t sent = (uint8_t)(r->packets - it->packets_booked);

	it->budget.packets = it->budget.packets > sent ? (uint8_t)(it->budget.packets - sent) : 0;
	it->budget.tcp_tries = (uint8_t)(UPSTREAM_TCP_TRIES_MAX - r->tcp_tries);
	it->packets_booked = r->packets;
	iteration_grant(it, r);
}

void iteration_book_step(struct iteration *it, struct resolution *r)
{
	iteration_book(it, r);
	r->packets--;
	it->packets_booked--;
	iteration_grant(it, r);
}

void iteration_unsend(struct iteration *it, struct resolution *r)
{
	r->packets--;
	if (it->packets_booked > r->packets) {
		it->packets_booked--;
		it->budget.packets++;
	}
	iteration_grant(it, r);
}

void iteration_book_bytes(struct iteration *it, struct resolution *r, size_t length_bytes)
{
	it->budget.bytes =
		it->budget.bytes > length_bytes ? (uint32_t)(it->budget.bytes - length_bytes) : 0;
	if (it->budget.bytes == 0)
		iteration_book(it, r);
}

static uint8_t least(uint8_t a, uint8_t b)
{
	return a < b ? a : b;
}

static uint8_t most_of(uint8_t a, uint8_t b)
{
	return a > b ? a : b;
}

void iteration_take_back(struct iteration *it, const struct budget *left)
{
	struct budget *mine = &it->budget;

	if (left->bytes < mine->bytes)
		mine->bytes = left->bytes;
	mine->packets = least(mine->packets, left->packets);
	mine->tcp_tries = least(mine->tcp_tries, left->tcp_tries);
	mine->referrals = least(mine->referrals, left->referrals);
	mine->address_lookups = least(mine->address_lookups, left->address_lookups);
	mine->address_failures = least(mine->address_failures, left->address_failures);
	mine->steps = least(mine->steps, left->steps);
	mine->is_counted = most_of(mine->is_counted, left->is_counted);
}

void iteration_raise(struct iteration *it, const struct budget *budget)
{
	struct budget *mine = &it->budget;

	if (budget->bytes > mine->bytes)
		mine->bytes = budget->bytes;
	mine->packets = most_of(mine->packets, budget->packets);
	mine->tcp_tries = most_of(mine->tcp_tries, budget->tcp_tries);
	mine->referrals = most_of(mine->referrals, budget->referrals);
	mine->address_lookups = most_of(mine->address_lookups, budget->address_lookups);
	mine->address_failures = most_of(mine->address_failures, budget->address_failures);
	mine->steps = most_of(mine->steps, budget->steps);
	mine->is_counted = least(mine->is_counted, budget->is_counted);
	mine->links = most_of(mine->links, budget->links);
	mine->depth = most_of(mine->depth, budget->depth);
}

/* ---- minimised names (RFC 9156 section 2.3) ---- */

/* The name without its first labels. */
static void suffix(const struct name *name, unsigned skip, struct name *out)
{
	size_t at = name_at_label(name, skip);

	out->length_bytes = (uint8_t)(name->length_bytes - at);
	bytes_copy(out->bytes, name->bytes + at, out->length_bytes);
}

void iteration_suffix(const struct name *name, unsigned label_count, struct name *out)
{
	suffix(name, name_label_count(name) - label_count, out);
}

unsigned iteration_step_next(const struct iteration *it, const struct name *qname, struct name *out)
{
	unsigned labels, left, more = 1;

	if (it->asks_whole || it->budget.steps == 0)
		return 0;
	labels = name_label_count(qname);
	if (labels <= it->probed_labels + 1u)
		return 0;
	left = labels - it->probed_labels;
	/* What is left of the name, by what is left of the steps. */
	if (it->step_count >= MINIMISED_ONE_LABEL_MAX)
		more = (left + it->budget.steps - 1) / it->budget.steps;
	if (more >= left)
		return 0;
	suffix(qname, left - more, out);
	return it->probed_labels + more;
}

/* ---- candidates ---- */

uint32_t iteration_tried_mask(const struct iteration *it)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < it->candidate_count; i++)
		if (it->tried[i] > it->round)
			mask |= UINT32_C(1) << i;
	return mask;
}

bool iteration_has_round(const struct iteration *it)
{
	for (unsigned i = 0; i < it->candidate_count; i++)
		if (it->tried[i] < SERVER_TRIES_PER_QUESTION_MAX)
			return true;
	return false;
}

bool iteration_next_round(struct iteration *it)
{
	if (it->round + 1 >= SERVER_TRIES_PER_QUESTION_MAX)
		return false;
	it->round++;
	for (unsigned i = 0; i < it->candidate_count; i++)
		if (it->tried[i] <= it->round)
			return true;
	return false;
}

void iteration_spend(struct iteration *it, int16_t candidate)
{
	if (candidate >= 0 && candidate < it->candidate_count)
		it->tried[candidate] = SERVER_TRIES_PER_QUESTION_MAX;
}

void iteration_move_candidates(struct iteration *from, struct iteration *to)
{
	DCHECK(to->candidate_count == 0);
	memcpy(to->candidates, from->candidates, sizeof(from->candidates));
	memcpy(to->tried, from->tried, sizeof(from->tried));
	to->candidate_count = from->candidate_count;
	to->round = from->round;
	to->first_server = from->first_server;
	to->has_candidates = true;
	from->candidate_count = 0;
	from->has_candidates = false;
}

/* ---- names of servers ---- */

/* Has it an address of a family that we have, too? */
static bool is_within_reach(const struct zone_cut *cut, unsigned server, bool has_v4, bool has_v6)
{
	for (unsigned i = 0; cut->servers[server].has_addresses && i < cut->address_count; i++)
		if (cut->addresses[i].server == server &&
		    (address_is_v4(&cut->addresses[i].endpoint.address) ? has_v4 : has_v6))
			return true;
	return false;
}

int iteration_address_next(const struct iteration *it, bool has_v4, bool has_v6, uint16_t *type)
{
	for (unsigned n = 0; n < it->cut.server_count; n++) {
		unsigned i = (n + it->first_server) % it->cut.server_count;
		bool wants_a = has_v4 && (it->asked_a >> i & 1) == 0;
		bool wants_aaaa = has_v6 && (it->asked_aaaa >> i & 1) == 0;
		struct name server;

		if (!wants_a && !wants_aaaa)
			continue;
		/* By glue; what was looked up may be only half of what there is. */
		if (!it->doubts_glue && (it->asked_a >> i & 1) == 0 &&
		    is_within_reach(&it->cut, i, has_v4, has_v6))
			continue;
		zone_cut_server_name(&it->cut, i, &server);
		if (name_is_below(&server, &it->cut.zone))
			continue;
		*type = wants_a ? DNS_TYPE_A : DNS_TYPE_AAAA;
		return (int)i;
	}
	return -1;
}

void iteration_address_asked(struct iteration *it, unsigned server, uint16_t type)
{
	uint16_t bit = (uint16_t)(1u << server);

	if (type == DNS_TYPE_A)
		it->asked_a |= bit;
	else
		it->asked_aaaa |= bit;
}

void iteration_check(const struct iteration *it, const struct resolution *r)
{
	CHECK(it->wait < ITERATION_WAIT_COUNT);
	CHECK((it->wait != ITERATION_WAIT_NONE) == (r->state == RESOLUTION_ASK));
	CHECK(it->candidate_count <= ZONE_CUT_ADDRESSES_MAX);
	CHECK(it->packets_booked <= r->packets);
	CHECK(it->wait != ITERATION_WAIT_LINK || r->answer_idx != POOL_NONE);
	CHECK(it->budget.links <= LINKS_MAX && it->budget.depth < DEPTH_MAX);
	CHECK(it->budget.tcp_tries <= UPSTREAM_TCP_TRIES_MAX);
	if (r->iterates)
		zone_cut_check(&it->cut);
}
