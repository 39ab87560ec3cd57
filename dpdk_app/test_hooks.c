#include "dpdk_app/test_hooks.h"

#ifdef PORTICO_TEST_HOOKS

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const _Atomic int64_t *clock_offset;

/* MAP_FAILED: errno. */
static const void *map(int fd, const char **why)
{
	struct stat status;
	const void *mapped;

	*why = "cannot be mapped";
	if (fstat(fd, &status) != 0)
		return MAP_FAILED;
	if (status.st_size < (off_t)sizeof(int64_t)) {
		*why = "is shorter than 8 bytes";
		return MAP_FAILED;
	}
	mapped = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
	return mapped;
}

bool test_hooks_take(int option, const char *value)
{
	const char *why = "cannot be opened";
	const void *mapped = MAP_FAILED;
	int fd;

	if (option != TEST_HOOKS_CLOCK)
		return false;
	fd = open(value, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		mapped = map(fd, &why);
		close(fd);
	}
	if (mapped == MAP_FAILED) {
		fprintf(stderr, "portico: --test-clock-offset-file %s: it %s\n", value, why);
		return false;
	}
	clock_offset = mapped;
	return true;
}

const _Atomic int64_t *test_hooks_clock_offset(void)
{
	return clock_offset;
}

#endif
