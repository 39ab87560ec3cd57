/* Single values from text: numbers, addresses, networks, ports. Whole texts only: trailing junk is an
 * error. Outputs are written on TEXT_OK only.
 *
 * Threads: pure functions. RFCs: 4291 section 2.2 (addresses), 4632 (prefixes).
 */
#ifndef PORTICO_TEXT_VALUE_H
#define PORTICO_TEXT_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "core/check.h"

enum text_result {
	TEXT_OK,
	TEXT_NOT_NUMBER,
	TEXT_NUMBER_TOO_LARGE,
	TEXT_NOT_ADDRESS,
	TEXT_V4_MAPPED,    /* ::ffff:192.0.2.1 */
	TEXT_ADDRESS_PORT, /* what follows @ */
	TEXT_PORT,         /* 0, above 65535 or not a number */
	TEXT_RANGE_REVERSED,
	TEXT_NO_LENGTH, /* address without /length */
	TEXT_LENGTH,    /* /length beyond the family's bits */
	TEXT_NOT_MAC,
	TEXT_MAC_NOT_UNICAST,
	TEXT_RESULT_COUNT,
};
/* What is wrong, to stand after the value: "is not an IP address". */
extern const char *const text_result_text[TEXT_RESULT_COUNT];

struct port_range {
	uint16_t first;
	uint16_t last; /* inclusive */
};

/* Decimal, without sign (but "-" for negatives), leading zeros, underscores or exponents. */
MUST_USE enum text_result text_value_integer(const char *text, int64_t *out);
MUST_USE enum text_result text_value_address(const char *text, struct address *out);
/* address or address@port. */
MUST_USE enum text_result text_value_endpoint(const char *text, uint16_t default_port,
					      struct endpoint *out);
/* address/length; bits count over 16 bytes, host bits are kept. TEXT_NO_LENGTH when there is no /. */
MUST_USE enum text_result text_value_prefix(const char *text, struct prefix *out);
MUST_USE enum text_result text_value_mac(const char *text, struct mac *out);
/* "4500" or "8000-8100"; port 0 is refused. */
MUST_USE enum text_result text_value_ports(const char *text, struct port_range *out);

#define TEXT_ADDRESS_BYTES 64
/* For messages. */
const char *text_value_of_address(const struct address *a, char out[TEXT_ADDRESS_BYTES]);
const char *text_value_of_endpoint(const struct endpoint *e, char out[TEXT_ADDRESS_BYTES]);
const char *text_value_of_prefix(const struct prefix *p, char out[TEXT_ADDRESS_BYTES]);

#endif
