#include "bench/load/names.h"

#include <errno.h>
#include <immintrin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A question of every second, at 4 million a second. */
#define DRAWS (1u << 22)
#define LOW_NIBBLES UINT64_C(0x0f0f0f0f0f0f0f0f)
#define LOW_BITS UINT64_C(0x0101010101010101)

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

/* Walker's alias method: one draw a value, whatever the distribution. */
struct alias {
	uint32_t threshold; /* of 2^32: below it the slot itself, else the other */
	uint32_t other;
};

/* Vose's way to build the table: slots with too little are filled up from those with too much. */
static void fill_aliases(struct alias *aliases, uint32_t count, double *weight, uint32_t *order)
{
	uint32_t small_count = 0, large_first = count;

	for (uint32_t i = 0; i < count; i++) {
		aliases[i] = (struct alias){UINT32_MAX, i};
		if (weight[i] < 1)
			order[small_count++] = i;
		else
			order[--large_first] = i;
	}
	while (small_count > 0 && large_first < count) {
		uint32_t small = order[--small_count];
		uint32_t large = order[large_first];

		aliases[small].threshold = (uint32_t)(weight[small] * (double)UINT32_MAX);
		aliases[small].other = large;
		weight[large] -= 1 - weight[small];
		if (weight[large] < 1) {
			large_first++;
			order[small_count++] = large;
		}
	}
}

static void draw_ahead(struct names *n, const struct alias *aliases)
{
	struct random random = {n->options->seed + 5};

	for (uint32_t i = 0; i < DRAWS; i++) {
		uint64_t word = random_next(&random);
		uint32_t slot = random_scale(word, n->options->set_count);

		n->draws[i] = (uint32_t)word < aliases[slot].threshold ? slot : aliases[slot].other;
	}
}

static bool make_zipf(struct names *n)
{
	uint32_t count = n->options->set_count;
	double *weight = calloc(count, sizeof(*weight));
	uint32_t *order = calloc(count, sizeof(*order));
	struct alias *aliases = calloc(count, sizeof(*aliases));
	double sum = 0;
	bool good;

	n->draws = calloc(DRAWS, sizeof(*n->draws));
	good = weight != NULL && order != NULL && aliases != NULL && n->draws != NULL;
	if (good) {
		for (uint32_t i = 0; i < count; i++)
			sum += weight[i] = pow(i + 1.0, -n->options->zipf_exponent);
		for (uint32_t i = 0; i < count; i++)
			weight[i] *= count / sum;
		fill_aliases(aliases, count, weight, order);
		draw_ahead(n, aliases);
	} else {
		fprintf(stderr, "load: --zipf: no memory for %u names\n", count);
	}
	free(weight);
	free(order);
	free(aliases);
	return good;
}

/* ---- generated names ---- */

void names_put_digits(uint8_t digits[NAMES_DIGITS], uint64_t word)
{
	const __m128i text = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a',
					   'b', 'c', 'd', 'e', 'f');
	const __m128i low = _mm_cvtsi64_si128((long long)(word & LOW_NIBBLES));
	const __m128i high = _mm_cvtsi64_si128((long long)(word >> 4 & LOW_NIBBLES));

	_mm_storeu_si128((void *)digits, _mm_shuffle_epi8(text, _mm_unpacklo_epi8(low, high)));
}

bool names_read_digits(const uint8_t digits[NAMES_DIGITS], uint64_t *word)
{
	uint8_t again[NAMES_DIGITS];
	uint64_t halves[2], lower[2];
	uint64_t found = 0;

	memcpy(halves, digits, sizeof(halves));
	for (unsigned i = 0; i < 2; i++) {
		uint64_t letters = halves[i] >> 6 & LOW_BITS;

		/* A letter's low four bits are its value less 9. */
		lower[i] = halves[i] | LOW_BITS << 5;
		halves[i] = (halves[i] & LOW_NIBBLES) + letters * 9;
	}
	for (unsigned i = 0; i < NAMES_DIGITS; i++)
		found |= (halves[i / 8] >> (i % 8 * 8) & 15) << (4 * i);
	names_put_digits(again, found);
	*word = found;
	return memcmp(again, lower, sizeof(again)) == 0;
}

