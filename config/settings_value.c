#include "settings_value.h"

#include <ctype.h>
#include <string.h>

#include "core/name.h"
#include "suggest.h"

struct reading {
	struct problems *problems;
	const struct group *group;
	const struct setting *setting;
	const struct option *option;
	const struct yaml_node *node;
	struct item *item;
};

/* "VALUE wrong, allowed: … (did you mean …?)"; always false. */
static bool refuse(const struct reading *r, const char *wrong)
{
	char quote[PROBLEMS_QUOTE_BYTES];
	char allowed[OPTIONS_ALLOWED_BYTES];
	char meant[SUGGEST_TEXT_BYTES];
	const struct yaml_node *n = r->node;
	const char *mark =
		r->option->type == OPTION_INTEGER || r->option->type == OPTION_WORKERS ? "" : "\"";
	struct suggest suggest;
	const char *at = NULL;
	size_t word_bytes = 0;

	suggest_init(&suggest, n->text, n->length_bytes);
	while (options_word_next(r->option->only != NULL ? r->option->only : r->option->words, &at,
				 &word_bytes))
		suggest_offer(&suggest, at, word_bytes);
	settings_error(r->problems, r->group, r->setting, r->item, "%s%s%s %s, allowed: %s%s", mark,
		       problems_quote(quote, n->text, n->length_bytes), mark, wrong,
		       options_allowed_item(r->option, allowed), suggest_text(&suggest, meant));
	return false;
}

static bool take_text_result(const struct reading *r, enum text_result result)
{
	return result == TEXT_OK || refuse(r, text_result_text[result]);
}

static bool read_bool(const struct reading *r)
{
	static const char words[] = "false, true, False, True, FALSE, TRUE";
	int word = r->node->quoted ? -1
				   : options_word_idx(words, r->node->text, r->node->length_bytes);

	if (word < 0)
		return refuse(r, "is not true or false");
	r->item->as.boolean = word % 2 == 1;
	return true;
}

static bool read_integer(const struct reading *r, int64_t min, int64_t max)
{
	enum text_result result;
	int64_t value = 0;

	if (r->node->quoted)
		return refuse(r, "is text in quotes");
	result = text_value_integer(r->node->text, &value);
	if (result == TEXT_OK && (value < min || value > max))
		result = TEXT_NUMBER_TOO_LARGE;
	r->item->as.integer = value;
	return take_text_result(r, result);
}

static bool read_text(const struct reading *r)
{
	const struct yaml_node *n = r->node;

	if (n->length_bytes == 0)
		return refuse(r, "is empty");
	if (n->length_bytes > (size_t)r->option->max)
		return refuse(r, "is too long");
	for (size_t i = 0; i < n->length_bytes; i++)
		if (iscntrl((unsigned char)n->text[i]))
			return refuse(r, "has a control character");
	r->item->as.text = n->text;
	return true;
}

static bool is_ascii_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool read_identifier(const struct reading *r)
{
	const struct yaml_node *n = r->node;

	if (!read_text(r))
		return false;
	for (size_t i = 0; i < n->length_bytes; i++)
		if (!is_ascii_alnum(n->text[i]) && (i == 0 || strchr("._-", n->text[i]) == NULL))
			return refuse(r, "has a character that is not allowed there");
	return true;
}

static bool read_network(const struct reading *r)
{
	struct prefix *prefix = &r->item->as.prefix;
	enum text_result result = text_value_prefix(r->node->text, prefix);

	/* A plain address is a network of one. */
	if (result == TEXT_NO_LENGTH) {
		result = text_value_address(r->node->text, &prefix->address);
		prefix->bits = ADDRESS_BITS;
	}
	return take_text_result(r, result);
}

static bool read_source(const struct reading *r)
{
	struct prefix *prefix = &r->item->as.prefix;

	if (!read_network(r))
		return false;
	if (strchr(r->node->text, '/') == NULL)
		return true;
	if (address_is_v4(&prefix->address))
		return refuse(r, "is an IPv4 prefix");
	if (prefix->bits < OPTIONS_SOURCE_BITS_MIN || prefix->bits > OPTIONS_SOURCE_BITS_MAX)
		return refuse(r, "has a prefix length that is not 64 to 120");
	return true;
}

