/* Names of DPDK devices as the configuration writes them, and what can be known of them before DPDK
 * is asked: that the kernel's interface or the PCI device under it exists at all.
 */
#ifndef PORTICO_DEVICE_H
#define PORTICO_DEVICE_H

#include <stdbool.h>

#include "config/config.h"
#include "core/check.h"

#define DEVICE_NAME_BYTES 64 /* RTE_DEV_NAME_MAX_LEN */

enum device_bus { DEVICE_PCI, DEVICE_VIRTUAL };

enum device_bus device_bus(const char *device);

/* The name DPDK gives the port: the PCI address with its domain, or the vdev string up to its comma. */
void device_port_name(const char *device, char name[DEVICE_NAME_BYTES]);

/* Does what every interface stands on exist? Each that does not is an error with its place in the file. Warns of
 * kernel interfaces that are down, and of addresses that the kernel answers for as well. */
MUST_USE bool device_check_all(const struct config *config);

#endif
