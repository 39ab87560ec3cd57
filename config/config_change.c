#include "config_change.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"

/* ---- collecting the keys of a file ---- */

/* A growing block of bytes. */
struct bytes {
	uint8_t *data;
	size_t used, capacity;
};

static void bytes_add(struct bytes *b, const void *data, size_t count)
{
	if (b->used + count > b->capacity) {
		b->capacity = 2 * (b->used + count);
		b->data = realloc(b->data, b->capacity);
		CHECK(b->data != NULL);
	}
	memcpy(b->data + b->used, data, count);
	b->used += count;
}

static void add_prefix(struct bytes *out, const struct prefix *p)
{
	bytes_add(out, &p->address, sizeof(p->address));
	bytes_add(out, &p->bits, sizeof(p->bits));
}

/* One name may be written in several ways. */
static void add_zone(struct bytes *out, const char *text)
{
	struct name zone, lower;

	CHECK(name_from_text(text, &zone)); /* the reader has checked it */
	name_lower(&zone, &lower);
	bytes_add(out, lower.bytes, lower.length_bytes);
}

/* What the item says, without what stands in unused bytes. */
static void add_item(struct bytes *out, const struct option *o, const struct item *item)
{
	bytes_add(out, &item->word, sizeof(item->word));
	if (item->word >= 0)
		return;
	switch (o->type) {
	case OPTION_BOOL:
		bytes_add(out, &item->as.boolean, sizeof(item->as.boolean));
		return;
	case OPTION_INTEGER:
	case OPTION_WORKERS:
		bytes_add(out, &item->as.integer, sizeof(item->as.integer));
		return;
	case OPTION_ZONE:
		add_zone(out, item->as.text);
		return;
	case OPTION_TEXT:
	case OPTION_IDENTIFIER:
		bytes_add(out, item->as.text, strlen(item->as.text) + 1);
		return;
	case OPTION_MAC:
		bytes_add(out, &item->as.mac, sizeof(item->as.mac));
		return;
	case OPTION_ADDRESS:
		bytes_add(out, &item->as.address, sizeof(item->as.address));
		return;
	case OPTION_ENDPOINT:
		bytes_add(out, &item->as.endpoint.address, sizeof(item->as.endpoint.address));
		bytes_add(out, &item->as.endpoint.port, sizeof(item->as.endpoint.port));
		return;
	case OPTION_SOURCE:
	case OPTION_INTERFACE_ADDRESS:
	case OPTION_NETWORK:
		add_prefix(out, &item->as.prefix);
		return;
	case OPTION_PORTS:
		bytes_add(out, &item->as.ports.first, sizeof(item->as.ports.first));
		bytes_add(out, &item->as.ports.last, sizeof(item->as.ports.last));
		return;
	case OPTION_WORD: /* nothing but a word */
	case OPTION_SECTION:
	case OPTION_SECTIONS:
		return;
	}
}

struct keys {
	struct config *config;
	unsigned capacity;
};

static void add_key(struct keys *keys, const struct group *g, const char *group,
		    const struct setting *setting)
{
	struct config *c = keys->config;
	const struct place *place = setting->given ? &setting->place : &g->place;
	struct bytes value = {NULL, 0, 0};

	if (c->key_count == keys->capacity) {
		keys->capacity = keys->capacity == 0 ? 128 : 2 * keys->capacity;
		c->keys = realloc(c->keys, keys->capacity * sizeof(c->keys[0]));
		CHECK(c->keys != NULL);
	}
	/* A list of workers is another thing than a count. */
	if (setting->option->type == OPTION_WORKERS)
		bytes_add(&value, &setting->listed, sizeof(setting->listed));
	for (unsigned i = 0; i < setting->item_count; i++)
		add_item(&value, setting->option, &setting->items[i]);
	c->keys[c->key_count++] = (struct config_key){
		.option = setting->option,
		.group = build_text_copy(group),
		.line = place->line,
		.column = place->column,
		.value_bytes = value.used,
		.value = value.data,
	};
}

static void add_group(struct keys *keys, const struct group *g, const char *group)
{
	for (unsigned i = 0; i < g->setting_count; i++) {
		const struct setting *setting = &g->settings[i];

		/* The top's settings go on with those of the lists, which are not its own. */
		if (setting->option->type == OPTION_SECTION ||
		    setting->option->type == OPTION_SECTIONS ||
		    (g->section[0] == '\0' && strstr(setting->option->path, "[]") != NULL))
			continue;
		add_key(keys, g, group, setting);
	}
}

static void add_zones(struct keys *keys, const struct group_list *list, const char *kind)
{
	for (unsigned i = 0; i < list->count; i++) {
		char group[NAME_TEXT_BYTES_MAX + 16];
		char text[NAME_TEXT_BYTES_MAX];
		struct name zone, lower;
		size_t text_bytes;

		CHECK(name_from_text(settings_item(&list->groups[i], "zone")->as.text, &zone));
		name_lower(&zone, &lower);
		text_bytes = name_to_text(&lower, text);
		/* As it is written: the root alone ends with a dot. */
		if (text_bytes > 1)
			text[text_bytes - 1] = '\0';
		snprintf(group, sizeof(group), "%s[%s]", kind, text);
		add_group(keys, &list->groups[i], group);
	}
}

/* By path, so that two files can be walked side by side. */
static int key_order(const void *a, const void *b)
{
	const struct config_key *x = a, *y = b;
	int by_group = strcmp(x->group, y->group);

	return by_group != 0 ? by_group : strcmp(x->option->path, y->option->path);
}

