/* Zone files by chance, and what ldns reads in them. */
#include "tests/sim/tree.h"

#include <ldns/ldns.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 65536
#define LABEL_BYTES_MAX 16
#define NAME_TEXT_BYTES 256
#define TTL_S_MIN 5
#define TTL_S_SPAN 600
#define SERVERS_PER_ZONE_MAX 4
/* One in so many. */
#define UNKNOWN_NAME_ONE_IN 3
#define SHARED_SERVER_ONE_IN 4
#define GLUELESS_ONE_IN 3
#define WILDCARD_ONE_IN 3
#define DNAME_ONE_IN 5
#define LOOP_ONE_IN 6
/* Deeper than that a question may rightly cost too much. */
#define NESTING_MAX 2
/* Fewer have none. */
#define CIRCLE_ZONES_MIN 16

/* A name server of a zone. */
struct plan_server {
	char name[NAME_TEXT_BYTES]; /* absolute */
	int server_idx;             /* of the tree; -1: no glue here, its own zone has it */
};
struct plan_zone {
	char name[NAME_TEXT_BYTES]; /* absolute: "com." */
	int parent;
	unsigned depth;
	unsigned nesting; /* of name servers whose names have to be resolved for its sake */
	unsigned child_count;
	unsigned server_count;
	struct plan_server servers[SERVERS_PER_ZONE_MAX];
	unsigned host_count;
	size_t text_bytes;
	char *text;
};
struct plan {
	struct random *random;
	const struct tree_shape *shape;
	struct tree *tree;
	unsigned zone_count;
	struct plan_zone zones[TREE_ZONES_MAX];
};

static unsigned below(struct plan *p, unsigned bound)
{
	return random_scale(random_next(p->random), bound);
}

static bool one_in(struct plan *p, unsigned count)
{
	return below(p, count) == 0;
}

static unsigned ttl_s(struct plan *p)
{
	return TTL_S_MIN + below(p, TTL_S_SPAN);
}

static __attribute__((format(printf, 2, 3))) void line(struct plan_zone *zone, const char *format,
						       ...)
{
	va_list arguments;

	va_start(arguments, format);
	zone->text_bytes += (size_t)vsnprintf(zone->text + zone->text_bytes,
					      TEXT_BYTES_MAX - zone->text_bytes, format, arguments);
	va_end(arguments);
	if (zone->text_bytes >= TEXT_BYTES_MAX)
		abort(); /* the shape's bounds are far below */
}

/* "LABEL.ZONE", absolute. */
static void name_in(char out[NAME_TEXT_BYTES], const char *label, const struct plan_zone *zone)
{
	int bytes = snprintf(out, NAME_TEXT_BYTES, "%s.%s", label,
			     strcmp(zone->name, ".") == 0 ? "" : zone->name);

	if (bytes >= NAME_TEXT_BYTES)
		abort();
}

/* ---- servers ---- */

static int server_new(struct plan *p)
{
	struct tree *tree = p->tree;
	unsigned idx = tree->server_count++;
	uint8_t *address = tree->servers[idx].address;

	if (idx == TREE_SERVERS_MAX)
		abort();
	memset(address, 0, TREE_ADDRESS_BYTES);
	if (p->shape->has_v6 && one_in(p, 2)) {
		static const uint8_t prefix[] = {0x20, 0x01, 0x00, 0x02};

		memcpy(address, prefix, sizeof(prefix));
		address[5] = 1;
		address[14] = (uint8_t)((idx + 1) >> 8);
		address[15] = (uint8_t)(idx + 1);
		return (int)idx;
	}
	address[10] = address[11] = 0xff;
	address[12] = 198;
	address[13] = 19;
	address[14] = (uint8_t)((idx + 1) >> 8);
	address[15] = (uint8_t)(idx + 1);
	return (int)idx;
}

static void serve(struct plan *p, int server_idx, unsigned zone_idx)
{
	struct tree_server *server = &p->tree->servers[server_idx];

	for (unsigned i = 0; i < server->zone_count; i++)
		if (server->zones[i] == zone_idx)
			return;
	if (server->zone_count < TREE_SERVER_ZONES_MAX)
		server->zones[server->zone_count++] = (uint16_t)zone_idx;
}

