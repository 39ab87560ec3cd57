/* What huge pages the machine has to spare, from /sys/kernel/mm/hugepages. */
#ifndef PORTICO_HUGEPAGE_H
#define PORTICO_HUGEPAGE_H

#include <stdint.h>

/* Megabytes of huge pages, of all sizes, that are free and not promised to somebody else. */
uint64_t hugepage_free_mb(void);

#endif
