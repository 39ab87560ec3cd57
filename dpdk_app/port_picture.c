#include "dpdk_app/port_picture.h"

#include <assert.h>
#include <inttypes.h>

#include "core/check.h"

#define RULER_COLUMNS 16 /* a mark on the ruler every so many */
#define ROW_PORTS (PORT_PICTURE_COLUMNS * PORT_PICTURE_BLOCK)

/* What a place shows. */
enum place {
	PLACE_FREE,     /* all eligible, nothing under way */
	PLACE_NOT_POOL, /* the same, and none of them is in the pool */
	PLACE_HEAT_1,
	PLACE_HEAT_2,
	PLACE_HEAT_3,
	PLACE_HEAT_4,
	PLACE_PARTLY, /* some are kept out, nothing under way */
	PLACE_CLOSED, /* all are kept out */
	PLACE_COUNT,
};

static const struct {
	const char *utf8; /* NULL: a letter, the reason */
	const char *ascii;
	const char *colour;
} places[] = {
	[PLACE_FREE] = {"\u00b7", ".", "\033[2m"},    [PLACE_NOT_POOL] = {"-", "-", "\033[2m"},
	[PLACE_HEAT_1] = {"\u2591", ":", "\033[32m"}, [PLACE_HEAT_2] = {"\u2592", "+", "\033[32m"},
	[PLACE_HEAT_3] = {"\u2593", "*", "\033[33m"}, [PLACE_HEAT_4] = {"\u2588", "#", "\033[31m"},
	[PLACE_PARTLY] = {NULL, NULL, "\033[36m"},    [PLACE_CLOSED] = {NULL, NULL, "\033[35m"},
};
static_assert(ARRAY_COUNT(places) == PLACE_COUNT, "each place has its sign");

/* Queries under way from which on a block is this hot. */
static const struct {
	enum place place;
	uint32_t from;
	const char *text;
} heats[] = {
	{PLACE_HEAT_4, 64, "64 and more"},
	{PLACE_HEAT_3, 16, "16-63"},
	{PLACE_HEAT_2, 4, "4-15"},
	{PLACE_HEAT_1, 1, "1-3"},
};

static const char letters[] = {
	[PORT_ELIGIBLE] = '.',  [PORT_OUT_OF_RANGE] = 'R', [PORT_EXCLUDED] = 'X',
	[PORT_CLAIMED] = 'D',   [PORT_LISTENS] = 'L',      [PORT_RESERVED] = 'S',
	[PORT_EPHEMERAL] = 'E', [PORT_HELD] = 'H',
};
static_assert(ARRAY_COUNT(letters) == PORT_VERDICT_COUNT, "each verdict has its letter");
#define LETTER_MIXED 'M'

struct block {
	uint32_t counts[PORT_VERDICT_COUNT];
	uint32_t port_count; /* all but port 0, which is no port */
	uint32_t drawn;
};

static struct block count_block(const struct port_picture *p, unsigned block_idx)
{
	struct block b = {0};
	uint32_t first = block_idx * PORT_PICTURE_BLOCK;

	for (uint32_t port = first > 0 ? first : 1; port < first + PORT_PICTURE_BLOCK; port++) {
		CHECK(p->verdict[port] < PORT_VERDICT_COUNT);
		b.counts[p->verdict[port]]++;
		b.port_count++;
		b.drawn += port_map_has(&p->drawn, (uint16_t)port);
	}
	return b;
}

static enum place place_of(const struct block *b, uint32_t under_way)
{
	for (size_t i = 0; i < ARRAY_COUNT(heats); i++) {
		if (under_way >= heats[i].from)
			return heats[i].place;
	}
	if (b->counts[PORT_ELIGIBLE] == 0)
		return PLACE_CLOSED;
	if (b->counts[PORT_ELIGIBLE] < b->port_count)
		return PLACE_PARTLY;
	return b->drawn > 0 ? PLACE_FREE : PLACE_NOT_POOL;
}

/* Of the reason that keeps out more than half of those that are kept out. */
static char reason_letter(const struct block *b)
{
	uint32_t kept_out = b->port_count - b->counts[PORT_ELIGIBLE];

	for (unsigned v = PORT_ELIGIBLE + 1; v < PORT_VERDICT_COUNT; v++) {
		if (2 * b->counts[v] > kept_out)
			return letters[v];
	}
	return LETTER_MIXED;
}

static const char *sign_of(enum place place, const struct port_picture_style *style)
{
	return style->ascii ? places[place].ascii : places[place].utf8;
}

