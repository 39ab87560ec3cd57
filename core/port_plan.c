#include "port_plan.h"

#include <assert.h>
#include <string.h>

const char *const port_verdict_text[PORT_VERDICT_COUNT] = {
	[PORT_ELIGIBLE] = "eligible",   [PORT_OUT_OF_RANGE] = "range", [PORT_EXCLUDED] = "exclude",
	[PORT_CLAIMED] = "default",     [PORT_LISTENS] = "listen",     [PORT_RESERVED] = "reserved",
	[PORT_EPHEMERAL] = "ephemeral", [PORT_HELD] = "held",
};
static_assert(PORT_VERDICT_COUNT == 8, "a new verdict needs its word here");

static bool has(const struct port_map *rule, uint16_t port)
{
	return rule != NULL && port_map_has(rule, port);
}

static enum port_verdict verdict_of(const struct port_rules *rules, const struct port_map *claimed,
				    uint16_t port)
{
	if (port == 0)
		return PORT_OUT_OF_RANGE;
	if (rules->send_port != 0) {
		if (port != rules->send_port)
			return PORT_OUT_OF_RANGE;
		return has(rules->held, port) ? PORT_HELD : PORT_ELIGIBLE;
	}
	if (rules->range != NULL && !port_map_has(rules->range, port))
		return PORT_OUT_OF_RANGE;
	if (has(rules->exclude, port))
		return PORT_EXCLUDED;
	if (rules->exclude_defaults && port_map_has(claimed, port))
		return PORT_CLAIMED;
	if (has(rules->listen, port))
		return PORT_LISTENS;
	if (has(rules->reserved, port))
		return PORT_RESERVED;
	if (has(rules->ephemeral, port))
		return PORT_EPHEMERAL;
	return has(rules->held, port) ? PORT_HELD : PORT_ELIGIBLE;
}

void port_plan_make(struct port_plan *plan, const struct port_rules *rules)
{
	struct port_map claimed;

	port_map_clear(&claimed);
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		port_map_add(&claimed, port_exclusions_default[i].first,
			     port_exclusions_default[i].last);
	memset(plan->counts, 0, sizeof(plan->counts));
	for (uint32_t port = 0; port < PORT_COUNT; port++) {
		enum port_verdict verdict = verdict_of(rules, &claimed, (uint16_t)port);

		plan->verdict[port] = (uint8_t)verdict;
		plan->counts[verdict]++;
	}
}

void port_plan_eligible(const struct port_plan *plan, struct port_map *out)
{
	port_map_clear(out);
	for (uint32_t port = 1; port < PORT_COUNT; port++)
		if (plan->verdict[port] == PORT_ELIGIBLE)
			port_map_add(out, (uint16_t)port, (uint16_t)port);
}

const struct port_exclusion *port_exclusion_of(uint16_t port)
{
	for (unsigned i = 0; i < port_exclusions_default_count; i++)
		if (port >= port_exclusions_default[i].first &&
		    port <= port_exclusions_default[i].last)
			return &port_exclusions_default[i];
	return NULL;
}
