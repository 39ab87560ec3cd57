#include "dpdk_app/dpdk.h"

#include "dpdk_app/metrics.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

#define CONNECTIONS_MAX 16
/* Whoever holds all of his open, a byte now and then, does not keep another machine's monitoring out. */
#define CONNECTIONS_MAX_AN_ADDRESS 12
#define CONNECTION_TIMEOUT_S 5
#define CONNECTION_MEMORY_BYTES 4096
#define PATH "/metrics"
#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

static struct {
	pthread_mutex_t lock; /* of what a page is made from */
	struct stats_sources sources;
	const struct engine_config *snapshot; /* NULL: closed */
	struct endpoint listen;
	struct MHD_Daemon *daemon; /* not under the lock: see metrics.h */
} metrics = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the page ---- */

struct page {
	FILE *out;
	char family[STATS_NAME_BYTES]; /* whose HELP and TYPE have been written */
};

static void write_number(void *context, const struct stats_number *n)
{
	struct page *page = context;
	char family[STATS_NAME_BYTES];

	stats_family_name(n, family);
	if (strcmp(family, page->family) != 0) {
		fprintf(page->out, "# HELP portico_%s %s\n# TYPE portico_%s %s\n", family, n->help,
			family, n->kind == STATS_COUNTER ? "counter" : "gauge");
		memcpy(page->family, family, sizeof(family));
	}
	fprintf(page->out, "portico_%s", family);
	if (n->prefix != NULL)
		fprintf(page->out, "{%s=\"%s\"}", n->label, n->label_value);
	if (n->has_decimals)
		fprintf(page->out, " %.2f\n", n->decimal);
	else
		fprintf(page->out, " %llu\n", (unsigned long long)n->value);
}

/* label: `result="hit"`. Buckets are cumulative. */
static void write_latency(FILE *out, const char *family, const char *label, const struct latency *l)
{
	uint64_t count = 0;
	double bound_s = 1e-6;

	for (unsigned i = 0; i + 1 < LATENCY_BUCKETS; i++, bound_s *= 2) {
		count += l->counts[i];
		fprintf(out, "portico_%s_bucket{%s,le=\"%.9g\"} %llu\n", family, label, bound_s,
			(unsigned long long)count);
	}
	count += l->counts[LATENCY_BUCKETS - 1];
	fprintf(out, "portico_%s_bucket{%s,le=\"+Inf\"} %llu\n", family, label,
		(unsigned long long)count);
	fprintf(out, "portico_%s_sum{%s} %.9f\nportico_%s_count{%s} %llu\n", family, label,
		(double)l->sum_ns / 1e9, family, label, (unsigned long long)count);
}

static void write_latency_head(FILE *out, const char *family, const char *help)
{
	fprintf(out, "# HELP portico_%s %s\n# TYPE portico_%s histogram\n", family, help, family);
}

static void write_latencies(FILE *out)
{
	static const char answers[] = "answer_latency_seconds";
	static const char upstreams[] = "upstream_latency_seconds";
	struct engine_latencies sum;

	stats_latencies(&metrics.sources, &sum);
	write_latency_head(
		out, answers,
		"from a question's reception to its answer, from the cache (hit) or not");
	write_latency(out, answers, "result=\"hit\"", &sum.hit);
	write_latency(out, answers, "result=\"miss\"", &sum.miss);
	write_latency_head(out, upstreams, "from a query to the reply that matched it");
	for (uint16_t i = 0; i < metrics.snapshot->server_count; i++) {
		struct latency l;
		char server[TEXT_ENDPOINT_BYTES];
		char label[TEXT_ENDPOINT_BYTES + sizeof("server=\"\"")];

		if (metrics.snapshot->server_retired[i])
			continue;
		stats_server_latency(&metrics.sources, i, &l);
		snprintf(label, sizeof(label), "server=\"%s\"",
			 text_endpoint(&metrics.snapshot->server_endpoints[i], server));
		write_latency(out, upstreams, label, &l);
	}
}

/* On the heap; NULL: no memory, or closed meanwhile. */
static char *make_page(size_t *length_bytes)
{
	char *text = NULL;
	struct page page = {.out = open_memstream(&text, length_bytes)};
	bool open;

	if (page.out == NULL)
		return NULL;
	pthread_mutex_lock(&metrics.lock);
	open = metrics.snapshot != NULL;
	if (open) {
		stats_visit(&metrics.sources, write_number, &page);
		write_latencies(page.out);
	}
	pthread_mutex_unlock(&metrics.lock);
	if (fclose(page.out) == 0 && open)
		return text;
	free(text);
	return NULL;
}

