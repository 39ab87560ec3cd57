/* Loading YAML from a string literal, with what was printed about it. */
#ifndef PORTICO_TEST_CONFIG_FIXTURE_H
#define PORTICO_TEST_CONFIG_FIXTURE_H

#include <stddef.h>

#include "config/config.h"

/* The shortest good file is INTERFACE MODE ZONE: seven lines, so that what is appended begins in line 8. */
#define INTERFACE                                                                                  \
	"interfaces:\n"                                                                            \
	"  - device: net_null0\n"                                                                  \
	"    addresses: 192.0.2.53/24\n"                                                           \
	"    gateway: 192.0.2.1\n"
#define MODE "mode: forward\n"
#define ZONE                                                                                       \
	"forward:\n"                                                                               \
	"  - {zone: \".\", to: 198.51.100.1}\n"
#define GOOD INTERFACE MODE ZONE

struct loaded {
	struct config *config;
	char *printed; /* every error and warning */
	unsigned error_count;
	unsigned warning_count;
};

struct loaded test_config_load(const char *text, size_t length_bytes);
struct loaded test_config_load_file(const char *file);
void test_config_unload(struct loaded *l);
/* Line number idx (from 0) of what was printed, without its newline, NUL-terminated in out; "" beyond. */
const char *test_config_line(const struct loaded *l, unsigned idx, char out[512]);

/* What the rules of the file leave an outgoing address. */
struct port_map test_config_eligible(const struct config *c, unsigned outgoing_idx);

#endif
