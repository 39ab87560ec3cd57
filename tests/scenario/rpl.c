/* Files, lines, words. */
#include "rpl.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "tests/sim/world.h"

const char *const rpl_verdict_text[RPL_VERDICT_COUNT] = {"PASS", "PASS-LENIENT", "FAIL", "SKIP"};
const char *const rpl_step_text[RPL_STEP_KINDS] = {
	[RPL_STEP_QUERY] = "QUERY",
	[RPL_STEP_CHECK_ANSWER] = "CHECK_ANSWER",
	[RPL_STEP_CHECK_OUT_QUERY] = "CHECK_OUT_QUERY",
	[RPL_STEP_REPLY] = "REPLY",
	[RPL_STEP_TIMEOUT] = "TIMEOUT",
	[RPL_STEP_ERROR] = "ERROR",
	[RPL_STEP_NOTHING] = "NOTHING",
	[RPL_STEP_TRAFFIC] = "TRAFFIC",
	[RPL_STEP_TIME_PASSES] = "TIME_PASSES",
	[RPL_STEP_FLUSH_MESSAGE] = "FLUSH_MESSAGE",
	[RPL_STEP_EXPIRE_MESSAGE] = "EXPIRE_MESSAGE",
	[RPL_STEP_INFRA_RTT] = "INFRA_RTT",
	[RPL_STEP_ASSIGN] = "ASSIGN",
	[RPL_STEP_CHECK_QUERIES] = "CHECK_QUERIES",
};

void rpl_stop(struct rpl_file *f, enum rpl_verdict verdict, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(f->reason, sizeof(f->reason), format, arguments);
	va_end(arguments);
	f->verdict = verdict;
	longjmp(f->stop, 1);
}

void *rpl_new(size_t bytes)
{
	void *memory = calloc(1, bytes);

	CHECK(memory != NULL);
	return memory;
}

/* Cut off at the comment, if there is one outside quotes. */
static void cut_comment(char *line, bool hash_comments)
{
	bool quoted = false;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0') {
			p++;
		} else if (*p == '"') {
			quoted = !quoted;
		} else if (!quoted && (*p == ';' || (hash_comments && *p == '#'))) {
			*p = '\0';
			return;
		}
	}
}

char *rpl_line(struct rpl_file *f, bool hash_comments)
{
	while (f->next_line != NULL && *f->next_line != '\0') {
		char *line = f->next_line;
		char *end = strchr(line, '\n');

		f->next_line = end != NULL ? end + 1 : NULL;
		if (end != NULL)
			*end = '\0';
		f->line++;
		cut_comment(line, hash_comments);
		while (isspace((unsigned char)*line))
			line++;
		end = line + strlen(line);
		while (end > line && isspace((unsigned char)end[-1]))
			*--end = '\0';
		if (*line != '\0')
			return line;
	}
	return NULL;
}

char *rpl_word(char **line)
{
	char *word = *line;
	char *end;

	while (isspace((unsigned char)*word))
		word++;
	if (*word == '\0')
		return NULL;
	if (*word == '"') {
		end = strchr(++word, '"');
		end = end != NULL ? end : word + strlen(word);
	} else {
		end = word + strcspn(word, " \t\r\v\f");
	}
	*line = *end != '\0' ? end + 1 : end;
	*end = '\0';
	return word;
}

bool rpl_is(const char *word, const char *keyword)
{
	return strcasecmp(word, keyword) == 0;
}

struct address rpl_address(struct rpl_file *f, const char *text)
{
	struct address a;

	if (text == NULL || !world_address(text, &a))
		rpl_stop(f, RPL_SKIP, "line %u: no address: %s", f->line, text != NULL ? text : "");
	return a;
}

/* Servers on the loopback interface, where a scenario permits them, are played where the engine may send to. */
void rpl_stand_in(const struct rpl_file *f, struct address *server)
{
	static const uint8_t loopback[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
	uint8_t *v4 = &server->bytes[ADDRESS_V4_OFFSET];

	if (!f->config.asks_loopback)
		return;
	if (memcmp(server->bytes, loopback, ADDRESS_BYTES) == 0) {
		CHECK(world_address("2001:2:0:fffe::1", server));
	} else if (address_is_v4(server) && v4[0] == 127) {
		v4[0] = 198;
		v4[1] = 19;
		v4[2] ^= 240;
	}
}

void rpl_skip_to(struct rpl_file *f, const char *end)
{
	unsigned begun_at = f->line;
	const char *line;

	while ((line = rpl_line(f, false)) != NULL)
		if (strncasecmp(line, end, strlen(end)) == 0)
			return;
	rpl_stop(f, RPL_SKIP, "line %u: no %s", begun_at, end);
}

uint32_t rpl_number(struct rpl_file *f, const char *text)
{
	char *end = NULL;
	unsigned long number = text != NULL ? strtoul(text, &end, 10) : 0;

	if (text == NULL || end == text || *end != '\0' || number > UINT32_MAX)
		rpl_stop(f, RPL_SKIP, "line %u: no number: %s", f->line, text != NULL ? text : "");
	return (uint32_t)number;
}
