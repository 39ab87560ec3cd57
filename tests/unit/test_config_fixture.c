#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_config_fixture.h"
#include "unit.h"

static FILE *printed_open(struct loaded *l, size_t *printed_bytes)
{
	FILE *f = open_memstream(&l->printed, printed_bytes);

	CHECK(f != NULL);
	return f;
}

struct loaded test_config_load(const char *text, size_t length_bytes)
{
	struct loaded l = {0};
	size_t printed_bytes = 0;
	FILE *errors = printed_open(&l, &printed_bytes);

	l.config = config_load_text(text, length_bytes, "x.yaml", errors, &l.error_count,
				    &l.warning_count);
	fclose(errors);
	if (l.config != NULL)
		config_check(l.config);
	return l;
}

struct loaded test_config_load_file(const char *file)
{
	struct loaded l = {0};
	size_t printed_bytes = 0;
	FILE *errors = printed_open(&l, &printed_bytes);

	l.config = config_load(file, errors, &l.error_count, &l.warning_count);
	fclose(errors);
	if (l.config != NULL)
		config_check(l.config);
	return l;
}

void test_config_unload(struct loaded *l)
{
	config_free(l->config);
	free(l->printed);
}

const char *test_config_line(const struct loaded *l, unsigned idx, char out[512])
{
	const char *at = l->printed;
	size_t length;

	for (; idx > 0 && *at != '\0'; idx--) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	length = strcspn(at, "\n");
	if (length > 511)
		length = 511;
	memcpy(out, at, length);
	out[length] = '\0';
	return out;
}

struct port_map test_config_eligible(const struct config *c, unsigned outgoing_idx)
{
	struct port_map listen, eligible;
	struct port_plan plan;
	const struct port_rules rules = config_port_rules(c, outgoing_idx, &listen);

	port_plan_make(&plan, &rules);
	port_plan_eligible(&plan, &eligible);
	return eligible;
}
