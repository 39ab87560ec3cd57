#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "address_class.h"
#include "build.h"
#include "core/frame.h"
#include "core/source_set.h"
#include "problems.h"
#include "scratch.h"
#include "settings.h"
#include "yaml_tree.h"

#define WHOLE_FILE "the file"

static const struct place place_start = {1, 1};

static void build_all(struct build *b)
{
	build_process(b);
	build_interfaces(b);
	build_service(b);
	build_outgoing(b);
	build_ports(b);
	build_mode(b);
	build_zones(b);
	build_hints(b);
	build_cache(b);
}

/* text NULL: it could not be read, which has been reported. */
static struct config *load(const char *text, size_t length_bytes, const char *file,
			   struct scratch *scratch, struct problems *problems)
{
	struct settings settings;
	struct build b = {.settings = &settings, .problems = problems, .scratch = scratch};
	const struct yaml_node *root = NULL;

	if (text != NULL)
		root = yaml_tree_parse(text, length_bytes, scratch, problems);
	if (root == NULL)
		return NULL;
	b.config = calloc(1, sizeof(*b.config));
	CHECK(b.config != NULL);
	b.config->file = build_text_copy(file);
	settings_read(&settings, root, scratch, problems);
	if (root->kind == YAML_MAP)
		build_all(&b);
	if (problems->error_count == 0) {
		build_keys(&b);
		return b.config;
	}
	config_free(b.config);
	return NULL;
}

static void finish(struct problems *problems, const char *file, FILE *errors, unsigned *error_count,
		   unsigned *warning_count)
{
	problems_print(problems, file, errors);
	if (error_count != NULL)
		*error_count = problems->error_count;
	if (warning_count != NULL)
		*warning_count = problems->warning_count;
	scratch_fini(problems->scratch);
}

struct config *config_load_text(const char *text, size_t length_bytes, const char *file,
				FILE *errors, unsigned *error_count, unsigned *warning_count)
{
	struct scratch scratch = {NULL};
	struct problems problems;
	struct config *c;

	problems_init(&problems, &scratch);
	c = load(text, length_bytes, file, &scratch, &problems);
	finish(&problems, file, errors, error_count, warning_count);
	return c;
}

/* Read all of it, but not more than one byte above the limit: that much is refused anyway. */
static ssize_t descriptor_read(int fd, char *text, size_t capacity_bytes)
{
	size_t used = 0;

	while (used < capacity_bytes) {
		ssize_t got = read(fd, text + used, capacity_bytes - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	return (ssize_t)used;
}

static void warn_if_writable(int fd, struct problems *problems)
{
	struct stat status;

	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IWOTH) != 0)
		problems_add(problems, PROBLEM_WARNING, place_start, WHOLE_FILE,
			     "is writable by everybody: chmod o-w");
}

/* The text, or NULL with the reason in problems. */
static char *file_read(const char *file, struct scratch *scratch, struct problems *problems,
		       size_t *length_bytes)
{
	size_t capacity = YAML_TREE_BYTES_MAX + 1;
	char *text = scratch_take(scratch, capacity);
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? descriptor_read(fd, text, capacity) : -1;

	if (got < 0)
		problems_add(problems, PROBLEM_ERROR, place_start, WHOLE_FILE, "cannot be read: %s",
			     strerror(errno));
	else
		warn_if_writable(fd, problems);
	if (fd >= 0)
		close(fd);
	*length_bytes = got > 0 ? (size_t)got : 0;
	return got < 0 ? NULL : text;
}

struct config *config_load(const char *file, FILE *errors, unsigned *error_count,
			   unsigned *warning_count)
{
	struct scratch scratch = {NULL};
	struct problems problems;
	size_t length_bytes;
	struct config *c;
	char *text;

	problems_init(&problems, &scratch);
	text = file_read(file, &scratch, &problems, &length_bytes);
	c = load(text, length_bytes, file, &scratch, &problems);
	finish(&problems, file, errors, error_count, warning_count);
	return c;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	free(c->file);
	free(c->file_prefix);
	for (unsigned i = 0; i < c->eal_arg_count; i++)
		free(c->eal_args[i]);
	for (unsigned i = 0; i < c->interface_count; i++) {
		free(c->interfaces[i].name);
		free(c->interfaces[i].device);
		free(c->interfaces[i].tap_name);
		free(c->interfaces[i].tap_netns);
	}
	free(c->forwards);
	build_keys_free(c);
	free(c->cache.file);
	free(c);
}

