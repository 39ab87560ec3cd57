/* A whole internet of zones for the simulator: a root, what it delegates, and so on down; made by a seed as zone files, which
 * ldns reads, as it would read an operator's. Records stand here in wire form. Names are in lower case.
 *
 * Shares no code with core: what resolves these zones is judged by them.
 *
 * Memory: from the heap, tree_free gives it back. Threads: one's own.
 */
#ifndef SIM_TREE_H
#define SIM_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/load/random.h"

#define TREE_NAME_BYTES 255
#define TREE_ADDRESS_BYTES 16
#define TREE_ZONES_MAX 256
#define TREE_SERVERS_MAX 512
#define TREE_SERVER_ZONES_MAX 32
#define TREE_NAMES_MAX 4096

enum tree_type {
	TREE_A = 1,
	TREE_NS = 2,
	TREE_CNAME = 5,
	TREE_SOA = 6,
	TREE_MX = 15,
	TREE_TXT = 16,
	TREE_AAAA = 28,
	TREE_DNAME = 39,
	TREE_DS = 43,
	TREE_HTTPS = 65,
	TREE_ANY = 255,
	TREE_UNKNOWN = 65280,
};

struct tree_name {
	uint8_t length_bytes;
	uint8_t bytes[TREE_NAME_BYTES]; /* wire form, no pointers */
};

struct tree_record {
	struct tree_name owner;
	uint16_t type;
	uint16_t rdata_bytes;
	uint32_t ttl_s;
	const uint8_t *rdata; /* uncompressed, on the heap */
};

struct tree_zone {
	struct tree_name name;
	char *text; /* the zone file */
	struct tree_record *records;
	unsigned record_count;
	bool is_unreachable; /* its servers' names need it */
};

/* A machine that serves zones: IPv4 addresses are mapped (::ffff:0:0/96). */
struct tree_server {
	uint8_t address[TREE_ADDRESS_BYTES];
	unsigned zone_count;
	uint16_t zones[TREE_SERVER_ZONES_MAX];
};

struct tree {
	unsigned zone_count;
	struct tree_zone *zones; /* [0]: the root; parents before children */
	unsigned server_count;
	struct tree_server *servers;
	/* Names worth asking for: all owners, and some that there are not. */
	unsigned name_count;
	struct tree_name *names;
};

struct tree_shape {
	unsigned zone_count; /* 2 to TREE_ZONES_MAX */
	unsigned hosts;      /* names a zone, at most */
	bool has_v6;
	bool has_loops; /* CNAMEs that lead in a circle, name servers that need each other */
};

/* NULL: a zone file of ours was not one, which ends in a message on stderr. */
struct tree *tree_make(struct random *random, const struct tree_shape *shape);
void tree_free(struct tree *tree);

/* Of text ("www.example."); for tests. */
struct tree_name tree_name_of(const char *text);
/* Presentation form into text[TREE_NAME_BYTES * 4 + 2]. */
void tree_name_print(const struct tree_name *name, char *text);
bool tree_name_equal(const struct tree_name *a, const struct tree_name *b);
/* Is it `above`, or below it? */
bool tree_name_is_below(const struct tree_name *name, const struct tree_name *above);
unsigned tree_name_labels(const struct tree_name *name);
/* The last so many labels of it. */
struct tree_name tree_name_tail(const struct tree_name *name, unsigned labels);
/* label_bytes: with its length byte. False: too long. */
bool tree_name_join(const uint8_t *head, size_t head_bytes, const struct tree_name *tail,
		    struct tree_name *out);

/* The next record of that owner and type (TREE_ANY: any), from *at on, which is moved behind it; NULL: none. */
const struct tree_record *tree_find(const struct tree_zone *zone, const struct tree_name *owner,
				    uint16_t type, unsigned *at);
/* Is there this name in the zone, be it that only longer ones have records? Glue below a cut counts. */
bool tree_has_name(const struct tree_zone *zone, const struct tree_name *name);
/* The cut at or above the name, below the zone's own, that is nearest to the zone; false: the zone itself has it. */
bool tree_find_cut(const struct tree_zone *zone, const struct tree_name *name,
		   struct tree_name *out);
/* Index of the zone of exactly this name, or -1. */
int tree_zone_named(const struct tree *tree, const struct tree_name *name);
const struct tree_server *tree_server_at(const struct tree *tree,
					 const uint8_t address[TREE_ADDRESS_BYTES]);

#endif
