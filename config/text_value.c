#include "text_value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PORT_MAX 65535
#define PART_BYTES 64 /* an address or port as text, with room to spare */
#define V4_BITS_OFFSET (8 * ADDRESS_V4_OFFSET)

const char *const text_result_text[TEXT_RESULT_COUNT] = {
	[TEXT_OK] = "is fine",
	[TEXT_NOT_NUMBER] = "is not a whole number",
	[TEXT_NUMBER_TOO_LARGE] = "is out of range",
	[TEXT_NOT_ADDRESS] = "is not an IP address",
	[TEXT_V4_MAPPED] = "is an IPv4 address in IPv6 dress: write it as IPv4",
	[TEXT_ADDRESS_PORT] = "has a port that is not 1 to 65535",
	[TEXT_PORT] = "is not a port or range of ports",
	[TEXT_RANGE_REVERSED] = "ends before it begins",
	[TEXT_NO_LENGTH] = "has no prefix length",
	[TEXT_LENGTH] = "has a prefix length that its family does not know",
	[TEXT_NOT_MAC] = "is not a MAC address",
	[TEXT_MAC_NOT_UNICAST] = "is not the MAC address of one station",
};

enum text_result text_value_integer(const char *text, int64_t *out)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	int64_t value = 0;
	bool too_large = false;

	if (digits[0] == '\0' || (digits[0] == '0' && digits[1] != '\0'))
		return TEXT_NOT_NUMBER;
	for (const char *at = digits; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return TEXT_NOT_NUMBER;
		too_large = too_large || __builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, *at - '0', &value);
	}
	if (too_large)
		return TEXT_NUMBER_TOO_LARGE;
	*out = digits == text ? value : -value;
	return TEXT_OK;
}

enum text_result text_value_address(const char *text, struct address *out)
{
	struct address a;
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1) {
		*out = address_from_v4(v4);
		return TEXT_OK;
	}
	if (inet_pton(AF_INET6, text, a.bytes) != 1)
		return TEXT_NOT_ADDRESS;
	if (address_is_v4(&a))
		return TEXT_V4_MAPPED;
	*out = a;
	return TEXT_OK;
}

/* The part of text before `separator`, and what follows it; false: there is none, or it is too long. */
static bool text_split(const char *text, char separator, char head[PART_BYTES], const char **tail)
{
	const char *at = strchr(text, separator);

	if (at == NULL || at - text >= PART_BYTES)
		return false;
	memcpy(head, text, (size_t)(at - text));
	head[at - text] = '\0';
	*tail = at + 1;
	return true;
}

static enum text_result text_port(const char *text, uint16_t *out)
{
	int64_t port = 0;

	if (text_value_integer(text, &port) != TEXT_OK || port < 1 || port > PORT_MAX)
		return TEXT_PORT;
	*out = (uint16_t)port;
	return TEXT_OK;
}

enum text_result text_value_endpoint(const char *text, uint16_t default_port, struct endpoint *out)
{
	struct endpoint e = {.port = default_port};
	char head[PART_BYTES];
	const char *port;
	enum text_result result;

	if (!text_split(text, '@', head, &port)) {
		result = text_value_address(text, &e.address);
	} else {
		result = text_value_address(head, &e.address);
		if (result == TEXT_OK && text_port(port, &e.port) != TEXT_OK)
			result = TEXT_ADDRESS_PORT;
	}
	if (result == TEXT_OK)
		*out = e;
	return result;
}

enum text_result text_value_prefix(const char *text, struct prefix *out)
{
	struct prefix p;
	char head[PART_BYTES];
	const char *length_text;
	int64_t length = 0;
	int64_t before;
	enum text_result result;

	if (!text_split(text, '/', head, &length_text)) {
		result = text_value_address(text, &p.address);
		return result == TEXT_OK ? TEXT_NO_LENGTH : result;
	}
	result = text_value_address(head, &p.address);
	if (result != TEXT_OK)
		return result;
	before = address_is_v4(&p.address) ? V4_BITS_OFFSET : 0;
	if (text_value_integer(length_text, &length) != TEXT_OK || length < 0 ||
	    length > ADDRESS_BITS - before)
		return TEXT_LENGTH;
	p.bits = (uint8_t)(before + length);
	*out = p;
	return TEXT_OK;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum text_result text_value_mac(const char *text, struct mac *out)
{
	static const struct mac zero;
	struct mac mac;

	if (strlen(text) != 3 * sizeof(mac.bytes) - 1)
		return TEXT_NOT_MAC;
	for (size_t i = 0; i < sizeof(mac.bytes); i++) {
		int high = hex_value(text[3 * i]);
		int low = hex_value(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i > 0 && text[3 * i - 1] != ':'))
			return TEXT_NOT_MAC;
		mac.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if ((mac.bytes[0] & 1) != 0 || mac_equal(&mac, &zero))
		return TEXT_MAC_NOT_UNICAST;
	*out = mac;
	return TEXT_OK;
}

enum text_result text_value_ports(const char *text, struct port_range *out)
{
	struct port_range range;
	char head[PART_BYTES];
	const char *last;

	if (!text_split(text, '-', head, &last)) {
		if (text_port(text, &range.first) != TEXT_OK)
			return TEXT_PORT;
		range.last = range.first;
	} else if (text_port(head, &range.first) != TEXT_OK ||
		   text_port(last, &range.last) != TEXT_OK) {
		return TEXT_PORT;
	}
	if (range.last < range.first)
		return TEXT_RANGE_REVERSED;
	*out = range;
	return TEXT_OK;
}

const char *text_value_of_address(const struct address *a, char out[TEXT_ADDRESS_BYTES])
{
	bool v4 = address_is_v4(a);

	CHECK(inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? a->bytes + ADDRESS_V4_OFFSET : a->bytes, out,
			TEXT_ADDRESS_BYTES) != NULL);
	return out;
}

const char *text_value_of_endpoint(const struct endpoint *e, char out[TEXT_ADDRESS_BYTES])
{
	size_t length = strlen(text_value_of_address(&e->address, out));

	snprintf(out + length, TEXT_ADDRESS_BYTES - length, "@%u", e->port);
	return out;
}

const char *text_value_of_prefix(const struct prefix *p, char out[TEXT_ADDRESS_BYTES])
{
	size_t length = strlen(text_value_of_address(&p->address, out));

	snprintf(out + length, TEXT_ADDRESS_BYTES - length, "/%u",
		 p->bits - (address_is_v4(&p->address) ? V4_BITS_OFFSET : 0u));
	return out;
}