struct port_rules config_port_rules(const struct config *c, unsigned outgoing_idx,
				    struct port_map *listen)
{
	const struct config_outgoing *outgoing = &c->outgoing[outgoing_idx];
	const struct prefix own = {.address = outgoing->address, .bits = outgoing->prefix_bits};

	CHECK(outgoing_idx < c->outgoing_count);
	port_map_clear(listen);
	for (unsigned i = 0; i < c->listen_count; i++)
		if (prefix_contains(&own, &c->listen[i].endpoint.address))
			port_map_add(listen, c->listen[i].endpoint.port,
				     c->listen[i].endpoint.port);
	return (struct port_rules){
		.send_port = c->ports.send_port,
		.exclude_defaults = c->ports.exclude_defaults,
		.range = &c->ports.range,
		.exclude = &c->ports.exclude,
		.listen = listen,
	};
}

bool config_asks_any(const struct config *c)
{
	if (c->mode == CONFIG_MODE_ITERATE)
		return true;
	for (unsigned i = 0; i < c->forward_count; i++) {
		if (c->forwards[i].stub)
			return true;
	}
	return false;
}

static void check_interface(const struct config_interface *i)
{
	CHECK(i->name != NULL && i->name[0] != '\0' && i->device != NULL && i->device[0] != '\0');
	CHECK(i->address_count >= 1 && i->address_count <= INTERFACE_ADDRESSES_MAX);
	CHECK(i->gateway_count <= INTERFACE_GATEWAYS_MAX);
	CHECK(i->vlan == FRAME_VLAN_NONE || (i->vlan >= 1 && i->vlan <= 4094));
	CHECK(i->mtu_bytes >= 576 && i->mtu_bytes <= 9000);
	CHECK(i->line >= 1 && i->column >= 1);
	CHECK(i->kernel <= CONFIG_KERNEL_TAP);
	for (unsigned k = 0; k < i->address_count; k++)
		CHECK(i->addresses[k].bits <= ADDRESS_BITS &&
		      (!address_is_v4(&i->addresses[k].address) ||
		       i->addresses[k].bits >= 8 * ADDRESS_V4_OFFSET));
}

static void check_zones(const struct config *c)
{
	CHECK(c->forwards != NULL && c->forward_count <= ZONES_MAX);
	for (unsigned i = 0; i < c->forward_count; i++) {
		const struct config_forward *f = &c->forwards[i];

		CHECK(f->zone.length_bytes >= 1 && f->health_name.length_bytes >= 1);
		CHECK(f->server_count >= 1 && f->server_count <= ZONE_SERVERS_MAX);
		CHECK(f->policy < SERVER_POLICY_COUNT && f->transport < ZONE_TRANSPORT_COUNT);
		CHECK(f->timeout_ms >= 1 && f->tries >= 1 && f->health.interval_ms >= 1);
		CHECK(f->health.rise >= 1 && f->health.fall >= 1);
		for (unsigned k = 0; k < f->server_count; k++)
			CHECK(f->servers[k].port != 0 &&
			      build_interface_of(c, &f->servers[k].address) < 0);
		CHECK(i == 0 || name_label_count(&f[-1].zone) >= name_label_count(&f->zone));
		CHECK(i == 0 || !name_equal(&f[-1].zone, &f->zone));
	}
}

