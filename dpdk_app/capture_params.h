/* The parameters of /portico/capture_start as both sides write them: key=value joined by &, where a value's bytes other
 * than plain ones are %XX. Telemetry cuts a request at its first comma and takes the rest as it is, up to 1,023 bytes.
 *
 * Memory: the caller's. Threads: any.
 */
#ifndef PORTICO_CAPTURE_PARAMS_H
#define PORTICO_CAPTURE_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"

/* What is left of a request beside the command's name. */
#define CAPTURE_PARAMS_BYTES 992
/* The pipe that porticoctl makes beside the telemetry socket: this and digits. */
#define CAPTURE_PIPE_PREFIX "capture-"

#define CAPTURE_SNAPLEN_MIN 64
#define CAPTURE_SNAPLEN_MAX 65535
#define CAPTURE_SECONDS_MAX 31536000u /* a year */

/* porticoctl asks this often whether the capture goes on ... */
#define CAPTURE_POLL_MS 200
/* ... and Portico ends one that nobody has asked about for this long. */
#define CAPTURE_SILENCE_MS 2000

static inline bool capture_params_is_plain(char c)
{
	return c > ' ' && c < 0x7f && c != '%' && c != '&';
}

/* Append key=value. False, text as it was: there is no room for it. */
MUST_USE static inline bool capture_params_add(char text[CAPTURE_PARAMS_BYTES], const char *key,
					       const char *value)
{
	static const char digits[] = "0123456789abcdef";
	size_t start = strlen(text);
	size_t at = start + strlen(key) + 2;

	if (at >= CAPTURE_PARAMS_BYTES)
		return false;
	at = start + (size_t)snprintf(text + start, CAPTURE_PARAMS_BYTES - start,
				      "%s%s=", start > 0 ? "&" : "", key);
	for (; *value != '\0'; value++) {
		unsigned byte = (unsigned char)*value;

		if (at + 4 > CAPTURE_PARAMS_BYTES) {
			text[start] = '\0';
			return false;
		}
		if (capture_params_is_plain(*value)) {
			text[at++] = *value;
			continue;
		}
		text[at++] = '%';
		text[at++] = digits[byte >> 4];
		text[at++] = digits[byte & 0xf];
	}
	text[at] = '\0';
	return true;
}

static inline int capture_params_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of key, as it was before it was written; "" where there is none. Of what is not well formed as much as
 * is: both sides are ours, and every value is checked for what it means. */
static inline void capture_params_find(const char *text, const char *key,
				       char value[CAPTURE_PARAMS_BYTES])
{
	size_t key_bytes = strlen(key);
	size_t at = 0;

	value[0] = '\0';
	while (text != NULL && (strncmp(text, key, key_bytes) != 0 || text[key_bytes] != '=')) {
		text = strchr(text, '&');
		text = text != NULL ? text + 1 : NULL;
	}
	if (text == NULL)
		return;
	for (text += key_bytes + 1; *text != '\0' && *text != '&' && at + 1 < CAPTURE_PARAMS_BYTES;
	     text++) {
		if (*text != '%') {
			value[at++] = *text;
			continue;
		}
		int high = capture_params_digit(text[1]);
		int low = high < 0 ? -1 : capture_params_digit(text[2]);

		if (low < 0)
			break;
		value[at++] = (char)(high << 4 | low);
		text += 2;
	}
	value[at] = '\0';
}

#endif
