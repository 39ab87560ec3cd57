/* Every counter of a worker, in one table. What a worker receives, from a device, from another worker or from whoever
 * carries TCP, ends in exactly one of OUTCOMES, so that their sum is rx_packets + handoffs + stream_messages, always
 * (SECURITY.md R14); EVENTS count what happens besides. Over all workers, handoffs is what was handed off, less what is in the
 * rings. Queries over TCP have counters of their own: upstream_tcp_queries is the sum of upstream_tcp_responses, _unusable,
 * _failures, _timeouts, _cancelled and what is under way.
 *
 * Two are corrected downwards: what was counted as handed off and then found its ring full becomes a drop in the same turn.
 *
 * Threads: worker: writes; control: reads, relaxed (aligned 8-byte words).
 */
#ifndef PORTICO_COUNTER_H
#define PORTICO_COUNTER_H

#include <stdint.h>

/* X(symbol, name shown to users, help) */
#define COUNTER_OUTCOMES(X)                                                                        \
	X(QUESTION_NEW, "questions_new", "questions that began a resolution")                      \
	X(CACHE_HIT, "cache_hits", "questions answered from the cache")                            \
	X(COALESCED, "coalesced", "questions that joined an identical one under way")              \
	X(QUESTION_REPLIED, "questions_replied",                                                   \
	  "questions answered at once: errors, refusals, ANY")                                     \
	X(QUESTION_HANDED_OFF, "questions_handed_off",                                             \
	  "questions given to the worker that owns them")                                          \
	X(PACKET_HANDED_OFF, "packets_handed_off",                                                 \
	  "replies given to the worker that asked; ARP, ND and echo given to the first worker")    \
	X(UPSTREAM_RESPONSE, "upstream_responses", "replies that matched a query under way")       \
	X(LATE_RESPONSE, "late_responses",                                                         \
	  "replies to queries that had timed out or were replaced")                                \
	X(NEAR_MISS, "near_misses",                                                                \
	  "replies with our address, port and peer but a wrong ID, each counted once by the last " \
	  "worker it concerns")                                                                    \
	X(UNMATCHED, "unmatched", "replies to no query under way")                                 \
	X(MISMATCH_QUESTION, "mismatch_question",                                                  \
	  "replies with the right ID but another question")                                        \
	X(MISMATCH_CASE, "mismatch_case", "replies that lost the question's letter case")          \
	X(RESPONSE_UNPARSABLE, "responses_unparsable",                                             \
	  "replies with the right ID that do not parse")                                           \
	X(UPSTREAM_TCP_RESPONSE, "upstream_tcp_responses",                                         \
	  "replies over TCP to a query under way")                                                 \
	X(UPSTREAM_TCP_UNUSABLE, "upstream_tcp_unusable",                                          \
	  "replies over TCP that do not parse, have another question or are truncated")            \
	X(UPSTREAM_TCP_FAILURE, "upstream_tcp_failures",                                           \
	  "queries over TCP that failed: refused, unreachable, closed, not in time, no place")     \
	X(UPSTREAM_TCP_LATE, "upstream_tcp_late",                                                  \
	  "replies over TCP, and failures, of queries that had timed out or were given up")        \
	X(ARP_ANSWERED, "arp_answered", "ARP requests answered")                                   \
	X(ND_ANSWERED, "nd_answered", "neighbour solicitations answered")                          \
	X(ECHO_ANSWERED, "echo_answered", "ICMP echo requests answered")                           \
	X(NEIGHBOUR_LEARNED, "neighbour_learned", "answers to our own ARP or ND questions")        \
	X(NEIGHBOUR_HINT, "neighbour_hints", "announcements that a neighbour may have moved")      \
	X(DROP_NEIGHBOUR_UNASKED, "drops_neighbour_unasked",                                       \
	  "ARP or ND answers that we did not ask for")                                             \
	X(DROP_SHORT, "drops_short", "frame shorter than its headers say")                         \
	X(DROP_MULTI_SEGMENT, "drops_multi_segment", "frame longer than one receive buffer")       \
	X(DROP_L2_DST, "drops_l2_dst", "destination MAC not ours")                                 \
	X(DROP_L2_SRC, "drops_l2_src", "source MAC zero, multicast or our own")                    \
	X(DROP_VLAN, "drops_vlan", "VLAN tag missing, wrong or double")                            \
	X(DROP_ETHERTYPE, "drops_ethertype", "neither IPv4, IPv6 nor ARP")                         \
	X(DROP_IP_HEADER, "drops_ip_header", "IP version, header length or total length")          \
	X(DROP_IP_CHECKSUM, "drops_ip_csum", "IPv4 header checksum")                               \
	X(DROP_IP_OPTIONS, "drops_ip_options", "IPv4 options")                                     \
	X(DROP_IP_FRAGMENT, "drops_frag", "IP fragment")                                           \
	X(DROP_IP_EXTENSION, "drops_ip_extension", "IPv6 extension header")                        \
	X(DROP_IP_MARTIAN_SRC, "drops_martian_src", "source address that no host may have")        \
	X(DROP_IP_DST, "drops_ip_dst", "destination address not ours")                             \
	X(DROP_IP_PROTOCOL, "drops_ip_protocol", "neither UDP nor ICMP")                           \
	X(DROP_UDP_LENGTH, "drops_udp_length", "UDP length differs from the IP payload")           \
	X(DROP_UDP_CHECKSUM, "drops_udp_csum", "UDP checksum wrong, or zero over IPv6")            \
	X(DROP_UDP_PORT, "drops_udp_port",                                                         \
	  "UDP to a port that we neither listen on nor send from")                                 \
	X(DROP_UDP_SRC_PORT, "drops_udp_src_port", "UDP from port 0, 7, 13, 17, 19 or 37")         \
	X(DROP_ARP, "drops_arp", "ARP malformed, not for us or off-link")                          \
	X(DROP_ND, "drops_nd", "neighbour discovery that violates RFC 4861")                       \
	X(DROP_ICMP_CHECKSUM, "drops_icmp_csum", "ICMP checksum")                                  \
	X(DROP_ICMP_TYPE, "drops_icmp_type", "ICMP other than echo and neighbour discovery")       \
	X(DROP_RATE_ARP, "drops_rate_arp", "ARP or ND beyond the rate that is answered")           \
	X(DROP_RATE_ECHO, "drops_rate_echo", "echo requests beyond the rate that is answered")     \
	X(DROP_RATE_ERROR, "drops_rate_error",                                                     \
	  "questions whose error reply was over the prefix's rate")                                \
	X(DROP_NO_ROOM, "drops_no_room",                                                           \
	  "packets that could not be written over, for the answer or to be passed")                \
	X(DROP_QUERY_SHORT, "drops_query_short", "datagram to the DNS port without a DNS header")  \
	X(DROP_QUERY_IS_RESPONSE, "drops_query_qr", "response (QR=1) sent to the DNS port")        \
	X(DROP_WAITERS_FULL, "drops_waiters_full", "no place for another waiting client")          \
	X(DROP_CLIENT_WAITERS, "drops_client_waiters",                                             \
	  "one client waits for too many answers already")                                         \
	X(DROP_QUESTION_WAITERS, "drops_question_waiters",                                         \
	  "too many clients wait for this question")                                               \
	X(DROP_HANDOFF_FULL, "drops_handoff_full",                                                 \
	  "no place in the ring towards the worker that it is for")                                \
	X(DROP_ANSWERS_FULL, "drops_answers_full",                                                 \
	  "no buffer for an upstream answer; it is asked again")                                   \
	X(DROP_STOPPING, "drops_stopping", "new questions while shutting down")                    \
	X(LEFT_TO_KERNEL, "left_to_kernel",                                                        \
	  "packets on a device that the kernel shares which are the kernel's to deal with")        \
	X(KERNEL_RX, "kernel_rx", "packets given to the kernel, by a TAP")                         \
	X(DROP_KERNEL_FULL, "drops_kernel_full",                                                   \
	  "packets for the kernel's TAP that found its queue full")                                \
	X(SUB_QUESTION, "sub_questions_taken", "sub-questions of other workers' questions")        \
	X(SUB_ANSWER, "sub_answers_taken", "answers of other workers to our sub-questions")        \
	X(SUB_ANSWER_LATE, "sub_answers_late",                                                     \
	  "answers of other workers that nothing waits for any more")

