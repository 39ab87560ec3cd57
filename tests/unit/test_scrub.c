#include "core/scrub.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache_entry_rig.h"
#include "core/wire_cursor.h"
#include "unit.h"

#define LINES 14

enum {
	NO_AA = 1,
	RECURSIVE = 2, /* a forwarder's, with RA */
	NO_RA = 4,
	UNSAFE = 8, /* by UDP, without a cookie */
	TRUNCATED = 16,
	IS_WHOLE = 32, /* what is wanted of it */
};

struct scrub_case {
	struct entry_case response;
	const char *zone;
	unsigned how;
	enum scrub_verdict verdict;
	const char *target; /* NULL: the qname */
	const char *clean
		[LINES]; /* all records of the clean message, "--" before the authority section; as the zone file has them */
	uint8_t rcode; /* for the client */
	enum scrub_verdict if_believed;
};

#define SOA "example.com. 300 SOA ns.example.com. h.example.com. 1 7200 3600 1209600 300"
#define SIG(type, labels)                                                                          \
	" 300 RRSIG " type " 8 " labels " 300 20300101000000 20200101000000 1 example.com. AAAA"

static const struct scrub_case cases[] = {
	/* ---- answers ---- */
	{.response = {.says = "one RRset",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1",
				 "www.example.com. 60 A 192.0.2.2"},
		      .authority = {"example.com. 60 NS ns.example.com."},
		      .additional = {"ns.example.com. 60 A 192.0.2.3"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "www.example.com. 60 A 192.0.2.2", "--"}},
	{.response = {.says = "an extra in-zone record (3.2 \"extra unrelated in-zone A\")",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1",
				 "vic.example.com. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "an extra record first",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"vic.example.com. 60 A 192.0.2.66",
				 "www.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "other types of the name",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1",
				 "www.example.com. 60 AAAA 2001:db8::1",
				 "www.example.com. 60 MX 10 mx.example.com."}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "authority: NS of the zone, of others, of the root, MX (3.2; C2)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1"},
		      .authority = {"example.com. 60 NS evil.test.", ". 60 NS evil.test.",
				    "victim.test. 60 NS evil.test.", "com. 60 NS evil.test.",
				    "example.com. 60 MX 1 evil.test."},
		      .additional = {"evil.test. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "TTLs of an RRset differ: the least (RFC 2181 section 5.2)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1",
				 "www.example.com. 20 A 192.0.2.2",
				 "www.example.com. 90 A 192.0.2.3"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 20 A 192.0.2.1", "www.example.com. 20 A 192.0.2.2",
		   "www.example.com. 20 A 192.0.2.3", "--"}},
	{.response = {.says = "a wildcard's answer is signed, with its proof",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com. 300 A 192.0.2.1", "a.example.com." SIG("A", "2")},
		      .authority = {"example.com. 300 NS ns.example.com.",
				    "example.com." SIG("NS", "2"),
				    "0.example.com. 300 NSEC b.example.com. A RRSIG NSEC",
				    "0.example.com." SIG("NSEC", "3")}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"a.example.com. 300 A 192.0.2.1", "a.example.com." SIG("A", "2"), "--",
		   "0.example.com. 300 NSEC b.example.com. A RRSIG NSEC",
		   "0.example.com." SIG("NSEC", "3")}},
	{.response = {.says = "signed, without authority section",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com. 300 A 192.0.2.1", "a.example.com." SIG("A", "3")}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"a.example.com. 300 A 192.0.2.1", "a.example.com." SIG("A", "3"), "--"}},
	{.response = {.says = "signatures of other types do not belong to it",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com." SIG("MX", "3"),
				 "a.example.com. 300 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"a.example.com. 300 A 192.0.2.1", "--"}},
	{.response = {.says = "ANY is all that the name has",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_ANY,
		      .answer = {"a.example.com. 300 A 192.0.2.1", "b.example.com. 300 A 192.0.2.1",
				 "a.example.com. 30 MX 1 b.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"a.example.com. 300 A 192.0.2.1", "a.example.com. 30 MX 1 b.example.com.",
		   "--"}},
	{.response = {.says = "the type is unknown (RFC 3597)",
		      .qname = "a.example.com.",
		      .qtype = 65280,
		      .answer = {"a.example.com. 300 TYPE65280 \\# 4 c00cff00"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"a.example.com. 300 TYPE65280 \\# 4 c00cff00", "--"}},
	{.response =
		 {.says = "a DS is the parent's",
		  .qname = "sub.example.com.",
		  .qtype = DNS_TYPE_DS,
		  .answer = {"sub.example.com. 300 DS 1 8 2 "
			     "00000000000000000000000000000000000000000000000000000000000000ab"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"sub.example.com. 300 DS 1 8 2 "
		   "00000000000000000000000000000000000000000000000000000000000000ab",
		   "--"}},
	{.response = {.says = "the answer contradicts its RCODE",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .answer = {"www.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_BROKEN},
	/* ---- CNAME ---- */
	{.response = {.says = "CNAME within the zone",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME Host.example.com.",
				 "host.example.com. 30 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .target = "host.example.com.",
	 .clean = {"www.example.com. 60 CNAME Host.example.com.",
		   "host.example.com. 30 A 192.0.2.1", "--"}},
	{.response = {.says = "CNAME last: it comes first (RFC 1034 section 3.6.2)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"host.example.com. 30 A 192.0.2.1",
				 "www.example.com. 60 CNAME host.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .target = "host.example.com.",
	 .clean = {"www.example.com. 60 CNAME host.example.com.",
		   "host.example.com. 30 A 192.0.2.1", "--"}},
	{.response = {.says = "CNAME out of the zone, and what it says of the target (3.2; C3)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME victim.test.",
				 "victim.test. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_LINK,
	 .target = "victim.test.",
	 .clean = {"www.example.com. 60 CNAME victim.test.", "--"}},
	{.response = {.says = "the same from a forwarder for a zone (B2)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME victim.test.",
				 "victim.test. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = RECURSIVE | NO_AA | IS_WHOLE,
	 .verdict = SCRUB_LINK,
	 .target = "victim.test.",
	 .clean = {"www.example.com. 60 CNAME victim.test.", "--"}},
	{.response = {.says = "the same from a forwarder for all",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME victim.test.",
				 "victim.test. 60 A 192.0.2.1"}},
	 .zone = ".",
	 .how = RECURSIVE | NO_AA | IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .target = "victim.test.",
	 .clean = {"www.example.com. 60 CNAME victim.test.", "victim.test. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "out of the zone and in again: nothing behind the way out counts",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME out.test.",
				 "out.test. 60 CNAME b.example.com.",
				 "b.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_LINK,
	 .target = "out.test.",
	 .clean = {"www.example.com. 60 CNAME out.test.", "--"}},
	{.response = {.says = "NXDOMAIN of a target out of the zone is not its server's to say",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .answer = {"www.example.com. 60 CNAME victim.test."},
		      .authority = {"test. 300 SOA ns.test. h.test. 1 7200 3600 1209600 300"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_LINK,
	 .target = "victim.test.",
	 .clean = {"www.example.com. 60 CNAME victim.test.", "--"}},
	{.response = {.says = "CNAME and other data: CNAME wins (RFC 2181 section 10.1)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.66",
				 "www.example.com. 60 CNAME host.example.com.",
				 "host.example.com. 30 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .target = "host.example.com.",
	 .clean = {"www.example.com. 60 CNAME host.example.com.",
		   "host.example.com. 30 A 192.0.2.1", "--"}},
	{.response = {.says = "two CNAMEs: the first",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME a.example.com.",
				 "www.example.com. 60 CNAME b.example.com.",
				 "a.example.com. 30 A 192.0.2.1", "b.example.com. 30 A 192.0.2.2"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .target = "a.example.com.",
	 .clean = {"www.example.com. 60 CNAME a.example.com.", "a.example.com. 30 A 192.0.2.1",
		   "--"}},
	{.response = {.says = "CNAME asked for is an answer",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_CNAME,
		      .answer = {"www.example.com. 60 CNAME a.test."}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 CNAME a.test.", "--"}},
	{.response = {.says = "signed CNAME and answer",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 300 CNAME a.example.com.",
				 "www.example.com." SIG("CNAME", "3"),
				 "a.example.com. 300 A 192.0.2.1", "a.example.com." SIG("A", "3")}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .target = "a.example.com.",
	 .clean = {"www.example.com. 300 CNAME a.example.com.",
		   "www.example.com." SIG("CNAME", "3"), "a.example.com. 300 A 192.0.2.1",
		   "a.example.com." SIG("A", "3"), "--"}},
	{.response = {.says = "chain to itself",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME WWW.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_LOOP},
	{.response = {.says = "chain back to its second name",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com. 60 CNAME b.example.com.",
				 "b.example.com. 60 CNAME c.example.com.",
				 "c.example.com. 60 CNAME b.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_LOOP,
	 .target = "c.example.com."},
	{.response = {.says = "ten links",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com. 60 CNAME b.example.com.",
				 "b.example.com. 60 CNAME c.example.com.",
				 "c.example.com. 60 CNAME d.example.com.",
				 "d.example.com. 60 CNAME e.example.com.",
				 "e.example.com. 60 CNAME f.example.com.",
				 "f.example.com. 60 CNAME g.example.com.",
				 "g.example.com. 60 CNAME h.example.com.",
				 "h.example.com. 60 CNAME i.example.com.",
				 "i.example.com. 60 CNAME j.example.com.",
				 "j.example.com. 60 CNAME k.example.com.",
				 "k.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .target = "k.example.com.",
	 .clean = {"a.example.com. 60 CNAME b.example.com.",
		   "b.example.com. 60 CNAME c.example.com.",
		   "c.example.com. 60 CNAME d.example.com.",
		   "d.example.com. 60 CNAME e.example.com.",
		   "e.example.com. 60 CNAME f.example.com.",
		   "f.example.com. 60 CNAME g.example.com.",
		   "g.example.com. 60 CNAME h.example.com.",
		   "h.example.com. 60 CNAME i.example.com.",
		   "i.example.com. 60 CNAME j.example.com.",
		   "j.example.com. 60 CNAME k.example.com.", "k.example.com. 60 A 192.0.2.1",
		   "--"}},
	{.response = {.says = "eleven links",
		      .qname = "a.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"a.example.com. 60 CNAME b.example.com.",
				 "b.example.com. 60 CNAME c.example.com.",
				 "c.example.com. 60 CNAME d.example.com.",
				 "d.example.com. 60 CNAME e.example.com.",
				 "e.example.com. 60 CNAME f.example.com.",
				 "f.example.com. 60 CNAME g.example.com.",
				 "g.example.com. 60 CNAME h.example.com.",
				 "h.example.com. 60 CNAME i.example.com.",
				 "i.example.com. 60 CNAME j.example.com.",
				 "j.example.com. 60 CNAME k.example.com.",
				 "k.example.com. 60 CNAME l.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_LINKS,
	 .target = "k.example.com."},
	{.response = {.says = "CNAME in the zone, of whose target nothing is said",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME a.sub.example.com."},
		      .authority = {"sub.example.com. 60 NS ns.sub.example.com."}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_LINK,
	 .target = "a.sub.example.com.",
	 .clean = {"www.example.com. 60 CNAME a.sub.example.com.", "--"}},
	{.response = {.says = "CNAME, and the target has no such type",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 CNAME a.example.com."},
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NODATA,
	 .target = "a.example.com.",
	 .clean = {"www.example.com. 60 CNAME a.example.com.", "--", SOA}},
	{.response = {.says = "CNAME, and the target does not exist (RFC 2308 section 2.1)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .answer = {"www.example.com. 60 CNAME a.example.com."},
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .target = "a.example.com.",
	 .clean = {"www.example.com. 60 CNAME a.example.com.", "--", SOA},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response = {.says = "an RRSIG asked for stands beside a CNAME",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_RRSIG,
		      .answer = {"www.example.com. 60 CNAME a.example.com.",
				 "www.example.com." SIG("CNAME", "3")}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com." SIG("CNAME", "3"), "--"}},
	/* ---- DNAME ---- */
	{.response = {.says = "DNAME and its CNAME, over TCP (RFC 6672)",
		      .qname = "www.old.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"old.example.com. 60 DNAME new.example.com.",
				 "www.old.example.com. 0 CNAME www.new.example.com.",
				 "www.new.example.com. 30 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .target = "www.new.example.com.",
	 .clean = {"old.example.com. 60 DNAME new.example.com.",
		   "www.old.example.com. 60 CNAME www.new.example.com.",
		   "www.new.example.com. 30 A 192.0.2.1", "--"}},
	{.response = {.says = "DNAME by UDP (3.2 \"DNAME own-zone. -> evil.\")",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"example.com. 60 DNAME evil.test.",
				 "www.example.com. 60 CNAME www.evil.test.",
				 "www.evil.test. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = UNSAFE,
	 .verdict = SCRUB_TCP},
	{.response = {.says = "DNAME that does not concern the name",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1",
				 "old.example.com. 60 DNAME evil.test."}},
	 .zone = "example.com.",
	 .how = UNSAFE | IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "DNAME out of the zone, its CNAME missing, signed",
		      .qname = "a.b.example.com.",
		      .qtype = DNS_TYPE_MX,
		      .answer = {"example.com. 300 DNAME other.test.",
				 "example.com." SIG("DNAME", "2")}},
	 .zone = "example.com.",
	 .verdict = SCRUB_LINK,
	 .target = "a.b.other.test.",
	 .clean = {"example.com. 300 DNAME other.test.",
		   "a.b.example.com. 300 CNAME a.b.other.test.", "example.com." SIG("DNAME", "2"),
		   "--"}},
	{.response = {.says = "DNAME of a zone above is not this server's",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"com. 60 DNAME evil.test.",
				 "www.example.com. 60 CNAME b.example.com.",
				 "b.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_ANSWER,
	 .target = "b.example.com.",
	 .clean = {"www.example.com. 60 CNAME b.example.com.", "b.example.com. 60 A 192.0.2.1",
		   "--"}},
	{.response = {.says = "CNAME that its DNAME does not make",
		      .qname = "www.old.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"old.example.com. 60 DNAME new.example.com.",
				 "www.old.example.com. 60 CNAME evil.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_BROKEN},
	{.response = {.says = "data below a DNAME",
		      .qname = "www.old.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"old.example.com. 60 DNAME new.example.com.",
				 "www.old.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_BROKEN},
	{.response = {.says = "a DNAME does not rename its owner",
		      .qname = "old.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"old.example.com. 60 DNAME new.example.com."},
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .how = UNSAFE,
	 .verdict = SCRUB_NODATA,
	 .clean = {"--", SOA}},
	{.response = {.says = "DNAME asked for",
		      .qname = "old.example.com.",
		      .qtype = DNS_TYPE_DNAME,
		      .answer = {"old.example.com. 60 DNAME new.example.com."}},
	 .zone = "example.com.",
	 .how = UNSAFE | IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {"old.example.com. 60 DNAME new.example.com.", "--"}},
	{.response = {.says = "DNAME to itself makes a loop",
		      .qname = "www.old.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"old.example.com. 60 DNAME old.example.com."}},
	 .zone = "example.com.",
	 .verdict = SCRUB_LOOP},
	{.response = {.says = "YXDOMAIN without a DNAME is an error like any other",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_YXDOMAIN},
	 .zone = "example.com.",
	 .verdict = SCRUB_RCODE},
	/* ---- negative ---- */
	{.response = {.says = "no such name",
		      .qname = "no.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .clean = {"--", SOA},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response = {.says = "no such name, signed",
		      .qname = "no.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .authority = {SOA, "example.com." SIG("SOA", "2"),
				    "a.example.com. 300 NSEC z.example.com. A RRSIG NSEC",
				    "a.example.com." SIG("NSEC", "3"),
				    "example.com. 300 NSEC a.example.com. SOA NS RRSIG NSEC",
				    "example.com." SIG("NSEC", "2")}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .clean = {"--", SOA, "example.com." SIG("SOA", "2"),
		   "a.example.com. 300 NSEC z.example.com. A RRSIG NSEC",
		   "a.example.com." SIG("NSEC", "3"),
		   "example.com. 300 NSEC a.example.com. SOA NS RRSIG NSEC",
		   "example.com." SIG("NSEC", "2")},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response = {.says = "no data, with NS and glue that nobody asked for",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_AAAA,
		      .authority = {"example.com. 60 NS evil.test.", SOA,
				    "sub.example.com. 60 NS evil.test."},
		      .additional = {"evil.test. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_NODATA,
	 .clean = {"--", SOA}},
	{.response = {.says = "NXDOMAIN with a SOA of another zone: it does not count",
		      .qname = "no.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .authority = {"com. 300 SOA ns.com. h.com. 1 7200 3600 1209600 300"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .clean = {"--"},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response =
		 {.says = "a SOA beside the name does not count",
		  .qname = "no.example.com.",
		  .qtype = DNS_TYPE_A,
		  .rcode = DNS_RCODE_NXDOMAIN,
		  .authority = {"x.example.com. 300 SOA ns.com. h.com. 1 7200 3600 1209600 300"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .clean = {"--"},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response =
		 {.says = "the SOA of a zone below, whose server this is as well",
		  .qname = "no.sub.example.com.",
		  .qtype = DNS_TYPE_A,
		  .rcode = DNS_RCODE_NXDOMAIN,
		  .authority = {"sub.example.com. 300 SOA ns.com. h.com. 1 7200 3600 1209600 300"}},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NXDOMAIN,
	 .clean = {"--", "sub.example.com. 300 SOA ns.com. h.com. 1 7200 3600 1209600 300"},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response = {.says = "no data without anything, authoritatively (RFC 2308 type 3)",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_AAAA},
	 .zone = "example.com.",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_NODATA,
	 .clean = {"--"}},
	{.response = {.says = "records of others only are no answer",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"vic.example.com. 60 A 192.0.2.66"},
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .verdict = SCRUB_NODATA,
	 .clean = {"--", SOA}},
	{.response = {.says = "a forwarder's empty answer",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_AAAA},
	 .zone = ".",
	 .how = RECURSIVE | NO_AA | IS_WHOLE,
	 .verdict = SCRUB_NODATA,
	 .clean = {"--"}},
	/* ---- referrals and lameness ---- */
	{.response = {.says = "referral",
		      .qname = "www.sub.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"Sub.example.com. 60 NS ns.sub.example.com."},
		      .additional = {"ns.sub.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_REFERRAL,
	 .target = "sub.example.com."},
	{.response = {.says = "signed referral",
		      .qname = "sub.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"sub.example.com. 60 NS ns.sub.example.com.",
				    "sub.example.com. 300 NSEC t.example.com. NS RRSIG NSEC",
				    "sub.example.com." SIG("NSEC", "3")}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_REFERRAL,
	 .target = "sub.example.com."},
	{.response = {.says = "referral over two cuts at once",
		      .qname = "www.sub.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"sub.example.com. 60 NS ns.sub.example.com."}},
	 .zone = ".",
	 .how = NO_AA,
	 .verdict = SCRUB_REFERRAL,
	 .target = "sub.example.com."},
	{.response = {.says = "referral sideways",
		      .qname = "www.sub.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"victim.example.com. 60 NS evil.test."}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_UPWARD},
	{.response = {.says = "referral to the root",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {". 60 NS evil.test."}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_UPWARD},
	{.response = {.says = "referral to itself",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"example.com. 60 NS evil.test."}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_UPWARD},
	{.response = {.says = "an answer beside a referral is none of either",
		      .qname = "www.sub.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"vic.example.com. 60 A 192.0.2.66"},
		      .authority = {"sub.example.com. 60 NS ns.sub.example.com."}},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_UPWARD},
	{.response = {.says = "empty, without authority",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A},
	 .zone = "example.com.",
	 .how = NO_AA,
	 .verdict = SCRUB_LAME,
	 .if_believed = SCRUB_LAME},
	{.response = {.says = "an answer without authority",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.1"}},
	 .zone = "example.com.",
	 .how = NO_AA | IS_WHOLE,
	 .verdict = SCRUB_LAME,
	 .if_believed = SCRUB_ANSWER,
	 .clean = {"www.example.com. 60 A 192.0.2.1", "--"}},
	{.response = {.says = "NXDOMAIN without authority",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_NXDOMAIN,
		      .authority = {SOA}},
	 .zone = "example.com.",
	 .how = NO_AA | IS_WHOLE,
	 .verdict = SCRUB_LAME,
	 .if_believed = SCRUB_NXDOMAIN,
	 .clean = {"--", SOA},
	 .rcode = DNS_RCODE_NXDOMAIN},
	{.response = {.says = "a forwarder that refers does not recurse",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .authority = {"example.com. 60 NS ns.example.com."}},
	 .zone = ".",
	 .how = RECURSIVE | NO_AA | NO_RA,
	 .verdict = SCRUB_LAME,
	 .if_believed = SCRUB_LAME},
	{.response = {.says = "SERVFAIL",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .rcode = DNS_RCODE_SERVFAIL,
		      .answer = {"www.example.com. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .verdict = SCRUB_RCODE},
	{.response = {.says = "truncated, by UDP",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = TRUNCATED | UNSAFE,
	 .verdict = SCRUB_TCP},
	{.response = {.says = "truncated, over TCP",
		      .qname = "www.example.com.",
		      .qtype = DNS_TYPE_A,
		      .answer = {"www.example.com. 60 A 192.0.2.66"}},
	 .zone = "example.com.",
	 .how = TRUNCATED,
	 .verdict = SCRUB_BROKEN},
	{.response = {.says = "at the root, all is in the zone",
		      .qname = ".",
		      .qtype = DNS_TYPE_NS,
		      .answer = {". 60 NS a.root-servers.net."},
		      .additional = {"a.root-servers.net. 60 A 198.41.0.4"}},
	 .zone = ".",
	 .how = IS_WHOLE,
	 .verdict = SCRUB_ANSWER,
	 .clean = {". 60 NS a.root-servers.net.", "--"}},
};

static struct name name_of(const char *text)
{
	struct name name;

	CU_ASSERT_TRUE_FATAL(name_from_text(text, &name));
	name_lower(&name, &name);
	return name;
}

static struct msg_response parsed(struct entry_message *message)
{
	struct msg_response r;

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	return r;
}

static void set_flags(const struct scrub_case *c, struct entry_message *message)
{
	uint16_t flags = wire_get_u16(message->bytes + 2);

	flags = (uint16_t)(flags & ~(DNS_FLAG_AA | DNS_FLAG_RA | DNS_FLAG_TC));
	flags = (uint16_t)(flags | ((c->how & NO_AA) != 0 ? 0 : DNS_FLAG_AA));
	flags = (uint16_t)(flags | ((c->how & NO_RA) != 0 ? 0 : DNS_FLAG_RA));
	flags = (uint16_t)(flags | ((c->how & TRUNCATED) != 0 ? DNS_FLAG_TC : 0));
	wire_put_u16(message->bytes + 2, flags);
}

/* Wire form of the line's record, as ldns has it. */
static char *canonical_text(ldns_rr *rr)
{
	char *text = ldns_rr2str(rr);

	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	return text;
}

/* Is the section what the lines up to the next "--" say? Moves *line behind them. */
static bool section_is(const ldns_rr_list *section, const char *const **line)
{
	bool same = true;
	size_t i = 0;

	for (; **line != NULL && strcmp(**line, "--") != 0; ++*line, i++) {
		ldns_rr *rr = NULL;
		char *want, *got;

		CU_ASSERT_EQUAL_FATAL(ldns_rr_new_frm_str(&rr, **line, 0, NULL, NULL),
				      LDNS_STATUS_OK);
		want = canonical_text(rr);
		got = i < ldns_rr_list_rr_count(section)
			      ? canonical_text(ldns_rr_list_rr(section, i))
			      : strdup("nothing\n");
		if (strcasecmp(want, got) != 0) {
			printf("\n got  %s want %s", got, want);
			same = false;
		}
		free(want);
		free(got);
		ldns_rr_free(rr);
	}
	if (i != ldns_rr_list_rr_count(section))
		printf("\n got %zu records\n", ldns_rr_list_rr_count(section));
	return same && i == ldns_rr_list_rr_count(section);
}

static bool clean_is(const struct scrub_case *c, const struct msg_response *clean)
{
	const char *const *line = c->clean;
	ldns_pkt *packet = NULL;
	bool same;

	CU_ASSERT_EQUAL_FATAL(ldns_wire2pkt(&packet, clean->message.data,
					    clean->message.length_bytes),
			      LDNS_STATUS_OK);
	same = section_is(ldns_pkt_answer(packet), &line);
	line += *line != NULL;
	same &= section_is(ldns_pkt_authority(packet), &line);
	same &= ldns_pkt_arcount(packet) == 0 && !ldns_pkt_edns(packet) && !ldns_pkt_aa(packet) &&
		!ldns_pkt_tc(packet) && ldns_pkt_get_rcode(packet) == (ldns_pkt_rcode)c->rcode;
	ldns_pkt_free(packet);
	return same;
}

/* What scrub_clean says of the message is what a parser says. */
static bool view_is_true(const struct msg_response *clean)
{
	struct msg_response again;

	return msg_parse_response(clean->message, &again) == MSG_RESPONSE_OK &&
	       again.flags == clean->flags && again.id == clean->id &&
	       again.answer_count == clean->answer_count &&
	       again.authority_count == clean->authority_count &&
	       again.additional_count == clean->additional_count &&
	       again.opt_offset == clean->opt_offset && again.opt_is_last == clean->opt_is_last &&
	       again.has_dnssec_records == clean->has_dnssec_records &&
	       again.records_offset == clean->records_offset && !clean->edns.present &&
	       name_equal_exact(&again.qname, &clean->qname);
}

static bool case_holds(const struct scrub_case *c, bool compressed)
{
	static struct entry_message message;
	static uint8_t room[UINT16_MAX];
	struct name zone = name_of(c->zone), qname = name_of(c->response.qname);
	struct name target = name_of(c->target != NULL ? c->target : c->response.qname);
	struct scrub_question question = {.zone = &zone,
					  .qname = &qname,
					  .qtype = c->response.qtype,
					  .is_recursive = (c->how & RECURSIVE) != 0,
					  .is_safe = (c->how & UNSAFE) == 0};
	struct msg_response r, clean;
	struct scrubbed s;

	entry_response(&c->response, compressed, &message);
	set_flags(c, &message);
	r = parsed(&message);
	memset(&s, 0xa5, sizeof(s));
	scrub_response(&r, &question, &s);
	if (s.verdict != c->verdict ||
	    s.if_believed != (c->verdict == SCRUB_LAME ? c->if_believed : c->verdict)) {
		printf("\n got %s\n", scrub_verdict_text[s.verdict]);
		return false;
	}
	if (!name_equal_exact(&s.target, &target)) {
		printf("\n target differs\n");
		return false;
	}
	if (s.if_believed >= SCRUB_REFERRAL)
		return true;
	/* Owners that do not point to the question are no plain ones, so that they stay all the same. */
	if (s.is_whole != ((c->how & IS_WHOLE) != 0)) {
		printf("\n is_whole differs\n");
		return false;
	}
	return scrub_clean(&r, &s, message.bytes, (struct buffer){room, sizeof(room)}, &clean) &&
	       clean_is(c, &clean) && view_is_true(&clean);
}

static void scrub__judges_by_content(void)
{
	for (unsigned i = 0; i < 2 * ARRAY_COUNT(cases); i++) {
		bool holds = case_holds(&cases[i / 2], i % 2 == 0);

		if (!holds)
			printf("\n%s%s\n", cases[i / 2].response.says,
			       i % 2 == 0 ? "" : " (not compressed)");
		CU_ASSERT_TRUE(holds);
	}
}

/* The clean message is clean: scrubbed again it is what it was. */
static void scrub__leaves_nothing_to_scrub(void)
{
	static struct entry_message message;
	static uint8_t room[UINT16_MAX], more_room[UINT16_MAX];

	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		const struct scrub_case *c = &cases[i];
		struct name zone = name_of(c->zone), qname = name_of(c->response.qname);
		struct scrub_question question = {&zone, &qname, c->response.qtype, true, true};
		struct msg_response r, clean, again;
		struct scrubbed s, t;

		if (c->verdict >= SCRUB_REFERRAL)
			continue;
		entry_response(&c->response, true, &message);
		set_flags(c, &message);
		r = parsed(&message);
		scrub_response(&r, &question, &s);
		CU_ASSERT_TRUE_FATAL(scrub_clean(&r, &s, message.bytes,
						 (struct buffer){room, sizeof(room)}, &clean));
		scrub_response(&clean, &question, &t);
		CU_ASSERT_EQUAL(t.verdict, s.verdict);
		uint8_t *bytes = clean.message.data == message.bytes ? message.bytes : room;
		CU_ASSERT_TRUE_FATAL(scrub_clean(
			&clean, &t, bytes, (struct buffer){more_room, sizeof(more_room)}, &again));
		CU_ASSERT_TRUE(clean_is(c, &again));
	}
}

/* ---- what no line of a zone file says ---- */

static struct entry_message *message_of(const struct entry_case *c)
{
	static struct entry_message message;

	entry_response(c, true, &message);
	return &message;
}

static enum scrub_verdict verdict_of(const struct entry_message *message, const char *zone,
				     struct scrubbed *out)
{
	static struct msg_response r;
	struct name name = name_of(zone), qname;
	struct scrub_question question = {&name, &qname, 0, false, true};

	CU_ASSERT_EQUAL_FATAL(
		msg_parse_response((struct span){message->bytes, message->length_bytes}, &r),
		MSG_RESPONSE_OK);
	name_lower(&r.qname, &qname);
	question.qtype = r.qtype;
	scrub_response(&r, &question, out);
	return out->verdict;
}

static void scrub__takes_an_rrset_of_any_length_but_no_chain(void)
{
	static const struct entry_case one = {.says = "",
					      .qname = "www.example.com.",
					      .qtype = DNS_TYPE_A,
					      .answer = {"www.example.com. 60 A 192.0.2.1"}};
	static const struct entry_case chain = {
		.says = "",
		.qname = "www.example.com.",
		.qtype = DNS_TYPE_A,
		.answer = {"www.example.com. 60 CNAME a.example.com.",
			   "a.example.com. 60 A 192.0.2.1"}};
	enum { RECORD_BYTES = 16, OPT_BYTES = 11, COUNT = 1000 };
	static uint8_t room[UINT16_MAX];
	struct entry_message *message = message_of(&one);
	struct msg_response r, clean;
	struct scrubbed s;
	size_t at = message->length_bytes - OPT_BYTES;

	message->length_bytes = at;
	wire_put_u16(message->bytes + 10, 0);
	for (unsigned i = 1; i < COUNT; i++, message->length_bytes += RECORD_BYTES)
		memcpy(message->bytes + message->length_bytes,
		       message->bytes + message->length_bytes - RECORD_BYTES, RECORD_BYTES);
	wire_put_u16(message->bytes + 6, COUNT);
	CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s), SCRUB_ANSWER);
	CU_ASSERT_TRUE_FATAL(s.is_whole);
	r = parsed(message);
	CU_ASSERT_TRUE(scrub_clean(&r, &s, message->bytes, (struct buffer){room, 0}, &clean));
	CU_ASSERT_EQUAL(clean.answer_count, COUNT);
	/* Behind a link: as many as are kept, then one more. */
	for (unsigned extra = 0; extra < 2; extra++) {
		message = message_of(&chain);
		message->length_bytes -= OPT_BYTES;
		wire_put_u16(message->bytes + 10, 0);
		for (unsigned i = 2; i < SCRUB_RECORDS_MAX + extra;
		     i++, message->length_bytes += RECORD_BYTES)
			memcpy(message->bytes + message->length_bytes,
			       message->bytes + message->length_bytes - RECORD_BYTES, RECORD_BYTES);
		wire_put_u16(message->bytes + 6, (uint16_t)(SCRUB_RECORDS_MAX + extra));
		CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s),
				extra == 0 ? SCRUB_ANSWER : SCRUB_BROKEN);
	}
}

static void scrub__says_yxdomain_where_a_dname_makes_too_long_a_name(void)
{
	static uint8_t room[UINT16_MAX];
	char qname[300], dname[300];
	struct entry_case c = {.says = "", .qname = qname, .qtype = DNS_TYPE_A, .answer = {dname}};
	struct msg_response r, clean;
	struct scrubbed s;

	/* 200 bytes below the owner; a target of 55 is the longest that fits. */
	for (unsigned extra = 0; extra < 2; extra++) {
		struct entry_message *message;
		int length = 0;

		for (unsigned i = 0; i < 4; i++)
			length += snprintf(qname + length, sizeof(qname) - (size_t)length, "%049u.",
					   i);
		snprintf(qname + length, sizeof(qname) - (size_t)length, "example.com.");
		snprintf(dname, sizeof(dname), "example.com. 60 DNAME %0*u.", 53 + (int)extra, 1);
		for (unsigned yxdomain = 0; yxdomain < 1 + extra; yxdomain++) {
			c.rcode = yxdomain != 0 ? DNS_RCODE_YXDOMAIN : DNS_RCODE_NOERROR;
			message = message_of(&c);
			CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s),
					extra == 0 ? SCRUB_LINK : SCRUB_ANSWER);
			CU_ASSERT_EQUAL(s.rcode,
					extra == 0 ? DNS_RCODE_NOERROR : DNS_RCODE_YXDOMAIN);
			r = parsed(message);
			CU_ASSERT_TRUE_FATAL(scrub_clean(&r, &s, message->bytes,
							 (struct buffer){room, sizeof(room)},
							 &clean));
			CU_ASSERT_EQUAL(clean.answer_count, 2 - extra);
			CU_ASSERT_EQUAL(clean.flags & DNS_RCODE_MASK, s.rcode);
		}
	}
}

static void scrub__needs_room_for_what_it_rewrites(void)
{
	static const struct entry_case c = {.says = "",
					    .qname = "www.example.com.",
					    .qtype = DNS_TYPE_A,
					    .answer = {"a.example.com. 60 A 192.0.2.1",
						       "www.example.com. 60 CNAME a.example.com."}};
	static uint8_t room[UINT16_MAX];
	struct entry_message *message = message_of(&c);
	struct msg_response r = parsed(message), clean;
	struct scrubbed s;
	size_t needs;

	CU_ASSERT_EQUAL_FATAL(verdict_of(message, "example.com.", &s), SCRUB_ANSWER);
	CU_ASSERT_TRUE_FATAL(
		scrub_clean(&r, &s, message->bytes, (struct buffer){room, sizeof(room)}, &clean));
	needs = clean.message.length_bytes;
	for (size_t i = 0; i < needs; i++)
		CU_ASSERT_FALSE(
			scrub_clean(&r, &s, message->bytes, (struct buffer){room, i}, &clean));
	CU_ASSERT_TRUE(scrub_clean(&r, &s, message->bytes, (struct buffer){room, needs}, &clean));
}

/* An extended RCODE is not the one that its lower bits say. */
static void scrub__reads_the_whole_rcode(void)
{
	static const struct entry_case c = {.says = "",
					    .qname = "www.example.com.",
					    .qtype = DNS_TYPE_A,
					    .answer = {"www.example.com. 60 A 192.0.2.1"}};
	struct entry_message *message = message_of(&c);
	struct scrubbed s;

	message->bytes[message->length_bytes - 6] = 1;
	CU_ASSERT_EQUAL(verdict_of(message, "example.com.", &s), SCRUB_RCODE);
}

static const struct unit_test tests[] = {
	UNIT_TEST(scrub__judges_by_content),
	UNIT_TEST(scrub__leaves_nothing_to_scrub),
	UNIT_TEST(scrub__takes_an_rrset_of_any_length_but_no_chain),
	UNIT_TEST(scrub__says_yxdomain_where_a_dname_makes_too_long_a_name),
	UNIT_TEST(scrub__needs_room_for_what_it_rewrites),
	UNIT_TEST(scrub__reads_the_whole_rcode),
};
UNIT_SUITE(scrub, tests)
