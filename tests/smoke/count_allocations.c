/* Preloaded into portico by no_allocation_test.sh: counts each thread's calls that take or give back memory,
 * and passes them on. The counts stand in the file that COUNT_ALLOCATIONS names, mapped and shared, so that
 * the test can read them at any time without disturbing anybody; show_allocations.py prints it.
 *
 * Threads: each writes its own row. The first call of a thread takes a row; rows are never given back.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROWS 256

enum call { MALLOC, CALLOC, REALLOC, FREE, ALIGNED, MMAP, CALL_COUNT };

struct row {
	int64_t tid;
	uint64_t calls[CALL_COUNT];
};

/* Until the file is mapped, and if there is none. */
static struct row rows_before[ROWS];
static struct row *rows = rows_before;
static atomic_uint row_count;

/* initial-exec: no allocation when a thread touches it first. */
static __thread struct row *own __attribute__((tls_model("initial-exec")));

static void count(enum call call)
{
	if (own == NULL) {
		unsigned idx = atomic_fetch_add(&row_count, 1);

		if (idx >= ROWS)
			abort();
		own = &rows[idx];
		own->tid = syscall(SYS_gettid);
	}
	own->calls[call]++;
}

/* dlsym() itself may allocate, before there is anything to pass its calls on to. */
#define EARLY_BYTES 65536
#define EARLY_ALIGNMENT 16
static _Alignas(EARLY_ALIGNMENT) char early[EARLY_BYTES];
static size_t early_used;
static __thread int resolving __attribute__((tls_model("initial-exec")));

static void *early_take(size_t bytes)
{
	size_t at = early_used;

	early_used += (bytes + EARLY_ALIGNMENT - 1) / EARLY_ALIGNMENT * EARLY_ALIGNMENT;
	if (early_used > EARLY_BYTES)
		abort();
	return early + at;
}

static int is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + EARLY_BYTES;
}

static void *next(void **cache, const char *name)
{
	if (*cache == NULL) {
		resolving++;
		*cache = dlsym(RTLD_NEXT, name);
		resolving--;
	}
	return *cache;
}

#define NEXT(name, type) ((type)next(&next_##name, #name))

static void *next_malloc, *next_calloc, *next_realloc, *next_free, *next_posix_memalign,
	*next_aligned_alloc, *next_memalign, *next_mmap, *next_mmap64;

void *malloc(size_t bytes)
{
	count(MALLOC);
	return resolving ? early_take(bytes) : NEXT(malloc, void *(*)(size_t))(bytes);
}

void *calloc(size_t n, size_t bytes)
{
	count(CALLOC);
	return resolving ? early_take(n * bytes)
			 : NEXT(calloc, void *(*)(size_t, size_t))(n, bytes);
}

void *realloc(void *memory, size_t bytes)
{
	count(REALLOC);
	if (is_early(memory))
		abort();
	return NEXT(realloc, void *(*)(void *, size_t))(memory, bytes);
}

void free(void *memory)
{
	count(FREE);
	if (!is_early(memory))
		NEXT(free, void (*)(void *))(memory);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes)
{
	count(ALIGNED);
	return NEXT(posix_memalign, int (*)(void **, size_t, size_t))(memory, alignment, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	count(ALIGNED);
	return NEXT(aligned_alloc, void *(*)(size_t, size_t))(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes)
{
	count(ALIGNED);
	return NEXT(memalign, void *(*)(size_t, size_t))(alignment, bytes);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	count(MMAP);
	return NEXT(mmap, void *(*)(void *, size_t, int, int, int,
				    off_t))(address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	count(MMAP);
	return NEXT(mmap64, void *(*)(void *, size_t, int, int, int,
				      off_t))(address, bytes, protection, flags, fd, offset);
}

__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("COUNT_ALLOCATIONS");
	int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *shared;

	if (fd < 0 || ftruncate(fd, sizeof(rows_before)) != 0)
		abort();
	shared = mmap(NULL, sizeof(rows_before), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		abort();
	close(fd);
	/* Only this thread has run so far. */
	memcpy(shared, rows_before, sizeof(rows_before));
	rows = shared;
	own = NULL;
	atomic_store(&row_count, 0);
}
