#include "address_class.h"

#include <string.h>

#define V4(a, b, bits)                                                                             \
	{                                                                                          \
		{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), 0, 0}}, 96 + (bits)          \
	}

static const struct {
	struct prefix prefix;
	const char *fault;
} unusable[] = {
	{V4(0, 0, 8), "is in 0.0.0.0/8, which names no station"},
	{V4(127, 0, 8), "is a loopback address, which never leaves a machine"},
	{V4(224, 0, 4), "is a multicast address"},
	{V4(240, 0, 4), "is in 240.0.0.0/4, reserved or broadcast"},
	{{{{0}}, 128}, "is the unspecified address"},
	{{{{[15] = 1}}, 128}, "is a loopback address, which never leaves a machine"},
	{{{{0xff}}, 8}, "is a multicast address"},
};

const char *address_class_fault(const struct address *a)
{
	for (size_t i = 0; i < ARRAY_COUNT(unusable); i++)
		if (prefix_contains(&unusable[i].prefix, a))
			return unusable[i].fault;
	return NULL;
}

bool address_class_is_link_local(const struct address *a)
{
	static const struct prefix v4 = V4(169, 254, 16);
	static const struct prefix v6 = {{{0xfe, 0x80}}, 10};

	return prefix_contains(&v4, a) || prefix_contains(&v6, a);
}

bool address_class_clear_host_bits(struct prefix *p)
{
	struct address before = p->address;

	for (unsigned bit = p->bits; bit < ADDRESS_BITS; bit++)
		p->address.bytes[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	return !address_equal(&before, &p->address);
}

const char *address_class_fault_in(const struct address *a, const struct prefix *network)
{
	struct prefix own = *network;
	struct address last;

	/* Networks of one or two addresses have neither. */
	if (network->bits >= ADDRESS_BITS - 1 || !prefix_contains(network, a))
		return NULL;
	address_class_clear_host_bits(&own);
	if (address_equal(&own.address, a))
		return "is the address of the network itself, not of a station in it";
	last = own.address;
	for (unsigned bit = network->bits; bit < ADDRESS_BITS; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
	if (address_is_v4(a) && address_equal(&last, a))
		return "is the broadcast address of its network";
	return NULL;
}