/* Colours change only where they must: a picture of 1,024 places is not 12 KiB. */
static void set_colour(FILE *out, const struct port_picture_style *style, enum place place,
		       enum place *last)
{
	if (style->colour && place != *last)
		fprintf(out, "\033[0m%s", place == PLACE_COUNT ? "" : places[place].colour);
	*last = place;
}

static void print_place(FILE *out, const struct port_picture *p,
			const struct port_picture_style *style, unsigned block_idx,
			enum place *last)
{
	struct block b = count_block(p, block_idx);
	enum place place = place_of(&b, p->under_way[block_idx]);

	set_colour(out, style, place, last);
	switch (place) {
	case PLACE_PARTLY:
		fputc(reason_letter(&b) + ('a' - 'A'), out);
		break;
	case PLACE_CLOSED:
		fputc(reason_letter(&b), out);
		break;
	case PLACE_FREE:
	case PLACE_NOT_POOL:
	case PLACE_HEAT_1:
	case PLACE_HEAT_2:
	case PLACE_HEAT_3:
	case PLACE_HEAT_4:
	case PLACE_COUNT:
		fputs(sign_of(place, style), out);
		break;
	}
}

static void print_blocks(FILE *out, const struct port_picture *p,
			 const struct port_picture_style *style)
{
	enum place last = PLACE_COUNT;

	fputs("       ", out);
	for (unsigned c = 0; c < PORT_PICTURE_COLUMNS; c += RULER_COLUMNS)
		fprintf(out, c + RULER_COLUMNS < PORT_PICTURE_COLUMNS ? "+%-15u" : "+%u\n",
			c * PORT_PICTURE_BLOCK);
	for (unsigned i = 0; i < PORT_PICTURE_BLOCKS; i++) {
		if (i % PORT_PICTURE_COLUMNS == 0)
			fprintf(out, "%5u  ", i / PORT_PICTURE_COLUMNS * ROW_PORTS);
		print_place(out, p, style, i, &last);
		if (i % PORT_PICTURE_COLUMNS == PORT_PICTURE_COLUMNS - 1) {
			set_colour(out, style, PLACE_COUNT, &last);
			fputc('\n', out);
		}
	}
}

struct totals {
	uint32_t counts[PORT_VERDICT_COUNT];
	uint32_t drawn;
	uint64_t under_way;
};

static struct totals count_all(const struct port_picture *p)
{
	struct totals t = {0};

	for (unsigned i = 0; i < PORT_PICTURE_BLOCKS; i++) {
		struct block b = count_block(p, i);

		for (unsigned v = 0; v < PORT_VERDICT_COUNT; v++)
			t.counts[v] += b.counts[v];
		t.drawn += b.drawn;
		t.under_way += p->under_way[i];
	}
	return t;
}

static void print_reasons(FILE *out, const struct totals *t)
{
	const char *before = "kept out (capital: all 64, small: some of them): ";

	for (unsigned v = PORT_ELIGIBLE + 1; v < PORT_VERDICT_COUNT; v++) {
		if (t->counts[v] == 0)
			continue;
		fprintf(out, "%s%c %s %" PRIu32, before, letters[v], port_verdict_text[v],
			t->counts[v]);
		before = "   ";
	}
	if (t->counts[PORT_ELIGIBLE] < PORT_COUNT - 1)
		fprintf(out, "   %c several\n", LETTER_MIXED);
}

static void print_legend(FILE *out, const struct port_picture_style *style, const struct totals *t)
{
	fprintf(out, "a place is %u ports, a line %u; queries under way:", PORT_PICTURE_BLOCK,
		ROW_PORTS);
	fprintf(out, " %s none", sign_of(PLACE_FREE, style));
	for (size_t i = ARRAY_COUNT(heats); i-- > 0;)
		fprintf(out, "   %s %s", sign_of(heats[i].place, style), heats[i].text);
	fputc('\n', out);
	if (t->drawn < t->counts[PORT_ELIGIBLE])
		fprintf(out, "%s eligible, and none in the pool at present\n",
			sign_of(PLACE_NOT_POOL, style));
	print_reasons(out, t);
	fprintf(out,
		"%" PRIu32 " ports eligible, %" PRIu32 " drawn from, %" PRIu64
		" queries under way\n",
		t->counts[PORT_ELIGIBLE], t->drawn, t->under_way);
}

void port_picture_print(FILE *out, const struct port_picture *p,
			const struct port_picture_style *style)
{
	struct totals t = count_all(p);

	print_blocks(out, p, style);
	print_legend(out, style, &t);
}
