#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "settings_value.h"
#include "suggest.h"

#define TOP ""
#define INTERFACES "interfaces"
#define FORWARD "forward"
#define ITEM "[]"
#define PATH_BYTES 128

/* A map of the file that is still to be read. */
struct work {
	const struct yaml_node *map;
	const char *path;    /* as printed */
	const char *section; /* in the table */
	struct group *group;
	struct work *next;
};

struct reader {
	struct settings *s;
	struct scratch *scratch;
	struct problems *problems;
	struct work *todo;
};

/* ---- reports ---- */

__attribute__((format(printf, 6, 0))) static void report(struct problems *p, enum problem_kind kind,
							 const struct group *g,
							 const struct setting *setting,
							 const struct item *item,
							 const char *format, va_list args)
{
	const char *path = setting->option->path;
	size_t section_bytes = strlen(g->section);
	char text[PATH_BYTES];
	int length;

	if (section_bytes > 0)
		path += section_bytes + 1;
	length =
		snprintf(text, sizeof(text), "%s%s%s", g->path, section_bytes > 0 ? "." : "", path);
	CHECK(length > 0 && (size_t)length < sizeof(text));
	if (item != NULL && item->idx != SETTINGS_NOT_LISTED)
		length += snprintf(text + length, sizeof(text) - (size_t)length, "[%d]", item->idx);
	CHECK((size_t)length < sizeof(text));
	problems_add_va(p, kind, item != NULL ? item->place : setting->place,
			scratch_copy(p->scratch, text, (size_t)length), format, args);
}

void settings_error(struct problems *p, const struct group *g, const struct setting *setting,
		    const struct item *item, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(p, PROBLEM_ERROR, g, setting, item, format, args);
	va_end(args);
}

void settings_warning(struct problems *p, const struct group *g, const struct setting *setting,
		      const struct item *item, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(p, PROBLEM_WARNING, g, setting, item, format, args);
	va_end(args);
}

static const char *path_join(struct reader *r, const char *path, const char *key)
{
	char text[PATH_BYTES];
	int length = snprintf(text, sizeof(text), "%s%s%s", path, path[0] != '\0' ? "." : "", key);

	CHECK(length >= 0 && (size_t)length < sizeof(text));
	return scratch_copy(r->scratch, text, (size_t)length);
}

/* ---- groups ---- */

static void default_read(struct reader *r, const struct group *g, struct setting *setting)
{
	const struct option *o = setting->option;
	const char *preset = o->preset;
	struct yaml_node n = {.kind = YAML_SCALAR, .place = setting->place};
	bool ok;

	if (preset == NULL || strcmp(preset, "[]") == 0 ||
	    (o->only != NULL && options_word_idx(o->only, preset, strlen(preset)) < 0))
		return;
	n.text = preset;
	n.length_bytes = strlen(preset);
	setting->items = scratch_take(r->scratch, sizeof(struct item));
	setting->items->idx = SETTINGS_NOT_LISTED;
	ok = settings_value_read(r->problems, g, setting, &n, setting->items);
	CHECK(ok); /* the table's defaults are values that it allows */
	setting->item_count = 1;
}

/* The rows of the table from the first that begins with the section; all of it for the top. */
static void group_init(struct reader *r, struct group *g, const char *path, const char *section,
		       struct place place)
{
	size_t section_bytes = strlen(section);
	unsigned begin = 0;
	unsigned end;

	while (begin < options_count && strncmp(options[begin].path, section, section_bytes) != 0)
		begin++;
	end = begin;
	while (end < options_count && strncmp(options[end].path, section, section_bytes) == 0)
		end++;
	g->path = path;
	g->section = section;
	g->place = place;
	g->first = &options[begin];
	g->setting_count = end - begin;
	g->settings = scratch_take(r->scratch, g->setting_count * sizeof(g->settings[0]));
	for (unsigned i = 0; i < g->setting_count; i++) {
		struct setting *setting = &g->settings[i];

		setting->option = &g->first[i];
		setting->place = place;
		/* Keys of list items belong to their own groups. */
		if (section_bytes > 0 || strstr(setting->option->path, ITEM) == NULL)
			default_read(r, g, setting);
	}
}

static struct setting *group_setting(const struct group *g, const struct option *o)
{
	CHECK(o >= g->first && o < g->first + g->setting_count);
	return &g->settings[o - g->first];
}

/* ---- maps, lists and keys ---- */

static void work_add(struct reader *r, const struct yaml_node *map, const char *path,
		     const char *section, struct group *g)
{
	struct work *work = scratch_take(r->scratch, sizeof(*work));

	*work = (struct work){map, path, section, g, r->todo};
	r->todo = work;
}

