/* The lines before CONFIG_END, of both dialects: what the engine has is set, what cannot change an outcome is passed over by
 * name, and whatever else is wanted makes the file one that is skipped.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "rpl.h"

#define STALE_S_MAX 1000000 /* "serve-expired-ttl: 0", no limit */

enum section {
	SECTION_FLAT, /* Deckard's: none was begun */
	SECTION_SERVER,
	SECTION_STUB,
	SECTION_FORWARD,
};

struct parser {
	struct rpl_file *file;
	enum section section;
	struct rpl_zone *zone; /* of a stub or forward section */
};

/* What has no influence on what a client is told or on what is asked, whatever its value: how answers are filled, sorted and
 * logged, sizes, and validation, which nothing but a trust anchor begins. */
static const char *const passed_over[] = {
	"target-fetch-policy",
	"fetch-policy",
	"minimal-responses",
	"num-threads",
	"verbosity",
	"harden-glue",
	"harden-referral-path",
	"harden-algo-downgrade",
	"harden-dnssec-stripped",
	"harden-large-queries",
	"harden-short-bufsize",
	"harden-unknown-additional",
	"harden-unverified-glue",
	"iter-scrub-ns",
	"iter-scrub-cname",
	"iter-scrub-promiscuous",
	"aggressive-nsec",
	"fake-sha1",
	"fake-dsa",
	"trust-anchor-signaling",
	"root-key-sentinel",
	"domain-insecure",
	"ede",
	"ede-serve-expired",
	"serve-expired-reply-ttl",
	"serve-expired-ttl-reset",
	"prefetch-key",
	"use-syslog",
	"use-systemd",
	"username",
	"chroot",
	"directory",
	"pidfile",
	"msg-cache-size",
	"msg-cache-slabs",
	"rrset-cache-size",
	"rrset-cache-slabs",
	"key-cache-size",
	"key-cache-slabs",
	"neg-cache-size",
	"msg-buffer-size",
	"jostle-timeout",
	"delay-close",
	"unknown-server-time-limit",
	"discard-timeout",
	"wait-limit",
	"wait-limit-netblock",
	"statistics-interval",
	"extended-statistics",
	"identity",
	"version",
	"hide-identity",
	"hide-version",
	"hide-trustanchor",
	"outgoing-port-permit",
	"outgoing-port-avoid",
	"outgoing-range",
	"outgoing-interface",
	"num-queries-per-thread",
	"do-daemonize",
	"do-udp",
	"do-tcp",
	"interface",
	"port",
	"tcp-idle-timeout",
	"max-udp-size",
	"qname-minimisation-strict",
	"prefer-ip4",
	"prefer-ip6",
	"unblock-lan-zones",
	"insecure-lan-zones",
	"deny-any",
	"features",
	"stub-prime",
	"forward-no-cache",
	"stub-no-cache",
};

/* The same of all keys that begin so. */
static const char *const passed_over_prefixes[] = {"log-", "val-", "infra-", "so-"};

/* Whose default is what the engine does: other values are not supported. */
static const struct {
	const char *key, *value;
} only_so[] = {
	{"harden-below-nxdomain", "yes"},
	{"forward-first", "no"},
	{"stub-first", "no"},
	{"forward-tls-upstream", "no"},
	{"stub-tls-upstream", "no"},
	{"forward-ssl-upstream", "no"},
	{"forward-tcp-upstream", "no"},
	{"stub-tcp-upstream", "no"},
	{"tcp-upstream", "no"},
	{"ssl-upstream", "no"},
	{"disable-dnssec-lame-check", "no"},
	{"ignore-cd-flag", "no"},
};

static bool is_on(struct parser *p, const char *key, const char *value)
{
	if (rpl_is(value, "yes") || rpl_is(value, "on") || rpl_is(value, "true") ||
	    rpl_is(value, "1"))
		return true;
	if (rpl_is(value, "no") || rpl_is(value, "off") || rpl_is(value, "false") ||
	    rpl_is(value, "0"))
		return false;
	rpl_stop(p->file, RPL_SKIP, "config: %s: %s", key, value);
}