/* ---- HTTP ---- */

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	union {
		const char *text;
		void *memory;
	} body = {.text = text}; /* MHD_RESPMEM_PERSISTENT: it is only read */
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), body.memory, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_bytes, void **state)
{
	size_t length_bytes = 0;
	char *text;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)context, (void)version, (void)upload, (void)upload_bytes, (void)state;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (strcmp(url, PATH) != 0)
		return refuse(connection, MHD_HTTP_NOT_FOUND, "the numbers are at " PATH "\n");
	text = make_page(&length_bytes);
	if (text == NULL)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "stopping\n");
	response = MHD_create_response_from_buffer(length_bytes, text, MHD_RESPMEM_MUST_FREE);
	if (response == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, CONTENT_TYPE);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

/* What libmicrohttpd has to say (a client that talks nonsense, as a rule). */
__attribute__((format(printf, 2, 0))) static void on_message(void *context, const char *format,
							     va_list arguments)
{
	char text[256];

	(void)context;
	vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\n")] = '\0';
	log_write(CONFIG_LOG_DEBUG, "metrics", "http message=\"%s\"", text);
}

/* ---- opening and closing ---- */

static void address_of(const struct endpoint *listen, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (address_is_v4(&listen->address)) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(listen->port)};

		memcpy(&in.sin_addr, listen->address.bytes + ADDRESS_V4_OFFSET,
		       sizeof(in.sin_addr));
		memcpy(out, &in, sizeof(in));
	} else {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
					   .sin6_port = htons(listen->port)};

		memcpy(&in6.sin6_addr, listen->address.bytes, sizeof(in6.sin6_addr));
		memcpy(out, &in6, sizeof(in6));
	}
}

/* NULL: logged. */
static struct MHD_Daemon *start(const struct endpoint *listen)
{
	struct sockaddr_storage address;
	char text[TEXT_ENDPOINT_BYTES];
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
	struct MHD_Daemon *daemon;

	address_of(listen, &address);
	if (!address_is_v4(&listen->address))
		flags |= MHD_USE_IPv6;
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, NULL,
				  MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
				  MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned)CONNECTIONS_MAX, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				  (unsigned)CONNECTIONS_MAX_AN_ADDRESS,
				  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIMEOUT_S,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_END);
	if (daemon == NULL)
		log_write(CONFIG_LOG_ERROR, "metrics",
			  "cannot listen at=%s error=\"%m\" remedy=\"metrics.listen: an address of "
			  "this machine (127.0.0.1) and a port that nobody has\"",
			  text_endpoint(listen, text));
	else
		log_write(CONFIG_LOG_INFO, "metrics", "serving path=" PATH " at=%s",
			  text_endpoint(listen, text));
	return daemon;
}

static void set_snapshot(const struct engine_config *snapshot)
{
	pthread_mutex_lock(&metrics.lock);
	metrics.snapshot = snapshot;
	pthread_mutex_unlock(&metrics.lock);
}

bool metrics_open(const struct stats_sources *sources, const struct engine_config *snapshot,
		  const struct endpoint *listen)
{
	metrics.sources = *sources;
	metrics.listen = *listen;
	set_snapshot(snapshot);
	if (listen->port == 0)
		return true;
	metrics.daemon = start(listen);
	return metrics.daemon != NULL;
}

static bool is_wildcard(const struct address *a)
{
	const struct address any_v4 = address_from_v4((uint8_t[]){0, 0, 0, 0});
	const struct address any_v6 = {{0}};

	return address_equal(a, &any_v4) || address_equal(a, &any_v6);
}

/* Can one not be listened on while the other is? The wildcard of IPv6 is of IPv6 alone (MHD_USE_IPv6). */
static bool overlap(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && address_is_v4(&a->address) == address_is_v4(&b->address) &&
	       (is_wildcard(&a->address) || is_wildcard(&b->address));
}

static void stop(void)
{
	if (metrics.daemon != NULL)
		MHD_stop_daemon(metrics.daemon);
	metrics.daemon = NULL;
}

/* Closed before the new one is opened. False: that is not to be had, and the old one is open again. */
static bool move_by_closing(const struct endpoint *listen)
{
	stop();
	metrics.daemon = start(listen);
	if (metrics.daemon != NULL)
		return true;
	metrics.daemon = start(&metrics.listen);
	/* Somebody took it in between (logged): the next reload opens it anew. */
	if (metrics.daemon == NULL)
		metrics.listen = (struct endpoint){.port = 0};
	return false;
}

static bool move(const struct endpoint *listen)
{
	struct MHD_Daemon *daemon = NULL;

	if (metrics.daemon != NULL && listen->port != 0 && overlap(listen, &metrics.listen))
		return move_by_closing(listen);
	if (listen->port != 0) {
		daemon = start(listen);
		if (daemon == NULL)
			return false;
	}
	stop();
	metrics.daemon = daemon;
	return true;
}

bool metrics_change(const struct engine_config *snapshot, const struct endpoint *listen)
{
	if (!endpoint_equal(listen, &metrics.listen) && !move(listen))
		return false;
	metrics.listen = *listen;
	set_snapshot(snapshot);
	return true;
}

void metrics_follow(const struct engine_config *snapshot)
{
	set_snapshot(snapshot);
}

void metrics_close(void)
{
	set_snapshot(NULL);
	stop();
}
