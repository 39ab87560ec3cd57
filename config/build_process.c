#include <stdlib.h>
#include <string.h>

#include "build.h"

char *build_text_copy(const char *text)
{
	char *copy = strdup(text);

	CHECK(copy != NULL);
	return copy;
}

static void build_workers(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *workers = settings_find(top, "workers");
	struct config *c = b->config;

	c->worker_count = 1;
	if (workers->broken)
		return;
	if (!workers->listed) {
		c->worker_count = (unsigned)workers->items[0].as.integer;
	} else {
		c->worker_count = workers->item_count;
		c->worker_cpu_count = workers->item_count;
	}
	for (unsigned i = 0; i < c->worker_cpu_count; i++) {
		c->worker_cpus[i] = (unsigned)workers->items[i].as.integer;
		for (unsigned before = 0; before < i; before++)
			if (c->worker_cpus[before] == c->worker_cpus[i])
				settings_error(b->problems, top, workers, &workers->items[i],
					       "CPU %u is listed twice", c->worker_cpus[i]);
	}
	if (c->worker_count == 0)
		settings_error(b->problems, top, workers, NULL,
			       "is empty, allowed: a count, or a list of CPUs");
}

static void build_control_cpu(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *control = settings_find(top, "control_cpu");
	const struct item *item = &control->items[0];
	struct config *c = b->config;

	c->control_cpu = item->word >= 0 ? -1 : (int)item->as.integer;
	for (unsigned i = 0; i < c->worker_cpu_count; i++)
		if (c->control_cpu >= 0 && c->worker_cpus[i] == (unsigned)c->control_cpu)
			settings_warning(b->problems, top, control, item,
					 "CPU %d is a worker's: they will slow each other down",
					 c->control_cpu);
}

static void build_dpdk(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *eal = settings_find(top, "dpdk.eal");
	struct config *c = b->config;

	c->memory_mb = (unsigned)settings_integer(top, "dpdk.memory_mb");
	c->extra_mbuf_count = (unsigned)settings_integer(top, "dpdk.extra_mbufs");
	c->hugepages = (enum config_hugepages)settings_word(top, "dpdk.hugepages");
	c->file_prefix = build_text_copy(settings_item(top, "dpdk.file_prefix")->as.text);
	for (unsigned i = 0; i < eal->item_count; i++)
		c->eal_args[c->eal_arg_count++] = build_text_copy(eal->items[i].as.text);
}

static void build_metrics(struct build *b)
{
	const struct group *top = &b->settings->top;
	const struct setting *listen = settings_find(top, "metrics.listen");
	const struct item *item = settings_item(top, "metrics.listen");

	if (item == NULL || item->word >= 0)
		return;
	/* Without a port it is the one that DNS would have. */
	if (item->as.endpoint.port == OPTIONS_DNS_PORT)
		settings_error(b->problems, top, listen, item,
			       "is DNS's port: write the one for metrics, as in 127.0.0.1@9153");
	b->config->metrics_listen = item->as.endpoint;
}

void build_process(struct build *b)
{
	const struct group *top = &b->settings->top;
	struct config *c = b->config;

	build_workers(b);
	build_control_cpu(b);
	build_dpdk(b);
	build_metrics(b);
	c->poll = (enum config_poll)settings_word(top, "poll");
	c->log_level = (enum config_log_level)settings_word(top, "log.level");
	c->log_format = (enum config_log_format)settings_word(top, "log.format");
	c->shutdown_s = (uint32_t)settings_integer(top, "shutdown_s");
}