static _Noreturn void unsupported(struct parser *p, const char *key, const char *value)
{
	rpl_stop(p->file, RPL_SKIP, "config: %s: %s", key, value);
}

/* ---- zones ---- */

static struct rpl_zone *zone_new(struct parser *p, bool is_stub, const char *name)
{
	struct rpl_zone **last = &p->file->config.zones;
	struct rpl_zone *zone = rpl_new(sizeof(*zone));

	zone->is_stub = is_stub;
	snprintf(zone->name, sizeof(zone->name), "%s", name);
	while (*last != NULL)
		last = &(*last)->next;
	*last = zone;
	return zone;
}

static struct rpl_zone *zone_of(struct parser *p, bool is_stub, const char *name)
{
	for (struct rpl_zone *z = p->file->config.zones; z != NULL; z = z->next)
		if (z->is_stub == is_stub && rpl_is(z->name, name))
			return z;
	return zone_new(p, is_stub, name);
}

/* address[@port][#name] */
static void add_server(struct parser *p, struct rpl_zone *zone, const char *text)
{
	char copy[256];
	char *port;
	struct endpoint *server = &zone->servers[zone->server_count++];

	if (zone->server_count == ARRAY_COUNT(zone->servers))
		unsupported(p, "servers", "too many");
	snprintf(copy, sizeof(copy), "%s", text);
	copy[strcspn(copy, "#")] = '\0';
	port = strchr(copy, '@');
	if (port != NULL)
		*port++ = '\0';
	server->address = rpl_address(p->file, copy);
	server->port = port != NULL ? (uint16_t)rpl_number(p->file, port) : DNS_PORT;
}

static bool zone_key(struct parser *p, const char *key, const char *value)
{
	struct rpl_zone *zone = p->zone;

	if (p->section == SECTION_FLAT && rpl_is(key, "stub-addr"))
		zone = zone_of(p, true, ".");
	else if (p->section == SECTION_FLAT && rpl_is(key, "forward-addr"))
		zone = zone_of(p, false, ".");
	if (rpl_is(key, "stub-addr") || rpl_is(key, "forward-addr")) {
		if (zone == NULL)
			unsupported(p, key, "outside its section");
		add_server(p, zone, value);
	} else if (rpl_is(key, "name") && zone != NULL) {
		snprintf(zone->name, sizeof(zone->name), "%s", value);
	} else if (rpl_is(key, "stub-name") && rpl_is(value, ".")) {
		(void)zone_of(p, true, ".");
	} else {
		return false;
	}
	return true;
}

/* ---- values ---- */

static bool number_key(struct parser *p, const char *key, const char *value)
{
	struct rpl_config *c = &p->file->config;
	const struct {
		const char *key;
		uint32_t *number;
	} numbers[] = {
		{"cache-max-ttl", &c->max_ttl_s},
		{"cache-min-ttl", &c->min_ttl_s},
		{"cache-max-negative-ttl", &c->negative_max_ttl_s},
		{"serve-expired-ttl", &c->max_stale_s},
		{"serve-expired-client-timeout", &c->client_timeout_ms},
		{"edns-buffer-size", &c->udp_size_bytes},
		{"val-override-timestamp", &c->wall_s},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++)
		if (rpl_is(key, numbers[i].key)) {
			*numbers[i].number = rpl_number(p->file, value);
			if (numbers[i].number == &c->max_stale_s && c->max_stale_s == 0)
				c->max_stale_s = STALE_S_MAX;
			return true;
		}
	return false;
}

