#include "dpdk_app/telemetry_ports.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/text_value.h"
#include "dpdk_app/telemetry_rows.h"

/* What a page of at most 16 KiB and 256 entries holds at the longest. */
#define ROWS_PAGE 8
#define RANGES_PAGE 120
#define CONFLICTS_PAGE 32
#define ALLOW_PAGE 128
#define SETTING_KEY_BYTES 64
#define TIME_BYTES 32
#define CURSOR_PORT_BITS 16
#define PORT_LAST (PORT_COUNT - 1)

static_assert(OUTGOING_MAX << CURSOR_PORT_BITS <= INT32_MAX, "no cursor is the end");

static void add_refusal(struct rte_tel_data *data, const char *why)
{
	rte_tel_data_add_dict_string(data, "result", "refused");
	rte_tel_data_add_dict_string(data, "why", why);
}

/* ---- addresses ---- */

static const char *outgoing_text(const struct config_outgoing *o, char text[TEXT_ADDRESS_BYTES])
{
	const struct prefix prefix = {.address = o->address, .bits = o->prefix_bits};

	return o->prefix_bits == ADDRESS_BITS ? text_value_of_address(&o->address, text)
					      : text_value_of_prefix(&prefix, text);
}

/* "": there is none yet. */
static void add_probability(struct rte_tel_data *row, const char *name, double value, bool is_there)
{
	char text[32] = "";

	if (is_there && !isnan(value))
		snprintf(text, sizeof(text), "%.4g", value);
	rte_tel_data_add_dict_string(row, name, text);
}

static void add_bits(struct rte_tel_data *row, const char *name, double value, bool is_there)
{
	char text[32] = "";

	if (is_there && !isnan(value))
		snprintf(text, sizeof(text), "%.2f", value);
	rte_tel_data_add_dict_string(row, name, text);
}

static void add_figures(struct rte_tel_data *row, const struct port_keeper_row *r)
{
	const struct entropy_figures *f = &r->figures;
	bool judged = f->samples > 0;

	add_bits(row, "port_bits", r->port_bits, true);
	add_bits(row, "identifier_bits", r->identifier_bits, true);
	rte_tel_data_add_dict_u64(row, "samples", f->samples);
	add_probability(row, "port_p", f->port_p, judged);
	add_probability(row, "id_p", f->id_p, judged);
	add_probability(row, "id_step_p", f->id_step_p, judged);
	add_bits(row, "port_min_entropy_bits", f->port_min_entropy_bits, judged);
	add_bits(row, "id_min_entropy_bits", f->id_min_entropy_bits, judged);
	add_bits(row, "port_step_min_entropy_bits", f->port_step_min_entropy_bits, judged);
	rte_tel_data_add_dict_u64(row, "alarms", r->alarms);
}

static void add_address(const struct config *config, struct rte_tel_data *row,
			const struct port_keeper_row *r)
{
	const struct config_outgoing outgoing = {.address = r->address,
						 .prefix_bits = r->prefix_bits};
	char text[TEXT_ADDRESS_BYTES];
	char number[8] = "random";

	if (r->send_port != 0)
		snprintf(number, sizeof(number), "%u", r->send_port);
	rte_tel_data_add_dict_string(row, "address", outgoing_text(&outgoing, text));
	rte_tel_data_add_dict_string(row, "interface", config->interfaces[r->interface_idx].name);
	rte_tel_data_add_dict_string(row, "shared", r->shared ? "yes" : "no");
	rte_tel_data_add_dict_string(row, "send_port", number);
	rte_tel_data_add_dict_u64(row, "drawn", r->drawn);
	rte_tel_data_add_dict_u64(row, "accepted", r->accepted);
	rte_tel_data_add_dict_u64(row, "identifiers", r->identifiers);
	for (unsigned v = 0; v < PORT_VERDICT_COUNT; v++)
		rte_tel_data_add_dict_u64(row, port_verdict_text[v], r->counts[v]);
	add_figures(row, r);
}

void telemetry_ports_rows(const struct telemetry_ports_sources *from, uint32_t cursor,
			  struct rte_tel_data *data)
{
	struct port_keeper_row rows[OUTGOING_MAX];
	const unsigned count = port_keeper_rows(from->keeper, rows);
	const uint32_t end =
		cursor < count && count - cursor > ROWS_PAGE ? cursor + ROWS_PAGE : count;

