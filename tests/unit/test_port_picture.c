#include "dpdk_app/port_picture.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define TEXT_BYTES 16384
#define ROWS (PORT_PICTURE_BLOCKS / PORT_PICTURE_COLUMNS)
#define LABEL_CHARS 7

static const struct port_picture_style ascii = {.ascii = true};

/* All eligible and drawn, nothing under way. */
static struct port_picture *make_picture(void)
{
	struct port_picture *p = calloc(1, sizeof(*p));

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	p->verdict[0] = PORT_OUT_OF_RANGE;
	port_map_add(&p->drawn, 1, PORT_COUNT - 1);
	return p;
}

static void keep_out(struct port_picture *p, uint16_t first, uint16_t last,
		     enum port_verdict verdict)
{
	memset(p->verdict + first, verdict, (size_t)last - first + 1);
	port_map_remove(&p->drawn, first, last);
}

static void print(const struct port_picture *p, const struct port_picture_style *style,
		  char text[TEXT_BYTES])
{
	FILE *out = fmemopen(text, TEXT_BYTES, "w");

	CU_ASSERT_PTR_NOT_NULL_FATAL(out);
	port_picture_print(out, p, style);
	CU_ASSERT(ftell(out) < TEXT_BYTES - 1);
	fclose(out);
}

/* The place of a port in the text of an ASCII picture: lines of equal length after the ruler. */
static char place(const char *text, uint16_t port)
{
	unsigned block = port / PORT_PICTURE_BLOCK;

	for (unsigned line = 0; line <= block / PORT_PICTURE_COLUMNS; line++)
		text = strchr(text, '\n') + 1;
	return text[LABEL_CHARS + block % PORT_PICTURE_COLUMNS];
}

static void port_picture_print__has_16_labelled_lines_of_64_places(void)
{
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];
	const char *line = text;

	print(p, &ascii, text);
	CU_ASSERT(
		strncmp(line, "       +0              +1024           +2048           +3072\n",
			strlen("       +0              +1024           +2048           +3072\n")) ==
		0);
	for (unsigned row = 0; row < ROWS; row++) {
		char *end;

		line = strchr(line, '\n') + 1;
		CU_ASSERT_EQUAL(strtoul(line, &end, 10), row * 4096ul);
		CU_ASSERT_PTR_EQUAL(end, line + 5);
		CU_ASSERT_EQUAL(strspn(line + LABEL_CHARS, "."), PORT_PICTURE_COLUMNS);
		CU_ASSERT_EQUAL(line[LABEL_CHARS + PORT_PICTURE_COLUMNS], '\n');
	}
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "65535 ports eligible, 65535 drawn from, 0 queries under way\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "kept out"));
	free(p);
}

static void port_picture_print__shades_by_queries_under_way(void)
{
	static const struct {
		uint32_t under_way;
		char ascii;
	} rows[] = {{0, '.'},  {1, ':'},  {3, ':'},  {4, '+'},    {15, '+'},
		    {16, '*'}, {63, '*'}, {64, '#'}, {45000, '#'}};
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		p->under_way[100 + i] = rows[i].under_way;
	print(p, &ascii, text);
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
		CU_ASSERT_EQUAL(place(text, (uint16_t)((100 + i) * PORT_PICTURE_BLOCK)),
				rows[i].ascii);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " 45166 queries under way\n"));
	free(p);
}

static void port_picture_print__shows_why_in_a_letter(void)
{
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	keep_out(p, 32768, 60999, PORT_EPHEMERAL);
	keep_out(p, 4500, 4500, PORT_CLAIMED);
	keep_out(p, 53, 53, PORT_LISTENS);
	keep_out(p, 6400, 6463, PORT_EXCLUDED);
	keep_out(p, 6410, 6410,
		 PORT_HELD); /* one of a block does not hide what keeps out the others */
	print(p, &ascii, text);
	CU_ASSERT_EQUAL(place(text, 32768), 'E');
	CU_ASSERT_EQUAL(place(text, 60927), 'E');
	CU_ASSERT_EQUAL(place(text, 60999),
			'e'); /* 60928 to 60991 are all, 60992 to 60999 a part */
	CU_ASSERT_EQUAL(place(text, 61056), '.');
	CU_ASSERT_EQUAL(place(text, 4500), 'd');
	CU_ASSERT_EQUAL(place(text, 53), 'l');
	CU_ASSERT_EQUAL(place(text, 6400), 'X');
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "X exclude 63   D default 1   L listen 1   E ephemeral "
					    "28232   H held 1   M several\n"));
	free(p);
}

