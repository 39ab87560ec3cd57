/* `porticoctl ports set`: values as in the file, by the file's own table and readers. */
#include "dpdk_app/port_keeper_state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/options.h"
#include "config/text_value.h"
#include "dpdk_app/log.h"

#define SECTION "outgoing"
#define ITEM_BYTES 32
#define VALUE_SHOWN 40

__attribute__((format(printf, 2, 3))) static bool refuse(char why[PORT_KEEPER_SET_BYTES],
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, PORT_KEEPER_SET_BYTES, format, args);
	va_end(args);
	return false;
}

static bool refuse_value(char why[PORT_KEEPER_SET_BYTES], const struct option *o, const char *value)
{
	char allowed[OPTIONS_ALLOWED_BYTES];

	return refuse(why, "%s: %.*s is not allowed: %s", options_key(o), VALUE_SHOWN, value,
		      options_allowed(o, allowed));
}

/* ---- values ---- */

static bool read_bool(const struct option *o, const char *value, bool *out,
		      char why[PORT_KEEPER_SET_BYTES])
{
	bool yes = strcmp(value, "true") == 0;

	if (!yes && strcmp(value, "false") != 0)
		return refuse_value(why, o, value);
	*out = yes;
	return true;
}

/* A number in the option's bounds, or 0 for its word. */
static bool read_number(const struct option *o, const char *value, uint32_t *out,
			char why[PORT_KEEPER_SET_BYTES])
{
	int64_t number = 0;

	if (o->words != NULL && options_word_idx(o->words, value, strlen(value)) >= 0) {
		*out = 0;
		return true;
	}
	if (text_value_integer(value, &number) != TEXT_OK || number < o->min || number > o->max)
		return refuse_value(why, o, value);
	*out = (uint32_t)number;
	return true;
}

/* The next item of a list with commas. False: there is none; its text is cut to fit. */
static bool next_item(const char **at, char item[ITEM_BYTES])
{
	size_t length = strcspn(*at, ",");

	if (**at == '\0')
		return false;
	snprintf(item, ITEM_BYTES, "%.*s", length < ITEM_BYTES ? (int)length : ITEM_BYTES - 1, *at);
	*at += length;
	*at += **at == ',';
	return true;
}

/* "4500,8000-8100" is the list; "+4500,-4600" changes it. */
static bool read_ports(const struct option *o, const char *value, struct port_map *out,
		       char why[PORT_KEEPER_SET_BYTES])
{
	bool changes = value[0] == '+' || value[0] == '-';
	struct port_map map = {{0}};
	const char *at = value;
	char item[ITEM_BYTES];

	if (strcmp(value, "none") == 0 || strcmp(value, "[]") == 0) {
		*out = map;
		return true;
	}
	if (changes)
		map = *out;
	if (*at == '\0')
		return refuse_value(why, o, "\"\"");
	while (next_item(&at, item)) {
		struct port_range range;
		enum text_result result;

		if (changes != (item[0] == '+' || item[0] == '-'))
			return refuse(why, "%s: %s: either all with + or -, or none",
				      options_key(o), item);
		result = text_value_ports(changes ? item + 1 : item, &range);
		if (result != TEXT_OK)
			return refuse(why, "%s: %s %s", options_key(o), item,
				      text_result_text[result]);
		if (item[0] == '-')
			port_map_remove(&map, range.first, range.last);
		else
			port_map_add(&map, range.first, range.last);
	}
	*out = map;
	return true;
}

static bool read_value(const struct option *o, const char *value, struct config_ports *out,
		       char why[PORT_KEEPER_SET_BYTES])
{
	const char *key = options_key(o);

	if (strcmp(key, "exclude") == 0)
		return read_ports(o, value, &out->exclude, why);
	if (strcmp(key, "range") == 0)
		return read_ports(o, value, &out->range, why);
	if (strcmp(key, "exclude_defaults") == 0)
		return read_bool(o, value, &out->exclude_defaults, why);
	if (strcmp(key, "respect_kernel") == 0)
		return read_bool(o, value, &out->respect_kernel, why);
	if (strcmp(key, "pool_size") == 0)
		return read_number(o, value, &out->pool_size, why);
	if (strcmp(key, "rotate_s") == 0)
		return read_number(o, value, &out->rotate_s, why);
	return refuse(why, "%s cannot be set while running: change the file and restart", key);
}

