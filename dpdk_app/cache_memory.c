#include "dpdk_app/dpdk.h"

#include "dpdk_app/cache_memory.h"

#include <inttypes.h>
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
		if (memory == NULL)
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
