#include "dpdk_app/listen_conflict.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/text.h"

struct process {
	long pid; /* 0: unknown */
	char name[64];
};

enum probe {
	PROBE_FREE,  /* nobody has it, or the kernel does not have the address */
	PROBE_TAKEN, /* a socket holds it */
};

/* Only the kernel knows all rules of who shares what (wildcards, dual-stack, SO_REUSEPORT): try to bind. */
static enum probe probe_endpoint(const struct endpoint *endpoint)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	bool v4 = address_is_v4(&endpoint->address);
	bool taken;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return PROBE_FREE;
	memcpy(&in.sin_addr, endpoint->address.bytes + ADDRESS_V4_OFFSET, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, endpoint->address.bytes, sizeof(in6.sin6_addr));
	taken = bind(fd, v4 ? (const struct sockaddr *)&in : (const struct sockaddr *)&in6,
		     v4 ? sizeof(in) : sizeof(in6)) != 0 &&
		errno == EADDRINUSE;
	close(fd);
	return taken ? PROBE_TAKEN : PROBE_FREE;
}

/* The kernel prints addresses as 32-bit words in the machine's byte order. */
static bool parse_kernel_address(const char *hex, struct address *out)
{
	uint32_t words[4];
	size_t word_count = strlen(hex) / 8;

	if (word_count != 1 && word_count != 4)
		return false;
	for (size_t i = 0; i < word_count; i++) {
		if (sscanf(hex + 8 * i, "%8x", &words[i]) != 1)
			return false;
	}
	if (word_count == 1)
		*out = address_from_v4((const uint8_t *)words);
	else
		memcpy(out->bytes, words, sizeof(out->bytes));
	return true;
}

/* The wildcards of both families: a dual-stack socket on :: holds the IPv4 port too. */
static bool covers(const struct address *bound, const struct address *listen)
{
	static const uint8_t zero[4];
	const struct address any_v6 = {{0}};
	const struct address any_v4 = address_from_v4(zero);

	return address_equal(bound, listen) || address_equal(bound, &any_v6) ||
	       (address_is_v4(listen) && address_equal(bound, &any_v4));
}

/* The inode of the socket that holds the endpoint, from /proc/net/udp or udp6; 0: not found. */
static unsigned long find_inode(const char *file, const struct endpoint *endpoint)
{
	unsigned long found = 0;
	char line[512];
	FILE *f = fopen(file, "re");

	if (f == NULL)
		return 0;
	while (found == 0 && fgets(line, sizeof(line), f) != NULL) {
		char hex[33];
		unsigned port;
		unsigned long inode;
		struct address bound;

		if (sscanf(line, " %*d: %32[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %lu", hex,
			   &port, &inode) != 3)
			continue;
		if (port == endpoint->port && parse_kernel_address(hex, &bound) &&
		    covers(&bound, &endpoint->address))
			found = inode;
	}
	fclose(f);
	return found;
}

static bool process_holds(const char *pid, unsigned long inode)
{
	char wanted[64];
	char path[300];
	bool holds = false;
	const struct dirent *entry;
	DIR *directory;

	snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	directory = opendir(path);
	if (directory == NULL)
		return false;
	while (!holds && (entry = readdir(directory)) != NULL) {
		char link[600];
		char target[64];
		ssize_t length;

		snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
		length = readlink(link, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		holds = strcmp(target, wanted) == 0;
	}
	closedir(directory);
	return holds;
}

static void read_name(const char *pid, struct process *out)
{
	char path[300];
	FILE *f;

	out->pid = strtol(pid, NULL, 10);
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	if (fgets(out->name, sizeof(out->name), f) != NULL)
		out->name[strcspn(out->name, "\n")] = '\0';
	fclose(f);
}

static struct process find_process(unsigned long inode)
{
	struct process found = {.pid = 0, .name = "?"};
	const struct dirent *entry;
	DIR *directory = opendir("/proc");

	if (directory == NULL)
		return found;
	while (found.pid == 0 && (entry = readdir(directory)) != NULL) {
		if (isdigit((unsigned char)entry->d_name[0]) && process_holds(entry->d_name, inode))
			read_name(entry->d_name, &found);
	}
	closedir(directory);
	return found;
}

static void refuse(const struct config *config, unsigned idx)
{
	const struct log_place place = {.file = config->file};
	const struct endpoint *endpoint = &config->listen[idx].endpoint;
	char text[TEXT_ENDPOINT_BYTES];
	struct process owner = {.pid = 0};
	unsigned long inode = 0;

	if (address_is_v4(&endpoint->address))
		inode = find_inode("/proc/net/udp", endpoint);
	if (inode == 0)
		inode = find_inode("/proc/net/udp6", endpoint);
	if (inode != 0)
		owner = find_process(inode);
	text_endpoint(endpoint, text);
	if (owner.pid != 0)
		log_refusal(place,
			    "listen: %s: process %s (pid %ld) already answers there; stop it, move "
			    "it to another address, or listen elsewhere",
			    text, owner.name, owner.pid);
	else
		log_refusal(place,
			    "listen: %s: a process that may not be looked at from here already "
			    "answers there; see `ss -ulnp`",
			    text);
}

bool listen_conflict_check(const struct config *config)
{
	bool all_free = true;

	for (unsigned i = 0; i < config->listen_count; i++) {
		if (probe_endpoint(&config->listen[i].endpoint) == PROBE_TAKEN) {
			refuse(config, i);
			all_free = false;
		}
	}
	return all_free;
}
