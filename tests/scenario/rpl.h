/* A scenario: what an .rpl file says, of either dialect (Unbound's testbound, CZ.NIC's Deckard), read into memory.
 *
 *   rpl.c          files, lines, words
 *   rpl_parse.c    ranges, entries, steps
 *   rpl_config.c   the lines before CONFIG_END
 *   rpl_message.c  messages: records read, messages compared and shown
 *   rpl_world.c    the engines that it is played on (tests/sim/world.h)
 *   rpl_play.c     the machine that plays it
 *   rpl_unforeseen.c  replies to what it does not foresee
 *   rplrun.c       the program: a child process a file, verdicts
 *
 * Memory: heap, not freed but at the end of the process: it is a file's. Errors: rpl_stop(), a longjmp to whoever has set
 * file->stop, since a scenario that is not understood can only be given up.
 */
#ifndef PORTICO_RPL_H
#define PORTICO_RPL_H

#include <ldns/ldns.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/span.h"

enum rpl_verdict { RPL_PASS, RPL_LENIENT, RPL_FAIL, RPL_SKIP, RPL_VERDICT_COUNT };
extern const char *const rpl_verdict_text[RPL_VERDICT_COUNT];

/* What an entry is compared by. */
enum rpl_match {
	RPL_OPCODE = 1 << 0,
	RPL_QTYPE = 1 << 1,
	RPL_QNAME = 1 << 2,
	RPL_QCASE = 1 << 3,
	RPL_SUBDOMAIN = 1 << 4, /* the entry's name is the message's or above it */
	RPL_QUESTION = 1 << 5,
	RPL_ANSWER = 1 << 6, /* sections, as sets */
	RPL_AUTHORITY = 1 << 7,
	RPL_ADDITIONAL = 1 << 8,
	RPL_RCODE = 1 << 9,
	RPL_FLAGS = 1 << 10,
	RPL_TTL = 1 << 11, /* of the sections that are compared */
	RPL_UDP = 1 << 12,
	RPL_TCP = 1 << 13,
	RPL_DO = 1 << 14,
	RPL_CO = 1 << 15,
	RPL_NOEDNS = 1 << 16,
	RPL_EDNS = 1 << 17,
	RPL_NSID = 1 << 18,
	RPL_SERIAL = 1 << 19, /* of a SOA in the authority section (IXFR) */
	RPL_EDE = 1 << 20,
	RPL_EDNSDATA = 1 << 21,
	RPL_CLIENT_COOKIE = 1 << 22,
	RPL_SERVER_COOKIE = 1 << 23,
};
#define RPL_ALL                                                                                    \
	(RPL_OPCODE | RPL_QTYPE | RPL_QNAME | RPL_QUESTION | RPL_FLAGS | RPL_RCODE | RPL_ANSWER |  \
	 RPL_AUTHORITY | RPL_ADDITIONAL)
#define RPL_SECTIONS (RPL_ANSWER | RPL_AUTHORITY | RPL_ADDITIONAL)
#define RPL_EDE_ANY UINT32_MAX

enum rpl_adjust {
	RPL_COPY_ID = 1 << 0,
	RPL_COPY_QUERY = 1 << 1,
	RPL_RAW_ID = 1 << 2,
	RPL_DO_NOT_ANSWER = 1 << 3,
};

struct rpl_entry {
	unsigned line;
	unsigned match;  /* enum rpl_match */
	unsigned adjust; /* enum rpl_adjust */
	uint32_t serial, ede;
	uint64_t sleep_ms;
	bool has_reply; /* a REPLY line */
	bool is_mandatory, was_used;
	ldns_pkt *packet;
	ldns_buffer *raw;        /* a whole message instead; NULL: none */
	ldns_buffer *options;    /* of EDNS */
	struct rpl_entry *extra; /* another packet of the reply */
	struct rpl_entry *next;
};

#define RPL_ADDRESSES_MAX 64
struct rpl_range {
	unsigned first, last;
	unsigned address_count; /* 0: any */
	struct address addresses[RPL_ADDRESSES_MAX];
	struct rpl_entry *entries;
	struct rpl_range *next;
};

