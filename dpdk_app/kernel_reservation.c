#include "dpdk_app/kernel_reservation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dpdk_app/kernel_ports.h"
#include "dpdk_app/log.h"
#include "dpdk_app/port_map_ops.h"

#define DIRECTORY "/run/portico"
#define REMEDY                                                                                     \
	"remedy=\"run as root, or with write access to "                                           \
	"/proc/sys/net/ipv4/ip_local_reserved_ports and " DIRECTORY                                \
	", or set outgoing.reserve_in_kernel: false\""

/* What the file says: three lists, a line each. */
struct record {
	struct port_map
		others;       /* reserved by others, as of our last look; in neither of the next */
	struct port_map ours; /* reserved by us */
	struct port_map next; /* to be ours instead: the kernel has all, some or none of it */
};

#define RECORD_LISTS 3
#define RECORD_BYTES (RECORD_LISTS * KERNEL_PORTS_LIST_BYTES)

/* ---- the file ---- */

static bool file_path(const char *file_prefix, char path[256])
{
	struct stat status;
	int length;

	if (stat("/proc/self/ns/net", &status) != 0)
		return false;
	length = snprintf(path, 256, DIRECTORY "/%" PRIu64 "-%s.reserved", (uint64_t)status.st_ino,
			  file_prefix);
	return length > 0 && length < 256;
}

static bool write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, text, length);

		if (written <= 0)
			return false;
		text += written;
		length -= (size_t)written;
	}
	return true;
}

static size_t record_format(const struct record *record, char text[RECORD_BYTES])
{
	const struct port_map *lists[RECORD_LISTS] = {&record->others, &record->ours,
						      &record->next};
	size_t length = 0;

	for (unsigned i = 0; i < RECORD_LISTS; i++) {
		length += kernel_ports_format(lists[i], text + length);
		text[length++] = '\n';
	}
	return length;
}

static bool record_parse(char *text, struct record *out)
{
	struct port_map *lists[RECORD_LISTS] = {&out->others, &out->ours, &out->next};

	for (unsigned i = 0; i < RECORD_LISTS; i++) {
		char *end = strchr(text, '\n');

		if (end == NULL)
			return false;
		*end = '\0';
		if (!kernel_ports_parse(text, lists[i]))
			return false;
		text = end + 1;
	}
	return *text == '\0';
}

/* The file says this, or what it said before. False: errno. */
static bool file_write(const char *path, const struct record *record)
{
	char *text = malloc(RECORD_BYTES);
	char new_path[264];
	bool ok = false;
	int error, fd;

	snprintf(new_path, sizeof(new_path), "%s.new", path);
	if (text == NULL)
		return false;
	if (mkdir(DIRECTORY, 0755) != 0 && errno != EEXIST) {
		free(text);
		return false;
	}
	/* Nobody else's file: what stands in it is taken out of the kernel's list. */
	(void)unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd >= 0) {
		ok = write_all(fd, text, record_format(record, text));
		error = errno;
		close(fd);
		errno = error;
	}
	ok = ok && rename(new_path, path) == 0;
	error = errno;
	if (!ok)
		(void)unlink(new_path);
	free(text);
	errno = error;
	return ok;
}

enum file_result { FILE_OK, FILE_NONE, FILE_DENIED, FILE_UNREADABLE };

static enum file_result file_read(const char *path, struct record *out)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	enum file_result result = FILE_UNREADABLE;
	struct stat status;
	char *text;
	ssize_t length;

	if (fd < 0 && errno == EACCES)
		return FILE_DENIED;
	if (fd < 0)
		return errno == ENOENT ? FILE_NONE : FILE_UNREADABLE;
	text = malloc(RECORD_BYTES + 1);
	/* Only what root, or we, have written. */
	if (text != NULL && fstat(fd, &status) == 0 &&
	    (status.st_uid == 0 || status.st_uid == geteuid())) {
		length = read(fd, text, RECORD_BYTES);
		text[length > 0 ? length : 0] = '\0';
		if (length > 0 && record_parse(text, out))
			result = FILE_OK;
	}
	free(text);
	close(fd);
	return result;
}

/* ---- what of the kernel's list is ours ---- */

/* A list without more of ours than one in so many is not ours any more. */
#define MISSING_ONE_IN 8

static bool is_still_in(const struct port_map *ours, const struct port_map *reserved)
{
	struct port_map missing = *ours;

	port_map_subtract(&missing, reserved);
	return port_map_count(&missing) <= port_map_count(ours) / MISSING_ONE_IN;
}

/* Is this list the others' ports with the first of the next ones? Lists are written in pieces, in their order. */
static bool is_half_written(const struct record *record, const struct port_map *reserved)
{
	struct port_map written = *reserved;
	bool ended = false;

	port_map_subtract(&written, &record->others);
	if (!port_map_within(&record->others, reserved) ||
	    !port_map_within(&written, &record->next))
		return false;
	for (uint32_t port = 0; port < PORT_COUNT; port++) {
		if (!port_map_has(&record->next, (uint16_t)port))
			continue;
		if (!port_map_has(&written, (uint16_t)port))
			ended = true;
		else if (ended)
			return false;
	}
	return true;
}