	telemetry_cursor_add(data, end < count ? end : TELEMETRY_CURSOR_END);
	for (uint32_t i = cursor; i < end; i++) {
		struct rte_tel_data *row = telemetry_row_start();

		if (row == NULL)
			return;
		add_address(from->config, row, &rows[i]);
		telemetry_row_add(data, i - cursor, row);
	}
}

/* Outgoing addresses are numbered without those that a reload has taken out. outgoing_count: there is no such. */
static unsigned index_of(const struct config *c, unsigned number)
{
	unsigned idx = 0;

	for (; idx < c->outgoing_count; idx++) {
		if (!c->outgoing[idx].retired && number-- == 0)
			break;
	}
	return idx;
}

/* ---- runs of ports ---- */

/* All ports of one outgoing address. */
struct space {
	struct port_plan plan;
	struct port_map drawn;
	struct port_map accepted;
};

static bool is_alike(const struct space *s, uint16_t one, uint16_t other)
{
	return s->plan.verdict[one] == s->plan.verdict[other] &&
	       port_map_has(&s->drawn, one) == port_map_has(&s->drawn, other) &&
	       port_map_has(&s->accepted, one) == port_map_has(&s->accepted, other);
}

static uint16_t last_alike(const struct space *s, uint16_t first)
{
	uint32_t last = first;

	while (last < PORT_LAST && is_alike(s, first, (uint16_t)(last + 1)))
		last++;
	return (uint16_t)last;
}

static bool add_run(struct rte_tel_data *data, unsigned idx, unsigned outgoing_idx,
		    const struct space *s, uint16_t first, uint16_t last)
{
	struct rte_tel_data *row = telemetry_row_start();

	if (row == NULL)
		return false;
	rte_tel_data_add_dict_u64(row, "outgoing", outgoing_idx);
	rte_tel_data_add_dict_u64(row, "first", first);
	rte_tel_data_add_dict_u64(row, "last", last);
	rte_tel_data_add_dict_string(row, "verdict", port_verdict_text[s->plan.verdict[first]]);
	rte_tel_data_add_dict_u64(row, "drawn", port_map_has(&s->drawn, first));
	rte_tel_data_add_dict_u64(row, "accepted", port_map_has(&s->accepted, first));
	telemetry_row_add(data, idx, row);
	return true;
}

void telemetry_ports_ranges(const struct telemetry_ports_sources *from, uint32_t cursor,
			    struct rte_tel_data *data)
{
	struct space *s = malloc(sizeof(*s));
	unsigned number = cursor >> CURSOR_PORT_BITS;
	unsigned outgoing_idx = index_of(from->config, number);
	uint32_t first = cursor & PORT_LAST;
	unsigned count = 0;

	/* A page is of one address, so that one plan is enough. */
	if (s != NULL && outgoing_idx < from->config->outgoing_count) {
		rte_tel_data_add_dict_u64(data, "set",
					  port_keeper_plan(from->keeper, outgoing_idx, &s->plan,
							   &s->drawn, &s->accepted));
		while (count < RANGES_PAGE && first < PORT_COUNT) {
			uint16_t last = last_alike(s, (uint16_t)first);

			if (!add_run(data, count, number, s, (uint16_t)first, last))
				break;
			first = last + 1u;
			count++;
		}
		cursor = number << CURSOR_PORT_BITS | first;
		if (first == PORT_COUNT)
			cursor = (number + 1) << CURSOR_PORT_BITS;
		if (index_of(from->config, cursor >> CURSOR_PORT_BITS) ==
			    from->config->outgoing_count ||
		    count == 0)
			cursor = TELEMETRY_CURSOR_END;
	} else {
		cursor = TELEMETRY_CURSOR_END;
	}
	telemetry_cursor_add(data, cursor);
	free(s);
}

/* ---- one port ---- */

void telemetry_ports_why(const struct telemetry_ports_sources *from, const char *port,
			 struct rte_tel_data *data)
{
	struct space *s = malloc(sizeof(*s));
	int64_t number = -1;

	if (s == NULL || text_value_integer(port, &number) != TEXT_OK || number < 0 ||
	    number > PORT_LAST) {
		rte_tel_data_add_dict_string(data, "error", "no such port: 0 to 65535");
		free(s);
		return;
	}
	for (unsigned n = 0; index_of(from->config, n) < from->config->outgoing_count; n++) {
		const unsigned i = index_of(from->config, n);
		struct rte_tel_data *row = telemetry_row_start();
		char text[TEXT_ADDRESS_BYTES], why[PORT_KEEPER_WHY_BYTES];

		if (row == NULL)
			break;
		(void)port_keeper_plan(from->keeper, i, &s->plan, &s->drawn, &s->accepted);
		port_keeper_why(from->keeper, i, (uint16_t)number, why);
		rte_tel_data_add_dict_string(row, "address",
					     outgoing_text(&from->config->outgoing[i], text));
		rte_tel_data_add_dict_string(row, "verdict",
					     port_verdict_text[s->plan.verdict[number]]);
		rte_tel_data_add_dict_string(row, "why", why);
		telemetry_row_add(data, n, row);
	}
	telemetry_cursor_add(data, TELEMETRY_CURSOR_END);
	free(s);
}

