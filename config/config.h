/* The validated configuration of a Portico: what portico.yaml said, with every default filled in.
 *
 * Memory: one allocation tree owned by the struct; immutable after config_load. Threads: read by all.
 */
#ifndef PORTICO_CONFIG_H
#define PORTICO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/address.h"
#include "core/limits.h"
#include "core/name.h"
#include "core/port_plan.h"
#include "core/port_set.h"
#include "core/server.h"
#include "core/zone_cut.h"

#define CONFIG_CPUS_MAX 128
#define CONFIG_EAL_ARGS_MAX 32

enum config_poll { CONFIG_POLL_ADAPTIVE, CONFIG_POLL_BUSY };
enum config_hugepages { CONFIG_HUGEPAGES_AUTO, CONFIG_HUGEPAGES_REQUIRED, CONFIG_HUGEPAGES_NEVER };
/* What becomes of names that no zone has: they are refused, or resolved from the root. */
enum config_mode { CONFIG_MODE_FORWARD, CONFIG_MODE_ITERATE };
enum config_rrset_order { CONFIG_RRSET_ROUND_ROBIN, CONFIG_RRSET_FIXED };
enum config_log_level { CONFIG_LOG_ERROR, CONFIG_LOG_WARNING, CONFIG_LOG_INFO, CONFIG_LOG_DEBUG };
enum config_log_format { CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

/* What of the rest of an interface's traffic goes to the kernel. */
enum config_kernel {
	/* Bifurcated where the device stands on a kernel interface that has one of our addresses; a TAP for a PCI device. */
	CONFIG_KERNEL_AUTO,
	CONFIG_KERNEL_BIFURCATED, /* all that is not ours: the kernel shares device and addresses */
	CONFIG_KERNEL_NONE,
	CONFIG_KERNEL_TAP, /* all that is not ours, and our addresses: by a TAP of ours */
};

#define CONFIG_TAP_NAME_BYTES_MAX 15 /* IFNAMSIZ, without its end */

struct config_interface {
	char *name;
	char *device; /* PCI address or vdev string, as written */
	bool mac_given;
	struct mac mac;
	uint8_t address_count;
	struct prefix addresses[INTERFACE_ADDRESSES_MAX]; /* host bits kept: the address itself */
	uint8_t gateway_count;
	struct address gateways[INTERFACE_GATEWAYS_MAX];
	uint16_t vlan; /* FRAME_VLAN_NONE: none */
	uint16_t mtu_bytes;
	enum config_kernel kernel;
	char *tap_name;  /* NULL: any */
	char *tap_netns; /* NULL: the process's own */
	/* Place in the file, for errors that only the driver can find (device does not exist …). */
	unsigned line, column;
};

struct config_listen {
	struct endpoint endpoint;
	uint8_t interface_idx;
};

/* Questions of clients over TCP. */
struct config_tcp {
	bool enabled;
	uint32_t max_clients;
	uint32_t idle_s;
};

struct config_outgoing {
	struct address address; /* or a prefix, host bits cleared */
	uint8_t prefix_bits;    /* over 16 bytes: 128: one address; 64 to 120: a prefix (IPv6) */
	uint8_t interface_idx;
	bool retired; /* a reload has taken it out; its place is not free yet (config_change.h) */
};

/* Which source ports queries leave from. */
struct config_ports {
	uint16_t send_port; /* 0: random */
	uint32_t pool_size; /* 0: all that are eligible */
	struct port_map range;
	struct port_map exclude;
	bool exclude_defaults;
	bool respect_kernel;
	bool reserve_in_kernel;
	uint32_t rotate_s;
	uint16_t v6_identifiers;
	/* Places in the file, for errors that only the running program can find. */
	unsigned range_line, range_column;
	unsigned pool_size_line, pool_size_column;
	unsigned send_port_line, send_port_column;
};

struct config_forward {
	struct name zone; /* lower case */
	bool stub;        /* without recursion desired */
	uint8_t server_count;
	struct endpoint servers[ZONE_SERVERS_MAX];
	enum server_policy policy;
	enum zone_transport transport;
	uint32_t timeout_ms;
	uint32_t tries;
	struct server_health health;
	struct name health_name;
};

/* Answers that are kept. */
struct config_cache {
	uint32_t size_mb; /* 0: none */
	uint32_t min_ttl_s;
	uint32_t max_ttl_s;
	uint32_t negative_max_ttl_s;
	uint32_t failure_ttl_s;
	bool serve_stale;
	bool prefetch;
	enum config_rrset_order rrset_order;
	uint32_t max_stale_s; /* beyond the TTL */
	uint32_t client_timeout_ms;
	char *file; /* where it is kept over a restart; NULL: nowhere */
};

struct config_key;

struct config {
	char *file; /* for messages */
	/* Every key of the file with its value, by path: for comparing two (config_change.h). */
	unsigned key_count;
	struct config_key *keys;
	unsigned worker_count;
	unsigned worker_cpu_count; /* 0: chosen by Portico, else == worker_count */
	unsigned worker_cpus[CONFIG_CPUS_MAX];
	int control_cpu; /* -1: auto */
	enum config_poll poll;