void build_keys(struct build *b)
{
	struct keys keys = {.config = b->config};
	const struct settings *s = b->settings;

	add_group(&keys, &s->top, "");
	for (unsigned i = 0; i < s->interfaces.count; i++)
		add_group(&keys, &s->interfaces.groups[i], s->interfaces.groups[i].path);
	add_zones(&keys, &s->forwards, "forward");
	add_zones(&keys, &s->stubs, "stub");
	qsort(b->config->keys, b->config->key_count, sizeof(b->config->keys[0]), key_order);
}

void build_keys_free(struct config *c)
{
	for (unsigned i = 0; i < c->key_count; i++) {
		free(c->keys[i].group);
		free(c->keys[i].value);
	}
	free(c->keys);
}

/* ---- comparing ---- */

struct comparison {
	struct config_change *changes;
	unsigned count, most;
	const char *whole_group; /* that has come or gone: noted already */
};

static void note(struct comparison *c, const struct option *option, const char *group,
		 const struct config_key *place)
{
	if (c->count++ >= c->most)
		return;
	c->changes[c->count - 1] = (struct config_change){
		.option = option,
		.group = group,
		.needs_restart = option->restart,
		.line = place != NULL ? place->line : 0,
		.column = place != NULL ? place->column : 0,
	};
}

/* A key that only one of them has: so has its group. next NULL: it is gone. */
static void note_group(struct comparison *c, const struct config_key *key,
		       const struct config_key *next)
{
	const struct option *list;

	if (c->whole_group != NULL && strcmp(c->whole_group, key->group) == 0)
		return;
	c->whole_group = key->group;
	list = options_find("", key->group, strcspn(key->group, "["));
	CHECK(list != NULL); /* what is not in a list is in every file */
	note(c, list, key->group, next);
}

unsigned config_changes(const struct config *running, const struct config *next,
			struct config_change changes[], unsigned most)
{
	struct comparison c = {.changes = changes, .most = most};
	unsigned r = 0, n = 0;

	while (r < running->key_count || n < next->key_count) {
		const struct config_key *before = &running->keys[r];
		const struct config_key *now = &next->keys[n];
		int order = 0;

		if (r == running->key_count)
			order = 1;
		else if (n == next->key_count)
			order = -1;
		else
			order = key_order(before, now);
		if (order < 0)
			note_group(&c, before, NULL);
		else if (order > 0)
			note_group(&c, now, now);
		else if (before->value_bytes != now->value_bytes ||
			 (now->value_bytes > 0 &&
			  memcmp(before->value, now->value, now->value_bytes) != 0))
			note(&c, now->option, now->group, now);
		r += order <= 0;
		n += order >= 0;
	}
	return c.count;
}

const char *config_change_path(const struct config_change *change,
			       char out[CONFIG_CHANGE_PATH_BYTES])
{
	const char *in_list = strstr(change->option->path, "[].");

	if (in_list != NULL)
		snprintf(out, CONFIG_CHANGE_PATH_BYTES, "%s.%s", change->group,
			 in_list + strlen("[]."));
	else if (change->group[0] != '\0')
		snprintf(out, CONFIG_CHANGE_PATH_BYTES, "%s", change->group);
	else
		snprintf(out, CONFIG_CHANGE_PATH_BYTES, "%s", change->option->path);
	return out;
}

/* ---- outgoing addresses ---- */

static bool is_same(const struct config_outgoing *a, const struct config_outgoing *b)
{
	return a->interface_idx == b->interface_idx && a->prefix_bits == b->prefix_bits &&
	       address_equal(&a->address, &b->address);
}

/* The place of the same address, or -1. */
static int place_of(const struct config *running, const struct config_outgoing *o)
{
	for (unsigned i = 0; i < running->outgoing_count; i++)
		if (is_same(&running->outgoing[i], o))
			return (int)i;
	return -1;
}

/* A place for a new one; -1: none. */
static int free_place(const struct config *running, const bool taken[OUTGOING_SLOTS_MAX],
		      const bool is_free[OUTGOING_SLOTS_MAX])
{
	for (unsigned i = 0; i < OUTGOING_SLOTS_MAX; i++)
		if (!taken[i] &&
		    (i >= running->outgoing_count || (running->outgoing[i].retired && is_free[i])))
			return (int)i;
	return -1;
}

enum config_align config_align_outgoing(const struct config *running, struct config *next,
					const bool is_free[OUTGOING_SLOTS_MAX])
{
	struct config_outgoing wanted[OUTGOING_SLOTS_MAX];
	bool taken[OUTGOING_SLOTS_MAX] = {false};
	bool placed[OUTGOING_SLOTS_MAX] = {false};
	const unsigned wanted_count = next->outgoing_count;

	memcpy(wanted, next->outgoing, wanted_count * sizeof(wanted[0]));
	next->outgoing_count = running->outgoing_count;
	for (unsigned i = 0; i < running->outgoing_count; i++) {
		next->outgoing[i] = running->outgoing[i];
		next->outgoing[i].retired = true;
	}
	/* First those that are there: no new one may have their places. */
	for (unsigned i = 0; i < wanted_count; i++) {
		int place = place_of(running, &wanted[i]);

		if (place < 0)
			continue;
		placed[i] = true;
		taken[place] = true;
		next->outgoing[place].retired = false;
	}
	for (unsigned i = 0; i < wanted_count; i++) {
		int place = placed[i] ? -1 : free_place(running, taken, is_free);

		if (placed[i])
			continue;
		if (place < 0)
			return CONFIG_ALIGN_FULL;
		taken[place] = true;
		next->outgoing[place] = wanted[i];
		if ((unsigned)place >= next->outgoing_count)
			next->outgoing_count = (unsigned)place + 1;
	}
	return CONFIG_ALIGN_OK;
}
