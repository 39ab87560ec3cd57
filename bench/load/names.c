#include "bench/load/names.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEX_DIGITS 16

bool names_type(const char *text, uint16_t *out)
{
	static const struct {
		const char *text;
		uint16_t type;
	} known[] = {
		{"A", 1},     {"NS", 2},      {"CNAME", 5}, {"SOA", 6},   {"PTR", 12},
		{"MX", 15},   {"TXT", 16},    {"AAAA", 28}, {"SRV", 33},  {"NAPTR", 35},
		{"DS", 43},   {"DNSKEY", 48}, {"TLSA", 52}, {"SVCB", 64}, {"HTTPS", 65},
		{"CAA", 257}, {"ANY", 255},
	};
	char *end;
	unsigned long number;

	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (strcasecmp(text, known[i].text) == 0) {
			*out = known[i].type;
			return true;
		}
	}
	if (strncasecmp(text, "TYPE", 4) != 0 || text[4] < '0' || text[4] > '9')
		return false;
	number = strtoul(text + 4, &end, 10);
	if (*end != '\0' || number > UINT16_MAX)
		return false;
	*out = (uint16_t)number;
	return true;
}

/* ---- names of a file ---- */

/* Room that doubles. False: no memory. */
static bool make_room(void **memory, uint64_t *room, uint64_t wanted, size_t each_bytes)
{
	uint64_t more = *room == 0 ? 4096 : *room;
	void *grown;

	if (wanted <= *room)
		return true;
	while (more < wanted)
		more *= 2;
	grown = realloc(*memory, more * each_bytes);
	if (grown == NULL)
		return false;
	*memory = grown;
	*room = more;
	return true;
}

struct reading {
	struct names *names;
	uint64_t line_room;
	uint64_t byte_room;
	uint64_t byte_count;
};

static bool keep_line(struct reading *r, const struct name *qname, uint16_t qtype)
{
	struct names *n = r->names;
	void *lines = n->lines, *bytes = n->line_bytes;
	bool enough = make_room(&lines, &r->line_room, n->line_count + 1, sizeof(*n->lines)) &&
		      make_room(&bytes, &r->byte_room, r->byte_count + qname->length_bytes, 1);

	n->lines = lines;
	n->line_bytes = bytes;
	if (!enough)
		return false;
	memcpy(n->line_bytes + r->byte_count, qname->bytes, qname->length_bytes);
	n->lines[n->line_count++] = (struct names_line){r->byte_count, qtype, qname->length_bytes};
	r->byte_count += qname->length_bytes;
	return true;
}

/* `name type`, as dnsperf reads them; empty lines and those that begin with # or ; are passed over. */
static bool read_line(struct reading *r, char *line, uint64_t number)
{
	const char *file = r->names->options->names_file;
	char *rest;
	char *name = strtok_r(line, " \t\r\n", &rest);
	char *type = strtok_r(NULL, " \t\r\n", &rest);
	struct name qname;
	uint16_t qtype;

	if (name == NULL || *name == '#' || *name == ';')
		return true;
	if (!name_from_text(name, &qname)) {
		fprintf(stderr, "load: %s:%lu: %s is no domain name\n", file, (unsigned long)number,
			name);
		return false;
	}
	if (type == NULL || !names_type(type, &qtype)) {
		fprintf(stderr, "load: %s:%lu: no type that is known after the name\n", file,
			(unsigned long)number);
		return false;
	}
	if (keep_line(r, &qname, qtype))
		return true;
	fprintf(stderr, "load: %s: no memory for its names\n", file);
	return false;
}

static bool read_file(struct names *n)
{
	struct reading reading = {.names = n};
	FILE *file = fopen(n->options->names_file, "r");
	char *line = NULL;
	size_t room = 0;
	bool good = true;

	if (file == NULL) {
		fprintf(stderr, "load: %s: %s\n", n->options->names_file, strerror(errno));
		return false;
	}
	for (uint64_t number = 1; good && getline(&line, &room, file) >= 0; number++)
		good = read_line(&reading, line, number);
	free(line);
	fclose(file);
	if (good && n->line_count == 0) {
		fprintf(stderr, "load: %s: no names in it\n", n->options->names_file);
		return false;
	}
	return good;
}

