/* The port space of an outgoing address as a picture of characters: 16 lines of 64 blocks of 64 ports; where queries are under
 * way, where none may be, and why.
 *
 * Memory: the caller's. Threads: pure but for the FILE.
 */
#ifndef PORTICO_PORT_PICTURE_H
#define PORTICO_PORT_PICTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/port_plan.h"

#define PORT_PICTURE_BLOCK 64 /* ports of a place */
#define PORT_PICTURE_COLUMNS 64
#define PORT_PICTURE_BLOCKS (PORT_COUNT / PORT_PICTURE_BLOCK)

struct port_picture {
	uint8_t verdict[PORT_COUNT]; /* enum port_verdict */
	struct port_map drawn; /* the pool: eligible ports that queries leave from at present */
	uint32_t under_way[PORT_PICTURE_BLOCKS]; /* queries */
};

struct port_picture_style {
	bool ascii;  /* no character beyond ASCII */
	bool colour; /* for a terminal (ECMA-48) */
};

/* Picture, legend and totals. */
void port_picture_print(FILE *out, const struct port_picture *p,
			const struct port_picture_style *style);

#endif
