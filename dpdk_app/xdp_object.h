/* Our BPF object (portico_steer.bpf.c), which is part of this program: as bytes for libbpf, as a file for others. And which
 * BPF objects of this very process have a name: the kernel tells those by their descriptors without further
 * powers, where telling by number takes CAP_SYS_ADMIN.
 *
 * Threads: main.
 */
#ifndef PORTICO_XDP_OBJECT_H
#define PORTICO_XDP_OBJECT_H

#include <bpf/libbpf.h>
#include <stdint.h>

#include "core/check.h"

/* What libbpf has to say, here and in DPDK, is logged at level debug. */
void xdp_object_take_over_log(void);
/* A descriptor of an unnamed file with the object in it; -1: errno. */
MUST_USE int xdp_object_file(void);
/* Loaded into the kernel: this program of the object and its maps. NULL: errno. bpf_object__close()
 * frees it. */
MUST_USE struct bpf_object *xdp_object_load(const char *program);

/* A new descriptor of the program with this number that this process has open; -1: it has none. */
MUST_USE int xdp_object_find_program(uint32_t program_id);
/* A new descriptor of the map of this name that the program uses, and this process has open; -1: there is none. */
MUST_USE int xdp_object_find_map(int program_fd, const char *name);

#endif
