#include "yaml_tree.h"

#include <libfyaml.h>
#include <string.h>

#include "utf8.h"

#define SYNTAX "syntax"

struct level {
	struct yaml_node *container;
	struct yaml_node *key; /* of a map: read, its value not yet */
};

struct builder {
	struct scratch *scratch;
	struct problems *problems;
	struct level levels[YAML_TREE_DEPTH_MAX];
	unsigned depth;
	unsigned node_count;
	unsigned document_count;
	struct yaml_node *root;
	bool stopped; /* an error after which places or nesting are no longer known */
};

static void stop(struct builder *b, struct place place, const char *text)
{
	problems_add(b->problems, PROBLEM_ERROR, place, SYNTAX, "%s", text);
	b->stopped = true;
}

static struct place token_place(struct fy_token *token, struct place otherwise)
{
	const struct fy_mark *mark = token != NULL ? fy_token_start_mark(token) : NULL;

	if (mark == NULL || mark->line < 0 || mark->column < 0)
		return otherwise;
	return (struct place){(unsigned)mark->line + 1, (unsigned)mark->column + 1};
}

/* Where something stands that has no token of its own (a missing value). */
static struct place place_here(const struct builder *b)
{
	const struct level *level = b->depth > 0 ? &b->levels[b->depth - 1] : NULL;

	if (level == NULL)
		return (struct place){1, 1};
	return level->key != NULL ? level->key->place : level->container->place;
}

static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct fy_token *token)
{
	struct yaml_node *n = scratch_take(b->scratch, sizeof(*n));

	n->kind = kind;
	n->place = token_place(token, place_here(b));
	n->text = "";
	if (++b->node_count > YAML_TREE_NODES_MAX)
		stop(b, n->place, "the file has too many values");
	return n;
}

/* Put a node where the document has it: as the root, an item, a key or the value of a key. */
static void node_put(struct builder *b, struct yaml_node *n)
{
	struct level *level;

	if (b->depth == 0) {
		b->root = n;
		return;
	}
	level = &b->levels[b->depth - 1];
	if (level->container->kind == YAML_MAP) {
		if (level->key == NULL) {
			if (n->kind == YAML_LIST || n->kind == YAML_MAP ||
			    (n->length_bytes == 0 && !n->quoted))
				stop(b, n->place, "a key must be plain text");
			level->key = n;
			return;
		}
		n->key = level->key->text;
		n->key_bytes = level->key->length_bytes;
		n->key_place = level->key->place;
		level->key = NULL;
	}
	if (level->container->last != NULL)
		level->container->last->next = n;
	else
		level->container->first = n;
	level->container->last = n;
	level->container->child_count++;
}

static void container_open(struct builder *b, enum yaml_kind kind, struct fy_token *token)
{
	struct yaml_node *n = node_new(b, kind, token);

	node_put(b, n);
	if (b->stopped)
		return;
	if (b->depth == YAML_TREE_DEPTH_MAX) {
		stop(b, n->place, "lists and maps are nested too deeply");
		return;
	}
	b->levels[b->depth++] = (struct level){.container = n};
}

static void refuse_property(struct builder *b, struct fy_token *token, const char *text)
{
	if (token != NULL)
		problems_add(b->problems, PROBLEM_ERROR, token_place(token, place_here(b)), SYNTAX,
			     "%s", text);
}

static void refuse_anchor_and_tag(struct builder *b, struct fy_token *anchor, struct fy_token *tag)
{
	refuse_property(b, anchor, "anchors (&) are not supported");
	refuse_property(b, tag, "tags (!) are not supported");
}

/* Copy the text of a token to `out`, or only count it (NULL). fy_token_get_text() would be the obvious
 * way, but libfyaml 0.7.12 leaks in it when a scalar has many pieces (quotes doubled, lines folded). */
static size_t token_text(struct fy_token *token, char *out)
{
	struct fy_token_iter *iter = fy_token_iter_create(token);
	const struct fy_iter_chunk *chunk = NULL;
	size_t length_bytes = 0;
	int error = 0;

	CHECK(iter != NULL);
	while ((chunk = fy_token_iter_chunk_next(iter, chunk, &error)) != NULL) {
		if (out != NULL)
			memcpy(out + length_bytes, chunk->str, chunk->len);
		length_bytes += chunk->len;
	}
	fy_token_iter_destroy(iter);
	return length_bytes;
}

static void scalar_add(struct builder *b, const struct fy_event_scalar_data *scalar)
{
	struct yaml_node *n;
	enum fy_scalar_style style;
	char *text;

	refuse_anchor_and_tag(b, scalar->anchor, scalar->tag);
	n = node_new(b, YAML_SCALAR, scalar->value);
	if (scalar->value != NULL) {
		style = fy_token_scalar_style(scalar->value);
		n->quoted = style != FYSS_PLAIN;
		/* The library's mark is behind the opening quote. */
		if ((style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED) &&
		    n->place.column > 1)
			n->place.column--;
		n->length_bytes = token_text(scalar->value, NULL);
		text = scratch_take(b->scratch, n->length_bytes + 1);
		token_text(scalar->value, text);
		n->text = text;
		/* libfyaml 0.7.12 misreads doubled quotes that follow another or the opening one. */
		if (style == FYSS_SINGLE_QUOTED && strstr(text, "''") != NULL) {
			n->kind = YAML_BROKEN;
			problems_add(b->problems, PROBLEM_ERROR, n->place, SYNTAX,
				     "these quotes in quotes cannot be read: use double quotes");
		}
	}
	node_put(b, n);
}