static bool read_ports(const struct reading *r)
{
	const char *text = r->node->text;
	enum text_result result = text_value_ports(text, &r->item->as.ports);
	const char *last;

	if (result != TEXT_RANGE_REVERSED)
		return take_text_result(r, result);
	last = strchr(text, '-') + 1;
	settings_error(
		r->problems, r->group, r->setting, r->item,
		"\"%s\" ends before it begins, allowed: the smaller port first (did you mean "
		"%s-%.*s?)",
		text, last, (int)(last - 1 - text), text);
	return false;
}

static bool read_zone(const struct reading *r)
{
	struct name name;

	if (!name_from_text(r->node->text, &name))
		return refuse(r, "is not a domain name");
	r->item->as.text = r->node->text;
	return true;
}

static bool read_by_type(const struct reading *r)
{
	const char *text = r->node->text;
	const struct option *o = r->option;
	struct item *item = r->item;

	switch (o->type) {
	case OPTION_SECTION:
	case OPTION_SECTIONS:
		break;
	case OPTION_WORKERS:
		return item->idx == SETTINGS_NOT_LISTED ? read_integer(r, o->min, o->max)
							: read_integer(r, 0, OPTIONS_CPU_IDX_MAX);
	case OPTION_BOOL:
		return read_bool(r);
	case OPTION_INTEGER:
		return read_integer(r, o->min, o->max);
	case OPTION_WORD:
		return refuse(r, "is not known here");
	case OPTION_TEXT:
		return read_text(r);
	case OPTION_IDENTIFIER:
		return read_identifier(r);
	case OPTION_MAC:
		return take_text_result(r, text_value_mac(text, &item->as.mac));
	case OPTION_ADDRESS:
		return take_text_result(r, text_value_address(text, &item->as.address));
	case OPTION_SOURCE:
		return read_source(r);
	case OPTION_INTERFACE_ADDRESS:
		return take_text_result(r, text_value_prefix(text, &item->as.prefix));
	case OPTION_NETWORK:
		return read_network(r);
	case OPTION_ENDPOINT:
		return take_text_result(r, text_value_endpoint(text, OPTIONS_DNS_PORT,
							       &item->as.endpoint));
	case OPTION_PORTS:
		return read_ports(r);
	case OPTION_ZONE:
		return read_zone(r);
	}
	CHECK(false); /* sections are not read as values */
	return false;
}

bool settings_value_is_available(const struct option *o, const struct yaml_node *n)
{
	if (o->only == NULL)
		return true;
	if (n->kind == YAML_LIST && n->first == NULL && o->items_max > 0)
		return true;
	return n->kind == YAML_SCALAR && options_word_idx(o->only, n->text, n->length_bytes) >= 0;
}

static const char *kind_text(const struct yaml_node *n)
{
	switch (n->kind) {
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a map of keys";
	case YAML_SCALAR:
	case YAML_BROKEN:
		break;
	}
	return "a value";
}

bool settings_value_read(struct problems *p, const struct group *g, const struct setting *setting,
			 const struct yaml_node *n, struct item *item)
{
	const struct option *o = setting->option;
	const struct reading r = {p, g, setting, o, n, item};
	char allowed[OPTIONS_ALLOWED_BYTES];

	item->place = n->place;
	item->word = -1;
	if (n->kind == YAML_BROKEN)
		return false;
	if (n->kind != YAML_SCALAR || yaml_tree_is_null(n)) {
		settings_error(p, g, setting, item, "%s%s, allowed: %s",
			       n->kind == YAML_SCALAR ? "has no value" : "is ",
			       n->kind == YAML_SCALAR ? "" : kind_text(n),
			       options_allowed_item(o, allowed));
		return false;
	}
	if (memchr(n->text, '\0', n->length_bytes) != NULL)
		return refuse(&r, "has a NUL character");
	item->word = options_word_idx(o->words, n->text, n->length_bytes);
	if (item->word < 0 && !read_by_type(&r))
		return false;
	if (!settings_value_is_available(o, n))
		return refuse(&r, "is not available yet");
	return true;
}
