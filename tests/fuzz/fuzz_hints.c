/* The reader of the root hints on any bytes: it never crashes, leaks or hangs; what it accepts is a zone cut of the root, and what it
 * refuses it gives a reason for.
 *
 * Input: the file. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/hints_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned line_count(const uint8_t *text, size_t text_bytes)
{
	unsigned count = 1;

	for (size_t i = 0; i < text_bytes; i++)
		count += text[i] == '\n';
	return count;
}

static void check_cut(const struct zone_cut *cut)
{
	zone_cut_check(cut);
	CHECK(cut->zone.length_bytes == 1 && cut->flags == ZONE_CUT_HINTS);
	CHECK(cut->server_count > 0 && cut->address_count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hints_wrong wrong = {0};
	struct zone_cut cut;
	/* In memory of its own, so that ASan sees what is read beyond it. */
	char *text = malloc(size + (size == 0));

	CHECK(text != NULL);
	memcpy(text, data, size);
	if (hints_file_parse(text, size, &cut, &wrong)) {
		check_cut(&cut);
	} else {
		CHECK(wrong.text[0] != '\0' && wrong.line <= line_count(data, size) + 1);
		CHECK(memchr(wrong.text, '\0', sizeof(wrong.text)) != NULL);
	}
	free(text);
	return 0;
}