/* None, if the list is one that somebody else has written. */
static struct port_map ours_among(const struct record *record, const struct port_map *reserved)
{
	struct port_map ours = {{0}};

	if (is_still_in(&record->ours, reserved))
		ours = record->ours;
	if (is_still_in(&record->next, reserved) || is_half_written(record, reserved))
		port_map_unite(&ours, &record->next);
	port_map_subtract(&ours, &record->others);
	port_map_intersect(&ours, reserved);
	return ours;
}

/* Out of the kernel's list with what is ours. False: errno. */
static bool take_out(const struct record *record, uint32_t *count)
{
	static const struct port_map none;
	struct port_map reserved, ours;

	if (!kernel_ports_read_reserved(&reserved))
		return false;
	ours = ours_among(record, &reserved);
	*count = port_map_count(&ours);
	if (*count == 0)
		return true;
	port_map_subtract(&reserved, &ours);
	return kernel_ports_write_reserved(&reserved, &none);
}

/* ---- reserving ---- */

bool kernel_reservation_recover(const struct config *config)
{
	enum file_result result;
	struct record left;
	char path[256];
	uint32_t count;

	if (!file_path(config->file_prefix, path))
		return true;
	result = file_read(path, &left);
	if (result == FILE_DENIED && !config->ports.reserve_in_kernel)
		return true;
	switch (result) {
	case FILE_NONE:
		return true;
	case FILE_DENIED:
	case FILE_UNREADABLE:
		log_write(
			CONFIG_LOG_ERROR, "ports",
			"what a killed instance left reserved in the kernel cannot be read file=%s "
			"remedy=\"look at net.ipv4.ip_local_reserved_ports, then remove the file\"",
			path);
		return false;
	case FILE_OK:
		break;
	}
	if (!take_out(&left, &count)) {
		log_write(CONFIG_LOG_ERROR, "ports",
			  "what a killed instance left reserved in the kernel cannot be taken out "
			  "file=%s error=\"%m\" remedy=\"start once as root\"",
			  path);
		return false;
	}
	(void)unlink(path);
	if (count > 0)
		log_write(
			CONFIG_LOG_INFO, "ports",
			"took out of ip_local_reserved_ports what a killed instance left ports=%" PRIu32,
			count);
	else
		log_write(CONFIG_LOG_INFO, "ports",
			  "ip_local_reserved_ports was set anew after an instance was killed: it "
			  "stays as it is");
	return true;
}

void kernel_reservation_others(const struct kernel_reservation *r, const struct port_map *reserved,
			       struct port_map *others)
{
	*others = *reserved;
	if (r->active && is_still_in(&r->ours, reserved))
		port_map_subtract(others, &r->ours);
}

/* In steps that may end after any of them: the file says what is ours all the time. False: errno. */
static bool replace(struct kernel_reservation *r, struct record *record)
{
	uint32_t count;
	int error;

	if (!file_write(r->path, record))
		return false;
	if (!kernel_ports_write_reserved(&record->others, &record->next)) {
		error = errno;
		/* A part may be there already. */
		if (take_out(record, &count)) {
			if (count > 0)
				port_map_clear(&r->ours);
			if (!r->active)
				(void)unlink(r->path);
		}
		errno = error;
		return false;
	}
	r->ours = record->next;
	r->active = true;
	record->ours = record->next;
	port_map_clear(&record->next);
	return file_write(r->path, record);
}

bool kernel_reservation_set(struct kernel_reservation *r, const char *file_prefix,
			    const struct port_map *ports)
{
	struct record record = {.ours = r->ours, .next = *ports};
	struct port_map reserved;
	bool was_active = r->active;

	if (!file_path(file_prefix, r->path) || !kernel_ports_read_reserved(&reserved))
		return false;
	kernel_reservation_others(r, &reserved, &record.others);
	port_map_subtract(&record.ours, &record.others);
	port_map_subtract(&record.next, &record.others);
	if (replace(r, &record)) {
		r->told = false;
		return true;
	}
	if (!r->told)
		log_write(CONFIG_LOG_ERROR, "ports",
			  "cannot reserve our ports in the kernel file=%s error=\"%m\" " REMEDY,
			  r->path);
	r->told = true;
	if (!was_active)
		kernel_reservation_end(r);
	return false;
}

void kernel_reservation_end(struct kernel_reservation *r)
{
	const struct record record = {.ours = r->ours};
	uint32_t count;

	if (!r->active)
		return;
	if (!take_out(&record, &count)) {
		log_write(CONFIG_LOG_ERROR, "ports",
			  "cannot take our ports out of ip_local_reserved_ports error=\"%m\": the "
			  "next start does it");
		return;
	}
	(void)unlink(r->path);
	r->active = false;
}
