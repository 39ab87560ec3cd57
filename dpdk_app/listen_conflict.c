#include "dpdk_app/listen_conflict.h"

#include <stdlib.h>

#include "dpdk_app/kernel_addresses.h"
#include "dpdk_app/kernel_sockets.h"
#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

/* Our listen endpoints, and the socket that holds each. */
struct search {
	const struct config *config;
	bool is_tcp;
	const struct kernel_addresses *addresses; /* NULL: not known; they may be the kernel's */
	bool taken[LISTEN_MAX];
	struct kernel_socket holders[LISTEN_MAX];
};

/* A wildcard holds what addresses the kernel has, and who is bound to the very address holds it in any case; but who is bound
 * to an interface that does not have it gets nothing that is sent to us. */
static bool holds(const struct search *s, const struct kernel_socket *socket,
		  const struct endpoint *endpoint)
{
	const struct prefix one = {.address = endpoint->address, .bits = ADDRESS_BITS};

	if (socket->bound.port != endpoint->port || !kernel_socket_meets(socket, &one))
		return false;
	if (s->addresses == NULL)
		return true;
	return (!kernel_socket_is_wildcard(socket) || kernel_addresses_any(s->addresses, &one)) &&
	       kernel_addresses_reach(s->addresses, &one, socket->ifindex);
}

static void note(const struct kernel_socket *socket, void *context)
{
	struct search *s = context;

	for (unsigned i = 0; i < s->config->listen_count; i++) {
		if (s->taken[i] || !holds(s, socket, &s->config->listen[i].endpoint))
			continue;
		s->taken[i] = true;
		s->holders[i] = *socket;
	}
}

static void refuse(const struct search *s, unsigned idx)
{
	const struct log_place place = {.file = s->config->file};
	const struct kernel_process process = kernel_process_of(s->holders[idx].inode);
	const char *by = s->is_tcp ? " over TCP" : "";
	char text[TEXT_ENDPOINT_BYTES];

	text_endpoint(&s->config->listen[idx].endpoint, text);
	if (process.pid != 0)
		log_refusal(place,
			    "listen: %s: process %s (pid %ld) already answers there%s; stop it, "
			    "move it to another address, or listen elsewhere%s",
			    text, process.name, process.pid, by,
			    s->is_tcp ? ", or set tcp.enabled: false" : "");
	else
		log_refusal(place,
			    "listen: %s: a process that may not be looked at from here already "
			    "answers there%s; see `ss -%slnp`",
			    text, by, s->is_tcp ? "t" : "u");
}

static bool listens(const struct config *c, const struct endpoint *endpoint)
{
	for (unsigned i = 0; i < c->listen_count; i++) {
		if (endpoint_equal(&c->listen[i].endpoint, endpoint))
			return true;
	}
	return false;
}

/* running: whoever answers where it listens is ourselves; NULL: we do not answer yet. */
static bool check(struct search *s, const struct config *running, const struct xdp_table *xdp)
{
	bool asked =
		s->is_tcp ? kernel_sockets_each_listener(note, s) : kernel_sockets_each(note, s);
	bool all_free = true;

	if (!asked)
		log_write(CONFIG_LOG_WARNING, "listen",
			  "the kernel does not say who answers already error=\"%m\"");
	for (unsigned i = 0; i < s->config->listen_count; i++) {
		const struct config_listen *l = &s->config->listen[i];

		if (!s->taken[i] || (s->is_tcp && !xdp_is_shared(xdp, l->interface_idx)) ||
		    (running != NULL && listens(running, &l->endpoint)))
			continue;
		refuse(s, i);
		all_free = false;
	}
	return all_free;
}

bool listen_conflict_check(const struct config *config, const struct config *running,
			   const struct xdp_table *xdp)
{
	struct kernel_addresses *addresses = malloc(sizeof(*addresses));
	struct search udp = {.config = config}, tcp = {.config = config, .is_tcp = true};
	bool all_free;

	if (addresses != NULL && kernel_addresses_read(addresses) && addresses->is_whole)
		udp.addresses = tcp.addresses = addresses;
	all_free = check(&udp, running, xdp);
	if (config->tcp.enabled)
		all_free = check(&tcp, running != NULL && running->tcp.enabled ? running : NULL,
				 xdp) &&
			   all_free;
	free(addresses);
	return all_free;
}
