#include "dpdk_app/kernel_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dpdk_app/log.h"

#define RESERVED_FILE "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define EPHEMERAL_FILE "/proc/sys/net/ipv4/ip_local_port_range"
#define PORT_LAST (PORT_COUNT - 1)
#define PORT_DIGITS_MAX 5
/* The kernel takes no more than a page at once; what comes later in the same open file is added. */
#define WRITE_BYTES 4000
#define RANGE_BYTES 64

/* ---- lists as text ---- */

/* Digits at *at. False: none, or no port. *at moves on. */
static bool parse_port(const char **at, uint32_t *out)
{
	uint32_t port = 0;
	unsigned digits = 0;

	for (; **at >= '0' && **at <= '9'; ++*at) {
		port = port * 10 + (uint32_t)(**at - '0');
		if (++digits > PORT_DIGITS_MAX)
			return false;
	}
	*out = port;
	return digits > 0 && port <= PORT_LAST;
}

bool kernel_ports_parse(const char *text, struct port_map *out)
{
	struct port_map map;
	const char *at = text;

	port_map_clear(&map);
	while (*at != '\0' && *at != '\n') {
		uint32_t first, last;

		if (at != text && *at++ != ',')
			return false;
		if (!parse_port(&at, &first))
			return false;
		last = first;
		if (*at == '-') {
			at++;
			if (!parse_port(&at, &last) || last < first)
				return false;
		}
		port_map_add(&map, (uint16_t)first, (uint16_t)last);
	}
	if (*at == '\n' && at[1] != '\0')
		return false;
	*out = map;
	return true;
}

size_t kernel_ports_format(const struct port_map *ports, char out[KERNEL_PORTS_LIST_BYTES])
{
	size_t length = 0;

	out[0] = '\0';
	for (uint32_t first = 0; first < PORT_COUNT; first++) {
		uint32_t last = first;
		int written;

		if (!port_map_has(ports, (uint16_t)first))
			continue;
		while (last < PORT_LAST && port_map_has(ports, (uint16_t)(last + 1)))
			last++;
		written = snprintf(out + length, KERNEL_PORTS_LIST_BYTES - length,
				   first == last ? "%s%u" : "%s%u-%u", length > 0 ? "," : "", first,
				   last);
		length += (size_t)written;
		CHECK(written > 0 && length < KERNEL_PORTS_LIST_BYTES);
		first = last;
	}
	return length;
}

size_t kernel_ports_piece(const char *list, size_t length_bytes, size_t most_bytes)
{
	size_t piece = most_bytes;

	if (length_bytes <= most_bytes)
		return length_bytes;
	while (list[piece - 1] != ',') {
		piece--;
		CHECK(piece > 0);
	}
	return piece;
}

/* ---- the kernel's files ---- */

/* The whole file in one read: the kernel gives such a list only once. False: errno. */
static bool read_file(const char *path, char *text, size_t capacity_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	int error;

	if (fd < 0)
		return false;
	length = read(fd, text, capacity_bytes - 1);
	error = errno;
	close(fd);
	errno = error;
	if (length < 0)
		return false;
	text[length] = '\0';
	return true;
}

static void complain_once(const char *path, _Atomic bool *complained)
{
	if (!atomic_exchange(complained, true))
		log_write(CONFIG_LOG_WARNING, "ports",
			  "cannot read file=%s error=\"%m\": the ports there are not left out",
			  path);
}

bool kernel_ports_read_reserved(struct port_map *out)
{
	static _Atomic bool complained;
	char *text = malloc(KERNEL_PORTS_LIST_BYTES);
	bool ok = text != NULL && read_file(RESERVED_FILE, text, KERNEL_PORTS_LIST_BYTES) &&
		  kernel_ports_parse(text, out);

	if (!ok)
		complain_once(RESERVED_FILE, &complained);
	free(text);
	return ok;
}

bool kernel_ports_read_ephemeral(struct port_map *out)
{
	static _Atomic bool complained;
	char text[RANGE_BYTES];
	unsigned first, last;

	if (!read_file(EPHEMERAL_FILE, text, sizeof(text)) ||
	    sscanf(text, "%u %u", &first, &last) != 2 || last > PORT_LAST || first > last) {
		complain_once(EPHEMERAL_FILE, &complained);
		return false;
	}
	port_map_clear(out);
	port_map_add(out, (uint16_t)first, (uint16_t)last);
	return true;
}

static bool write_piece(int fd, const char *list, size_t length_bytes)
{
	ssize_t written = write(fd, list, length_bytes);

	if (written == (ssize_t)length_bytes)
		return true;
	if (written >= 0)
		errno = EIO;
	return false;
}

/* Pieces add to what this open file has written before. An empty list is written as an empty line, if it is the first. */
static bool write_list(int fd, const struct port_map *ports, char *list, bool first)
{
	size_t length = kernel_ports_format(ports, list);
	const char *at = list;

	if (length == 0)
		return !first || write_piece(fd, "\n", 1);
	while (length > 0) {
		size_t piece = kernel_ports_piece(at, length, WRITE_BYTES);

		if (!write_piece(fd, at, piece))
			return false;
		at += piece;
		length -= piece;
	}
	return true;
}

static bool has_exactly(const struct port_map *first, const struct port_map *others)
{
	struct port_map now;

	if (!kernel_ports_read_reserved(&now))
		return false;
	for (size_t i = 0; i < ARRAY_COUNT(now.bits); i++) {
		if (now.bits[i] != (first->bits[i] | others->bits[i]))
			return false;
	}
	return true;
}

bool kernel_ports_write_reserved(const struct port_map *first, const struct port_map *others)
{
	char *list = malloc(KERNEL_PORTS_LIST_BYTES);
	int fd = list == NULL ? -1 : open(RESERVED_FILE, O_WRONLY | O_CLOEXEC);
	bool ok;
	int error;

	if (fd < 0) {
		free(list);
		return false;
	}
	ok = write_list(fd, first, list, true) && write_list(fd, others, list, false);
	error = errno;
	close(fd);
	free(list);
	if (!ok) {
		errno = error;
		return false;
	}
	errno = 0;
	return has_exactly(first, others);
}
