/* The lines before CONFIG_END, of both dialects: what the engine has is set, what cannot change an outcome is passed over by
 * name (rpl_keys.c), and whatever else is wanted makes the file one that is skipped.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/local_name.h"
#include "core/name.h"
#include "rpl.h"

#define STALE_S_MAX 1000000 /* "serve-expired-ttl: 0", no limit */

enum section {
	SECTION_FLAT, /* Deckard's: none was begun */
	SECTION_SERVER,
	SECTION_STUB,
	SECTION_FORWARD,
	SECTION_UNHEARD, /* of the process: remote control, logging to others */
};

struct parser {
	struct rpl_file *file;
	enum section section;
	struct rpl_zone *zone; /* of a stub or forward section */
	bool has_section;
	const char *anchor; /* the key of a trust anchor; NULL: there is none */
	bool validates;     /* unless module-config says that nobody does */
};

bool rpl_is_on(struct rpl_file *f, const char *key, const char *value)
{
	if (rpl_is(value, "yes") || rpl_is(value, "on") || rpl_is(value, "true") ||
	    rpl_is(value, "1"))
		return true;
	if (rpl_is(value, "no") || rpl_is(value, "off") || rpl_is(value, "false") ||
	    rpl_is(value, "0"))
		return false;
	rpl_stop(f, RPL_SKIP, "line %u: config: %s: %s", f->line, key, value);
}

static _Noreturn void unsupported(struct parser *p, const char *key, const char *value)
{
	rpl_stop(p->file, RPL_SKIP, "line %u: config: %s: %s", p->file->line, key, value);
}

/* ---- zones ---- */

static struct rpl_zone *zone_new(struct parser *p, bool is_stub, const char *name)
{
	struct rpl_zone **last = &p->file->config.zones;
	struct rpl_zone *zone = rpl_new(sizeof(*zone));

	zone->is_stub = is_stub;
	zone->line = p->file->line;
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
	p->file->is_flat = p->file->is_flat || p->section == SECTION_FLAT;
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
	} else if (rpl_is(key, "stub-tcp-upstream") || rpl_is(key, "forward-tcp-upstream")) {
		if (zone == NULL)
			unsupported(p, key, "outside its section");
		zone->by_tcp = rpl_is_on(p->file, key, value);
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
		{"do-not-query-localhost", &c->asks_loopback},
		{"do-ip4", &c->no_ip4},
		{"do-ip6", &c->no_ip6},
	};

	for (unsigned i = 0; i < ARRAY_COUNT(switches); i++)
		if (rpl_is(key, switches[i].key)) {
			*switches[i].on = rpl_is_on(p->file, key, value);
			if (strncasecmp(key, "do-", 3) == 0)
				*switches[i].on = !*switches[i].on;
			return true;
		}
	return false;
}

/* YYYYMMDDHHMMSS, or seconds since 1970; -1: dates are taken as they are. */
static void date(struct parser *p, const char *value)
{
	struct tm tm = {0};

	if (rpl_is(value, "-1"))
		return;
	if (strlen(value) < 14 || strspn(value, "0123456789") != strlen(value)) {
		p->file->config.wall_s = rpl_number(p->file, value);
		return;
	}
	if (sscanf(value, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec) != 6 ||
	    tm.tm_year < 1970 || tm.tm_year > 2105)
		rpl_stop(p->file, RPL_SKIP, "line %u: no date: %s", p->file->line, value);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	p->file->config.wall_s = (uint32_t)timegm(&tm);
}

/* "validator iterator", and others that do nothing by themselves. */
static void modules(struct parser *p, char *value)
{
	const char *module;

	p->validates = false;
	while ((module = rpl_word(&value)) != NULL) {
		if (rpl_is(module, "validator"))
			p->validates = true;
		else if (!rpl_is(module, "iterator") && !rpl_is(module, "respip"))
			unsupported(p, "module-config", module);
	}
}

/* "10.0.0.0/8 refuse" */
static void access_rule(struct parser *p, const char *key, char *value)
{
	struct rpl_access *rule = rpl_new(sizeof(*rule));
	char *clients = rpl_word(&value);
	const char *verdict = rpl_word(&value);
	char *bits = clients != NULL ? strchr(clients, '/') : NULL;
	unsigned unused;

	rule->is_allowed = verdict != NULL && strncasecmp(verdict, "allow", 5) == 0;
	if (verdict == NULL || (!rule->is_allowed && !rpl_is(verdict, "refuse")))
		unsupported(p, key, verdict != NULL ? verdict : "");
	if (bits != NULL)
		*bits++ = '\0';
	rule->clients.address = rpl_address(p->file, clients);
	unused = address_is_v4(&rule->clients.address) ? ADDRESS_BITS - 32 : 0;
	rule->clients.bits = ADDRESS_BITS;
	if (bits != NULL && rpl_number(p->file, bits) <= ADDRESS_BITS - unused)
		rule->clients.bits = (uint8_t)(rpl_number(p->file, bits) + unused);
	rule->next = p->file->config.access;
	p->file->config.access = rule;
}

