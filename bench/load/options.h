/* The command line: one table of every option (options.c), which parser and --help read.
 *
 * Memory: texts point into argv. Threads: written once at start.
 */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"
#include "core/name.h"

#define OPTIONS_SERVERS_MAX 16
#define OPTIONS_TYPES_MAX 16
#define OPTIONS_QUEUES_MAX 16

enum options_mode {
	OPTIONS_MODE_BOTH,   /* clients and servers */
	OPTIONS_MODE_CLIENT, /* only clients */
	OPTIONS_MODE_SERVER, /* only servers */
	OPTIONS_MODE_ECHO,   /* clients, whose packets come back with addresses and ports swapped */
};

/* Indices of what there is one of for each. */
enum options_version { OPTIONS_V4, OPTIONS_V6, OPTIONS_VERSIONS };
enum options_names { OPTIONS_NAMES_UNIQUE, OPTIONS_NAMES_SET, OPTIONS_NAMES_FILE };
/* What one answer of the servers in so many has wrong, so that the checks can be checked. */
enum options_mutation {
	OPTIONS_MUTATION_ADDRESS,
	OPTIONS_MUTATION_TTL,   /* more than the others of the same server */
	OPTIONS_MUTATION_GROW,  /* more than is left by --ttl-clock, but no more than at first */
	OPTIONS_MUTATION_RCODE, /* the name is denied */
	OPTIONS_MUTATIONS,
};
/* What a name that is asked has of its own, so that whoever iterates finds nothing of it in a cache. */
enum options_cold {
	OPTIONS_COLD_NONE, /* all names are in one zone */
	OPTIONS_COLD_ZONE, /* a zone below the same top-level domain */
	OPTIONS_COLD_TLD,  /* a zone and a top-level domain */
};
/* Of a server. */
enum options_role { OPTIONS_ROLE_AUTHORITY, OPTIONS_ROLE_TLD, OPTIONS_ROLE_ROOT };
enum options_family { OPTIONS_FAMILY_4, OPTIONS_FAMILY_6, OPTIONS_FAMILY_MIXED };

struct options {
	/* the device */
	const char *vdev;
	const char *file_prefix;
	bool hugepages;
	uint32_t cpu;
	uint32_t memory_mb;
	uint32_t queue_count;
	uint32_t mbuf_count;
	uint32_t ring_entries;
	bool drop_refused;
	int eal_argc; /* what stood behind -- */
	char **eal_argv;

	/* the run */
	enum options_mode mode;
	double rate_per_s;    /* open loop; 0: closed loop */
	uint32_t outstanding; /* closed loop; 0: open loop */
	double seconds;       /* 0: until count */
	double warmup_s;
	uint64_t count; /* 0: until the time is over */
	uint32_t timeout_ms;
	uint32_t wait_s;
	uint32_t nap_us;
	uint32_t check_every;
	uint64_t seed;
	const char *json_file; /* "-": standard output; NULL: none */
	const char *cdf_file;
	const char *trace_file;

	/* clients */
	struct address targets[OPTIONS_VERSIONS];
	enum options_family family;
	uint32_t client_count;
	uint32_t ports_each;
	uint32_t edns_per_million;
	uint32_t dnssec_ok_per_million;
	bool mixed_case;

	/* names */
	enum options_names names;
	const char *names_file;
	uint32_t set_count;        /* names of OPTIONS_NAMES_SET */
	double zipf_exponent;      /* 0: each as likely as any other */
	uint32_t warm_per_million; /* questions for names of the set; the others are new */
	uint64_t unique_from;
	bool warm; /* ask for the set in order before all else */
	double flood_per_s;
	struct name zone;
	enum options_cold cold;
	uint16_t types[OPTIONS_TYPES_MAX];
	uint32_t type_count;

	/* servers: those that answer for names, then top-level domains' and the root's, if there are */
	struct address servers[OPTIONS_SERVERS_MAX];
	uint32_t server_count; /* of the first kind */
	uint32_t tld_count;
	uint32_t root_count;
	struct address gateways[OPTIONS_VERSIONS];
	uint32_t silent_servers; /* bit i: server i says nothing */
	uint32_t silent_per_million;
	uint32_t nxdomain_per_million;
	uint32_t loss_per_million;
	uint32_t delay_least_us;
	uint32_t delay_most_us;
	uint32_t wrong_ids;
	uint32_t mutate_every[OPTIONS_MUTATIONS]; /* 0: never */
	uint32_t ttl_s;
	bool ttl_clock;
	bool ttl_falls;
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_USAGE };

static inline enum options_version options_version_of(const struct address *a)
{
	return address_is_v4(a) ? OPTIONS_V4 : OPTIONS_V6;
}

static inline uint32_t options_all_servers(const struct options *o)
{
	return o->server_count + o->tld_count + o->root_count;
}

static inline enum options_role options_role_of(const struct options *o, uint32_t server_idx)
{
	if (server_idx < o->server_count)
		return OPTIONS_ROLE_AUTHORITY;
	return server_idx < o->server_count + o->tld_count ? OPTIONS_ROLE_TLD : OPTIONS_ROLE_ROOT;
}

/* Is there a root to iterate from? */
static inline bool options_is_tree(const struct options *o)
{
	return o->root_count > 0;
}

/* What is wrong is said on stderr, --help on stdout. */
MUST_USE enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