static uint8_t *put_label(uint8_t *at, uint64_t word)
{
	*at = NAMES_DIGITS;
	names_put_digits(at + 1, word);
	return at + NAMES_LABEL_BYTES;
}

static void put_suffix(const struct names *n, uint8_t *at, uint64_t word)
{
	switch (n->options->cold) {
	case OPTIONS_COLD_NONE:
		break;
	case OPTIONS_COLD_ZONE:
		at = put_label(at, word);
		break;
	case OPTIONS_COLD_TLD:
		at = put_label(put_label(at, word), word);
		*at = 0;
		return;
	}
	memcpy(at, n->zone.bytes, n->zone.length_bytes);
}

static uint8_t suffix_bytes_of(const struct options *o)
{
	switch (o->cold) {
	case OPTIONS_COLD_NONE:
		break;
	case OPTIONS_COLD_ZONE:
		return (uint8_t)(NAMES_LABEL_BYTES + o->zone.length_bytes);
	case OPTIONS_COLD_TLD:
		return 2 * NAMES_LABEL_BYTES + 1;
	}
	return o->zone.length_bytes;
}

bool names_value(const struct names *n, const struct name *qname, uint64_t *value)
{
	uint64_t word;
	struct name suffix, wanted;

	if (n->kind == OPTIONS_NAMES_FILE || qname->bytes[0] != NAMES_DIGITS ||
	    qname->length_bytes != NAMES_LABEL_BYTES + n->suffix_bytes ||
	    !names_read_digits(qname->bytes + 1, &word))
		return false;
	suffix.length_bytes = wanted.length_bytes = n->suffix_bytes;
	memcpy(suffix.bytes, qname->bytes + NAMES_LABEL_BYTES, suffix.length_bytes);
	put_suffix(n, wanted.bytes, word);
	*value = random_unmix(word) ^ n->key;
	return name_equal(&suffix, &wanted);
}

static void generate(const struct names *n, uint64_t value, struct question *out)
{
	uint64_t word = names_word(n, value);

	put_suffix(n, put_label(out->qname.bytes, word), word);
	out->qname.length_bytes = (uint8_t)(NAMES_LABEL_BYTES + n->suffix_bytes);
	out->qtype = names_qtype(n, word);
}

/* ---- all kinds ---- */

bool names_init(struct names *n, const struct options *options)
{
	*n = (struct names){
		.kind = options->names,
		.key = random_mix(options->seed + 3),
		.zone = options->zone,
		.suffix_bytes = suffix_bytes_of(options),
		.options = options,
		.new_next = options->unique_from,
	};
	switch (n->kind) {
	case OPTIONS_NAMES_UNIQUE:
		return true;
	case OPTIONS_NAMES_SET:
		n->new_next += options->set_count;
		return options->zipf_exponent == 0 || make_zipf(n);
	case OPTIONS_NAMES_FILE:
		return read_file(n);
	}
	return false;
}

void names_fini(struct names *n)
{
	free(n->lines);
	free(n->line_bytes);
	free(n->draws);
}

uint64_t names_draw_new(struct names *n)
{
	return n->new_next++;
}

void names_go_in_order(struct names *n)
{
	n->in_order_next = 0;
	n->in_order_end = n->options->set_count;
}

static uint64_t draw_of_set(struct names *n, struct random *random)
{
	const struct options *o = n->options;

	if (UNLIKELY(names_is_in_order(n)))
		return n->in_order_next++;
	if (o->warm_per_million != RANDOM_MILLION &&
	    !random_is_within(random_next(random), o->warm_per_million))
		return names_draw_new(n);
	if (o->zipf_exponent == 0)
		return random_scale(random_next(random), o->set_count);
	return n->draws[n->draw_next++ % DRAWS];
}

uint64_t names_draw(struct names *n, struct random *random)
{
	switch (n->kind) {
	case OPTIONS_NAMES_UNIQUE:
		break;
	case OPTIONS_NAMES_SET:
		return draw_of_set(n, random);
	case OPTIONS_NAMES_FILE:
		if (n->next == n->line_count)
			n->next = 0;
		return n->next++;
	}
	return names_draw_new(n);
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
