/* Names that mean something to this machine, this site or nobody, and that the root's servers should never hear of: they are
 * answered here.
 *
 *   localhost (RFC 6761 section 6.3), invalid (6.4), onion (RFC 7686), local (RFC 6762 section 22.1), home.arpa (RFC 8375),
 *   service.arpa (RFC 9665), resolver.arpa (RFC 9462 section 8), ipv4only.arpa and its addresses' names (RFC 8880), and the
 *   zones of RFC 6303 and RFC 7793 for addresses that are not unique.
 *
 * `test` is not among them: those who use it have it in a zone of their own, and the root denies it like any other name.
 *
 * Memory: values. Threads: pure functions. An example of use is tests/unit/test_local_name.c.
 */
#ifndef PORTICO_LOCAL_NAME_H
#define PORTICO_LOCAL_NAME_H

#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "dns_const.h"
#include "name.h"
#include "span.h"

struct local_zone;

/* What there is to say of a name. */
struct local_name {
	const struct local_zone *zone; /* of a table; NULL: nothing, it is a name like others */
	uint8_t zone_bytes;            /* length of the zone's name */
};

bool local_name_find_any(const struct name *qname, uint16_t qtype, struct local_name *out);

/* The last four bytes of a name before its end: of those that have no others most are turned away by them. */
static inline bool local_name_may_be(const struct name *qname)
{
	uint32_t last;

	if (qname->length_bytes < sizeof(last) + 2)
		return false;
	memcpy(&last, qname->bytes + qname->length_bytes - 1 - sizeof(last), sizeof(last));
	switch (last) {
	case 'a' | 'r' << 8 | 'p' << 16 | 'a' << 24: /* arpa */
	case 'h' | 'o' << 8 | 's' << 16 | 't' << 24: /* localhost */
	case 'a' | 'l' << 8 | 'i' << 16 | 'd' << 24: /* invalid */
	case 'n' | 'i' << 8 | 'o' << 16 | 'n' << 24: /* onion */
	case 'o' | 'c' << 8 | 'a' << 16 | 'l' << 24: /* local */
		return true;
	default:
		return false;
	}
}

/* Is the name (lower case) answered here? Not for DS of a zone that its parent, in the DNS, has delegated: that is the parent's to
 * say. Whoever has a zone at or below it configured must not ask: name_is_below(zone, special) is
 * zone->length_bytes >= out->zone_bytes there. */
static inline bool local_name_find(const struct name *qname, uint16_t qtype, struct local_name *out)
{
	return UNLIKELY(local_name_may_be(qname)) && local_name_find_any(qname, qtype, out);
}
/* `local` is answered by servers of their own in many sites: a forwarder for all names may know it. */
bool local_name_is_for_forwarders(const struct local_name *local);

/* The answer as a response (QR, RA; ID 0), with the SOA in it where it is negative. 0: no room. */
#define LOCAL_NAME_ANSWER_BYTES_MAX 512
MUST_USE size_t local_name_answer(struct buffer message, const struct local_name *local,
				  const struct name *qname, uint16_t qtype);

#endif
