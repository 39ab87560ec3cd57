/* A small internet for tests of iteration: zones as text, on servers of their own addresses, played by the simulator's authority
 * (tests/sim/authority.h); an engine, or several, that begin at its root. A test says what servers do instead.
 *
 * Time is the world's (tests/sim/world.h): whatever is sent is answered at once, 1 ms later.
 */
#ifndef PORTICO_ITERATE_WORLD_H
#define PORTICO_ITERATE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/msg_parse.h"
#include "tests/sim/authority.h"
#include "tests/sim/world.h"

#define ITERATE_ZONES_MAX 24
#define ITERATE_LOG_MAX 512
#define ITERATE_RTT_NS (1 * NS_PER_MS)

/* A zone, in master file format ("$ORIGIN" is its name; SOA and apex NS are there without being written). */
struct iterate_zone {
	const char *name;
	const char *servers; /* addresses, separated by spaces */
	const char *text;
};

/* What was asked. */
struct iterate_query {
	char server[64];
	char qname[256];
	uint16_t qtype;
	bool is_tcp;
	unsigned engine;
	mono_ns at;
};

struct iterate_world;
/* What a server does in place of its answer. Length of what was written to out; 0: it is silent; SIZE_MAX: as ever. */
typedef size_t iterate_server(struct iterate_world *w, const struct iterate_query *query,
			      const struct world_event *event, uint8_t *out);

struct iterate_world {
	struct world *world;
	struct tree tree;
	iterate_server *server;
	void *context;
	struct iterate_query log[ITERATE_LOG_MAX];
	unsigned query_count;
	/* the last answer */
	bool has_answer;
	mono_ns answered_at;
	uint8_t message[AUTHORITY_MESSAGE_BYTES_MAX];
	size_t message_bytes;
	struct msg_response answer;
	uint16_t next_id;
};

/* zones[0] is the root; its servers are the hints. engine_count 0: one. */
struct iterate_world *iterate_new(const struct iterate_zone zones[], unsigned zone_count,
				  unsigned engine_count);
/* Between these two w->world->config may be changed. */
void iterate_start(struct iterate_world *w);
void iterate_free(struct iterate_world *w);

/* A client asks; runs until there is an answer (true), or for 6 s. w->query_count and log begin anew. */
bool iterate_ask(struct iterate_world *w, const char *qname, uint16_t qtype);
/* The same, but it is only sent: iterate_run runs until all is quiet or for so long, and returns how many answers came. */
void iterate_send(struct iterate_world *w, const char *qname, uint16_t qtype, uint16_t client);
unsigned iterate_run(struct iterate_world *w, uint64_t ns);

uint16_t iterate_rcode(const struct iterate_world *w);
/* EDE of the last answer; DNS_EDE_NONE: it has none. */
uint16_t iterate_ede(const struct iterate_world *w);
/* Is there a record of this owner and type in the answer section whose RDATA is that of the text? rdata NULL: whatever. */
bool iterate_has(const struct iterate_world *w, const char *owner, uint16_t type,
		 const char *rdata);
unsigned iterate_answer_count(const struct iterate_world *w);
/* How many queries for this name and type (0: any; NULL: any) were sent, to this server (NULL: any). */
unsigned iterate_queries(const struct iterate_world *w, const char *server, const char *qname,
			 uint16_t qtype);
/* What the authority at the event's address answers. */
size_t iterate_authority(const struct iterate_world *w, const struct world_event *event,
			 uint8_t *out);
void iterate_print(const struct iterate_world *w);

#endif
