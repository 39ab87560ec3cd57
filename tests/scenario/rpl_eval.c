/* ${...}: variables, arithmetic from left to right, and four functions. The text is replaced from within, so brackets nest. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/check.h"
#include "rpl.h"

#define TEXT_BYTES 1024
#define WHOLE_MAX 1e15 /* beyond it a double has no digits to spare */
#define ROUNDS_MAX 256 /* of replacing: no scenario has so many */

static _Noreturn void amiss(struct rpl_file *f, const struct rpl_step *s, const char *what,
			    const char *text)
{
	rpl_stop(f, RPL_FAIL, "step %u (line %u): %s: %.200s", s->number, s->line, what, text);
}

void rpl_assign(struct rpl_file *f, const char *name, const char *value)
{
	struct rpl_variable *v = f->variables;

	while (v != NULL && strcmp(v->name, name) != 0)
		v = v->next;
	if (v == NULL) {
		v = rpl_new(sizeof(*v));
		v->name = strdup(name);
		v->next = f->variables;
		f->variables = v;
	}
	free(v->value);
	v->value = strdup(value);
}

static const char *value_of(const struct rpl_file *f, const char *name, size_t length)
{
	for (const struct rpl_variable *v = f->variables; v != NULL; v = v->next)
		if (strlen(v->name) == length && strncmp(v->name, name, length) == 0)
			return v->value;
	return NULL;
}

static size_t name_length(const char *name)
{
	size_t length = 0;

	while (isalnum((unsigned char)name[length]) || name[length] == '_')
		length++;
	return length;
}

/* text[from..to) by another text. */
static void replace(struct rpl_file *f, const struct rpl_step *s, char text[TEXT_BYTES],
		    size_t from, size_t to, const char *by)
{
	char whole[3 * TEXT_BYTES];
	int length = snprintf(whole, sizeof(whole), "%.*s%s%s", (int)from, text, by, text + to);

	if (length < 0 || length >= TEXT_BYTES)
		amiss(f, s, "too long", text);
	memcpy(text, whole, (size_t)length + 1);
}

/* Every $variable of it. */
static void put_variables(struct rpl_file *f, const struct rpl_step *s, char text[TEXT_BYTES])
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		const char *dollar = strchr(text, '$');
		size_t length = dollar != NULL ? name_length(dollar + 1) : 0;
		const char *value;

		if (dollar == NULL)
			return;
		value = value_of(f, dollar + 1, length);
		if (value == NULL)
			amiss(f, s, "no such variable", dollar);
		replace(f, s, text, (size_t)(dollar - text), (size_t)(dollar - text) + 1 + length,
			value);
	}
	amiss(f, s, "endless", text);
}

double rpl_calculate(struct rpl_file *f, const struct rpl_step *s, const char *text)
{
	const char *at = text;
	char operation = '+';
	double sum = 0;

	for (;;) {
		char *end;
		double number = strtod(at, &end);

		if (end == at)
			amiss(f, s, "no number", text);
		sum = operation == '+'   ? sum + number
		      : operation == '-' ? sum - number
		      : operation == '*' ? sum * number
					 : sum / number;
		at = end + strspn(end, " \t");
		if (!isfinite(sum))
			amiss(f, s, "no number", text);
		if (*at == '\0')
			return sum;
		if (strchr("+-*/", *at) == NULL)
			amiss(f, s, "no operation", at);
		operation = *at++;
	}
}

static void put_number(char out[TEXT_BYTES], double number)
{
	if (fabs(number) < WHOLE_MAX && number == (double)(int64_t)number)
		snprintf(out, TEXT_BYTES, "%.0f", number);
	else
		snprintf(out, TEXT_BYTES, "%.6f", number);
}

/* "low value high": the value, which must be between them. */
static double in_range(struct rpl_file *f, const struct rpl_step *s, char *words)
{
	double numbers[3];

	for (unsigned i = 0; i < 3; i++) {
		const char *word = rpl_word(&words);

		if (word == NULL)
			amiss(f, s, "three numbers are wanted", "range");
		numbers[i] = rpl_calculate(f, s, word);
	}
	if (numbers[1] < numbers[0] || numbers[1] > numbers[2])
		rpl_stop(f, RPL_FAIL, "step %u (line %u): %g is not from %g to %g", s->number,
			 s->line, numbers[1], numbers[0], numbers[2]);
	return numbers[1];
}

static void put_ctime(char out[TEXT_BYTES], double seconds)
{
	time_t at = (time_t)seconds;
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL ||
	    strftime(out, TEXT_BYTES, "%a %b %e %H:%M:%S %Y", &tm) == 0)
		out[0] = '\0';
}

/* What stands between braces, with none within. */
static void evaluate(struct rpl_file *f, const struct rpl_step *s, const struct rpl_clock *clock,
		     char body[TEXT_BYTES], char out[TEXT_BYTES])
{
	char copy[TEXT_BYTES];
	char *rest = copy;
	const char *word;

	put_variables(f, s, body);
	memcpy(copy, body, TEXT_BYTES);
	word = rpl_word(&rest);
	if (word == NULL)
		out[0] = '\0';
	else if (strcmp(word, "time") == 0)
		put_number(out, clock->time_s);
	else if (strcmp(word, "timeout") == 0)
		put_number(out, clock->timeout_s);
	else if (strcmp(word, "ctime") == 0)
		put_ctime(out, rpl_calculate(f, s, rest));
	else if (strcmp(word, "range") == 0)
		put_number(out, in_range(f, s, rest));
	else
		put_number(out, rpl_calculate(f, s, body));
}

char *rpl_expand(struct rpl_file *f, const struct rpl_step *s, const struct rpl_clock *clock)
{
	char text[TEXT_BYTES], body[TEXT_BYTES], result[TEXT_BYTES];

	if (strlen(s->expression) >= TEXT_BYTES)
		amiss(f, s, "too long", s->expression);
	memset(text, 0, sizeof(text));
	memcpy(text, s->expression, strlen(s->expression));
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		char *end = strchr(text, '}');
		char *begin = NULL;

		if (end == NULL) {
			put_variables(f, s, text);
			return strdup(text);
		}
		/* The innermost that it ends. */
		for (char *p = text; p < end; p++)
			if (p[0] == '$' && p[1] == '{')
				begin = p;
		if (begin == NULL)
			amiss(f, s, "a brace too many", text);
		memset(body, 0, sizeof(body));
		memcpy(body, begin + 2, (size_t)(end - begin) - 2);
		evaluate(f, s, clock, body, result);
		replace(f, s, text, (size_t)(begin - text), (size_t)(end - text) + 1, result);
	}
	amiss(f, s, "endless", text);
}