static void alias_add(struct builder *b, struct fy_token *alias)
{
	/* The token begins at the name: the asterisk is one before. */
	struct yaml_node *n = node_new(b, YAML_BROKEN, alias);

	if (n->place.column > 1)
		n->place.column--;
	problems_add(b->problems, PROBLEM_ERROR, n->place, SYNTAX,
		     "aliases (*) are not supported: write the value out");
	node_put(b, n);
}

static void event_take(struct builder *b, const struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (++b->document_count > 1)
			stop(b, token_place(event->document_start.document_start, place_here(b)),
			     "a second document begins here: one is allowed");
		break;
	case FYET_ALIAS:
		alias_add(b, event->alias.anchor);
		break;
	case FYET_SCALAR:
		scalar_add(b, &event->scalar);
		break;
	case FYET_SEQUENCE_START:
		refuse_anchor_and_tag(b, event->sequence_start.anchor, event->sequence_start.tag);
		container_open(b, YAML_LIST, event->sequence_start.sequence_start);
		break;
	case FYET_MAPPING_START:
		refuse_anchor_and_tag(b, event->mapping_start.anchor, event->mapping_start.tag);
		container_open(b, YAML_MAP, event->mapping_start.mapping_start);
		break;
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		CHECK(b->depth > 0);
		b->depth--;
		break;
	case FYET_NONE:
	case FYET_STREAM_START:
	case FYET_STREAM_END:
	case FYET_DOCUMENT_END:
		break;
	}
}

static void take_library_errors(struct builder *b, struct fy_diag *diag)
{
	unsigned before = b->problems->error_count;
	struct fy_diag_error *error;
	void *at = NULL;

	while ((error = fy_diag_errors_iterate(diag, &at)) != NULL) {
		struct place place = {error->line > 0 ? (unsigned)error->line : 1,
				      error->column > 0 ? (unsigned)error->column : 1};
		char quote[PROBLEMS_QUOTE_BYTES];

		problems_add(b->problems, PROBLEM_ERROR, place, SYNTAX, "%s",
			     problems_quote(quote, error->msg, strlen(error->msg)));
	}
	if (b->problems->error_count == before)
		problems_add(b->problems, PROBLEM_ERROR, place_here(b), SYNTAX, "not valid YAML");
}

/* The library prints its errors through this; they are collected instead. */
static void print_nothing(struct fy_diag *diag, void *user, const char *text, size_t length_bytes)
{
	(void)diag;
	(void)user;
	(void)text;
	(void)length_bytes;
}

static void events_read(struct builder *b, const char *text, size_t length_bytes)
{
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE |
					    FYPCF_DEFAULT_VERSION_1_2 | FYPCF_DISABLE_MMAP_OPT};
	struct fy_parser *parser;
	struct fy_event *event;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	diag_cfg.output_fn = print_nothing;
	diag_cfg.level = FYET_ERROR;
	diag_cfg.colorize = false;
	cfg.diag = fy_diag_create(&diag_cfg);
	CHECK(cfg.diag != NULL);
	fy_diag_set_collect_errors(cfg.diag, true);
	parser = fy_parser_create(&cfg);
	CHECK(parser != NULL);
	CHECK(fy_parser_set_string(parser, text, length_bytes) == 0);

	while (!b->stopped && (event = fy_parser_parse(parser)) != NULL) {
		event_take(b, event);
		fy_parser_event_free(parser, event);
	}
	if (!b->stopped && fy_parser_get_stream_error(parser)) {
		take_library_errors(b, cfg.diag);
		b->stopped = true;
	}
	fy_parser_destroy(parser);
	fy_diag_destroy(cfg.diag);
}

/* What the library must not be given: too much, NUL bytes, what is not UTF-8. */
static bool text_is_fit(const char *text, size_t length_bytes, struct problems *problems)
{
	struct place place = {1, 1};
	enum utf8_result result;

	if (length_bytes > YAML_TREE_BYTES_MAX) {
		problems_add(problems, PROBLEM_ERROR, place, SYNTAX,
			     "the file is larger than 1 MiB");
		return false;
	}
	result = utf8_check(text, length_bytes, &place);
	if (result == UTF8_OK)
		return true;
	problems_add(problems, PROBLEM_ERROR, place, SYNTAX, "%s", utf8_result_text[result]);
	return false;
}

struct yaml_node *yaml_tree_parse(const char *text, size_t length_bytes, struct scratch *scratch,
				  struct problems *problems)
{
	struct builder b = {.scratch = scratch, .problems = problems};

	if (!text_is_fit(text, length_bytes, problems))
		return NULL;
	if (length_bytes > 0)
		events_read(&b, text, length_bytes);
	if (b.stopped)
		return NULL;
	if (b.root == NULL || yaml_tree_is_null(b.root)) {
		problems_add(problems, PROBLEM_ERROR, (struct place){1, 1}, SYNTAX,
			     "the file is empty; `portico --defaults` prints one to begin with");
		return NULL;
	}
	return b.root;
}

bool yaml_tree_is_null(const struct yaml_node *n)
{
	return n->kind == YAML_SCALAR && !n->quoted &&
	       (n->length_bytes == 0 || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0 ||
		strcmp(n->text, "Null") == 0 || strcmp(n->text, "NULL") == 0);
}
