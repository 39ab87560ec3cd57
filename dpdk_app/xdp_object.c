#include "dpdk_app/xdp_object.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dpdk_app/log.h"
#include "dpdk_app/xdp_steer.h"

#define PROGRAM_MAPS_MAX 16
#define LINE_BYTES 512

/* Whole and in place: XDP_OBJECT is a string with the object's path, from the Makefile. */
__asm__(".pushsection .rodata\n"
	".balign 16\n"
	"xdp_object_bytes:\n"
	".incbin " XDP_OBJECT "\n"
	"xdp_object_bytes_end:\n"
	".popsection\n");
extern const uint8_t xdp_object_bytes[] __attribute__((visibility("hidden")));
extern const uint8_t xdp_object_bytes_end[] __attribute__((visibility("hidden")));

static size_t object_size(void)
{
	return (size_t)((uintptr_t)xdp_object_bytes_end - (uintptr_t)xdp_object_bytes);
}

int xdp_object_file(void)
{
	int fd = memfd_create(XDP_STEER_PROGRAM, MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < object_size()) {
		ssize_t wrote = write(fd, xdp_object_bytes + done, object_size() - done);

		if (wrote <= 0) {
			int error = wrote == 0 ? ENOSPC : errno;

			close(fd);
			errno = error;
			return -1;
		}
		done += (size_t)wrote;
	}
	return fd;
}

__attribute__((format(printf, 2, 0))) static int on_libbpf_message(enum libbpf_print_level level,
								   const char *format,
								   va_list arguments)
{
	char line[LINE_BYTES];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), format, arguments);
	line[strcspn(line, "\n")] = '\0';
	log_write(CONFIG_LOG_DEBUG, "libbpf", "%s", line);
	return 0;
}

void xdp_object_take_over_log(void)
{
	libbpf_set_print(on_libbpf_message);
}

struct bpf_object *xdp_object_load(const char *program)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = "portico");
	struct bpf_object *object;
	struct bpf_program *each;
	struct bpf_map *sockets;
	int error;

	object = bpf_object__open_mem(xdp_object_bytes, object_size(), &options);
	if (object == NULL)
		return NULL;
	bpf_object__for_each_program(each, object)
	{
		bool wanted = strcmp(bpf_program__name(each), program) == 0;

		bpf_program__set_autoload(each, wanted);
	}
	sockets = bpf_object__find_map_by_name(object, XDP_STEER_SOCKETS);
	if (sockets != NULL && strcmp(program, XDP_STEER_DROP_PROGRAM) == 0)
		bpf_map__set_autocreate(sockets, false);
	error = bpf_object__load(object);
	if (error != 0) {
		bpf_object__close(object);
		errno = -error;
		return NULL;
	}
	return object;
}

/* ---- what this process has open ---- */

struct sought {
	bool is_map;
	unsigned id_count;
	uint32_t ids[PROGRAM_MAPS_MAX]; /* one of these */
	const char *name;               /* and of this name; NULL: of any */
};

static bool is_sought(int fd, const struct sought *sought)
{
	struct bpf_prog_info program = {0};
	struct bpf_map_info map = {0};
	uint32_t bytes = sought->is_map ? sizeof(map) : sizeof(program);
	void *info = sought->is_map ? (void *)&map : (void *)&program;
	const char *name = sought->is_map ? map.name : program.name;
	uint32_t id;

	if (bpf_obj_get_info_by_fd(fd, info, &bytes) != 0)
		return false;
	id = sought->is_map ? map.id : program.id;
	for (unsigned i = 0; i < sought->id_count; i++) {
		if (sought->ids[i] == id)
			return sought->name == NULL || strcmp(sought->name, name) == 0;
	}
	return false;
}

static int find_descriptor(const struct sought *sought)
{
	const char *kind = sought->is_map ? "anon_inode:bpf-map" : "anon_inode:bpf-prog";
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int found = -1;

	while (directory != NULL && found < 0 && (entry = readdir(directory)) != NULL) {
		char target[64];
		ssize_t length =
			readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
		int fd = atoi(entry->d_name);

		if (length <= 0)
			continue;
		target[length] = '\0';
		if (strcmp(target, kind) == 0 && is_sought(fd, sought))
			found = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	}
	if (directory != NULL)
		closedir(directory);
	return found;
}

int xdp_object_find_program(uint32_t program_id)
{
	const struct sought sought = {.id_count = 1, .ids = {program_id}};

	return find_descriptor(&sought);
}

int xdp_object_find_map(int program_fd, const char *name)
{
	struct sought sought = {.is_map = true, .name = name};
	struct bpf_prog_info info = {
		.nr_map_ids = PROGRAM_MAPS_MAX,
		.map_ids = (uintptr_t)sought.ids,
	};
	uint32_t bytes = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &bytes) != 0)
		return -1;
	sought.id_count = info.nr_map_ids < PROGRAM_MAPS_MAX ? info.nr_map_ids : PROGRAM_MAPS_MAX;
	return find_descriptor(&sought);
}