static void address_line(struct plan *p, struct plan_zone *zone, const char *owner, int server_idx)
{
	const uint8_t *a = p->tree->servers[server_idx].address;

	if (a[0] == 0)
		line(zone, "%s %u IN A %u.%u.%u.%u\n", owner, ttl_s(p), a[12], a[13], a[14], a[15]);
	else
		line(zone, "%s %u IN AAAA 2001:2:%x::%x\n", owner, ttl_s(p), a[4] << 8 | a[5],
		     a[14] << 8 | a[15]);
}

/* A name server of the zone, in its own zone, with an address and glue. */
static void own_server(struct plan *p, unsigned zone_idx, unsigned i)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	char label[LABEL_BYTES_MAX];

	snprintf(label, sizeof(label), "ns%u", i);
	name_in(zone->servers[i].name, label, zone);
	zone->servers[i].server_idx = server_new(p);
	serve(p, zone->servers[i].server_idx, zone_idx);
}

/* One of another zone, that was made before: it needs none that comes later, so there is no circle. */
static void others_server(struct plan *p, unsigned zone_idx, unsigned i)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	const struct plan_zone *other = &p->zones[below(p, zone_idx)];
	const struct plan_server *server = &other->servers[below(p, other->server_count)];

	if (server->server_idx < 0 || other->nesting >= NESTING_MAX) {
		own_server(p, zone_idx, i);
		return;
	}
	for (unsigned k = 0; k < i; k++) {
		if (strcmp(zone->servers[k].name, server->name) == 0) {
			own_server(p, zone_idx, i);
			return;
		}
	}
	if (zone->nesting <= other->nesting)
		zone->nesting = other->nesting + 1;
	zone->servers[i] = *server;
	serve(p, server->server_idx, zone_idx);
	if (one_in(p, 2))
		zone->servers[i].server_idx = -1 - server->server_idx - 1;
}

static bool has_circle(const struct plan *p)
{
	return p->shape->has_loops && p->shape->zone_count >= CIRCLE_ZONES_MIN;
}

static bool is_of_circle(const struct plan *p, unsigned zone_idx)
{
	return has_circle(p) && zone_idx + 2 >= p->shape->zone_count;
}

static void plan_servers(struct plan *p, unsigned zone_idx)
{
	struct plan_zone *zone = &p->zones[zone_idx];

	zone->server_count = 1 + below(p, SERVERS_PER_ZONE_MAX);
	if (is_of_circle(p, zone_idx)) {
		zone->server_count = 1;
		own_server(p, zone_idx, 0); /* of no other zone */
		return;
	}
	for (unsigned i = 0; i < zone->server_count; i++) {
		if (zone_idx > 0 && i > 0 && one_in(p, GLUELESS_ONE_IN))
			others_server(p, zone_idx, i);
		else if (zone_idx > 1 && i == 0 && one_in(p, SHARED_SERVER_ONE_IN))
			others_server(p, zone_idx, i);
		else
			own_server(p, zone_idx, i);
	}
}

/* ---- zones ---- */

static void plan_zone(struct plan *p, unsigned zone_idx)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	struct plan_zone *parent;
	char label[2 * LABEL_BYTES_MAX];

	zone->text = malloc(TEXT_BYTES_MAX);
	zone->host_count = 1 + below(p, p->shape->hosts);
	if (zone_idx == 0) {
		strcpy(zone->name, ".");
		zone->parent = -1;
		plan_servers(p, 0);
		return;
	}
	zone->parent = zone_idx < 4 ? 0 : (int)below(p, zone_idx);
	if (is_of_circle(p, zone_idx) && is_of_circle(p, (unsigned)zone->parent))
		zone->parent = 0;
	while (p->zones[zone->parent].depth > 5)
		zone->parent = p->zones[zone->parent].parent;
	parent = &p->zones[zone->parent];
	zone->depth = parent->depth + 1;
	zone->nesting = parent->nesting;
	/* Some cuts are two labels down: an empty non-terminal between. */
	if (zone->parent != 0 && one_in(p, 6))
		snprintf(label, sizeof(label), "z%u.e%u", parent->child_count, zone_idx);
	else
		snprintf(label, sizeof(label), "z%u", parent->child_count);
	parent->child_count++;
	name_in(zone->name, label, parent);
	plan_servers(p, zone_idx);
}

/* The last two zones: each has its only server in the other one. */
static void make_circle(struct plan *p)
{
	struct plan_zone *a = &p->zones[p->zone_count - 2];
	struct plan_zone *b = &p->zones[p->zone_count - 1];

	a->server_count = b->server_count = 1;
	name_in(a->servers[0].name, "ns0", b);
	name_in(b->servers[0].name, "ns0", a);
}