static void port_picture_print__says_mixed_where_no_reason_has_most(void)
{
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	keep_out(p, 640, 671, PORT_EXCLUDED);
	keep_out(p, 672, 703, PORT_OUT_OF_RANGE);
	keep_out(p, 704, 704, PORT_CLAIMED);
	keep_out(p, 705, 705, PORT_HELD);
	keep_out(p, 768, 770, PORT_RESERVED);
	keep_out(p, 771, 772, PORT_HELD);
	print(p, &ascii, text);
	CU_ASSERT_EQUAL(place(text, 640), 'M');
	CU_ASSERT_EQUAL(place(text, 704), 'm');
	CU_ASSERT_EQUAL(place(text, 768), 's');
	free(p);
}

static void port_picture_print__shows_queries_where_some_are_kept_out(void)
{
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	keep_out(p, 4500, 4500, PORT_CLAIMED);
	p->under_way[4500 / PORT_PICTURE_BLOCK] = 5;
	print(p, &ascii, text);
	CU_ASSERT_EQUAL(place(text, 4500), '+');
	free(p);
}

static void port_picture_print__tells_the_pool_from_what_is_eligible(void)
{
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	port_map_clear(&p->drawn);
	port_map_add(&p->drawn, 20000, 20000);
	print(p, &ascii, text);
	CU_ASSERT_EQUAL(place(text, 20000), '.');
	CU_ASSERT_EQUAL(place(text, 20100), '-');
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "- eligible, and none in the pool at present\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "65535 ports eligible, 1 drawn from,"));
	free(p);
}

static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text >= 0x7f || *text == '\033')
			return false;
	}
	return true;
}

static void port_picture_print__keeps_to_the_style(void)
{
	static const struct {
		struct port_picture_style style;
		bool plain, has_escape, has_shade;
	} rows[] = {
		{{.ascii = true, .colour = false}, true, false, false},
		{{.ascii = true, .colour = true}, false, true, false},
		{{.ascii = false, .colour = false}, false, false, true},
		{{.ascii = false, .colour = true}, false, true, true},
	};
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];

	keep_out(p, 4500, 4500, PORT_CLAIMED);
	p->under_way[1000] = 70;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		print(p, &rows[i].style, text);
		CU_ASSERT_EQUAL(is_plain(text), rows[i].plain);
		CU_ASSERT_EQUAL(strchr(text, '\033') != NULL, rows[i].has_escape);
		CU_ASSERT_EQUAL(strstr(text, "\u2588") != NULL, rows[i].has_shade);
	}
	free(p);
}

/* A terminal keeps no colour after a line, nor after the picture. */
static void port_picture_print__ends_colours_with_the_line(void)
{
	static const struct port_picture_style coloured = {.ascii = true, .colour = true};
	struct port_picture *p = make_picture();
	char text[TEXT_BYTES];
	unsigned lines = 0;

	print(p, &coloured, text);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char *last = strrchr(line, '\033');

		if (last == NULL)
			continue;
		lines++;
		CU_ASSERT_STRING_EQUAL(last, "\033[0m");
	}
	CU_ASSERT_EQUAL(lines, ROWS);
	free(p);
}

static const struct unit_test tests[] = {
	UNIT_TEST(port_picture_print__has_16_labelled_lines_of_64_places),
	UNIT_TEST(port_picture_print__shades_by_queries_under_way),
	UNIT_TEST(port_picture_print__shows_why_in_a_letter),
	UNIT_TEST(port_picture_print__says_mixed_where_no_reason_has_most),
	UNIT_TEST(port_picture_print__shows_queries_where_some_are_kept_out),
	UNIT_TEST(port_picture_print__tells_the_pool_from_what_is_eligible),
	UNIT_TEST(port_picture_print__keeps_to_the_style),
	UNIT_TEST(port_picture_print__ends_colours_with_the_line),
};
UNIT_SUITE(port_picture, tests)