/* ---- Zipf ---- */

/* Vose's way to build the table: slots with too little are filled up from those with too much. */
static void fill_aliases(struct names *n, double *weight, uint32_t *order)
{
	uint32_t small_count = 0, large_first = n->alias_count;

	for (uint32_t i = 0; i < n->alias_count; i++) {
		n->aliases[i] = (struct names_alias){UINT32_MAX, i};
		if (weight[i] < 1)
			order[small_count++] = i;
		else
			order[--large_first] = i;
	}
	while (small_count > 0 && large_first < n->alias_count) {
		uint32_t small = order[--small_count];
		uint32_t large = order[large_first];

		n->aliases[small].threshold = (uint32_t)(weight[small] * (double)UINT32_MAX);
		n->aliases[small].other = large;
		weight[large] -= 1 - weight[small];
		if (weight[large] < 1) {
			large_first++;
			order[small_count++] = large;
		}
	}
}

static bool make_zipf(struct names *n)
{
	uint32_t count = n->options->zipf_count;
	double *weight = calloc(count, sizeof(*weight));
	uint32_t *order = calloc(count, sizeof(*order));
	double sum = 0;
	bool good;

	n->aliases = calloc(count, sizeof(*n->aliases));
	n->alias_count = count;
	good = weight != NULL && order != NULL && n->aliases != NULL;
	if (good) {
		for (uint32_t i = 0; i < count; i++)
			sum += weight[i] = pow(i + 1.0, -n->options->zipf_exponent);
		for (uint32_t i = 0; i < count; i++)
			weight[i] *= count / sum;
		fill_aliases(n, weight, order);
	} else {
		fprintf(stderr, "load: --zipf: no memory for %u names\n", count);
	}
	free(weight);
	free(order);
	return good;
}

/* ---- all kinds ---- */

bool names_init(struct names *n, const struct options *options)
{
	*n = (struct names){
		.kind = options->names,
		.key = random_mix(options->seed + 3),
		.zone = options->zone,
		.options = options,
	};
	switch (n->kind) {
	case OPTIONS_NAMES_UNIQUE:
		return true;
	case OPTIONS_NAMES_ZIPF:
		return make_zipf(n);
	case OPTIONS_NAMES_FILE:
		return read_file(n);
	}
	return false;
}

void names_fini(struct names *n)
{
	free(n->lines);
	free(n->line_bytes);
	free(n->aliases);
}

uint64_t names_draw(struct names *n, struct random *random)
{
	switch (n->kind) {
	case OPTIONS_NAMES_UNIQUE:
		break;
	case OPTIONS_NAMES_ZIPF: {
		uint64_t word = random_next(random);
		uint32_t slot = random_scale(word, n->alias_count);

		return (uint32_t)word < n->aliases[slot].threshold ? slot : n->aliases[slot].other;
	}
	case OPTIONS_NAMES_FILE:
		if (n->next == n->line_count)
			n->next = 0;
		break;
	}
	return n->next++;
}

/* A label of 16 hexadecimal digits below the zone. */
static void generate(const struct names *n, uint64_t value, struct question *out)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t word = random_mix(value ^ n->key);

	out->qname.bytes[0] = HEX_DIGITS;
	for (unsigned i = 0; i < HEX_DIGITS; i++)
		out->qname.bytes[1 + i] = (uint8_t)digits[word >> (4 * i) & 15];
	memcpy(out->qname.bytes + 1 + HEX_DIGITS, n->zone.bytes, n->zone.length_bytes);
	out->qname.length_bytes = (uint8_t)(1 + HEX_DIGITS + n->zone.length_bytes);
	out->qtype = n->options->types[random_scale(word, n->options->type_count)];
}

void names_question(const struct names *n, uint64_t value, struct question *out)
{
	const struct names_line *line;

	if (n->kind != OPTIONS_NAMES_FILE) {
		generate(n, value, out);
		return;
	}
	line = &n->lines[value];
	memcpy(out->qname.bytes, n->line_bytes + line->offset, line->length_bytes);
	out->qname.length_bytes = line->length_bytes;
	out->qtype = line->qtype;
}