static bool switch_key(struct parser *p, const char *key, const char *value)
{
	struct rpl_config *c = &p->file->config;
	const struct {
		const char *key;
		bool *on;
	} switches[] = {
		{"serve-expired", &c->serve_stale},
		{"prefetch", &c->prefetch},
		{"rrset-roundrobin", &c->round_robin},
		{"use-caps-for-id", &c->case_randomization},
		{"qname-minimisation", &c->minimises},
		{"query-minimization", &c->minimises},
		{"force-ipv6", &c->no_ip4},
		{"do-not-query-localhost", &c->asks_loopback},
		{"do-ip4", &c->no_ip4},
		{"do-ip6", &c->no_ip6},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(switches); i++)
		if (rpl_is(key, switches[i].key)) {
			*switches[i].on = is_on(p, key, value);
			if (strncasecmp(key, "do-", 3) == 0)
				*switches[i].on = !*switches[i].on;
			return true;
		}
	return false;
}

static bool is_passed_over(struct parser *p, const char *key, const char *value)
{
	for (unsigned i = 0; i < ARRAY_COUNT(passed_over); i++)
		if (rpl_is(key, passed_over[i]))
			return true;
	for (unsigned i = 0; i < ARRAY_COUNT(only_so); i++)
		if (rpl_is(key, only_so[i].key) &&
		    is_on(p, key, value) == is_on(p, key, only_so[i].value))
			return true;
	for (unsigned i = 0; i < ARRAY_COUNT(passed_over_prefixes); i++)
		if (strncasecmp(key, passed_over_prefixes[i], strlen(passed_over_prefixes[i])) == 0)
			return true;
	/* Everybody may ask. */
	if (rpl_is(key, "access-control"))
		return strstr(value, "allow") != NULL;
	return rpl_is(key, "module-config") &&
	       (rpl_is(value, "iterator") || rpl_is(value, "validator iterator"));
}

static void key_line(struct parser *p, const char *key, const char *value)
{
	if (zone_key(p, key, value) || number_key(p, key, value) || switch_key(p, key, value) ||
	    is_passed_over(p, key, value))
		return;
	unsupported(p, key, value);
}

/* ---- lines ---- */

static bool section_line(struct parser *p, const char *key)
{
	if (rpl_is(key, "server")) {
		p->section = SECTION_SERVER;
		p->zone = NULL;
	} else if (rpl_is(key, "stub-zone")) {
		p->section = SECTION_STUB;
		p->zone = zone_new(p, true, "");
	} else if (rpl_is(key, "forward-zone")) {
		p->section = SECTION_FORWARD;
		p->zone = zone_new(p, false, "");
	} else {
		return false;
	}
	return true;
}

/* Without the quotes and blanks around. */
static char *unquoted(char *value)
{
	size_t length;

	value += strspn(value, " \t");
	length = strlen(value);
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
		value[length - 1] = '\0';
		value++;
	}
	return value;
}

static void check_zones(struct parser *p)
{
	for (struct rpl_zone *z = p->file->config.zones; z != NULL; z = z->next)
		if (z->name[0] == '\0' || z->server_count == 0)
			unsupported(p, z->is_stub ? "stub-zone" : "forward-zone",
				    "no name or no address");
}

void rpl_config_parse(struct rpl_file *f)
{
	struct parser p = {.file = f};
	char *line;

	f->config = (struct rpl_config){.minimises = true,
					.max_ttl_s = 86400,
					.negative_max_ttl_s = 3600,
					.failure_ttl_s = 5,
					.max_stale_s = 86400,
					.client_timeout_ms = 1800};
	while ((line = rpl_line(f, true)) != NULL) {
		char *colon, *value;

		if (rpl_is(line, "CONFIG_END")) {
			check_zones(&p);
			return;
		}
		/* Files of the scenario's own: of an anchor that is kept, of a zone. */
		if (strncmp(line, "AUTOTRUST_FILE", 14) == 0 || strncmp(line, "TEMPFILE_", 9) == 0)
			unsupported(&p, line, "not supported");
		colon = strchr(line, ':');
		if (colon == NULL)
			unsupported(&p, line, "no colon");
		*colon = '\0';
		line[strcspn(line, " \t")] = '\0';
		value = unquoted(colon + 1);
		if (*value != '\0' || !section_line(&p, line))
			key_line(&p, line, value);
	}
	rpl_stop(f, RPL_SKIP, "no CONFIG_END");
}
