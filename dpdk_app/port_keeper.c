#include "dpdk_app/port_keeper_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dpdk_app/entropy_feed.h"
#include "dpdk_app/log.h"

#define TICK_NS (PORT_KEEPER_TICK_MS * NS_PER_MS)
#define GATHER_NS NS_PER_S
#define RESERVE_WAIT_MAX_NS (60 * NS_PER_S)
/* A worker is looked at this often, and waited for that long, before other things are done meanwhile. */
#define TURN_STEP_NS (100 * NS_PER_US)
#define TURN_STEPS_MAX 2000

mono_ns port_keeper_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (mono_ns)now.tv_sec * NS_PER_S + (mono_ns)now.tv_nsec;
}

/* ---- publication ---- */

static bool all_have_begun(const struct port_keeper *k)
{
	for (unsigned i = 0; i < k->worker_count; i++) {
		if ((worker_orders(&k->workers[i]) & WORKER_ORDER_TURN) != 0)
			return false;
	}
	return true;
}

/* Wait until every worker knows the sets published last, so that the others' memory is free. Two turns: the order is
 * taken at the beginning of a turn, the sets are looked at in the course of it. False: one takes its time. */
static bool settle(struct port_keeper *k)
{
	const struct timespec step = {.tv_nsec = TURN_STEP_NS};
	unsigned steps_left = TURN_STEPS_MAX;

	while (k->turns_wanted > 0) {
		for (unsigned i = 0; !k->turn_ordered && i < k->worker_count; i++)
			worker_order(&k->workers[i], WORKER_ORDER_TURN);
		k->turn_ordered = true;
		while (!all_have_begun(k)) {
			if (steps_left-- == 0 ||
			    atomic_load_explicit(&k->quit, memory_order_relaxed))
				return false;
			clock_nanosleep(CLOCK_MONOTONIC, 0, &step, NULL);
		}
		k->turn_ordered = false;
		k->turns_wanted--;
	}
	return true;
}

void port_keeper_publish_one(struct kept_address *a, mono_ns now)
{
	struct source_set *next = a->spare;

	port_keeper_draw_build(a, next, now);
	/* Release: the set stands before its address does. */
	atomic_store_explicit(&a->published, next, memory_order_release);
	a->spare = a->current;
	a->current = next;
	a->changed = false;
	a->generation++;
}

/* For those who may not wait for the lock. */
static void note_fewest(struct port_keeper *k)
{
	uint32_t fewest = PORT_COUNT;

	for (unsigned i = 0; i < k->address_count; i++) {
		uint32_t count;

		if (k->addresses[i].outgoing->retired)
			continue;
		count = k->addresses[i].current->ports.port_count;
		fewest = count < fewest ? count : fewest;
	}
	atomic_store_explicit(&k->fewest, fewest, memory_order_relaxed);
}

/* What has changed, to the XDP program and then to the workers; on return they know it, or the next call goes on. */
static void publish(struct port_keeper *k, mono_ns now)
{
	bool changed = false;

	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (!a->changed)
			continue;
		changed = true;
		/* First, whatever the workers are at: a process gets its packets from here on. */
		xdp_set_ports(k->xdp, i, k->config->outgoing[i].interface_idx, &a->accept);
	}
	if (!settle(k) || !changed)
		return;
	port_keeper_meter_gather(k, now);
	for (unsigned i = 0; i < k->address_count; i++) {
		if (k->addresses[i].changed)
			port_keeper_publish_one(&k->addresses[i], now);
	}
	/* Release: whoever sees the new count finds the new sets. Before the turns are ordered. */
	atomic_fetch_add_explicit(&k->source_generation, 1, memory_order_release);
	note_fewest(k);
	k->turns_wanted = 2;
	if (settle(k))
		port_keeper_meter_gather(k, now);
}

/* ---- reservation ---- */

bool port_keeper_reserve(struct port_keeper *k)
{
	struct port_map ours = {{0}};

	if (!k->settings.reserve_in_kernel)
		return true;
	for (unsigned i = 0; i < k->address_count; i++)
		port_map_unite(&ours, &k->addresses[i].accept);
	k->unreserved = false;
	return kernel_reservation_set(&k->reservation, k->config->file_prefix, &ours);
}

