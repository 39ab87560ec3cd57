#include "bench/load/ttl_book.h"

#include <stdlib.h>

bool ttl_book_init(struct ttl_book *b, uint32_t count, bool servers_begin)
{
	*b = (struct ttl_book){.count = count, .servers_begin = servers_begin};
	if (count == 0)
		return true;
	b->ends_ms = calloc(count, sizeof(*b->ends_ms));
	return b->ends_ms != NULL;
}

void ttl_book_fini(struct ttl_book *b)
{
	free(b->ends_ms);
}
