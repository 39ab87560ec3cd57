/* Names of DPDK devices as the configuration writes them, and what can be known of them before DPDK
 * is asked: that the kernel's interface or the PCI device under it exists at all.
 */
#ifndef PORTICO_DEVICE_H
#define PORTICO_DEVICE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "core/check.h"

#define DEVICE_NAME_BYTES 64 /* RTE_DEV_NAME_MAX_LEN */

enum device_bus { DEVICE_PCI, DEVICE_VIRTUAL };

enum device_bus device_bus(const char *device);

/* The name DPDK gives the port: the PCI address with its domain, or the vdev string up to its comma. */
void device_port_name(const char *device, char name[DEVICE_NAME_BYTES]);

/* Is it a virtual device of this driver ("net_af_xdp")? */
bool device_is_of(const char *device, const char *driver);
/* The value of key= in a vdev string, cut to what fits. False: not there. */
bool device_argument(const char *device, const char *key, char *value, size_t value_bytes);
/* The kernel interface that a virtual device stands on, for the drivers that need one to be there
 * already (net_tap makes its own). False: none. */
MUST_USE bool device_kernel_interface(const char *device, char name[IFNAMSIZ]);

/* Does what every interface stands on exist? Each that does not is an error with its place in the file. Warns of
 * kernel interfaces that are down. */
MUST_USE bool device_check_all(const struct config *config);

/* Warn of addresses of our interfaces that the kernel answers for as well; but where it shares them by design. */
void device_warn_of_kernel_addresses(const struct config *config,
				     const bool shared[INTERFACES_MAX]);

#endif