/* A zone of Unbound's own may be what nothing here is: the name then is one like others in any case. */
static void local_zone(struct parser *p, const char *key, char *value)
{
	const char *text = rpl_word(&value);
	const char *kind = rpl_word(&value);
	struct local_name local;
	struct name name;

	if (text == NULL || kind == NULL || !name_from_text(text, &name))
		unsupported(p, key, text != NULL ? text : "");
	name_lower(&name, &name);
	if ((!rpl_is(kind, "nodefault") && !rpl_is(kind, "transparent") &&
	     !rpl_is(kind, "typetransparent")) ||
	    local_name_find(&name, DNS_TYPE_A, &local))
		unsupported(p, key, text);
}

static bool other_key(struct parser *p, const char *key, char *value)
{
	if (rpl_is(key, "val-override-date")) {
		date(p, value);
	} else if (rpl_is(key, "module-config")) {
		modules(p, value);
	} else if (rpl_is(key, "access-control")) {
		access_rule(p, key, value);
	} else if (rpl_is(key, "local-zone")) {
		local_zone(p, key, value);
	} else if (rpl_is(key, "trust-anchor") || rpl_is(key, "trust-anchor-file") ||
		   rpl_is(key, "auto-trust-anchor-file") || rpl_is(key, "trusted-keys-file") ||
		   rpl_is(key, "dlv-anchor")) {
		p->anchor = strdup(key);
	} else {
		return false;
	}
	return true;
}

static void key_line(struct parser *p, const char *key, char *value)
{
	if (p->section == SECTION_UNHEARD || zone_key(p, key, value) || number_key(p, key, value) ||
	    switch_key(p, key, value) || other_key(p, key, value) ||
	    rpl_key_is_passed_over(p->file, key, value))
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
	} else if (rpl_is(key, "remote-control") || rpl_is(key, "dnstap")) {
		p->section = SECTION_UNHEARD;
	} else {
		return false;
	}
	p->has_section = true;
	return true;
}

/* Without the quotes and blanks around. */
static char *unquoted(char *value)
{
	size_t length;

	value += strspn(value, " \t");
	length = strlen(value);
	while (length > 0 && isspace((unsigned char)value[length - 1]))
		value[--length] = '\0';
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
		value[length - 1] = '\0';
		value++;
	}
	return value;
}

static void check(struct parser *p)
{
	struct rpl_config *c = &p->file->config;

	for (struct rpl_zone *z = c->zones; z != NULL; z = z->next) {
		if (z->name[0] == '\0' || z->server_count == 0)
			unsupported(p, z->is_stub ? "stub-zone" : "forward-zone",
				    "no name or no address");
		for (unsigned i = 0; i < z->server_count; i++)
			rpl_stand_in(p->file, &z->servers[i].address);
	}
	if (p->anchor != NULL && p->validates)
		unsupported(p, p->anchor, "nobody validates");
	p->file->is_flat = p->file->is_flat && !p->has_section;
}

/* A file of the scenario's own: of an anchor that is kept, of a zone. What would read it is looked at where it is named. */
static bool file_block(struct parser *p, const char *line)
{
	const char *end = NULL;

	if (strncasecmp(line, "TEMPFILE_NAME", 13) == 0)
		return true;
	if (strncasecmp(line, "AUTOTRUST_FILE", 14) == 0) {
		p->anchor = "AUTOTRUST_FILE";
		end = "AUTOTRUST_END";
	} else if (strncasecmp(line, "TEMPFILE_CONTENTS", 17) == 0) {
		end = "TEMPFILE_END";
	} else {
		return false;
	}
	rpl_skip_to(p->file, end);
	return true;
}

static bool is_key(const char *word, size_t length)
{
	return length > 1 && word[length - 1] == ':' && isalpha((unsigned char)word[0]) &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789-") == length - 1;
}

/* Several keys may stand in one line. The first one is cut off; returns the others. */
static char *next_key(char *line)
{
	bool quoted = false;

	for (char *p = line; *p != '\0'; p++) {
		quoted = quoted != (*p == '"');
		if (quoted || p == line || !isspace((unsigned char)p[-1]) ||
		    !is_key(p, strcspn(p, " \t")))
			continue;
		p[-1] = '\0';
		return p;
	}
	return line + strlen(line);
}

static void one_key(struct parser *p, char *line)
{
	char *colon = strchr(line, ':');
	char *value;

	if (colon == NULL)
		unsupported(p, line, "no colon");
	*colon = '\0';
	line[strcspn(line, " \t")] = '\0';
	value = unquoted(colon + 1);
	if (*value != '\0' || !section_line(p, line))
		key_line(p, line, value);
}

void rpl_config_parse(struct rpl_file *f)
{
	struct parser p = {.file = f, .validates = true};
	char *line;

	f->config = (struct rpl_config){.minimises = true,
					.max_ttl_s = 86400,
					.negative_max_ttl_s = 3600,
					.failure_ttl_s = 5,
					.max_stale_s = 86400,
					.client_timeout_ms = 1800};
	while ((line = rpl_line(f, true)) != NULL) {
		if (rpl_is(line, "CONFIG_END")) {
			check(&p);
			return;
		}
		if (file_block(&p, line))
			continue;
		while (*line != '\0') {
			char *next = next_key(line);

			one_key(&p, line);
			line = next;
		}
	}
	rpl_stop(f, RPL_SKIP, "line %u: no CONFIG_END", f->line);
}