static void unknown_key(struct reader *r, const struct work *work, const struct yaml_node *n)
{
	char quote[PROBLEMS_QUOTE_BYTES];
	char meant[SUGGEST_TEXT_BYTES];
	char path[PATH_BYTES + PROBLEMS_QUOTE_BYTES];
	const char *elsewhere = NULL;
	struct suggest suggest;

	if (problems_full(r->problems)) { /* counted only */
		problems_add(r->problems, PROBLEM_ERROR, n->key_place, TOP, "unknown");
		return;
	}
	suggest_init(&suggest, n->key, n->key_bytes);
	for (unsigned i = 0; i < options_count; i++) {
		const char *key = options_key(&options[i]);

		if (options_is_in(&options[i], work->section))
			suggest_offer(&suggest, key, strlen(key));
		else if (elsewhere == NULL && strlen(key) == n->key_bytes &&
			 memcmp(key, n->key, n->key_bytes) == 0)
			elsewhere = options[i].path;
	}
	if (suggest.best == NULL && elsewhere != NULL) {
		suggest.best = elsewhere;
		suggest.best_bytes = strlen(elsewhere);
	}
	snprintf(path, sizeof(path), "%s%s%s", work->path, work->path[0] != '\0' ? "." : "",
		 problems_quote(quote, n->key, n->key_bytes));
	problems_add(r->problems, PROBLEM_ERROR, n->key_place,
		     scratch_copy(r->scratch, path, strlen(path)), "is not a key that exists%s",
		     suggest_text(&suggest, meant));
}

static void read_list_of_values(struct reader *r, const struct group *g, struct setting *setting,
				const struct yaml_node *n)
{
	unsigned count = n->kind == YAML_LIST ? n->child_count : 1;
	const struct yaml_node *at = n->kind == YAML_LIST ? n->first : n;

	setting->listed = n->kind == YAML_LIST;
	if (count > setting->option->items_max) {
		settings_error(r->problems, g, setting, NULL, "has %u items, allowed: at most %u",
			       count, setting->option->items_max);
		setting->broken = true;
		return;
	}
	setting->items = scratch_take(r->scratch, count * sizeof(setting->items[0]));
	for (unsigned i = 0; i < count; i++, at = at->next) {
		struct item *item = &setting->items[setting->item_count];

		item->idx = setting->listed ? (int)i : SETTINGS_NOT_LISTED;
		if (settings_value_read(r->problems, g, setting, at, item))
			setting->item_count++;
		else
			setting->broken = true;
	}
}

static void read_single_value(struct reader *r, const struct group *g, struct setting *setting,
			      const struct yaml_node *n)
{
	struct item *item = scratch_take(r->scratch, sizeof(*item));

	item->idx = SETTINGS_NOT_LISTED;
	if (settings_value_read(r->problems, g, setting, n, item)) {
		setting->items = item;
		setting->item_count = 1;
	} else {
		setting->broken = true; /* the default stays, so that other checks have something */
	}
}

static void read_value(struct reader *r, const struct group *g, struct setting *setting,
		       const struct yaml_node *n)
{
	const struct option *o = setting->option;

	if (o->only != NULL && o->only[0] == '\0' && !settings_value_is_available(o, n)) {
		settings_error(r->problems, g, setting, NULL, "is not available yet: leave it out");
		setting->broken = true;
	} else if (o->items_max > 0) {
		setting->item_count = 0;
		read_list_of_values(r, g, setting, n);
	} else {
		read_single_value(r, g, setting, n);
	}
}

static void read_section(struct reader *r, struct group *g, struct setting *setting,
			 const char *path, const struct yaml_node *n)
{
	char allowed[OPTIONS_ALLOWED_BYTES];

	if (n->kind == YAML_MAP)
		work_add(r, n, path, setting->option->path, g);
	else if (n->kind != YAML_BROKEN && !yaml_tree_is_null(n))
		settings_error(r->problems, g, setting, NULL, "is not a map, allowed: %s",
			       options_allowed(setting->option, allowed));
}

static struct group_list *list_of(struct settings *s, const struct option *o)
{
	if (strcmp(o->path, INTERFACES) == 0)
		return &s->interfaces;
	return strcmp(o->path, FORWARD) == 0 ? &s->forwards : &s->stubs;
}

static void read_sections(struct reader *r, struct group *g, struct setting *setting,
			  const struct yaml_node *n)
{
	const struct option *o = setting->option;
	struct group_list *list = list_of(r->s, o);
	const char *section;
	char text[PATH_BYTES];
	unsigned i = 0;

	if (n->kind == YAML_BROKEN || yaml_tree_is_null(n))
		return;
	if (n->kind != YAML_LIST || n->child_count > o->items_max) {
		setting->broken = true;
		settings_error(r->problems, g, setting, NULL,
			       "is %s, allowed: a list of 1 to %u maps",
			       n->kind != YAML_LIST ? "not a list" : "too long", o->items_max);
		return;
	}
	snprintf(text, sizeof(text), "%s" ITEM, o->path);
	section = scratch_copy(r->scratch, text, strlen(text));
	list->count = n->child_count;
	list->groups = scratch_take(r->scratch, list->count * sizeof(list->groups[0]));
	for (const struct yaml_node *at = n->first; at != NULL; at = at->next, i++) {
		const char *path;

		snprintf(text, sizeof(text), "%s[%u]", o->path, i);
		path = scratch_copy(r->scratch, text, strlen(text));
		group_init(r, &list->groups[i], path, section, at->place);
		list->groups[i].broken = at->kind != YAML_MAP;
		if (at->kind == YAML_MAP)
			work_add(r, at, path, section, &list->groups[i]);
		else if (at->kind != YAML_BROKEN)
			problems_add(r->problems, PROBLEM_ERROR, at->place, path,
				     "is not a map, allowed: keys with values");
	}
}

