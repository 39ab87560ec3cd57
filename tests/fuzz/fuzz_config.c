/* The reader of portico.yaml on any bytes: it never crashes, leaks or hangs, and what it accepts is
 * what the driver relies on. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *printed = NULL;
	size_t printed_bytes = 0;
	unsigned error_count = 0, warning_count = 0;
	FILE *errors = open_memstream(&printed, &printed_bytes);
	struct config *c;

	CHECK(errors != NULL);
	c = config_load_text((const char *)data, size, "fuzz.yaml", errors, &error_count,
			     &warning_count);
	fclose(errors);
	/* Either a configuration or a reason, and nothing in it that a terminal would obey. */
	CHECK((c != NULL) == (error_count == 0));
	CHECK((error_count + warning_count > 0) == (printed_bytes > 0));
	for (size_t i = 0; i < printed_bytes; i++)
		CHECK((unsigned char)printed[i] >= 0x20 || printed[i] == '\n');
	if (c != NULL) {
		config_check(c);
		config_free(c);
	}
	free(printed);
	return 0;
}