/* Only what is not reserved yet makes it worth to write; what is no more ours goes with it. */
static void keep_reserved(struct port_keeper *k)
{
	struct port_map ours = {{0}};
	mono_ns now;

	if (!k->settings.reserve_in_kernel || !k->reservation.active)
		return;
	for (unsigned i = 0; i < k->address_count; i++)
		port_map_unite(&ours, &k->addresses[i].accept);
	port_map_subtract(&ours, &k->reserved);
	if (!k->unreserved && port_map_equal(&ours, &k->reservation.ours))
		return;
	now = port_keeper_now();
	if (now < k->reserve_at)
		return;
	if (port_keeper_reserve(k)) {
		k->reserve_wait = 0;
		return;
	}
	/* It may be for ever that it is not permitted. */
	k->reserve_wait = k->reserve_wait == 0 ? TICK_NS : 2 * k->reserve_wait;
	if (k->reserve_wait > RESERVE_WAIT_MAX_NS)
		k->reserve_wait = RESERVE_WAIT_MAX_NS;
	k->reserve_at = now + k->reserve_wait;
}

/* ---- a pass ---- */

void port_keeper_plan_all(struct port_keeper *k)
{
	struct port_map eligible;

	port_keeper_kernel_take(k);
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (a->outgoing->retired)
			continue;
		port_keeper_draw_plan(k, a, &k->settings, &a->plan, &a->listen);
		port_plan_eligible(&a->plan, &eligible);
		a->changed = a->changed || !port_map_equal(&eligible, &a->eligible);
		a->eligible = eligible;
		a->generation++;
	}
	k->plans_are_old = false;
}

/* Where it matters whether a process holds a port: where nothing else keeps us from it. */
void port_keeper_note_interest(struct kept_address *a)
{
	a->of_interest = a->accept;
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		enum port_verdict verdict = (enum port_verdict)a->plan.verdict[port];
		bool is_kernels = verdict == PORT_RESERVED || verdict == PORT_EPHEMERAL;

		/* Ports that processes leave are kept rather than those that they hold. */
		if (verdict == PORT_ELIGIBLE || verdict == PORT_HELD ||
		    (is_kernels && a->kept_kind == KEPT_HELD))
			port_map_add(&a->of_interest, (uint16_t)port, (uint16_t)port);
	}
}

void port_keeper_apply(struct port_keeper *k, mono_ns now)
{
	port_keeper_plan_all(k);
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (a->outgoing->retired)
			continue;
		/* Without randomness all stays as it is: control ends Portico then. */
		if (!port_keeper_draw_ports(k, a, PORT_DRAW_KEEPING, now))
			k->plans_are_old = true;
		port_keeper_note_interest(a);
	}
	publish(k, now);
	port_keeper_conflict_update(k);
	keep_reserved(k);
}

static void rotate(struct port_keeper *k, mono_ns now)
{
	bool rotated = false;

	k->rotate_at = now + k->settings.rotate_s * NS_PER_S;
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (a->outgoing->retired || !port_keeper_draw_rotates(k, a))
			continue;
		if (port_keeper_draw_ports(k, a, PORT_DRAW_FRESH, now) &&
		    port_keeper_draw_identifiers(k, a, now))
			rotated = true;
		port_keeper_note_interest(a);
	}
	k->rotation_count += rotated;
	if (rotated)
		log_write(CONFIG_LOG_DEBUG, "ports", "drew source ports or addresses anew");
}

static void tick(struct port_keeper *k, mono_ns now)
{
	if (k->reloading)
		return;
	if (port_keeper_kernel_look(k) || k->plans_are_old)
		port_keeper_apply(k, now);
	for (unsigned i = 0; i < k->address_count; i++)
		port_keeper_draw_expire(&k->addresses[i], now);
	if (now >= k->rotate_at)
		rotate(k, now);
	publish(k, now);
	keep_reserved(k);
	if (now >= k->gather_at) {
		k->gather_at = now + GATHER_NS;
		port_keeper_meter_gather(k, now);
	}
}

/* ---- the thread ---- */

/* Under the lock, which is free meanwhile. */
static void wait_until(struct port_keeper *k, mono_ns at)
{
	const struct timespec until = {.tv_sec = (time_t)(at / NS_PER_S),
				       .tv_nsec = (long)(at % NS_PER_S)};

	while (!atomic_load_explicit(&k->quit, memory_order_relaxed) && port_keeper_now() < at)
		pthread_cond_timedwait(&k->wake, &k->lock, &until);
}

