#include "reloads.h"

#include <stdlib.h>
#include <string.h>

#include "core/acl.h"
#include "core/engine_state.h"
#include "core/limits.h"
#include "unit.h"

static void init(struct reloads *s, struct rig *r)
{
	memset(s, 0, sizeof(*s));
	s->r = r;
	engine_plan_init(&s->plan, &r->words, &r->servers, &r->neighbours);
	for (unsigned i = 0; i < SERVER_SLOTS_MAX; i++)
		s->plan.server_gone_at[i] = MONO_NEVER;
	for (unsigned i = 0; i < ZONE_SLOTS_MAX; i++)
		s->plan.zone_gone_at[i] = MONO_NEVER;
	for (unsigned i = 0; i < NEIGHBOUR_SLOTS_MAX; i++)
		s->plan.neighbour_gone_at[i] = MONO_NEVER;
}

void reloads_start(struct reloads *s, unsigned engine_count, size_t cache_bytes)
{
	static const int link_only[] = {RIG_SERVER_V4_LINK, -1};
	static const int far_only[] = {RIG_SERVER_V4_FAR, -1};
	struct rig *r = rig_new(engine_count);

	r->link_anywhere = true;
	r->cache_bytes = cache_bytes;
	rig_zone(r, 0, ".", SERVER_POLICY_IN_ORDER, link_only);
	rig_zone(r, 1, "example.org", SERVER_POLICY_IN_ORDER, far_only);
	rig_start(r);
	init(s, r);
}

const struct engine_config *reloads_running(const struct reloads *s)
{
	return s->running != NULL ? s->running : &s->r->config;
}

void reloads_begin(struct reloads *s)
{
	const struct engine_config *last = reloads_running(s);
	struct engine_config *next = calloc(1, sizeof(*next));

	CHECK(next != NULL);
	s->next = next;
	engine_plan_begin(&s->plan, next, last, s->r->now, RELOADS_GRACE_NS);
	next->interface_count = last->interface_count;
	memcpy(next->interfaces, last->interfaces, sizeof(next->interfaces));
	next->gateway_count = last->gateway_count;
	memcpy(next->gateways, last->gateways, sizeof(next->gateways));
	next->listen_count = last->listen_count;
	memcpy(next->listen, last->listen, sizeof(next->listen));
	next->allow_count = last->allow_count;
	memcpy(next->allow, last->allow, sizeof(next->allow));
	next->outgoing_count = last->outgoing_count;
	memcpy(next->outgoing, last->outgoing, sizeof(next->outgoing));
	next->source_generation = last->source_generation;
	next->health_name = last->health_name;
	next->edns_udp_size_bytes = last->edns_udp_size_bytes;
	next->case_randomization = last->case_randomization;
	next->late_ms = last->late_ms;
	next->cache = last->cache;
}

struct endpoint reloads_server(const char *address)
{
	return (struct endpoint){rig_address(address), DNS_PORT};
}

void reloads_zone(struct reloads *s, const char *name, const char *const servers[])
{
	static const struct server_health health = {1000, 1, 3};
	struct engine_zone zone = {.policy = SERVER_POLICY_IN_ORDER,
				   .recursion_desired = true,
				   .timeout_ms = 800,
				   .tries = 3};

	CHECK(name_from_text(name, &zone.name));
	for (; servers[zone.server_count] != NULL; zone.server_count++) {
		struct endpoint endpoint = reloads_server(servers[zone.server_count]);

		zone.servers[zone.server_count] =
			engine_plan_server(&s->plan, s->next, &endpoint, &health);
		CU_ASSERT_FATAL(zone.servers[zone.server_count] != UINT16_MAX);
	}
	CU_ASSERT_FATAL(engine_plan_zone(&s->plan, s->next, &zone));
}

struct engine_config *reloads_publish(struct reloads *s)
{
	struct engine_config *last = s->running;

	CU_ASSERT_FATAL(engine_plan_end(&s->plan, s->next, reloads_running(s)));
	s->next_acl = aligned_alloc(8, (acl_memory_bytes() + 7) / 8 * 8);
	CHECK(s->next_acl != NULL);
	s->next->acl = acl_init(s->next_acl, s->next->allow, s->next->allow_count);
	atomic_store_explicit(&s->r->current, s->next, memory_order_release);
	s->running = s->next;
	return last;
}

void reloads_settle(struct reloads *s, struct engine_config *last)
{
	rig_advance(s->r, 1);
	rig_advance(s->r, 1);
	for (unsigned i = 0; i < s->r->engine_count; i++)
		CU_ASSERT_PTR_EQUAL(s->r->engines[i]->followed_config, s->running);
	free(last);
	free(s->running_acl);
	s->running_acl = s->next_acl;
	/* As reload.c does it. */
	engine_plan_on_taken(&s->plan, s->r->now);
	if (s->r->checks)
		rig_check(s->r);
}

void reloads_do(struct reloads *s)
{
	reloads_settle(s, reloads_publish(s));
}

void reloads_finish(struct reloads *s)
{
	rig_finish(s->r);
	free(s->running);
	free(s->running_acl);
}
