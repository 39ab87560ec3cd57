#include "root_hints.h"

#include <assert.h>

#include "check.h"
#include "dns_const.h"

#define WORDS 8

/* As of IANA's named.root of April 18, 2024. */
static const struct {
	uint8_t v4[4];
	uint16_t v6[WORDS];
} servers[] = {
	{{198, 41, 0, 4},
	 {0x2001, 0x0503, 0xba3e, 0x0000, 0x0000, 0x0000, 0x0002,
	  0x0030}}, /* a: 198.41.0.4, 2001:503:ba3e::2:30 */
	{{170, 247, 170, 2},
	 {0x2801, 0x01b8, 0x0010, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x000b}}, /* b: 170.247.170.2, 2801:1b8:10::b */
	{{192, 33, 4, 12},
	 {0x2001, 0x0500, 0x0002, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x000c}}, /* c: 192.33.4.12, 2001:500:2::c */
	{{199, 7, 91, 13},
	 {0x2001, 0x0500, 0x002d, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x000d}}, /* d: 199.7.91.13, 2001:500:2d::d */
	{{192, 203, 230, 10},
	 {0x2001, 0x0500, 0x00a8, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x000e}}, /* e: 192.203.230.10, 2001:500:a8::e */
	{{192, 5, 5, 241},
	 {0x2001, 0x0500, 0x002f, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x000f}}, /* f: 192.5.5.241, 2001:500:2f::f */
	{{192, 112, 36, 4},
	 {0x2001, 0x0500, 0x0012, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0d0d}}, /* g: 192.112.36.4, 2001:500:12::d0d */
	{{198, 97, 190, 53},
	 {0x2001, 0x0500, 0x0001, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0053}}, /* h: 198.97.190.53, 2001:500:1::53 */
	{{192, 36, 148, 17},
	 {0x2001, 0x07fe, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0053}}, /* i: 192.36.148.17, 2001:7fe::53 */
	{{192, 58, 128, 30},
	 {0x2001, 0x0503, 0x0c27, 0x0000, 0x0000, 0x0000, 0x0002,
	  0x0030}}, /* j: 192.58.128.30, 2001:503:c27::2:30 */
	{{193, 0, 14, 129},
	 {0x2001, 0x07fd, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0001}}, /* k: 193.0.14.129, 2001:7fd::1 */
	{{199, 7, 83, 42},
	 {0x2001, 0x0500, 0x009f, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0042}}, /* l: 199.7.83.42, 2001:500:9f::42 */
	{{202, 12, 27, 33},
	 {0x2001, 0x0dc3, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
	  0x0035}}, /* m: 202.12.27.33, 2001:dc3::35 */
};

/* "a.root-servers.net" with the letter of its place. */
static struct name name_of(unsigned idx)
{
	struct name name;

	CHECK(name_from_text("a.root-servers.net.", &name));
	name.bytes[1] = (uint8_t)('a' + idx);
	return name;
}

static struct address v6_of(const uint16_t words[WORDS])
{
	struct address a;

	for (unsigned i = 0; i < WORDS; i++) {
		a.bytes[2 * i] = (uint8_t)(words[i] >> 8);
		a.bytes[2 * i + 1] = (uint8_t)words[i];
	}
	return a;
}

void root_hints_builtin(struct zone_cut *out)
{
	static const struct name root = {.length_bytes = 1};

	static_assert(ARRAY_COUNT(servers) <= ZONE_CUT_SERVERS_MAX &&
			      2 * ARRAY_COUNT(servers) <= ZONE_CUT_ADDRESSES_MAX,
		      "all of them fit");
	zone_cut_init(out, &root, ZONE_CUT_HINTS, UINT32_MAX);
	for (unsigned i = 0; i < ARRAY_COUNT(servers); i++) {
		struct endpoint v4 = {address_from_v4(servers[i].v4), DNS_PORT};
		struct endpoint v6 = {v6_of(servers[i].v6), DNS_PORT};
		struct name name = name_of(i);

		CHECK(zone_cut_add_server(out, &name) && zone_cut_add_address(out, &v4, i) &&
		      zone_cut_add_address(out, &v6, i));
	}
}
