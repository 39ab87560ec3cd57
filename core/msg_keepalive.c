#include "msg_keepalive.h"

#include "dns_const.h"
#include "limits.h"
#include "msg_parse.h"
#include "name.h"
#include "wire_cursor.h"

#define OPTION_HEADER_BYTES 4
#define TIMEOUT_BYTES 2
#define QUESTION_FIXED_BYTES 4

/* The first OPT of the message. False: there is none that can be read. */
static bool find_opt(struct span message, struct msg_record *opt)
{
	size_t offset = DNS_HEADER_BYTES;
	unsigned record_count;

	if (message.length_bytes < DNS_HEADER_BYTES)
		return false;
	record_count = (unsigned)wire_get_u16(message.data + 6) + wire_get_u16(message.data + 8) +
		       wire_get_u16(message.data + 10);
	for (unsigned i = wire_get_u16(message.data + 4); i > 0; i--) {
		if (i > 1 || name_skip(message, &offset) != NAME_OK)
			return false; /* more than one question is nothing that we know */
		offset += QUESTION_FIXED_BYTES;
	}
	for (unsigned i = 0; i < record_count && i < RECORDS_PARSED_MAX; i++) {
		if (offset >= message.length_bytes || !msg_record_next(message, &offset, opt))
			return false;
		if (opt->type == DNS_TYPE_OPT)
			return true;
	}
	return false;
}

/* The contents of the first such option; data NULL: there is none. */
static struct span find_keepalive(struct span message)
{
	const struct span none = {NULL, 0};
	struct msg_record opt;
	size_t at;

	if (!find_opt(message, &opt))
		return none;
	at = opt.rdata_offset;
	for (unsigned i = 0; i < EDNS_OPTIONS_PARSED_MAX; i++) {
		const uint8_t *option = message.data + at;
		size_t value_bytes;

		if (opt.end_offset - at < OPTION_HEADER_BYTES)
			return none;
		value_bytes = wire_get_u16(option + 2);
		at += OPTION_HEADER_BYTES;
		if (opt.end_offset - at < value_bytes)
			return none;
		if (wire_get_u16(option) == DNS_OPTION_KEEPALIVE)
			return (struct span){message.data + at, value_bytes};
		at += value_bytes;
	}
	return none;
}

bool msg_has_keepalive(struct span message)
{
	return find_keepalive(message).data != NULL;
}

bool msg_keepalive_timeout(struct span message, uint16_t *timeout_100ms)
{
	struct span value = find_keepalive(message);

	if (value.data == NULL || value.length_bytes != TIMEOUT_BYTES)
		return false;
	*timeout_100ms = wire_get_u16(value.data);
	return true;
}

/* The option's head behind the OPT, which is last. Returns the message's length with it and with value_bytes, which the caller
 * writes at its end; length_bytes: it cannot be so. */
static size_t append(struct buffer message, size_t length_bytes, uint16_t value_bytes)
{
	size_t longer_bytes = length_bytes + OPTION_HEADER_BYTES + value_bytes;
	struct msg_record opt;
	uint8_t *rdata_length;

	if (longer_bytes > message.capacity_bytes || longer_bytes > DNS_MESSAGE_BYTES_MAX ||
	    !find_opt((struct span){message.data, length_bytes}, &opt) ||
	    opt.end_offset != length_bytes)
		return length_bytes;
	rdata_length = message.data + opt.rdata_offset - 2;
	wire_put_u16(rdata_length,
		     (uint16_t)(opt.rdata_length_bytes + OPTION_HEADER_BYTES + value_bytes));
	wire_put_u16(message.data + length_bytes, DNS_OPTION_KEEPALIVE);
	wire_put_u16(message.data + length_bytes + 2, value_bytes);
	return longer_bytes;
}

size_t msg_add_keepalive(struct buffer message, size_t length_bytes, uint16_t timeout_100ms)
{
	size_t longer_bytes = append(message, length_bytes, TIMEOUT_BYTES);

	if (longer_bytes > length_bytes)
		wire_put_u16(message.data + longer_bytes - TIMEOUT_BYTES, timeout_100ms);
	return longer_bytes;
}

size_t msg_ask_keepalive(struct buffer message, size_t length_bytes)
{
	return append(message, length_bytes, 0);
}