/* ---- would it do? ---- */

static bool check_address(const struct port_keeper *k, const struct kept_address *a,
			  const struct config_ports *next, struct port_plan *plan,
			  char why[PORT_KEEPER_SET_BYTES])
{
	struct port_map listen;
	char text[TEXT_ADDRESS_BYTES];
	uint32_t eligible;

	port_keeper_draw_plan(k, a, next, plan, &listen);
	eligible = plan->counts[PORT_ELIGIBLE];
	text_value_of_address(&a->outgoing->address, text);
	if (eligible == 0)
		return refuse(why, "no source port would be left for %s", text);
	/* What processes hold now comes back. */
	if (next->pool_size > eligible + plan->counts[PORT_HELD])
		return refuse(why, "a pool of %u is more than the %u ports that %s may use",
			      next->pool_size, eligible, text);
	return true;
}

static bool check_all(const struct port_keeper *k, const struct config_ports *next,
		      char why[PORT_KEEPER_SET_BYTES])
{
	struct port_plan *plan = malloc(sizeof(*plan));
	bool ok = plan != NULL;

	if (!ok)
		(void)refuse(why, "out of memory");
	for (unsigned i = 0; ok && next->send_port == 0 && i < k->address_count; i++)
		ok = check_address(k, &k->addresses[i], next, plan, why);
	free(plan);
	return ok;
}

/* With send_port all but these two would be without effect. */
static bool has_effect(const struct port_keeper *k, const char *key,
		       char why[PORT_KEEPER_SET_BYTES])
{
	if (k->settings.send_port == 0 || strcmp(key, "respect_kernel") == 0 ||
	    strcmp(key, "rotate_s") == 0)
		return true;
	return refuse(why, "%s has no effect: every query leaves from outgoing.send_port: %u", key,
		      k->settings.send_port);
}

/* Under the lock. */
static bool set_locked(struct port_keeper *k, const struct option *o, const char *value,
		       char why[PORT_KEEPER_SET_BYTES])
{
	struct config_ports before = k->settings;
	struct config_ports next = before;
	mono_ns now = port_keeper_now();

	if (k->worker_count == 0 || atomic_load_explicit(&k->quit, memory_order_relaxed))
		return refuse(why, "Portico is %s", k->worker_count == 0 ? "starting" : "ending");
	if (!read_value(o, value, &next, why) || !has_effect(k, options_key(o), why))
		return false;
	k->settings = next;
	(void)port_keeper_kernel_look(k);
	port_keeper_kernel_take(k);
	/* What was looked at may have changed since the plans were made. */
	k->plans_are_old = true;
	if (next.rotate_s == before.rotate_s && !check_all(k, &next, why)) {
		k->settings = before;
		return false;
	}
	if (next.rotate_s != before.rotate_s)
		k->rotate_at = now + next.rotate_s * NS_PER_S;
	port_keeper_apply(k, now);
	log_write(CONFIG_LOG_INFO, "ports", "setting changed key=%s value=\"%.*s\"", options_key(o),
		  VALUE_SHOWN, value);
	return true;
}

bool port_keeper_set(struct port_keeper *k, const char *key, const char *value,
		     char why[PORT_KEEPER_SET_BYTES])
{
	const struct option *o = options_find(SECTION, key, strlen(key));
	bool done;

	why[0] = '\0';
	if (o == NULL)
		return refuse(why, "%.*s: there is no such key under outgoing", VALUE_SHOWN, key);
	pthread_mutex_lock(&k->lock);
	done = set_locked(k, o, value, why);
	pthread_mutex_unlock(&k->lock);
	return done;
}