static bool is_in(const char *name, const struct plan_zone *zone)
{
	size_t name_bytes = strlen(name);
	size_t zone_bytes = strlen(zone->name);

	if (strcmp(zone->name, ".") == 0)
		return true;
	return name_bytes > zone_bytes && strcmp(name + name_bytes - zone_bytes, zone->name) == 0 &&
	       name[name_bytes - zone_bytes - 1] == '.';
}

/* The server's index, whether or not it has glue. */
static int server_of(const struct plan_server *server)
{
	return server->server_idx >= 0 ? server->server_idx : -2 - server->server_idx;
}

static void write_apex(struct plan *p, unsigned zone_idx)
{
	struct plan_zone *zone = &p->zones[zone_idx];

	line(zone, "%s %u IN SOA %s h.%s 1 3600 600 86400 %u\n", zone->name, ttl_s(p),
	     zone->servers[0].name, zone_idx == 0 ? "" : zone->name, ttl_s(p));
	for (unsigned i = 0; i < zone->server_count; i++) {
		const struct plan_server *server = &zone->servers[i];

		line(zone, "%s %u IN NS %s\n", zone->name, TTL_S_MIN + TTL_S_SPAN, server->name);
	}
	for (unsigned i = 0; i < zone->server_count; i++) {
		const struct plan_server *server = &zone->servers[i];
		char own[NAME_TEXT_BYTES];

		snprintf(own, sizeof(own), "ns%u.%s", i, zone_idx == 0 ? "" : zone->name);
		if (strcmp(own, server->name) == 0)
			address_line(p, zone, server->name, server_of(server));
	}
}

/* A child's delegation: its NS, and glue for those in it, or (sometimes) elsewhere in this zone. */
static void write_cut(struct plan *p, unsigned zone_idx, const struct plan_zone *child)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	unsigned ttl = ttl_s(p);

	for (unsigned i = 0; i < child->server_count; i++)
		line(zone, "%s %u IN NS %s\n", child->name, ttl, child->servers[i].name);
	for (unsigned i = 0; i < child->server_count; i++)
		if (is_in(child->servers[i].name, child))
			address_line(p, zone, child->servers[i].name,
				     server_of(&child->servers[i]));
	if (one_in(p, 3))
		line(zone, "%s %u IN DS %u 13 2 %064u\n", child->name, ttl, below(p, 65536),
		     below(p, 1000000));
}

/* A name of some zone, there or not. */
static void some_name(struct plan *p, char out[NAME_TEXT_BYTES])
{
	const struct plan_zone *zone = &p->zones[below(p, p->zone_count)];
	char label[LABEL_BYTES_MAX];

	snprintf(label, sizeof(label), "h%u", below(p, zone->host_count + 1));
	name_in(out, label, zone);
}

/* An alias leads to a zone that was planned before, or to a host: so chains end, but for wanted loops. */
static void write_alias(struct plan *p, unsigned zone_idx, unsigned i)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	char owner[NAME_TEXT_BYTES];
	char target[NAME_TEXT_BYTES];
	char label[LABEL_BYTES_MAX];

	snprintf(label, sizeof(label), "c%u", i);
	name_in(owner, label, zone);
	if (p->shape->has_loops && one_in(p, LOOP_ONE_IN)) {
		snprintf(label, sizeof(label), "c%u", below(p, 3));
		name_in(target, label, &p->zones[below(p, p->zone_count)]);
	} else if (zone_idx > 0 && one_in(p, 3)) {
		snprintf(label, sizeof(label), "c%u", below(p, 2));
		name_in(target, label, &p->zones[below(p, zone_idx)]);
	} else {
		some_name(p, target);
	}
	line(zone, "%s %u IN CNAME %s\n", owner, ttl_s(p), target);
}

