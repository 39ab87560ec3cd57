/* Keys of unbound.conf and of Deckard that a scenario may have without any influence on its outcome here, whatever their value,
 * and why; and those of which only one value is what the engine does.
 */
#include <string.h>

#include "core/check.h"
#include "core/limits.h"
#include "rpl.h"

/* `*` at the end of a word: all keys that begin so. */
static const struct {
	const char *why;
	const char *keys;
} passed_over[] = {
	{"How a process is run, and what it writes about itself.",
	 "verbosity num-threads statistics-* extended-statistics shm-* chroot username directory "
	 "logfile use-syslog log-* pidfile use-systemd do-daemonize version identity hide-* "
	 "http-user-agent dnstap-*"},
	{"How much memory there is, how many files, threads, sockets and ports: a scenario never "
	 "fills them.",
	 "msg-cache-* rrset-cache-* key-cache-* neg-cache-* infra-* msg-buffer-size so-* "
	 "num-queries-per-thread jostle-timeout outgoing-range outgoing-port-* outgoing-num-tcp "
	 "incoming-num-tcp stream-wait-size wait-limit* discard-timeout delay-close udp-connect "
	 "unknown-server-time-limit ratelimit-* ip-ratelimit-* sock-queue-timeout"},
	{"The wire is simulated: sockets and what is carried over TCP and TLS.",
	 "interface interface-automatic port outgoing-interface ip-transparent ip-freebind ip-dscp "
	 "tcp-mss outgoing-tcp-mss tcp-idle-timeout tcp-reuse-timeout max-reuse-tcp-queries "
	 "tcp-auth-query-timeout tcp-connection-limit edns-tcp-keepalive* tls-* ssl-port "
	 "ssl-service-* ssl-cert-bundle http-* quic-* pad-* do-udp do-tcp max-udp-size "
	 "udp-upstream-without-downstream"},
	{"Validation, which nothing but a trust anchor begins, and that one is looked at.",
	 "val-* harden-algo-downgrade harden-dnssec-stripped harden-referral-path aggressive-nsec "
	 "trust-anchor-signaling root-key-sentinel domain-insecure fake-sha1 fake-dsa "
	 "insecure-lan-zones prefetch-key disable-dnssec-lame-check zonemd-permissive-mode "
	 "permit-small-holddown add-holddown del-holddown keep-missing"},
	{"Which servers are asked first, how often, and of which addresses are looked up before "
	 "they are needed: what nobody foresaw is replied to.",
	 "target-fetch-policy fetch-policy prefer-ip4 prefer-ip6 fast-server-* outbound-msg-retry "
	 "stub-prime qname-minimisation-strict low-rtt low-rtt-permil"},
	{"What is left out of answers, or put in: it is compared where MATCH says so, and lenient.",
	 "minimal-responses deny-any ede ede-serve-expired serve-expired-reply-ttl "
	 "serve-expired-ttl-reset"},
	{"The engine trusts no more than these have one trust, whatever they say.",
	 "harden-glue harden-unverified-glue harden-large-queries harden-short-bufsize "
	 "harden-unknown-additional iter-scrub-* unwanted-reply-threshold caps-exempt "
	 "caps-whitelist"},
	{"Exceptions from what is not there: private-address.", "private-domain"},
	{"Of an NXDOMAIN that has been validated, as it is meant there.", "harden-below-nxdomain"},
	{"Of modules that module-config would have to name, which is looked at.",
	 "dns64-* subnet-* client-subnet-* send-client-subnet max-client-subnet-* "
	 "min-client-subnet-* max-ecs-tree-size-* ipsecmod-* ipset-*"},
	{"Deckard: the address of the root is one of this family, as stub-addr says anyway.",
	 "force-ipv6"},
	{"Deckard: what the resolver must have; what it lacks shows.", "features"},
};

/* Whose default is what the engine does: other values are not supported. */
static const struct {
	const char *key, *value;
} only_so[] = {
	{"forward-first", "no"},        {"stub-first", "no"},
	{"forward-tls-upstream", "no"}, {"stub-tls-upstream", "no"},
	{"forward-ssl-upstream", "no"}, {"stub-ssl-upstream", "no"},
	{"forward-no-cache", "no"},     {"stub-no-cache", "no"},
	{"tcp-upstream", "no"},         {"ssl-upstream", "no"},
	{"tls-upstream", "no"},         {"ignore-cd-flag", "no"},
	{"serve-original-ttl", "no"},   {"dns-error-reporting", "no"},
	{"unblock-lan-zones", "no"},    {"do-nat64", "no"},
	{"answer-cookie", "no"},        {"ratelimit", "0"},
	{"ip-ratelimit", "0"},          {"cache-min-negative-ttl", "0"},
};

static bool is_in(const char *keys, const char *key)
{
	while (*keys != '\0') {
		size_t length = strcspn(keys, " ");
		bool begins_so = keys[length - 1] == '*';

		if (strncasecmp(keys, key, length - (begins_so ? 1 : 0)) == 0 &&
		    (begins_so || key[length] == '\0'))
			return true;
		keys += length;
		keys += strspn(keys, " ");
	}
	return false;
}

bool rpl_key_is_passed_over(struct rpl_file *f, const char *key, const char *value)
{
	for (unsigned i = 0; i < ARRAY_COUNT(only_so); i++)
		if (rpl_is(key, only_so[i].key))
			return rpl_is_on(f, key, value) == rpl_is_on(f, key, only_so[i].value);
	/* As long a chain as the engine follows, or longer. */
	if (rpl_is(key, "max-query-restarts"))
		return rpl_number(f, value) >= LINKS_MAX;
	for (unsigned i = 0; i < ARRAY_COUNT(passed_over); i++)
		if (is_in(passed_over[i].keys, key))
			return true;
	return false;
}
