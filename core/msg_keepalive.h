/* The option edns-tcp-keepalive (RFC 7828), for whoever carries messages over TCP: asked for by a client, answered with how long
 * a connection may be idle; over UDP there is none.
 *
 *   of a client's query:   msg_has_keepalive, before the engine has it
 *   of our answer:         msg_add_keepalive
 *   of a query of ours:    msg_ask_keepalive
 *   of a server's answer:  msg_keepalive_timeout
 *
 * Memory: nothing is kept. Threads: pure functions. Messages are untrusted; at most RECORDS_PARSED_MAX records of one are looked at, and
 * EDNS_OPTIONS_PARSED_MAX options.
 */
#ifndef PORTICO_MSG_KEEPALIVE_H
#define PORTICO_MSG_KEEPALIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check.h"
#include "span.h"

/* Of the message's OPT: is the option there, with any contents? (RFC 7828 section 3.2.1: a client's is empty; one that is not is
 * treated as if it were.) */
bool msg_has_keepalive(struct span message);
/* Append the option to the OPT of an answer of ours, in units of 100 ms. message.capacity_bytes: of the whole buffer. Returns the length
 * then; length_bytes, and nothing is written: there is no OPT, or it is not last, or there is no room. */
size_t msg_add_keepalive(struct buffer message, size_t length_bytes, uint16_t timeout_100ms);
/* The same of a query: the option is empty. */
size_t msg_ask_keepalive(struct buffer message, size_t length_bytes);
/* What the server says; false: nothing. 0: close it. */
MUST_USE bool msg_keepalive_timeout(struct span message, uint16_t *timeout_100ms);

#endif