/* ---- conflicts ---- */

/* "": 0. */
static const char *time_text(int64_t wall_s, char text[TIME_BYTES])
{
	const time_t seconds = wall_s;
	struct tm utc;

	text[0] = '\0';
	if (wall_s != 0 && gmtime_r(&seconds, &utc) != NULL)
		strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc);
	return text;
}

void telemetry_ports_conflicts(const struct telemetry_ports_sources *from, uint32_t cursor,
			       struct rte_tel_data *data)
{
	struct port_conflict conflicts[CONFLICTS_PAGE + 1];
	unsigned count = port_keeper_conflicts(from->keeper, cursor, conflicts, CONFLICTS_PAGE + 1);

	telemetry_cursor_add(data, count > CONFLICTS_PAGE ? cursor + CONFLICTS_PAGE
							  : TELEMETRY_CURSOR_END);
	for (unsigned i = 0; i < count && i < CONFLICTS_PAGE; i++) {
		const struct port_conflict *c = &conflicts[i];
		struct rte_tel_data *row = telemetry_row_start();
		char text[TEXT_ADDRESS_BYTES], time[TIME_BYTES];

		if (row == NULL)
			return;
		rte_tel_data_add_dict_u64(row, "port", c->port);
		rte_tel_data_add_dict_string(row, "address",
					     text_value_of_address(&c->bound, text));
		rte_tel_data_add_dict_string(row, "process", c->process);
		rte_tel_data_add_dict_u64(row, "pid", (uint64_t)c->pid);
		rte_tel_data_add_dict_string(row, "since", time_text(c->since_s, time));
		rte_tel_data_add_dict_string(row, "until", time_text(c->until_s, time));
		telemetry_row_add(data, i, row);
	}
}

/* ---- who may ask ---- */

/* Within another network of its family, or the same as one before? */
static bool is_covered(const struct config *c, unsigned idx)
{
	const struct prefix *p = &c->allow[idx];

	for (unsigned i = 0; i < c->allow_count; i++) {
		if (i != idx && address_is_v4(&c->allow[i].address) == address_is_v4(&p->address) &&
		    prefix_contains(&c->allow[i], &p->address) &&
		    (c->allow[i].bits < p->bits || (c->allow[i].bits == p->bits && i < idx)))
			return true;
	}
	return false;
}

void telemetry_ports_allow(const struct telemetry_ports_sources *from, uint32_t cursor,
			   struct rte_tel_data *data)
{
	const struct config *c = from->config;
	unsigned count = 0;

	for (; cursor < c->allow_count && count < ALLOW_PAGE; cursor++) {
		struct rte_tel_data *row;
		char text[TEXT_ADDRESS_BYTES];

		if (is_covered(c, cursor))
			continue;
		row = telemetry_row_start();
		if (row == NULL)
			break;
		rte_tel_data_add_dict_string(row, "prefix",
					     text_value_of_prefix(&c->allow[cursor], text));
		telemetry_row_add(data, count++, row);
	}
	telemetry_cursor_add(data, cursor < c->allow_count ? cursor : TELEMETRY_CURSOR_END);
}

/* ---- settings ---- */

void telemetry_ports_set(const struct telemetry_ports_sources *from, const char *setting,
			 struct rte_tel_data *data)
{
	size_t key_length = strcspn(setting, "=");
	char key[SETTING_KEY_BYTES];
	char why[PORT_KEEPER_SET_BYTES];

	if (setting[key_length] == '\0' || key_length >= sizeof(key)) {
		add_refusal(data, "KEY=VALUE is missing");
		return;
	}
	snprintf(key, sizeof(key), "%.*s", (int)key_length, setting);
	if (!port_keeper_set(from->keeper, key, setting + key_length + 1, why)) {
		add_refusal(data, why);
		return;
	}
	rte_tel_data_add_dict_string(data, "result", "ok");
	rte_tel_data_add_dict_string(data, "why", "");
}
