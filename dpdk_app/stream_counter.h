/* What the stream thread counts, in one table: TCP of clients and to servers, as `porticoctl stats` and Prometheus show it.
 * Questions and answers themselves are counted by the thread's engine, as any worker's (core/counter.h).
 *
 * Every connection of a client that was accepted ends in exactly one of tcp_clients_closed_*; every question to a server
 * in exactly one of tcp_upstream_responses, tcp_upstream_failed_* and tcp_upstream_forgotten.
 *
 * Threads: the stream thread writes; others read, relaxed (aligned 8-byte words).
 */
#ifndef PORTICO_STREAM_COUNTER_H
#define PORTICO_STREAM_COUNTER_H

#include <stdint.h>

/* X(symbol, name shown to users, help) */
#define STREAM_COUNTERS(X)                                                                          \
	X(CLIENT_ACCEPTED, "tcp_clients_accepted", "TCP connections of clients that were taken")    \
	X(CLIENT_REFUSED_LIMIT, "tcp_clients_refused_limit",                                        \
	  "TCP connections closed at once: tcp.max_clients are open and none of them is idle")      \
	X(CLIENT_REFUSED_SHARE, "tcp_clients_refused_share",                                        \
	  "TCP connections closed at once: the client has its share of those that may be open")     \
	X(CLIENT_ACCEPT_ERROR, "tcp_clients_accept_errors",                                         \
	  "TCP connections that the kernel could not hand over, for want of descriptors or memory") \
	X(CLIENT_CLOSED_CLIENT, "tcp_clients_closed_client",                                        \
	  "TCP connections that the client closed")                                                 \
	X(CLIENT_CLOSED_RESET, "tcp_clients_closed_reset",                                          \
	  "TCP connections that the client reset, or that broke")                                   \
	X(CLIENT_CLOSED_IDLE, "tcp_clients_closed_idle",                                            \
	  "TCP connections closed after tcp.idle_s without a question")                             \
	X(CLIENT_CLOSED_SILENT, "tcp_clients_closed_silent",                                        \
	  "TCP connections closed because a message did not come, or not whole, in time")           \
	X(CLIENT_CLOSED_STALLED, "tcp_clients_closed_stalled",                                      \
	  "TCP connections closed because the client did not take its answers")                     \
	X(CLIENT_CLOSED_GARBAGE, "tcp_clients_closed_garbage",                                      \
	  "TCP connections closed because what came was no DNS query")                              \
	X(CLIENT_CLOSED_MEMORY, "tcp_clients_closed_memory",                                        \
	  "TCP connections closed because what clients send in part, or do not take, may not grow") \
	X(CLIENT_CLOSED_EVICTED, "tcp_clients_closed_evicted",                                      \
	  "idle TCP connections closed to make room for a new one")                                 \
	X(CLIENT_CLOSED_STOPPING, "tcp_clients_closed_stopping",                                    \
	  "TCP connections closed because Portico ends, or no longer listens there")                \
	X(CLIENT_QUESTION, "tcp_queries", "questions of clients over TCP")                          \
	X(CLIENT_ANSWER, "tcp_answers", "answers given to TCP connections of clients")              \
	X(CLIENT_ANSWER_GONE, "tcp_answers_gone",                                                   \
	  "answers whose TCP connection had been closed meanwhile")                                 \
	X(HANDOFF_LOST, "tcp_handoffs_lost",                                                        \
	  "messages between workers and TCP lost to a full ring or for want of a buffer")           \
	X(SERVER_QUESTION, "tcp_upstream_queries", "questions to be asked of servers over TCP")     \
	X(SERVER_RESPONSE, "tcp_upstream_responses", "answers of servers over TCP")                 \
	X(SERVER_FAILED_REFUSED, "tcp_upstream_failed_refused",                                     \
	  "questions whose connection was refused, or reset before it was open")                    \
	X(SERVER_FAILED_UNREACHABLE, "tcp_upstream_failed_unreachable",                             \
	  "questions whose server the kernel has no way to")                                        \
	X(SERVER_FAILED_TIMEOUT, "tcp_upstream_failed_timeout",                                     \
	  "questions over TCP without an answer in time")                                           \
	X(SERVER_FAILED_CLOSED, "tcp_upstream_failed_closed",                                       \
	  "questions whose connection was closed or reset before the answer")                       \
	X(SERVER_FAILED_GARBAGE, "tcp_upstream_failed_garbage",                                     \
	  "questions whose connection brought what is no DNS message")                              \
	X(SERVER_FAILED_LIMIT, "tcp_upstream_failed_limit",                                         \
	  "questions over TCP beyond what may be under way")                                        \
	X(SERVER_FORGOTTEN, "tcp_upstream_forgotten",                                               \
	  "questions over TCP dropped because Portico ends")                                        \
	X(SERVER_CONNECT, "tcp_upstream_connects", "TCP connections begun to servers")              \
	X(SERVER_REUSED, "tcp_upstream_reused",                                                     \
	  "questions sent on a TCP connection that was open already")                               \
	X(SERVER_RETRIED, "tcp_upstream_retried",                                                   \
	  "questions asked again on a new TCP connection, as the reused one was closed")            \
	X(SERVER_UNMATCHED, "tcp_upstream_unmatched",                                               \
	  "messages of servers over TCP with no ID under way there")                                \
	X(SERVER_MISMATCH, "tcp_upstream_mismatch",                                                 \
	  "messages of servers over TCP with the right ID but another question")                    \
	X(SERVER_CLOSED_IDLE, "tcp_upstream_closed_idle",                                           \
	  "TCP connections to servers closed because they were not used")                           \
	X(SERVER_CLOSED_SERVER, "tcp_upstream_closed_server",                                       \
	  "TCP connections that the server closed or reset, once open")

#define STREAM_GAUGES(X)                                                                           \
	X(CLIENTS_OPEN, "tcp_clients_open", "TCP connections of clients that are open")            \
	X(SERVERS_OPEN, "tcp_upstream_open", "TCP connections to servers, open or being opened")   \
	X(SERVERS_UNDER_WAY, "tcp_upstream_under_way", "questions to servers over TCP under way")

enum stream_counter {
#define X(symbol, name, help) STREAM_##symbol,
	STREAM_COUNTERS(X) STREAM_COUNTER_END,
	STREAM_COUNTER_BEFORE_GAUGES = STREAM_COUNTER_END - 1,
	STREAM_GAUGES(X)
#undef X
		STREAM_COUNTER_COUNT,
};

struct stream_counter_row {
	const char *name;
	const char *help;
};
/* Those from STREAM_COUNTER_END on are gauges. */
extern const struct stream_counter_row stream_counter_rows[STREAM_COUNTER_COUNT];

struct stream_counters {
	uint64_t value[STREAM_COUNTER_COUNT];
};

static inline void stream_counter_add(struct stream_counters *c, enum stream_counter which,
				      int64_t n)
{
	__atomic_store_n(&c->value[which], c->value[which] + (uint64_t)n, __ATOMIC_RELAXED);
}

static inline uint64_t stream_counter_get(const struct stream_counters *c,
					  enum stream_counter which)
{
	return __atomic_load_n(&c->value[which], __ATOMIC_RELAXED);
}

#endif
