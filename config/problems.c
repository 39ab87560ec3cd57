#include "problems.h"

#include <stdlib.h>
#include <string.h>

#include "core/check.h"

#define TEXT_BYTES_MAX 1024
#define ESCAPE_BYTES 4 /* \xNN */
#define CUT "..."

void problems_init(struct problems *p, struct scratch *scratch)
{
	memset(p, 0, sizeof(*p));
	p->scratch = scratch;
	p->list = scratch_take(scratch, PROBLEMS_MAX * sizeof(p->list[0]));
}

void problems_add_va(struct problems *p, enum problem_kind kind, struct place place,
		     const char *path, const char *format, va_list args)
{
	char text[TEXT_BYTES_MAX];
	struct problem *problem;

	if (kind == PROBLEM_ERROR)
		p->error_count++;
	else
		p->warning_count++;
	if (problems_full(p))
		return;
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	problem = &p->list[p->list_count];
	problem->kind = kind;
	problem->place = place;
	problem->order = p->list_count++;
	problem->path = path;
	problem->text = scratch_copy(p->scratch, text, strlen(text));
}

void problems_add(struct problems *p, enum problem_kind kind, struct place place, const char *path,
		  const char *format, ...)
{
	va_list args;

	va_start(args, format);
	problems_add_va(p, kind, place, path, format, args);
	va_end(args);
}

bool problems_full(const struct problems *p)
{
	return p->list_count == PROBLEMS_MAX;
}

static int problem_compare(const void *a, const void *b)
{
	const struct problem *x = a;
	const struct problem *y = b;

	if (x->place.line != y->place.line)
		return x->place.line < y->place.line ? -1 : 1;
	if (x->place.column != y->place.column)
		return x->place.column < y->place.column ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void problems_print(struct problems *p, const char *file, FILE *out)
{
	unsigned total = p->error_count + p->warning_count;

	qsort(p->list, p->list_count, sizeof(p->list[0]), problem_compare);
	for (unsigned i = 0; i < p->list_count; i++) {
		const struct problem *problem = &p->list[i];

		fprintf(out, "%s:%u:%u: %s%s: %s\n", file, problem->place.line,
			problem->place.column, problem->kind == PROBLEM_WARNING ? "warning: " : "",
			problem->path, problem->text);
	}
	if (total > p->list_count)
		fprintf(out, "%s: %u more are not shown\n", file, total - p->list_count);
}

/* ASCII controls, DEL, and the C1 controls (U+0080 to U+009F) that terminals obey. */
static bool is_control(const unsigned char *at, size_t left_bytes)
{
	return at[0] < 0x20 || at[0] == 0x7f ||
	       (at[0] == 0xc2 && left_bytes > 1 && at[1] >= 0x80 && at[1] < 0xa0);
}

const char *problems_quote(char out[PROBLEMS_QUOTE_BYTES], const char *text, size_t length_bytes)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t used = 0;

	for (size_t i = 0; i < length_bytes; i++) {
		bool begins_character = (bytes[i] & 0xc0) != 0x80;

		/* Cut only between characters: half of one is not UTF-8. */
		if (begins_character &&
		    used + 2 * ESCAPE_BYTES + sizeof(CUT) > PROBLEMS_QUOTE_BYTES) {
			memcpy(out + used, CUT, sizeof(CUT));
			return out;
		}
		if (is_control(bytes + i, length_bytes - i)) {
			used += (size_t)snprintf(out + used, PROBLEMS_QUOTE_BYTES - used, "\\x%02x",
						 bytes[i]);
			if (bytes[i] == 0xc2)
				used += (size_t)snprintf(out + used, PROBLEMS_QUOTE_BYTES - used,
							 "\\x%02x", bytes[++i]);
		} else {
			out[used++] = text[i];
		}
		CHECK(used < PROBLEMS_QUOTE_BYTES);
	}
	out[used] = '\0';
	return out;
}
