#include "hints_file.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

#include "core/dns_const.h"
#include "core/span.h"

struct reading {
	FILE *in;
	ldns_rdf *origin;
	ldns_rdf *previous; /* owner of the last record */
	uint32_t ttl_s;     /* $TTL */
	int line;
};

enum next { NEXT_RECORD, NEXT_END, NEXT_WRONG };

static void say(struct hints_wrong *wrong, int line, const char *text)
{
	wrong->line = (unsigned)line;
	snprintf(wrong->text, sizeof(wrong->text), "%s", text);
}

/* *out is the caller's to free, if there is one. */
static enum next next_record(struct reading *r, ldns_rr **out, struct hints_wrong *wrong)
{
	while (!feof(r->in)) {
		ldns_status status = ldns_rr_new_frm_fp_l(out, r->in, &r->ttl_s, &r->origin,
							  &r->previous, &r->line);

		switch ((int)status) {
		case LDNS_STATUS_OK:
			return NEXT_RECORD;
		case LDNS_STATUS_SYNTAX_EMPTY:
		case LDNS_STATUS_SYNTAX_TTL: /* a $TTL, not a fault of one */
		case LDNS_STATUS_SYNTAX_ORIGIN:
			break;
		case LDNS_STATUS_SYNTAX_INCLUDE:
			say(wrong, r->line, "$INCLUDE is not followed");
			return NEXT_WRONG;
		default:
			say(wrong, r->line, ldns_get_errorstr_by_id(status));
			return NEXT_WRONG;
		}
	}
	return NEXT_END;
}

/* ldns keeps names uncompressed. */
static bool name_of(const ldns_rdf *rdf, struct name *out)
{
	struct span wire = {ldns_rdf_data(rdf), ldns_rdf_size(rdf)};
	struct name name;
	size_t at = 0;

	if (name_parse_plain(wire, &at, &name) != NAME_OK)
		return false;
	name_lower(&name, out);
	return true;
}

static void take_server(const ldns_rr *record, struct zone_cut *out)
{
	struct name server;

	if (ldns_rr_get_type(record) == LDNS_RR_TYPE_NS && ldns_rr_rd_count(record) == 1 &&
	    name_of(ldns_rr_rdf(record, 0), &server) && !zone_cut_add_server(out, &server))
		return; /* there already, or one too many: as promised */
}

static int find_server(const struct zone_cut *cut, const struct name *server)
{
	for (unsigned i = 0; i < cut->server_count; i++) {
		struct name name;

		zone_cut_server_name(cut, i, &name);
		if (name_equal(&name, server))
			return (int)i;
	}
	return -1;
}

/* False: an IPv4 address in an AAAA record. */
static bool read_address(const ldns_rr *record, struct address *out)
{
	const ldns_rdf *rdf = ldns_rr_rdf(record, 0);

	if (ldns_rr_get_type(record) == LDNS_RR_TYPE_A) {
		*out = address_from_v4(ldns_rdf_data(rdf));
		return true;
	}
	memcpy(out->bytes, ldns_rdf_data(rdf), ADDRESS_BYTES);
	return !address_is_v4(out);
}

static bool take_address(const ldns_rr *record, const struct name *owner, struct zone_cut *out)
{
	ldns_rr_type type = ldns_rr_get_type(record);
	struct endpoint endpoint = {.port = DNS_PORT};
	int server = find_server(out, owner);

	if (server < 0 || (type != LDNS_RR_TYPE_A && type != LDNS_RR_TYPE_AAAA) ||
	    ldns_rr_rd_count(record) != 1)
		return true;
	if (!read_address(record, &endpoint.address))
		return false;
	if (!zone_cut_add_address(out, &endpoint, (unsigned)server))
		return true; /* likewise */
	return true;
}

/* Addresses may stand before the names that they are of. */
enum pass { PASS_SERVERS, PASS_ADDRESSES };

static bool take(const ldns_rr *record, enum pass pass, struct zone_cut *out)
{
	struct name owner;

	if (ldns_rr_get_class(record) != LDNS_RR_CLASS_IN ||
	    !name_of(ldns_rr_owner(record), &owner))
		return true;
	switch (pass) {
	case PASS_SERVERS:
		if (owner.length_bytes == 1)
			take_server(record, out);
		return true;
	case PASS_ADDRESSES:
		return take_address(record, &owner, out);
	}
	return true;
}

static bool parse(struct reading *r, enum pass pass, struct zone_cut *out,
		  struct hints_wrong *wrong)
{
	ldns_rr *record = NULL;
	enum next next;

	while ((next = next_record(r, &record, wrong)) == NEXT_RECORD) {
		bool ok = take(record, pass, out);

		ldns_rr_free(record);
		record = NULL;
		if (!ok) {
			say(wrong, r->line,
			    "an AAAA record has an IPv4 address: write an A record");
			return false;
		}
	}
	return next == NEXT_END;
}

static bool run_pass(const char *text, size_t text_bytes, enum pass pass, struct zone_cut *out,
		     struct hints_wrong *wrong)
{
	struct reading r = {
		.in = fmemopen((char *)(uintptr_t)text, text_bytes, "r"), /* only read */
		.origin = ldns_dname_new_frm_str("."),
	};
	bool ok;

	CHECK(r.in != NULL && r.origin != NULL);
	ok = parse(&r, pass, out, wrong);
	ldns_rdf_deep_free(r.origin);
	ldns_rdf_deep_free(r.previous);
	fclose(r.in);
	return ok;
}

bool hints_file_parse(const char *text, size_t text_bytes, struct zone_cut *out,
		      struct hints_wrong *wrong)
{
	static const struct name root = {.length_bytes = 1};

	zone_cut_init(out, &root, ZONE_CUT_HINTS, UINT32_MAX);
	if (memchr(text, '\0', text_bytes) != NULL) {
		say(wrong, 0, "it is no text");
		return false;
	}
	/* fmemopen takes no empty one. */
	if (text_bytes > 0 && (!run_pass(text, text_bytes, PASS_SERVERS, out, wrong) ||
			       !run_pass(text, text_bytes, PASS_ADDRESSES, out, wrong)))
		return false;
	if (out->server_count == 0) {
		say(wrong, 0, "it has no NS record of \".\"");
		return false;
	}
	if (out->address_count == 0) {
		say(wrong, 0, "it has no A or AAAA record of any of the root's servers");
		return false;
	}
	return true;
}
