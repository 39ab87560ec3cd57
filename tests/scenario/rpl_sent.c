/* CHECK_QUERIES: what was sent to servers, counted. */
#include "rpl.h"

/* A query, and the number of the step at hand when it was sent. */
struct rpl_sent {
	unsigned step;
	struct address server;
	struct rpl_seen seen;
	struct rpl_sent *next;
};

void rpl_sent_add(struct rpl_sent **list, const struct rpl_step *at, const struct address *server,
		  const struct rpl_seen *seen)
{
	struct rpl_sent *sent = rpl_new(sizeof(*sent));

	*sent = (struct rpl_sent){.step = at != NULL ? at->number : 0,
				  .server = *server,
				  .seen = {ldns_pkt_clone(seen->packet), seen->is_tcp},
				  .next = *list};
	*list = sent;
}

/* The number of the step that it counts from. */
static unsigned since(const struct rpl_file *f, const struct rpl_step *s)
{
	unsigned number = 0;

	if (s->since != UINT32_MAX)
		return s->since;
	for (const struct rpl_step *before = f->steps; before < s; before++)
		if (before->kind == RPL_STEP_QUERY)
			number = before->number;
	return number;
}

static bool is_as_many(const struct rpl_step *s, unsigned count)
{
	return s->relation == '<'   ? count <= s->count
	       : s->relation == '>' ? count >= s->count
				    : count == s->count;
}

void rpl_sent_check(struct rpl_file *f, const struct rpl_sent *list, const struct rpl_step *s)
{
	unsigned first = since(f, s);
	unsigned count = 0;

	for (const struct rpl_sent *sent = list; sent != NULL; sent = sent->next)
		count += sent->step >= first &&
			 (!s->has_address || address_equal(&s->address, &sent->server)) &&
			 (s->entry == NULL || rpl_mismatch(s->entry, &sent->seen) == 0);
	if (!is_as_many(s, count))
		rpl_stop(f, RPL_FAIL, "step %u (line %u): %u queries since step %u, not %s%u",
			 s->number, s->line, count, first,
			 s->relation == '<'   ? "at most "
			 : s->relation == '>' ? "at least "
					      : "",
			 s->count);
}