static void read_key(struct reader *r, const struct work *work, const struct yaml_node *n)
{
	const struct option *o = options_find(work->section, n->key, n->key_bytes);
	struct setting *setting;

	if (o == NULL) {
		unknown_key(r, work, n);
		return;
	}
	setting = group_setting(work->group, o);
	if (setting->given) {
		problems_add(r->problems, PROBLEM_ERROR, n->key_place,
			     path_join(r, work->path, options_key(o)),
			     "is given twice, first in line %u", setting->place.line);
		return;
	}
	setting->given = true;
	setting->place = n->place;
	switch (o->type) {
	case OPTION_SECTION:
		read_section(r, work->group, setting, path_join(r, work->path, options_key(o)), n);
		break;
	case OPTION_SECTIONS:
		read_sections(r, work->group, setting, n);
		break;
	case OPTION_WORKERS:
	case OPTION_BOOL:
	case OPTION_INTEGER:
	case OPTION_WORD:
	case OPTION_TEXT:
	case OPTION_IDENTIFIER:
	case OPTION_MAC:
	case OPTION_ADDRESS:
	case OPTION_SOURCE:
	case OPTION_INTERFACE_ADDRESS:
	case OPTION_NETWORK:
	case OPTION_ENDPOINT:
	case OPTION_PORTS:
	case OPTION_ZONE:
		read_value(r, work->group, setting, n);
		break;
	}
}

/* ---- what is missing ---- */

static void check_required(struct reader *r, const struct group *g)
{
	for (unsigned i = 0; i < g->setting_count && !g->broken; i++) {
		const struct setting *setting = &g->settings[i];
		const struct option *o = setting->option;
		char allowed[OPTIONS_ALLOWED_BYTES];

		if (!o->required || setting->given ||
		    (g->section[0] == '\0' && strstr(o->path, ITEM) != NULL))
			continue;
		settings_error(r->problems, g, setting, NULL, "is missing (%s), allowed: %s",
			       o->help, options_allowed(o, allowed));
	}
}

static void check_required_in(struct reader *r, const struct group_list *list)
{
	for (unsigned i = 0; i < list->count; i++)
		check_required(r, &list->groups[i]);
}

void settings_read(struct settings *s, const struct yaml_node *root, struct scratch *scratch,
		   struct problems *problems)
{
	struct reader r = {.s = s, .scratch = scratch, .problems = problems};
	const struct place start = {1, 1};

	memset(s, 0, sizeof(*s));
	group_init(&r, &s->top, TOP, TOP, start);
	if (root->kind == YAML_MAP)
		work_add(&r, root, TOP, TOP, &s->top);
	else
		problems_add(problems, PROBLEM_ERROR, root->place, "the file",
			     "is not a map, allowed: keys with values");
	while (r.todo != NULL) {
		const struct work work = *r.todo;

		r.todo = r.todo->next;
		for (const struct yaml_node *n = work.map->first; n != NULL; n = n->next)
			read_key(&r, &work, n);
	}
	if (root->kind != YAML_MAP)
		return;
	check_required(&r, &s->top);
	check_required_in(&r, &s->interfaces);
	check_required_in(&r, &s->forwards);
	check_required_in(&r, &s->stubs);
}

/* ---- finding ---- */

const struct setting *settings_find(const struct group *g, const char *key)
{
	size_t section_bytes = strlen(g->section);

	for (unsigned i = 0; i < g->setting_count; i++) {
		const char *path = g->settings[i].option->path;

		if (strcmp(section_bytes > 0 ? path + section_bytes + 1 : path, key) == 0)
			return &g->settings[i];
	}
	CHECK(false); /* the table has no such key */
	return NULL;
}

const struct item *settings_item(const struct group *g, const char *key)
{
	const struct setting *setting = settings_find(g, key);

	return setting->item_count > 0 ? &setting->items[0] : NULL;
}

bool settings_bool(const struct group *g, const char *key)
{
	const struct item *item = settings_item(g, key);

	CHECK(item != NULL);
	return item->as.boolean;
}

int64_t settings_integer(const struct group *g, const char *key)
{
	const struct item *item = settings_item(g, key);

	CHECK(item != NULL && item->word < 0);
	return item->as.integer;
}

int settings_word(const struct group *g, const char *key)
{
	const struct item *item = settings_item(g, key);

	CHECK(item != NULL && item->word >= 0);
	return item->word;
}
