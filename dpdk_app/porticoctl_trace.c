#include "dpdk_app/porticoctl_trace.h"

#include <inttypes.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/name.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_table.h"

/* Command and parameters are a request of at most 1,000 bytes (porticoctl_socket.h). */
#define PARAMS_BYTES 960
#define TEXT_BYTES 128
#define US_PER_MS 1000.0

bool porticoctl_check_trace(const struct porticoctl_options *o, const char *const args[])
{
	struct name name;

	(void)o;
	if (!name_from_text(args[0], &name)) {
		fprintf(stderr, "porticoctl: \"%s\" is not a domain name\n", args[0]);
		return false;
	}
	if (ldns_get_rr_type_by_name(args[1]) == 0) {
		fprintf(stderr,
			"porticoctl: \"%s\" is not a record type, such as A, AAAA, TYPE65\n",
			args[1]);
		return false;
	}
	return true;
}

/* ---- the fields of a step ---- */

/* Parts of a long name (key, key_1, key_2 …) together; "" if there is none. */
static void name_field(struct fy_node *row, const char *key, char out[NAME_TEXT_BYTES_MAX])
{
	char numbered[TEXT_BYTES];
	size_t used = 0, got;

	snprintf(numbered, sizeof(numbered), "%s", key);
	out[0] = '\0';
	for (unsigned i = 1; used + 1 < NAME_TEXT_BYTES_MAX; i++, used += got) {
		got = strlen(porticoctl_field_text(row, numbered, out + used,
						   NAME_TEXT_BYTES_MAX - used));
		if (got == 0)
			return;
		snprintf(numbered, sizeof(numbered), "%s_%u", key, i);
	}
}

/* To be freed. */
static char *type_field(struct fy_node *row, const char *key)
{
	return ldns_rr_type2str((ldns_rr_type)porticoctl_field_number(row, key));
}

/* "NOERROR", to be freed. */
static char *rcode_text(uint64_t rcode)
{
	return ldns_pkt_rcode2str((ldns_pkt_rcode)rcode);
}

static double ms_field(struct fy_node *row, const char *key)
{
	return (double)porticoctl_field_number(row, key) / US_PER_MS;
}

/* ---- a line a step ---- */

static void print_sent(struct fy_node *row)
{
	char server[TEXT_BYTES], from[TEXT_BYTES], transport[TEXT_BYTES];
	char zone[NAME_TEXT_BYTES_MAX];
	bool is_tcp;

	porticoctl_field_text(row, "server", server, sizeof(server));
	porticoctl_field_text(row, "from", from, sizeof(from));
	is_tcp = strcmp(porticoctl_field_text(row, "transport", transport, sizeof(transport)),
			"tcp") == 0;
	name_field(row, "zone", zone);
	printf("-> %s", server);
	if (is_tcp)
		printf(" over TCP");
	else
		printf(" from %s ID %" PRIu64, from, porticoctl_field_number(row, "id"));
	printf(", zone %s", zone);
}

static void print_reply(struct fy_node *row)
{
	char server[TEXT_BYTES], verdict[TEXT_BYTES];
	char *rcode = rcode_text(porticoctl_field_number(row, "rcode"));

	printf("<- %s %s: %s (%.1f ms)",
	       porticoctl_field_text(row, "server", server, sizeof(server)),
	       rcode != NULL ? rcode : "?",
	       porticoctl_field_text(row, "verdict", verdict, sizeof(verdict)),
	       ms_field(row, "after_us"));
	free(rcode);
}

static void print_silence(struct fy_node *row)
{
	char server[TEXT_BYTES], verdict[TEXT_BYTES];

	printf("   %s: %s (%.1f ms)", porticoctl_field_text(row, "server", server, sizeof(server)),
	       porticoctl_field_text(row, "verdict", verdict, sizeof(verdict)),
	       ms_field(row, "after_us"));
}

static void print_asks(struct fy_node *row)
{
	char verdict[TEXT_BYTES], asks[NAME_TEXT_BYTES_MAX];
	char *type = type_field(row, "asks_type");

	name_field(row, "asks", asks);
	printf("needs %s %s (%s), of worker %" PRIu64, asks, type != NULL ? type : "?",
	       porticoctl_field_text(row, "verdict", verdict, sizeof(verdict)),
	       porticoctl_field_number(row, "asks_worker"));
	free(type);
}

