/* Where DPDK puts the telemetry socket of an instance: shared by portico and porticoctl. */
#ifndef PORTICO_TELEMETRY_PATH_H
#define PORTICO_TELEMETRY_PATH_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TELEMETRY_PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)
#define TELEMETRY_PATH_COUNT 3

/* Places to look at: for root only root's own (anybody could answer in /tmp), else the user's ones too. The
 * first that somebody answers on is the one; a socket that a killed instance left behind answers nobody. */
static inline unsigned telemetry_path_count(void)
{
	return geteuid() == 0 ? 1 : TELEMETRY_PATH_COUNT;
}

static inline void telemetry_path(const char *prefix, unsigned idx, char path[TELEMETRY_PATH_BYTES])
{
	const char *user_dir = getenv("XDG_RUNTIME_DIR");
	const char *const base[TELEMETRY_PATH_COUNT] = {
		"/var/run",
		user_dir != NULL && user_dir[0] != '\0' ? user_dir : "/tmp",
		"/tmp",
	};

	snprintf(path, TELEMETRY_PATH_BYTES, "%s/dpdk/%s/dpdk_telemetry.v2", base[idx], prefix);
}

/* A connected socket, path saying where; -1: nobody answers, errno of the first place. */
static inline int telemetry_path_connect(const char *prefix, char path[TELEMETRY_PATH_BYTES])
{
	int first_error = 0;

	for (unsigned i = 0; i < telemetry_path_count(); i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return -1;
		telemetry_path(prefix, i, path);
		memcpy(address.sun_path, path, sizeof(address.sun_path));
		if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		if (i == 0)
			first_error = errno;
		close(fd);
	}
	errno = first_error;
	return -1;
}

#endif
