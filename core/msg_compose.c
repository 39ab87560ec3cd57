#include "msg_compose.h"

#include "dns_const.h"
#include "limits.h"
#include "msg_records.h"
#include "wire_cursor.h"

#define QUESTION_FIXED_BYTES 4

/* Both were parsed: their records can be read, and none is an OPT, as an OPT stands in the additional section only. Moves
 * *offset behind the section. */
static bool copy_section(struct msg_records *writer, const struct msg_response *from,
			 unsigned record_count, size_t *offset)
{
	for (unsigned i = 0; i < record_count; i++) {
		struct msg_record record;

		if (!msg_record_next(from->message, offset, &record))
			return false;
		msg_records_write(writer, &record);
		if (!writer->writer.ok)
			return false;
	}
	return true;
}

static bool copy_sections(struct msg_records *writer, const struct msg_response *links,
			  const struct msg_response *rest)
{
	size_t of_links = links->records_offset;
	size_t of_rest = rest->records_offset;

	if (!copy_section(writer, links, links->answer_count, &of_links))
		return false;
	msg_records_go_on(writer, rest);
	if (!copy_section(writer, rest, rest->answer_count, &of_rest) ||
	    !copy_section(writer, rest, rest->authority_count, &of_rest))
		return false;
	msg_records_go_on(writer, links);
	return copy_section(writer, links, links->authority_count, &of_links);
}

bool msg_compose_chain(const struct msg_response *links, const struct msg_response *rest,
		       struct buffer message, struct msg_response *out)
{
	unsigned answers = (unsigned)links->answer_count + rest->answer_count;
	unsigned authorities = (unsigned)links->authority_count + rest->authority_count;
	uint16_t flags =
		(uint16_t)((links->flags & ~DNS_RCODE_MASK) | (rest->flags & DNS_RCODE_MASK));
	uint8_t *question_end = message.data + links->records_offset;
	struct msg_records writer;

	if (answers > SCRUB_RECORDS_MAX || authorities > SCRUB_RECORDS_MAX ||
	    message.capacity_bytes < links->records_offset)
		return false;
	msg_records_init(&writer, message, links, &links->qname);
	if (!copy_sections(&writer, links, rest))
		return false;
	wire_put_u16(question_end - QUESTION_FIXED_BYTES, links->qtype);
	wire_put_u16(question_end - 2, links->qclass);
	wire_put_u16(message.data, links->id);
	wire_put_u16(message.data + 2, flags);
	wire_put_u16(message.data + 4, 1);
	wire_put_u16(message.data + 6, (uint16_t)answers);
	wire_put_u16(message.data + 8, (uint16_t)authorities);
	wire_put_u16(message.data + 10, 0);
	return msg_parse_response((struct span){message.data, writer.writer.offset}, out) ==
	       MSG_RESPONSE_OK;
}
