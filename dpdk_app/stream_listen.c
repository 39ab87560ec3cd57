#include "dpdk_app/stream_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/stream_clients.h"
#include "dpdk_app/text.h"

/* Connections that are open and wait for us to take them: what a second of a flood leaves. The kernel bounds it by
 * net.core.somaxconn, and answers a flood of SYNs with cookies. */
#define BACKLOG 4096

static bool has(const struct stream_listen *l, const struct endpoint *endpoint)
{
	for (unsigned i = 0; l != NULL && i < l->count; i++)
		if (endpoint_equal(&l->endpoints[i], endpoint))
			return true;
	return false;
}

static bool set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

static bool bind_to(int fd, const struct endpoint *endpoint)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};

	if (address_is_v4(&endpoint->address)) {
		memcpy(&v4.sin_addr, endpoint->address.bytes + ADDRESS_V4_OFFSET,
		       sizeof(v4.sin_addr));
		return bind(fd, (const struct sockaddr *)&v4, sizeof(v4)) == 0;
	}
	memcpy(&v6.sin6_addr, endpoint->address.bytes, sizeof(v6.sin6_addr));
	return bind(fd, (const struct sockaddr *)&v6, sizeof(v6)) == 0;
}

/* An address may still be in the kernel's duplicate address detection: it counts when it is there. */
static bool set_all(int fd, const struct endpoint *endpoint)
{
	const bool is_v4 = address_is_v4(&endpoint->address);

	return set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
	       set(fd, SOL_SOCKET, SO_RCVBUF, STREAM_CLIENT_SOCKET_BYTES) &&
	       set(fd, SOL_SOCKET, SO_SNDBUF, STREAM_CLIENT_SOCKET_BYTES) &&
	       (is_v4 ? set(fd, IPPROTO_IP, IP_FREEBIND, 1)
		      : set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
				set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1));
}

static bool open_one(const struct kernel_path *path, const char *file,
		     const struct endpoint *endpoint, int *out)
{
	char text[TEXT_ENDPOINT_BYTES];
	int fd = kernel_path_socket(path, &endpoint->address);
	int error;

	if (fd >= 0 && set_all(fd, endpoint) && bind_to(fd, endpoint) && listen(fd, BACKLOG) == 0) {
		*out = fd;
		return true;
	}
	error = errno;
	text_endpoint(endpoint, text);
	log_refusal((struct log_place){.file = file}, "listen: %s: TCP is not possible there: %s%s",
		    text, strerror(error),
		    error == EADDRINUSE ? "; see `ss -tlnp`, or set tcp.enabled: false"
		    : error == EACCES   ? "; it takes CAP_NET_BIND_SERVICE"
					: "");
	if (fd >= 0)
		close(fd);
	return false;
}

bool stream_listen_open(const struct kernel_path *path, const struct config *config,
			const struct stream_listen *running, struct stream_listen *out)
{
	*out = (struct stream_listen){.count = 0};
	for (unsigned i = 0; config->tcp.enabled && i < config->listen_count; i++) {
		const struct config_listen *from = &config->listen[i];
		int fd = -1;

		if (!kernel_path_has(path, from->interface_idx))
			continue;
		if (!has(running, &from->endpoint) &&
		    !open_one(path, config->file, &from->endpoint, &fd)) {
			stream_listen_close(out);
			return false;
		}
		out->endpoints[out->count] = from->endpoint;
		out->fds[out->count++] = fd;
	}
	return true;
}

void stream_listen_close(struct stream_listen *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
	l->count = 0;
}
