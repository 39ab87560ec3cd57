/* Replies to queries that a scenario does not foresee. */
#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "rpl.h"

/* Records of the file, wherever they stand. */
struct found {
	bool is_server;     /* a record NS names it */
	ldns_rr_list *glue; /* its addresses of the type asked for */
};

static void look_in(const ldns_rr_list *list, const ldns_rr *asked, struct found *found)
{
	for (size_t i = 0; list != NULL && i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);

		if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_NS && ldns_rr_rd_count(rr) == 1)
			found->is_server =
				found->is_server ||
				ldns_dname_compare(ldns_rr_rdf(rr, 0), ldns_rr_owner(asked)) == 0;
		if (ldns_rr_get_type(rr) == ldns_rr_get_type(asked) &&
		    ldns_dname_compare(ldns_rr_owner(rr), ldns_rr_owner(asked)) == 0 &&
		    !ldns_rr_list_contains_rr(found->glue, (ldns_rr *)(uintptr_t)rr))
			ldns_rr_list_push_rr(found->glue, ldns_rr_clone(rr));
	}
}

static void look_everywhere(const struct rpl_file *f, const ldns_rr *asked, struct found *found)
{
	for (struct rpl_range *r = f->ranges; r != NULL; r = r->next)
		for (struct rpl_entry *e = r->entries; e != NULL; e = e->next) {
			look_in(ldns_pkt_answer(e->packet), asked, found);
			look_in(ldns_pkt_authority(e->packet), asked, found);
			look_in(ldns_pkt_additional(e->packet), asked, found);
		}
}

/* The server says that there is no such record, by a SOA that nobody can object to. */
static void push_no_data(ldns_pkt *reply, const ldns_rr *asked)
{
	char *name = ldns_rdf2str(ldns_rr_owner(asked));
	char text[2100];
	ldns_rr *soa = NULL;

	snprintf(text, sizeof(text), "%s 60 IN SOA . . 1 3600 600 86400 60", name);
	CHECK(ldns_rr_new_frm_str(&soa, text, 0, NULL, NULL) == LDNS_STATUS_OK);
	ldns_pkt_push_rr(reply, LDNS_SECTION_AUTHORITY, soa);
	free(name);
}

/* Nobody who wrote the scenario has thought of this query: addresses of name servers as the file has them, SERVFAIL else. */
ldns_pkt *rpl_unforeseen(const struct rpl_file *f, const ldns_pkt *query)
{
	const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(query), 0);
	ldns_pkt *reply = ldns_pkt_new();
	struct found found = {.glue = ldns_rr_list_new()};

	ldns_pkt_set_id(reply, ldns_pkt_id(query));
	ldns_pkt_set_qr(reply, true);
	ldns_pkt_push_rr(reply, LDNS_SECTION_QUESTION, ldns_rr_clone(asked));
	if (ldns_rr_get_type(asked) == LDNS_RR_TYPE_A ||
	    ldns_rr_get_type(asked) == LDNS_RR_TYPE_AAAA)
		look_everywhere(f, asked, &found);
	if (!found.is_server) {
		ldns_pkt_set_rcode(reply, LDNS_RCODE_SERVFAIL);
		return reply;
	}
	ldns_pkt_set_aa(reply, true);
	if (ldns_rr_list_rr_count(found.glue) > 0)
		ldns_pkt_push_rr_list(reply, LDNS_SECTION_ANSWER, found.glue);
	else
		push_no_data(reply, asked);
	return reply;
}
