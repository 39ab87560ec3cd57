/* How many TCP connections of clients may be open, in all and from one network (SECURITY D16): while more than three quarters
 * of them are, an IPv4 address or an IPv6 /64 may have a quarter of all.
 *
 * Memory: an entry of 24 bytes for each of twice as many networks as there may be connections, touched as networks come.
 * Threads: the stream thread's. Calls nothing of DPDK.
 */
#ifndef PORTICO_STREAM_LIMITS_H
#define PORTICO_STREAM_LIMITS_H

#include <stdint.h>

#include "core/address.h"
#include "core/check.h"
#include "core/hash.h"

struct stream_limits_entry {
	struct address network;
	uint32_t count; /* 0: free */
};

struct stream_limits {
	struct hash_key key;
	uint32_t place_count; /* a power of two */
	uint32_t open_max;
	uint32_t open_count;
	struct stream_limits_entry *entries;
};

enum stream_limits_result {
	STREAM_LIMITS_OK,
	STREAM_LIMITS_FULL,  /* as many as may be are open */
	STREAM_LIMITS_SHARE, /* this network has its share of them */
};

/* connections_max: that open_max may ever be. False: no memory. */
MUST_USE bool stream_limits_init(struct stream_limits *l, uint32_t connections_max,
				 const struct hash_key *key);
void stream_limits_fini(struct stream_limits *l);

/* From now on; what is open stays. */
void stream_limits_set(struct stream_limits *l, uint32_t open_max);

/* One more from there, counted if OK. */
MUST_USE enum stream_limits_result stream_limits_open(struct stream_limits *l,
						      const struct address *client);
/* One that is open already, from another table. */
void stream_limits_add(struct stream_limits *l, const struct address *client);
/* One that was opened is closed. */
void stream_limits_close(struct stream_limits *l, const struct address *client);

/* How many are open from its network. */
uint32_t stream_limits_count(const struct stream_limits *l, const struct address *client);

#endif
