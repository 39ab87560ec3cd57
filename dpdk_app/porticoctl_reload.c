#include "dpdk_app/porticoctl_reload.h"

#include <stdio.h>
#include <string.h>

#include "dpdk_app/porticoctl_pages.h"

#define KEY_BYTES 16
/* More parts than any line has. */
#define PARTS_MAX 100

/* A line, which came in parts. */
static bool print_line(struct fy_node *row, void *context)
{
	char key[KEY_BYTES] = "text";
	char part[256];

	(void)context;
	for (unsigned i = 1; i <= PARTS_MAX; i++) {
		if (porticoctl_field_text(row, key, part, sizeof(part))[0] == '\0')
			break;
		fputs(part, stderr);
		snprintf(key, sizeof(key), "text_%u", i);
	}
	putc('\n', stderr);
	return true;
}

bool porticoctl_reload(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		       const char *const args[])
{
	struct porticoctl_reply reply;
	char result[32];

	(void)o;
	(void)args;
	if (!porticoctl_socket_ask(s, "reload", 0, &reply))
		return false;
	porticoctl_field_text(reply.body, "result", result, sizeof(result));
	porticoctl_reply_free(&reply);
	if (!porticoctl_pages_rows(s, "reload_report", 0, print_line, NULL))
		return false;
	return strcmp(result, "ok") == 0;
}
