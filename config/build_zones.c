#include <stdlib.h>
#include <string.h>

#include "build.h"

#define MS_PER_S 1000

/* A zone beside the group it came from, so that both can be looked at after sorting. */
struct zone_origin {
	const struct group *group;
	struct config_forward *forward;
};

/* One server of one zone. */
struct server_origin {
	const struct zone_origin *zone;
	const struct item *item;
};

/* ---- a zone ---- */

static void build_servers(struct build *b, const struct group *g, struct config_forward *f)
{
	const struct setting *to = settings_find(g, "to");

	if (to->given && !to->broken && to->item_count == 0)
		settings_error(b->problems, g, to, NULL,
			       "is empty: the zone needs at least one server");
	for (unsigned i = 0; i < to->item_count; i++) {
		const struct item *item = &to->items[i];
		const struct endpoint *e = &item->as.endpoint;
		const char *fault = build_server_fault(b, e);
		char text[TEXT_ADDRESS_BYTES];

		if (fault == NULL)
			fault = build_way_fault(b, e);
		text_value_of_endpoint(e, text);
		for (unsigned before = 0; fault == NULL && before < i; before++)
			if (endpoint_equal(&to->items[before].as.endpoint, e))
				fault = "is given twice";
		if (fault != NULL)
			settings_error(b->problems, g, to, item, "%s %s", text, fault);
		f->servers[f->server_count++] = *e;
	}
}

static void name_read(const struct item *item, struct name *out)
{
	struct name name;
	bool ok = name_from_text(item != NULL ? item->as.text : ".", &name);

	CHECK(ok); /* settings_value.c has tried it */
	name_lower(&name, out);
}

/* Where the file alone tells that there is no TCP. */
static void check_transport(struct build *b, const struct group *g, const struct config_forward *f)
{
	const struct config *c = b->config;
	bool kernel_has_any = c->interface_count == 0;

	for (unsigned i = 0; i < c->interface_count; i++)
		kernel_has_any |= c->interfaces[i].kernel != CONFIG_KERNEL_NONE;
	if (f->transport == ZONE_TRANSPORT_TCP && !kernel_has_any)
		settings_warning(b->problems, g, settings_find(g, "transport"), NULL,
				 "there is no TCP, as every interface has kernel: none: these "
				 "servers are asked by UDP");
}

static void build_zone(struct build *b, const struct group *g, struct config_forward *f)
{
	uint32_t interval_s = (uint32_t)settings_integer(g, "health.interval_s");
	const struct setting *tries = settings_find(g, "tries");

	name_read(settings_item(g, "zone"), &f->zone);
	name_read(settings_item(g, "health.name"), &f->health_name);
	f->policy = (enum server_policy)settings_word(g, "policy");
	f->transport = (enum zone_transport)settings_word(g, "transport");
	f->timeout_ms = (uint32_t)settings_integer(g, "timeout_ms");
	f->tries = (uint32_t)settings_integer(g, "tries");
	f->health = (struct server_health){.interval_ms = interval_s * MS_PER_S,
					   .rise = (uint16_t)settings_integer(g, "health.rise"),
					   .fall = (uint16_t)settings_integer(g, "health.fall")};
	build_servers(b, g, f);
	check_transport(b, g, f);
	if (f->tries * f->timeout_ms > CLIENT_DEADLINE_MS)
		settings_warning(b->problems, g,
				 tries->given ? tries : settings_find(g, "timeout_ms"), NULL,
				 "%u tries of %u ms take longer than %d ms, when clients have got "
				 "their answer",
				 f->tries, f->timeout_ms, CLIENT_DEADLINE_MS);
}

/* ---- all zones ---- */

/* Most labels first, so that the first that fits is the longest; then by name; then as in the file. */
static int zone_compare(const void *a, const void *b)
{
	const struct zone_origin *x = a;
	const struct zone_origin *y = b;
	const struct name *x_name = &x->forward->zone;
	const struct name *y_name = &y->forward->zone;
	unsigned x_labels = name_label_count(x_name);
	unsigned y_labels = name_label_count(y_name);
	int order;

	if (x_labels != y_labels)
		return x_labels > y_labels ? -1 : 1;
	if (x_name->length_bytes != y_name->length_bytes)
		return x_name->length_bytes < y_name->length_bytes ? -1 : 1;
	order = memcmp(x_name->bytes, y_name->bytes, x_name->length_bytes);
	if (order != 0)
		return order;
	if (x->group->place.line != y->group->place.line)
		return x->group->place.line < y->group->place.line ? -1 : 1;
	return x->group->place.column < y->group->place.column ? -1 : 1;
}

static void check_twice(struct build *b, const struct zone_origin *zones, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		const struct setting *zone = settings_find(zones[i].group, "zone");
		char text[NAME_TEXT_BYTES_MAX];

		/* A missing or wrong one has been read as the root. */
		if (zone->item_count == 0 || settings_item(zones[i - 1].group, "zone") == NULL ||
		    !name_equal(&zones[i - 1].forward->zone, &zones[i].forward->zone))
			continue;
		name_to_text(&zones[i].forward->zone, text);
		settings_error(b->problems, zones[i].group, zone, NULL,
			       "%s is already the zone of %s", text, zones[i - 1].group->path);
	}
}