static void print_told(struct fy_node *row)
{
	char verdict[TEXT_BYTES];

	printf("is told: %s", porticoctl_field_text(row, "verdict", verdict, sizeof(verdict)));
}

static void print_end(struct fy_node *row)
{
	char *rcode = rcode_text(porticoctl_field_number(row, "rcode"));
	char ede[TEXT_BYTES], verdict[TEXT_BYTES];

	porticoctl_field_text(row, "verdict", verdict, sizeof(verdict));
	printf("= %s", verdict[0] != '\0' ? verdict : rcode != NULL ? rcode : "?");
	if (porticoctl_field_text(row, "ede", ede, sizeof(ede))[0] != '\0')
		printf(", extended error %s", ede);
	printf(" after %.1f ms", ms_field(row, "after_us"));
	free(rcode);
}

static void print_zone(struct fy_node *row, const char *event)
{
	char zone[NAME_TEXT_BYTES_MAX];

	name_field(row, "zone", zone);
	printf("%s%s%s", strcmp(event, "cut") == 0 ? "goes on" : "begins",
	       zone[0] != '\0' ? " at the zone " : "", zone);
}

static bool print_step(struct fy_node *row, void *context)
{
	static const struct {
		const char *event;
		void (*print)(struct fy_node *row);
	} kinds[] = {
		{"sent", print_sent}, {"reply", print_reply}, {"silence", print_silence},
		{"asks", print_asks}, {"told", print_told},   {"end", print_end},
	};
	char name[NAME_TEXT_BYTES_MAX], event[TEXT_BYTES];
	char *type = type_field(row, "type");
	bool printed = false;

	(void)context;
	name_field(row, "name", name);
	porticoctl_field_text(row, "event", event, sizeof(event));
	printf("%8.1f ms  worker %-3" PRIu64 " %s %s  ", ms_field(row, "time_us"),
	       porticoctl_field_number(row, "worker"), name, type != NULL ? type : "?");
	free(type);
	for (size_t i = 0; i < ARRAY_COUNT(kinds) && !printed; i++) {
		printed = strcmp(kinds[i].event, event) == 0;
		if (printed)
			kinds[i].print(row);
	}
	if (!printed)
		print_zone(row, event);
	putchar('\n');
	return true;
}

static bool add_step(struct fy_node *row, void *context)
{
	porticoctl_table_add(context, row);
	return true;
}

/* ---- both ---- */

static bool show_text(const struct porticoctl_socket *s, uint32_t first)
{
	return porticoctl_pages_rows(s, "trace_steps", first, print_step, NULL);
}

static bool show_json(const struct porticoctl_socket *s, uint32_t first)
{
	struct porticoctl_table table = {0};
	bool good = porticoctl_pages_rows(s, "trace_steps", first, add_step, &table);

	if (good)
		porticoctl_table_print_json(&table);
	porticoctl_table_free(&table);
	return good;
}

bool porticoctl_trace(const struct porticoctl_socket *s, const struct porticoctl_options *o,
		      const char *const args[])
{
	struct porticoctl_reply reply;
	char params[PARAMS_BYTES];
	bool is_done;
	uint64_t lost;
	uint32_t first;

	if ((size_t)snprintf(params, sizeof(params), "%u %s",
			     (unsigned)ldns_get_rr_type_by_name(args[1]),
			     args[0]) >= sizeof(params)) {
		fprintf(stderr, "porticoctl: that name is too long as it is written\n");
		return false;
	}
	if (!porticoctl_socket_ask_with(s, "trace", params, &reply))
		return false;
	first = (uint32_t)porticoctl_field_number(reply.body, "first");
	is_done = porticoctl_field_number(reply.body, "done") != 0;
	lost = porticoctl_field_number(reply.body, "lost");
	porticoctl_reply_free(&reply);
	if (!(porticoctl_options_has(o, PORTICOCTL_JSON) ? show_json(s, first)
							 : show_text(s, first)))
		return false;
	if (lost > 0)
		fprintf(stderr, "porticoctl: %" PRIu64 " more steps found no room\n", lost);
	if (!is_done)
		fprintf(stderr, "porticoctl: it has not ended yet\n");
	return is_done;
}
