#include "dpdk_app/kernel_sockets.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What the kernel fills at most in one message of a dump. */
#define DUMP_BYTES 32768
#define REQUEST_BYTES 128
/* A kernel that does not answer must not hold up whoever asks. */
#define TIMEOUT_S 2
#define ALL_STATES UINT32_MAX
#define LISTENING (1u << 10) /* TCP_LISTEN of the kernel's net/tcp_states.h */
/* "/proc/", a pid, "/comm"; with room to spare. */
#define PATH_BYTES 300

/* What is asked for, and who is told. */
struct visit {
	uint8_t protocol;
	uint32_t states;
	kernel_socket_visit *call;
	void *context;
};

static const uint8_t zero_v4[4];

static struct address wildcard_v4(void)
{
	return address_from_v4(zero_v4);
}

static struct address wildcard_v6(void)
{
	return (struct address){{0}};
}

/* ---- sock_diag ---- */

static int on_attribute(const struct nlattr *attribute, void *context)
{
	bool *v6_only = context;

	if (mnl_attr_get_type(attribute) == INET_DIAG_SKV6ONLY &&
	    mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
		*v6_only = mnl_attr_get_u8(attribute) != 0;
	return MNL_CB_OK;
}

static int on_socket(const struct nlmsghdr *message, void *context)
{
	const struct visit *v = context;
	struct kernel_socket s = {0};
	struct inet_diag_msg diag;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(diag))
		return MNL_CB_OK;
	memcpy(&diag, mnl_nlmsg_get_payload(message), sizeof(diag));
	s.bound.port = ntohs(diag.id.idiag_sport);
	if (s.bound.port == 0)
		return MNL_CB_OK;
	if (diag.idiag_family == AF_INET)
		s.bound.address = address_from_v4((const uint8_t *)diag.id.idiag_src);
	else
		memcpy(s.bound.address.bytes, diag.id.idiag_src, sizeof(s.bound.address.bytes));
	s.ifindex = diag.id.idiag_if;
	s.inode = diag.idiag_inode;
	s.uid = diag.idiag_uid;
	if (mnl_attr_parse(message, sizeof(diag), on_attribute, &s.v6_only) == MNL_CB_ERROR)
		return MNL_CB_ERROR;
	v->call(&s, v->context);
	return MNL_CB_OK;
}

static bool send_request(struct mnl_socket *socket, const struct visit *v, uint8_t family,
			 unsigned sequence)
{
	_Alignas(struct nlmsghdr) uint8_t bytes[REQUEST_BYTES] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(bytes);
	struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(message, sizeof(*request));

	message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	message->nlmsg_seq = sequence;
	request->sdiag_family = family;
	request->sdiag_protocol = v->protocol;
	request->idiag_states = v->states;
	return mnl_socket_sendto(socket, message, message->nlmsg_len) >= 0;
}

static bool dump(struct mnl_socket *socket, uint8_t family, struct visit *v, uint8_t *bytes)
{
	const unsigned port_id = mnl_socket_get_portid(socket);
	const unsigned sequence = family; /* one request a family and socket */
	int going = MNL_CB_OK;

	if (!send_request(socket, v, family, sequence))
		return false;
	while (going > MNL_CB_STOP) {
		ssize_t length = mnl_socket_recvfrom(socket, bytes, DUMP_BYTES);

		if (length < 0)
			return false;
		going = mnl_cb_run(bytes, (size_t)length, sequence, port_id, on_socket, v);
	}
	return going == MNL_CB_STOP;
}

static bool each(struct visit *v)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC);
	const struct timeval timeout = {.tv_sec = TIMEOUT_S};
	uint8_t *bytes = malloc(DUMP_BYTES);
	bool done = false;
	int error;

	if (socket != NULL && bytes != NULL &&
	    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout)) == 0)
		done = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 &&
		       dump(socket, AF_INET, v, bytes) && dump(socket, AF_INET6, v, bytes);
	error = errno;
	free(bytes);
	if (socket != NULL)
		mnl_socket_close(socket);
	errno = error;
	return done;
}

bool kernel_sockets_each(kernel_socket_visit *visit, void *context)
{
	struct visit v = {IPPROTO_UDP, ALL_STATES, visit, context};

	return each(&v);
}