static void write_host(struct plan *p, unsigned zone_idx, unsigned i)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	char owner[NAME_TEXT_BYTES];
	char label[2 * LABEL_BYTES_MAX];
	unsigned ttl = ttl_s(p);

	if (one_in(p, 8))
		snprintf(label, sizeof(label), "h%u.n%u", i, i);
	else
		snprintf(label, sizeof(label), "h%u", i);
	name_in(owner, label, zone);
	for (unsigned k = 1 + below(p, 3); k > 0; k--)
		line(zone, "%s %u IN A 203.0.113.%u\n", owner, ttl, 1 + below(p, 250));
	if (one_in(p, 2))
		line(zone, "%s %u IN AAAA 2001:db8::%x\n", owner, ttl_s(p), 1 + below(p, 60000));
	if (one_in(p, 4))
		line(zone, "%s %u IN TXT \"%x\" \"some text\"\n", owner, ttl_s(p),
		     below(p, 1000000));
	if (one_in(p, 6))
		line(zone, "%s %u IN MX %u %s\n", owner, ttl_s(p), below(p, 50), owner);
	if (one_in(p, 6))
		line(zone, "%s %u IN TYPE65280 \\# 4 %08x\n", owner, ttl_s(p), below(p, 1000000));
	if (one_in(p, 6))
		line(zone, "%s %u IN HTTPS 1 . alpn=h2\n", owner, ttl_s(p));
}

static void write_specials(struct plan *p, unsigned zone_idx)
{
	struct plan_zone *zone = &p->zones[zone_idx];
	char owner[NAME_TEXT_BYTES];

	if (one_in(p, WILDCARD_ONE_IN)) {
		name_in(owner, "*.w", zone);
		line(zone, "%s %u IN A 203.0.113.%u\n", owner, ttl_s(p), 1 + below(p, 250));
		if (one_in(p, 3)) {
			char target[NAME_TEXT_BYTES];

			name_in(owner, "*.wc", zone);
			some_name(p, target);
			line(zone, "%s %u IN CNAME %s\n", owner, ttl_s(p), target);
		}
	}
	if (zone_idx > 0 && one_in(p, DNAME_ONE_IN)) {
		name_in(owner, "d", zone);
		line(zone, "%s %u IN DNAME %s\n", owner, ttl_s(p),
		     p->zones[below(p, zone_idx)].name);
	}
	/* More than UDP carries. */
	if (one_in(p, 6)) {
		name_in(owner, "big", zone);
		for (unsigned i = 0; i < 12; i++)
			line(zone, "%s 300 IN TXT \"%02u%0150u\"\n", owner, i, below(p, 1000000));
	}
}

static void write_zone(struct plan *p, unsigned zone_idx)
{
	struct plan_zone *zone = &p->zones[zone_idx];

	write_apex(p, zone_idx);
	for (unsigned i = zone_idx + 1; i < p->zone_count; i++)
		if (p->zones[i].parent == (int)zone_idx)
			write_cut(p, zone_idx, &p->zones[i]);
	for (unsigned i = 0; i < zone->host_count; i++)
		write_host(p, zone_idx, i);
	for (unsigned i = below(p, 4); i > 0; i--)
		write_alias(p, zone_idx, i - 1);
	write_specials(p, zone_idx);
}

/* ---- loading ---- */

static struct tree_name name_of_rdf(const ldns_rdf *rdf)
{
	struct tree_name name;

	name.length_bytes = (uint8_t)ldns_rdf_size(rdf);
	memcpy(name.bytes, ldns_rdf_data(rdf), name.length_bytes);
	return name;
}

static void load_record(struct tree_zone *zone, ldns_rr *rr)
{
	struct tree_record *record = &zone->records[zone->record_count++];
	ldns_buffer *buffer = ldns_buffer_new(LDNS_MIN_BUFLEN);
	uint8_t *rdata;
	size_t bytes;

	ldns_rr2canonical(rr);
	if (ldns_rr_rdata2buffer_wire(buffer, rr) != LDNS_STATUS_OK)
		abort();
	bytes = ldns_buffer_position(buffer);
	rdata = malloc(bytes + 1);
	memcpy(rdata, ldns_buffer_begin(buffer), bytes);
	ldns_buffer_free(buffer);
	*record = (struct tree_record){
		.owner = name_of_rdf(ldns_rr_owner(rr)),
		.type = (uint16_t)ldns_rr_get_type(rr),
		.rdata_bytes = (uint16_t)bytes,
		.ttl_s = ldns_rr_ttl(rr),
		.rdata = rdata,
	};
}

/* A set of records has no two that are the same (RFC 2181 section 5). */
static bool is_there(const struct tree_zone *zone, const struct tree_record *record)
{
	for (unsigned i = 0; i + 1 < zone->record_count; i++) {
		const struct tree_record *other = &zone->records[i];

		if (other->type == record->type && other->rdata_bytes == record->rdata_bytes &&
		    tree_name_equal(&other->owner, &record->owner) &&
		    memcmp(other->rdata, record->rdata, record->rdata_bytes) == 0)
			return true;
	}
	return false;
}