	unsigned memory_mb;
	unsigned extra_mbuf_count;
	enum config_hugepages hugepages;
	char *file_prefix;
	unsigned eal_arg_count;
	char *eal_args[CONFIG_EAL_ARGS_MAX];

	unsigned interface_count;
	struct config_interface interfaces[INTERFACES_MAX];
	unsigned listen_count;
	struct config_listen listen[LISTEN_MAX];
	unsigned allow_count;
	struct prefix allow[ALLOW_PREFIXES_MAX]; /* host bits cleared */
	struct config_tcp tcp;

	unsigned outgoing_count;
	struct config_outgoing
		outgoing[OUTGOING_SLOTS_MAX]; /* OUTGOING_MAX, and the retired ones */
	struct config_ports ports;
	uint32_t late_ms;
	uint32_t max_under_way; /* a worker */
	bool case_randomization;
	uint16_t edns_udp_size_bytes;

	enum config_mode mode;
	struct zone_cut root_hints; /* "." with at least one server that has an address */
	unsigned forward_count;
	struct config_forward *forwards; /* most labels first, then by name */

	struct config_cache cache;

	struct endpoint metrics_listen; /* port 0: nowhere */

	enum config_log_level log_level;
	enum config_log_format log_format;
	uint32_t shutdown_s;
};

/* Read and check FILE. Every error of the file is printed to `errors`, in order of place, as
 * FILE:LINE:COLUMN: key.path: what is wrong, what is allowed (did you mean …?)
 * Warnings likewise, with "warning: " after the place. NULL: there was at least one error.
 * error_count, warning_count may be NULL. */
struct config *config_load(const char *file, FILE *errors, unsigned *error_count,
			   unsigned *warning_count);
/* The same from memory (fuzzing, tests); file is only a name for messages. */
struct config *config_load_text(const char *text, size_t length_bytes, const char *file,
				FILE *errors, unsigned *error_count, unsigned *warning_count);
void config_free(struct config *c);

/* The rules of the file for the ports of this outgoing address; what the kernel reserves and holds is the caller's to add.
 * listen: is filled with the ports that we listen on there. The rules point into c and listen. */
struct port_rules config_port_rules(const struct config *c, unsigned outgoing_idx,
				    struct port_map *listen);

/* Are servers asked that cannot be known beforehand, as others name them? A stub zone's servers delegate, too. */
bool config_asks_any(const struct config *c);

/* CHECKs what the driver relies on in a configuration that was loaded; for tests and fuzzing. */
void config_check(const struct config *c);

/* JSON Schema (draft 2020-12) of the file; a commented YAML of every key with its default, unit and help.
 * Both come from the one table in options.c. */
void config_print_schema(FILE *out);
void config_print_defaults(FILE *out);

#endif
