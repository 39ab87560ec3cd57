#include "dpdk_app/port_floor.h"

#include "core/source_set.h"
#include "dpdk_app/port_map_ops.h"

static uint32_t fewer(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* The kernel's rules come after the file's: what they took, the file allows. */
static uint32_t file_count(const struct port_plan *plan)
{
	return plan->counts[PORT_ELIGIBLE] + plan->counts[PORT_RESERVED] +
	       plan->counts[PORT_EPHEMERAL] + plan->counts[PORT_HELD];
}

uint32_t port_floor_configured(const struct port_plan *plan, uint32_t pool_size)
{
	return pool_size == 0 ? file_count(plan) : fewer(pool_size, file_count(plan));
}

uint32_t port_floor(const struct port_plan *plan, uint32_t pool_size, uint32_t reached)
{
	uint32_t floor = fewer(PORT_FLOOR_MAX, (file_count(plan) + 1) / 2);

	if (pool_size != 0)
		floor = fewer(floor, pool_size);
	return fewer(floor, reached);
}

uint32_t port_floor_reached(const struct port_plan *plan, uint32_t before)
{
	uint32_t now = fewer(PORT_FLOOR_MAX, plan->counts[PORT_ELIGIBLE] + plan->counts[PORT_HELD]);

	return now > before ? now : before;
}

void port_floor_supply(const struct port_plan *plan, const struct port_map *held,
		       struct port_floor_supply *out)
{
	*out = (struct port_floor_supply){0};
	for (uint32_t port = 1; port < PORT_COUNT; port++) {
		bool is_held = port_map_has(held, (uint16_t)port);

		switch ((enum port_verdict)plan->verdict[port]) {
		case PORT_ELIGIBLE:
			port_map_add(&out->eligible, (uint16_t)port, (uint16_t)port);
			break;
		case PORT_RESERVED:
		case PORT_EPHEMERAL:
			port_map_add(is_held ? &out->held : &out->spoken_for, (uint16_t)port,
				     (uint16_t)port);
			break;
		case PORT_HELD:
			port_map_add(&out->held, (uint16_t)port, (uint16_t)port);
			break;
		case PORT_OUT_OF_RANGE:
		case PORT_EXCLUDED:
		case PORT_CLAIMED:
		case PORT_LISTENS:
		case PORT_VERDICT_COUNT:
			break;
		}
	}
}

/* Ports of one kind, until there are so many in all. */
static bool add(struct port_map *all, const struct port_map *kind, const struct port_map *prefer,
		uint32_t until, struct entropy *entropy)
{
	struct port_map first = *kind;
	struct port_map rest = *kind;
	struct port_map sample;
	uint32_t have = port_map_count(all);
	uint32_t first_count;

	if (have >= until)
		return true;
	port_map_intersect(&first, prefer);
	first_count = port_map_count(&first);
	if (first_count >= until - have) {
		if (!port_map_sample(&sample, &first, until - have, entropy))
			return false;
		port_map_unite(all, &sample);
		return true;
	}
	port_map_subtract(&rest, prefer);
	if (!port_map_sample(&sample, &rest, until - have - first_count, entropy))
		return false;
	port_map_unite(all, &first);
	port_map_unite(all, &sample);
	return true;
}

bool port_floor_draw(const struct port_floor_supply *s, const struct port_map *prefer,
		     uint32_t wanted, uint32_t floor, struct entropy *entropy, struct port_map *out)
{
	struct port_map all = {{0}};

	CHECK(floor <= wanted);
	/* Where there is a choice within a kind, nothing is missing for the next: only one of these takes random bytes. */
	if (!add(&all, &s->eligible, prefer, wanted, entropy) ||
	    !add(&all, &s->spoken_for, prefer, floor, entropy) ||
	    !add(&all, &s->held, prefer, floor, entropy))
		return false;
	*out = all;
	return true;
}