static bool load_zone(struct tree_zone *zone, const struct plan_zone *plan)
{
	FILE *file = fmemopen(plan->text, plan->text_bytes, "r");
	ldns_zone *loaded = NULL;
	int line_number = 0;
	ldns_status status =
		ldns_zone_new_frm_fp_l(&loaded, file, NULL, 0, LDNS_RR_CLASS_IN, &line_number);
	ldns_rr_list *list;

	fclose(file);
	if (status != LDNS_STATUS_OK) {
		fprintf(stderr, "sim: zone %s line %d: %s\n%s", plan->name, line_number,
			ldns_get_errorstr_by_id(status), plan->text);
		return false;
	}
	list = ldns_zone_rrs(loaded);
	zone->name = tree_name_of(plan->name);
	zone->text = plan->text;
	zone->records = calloc(ldns_rr_list_rr_count(list) + 1, sizeof(*zone->records));
	load_record(zone, ldns_zone_soa(loaded));
	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		load_record(zone, ldns_rr_list_rr(list, i));
		if (is_there(zone, &zone->records[zone->record_count - 1])) {
			zone->record_count--;
			free((void *)(uintptr_t)zone->records[zone->record_count].rdata);
		}
	}
	ldns_zone_deep_free(loaded);
	return true;
}

/* ---- names to ask for ---- */

static void add_name(struct tree *tree, const struct tree_name *name)
{
	if (tree->name_count < TREE_NAMES_MAX)
		tree->names[tree->name_count++] = *name;
}

/* Owners as they are, some with a label more, which are there by a wildcard or a DNAME, or not at all. */
static void gather_names(struct plan *p)
{
	struct tree *tree = p->tree;

	for (unsigned z = 0; z < tree->zone_count; z++) {
		const struct tree_zone *zone = &tree->zones[z];

		for (unsigned i = 0; i < zone->record_count; i++) {
			struct tree_name name = zone->records[i].owner;

			if (i > 0 && tree_name_equal(&name, &zone->records[i - 1].owner))
				continue;
			add_name(tree, &name);
			if (name.bytes[0] == 1 && name.bytes[1] == '*')
				name = tree_name_tail(&name, tree_name_labels(&name) - 1);
			if (one_in(p, UNKNOWN_NAME_ONE_IN) &&
			    tree_name_join((const uint8_t *)"\002nx", 3, &name, &name))
				add_name(tree, &name);
		}
	}
}

struct tree *tree_make(struct random *random, const struct tree_shape *shape)
{
	struct tree *tree = calloc(1, sizeof(*tree));
	struct plan *plan = calloc(1, sizeof(*plan));
	bool is_made = true;

	tree->zones = calloc(TREE_ZONES_MAX, sizeof(*tree->zones));
	tree->servers = calloc(TREE_SERVERS_MAX + 1, sizeof(*tree->servers));
	tree->names = calloc(TREE_NAMES_MAX, sizeof(*tree->names));
	plan->random = random;
	plan->shape = shape;
	plan->tree = tree;
	for (unsigned i = 0; i < shape->zone_count; i++) {
		plan_zone(plan, i);
		plan->zone_count++;
	}
	if (has_circle(plan))
		make_circle(plan);
	for (unsigned i = 0; i < plan->zone_count; i++)
		write_zone(plan, i);
	for (unsigned i = 0; i < plan->zone_count; i++, tree->zone_count++)
		is_made = load_zone(&tree->zones[i], &plan->zones[i]) && is_made;
	if (has_circle(plan))
		tree->zones[shape->zone_count - 1].is_unreachable =
			tree->zones[shape->zone_count - 2].is_unreachable = true;
	if (is_made)
		gather_names(plan);
	free(plan);
	if (is_made)
		return tree;
	tree_free(tree);
	return NULL;
}

void tree_free(struct tree *tree)
{
	for (unsigned z = 0; z < tree->zone_count; z++) {
		struct tree_zone *zone = &tree->zones[z];

		for (unsigned i = 0; i < zone->record_count; i++)
			free((void *)(uintptr_t)zone->records[i].rdata);
		free(zone->records);
		free(zone->text);
	}
	free(tree->zones);
	free(tree->servers);
	free(tree->names);
	free(tree);
}