enum rpl_step_kind {
	RPL_STEP_QUERY,
	RPL_STEP_CHECK_ANSWER,
	RPL_STEP_CHECK_OUT_QUERY,
	RPL_STEP_REPLY,
	RPL_STEP_TIMEOUT,
	RPL_STEP_ERROR,
	RPL_STEP_NOTHING,
	RPL_STEP_TRAFFIC,
	RPL_STEP_TIME_PASSES,
	RPL_STEP_FLUSH_MESSAGE,
	RPL_STEP_INFRA_RTT, /* address, elapse_s */
	RPL_STEP_KINDS,
};
extern const char *const rpl_step_text[RPL_STEP_KINDS];

struct rpl_step {
	unsigned number, line;
	enum rpl_step_kind kind;
	bool has_address;
	struct address address;
	double elapse_s;
	struct rpl_entry *entry; /* NULL: none */
	/* FLUSH_MESSAGE */
	char *name;
	uint16_t qtype;
};
#define RPL_STEPS_MAX 4096

struct rpl_zone {
	bool is_stub;
	char name[1024];
	unsigned server_count;
	struct endpoint servers[16];
	struct rpl_zone *next;
};

/* What the engine can do of what the configuration wants. */
struct rpl_config {
	struct rpl_zone *zones; /* a stub zone "." is the root hints */
	bool no_ip4, no_ip6;
	bool minimises; /* the default */
	bool case_randomization;
	bool asks_loopback; /* servers on the loopback interface may be asked */
	bool serve_stale, prefetch, round_robin;
	uint32_t min_ttl_s, max_ttl_s, negative_max_ttl_s, failure_ttl_s, max_stale_s,
		client_timeout_ms;
	uint32_t udp_size_bytes;
	uint32_t wall_s; /* at the start; 0: any */
};

struct rpl_file {
	const char *path;
	char *text, *next_line;
	unsigned line; /* of the one read last */
	char title[256];
	/* What $ORIGIN and $TTL say: of the records that follow. NULL: the root. */
	ldns_rdf *origin;
	uint32_t default_ttl_s;
	struct rpl_config config;
	struct rpl_range *ranges;
	unsigned step_count;
	struct rpl_step *steps;
	/* the outcome */
	jmp_buf stop;
	enum rpl_verdict verdict;
	char reason[512];
};

/* Give the file up. */
_Noreturn void rpl_stop(struct rpl_file *f, enum rpl_verdict verdict, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The next line that says something, without comments and blanks around; NULL: the end. With hash_comments `#` begins one, too.
 * It may be written to. */
char *rpl_line(struct rpl_file *f, bool hash_comments);
/* The next word of *line, which is moved on; NULL: none. Quotes are no part of it. */
char *rpl_word(char **line);
bool rpl_is(const char *word, const char *keyword); /* without regard to case */
void *rpl_new(size_t bytes);                        /* zeroed */
struct address rpl_address(struct rpl_file *f, const char *text);
uint32_t rpl_number(struct rpl_file *f, const char *text);

void rpl_config_parse(struct rpl_file *f);
/* From behind CONFIG_END to SCENARIO_END. */
void rpl_parse(struct rpl_file *f);

/* A record (or, of the section QUESTION, a question) in zone-file form. */
ldns_rr *rpl_record(struct rpl_file *f, const char *line, bool is_question);
uint16_t rpl_type(struct rpl_file *f, const char *text);

/* A message that was seen. */
struct rpl_seen {
	ldns_pkt *packet;
	bool is_tcp;
};
/* What of `entry->match` does not hold: 0, it matches. */
unsigned rpl_mismatch(const struct rpl_entry *entry, const struct rpl_seen *seen);
/* Do RCODE, the flags QR, TC and AD, the question and the answer section agree? */
bool rpl_lenient(const struct rpl_entry *entry, const struct rpl_seen *seen);
/* The entry as the reply to a query. */
ldns_buffer *rpl_reply(const struct rpl_entry *entry, const ldns_pkt *query);
const char *rpl_mismatch_text(unsigned mismatch, char text[256]);
void rpl_show(const char *says, const ldns_pkt *packet);

struct rpl_options {
	unsigned workers;
	uint64_t seed;
	bool is_verbose; /* every message that goes by */
};
/* Engines that are configured as the file wants. */
struct world;
struct world *rpl_world_new(struct rpl_file *f, const struct rpl_options *options);
#define RPL_PROBE_NAME "rplrun-probe.invalid." /* what configured servers are probed with */
/* What is replied to a query that no entry matches. */
ldns_pkt *rpl_unforeseen(const struct rpl_file *f, const ldns_pkt *query);
/* Never returns but by rpl_stop or with the verdict in the file. */
void rpl_play(struct rpl_file *f, const struct rpl_options *options);

#endif
