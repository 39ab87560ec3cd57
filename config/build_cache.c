#include "build.h"

/* Where neither is wrong by itself. */
static void check_ttls(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *minimum = settings_find(top, "cache.min_ttl_s");
	const struct setting *maximum = settings_find(top, "cache.max_ttl_s");
	const struct config_cache *c = &b->config->cache;

	if (minimum->broken || maximum->broken || c->min_ttl_s <= c->max_ttl_s)
		return;
	settings_error(b->problems, top, minimum->given ? minimum : maximum, NULL,
		       "min_ttl_s %u is more than max_ttl_s %u", c->min_ttl_s, c->max_ttl_s);
}

static void build_size(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *size = settings_find(top, "cache.size_mb");
	struct config_cache *c = &b->config->cache;

	c->size_mb = (uint32_t)settings_integer(top, "cache.size_mb");
	if (size->broken || c->size_mb == 0 || c->size_mb >= b->config->worker_count)
		return;
	settings_warning(b->problems, top, size, NULL,
			 "less than 1 MiB for each of %u workers: long answers will not be kept",
			 b->config->worker_count);
}

static void build_file(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct item *item = settings_item(top, "cache.file");
	struct config_cache *c = &b->config->cache;

	if (item == NULL || item->word >= 0)
		return;
	if (item->as.text[0] == '\0')
		settings_error(b->problems, top, settings_find(top, "cache.file"), item,
			       "is empty, allowed: none, or the name of a file");
	else
		c->file = build_text_copy(item->as.text);
}

void build_cache(struct build *b)
{
	const struct group *top = &b->settings->top;
	struct config_cache *c = &b->config->cache;

	build_size(b);
	build_file(b);
	c->min_ttl_s = (uint32_t)settings_integer(top, "cache.min_ttl_s");
	c->max_ttl_s = (uint32_t)settings_integer(top, "cache.max_ttl_s");
	c->negative_max_ttl_s = (uint32_t)settings_integer(top, "cache.negative_max_ttl_s");
	c->failure_ttl_s = (uint32_t)settings_integer(top, "cache.failure_ttl_s");
	c->serve_stale = settings_bool(top, "cache.serve_stale.enabled");
	c->max_stale_s = (uint32_t)settings_integer(top, "cache.serve_stale.max_stale_s");
	c->client_timeout_ms =
		(uint32_t)settings_integer(top, "cache.serve_stale.client_timeout_ms");
	c->prefetch = settings_bool(top, "cache.prefetch");
	c->rrset_order = (enum config_rrset_order)settings_word(top, "cache.rrset_order");
	check_ttls(b);
}