bool kernel_sockets_each_listener(kernel_socket_visit *visit, void *context)
{
	struct visit v = {IPPROTO_TCP, LISTENING, visit, context};

	return each(&v);
}

/* ---- whose packets ---- */

bool kernel_socket_is_wildcard(const struct kernel_socket *socket)
{
	const struct address v4 = wildcard_v4();
	const struct address v6 = wildcard_v6();

	return address_equal(&socket->bound.address, &v4) ||
	       address_equal(&socket->bound.address, &v6);
}

bool kernel_socket_meets(const struct kernel_socket *socket, const struct prefix *network)
{
	const struct address v4 = wildcard_v4();
	const struct address v6 = wildcard_v6();

	if (address_equal(&socket->bound.address, &v4))
		return address_is_v4(&network->address);
	if (address_equal(&socket->bound.address, &v6))
		return !socket->v6_only || !address_is_v4(&network->address);
	return prefix_contains(network, &socket->bound.address);
}

/* ---- whose socket ---- */

/* What a walk of /proc looks for. */
struct search {
	const uint32_t *inodes;
	unsigned count;
	unsigned missing;
	struct kernel_process *found;
};

/* Calls for each socket that the process has open, until it says no. */
static void each_socket_of(const char *pid, bool (*call)(uint32_t inode, void *context),
			   void *context)
{
	char path[PATH_BYTES];
	const struct dirent *entry;
	bool going = true;
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%.200s/fd", pid);
	directory = opendir(path);
	if (directory == NULL)
		return;
	while (going && (entry = readdir(directory)) != NULL) {
		char target[64];
		unsigned inode;
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) == 1)
			going = call(inode, context);
	}
	closedir(directory);
}

struct inode_list {
	uint32_t *inodes;
	unsigned count, most;
};

static bool collect(uint32_t inode, void *context)
{
	struct inode_list *list = context;

	if (list->count == list->most)
		return false;
	list->inodes[list->count++] = inode;
	return true;
}

unsigned kernel_sockets_ours(uint32_t inodes[], unsigned most)
{
	struct inode_list list = {.inodes = inodes, .most = most};

	each_socket_of("self", collect, &list);
	return list.count;
}

/* Any user calls his process as he likes; logs, JSON and terminals get to see it. */
static void make_plain(char *name)
{
	name[strcspn(name, "\n")] = '\0';
	for (char *c = name; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '?';
	}
}

static struct kernel_process process_of(const char *pid)
{
	struct kernel_process p = {.pid = strtol(pid, NULL, 10), .name = "?"};
	char path[PATH_BYTES];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.200s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return p;
	if (fgets(p.name, sizeof(p.name), f) != NULL)
		make_plain(p.name);
	fclose(f);
	return p;
}

struct owner {
	struct search *search;
	const char *pid;
};

static bool note_owner(uint32_t inode, void *context)
{
	const struct owner *o = context;
	struct search *s = o->search;

	for (unsigned i = 0; i < s->count; i++) {
		if (s->inodes[i] != inode || s->found[i].pid != 0)
			continue;
		s->found[i] = process_of(o->pid);
		s->missing--;
	}
	return s->missing > 0;
}

void kernel_processes_of(const uint32_t inodes[], unsigned count, struct kernel_process out[])
{
	struct search s = {.inodes = inodes, .count = count, .missing = count, .found = out};
	const struct dirent *entry;
	DIR *directory;

	for (unsigned i = 0; i < count; i++) {
		out[i] = (struct kernel_process){.pid = 0, .name = "?"};
		if (inodes[i] == 0)
			s.missing--;
	}
	directory = opendir("/proc");
	if (directory == NULL)
		return;
	while (s.missing > 0 && (entry = readdir(directory)) != NULL) {
		struct owner o = {&s, entry->d_name};

		if (isdigit((unsigned char)entry->d_name[0]))
			each_socket_of(entry->d_name, note_owner, &o);
	}
	closedir(directory);
}

struct kernel_process kernel_process_of(uint32_t inode)
{
	struct kernel_process p;

	kernel_processes_of(&inode, 1, &p);
	return p;
}
