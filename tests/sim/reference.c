#include "tests/sim/reference.h"

#include <string.h>

enum { REFERENCE_NXDOMAIN = 3, REFERENCE_YXDOMAIN = 6 };

/* The zone that speaks for the name: from the root down, by cuts. For DS at a cut: the zone above. */
static const struct tree_zone *zone_of(const struct tree *tree, const struct tree_name *name,
				       uint16_t qtype)
{
	const struct tree_zone *zone = &tree->zones[0];
	struct tree_name cut;

	while (tree_find_cut(zone, name, &cut)) {
		int idx = tree_zone_named(tree, &cut);

		if (idx < 0 || (qtype == TREE_DS && tree_name_equal(&cut, name)))
			break;
		zone = &tree->zones[idx];
	}
	return zone;
}

static void add(struct reference *out, const struct tree_name *owner,
		const struct tree_record *record)
{
	struct reference_record *to = &out->records[out->record_count];

	if (out->record_count == REFERENCE_RECORDS_MAX)
		return;
	out->record_count++;
	to->owner = *owner;
	to->type = record->type;
	to->ttl_s = record->ttl_s;
	to->rdata = record->rdata;
	to->rdata_bytes = record->rdata_bytes;
}

/* *name becomes what the DNAME at or above it makes. */
static bool by_dname(const struct tree_zone *zone, struct tree_name *name, struct reference *out)
{
	unsigned most = tree_name_labels(name);

	for (unsigned labels = tree_name_labels(&zone->name); labels < most; labels++) {
		struct tree_name above = tree_name_tail(name, labels);
		struct tree_name target = {.length_bytes = 0};
		struct tree_name made;
		const struct tree_record *record;
		unsigned at = 0;

		record = tree_find(zone, &above, TREE_DNAME, &at);
		if (record == NULL)
			continue;
		add(out, &above, record);
		target.length_bytes = (uint8_t)record->rdata_bytes;
		memcpy(target.bytes, record->rdata, record->rdata_bytes);
		if (!tree_name_join(name->bytes, (size_t)(name->length_bytes - above.length_bytes),
				    &target, &made)) {
			out->rcode = REFERENCE_YXDOMAIN;
			return true;
		}
		if (out->record_count < REFERENCE_RECORDS_MAX)
			out->records[out->record_count++] = (struct reference_record){
				.owner = *name,
				.type = TREE_CNAME,
				.ttl_s = record->ttl_s,
				.rdata_bytes = made.length_bytes,
				.name = made,
			};
		*name = made;
		return true;
	}
	return false;
}

/* Where the name's records stand: at itself, or at the wildcard of its closest encloser. False: there is no such name. */
static bool stored_at(const struct tree_zone *zone, const struct tree_name *name,
		      struct tree_name *out)
{
	unsigned labels = tree_name_labels(name);
	struct tree_name encloser;

	*out = *name;
	if (tree_has_name(zone, name))
		return true;
	do
		encloser = tree_name_tail(name, --labels);
	while (!tree_has_name(zone, &encloser));
	return tree_name_join((const uint8_t *)"\001*", 2, &encloser, out) &&
	       tree_has_name(zone, out);
}

/* True: it leads on, to *name. */
static bool walk_one(const struct tree *tree, struct tree_name *name, uint16_t qtype,
		     struct reference *out)
{
	const struct tree_zone *zone = zone_of(tree, name, qtype);
	const struct tree_record *record;
	struct tree_name stored;
	unsigned at = 0;

	if (zone->is_unreachable) {
		out->is_unanswerable = out->is_unreachable = true;
		return false;
	}
	if (by_dname(zone, name, out))
		return out->rcode == 0 && qtype != TREE_CNAME;
	if (!stored_at(zone, name, &stored)) {
		out->rcode = REFERENCE_NXDOMAIN;
		return false;
	}
	record = tree_find(zone, &stored, TREE_CNAME, &at);
	if (record != NULL && qtype != TREE_CNAME) {
		add(out, name, record);
		name->length_bytes = (uint8_t)record->rdata_bytes;
		memcpy(name->bytes, record->rdata, record->rdata_bytes);
		return true;
	}
	at = 0;
	while ((record = tree_find(zone, &stored, qtype, &at)) != NULL)
		add(out, name, record);
	return false;
}

void reference_answer(const struct tree *tree, const struct tree_name *qname, uint16_t qtype,
		      struct reference *out)
{
	struct tree_name name = *qname;

	out->is_unanswerable = out->is_unreachable = false;
	out->rcode = 0;
	out->links = 0;
	out->record_count = 0;
	while (walk_one(tree, &name, qtype, out)) {
		if (++out->links > REFERENCE_LINKS_MAX) {
			out->is_unanswerable = true;
			return;
		}
	}
}
