/* Another configuration while all goes on: new addresses are drawn for before the workers hear of them, the settings of the
 * others change when they have. */
#include "dpdk_app/port_keeper_state.h"

#include <string.h>

static void point_to(struct port_keeper *k, const struct config *config)
{
	k->config = config;
	k->settings = config->ports;
	k->address_count = config->outgoing_count;
	for (unsigned i = 0; i < k->address_count; i++)
		k->addresses[i].outgoing = &config->outgoing[i];
}

/* An address that the last configuration does not have in this place. */
static bool is_new(const struct port_keeper *k, unsigned i)
{
	return !k->config->outgoing[i].retired &&
	       (i >= k->last_config->outgoing_count || k->last_config->outgoing[i].retired);
}

/* All sets are memory that workers let go of long ago: the address was retired, or nobody's. */
static bool take_places(struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		if (!is_new(k, i))
			continue;
		if (!port_keeper_take_place(&k->addresses[i]))
			return false;
		k->addresses[i].outgoing = &k->config->outgoing[i];
	}
	return true;
}

static bool draw_new(struct port_keeper *k, mono_ns now)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (!is_new(k, i))
			continue;
		if (!port_keeper_draw_ports(k, a, PORT_DRAW_FRESH, now) ||
		    !port_keeper_draw_identifiers(k, a, now))
			return false;
		port_keeper_note_interest(a);
	}
	return true;
}

/* Nobody leaves from there yet. Replies are let through first. */
static void publish_new(struct port_keeper *k, mono_ns now)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (!is_new(k, i))
			continue;
		xdp_set_ports(k->xdp, i, k->config->outgoing[i].interface_idx, &a->accept);
		port_keeper_publish_one(a, now);
	}
}

/* In the places of new ones nobody is. */
static void go_back(struct port_keeper *k)
{
	point_to(k, k->last_config);
	k->settings = k->last_settings;
	k->reloading = false;
	k->plans_are_old = true;
	/* With the new ones among them, or not wanted at all; else as the next tick finds them. */
	if (!k->settings.reserve_in_kernel)
		kernel_reservation_end(&k->reservation);
}

static bool prepare(struct port_keeper *k, mono_ns now)
{
	if (!take_places(k))
		return false;
	(void)port_keeper_kernel_look(k);
	port_keeper_plan_all(k);
	if (!port_keeper_start_check(k) || !draw_new(k, now) ||
	    (k->settings.reserve_in_kernel && !port_keeper_reserve(k)))
		return false;
	publish_new(k, now);
	return true;
}

bool port_keeper_prepare(struct port_keeper *k, const struct config *next)
{
	bool ok;

	pthread_mutex_lock(&k->lock);
	k->last_config = k->config;
	/* What porticoctl has set may differ from the file, which counts again from now on. */
	k->last_settings = k->settings;
	k->reloading = true;
	point_to(k, next);
	/* Endpoints are by index: who holds which is seen with the next look. */
	memset(k->listen_now, 0, sizeof(k->listen_now));
	memset(k->listen_before, 0, sizeof(k->listen_before));
	memset(k->listen_told, 0, sizeof(k->listen_told));
	ok = prepare(k, port_keeper_now());
	if (!ok)
		go_back(k);
	pthread_mutex_unlock(&k->lock);
	return ok;
}

void port_keeper_abandon(struct port_keeper *k)
{
	pthread_mutex_lock(&k->lock);
	go_back(k);
	pthread_mutex_unlock(&k->lock);
}

/* Of an address that is gone nothing is kept but the memory of its sets, at which workers may have looked until now. */
static void clear_retired(struct port_keeper *k)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (!a->outgoing->retired || port_map_is_empty(&a->accept))
			continue;
		a->shared = false;
		a->changed = false;
		a->retired_count = 0;
		a->live_count = 0;
		a->retiring_count = 0;
		a->kept_kind = KEPT_NONE;
		port_map_clear(&a->drawn);
		port_map_clear(&a->accept);
		port_map_clear(&a->held);
		port_map_clear(&a->held_now);
		port_map_clear(&a->held_before);
		port_map_clear(&a->yielded);
		port_map_clear(&a->kept);
	}
}

void port_keeper_commit(struct port_keeper *k)
{
	mono_ns now;

	pthread_mutex_lock(&k->lock);
	now = port_keeper_now();
	k->reloading = false;
	clear_retired(k);
	if (k->settings.rotate_s != k->last_settings.rotate_s)
		k->rotate_at = now + k->settings.rotate_s * NS_PER_S;
	if (!k->settings.reserve_in_kernel)
		kernel_reservation_end(&k->reservation);
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		/* As many identifiers as are wanted now (a new one has them already); where the last are not through yet, with the next
		 * rotation. */
		if (!a->outgoing->retired && !is_new(k, i) &&
		    k->settings.v6_identifiers != k->last_settings.v6_identifiers &&
		    !port_keeper_draw_identifiers(k, a, now))
			k->plans_are_old = true;
	}
	port_keeper_apply(k, now);
	k->last_config = NULL;
	pthread_mutex_unlock(&k->lock);
}
