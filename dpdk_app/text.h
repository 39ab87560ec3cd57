/* Addresses, endpoints and MACs as people write them. */
#ifndef PORTICO_TEXT_H
#define PORTICO_TEXT_H

#include "core/address.h"

#define TEXT_ADDRESS_BYTES 46
#define TEXT_ENDPOINT_BYTES (TEXT_ADDRESS_BYTES + 6) /* address@65535 */
#define TEXT_MAC_BYTES 18

/* Each writes into text and returns it. */
const char *text_address(const struct address *address, char text[TEXT_ADDRESS_BYTES]);
/* In the configuration's form: the port only where it is not 53. */
const char *text_endpoint(const struct endpoint *endpoint, char text[TEXT_ENDPOINT_BYTES]);
const char *text_mac(const struct mac *mac, char text[TEXT_MAC_BYTES]);

#endif
