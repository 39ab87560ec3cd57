/* --schema and --defaults: both have every key of the table. */
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "core/server.h"
#include "test_config_fixture.h"
#include "unit.h"

#define PATH_BYTES 256

static char *printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t length_bytes = 0;
	FILE *out = open_memstream(&text, &length_bytes);

	CHECK(out != NULL);
	print(out);
	fclose(out);
	return text;
}

static struct fy_document *schema_document(char **text)
{
	const struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_JSON_FORCE};

	*text = printed(config_print_schema);
	return fy_document_build_from_string(&cfg, *text, FY_NT);
}

/* "forward[].health.rise" as a path into the schema. */
static void schema_path(const char *path, char out[PATH_BYTES])
{
	size_t used = (size_t)snprintf(out, PATH_BYTES, "/properties/");

	for (const char *at = path; *at != '\0'; at++) {
		const char *piece = *at == '.' ? "/properties/" : *at == '[' ? "/items" : NULL;

		if (*at == ']')
			continue;
		if (piece == NULL)
			out[used++] = *at;
		else
			used += (size_t)snprintf(out + used, PATH_BYTES - used, "%s", piece);
	}
	out[used] = '\0';
}

static void config_print_schema__is_json_with_every_key(void)
{
	char *text;
	struct fy_document *d = schema_document(&text);
	struct fy_node *root;

	CU_ASSERT_FATAL(d != NULL);
	root = fy_document_root(d);
	CU_ASSERT(fy_node_by_path(root, "/$schema", FY_NT, FYNWF_DONT_FOLLOW) != NULL);
	for (unsigned i = 0; i < options_count; i++) {
		char path[PATH_BYTES];
		struct fy_node *key;

		schema_path(options[i].path, path);
		key = fy_node_by_path(root, path, FY_NT, FYNWF_DONT_FOLLOW);
		if (key == NULL)
			printf("\nschema lacks %s\n", path);
		CU_ASSERT(key != NULL);
		CU_ASSERT(key != NULL &&
			  fy_node_mapping_lookup_by_string(key, "description", FY_NT) != NULL);
	}
	fy_document_destroy(d);
	free(text);
}

static void config_print_schema__refuses_further_keys_everywhere(void)
{
	char *text;
	struct fy_document *d = schema_document(&text);
	struct fy_node *root;
	unsigned sections = 0, closed = 0;

	CU_ASSERT_FATAL(d != NULL);
	root = fy_document_root(d);
	for (unsigned i = 0; i < options_count; i++) {
		char path[PATH_BYTES + 64], key[PATH_BYTES];
		struct fy_node *n;

		if (options[i].type != OPTION_SECTION && options[i].type != OPTION_SECTIONS)
			continue;
		sections++;
		schema_path(options[i].path, key);
		snprintf(path, sizeof(path), "%s%s/additionalProperties", key,
			 options[i].type == OPTION_SECTIONS ? "/items" : "");
		n = fy_node_by_path(root, path, FY_NT, FYNWF_DONT_FOLLOW);
		closed += n != NULL && strcmp(fy_node_get_scalar0(n), "false") == 0;
	}
	CU_ASSERT(sections > 8);
	CU_ASSERT_EQUAL(closed, sections);
	fy_document_destroy(d);
	free(text);
}

static void config_print_schema__has_range_and_default(void)
{
	static const char *const wants[] = {"\"minimum\": 576, \"maximum\": 9000",
					    "\"default\": 1500", "\"default\": \"adaptive\"",
					    "\"enum\": [\"adaptive\", \"busy\"]",
					    "\"required\": [\"interfaces\"]"};
	char *text = printed(config_print_schema);

	for (size_t i = 0; i < ARRAY_COUNT(wants); i++)
		CU_ASSERT(strstr(text, wants[i]) != NULL);
	free(text);
}

static void config_print_defaults__loads_as_printed(void)
{
	char *text = printed(config_print_defaults);
	struct loaded l = test_config_load(text, strlen(text));

	if (l.config == NULL)
		printf("\n%s", l.printed);
	CU_ASSERT(l.config != NULL);
	CU_ASSERT_STRING_EQUAL(l.printed, "");
	test_config_unload(&l);
	free(text);
}

static void config_print_defaults__has_every_key_with_its_help(void)
{
	char *text = printed(config_print_defaults);
	const char *at = text;

	for (unsigned i = 0; i < options_count; i++) {
		char key[PATH_BYTES];
		const char *help = strstr(at, options[i].help);
		const char *line;

		CU_ASSERT_FATAL(help != NULL);
		snprintf(key, sizeof(key), " %s:", options_key(&options[i]));
		line = strstr(help, key);
		if (line == NULL) { /* at the left margin */
			key[0] = '\n';
			line = strstr(help, key);
		}
		if (line == NULL)
			printf("\ndefaults lack %s\n", options[i].path);
		CU_ASSERT(line != NULL);
		at = help;
	}
	free(text);
}

/* A row's default, written out, is what leaving it out means: the file with all of them loads the same. */
static void options__presets_of_single_values_are_accepted(void)
{
	for (unsigned i = 0; i < options_count; i++) {
		const struct option *o = &options[i];
		char text[1024];
		struct loaded l;

		if (o->preset == NULL || o->only != NULL || strchr(o->path, '.') != NULL)
			continue;
		/* Which GOOD has. */
		snprintf(text, sizeof(text), "%s%s: %s\n",
			 strcmp(o->path, "mode") == 0 ? INTERFACE ZONE : GOOD, o->path, o->preset);
		l = test_config_load(text, strlen(text));
		CU_ASSERT(l.config != NULL);
		test_config_unload(&l);
	}
}

static void options__policy_words_are_those_of_the_server_table(void)
{
	const struct option *o = options_find("forward[]", "policy", strlen("policy"));

	CU_ASSERT_FATAL(o != NULL);
	for (int i = 0; i < SERVER_POLICY_COUNT; i++)
		CU_ASSERT_EQUAL(options_word_idx(o->words, server_policy_text[i],
						 strlen(server_policy_text[i])),
				i);
}

static void options_word_idx__takes_whole_words_only(void)
{
	CU_ASSERT_EQUAL(options_word_idx("auto, none", "auto", 4), 0);
	CU_ASSERT_EQUAL(options_word_idx("auto, none", "none", 4), 1);
	CU_ASSERT_EQUAL(options_word_idx("auto, none", "aut", 3), -1);
	CU_ASSERT_EQUAL(options_word_idx("auto, none", "auto, none", 10), -1);
	CU_ASSERT_EQUAL(options_word_idx("auto, none", "", 0), -1);
	CU_ASSERT_EQUAL(options_word_idx(NULL, "auto", 4), -1);
	CU_ASSERT_EQUAL(options_word_idx("", "auto", 4), -1);
}

static const struct unit_test tests[] = {
	UNIT_TEST(config_print_schema__is_json_with_every_key),
	UNIT_TEST(config_print_schema__refuses_further_keys_everywhere),
	UNIT_TEST(config_print_schema__has_range_and_default),
	UNIT_TEST(config_print_defaults__loads_as_printed),
	UNIT_TEST(config_print_defaults__has_every_key_with_its_help),
	UNIT_TEST(options__presets_of_single_values_are_accepted),
	UNIT_TEST(options__policy_words_are_those_of_the_server_table),
	UNIT_TEST(options_word_idx__takes_whole_words_only),
};
UNIT_SUITE(config_print, tests)