static void *run(void *argument)
{
	struct port_keeper *k = argument;

	pthread_mutex_lock(&k->lock);
	while (!atomic_load_explicit(&k->quit, memory_order_relaxed)) {
		mono_ns now = port_keeper_now();

		tick(k, now);
		if (!k->reloading)
			port_keeper_conflict_tell(k);
		wait_until(k, now + TICK_NS);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

/* ---- start and stop ---- */

static void free_all(struct port_keeper *k)
{
	for (unsigned i = 0; k != NULL && i < OUTGOING_SLOTS_MAX; i++) {
		free(k->addresses[i].current);
		free(k->addresses[i].spare);
	}
	free(k);
}

bool port_keeper_take_place(struct kept_address *a)
{
	struct source_set *current = a->current, *spare = a->spare;
	uint64_t generation = a->generation + 1;

	if (current == NULL)
		current = calloc(1, sizeof(*current));
	if (spare == NULL)
		spare = calloc(1, sizeof(*spare));
	memset(a, 0, sizeof(*a));
	a->current = current;
	a->spare = spare;
	a->generation = generation;
	entropy_meter_init(&a->meter);
	if (current != NULL && spare != NULL) {
		/* Of nobody: what is drawn first replaces nothing. */
		memset(current, 0, sizeof(*current));
		return true;
	}
	log_write(CONFIG_LOG_ERROR, "memory", "no memory for=\"source ports\"");
	return false;
}

static struct port_keeper *allocate(const struct config *config, struct xdp_table *xdp)
{
	struct port_keeper *k = calloc(1, sizeof(*k));
	pthread_condattr_t attributes;
	bool whole = k != NULL;

	for (unsigned i = 0; whole && i < config->outgoing_count; i++) {
		struct kept_address *a = &k->addresses[i];

		whole = port_keeper_take_place(a);
		a->outgoing = &config->outgoing[i];
	}
	if (!whole) {
		free_all(k);
		return NULL;
	}
	k->config = config;
	k->xdp = xdp;
	k->settings = config->ports;
	k->address_count = config->outgoing_count;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&k->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	entropy_init(&k->entropy, k->entropy_memory, PORT_SAMPLE_BYTES);
	return k;
}

static bool draw_first(struct port_keeper *k, mono_ns now)
{
	for (unsigned i = 0; i < k->address_count; i++) {
		struct kept_address *a = &k->addresses[i];

		if (!port_keeper_draw_ports(k, a, PORT_DRAW_FRESH, now) ||
		    !port_keeper_draw_identifiers(k, a, now))
			return false;
		port_keeper_note_interest(a);
	}
	return true;
}

struct port_keeper *port_keeper_make(const struct config *config, struct xdp_table *xdp)
{
	struct port_keeper *k = allocate(config, xdp);
	mono_ns now = port_keeper_now();

	if (k == NULL)
		return NULL;
	(void)port_keeper_kernel_look(k);
	port_keeper_plan_all(k);
	if (!port_keeper_start_check(k) || !draw_first(k, now) || !port_keeper_reserve(k)) {
		free_all(k);
		return NULL;
	}
	publish(k, now);
	k->rotate_at = now + k->settings.rotate_s * NS_PER_S;
	return k;
}

const struct source_set *_Atomic *port_keeper_source(struct port_keeper *k, unsigned outgoing_idx)
{
	CHECK(outgoing_idx < k->address_count);
	return &k->addresses[outgoing_idx].published;
}

const _Atomic uint32_t *port_keeper_generation(struct port_keeper *k)
{
	return &k->source_generation;
}

bool port_keeper_start(struct port_keeper *k, struct worker *workers, unsigned worker_count)
{
	int error;

	pthread_mutex_lock(&k->lock);
	k->workers = workers;
	k->worker_count = worker_count;
	error = pthread_create(&k->thread, NULL, run, k);
	k->thread_made = error == 0;
	pthread_mutex_unlock(&k->lock);
	if (error != 0) {
		log_write(CONFIG_LOG_ERROR, "ports", "no thread error=\"%s\"", strerror(error));
		return false;
	}
	pthread_setname_np(k->thread, "portico-ports");
	return true;
}

void port_keeper_stop(struct port_keeper *k)
{
	if (k == NULL)
		return;
	atomic_store_explicit(&k->quit, true, memory_order_relaxed);
	if (k->thread_made) {
		pthread_mutex_lock(&k->lock);
		pthread_cond_broadcast(&k->wake);
		pthread_mutex_unlock(&k->lock);
		pthread_join(k->thread, NULL);
		k->thread_made = false;
	}
	pthread_mutex_lock(&k->lock);
	kernel_reservation_end(&k->reservation);
	pthread_mutex_unlock(&k->lock);
}