#define COUNTER_EVENTS(X)                                                                          \
	X(RX_PACKETS, "rx_packets", "packets received from devices")                               \
	X(TX_PACKETS, "tx_packets", "packets sent")                                                \
	X(TX_DROPPED, "tx_dropped",                                                                \
	  "packets that the device, or the ring towards the worker that holds its queue, did not " \
	  "take")                                                                                  \
	X(STREAM_MESSAGES, "stream_messages",                                                      \
	  "questions of clients, and replies and failures of servers, that came over TCP")         \
	X(STREAM_ANSWERS, "stream_answers", "answers that clients over TCP had to wait for")       \
	X(QUERIES, "queries", "well-addressed DNS queries from clients")                           \
	X(ANSWERS_NOERROR, "answers_noerror", "answers with NOERROR")                              \
	X(ANSWERS_FORMERR, "answers_formerr", "answers with FORMERR")                              \
	X(ANSWERS_SERVFAIL, "answers_servfail", "answers with SERVFAIL")                           \
	X(ANSWERS_NXDOMAIN, "answers_nxdomain", "answers with NXDOMAIN")                           \
	X(ANSWERS_NOTIMP, "answers_notimp", "answers with NOTIMP")                                 \
	X(ANSWERS_REFUSED, "answers_refused", "answers with REFUSED")                              \
	X(ANSWERS_OTHER, "answers_other", "answers with any other rcode")                          \
	X(ANSWERS_TRUNCATED, "answers_truncated", "answers with TC=1")                             \
	X(CACHE_MISSES, "cache_misses", "questions that the cache had no answer to")               \
	X(CACHE_STALE, "cache_stale", "answers that were expired (RFC 8767)")                      \
	X(CACHE_PREFETCHES, "cache_prefetches",                                                    \
	  "popular answers asked for again before they expire")                                    \
	X(CACHE_FAILURES, "cache_failures", "failures kept (RFC 9520)")                            \
	X(CACHE_OVERTAKEN, "cache_overtaken", "look-ups whose entry was overwritten meanwhile")    \
	X(UPSTREAM_QUERIES, "upstream_queries", "queries sent to upstream servers")                \
	X(UPSTREAM_TIMEOUTS, "upstream_timeouts", "queries that no reply came to in time")         \
	X(UPSTREAM_RETRIES, "upstream_retries",                                                    \
	  "queries sent again, to the same or another server")                                     \
	X(UPSTREAM_CANCELLED, "upstream_cancelled",                                                \
	  "queries given up for another reason than time")                                         \
	X(UPSTREAM_MOVED, "upstream_moved",                                                        \
	  "queries asked again because their port or address was given up; cancelled ones, too")   \
	X(UPSTREAM_ERRORS, "upstream_errors", "replies with SERVFAIL, REFUSED, NOTIMP or FORMERR") \
	X(UPSTREAM_TCP_QUERIES, "upstream_tcp_queries",                                            \
	  "queries to upstream servers over TCP; not among upstream_queries")                      \
	X(UPSTREAM_TCP_TIMEOUTS, "upstream_tcp_timeouts",                                          \
	  "queries over TCP that nothing was heard of in time")                                    \
	X(UPSTREAM_TCP_CANCELLED, "upstream_tcp_cancelled",                                        \
	  "queries over TCP given up for another reason than time")                                \
	X(TRUNCATED_TO_TCP, "truncated_to_tcp", "replies with TC=1 whose question went on to TCP") \
	X(NEAR_MISSES_TO_TCP, "near_misses_to_tcp",                                                \
	  "queries that somebody guessed at whose question went on to TCP")                        \
	X(SERVERS_TO_TCP_ONLY, "servers_to_tcp_only",                                              \
	  "times a server was taken for one that is asked over TCP only: too many near misses")    \
	X(PROBES, "probes", "health probes sent to servers that are down")                         \
	X(SHED_UNDER_WAY, "shed_under_way", "questions refused because max_under_way was reached") \
	X(SHED_SERVER_SHARE, "shed_server_share",                                                  \
	  "queries not sent: the server had as many under way as it may have")                     \
	X(SHED_OLD, "shed_old",                                                                    \
	  "questions given up early, the oldest first, as there was hardly room for others")       \
	X(SHED_ZONE_SHARE, "shed_zone_share",                                                      \
	  "questions refused: as many asked the zone's servers as may")                            \
	X(SHED_TICKETS, "shed_tickets", "queries not sent: no free ticket after all draws")        \
	X(SHED_BUDGET, "shed_budget", "questions ended at their budget of packets or time")        \
	X(REFERRALS, "referrals", "replies that led to another zone's servers")                    \
	X(UPSTREAM_USELESS, "upstream_useless",                                                    \
	  "replies of which nothing is believed: lame, upward, contradicting themselves")          \
	X(LOCAL_NAMES, "local_names",                                                              \
	  "questions for special names that were answered here (RFC 6761)")                        \
	X(DENIED_ABOVE, "denied_above",                                                            \
	  "questions answered because a name above theirs is known not to exist (RFC 8020)")       \
	X(DENIED_WRONGLY, "denied_wrongly", "names that were denied although names below exist")   \
	X(BUDGET_PACKETS, "budget_packets", "questions ended at what they may send")               \
	X(BUDGET_QUESTION_PACKETS, "budget_question_packets",                                      \
	  "questions ended at what may be sent for one name and type")                             \
	X(BUDGET_BYTES, "budget_bytes", "questions ended at the bytes that may be received")       \
	X(BUDGET_LINKS, "budget_links", "questions ended at so many CNAMEs and DNAMEs")            \
	X(BUDGET_DEPTH, "budget_depth", "questions ended at so many that wait for each other")     \
	X(BUDGET_REFERRALS, "budget_referrals", "questions ended at so many referrals")            \
	X(BUDGET_ADDRESS_LOOKUPS, "budget_address_lookups",                                        \
	  "questions ended at so many names of servers looked up")                                 \
	X(BUDGET_ADDRESS_FAILURES, "budget_address_failures",                                      \
	  "questions ended at so many names of servers without an address")                        \
	X(BUDGET_STEPS, "budget_steps",                                                            \
	  "questions asked whole because so many minimised names were asked before (RFC 9156)")    \
	X(BUDGET_TCP, "budget_tcp", "questions ended when so many were asked over TCP")            \
	X(BUDGET_TIME, "budget_time", "questions ended because their time was over")               \
	X(ENTROPY_WAITS, "entropy_waits", "sends that waited for random bytes")                    \
	X(NEIGHBOUR_WAITS, "neighbour_waits", "sends that waited for a neighbour's MAC")           \
	X(SOLICITS, "solicits", "ARP and ND questions sent")                                       \
	X(KERNEL_TX, "kernel_tx", "packets of the kernel's, from a TAP, sent")                     \
	X(KERNEL_TX_REFUSED, "kernel_tx_refused",                                                  \
	  "packets of the kernel's, from a TAP, not sent: malformed, or UDP from a port of ours")  \
	X(HANDOFFS, "handoffs", "packets, questions and sub-questions taken from other workers")   \
	X(SUB_ASKED, "sub_questions", "questions asked for the sake of another one")               \
	X(SUB_CACHED, "sub_cache_hits", "of them, those that the cache had an answer to")          \
	X(SUB_NEW, "sub_questions_new", "of them, those that began a resolution")                  \
	X(SUB_HERE, "sub_asked_here", "of them, steps that were sent without one")                 \
	X(SUB_COALESCED, "sub_coalesced", "of them, those that joined one under way")              \
	X(SUB_LOOPS, "sub_loops", "of them, those that would have waited for themselves")          \
	X(SUB_FULL, "sub_full", "of them, those that there was no place for")                      \
	X(SUB_TIMEOUTS, "sub_timeouts", "of them, those that nothing was heard of in time")        \
	X(SUB_RESENT, "sub_resent", "sub-questions given to another worker once more")             \
	X(SUB_PASSED, "sub_messages_passed", "sub-questions and answers given to other workers")   \
	X(SUB_LOST, "sub_messages_lost",                                                           \
	  "sub-questions and answers that found no place in the ring towards their worker")        \
	X(STREAM_LOST, "tcp_messages_lost",                                                        \
	  "messages of workers for TCP lost to a full ring or for want of a buffer")               \
	X(FRAMES_RELAYED, "frames_relayed",                                                        \
	  "frames sent through the queue of another worker, for want of an own one")               \
	X(WAKES, "wakes", "naps of other workers ended because something was passed to them")      \
	X(BUSY_CYCLES, "busy_cycles", "TSC cycles spent on non-empty bursts")                      \
	X(IDLE_CYCLES, "idle_cycles", "TSC cycles spent on turns in which nothing was to be done") \
	X(SAMPLED_PACKETS, "sampled_packets",                                                      \
	  "packets of the bursts whose stages were measured, one burst in 64")                     \
	X(CYCLES_PARSE, "cycles_parse",                                                            \
	  "TSC cycles of sampled bursts: frames and messages parsed, look-ups begun")              \
	X(CYCLES_REACH, "cycles_reach", "TSC cycles of sampled bursts: index and tables reached")  \
	X(CYCLES_ACT, "cycles_act", "TSC cycles of sampled bursts: answered, asked, matched")      \
	X(NAPS, "naps", "times the worker slept because there was nothing to do")

enum counter {
#define X(symbol, name, help) COUNTER_##symbol,
	COUNTER_OUTCOMES(X) COUNTER_OUTCOME_COUNT,
	COUNTER_BEFORE_EVENTS = COUNTER_OUTCOME_COUNT - 1,
	COUNTER_EVENTS(X)
#undef X
		COUNTER_COUNT,
};

struct counter_row {
	const char *name;
	const char *help;
};
extern const struct counter_row counter_rows[COUNTER_COUNT];

struct counters {
	uint64_t value[COUNTER_COUNT];
};

static inline void counter_add(struct counters *c, enum counter which, uint64_t n)
{
	c->value[which] += n;
}

#endif
