#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <stdint.h>
#include <sys/mman.h>

#include "core/limits.h"
#include "dpdk_app/log.h"

#define CACHE_LINE_BYTES 64
#define HUGE_PAGE_BYTES ((size_t)2 << 20)
#define MIB_BYTES ((size_t)1 << 20)
/* An answer of the usual size with its key; and how much of a log one may take (core/cache.h: CACHE_PUT_TOO_LONG). */
#define USUAL_ENTRY_BYTES (EDNS_UDP_BYTES + 256)
#define LONGEST_SHARE 8
/* Cleared ahead in one call: some milliseconds. */
#define POPULATED_BYTES ((size_t)32 << 20)
/* Of DPDK's memory no more than this part: engines and packets come after us. */
#define DPDK_SHARE 2

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* Huge pages that nobody has. The kernel sets them aside at once, and clears each when it is touched. */
static void *map_huge(size_t size_bytes)
{
	void *memory = mmap(NULL, round_up(size_bytes, HUGE_PAGE_BYTES), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

struct region {
	uint8_t *data;
	size_t size_bytes;
};

/* Thread: clears pages before a worker comes to them, whom each would cost some hundred microseconds in the middle of a burst. */
static void *populate(void *argument)
{
	const struct region *r = argument;
	size_t at = 0;

	while (at < r->size_bytes) {
		const size_t left = r->size_bytes - at;
		const size_t bytes = left < POPULATED_BYTES ? left : POPULATED_BYTES;

		/* A kernel before 5.14 cannot: then each is cleared when it is touched. */
		if (madvise(r->data + at, bytes, MADV_POPULATE_WRITE) != 0)
			break;
		at += bytes;
	}
	return NULL;
}

/* On the control CPU, as the main thread. Where there are several NUMA nodes a page is on the node of who touches it first, and is left
 * to the worker. */
static void populate_ahead(void *memory, size_t size_bytes)
{
	static struct region region;
	pthread_t thread;

	if (rte_socket_count() > 1)
		return;
	region = (struct region){memory, round_up(size_bytes, HUGE_PAGE_BYTES)};
	if (pthread_create(&thread, NULL, populate, &region) != 0)
		return;
	pthread_setname_np(thread, "portico-pages");
	pthread_detach(thread);
}

/* Of what EAL holds, which is clear. */
static void *take_from_dpdk(size_t size_bytes)
{
	const int socket_id = (int)rte_socket_id();
	struct rte_malloc_socket_stats stats;

	if (rte_malloc_get_socket_stats(socket_id, &stats) != 0 ||
	    stats.greatest_free_size / DPDK_SHARE < size_bytes)
		return NULL;
	return rte_zmalloc_socket("cache", size_bytes, CACHE_LINE_BYTES, socket_id);
}

/* Begins at a huge page's boundary, so that all of it can be huge. */
static void *map_ordinary(size_t size_bytes)
{
	const size_t mapped_bytes = round_up(size_bytes, HUGE_PAGE_BYTES) + HUGE_PAGE_BYTES;
	uint8_t *mapped = mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (mapped == MAP_FAILED) {
		log_write(CONFIG_LOG_ERROR, "memory",
			  "no memory for=cache bytes=%zu error=\"%m\" remedy=\"lower "
			  "cache.size_mb\"",
			  size_bytes);
		return NULL;
	}
	before = round_up((uintptr_t)mapped, HUGE_PAGE_BYTES) - (uintptr_t)mapped;
	/* Where the kernel has none to give it stays as it is. */
	(void)madvise(mapped + before, mapped_bytes - before, MADV_HUGEPAGE);
	return mapped + before;
}

static void warn_if_small(const struct config *config)
{
	const size_t log_bytes = config->cache.size_mb * MIB_BYTES / 2 / config->worker_count;

	if (log_bytes / LONGEST_SHARE < USUAL_ENTRY_BYTES)
		log_write(CONFIG_LOG_WARNING, "cache",
			  "cache.size_mb: %" PRIu32 " is too small for %u workers: long answers "
			  "are not kept remedy=\"raise cache.size_mb\"",
			  config->cache.size_mb, config->worker_count);
}

bool cache_memory_make(const struct config *config, struct cache **out)
{
	const struct cache_params params = {
		.size_bytes = config->cache.size_mb * MIB_BYTES,
		.log_count = config->worker_count,
	};
	const char *pages = "huge";
	void *memory = NULL;
	size_t size_bytes;

	*out = NULL;
	if (config->cache.size_mb == 0)
		return true;
	size_bytes = cache_memory_bytes(&params);
	if (rte_eal_has_hugepages()) {
		memory = map_huge(size_bytes);
		if (memory != NULL)
			populate_ahead(memory, size_bytes);
		else
			memory = take_from_dpdk(size_bytes);
	}
	if (memory == NULL) {
		pages = "ordinary";
		memory = map_ordinary(size_bytes);
	}
	if (memory == NULL)
		return false;
	*out = cache_init(memory, &params);
	warn_if_small(config);
	log_write(CONFIG_LOG_INFO, "cache", "made size_mb=%" PRIu32 " pages=%s",
		  config->cache.size_mb, pages);
	return true;
}
