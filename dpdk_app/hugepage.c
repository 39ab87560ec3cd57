#include "dpdk_app/hugepage.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>

#define DIRECTORY "/sys/kernel/mm/hugepages"
#define KB_PER_MB 1024

/* The number in a file of one page size; 0 if it cannot be read. */
static uint64_t read_count(const char *page_size, const char *file)
{
	char path[512];
	uint64_t value = 0;
	FILE *f;

	snprintf(path, sizeof(path), DIRECTORY "/%s/%s", page_size, file);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

uint64_t hugepage_free_mb(void)
{
	DIR *directory = opendir(DIRECTORY);
	const struct dirent *entry;
	uint64_t free_kb = 0;

	if (directory == NULL)
		return 0;
	while ((entry = readdir(directory)) != NULL) {
		uint64_t page_kb, free_count, reserved_count;

		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &page_kb) != 1)
			continue;
		free_count = read_count(entry->d_name, "free_hugepages");
		reserved_count = read_count(entry->d_name, "resv_hugepages");
		if (free_count > reserved_count)
			free_kb += (free_count - reserved_count) * page_kb;
	}
	closedir(directory);
	return free_kb / KB_PER_MB;
}
