/* Sets of ports, put together: what the port keeper and the kernel's lists need beyond core/port_set.h.
 *
 * Threads: pure functions.
 */
#ifndef PORTICO_PORT_MAP_OPS_H
#define PORTICO_PORT_MAP_OPS_H

#include <stdbool.h>
#include <string.h>

#include "core/port_set.h"

static inline bool port_map_equal(const struct port_map *a, const struct port_map *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline void port_map_unite(struct port_map *to, const struct port_map *with)
{
	for (size_t i = 0; i < ARRAY_COUNT(to->bits); i++)
		to->bits[i] |= with->bits[i];
}

static inline void port_map_subtract(struct port_map *from, const struct port_map *what)
{
	for (size_t i = 0; i < ARRAY_COUNT(from->bits); i++)
		from->bits[i] &= ~what->bits[i];
}

static inline void port_map_intersect(struct port_map *to, const struct port_map *with)
{
	for (size_t i = 0; i < ARRAY_COUNT(to->bits); i++)
		to->bits[i] &= with->bits[i];
}

/* Is every port of `part` in `whole`? */
static inline bool port_map_within(const struct port_map *part, const struct port_map *whole)
{
	for (size_t i = 0; i < ARRAY_COUNT(part->bits); i++) {
		if ((part->bits[i] & ~whole->bits[i]) != 0)
			return false;
	}
	return true;
}

static inline bool port_map_is_empty(const struct port_map *m)
{
	for (size_t i = 0; i < ARRAY_COUNT(m->bits); i++) {
		if (m->bits[i] != 0)
			return false;
	}
	return true;
}

/* The lowest port; 0: none. */
static inline uint16_t port_map_first(const struct port_map *m)
{
	for (size_t i = 0; i < ARRAY_COUNT(m->bits); i++) {
		if (m->bits[i] != 0)
			return (uint16_t)(i * 64 + (size_t)__builtin_ctzll(m->bits[i]));
	}
	return 0;
}

#endif