static void check_root(struct build *b, const struct zone_origin *zones, unsigned count)
{
	const struct group *top = &b->settings->top;
	const struct setting *forward = settings_find(top, "forward");

	if (forward->broken || b->config->mode == CONFIG_MODE_ITERATE)
		return;
	/* The root has the fewest labels: it is the last. */
	if (count == 0 || name_label_count(&zones[count - 1].forward->zone) > 0)
		settings_warning(b->problems, top, forward, NULL,
				 "has no zone \".\": questions outside its zones will be refused");
}

static int server_compare(const void *a, const void *b)
{
	const struct server_origin *x = a;
	const struct server_origin *y = b;
	const struct endpoint *x_end = &x->item->as.endpoint;
	const struct endpoint *y_end = &y->item->as.endpoint;
	int order = memcmp(&x_end->address, &y_end->address, sizeof(x_end->address));

	if (order != 0)
		return order;
	if (x_end->port != y_end->port)
		return x_end->port < y_end->port ? -1 : 1;
	if (x->item->place.line != y->item->place.line)
		return x->item->place.line < y->item->place.line ? -1 : 1;
	return x->item->place.column < y->item->place.column ? -1 : 1;
}

static bool health_equal(const struct server_health *a, const struct server_health *b)
{
	return a->interval_ms == b->interval_ms && a->rise == b->rise && a->fall == b->fall;
}

/* A server is one, however many zones it serves: it is probed in one way, and counted once. */
static void check_servers(struct build *b, const struct zone_origin *zones, unsigned zone_count)
{
	struct server_origin *servers;
	unsigned count = 0, distinct = 0;

	servers = scratch_take(b->scratch,
			       (size_t)zone_count * ZONE_SERVERS_MAX * sizeof(servers[0]));
	for (unsigned i = 0; i < zone_count; i++) {
		const struct setting *to = settings_find(zones[i].group, "to");

		for (unsigned k = 0; k < to->item_count; k++)
			servers[count++] = (struct server_origin){&zones[i], &to->items[k]};
	}
	qsort(servers, count, sizeof(servers[0]), server_compare);
	for (unsigned i = 0; i < count; i++) {
		const struct server_origin *s = &servers[i];
		const struct setting *to = settings_find(s->zone->group, "to");

		if (i == 0 ||
		    !endpoint_equal(&servers[i - 1].item->as.endpoint, &s->item->as.endpoint)) {
			if (++distinct == SERVERS_MAX + 1)
				settings_error(b->problems, s->zone->group, to, s->item,
					       "is one server too many, allowed: %d over all zones",
					       SERVERS_MAX);
			continue;
		}
		if (!health_equal(&servers[i - 1].zone->forward->health, &s->zone->forward->health))
			settings_error(b->problems, s->zone->group, to, s->item,
				       "is also a server of %s, with another health: give both "
				       "the same",
				       servers[i - 1].zone->group->path);
	}
}

/* Probes ask for one name, whatever the zone. */
static void check_health_names(struct build *b, const struct zone_origin *zones, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (!name_equal(&zones[i].forward->health_name, &zones[0].forward->health_name))
			settings_error(b->problems, zones[i].group,
				       settings_find(zones[i].group, "health.name"), NULL,
				       "differs from that of %s, which is not available yet: give "
				       "all zones the same",
				       zones[0].group->path);
}

static void zones_sort(struct build *b, struct zone_origin *zones, unsigned count)
{
	struct config *c = b->config;
	struct config_forward *sorted;

	qsort(zones, count, sizeof(zones[0]), zone_compare);
	check_twice(b, zones, count);
	check_root(b, zones, count);
	check_servers(b, zones, count);
	sorted = calloc(count > 0 ? count : 1, sizeof(*sorted));
	CHECK(sorted != NULL);
	for (unsigned i = 0; i < count; i++)
		sorted[i] = *zones[i].forward;
	free(c->forwards);
	c->forwards = sorted;
	c->forward_count = count;
}

void build_zones(struct build *b)
{
	const struct group_list *lists[] = {&b->settings->forwards, &b->settings->stubs};
	unsigned count = lists[0]->count + lists[1]->count;
	struct config_forward *forwards = scratch_take(b->scratch, count * sizeof(*forwards));
	struct zone_origin *zones = scratch_take(b->scratch, count * sizeof(*zones));
	unsigned done = 0;

	for (unsigned list = 0; list < ARRAY_COUNT(lists); list++) {
		for (unsigned i = 0; i < lists[list]->count; i++, done++) {
			zones[done] =
				(struct zone_origin){&lists[list]->groups[i], &forwards[done]};
			build_zone(b, zones[done].group, zones[done].forward);
			forwards[done].stub = list == 1;
		}
	}
	if (count > ZONES_MAX)
		settings_error(b->problems, &b->settings->top,
			       settings_find(&b->settings->top, "stub"), NULL,
			       "makes %u zones together with forward, allowed: %d", count,
			       ZONES_MAX);
	check_health_names(b, zones, count);
	zones_sort(b, zones, count);
}