static void check_outgoing(const struct config *c, const struct config_outgoing *o)
{
	struct prefix own = {.address = o->address, .bits = o->prefix_bits};

	CHECK(o->interface_idx < c->interface_count);
	CHECK(o->prefix_bits == ADDRESS_BITS ||
	      (o->prefix_bits >= OPTIONS_SOURCE_BITS_MIN &&
	       o->prefix_bits <= OPTIONS_SOURCE_BITS_MAX && !address_is_v4(&o->address)));
	CHECK(!address_class_clear_host_bits(&own));
	if (o->prefix_bits == ADDRESS_BITS)
		CHECK(build_interface_of(c, &o->address) == o->interface_idx);
	/* An address belongs to one of them only. */
	for (unsigned i = 0; i < c->outgoing_count; i++)
		CHECK(&c->outgoing[i] == o || !prefix_contains(&own, &c->outgoing[i].address));
}

static void check_ports(const struct config_ports *p)
{
	CHECK(!port_map_has(&p->range, 0) && !port_map_has(&p->exclude, 0));
	CHECK(p->rotate_s >= 1);
	CHECK(p->range_line >= 1 && p->range_column >= 1);
	CHECK(p->pool_size_line >= 1 && p->pool_size_column >= 1);
	CHECK(p->send_port_line >= 1 && p->send_port_column >= 1);
	CHECK(p->v6_identifiers >= 1 && p->v6_identifiers <= SOURCE_IDENTIFIERS_MAX);
}

/* Each set can be drawn, as far as the file goes. */
static void check_eligible(const struct config *c, unsigned outgoing_idx)
{
	struct port_map listen, eligible;
	struct port_plan plan;
	const struct port_rules rules = config_port_rules(c, outgoing_idx, &listen);

	port_plan_make(&plan, &rules);
	port_plan_eligible(&plan, &eligible);
	CHECK(plan.counts[PORT_ELIGIBLE] == port_map_count(&eligible));
	CHECK(plan.counts[PORT_ELIGIBLE] >= 1 && !port_map_has(&eligible, 0));
	if (c->ports.send_port != 0)
		CHECK(plan.counts[PORT_ELIGIBLE] == 1 &&
		      port_map_has(&eligible, c->ports.send_port));
	else
		CHECK(c->ports.pool_size <= plan.counts[PORT_ELIGIBLE]);
}

void config_check(const struct config *c)
{
	CHECK(c->file != NULL && c->file_prefix != NULL && c->file_prefix[0] != '\0');
	CHECK(c->worker_count >= 1 && c->worker_count <= WORKERS_MAX);
	CHECK(c->worker_cpu_count == 0 || c->worker_cpu_count == c->worker_count);
	CHECK(c->control_cpu >= -1 && c->memory_mb >= 1);
	CHECK(c->eal_arg_count <= CONFIG_EAL_ARGS_MAX);
	CHECK(c->interface_count >= 1 && c->interface_count <= INTERFACES_MAX);
	for (unsigned i = 0; i < c->interface_count; i++)
		check_interface(&c->interfaces[i]);
	CHECK(c->listen_count >= 1 && c->listen_count <= LISTEN_MAX);
	for (unsigned i = 0; i < c->listen_count; i++)
		CHECK(c->listen[i].endpoint.port != 0 &&
		      build_interface_of(c, &c->listen[i].endpoint.address) ==
			      c->listen[i].interface_idx);
	CHECK(c->allow_count >= 1 && c->allow_count <= ALLOW_PREFIXES_MAX);
	CHECK(c->outgoing_count <= OUTGOING_MAX);
	for (unsigned i = 0; i < c->outgoing_count; i++) {
		check_outgoing(c, &c->outgoing[i]);
		check_eligible(c, i);
	}
	check_ports(&c->ports);
	CHECK(c->max_under_way >= 1 && c->max_under_way <= UNDER_WAY_MAX);
	CHECK(c->edns_udp_size_bytes >= 512 && c->edns_udp_size_bytes <= EDNS_UDP_BYTES);
	CHECK(c->mode <= CONFIG_MODE_ITERATE);
	zone_cut_check(&c->root_hints);
	CHECK(c->root_hints.zone.length_bytes == 1 && c->root_hints.address_count >= 1);
	check_zones(c);
	CHECK(c->cache.min_ttl_s <= c->cache.max_ttl_s && c->cache.failure_ttl_s >= 1);
	CHECK(c->cache.file == NULL || c->cache.file[0] != '\0');
}
