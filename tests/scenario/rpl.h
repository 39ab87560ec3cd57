/* A scenario: what an .rpl file says, of either dialect (Unbound's testbound, CZ.NIC's Deckard), read into memory.
 *
 *   rpl.c          files, lines, words
 *   rpl_parse.c    ranges, entries, steps
 *   rpl_config.c   the lines before CONFIG_END
 *   rpl_keys.c     of their keys those that change nothing
 *   rpl_eval.c     ${...}
 *   rpl_message.c  messages: records read, messages compared and shown
 *   rpl_world.c    the engines that it is played on (tests/sim/world.h)
 *   rpl_play.c     the machine that plays it
 *   rpl_sent.c     queries counted
 *   rpl_known.c    what engines know, changed by steps
 *   rpl_unforeseen.c  replies to what it does not foresee
 *   rplrun.c       the program: a child process a file, verdicts
 *
 * What RPL.md does not say of the format:
 *
 *   Deckard's dialect is that of a file with `stub-addr` or `forward-addr` outside any section. There, as its guide has it, an
 *   entry without MATCH has `opcode qtype qname`, one without ADJUST has `copy_id`, which also copies the name that was asked
 *   for, `all` compares those sections only that the entry has, clients send EDNS, a REPLY step is for what no range
 *   answers, and what a client sends in RAW form need not be answered.
 *
 *   STEP n CHECK_QUERIES [ADDRESS server] [SINCE step] <=|>=|= count   is ours: that many queries (of those that match the
 *   entry that may follow) were sent to servers since that step began; without SINCE: since the last QUERY. A message over
 *   TCP is one.
 *
 *   ${...} is replaced in ASSIGN and TIME_PASSES: + - * / from left to right, $variable, `time`, `ctime seconds`,
 *   `timeout` (until the engines have something to do), `range low value high`.
 *
 *   `do-not-query-localhost: no`: servers of 127.0.0.0/8 and ::1 are played at other addresses, in records as well.
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
	RPL_COPY_NAME = 1 << 4, /* of Deckard's copy_id: the name alone, letters and all */
};

struct rpl_entry {
	unsigned line;
	unsigned match;    /* enum rpl_match */
	unsigned adjust;   /* enum rpl_adjust */
	unsigned sections; /* bit i: it has section i, if it is empty even */
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
	RPL_STEP_EXPIRE_MESSAGE,
	RPL_STEP_INFRA_RTT, /* address, count: milliseconds */
	RPL_STEP_ASSIGN,
	RPL_STEP_CHECK_QUERIES,
	RPL_STEP_KINDS,
};
extern const char *const rpl_step_text[RPL_STEP_KINDS];

struct rpl_step {
	unsigned number, line;
	enum rpl_step_kind kind;
	bool has_address;
	struct address address;
	struct rpl_entry *entry; /* NULL: none */
	char *name;              /* of a message; ASSIGN: of the variable */
	uint16_t qtype;
	char *expression; /* ASSIGN, TIME_PASSES */
	uint32_t count;   /* of milliseconds, of queries */
	char relation;    /* CHECK_QUERIES: '<' at most, '>' at least, '=' */
	uint32_t since;   /* the number of a step; UINT32_MAX: of the last question */
};
#define RPL_STEPS_MAX 4096

struct rpl_variable {
	char *name, *value;
	struct rpl_variable *next;
};

struct rpl_access {
	struct prefix clients;
	bool is_allowed; /* else refused */
	struct rpl_access *next;
};

struct rpl_zone {
	bool is_stub;
	bool by_tcp;
	unsigned line;
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
	bool asks_loopback;        /* servers on the loopback interface may be asked */
	struct rpl_access *access; /* the longest match counts; NULL: everybody may ask */
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
	bool is_flat; /* of Deckard's dialect */
	/* What $ORIGIN and $TTL say: of the records that follow. NULL: the root. */
	ldns_rdf *origin;
	uint32_t default_ttl_s;
	struct rpl_config config;
	struct rpl_range *ranges;
	unsigned step_count;
	struct rpl_step *steps;
	struct rpl_variable *variables;
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
bool rpl_is_on(struct rpl_file *f, const char *key, const char *value);
/* Over the lines up to the one that begins so. */
void rpl_skip_to(struct rpl_file *f, const char *end);
/* The address that a server is played at. */
void rpl_stand_in(const struct rpl_file *f, struct address *server);

void rpl_config_parse(struct rpl_file *f);
/* Has this key, or this value of it, no influence? */
bool rpl_key_is_passed_over(struct rpl_file *f, const char *key, const char *value);
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
struct endpoint rpl_client(const struct rpl_step *s); /* who asks in a QUERY step */
/* FLUSH_MESSAGE, EXPIRE_MESSAGE; INFRA_RTT. */
void rpl_forget(struct rpl_file *f, struct world *w, const struct rpl_step *s);
void rpl_set_rtt(struct world *w, const struct rpl_step *s);
/* The step's expression with every ${...} and $variable replaced; on the heap. What is amiss with it ends in rpl_stop. */
struct rpl_clock {
	double time_s;    /* of the wall */
	double timeout_s; /* until there is something to do */
};
char *rpl_expand(struct rpl_file *f, const struct rpl_step *s, const struct rpl_clock *clock);
double rpl_calculate(struct rpl_file *f, const struct rpl_step *s, const char *text);
void rpl_assign(struct rpl_file *f, const char *name, const char *value);
#define RPL_PROBE_NAME "rplrun-probe.invalid." /* what configured servers are probed with */
/* The queries that were sent; `at`: during which step. */
struct rpl_sent;
void rpl_sent_add(struct rpl_sent **list, const struct rpl_step *at, const struct address *server,
		  const struct rpl_seen *seen);
void rpl_sent_check(struct rpl_file *f, const struct rpl_sent *list, const struct rpl_step *s);
/* What is replied to a query that no entry matches. */
ldns_pkt *rpl_unforeseen(const struct rpl_file *f, const ldns_pkt *query);
/* Never returns but by rpl_stop or with the verdict in the file. */
void rpl_play(struct rpl_file *f, const struct rpl_options *options);

#endif
