#include "dpdk_app/porticoctl_socket.h"

#include <sys/time.h>
#include <time.h>

#include "dpdk_app/telemetry_path.h"

#define GREETING_TRIES 40
#define GREETING_PAUSE_NS 50000000L
#define GREETING_BYTES 1024
/* DPDK reads one byte less. */
#define REQUEST_BYTES 1024
#define REPLY_BYTES_DEFAULT (16 * 1024)
#define REPLY_BYTES_MAX (1024 * 1024)
/* A worker has a second to answer, an audit's servers have five; the socket's thread a little more. */
#define TIMEOUT_S 8

static void explain_no_instance(const char *prefix, int error)
{
	char path[TELEMETRY_PATH_BYTES];

	fprintf(stderr, "porticoctl: no Portico with file_prefix %s: %s\n", prefix,
		strerror(error));
	for (unsigned i = 0; i < telemetry_path_count(); i++) {
		telemetry_path(prefix, i, path);
		fprintf(stderr, "  looked at %s\n", path);
	}
	if (error == EACCES)
		fputs("  try as root, or as the user that runs Portico\n", stderr);
	else
		fputs("  start one with `portico -c FILE`, or name its dpdk.file_prefix with -p\n",
		      stderr);
}

/* The document borrows the text. */
static struct fy_document *parse(const char *text, size_t length)
{
	const struct fy_parse_cfg settings = {.flags = FYPCF_QUIET | FYPCF_JSON_FORCE};

	return fy_document_build_from_string(&settings, text, length);
}

/* {"version":"DPDK …","pid":…,"max_output_len":…} */
static bool read_greeting(struct porticoctl_socket *s)
{
	char text[GREETING_BYTES];
	ssize_t length = recv(s->fd, text, sizeof(text), 0);
	struct fy_document *document;
	unsigned reply_bytes = 0;

	if (length <= 0)
		return false;
	document = parse(text, (size_t)length);
	if (document != NULL)
		fy_document_scanf(document, "/max_output_len %u", &reply_bytes);
	fy_document_destroy(document);
	s->reply_bytes_max = reply_bytes > REPLY_BYTES_DEFAULT && reply_bytes <= REPLY_BYTES_MAX
				     ? reply_bytes
				     : REPLY_BYTES_DEFAULT;
	return true;
}

bool porticoctl_socket_open(struct porticoctl_socket *s, const char *prefix)
{
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	const struct timespec pause = {.tv_nsec = GREETING_PAUSE_NS};
	char path[TELEMETRY_PATH_BYTES];

	/* DPDK takes ten connections at once and closes an eleventh without a word; one that was closed counts until its thread
	 * has noticed. */
	for (unsigned i = 0; i < GREETING_TRIES; i++) {
		s->fd = telemetry_path_connect(prefix, path);
		if (s->fd < 0) {
			explain_no_instance(prefix, errno);
			return false;
		}
		setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		if (read_greeting(s))
			return true;
		porticoctl_socket_close(s);
		nanosleep(&pause, NULL);
	}
	fputs("porticoctl: the socket gives no greeting: ten others ask already, or it is not DPDK's "
	      "telemetry\n",
	      stderr);
	return false;
}

void porticoctl_socket_close(struct porticoctl_socket *s)
{
	close(s->fd);
	s->fd = -1;
}

/* The reply is {"/portico/COMMAND": BODY}; BODY is null if the command is unknown or failed. */
static bool find_body(const char *command, struct porticoctl_reply *reply)
{
	struct fy_node *root = fy_document_root(reply->document);
	struct fy_node_pair *pair;
	struct fy_node *error;
	void *at = NULL;

	pair = fy_node_is_mapping(root) ? fy_node_mapping_iterate(root, &at) : NULL;
	reply->body = pair != NULL ? fy_node_pair_value(pair) : NULL;
	if (!fy_node_is_mapping(reply->body)) {
		fprintf(stderr,
			"porticoctl: %s: what runs there does not know this command, or is "
			"starting or ending\n",
			command);
		return false;
	}
	error = fy_node_mapping_lookup_by_string(reply->body, "error", strlen("error"));
	if (error != NULL) {
		size_t length = 0;
		const char *text = fy_node_get_scalar(error, &length);

		fprintf(stderr, "porticoctl: %s: %.*s\n", command, (int)length, text);
		return false;
	}
	return true;
}

bool porticoctl_socket_ask(const struct porticoctl_socket *s, const char *command, uint32_t start,
			   struct porticoctl_reply *out)
{
	char params[16];

	snprintf(params, sizeof(params), "%u", start);
	return porticoctl_socket_ask_with(s, command, params, out);
}

bool porticoctl_socket_ask_with(const struct porticoctl_socket *s, const char *command,
				const char *params, struct porticoctl_reply *out)
{
	char request[REQUEST_BYTES];
	int request_bytes = snprintf(request, sizeof(request), "/portico/%s,%s", command, params);
	struct porticoctl_reply reply = {.text = NULL};
	ssize_t length = -1;

	if (request_bytes >= (int)sizeof(request)) {
		fprintf(stderr, "porticoctl: %s: longer than telemetry takes\n", command);
		return false;
	}
	reply.text = malloc(s->reply_bytes_max);
	if (reply.text != NULL &&
	    send(s->fd, request, (size_t)request_bytes, MSG_NOSIGNAL) == request_bytes)
		length = recv(s->fd, reply.text, s->reply_bytes_max, 0);
	if (length > 0)
		reply.document = parse(reply.text, (size_t)length);
	if (reply.document == NULL) {
		fprintf(stderr, "porticoctl: %s: no usable reply: %s\n", command,
			length < 0 ? strerror(errno) : "not JSON, or the program ended");
		porticoctl_reply_free(&reply);
		return false;
	}
	if (!find_body(command, &reply)) {
		porticoctl_reply_free(&reply);
		return false;
	}
	*out = reply;
	return true;
}

void porticoctl_reply_free(struct porticoctl_reply *reply)
{
	fy_document_destroy(reply->document);
	free(reply->text);
	*reply = (struct porticoctl_reply){0};
}
