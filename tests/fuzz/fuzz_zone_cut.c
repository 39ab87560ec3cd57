/* Zone cuts: unpacked from whatever bytes, and made of whatever response.
 *
 * Input: byte 0: what the rest is (TAKE_*), and of a response how many labels of the question's name are below its parent.
 *
 * Promises that are checked: what is taken is a cut in order (zone_cut_check), and the same after packing, but for bytes that
 * nobody packed; a delegation never outlives its parent nor a day, and sends nobody to where nobody may be sent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/dns_const.h"
#include "core/msg_parse.h"
#include "core/zone_cut.h"

enum { TAKE_PACKED, TAKE_REFERRAL, TAKE_PRIMING, TAKE_ADDRESSES, TAKE_MASK = 3, LABELS_SHIFT = 2 };
enum { NOW_S = 1000, PARENT_TTL_S = 3600 };

static void check_packing(const struct zone_cut *cut)
{
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX], again_packed[ZONE_CUT_PACKED_BYTES_MAX];
	struct zone_cut again;
	size_t length_bytes = zone_cut_pack(cut, (struct buffer){packed, sizeof(packed)});

	zone_cut_check(cut);
	CHECK(length_bytes > 0);
	memset(&again, 0xa5, sizeof(again));
	CHECK(zone_cut_unpack((struct span){packed, length_bytes}, &again));
	zone_cut_check(&again);
	CHECK(zone_cut_pack(&again, (struct buffer){again_packed, length_bytes}) == length_bytes);
	CHECK(memcmp(packed, again_packed, length_bytes) == 0);
}

/* Of bytes that nobody packed no more is promised than that they are within bounds. */
static void check_unpacked(const struct zone_cut *cut, struct span from)
{
	uint8_t packed[ZONE_CUT_PACKED_BYTES_MAX];
	size_t length_bytes = zone_cut_pack(cut, (struct buffer){packed, sizeof(packed)});

	CHECK(length_bytes > 0 && length_bytes <= from.length_bytes);
	CHECK(memcmp(packed, from.data, length_bytes) == 0);
	for (unsigned i = 0; i < cut->server_count; i++)
		CHECK(cut->servers[i].name_offset + cut->servers[i].name_bytes <= cut->names_bytes);
	for (unsigned i = 0; i < cut->address_count; i++)
		CHECK(cut->addresses[i].server < cut->server_count ||
		      cut->addresses[i].server == ZONE_CUT_NO_SERVER);
}

static void check_learnt(const struct zone_cut *cut)
{
	check_packing(cut);
	CHECK(cut->server_count > 0);
	CHECK(cut->expires_at_s >= NOW_S && cut->expires_at_s <= NOW_S + CUT_TTL_S_MAX);
	for (unsigned i = 0; i < cut->address_count; i++) {
		CHECK(zone_cut_may_ask(&cut->addresses[i].endpoint.address));
		CHECK(cut->addresses[i].endpoint.port == DNS_PORT);
		CHECK(cut->addresses[i].server < cut->server_count);
	}
}

static void take_referral(const struct msg_response *r, const struct name *zone,
			  const struct name *above)
{
	struct zone_cut parent, cut;

	zone_cut_init(&parent, above, 0, NOW_S + PARENT_TTL_S);
	memset(&cut, 0xa5, sizeof(cut));
	if (!zone_cut_from_referral(r, zone, &parent, NOW_S, &cut))
		return;
	check_learnt(&cut);
	CHECK(cut.expires_at_s <= parent.expires_at_s && name_equal(&cut.zone, zone));
	for (unsigned i = 0; i < cut.server_count; i++) {
		struct name server;

		zone_cut_server_name(&cut, i, &server);
		CHECK(!cut.servers[i].has_addresses || name_is_below(&server, above));
	}
}

static void take_response(struct span message, uint8_t how)
{
	struct msg_response r;
	struct name zone, above;
	struct zone_cut cut;
	size_t at = 0;

	if (msg_parse_response(message, &r) != MSG_RESPONSE_OK)
		return;
	name_lower(&r.qname, &zone);
	for (unsigned labels = how >> LABELS_SHIFT; labels > 0 && zone.bytes[at] != 0; labels--)
		at += 1 + (size_t)zone.bytes[at];
	above.length_bytes = (uint8_t)(zone.length_bytes - at);
	memcpy(above.bytes, zone.bytes + at, above.length_bytes);
	memset(&cut, 0xa5, sizeof(cut));
	switch (how & TAKE_MASK) {
	case TAKE_REFERRAL:
		take_referral(&r, &zone, &above);
		break;
	case TAKE_PRIMING:
		if (zone_cut_from_priming(&r, NOW_S, &cut))
			check_learnt(&cut);
		break;
	default:
		zone_cut_init(&cut, &above, 0, NOW_S + PARENT_TTL_S);
		CHECK(zone_cut_add_server(&cut, &zone));
		CHECK(zone_cut_take_addresses(&cut, 0, &r) == cut.address_count);
		CHECK(cut.address_count <= ADDRESSES_PER_SERVER_MAX);
		check_learnt(&cut);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes; /* exact, so that ASan sees what is read behind it */
	struct zone_cut cut;

	if (size < 1)
		return 0;
	bytes = malloc(size);
	CHECK(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	memset(&cut, 0xa5, sizeof(cut));
	if ((data[0] & TAKE_MASK) != TAKE_PACKED)
		take_response((struct span){bytes, size - 1}, data[0]);
	else if (zone_cut_unpack((struct span){bytes, size - 1}, &cut))
		check_unpacked(&cut, (struct span){bytes, size - 1});
	free(bytes);
	return 0;
}
