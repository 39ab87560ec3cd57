#include "dpdk_app/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>

#include "core/dns_const.h"

static_assert(TEXT_ADDRESS_BYTES >= INET6_ADDRSTRLEN, "an address fits");

const char *text_address(const struct address *address, char text[TEXT_ADDRESS_BYTES])
{
	bool v4 = address_is_v4(address);

	/* Cannot fail: both families are known and the room is enough. */
	return inet_ntop(v4 ? AF_INET : AF_INET6,
			 v4 ? address->bytes + ADDRESS_V4_OFFSET : address->bytes, text,
			 TEXT_ADDRESS_BYTES);
}

const char *text_endpoint(const struct endpoint *endpoint, char text[TEXT_ENDPOINT_BYTES])
{
	char address[TEXT_ADDRESS_BYTES];

	text_address(&endpoint->address, address);
	if (endpoint->port == DNS_PORT)
		snprintf(text, TEXT_ENDPOINT_BYTES, "%s", address);
	else
		snprintf(text, TEXT_ENDPOINT_BYTES, "%s@%u", address, endpoint->port);
	return text;
}

const char *text_mac(const struct mac *mac, char text[TEXT_MAC_BYTES])
{
	snprintf(text, TEXT_MAC_BYTES, "%02x:%02x:%02x:%02x:%02x:%02x", mac->bytes[0],
		 mac->bytes[1], mac->bytes[2], mac->bytes[3], mac->bytes[4], mac->bytes[5]);
	return text;
}
