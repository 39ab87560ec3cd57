#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/port_plan.h"
#include "dpdk_app/porticoctl_pages.h"
#include "dpdk_app/porticoctl_ports.h"
#include "dpdk_app/porticoctl_table.h"

#define TEXT_BYTES 64
#define ID_BITS 16
#define LABEL_CHARS 14

/* ---- totals, from stats ---- */

static const struct {
	const char *name;
	const char *says;
} total_rows[] = {
	{"tickets_out", "queries awaiting replies"},
	{"tickets_late", "timed out and remembered"},
	{"ports_yielded", "ports given to a process that bound them"},
	{"ports_returned", "taken back when it left"},
	{"port_conflicts", "given and not back yet"},
	{"port_rotations", "times that a pool was drawn anew"},
	{"entropy_alarms", "times that ports or IDs were not as chance has it"},
};

struct totals {
	char *values[ARRAY_COUNT(total_rows)]; /* NULL: not told */
};

static bool take_total(const char *key, struct fy_node *value, void *context)
{
	struct totals *t = context;

	for (size_t i = 0; i < ARRAY_COUNT(total_rows); i++) {
		if (strcmp(total_rows[i].name, key) == 0 && t->values[i] == NULL)
			t->values[i] = porticoctl_copy_scalar(value);
	}
	return true;
}

static void print_totals(const struct totals *t)
{
	puts("\nall addresses");
	for (size_t i = 0; i < ARRAY_COUNT(total_rows); i++) {
		if (t->values[i] != NULL)
			printf("  %-*s %10s  %s\n", LABEL_CHARS, total_rows[i].name, t->values[i],
			       total_rows[i].says);
	}
}

static void print_totals_json(const struct totals *t)
{
	bool first = true;

	fputs("  \"totals\": {", stdout);
	for (size_t i = 0; i < ARRAY_COUNT(total_rows); i++) {
		const char *value = t->values[i];

		if (value == NULL)
			continue;
		printf("%s\"%s\": %s", first ? "" : ", ", total_rows[i].name,
		       porticoctl_is_number(value) ? value : "null");
		first = false;
	}
	puts("}\n}");
}

/* ---- an address, as text ---- */

/* What keeps ports out, in the words that `why` and `picture` use too. */
static const char *const rules[PORT_VERDICT_COUNT] = {
	[PORT_OUT_OF_RANGE] = "not in outgoing.range (or not send_port), and port 0",
	[PORT_EXCLUDED] = "outgoing.exclude",
	[PORT_CLAIMED] = "outgoing.exclude_defaults: claimed by NICs and common services",
	[PORT_LISTENS] = "questions are taken there",
	[PORT_RESERVED] = "net.ipv4.ip_local_reserved_ports",
	[PORT_EPHEMERAL] = "net.ipv4.ip_local_port_range: the kernel hands them out",
	[PORT_HELD] = "a process on this machine holds them",
};

static void print_count(const char *label, uint64_t count, const char *says)
{
	printf("  %-*s %10" PRIu64 "  %s\n", LABEL_CHARS, label, count, says);
}

static bool is_fixed(struct fy_node *row, char send_port[TEXT_BYTES])
{
	porticoctl_field_text(row, "send_port", send_port, TEXT_BYTES);
	return isdigit((unsigned char)send_port[0]) && strtoul(send_port, NULL, 10) != 0;
}

static void print_sets(struct fy_node *row)
{
	uint64_t eligible = porticoctl_field_number(row, port_verdict_text[PORT_ELIGIBLE]);
	uint64_t drawn = porticoctl_field_number(row, "drawn");
	uint64_t identifiers = porticoctl_field_number(row, "identifiers");

	print_count("eligible", eligible, "ports that no rule keeps out");
	print_count("drawn", drawn,
		    drawn < eligible ? "queries leave from these: the pool at present"
				     : "queries leave from these");
	print_count("accepted", porticoctl_field_number(row, "accepted"),
		    "replies are taken on these");
	if (identifiers > 0)
		print_count("identifiers", identifiers, "live addresses of the prefix");
	for (unsigned v = PORT_ELIGIBLE + 1; v < PORT_VERDICT_COUNT; v++) {
		uint64_t count = porticoctl_field_number(row, port_verdict_text[v]);

		if (count > 0)
			print_count(port_verdict_text[v], count, rules[v]);
	}
}

static void print_entropy(struct fy_node *row)
{
	double port = porticoctl_field_decimal(row, "port_bits");
	double identifier = porticoctl_field_decimal(row, "identifier_bits");

	printf("  %-*s %10.2f  bits: port %.2f", LABEL_CHARS, "entropy",
	       port + identifier + ID_BITS, port);
	if (identifier > 0)
		printf(" + identifier %.2f", identifier);
	printf(" + ID %d\n", ID_BITS);
}

/* Figures that there are none of yet are left out. */
static void print_figures(struct fy_node *row, const char *label, const char *says,
			  const char *const keys[3], const char *const names[3])
{
	char text[TEXT_BYTES];
	const char *before = "";

	for (unsigned i = 0; i < 3; i++) {
		if (porticoctl_field_text(row, keys[i], text, sizeof(text))[0] == '\0')
			continue;
		if (before[0] == '\0')
			printf("  %-*s %10s  %s: ", LABEL_CHARS, label, "", says);
		printf("%s%s %s", before, names[i], text);
		before = ", ";
	}
	if (before[0] != '\0')
		putchar('\n');
}

static void print_distribution(struct fy_node *row)
{
	static const char *const p_keys[] = {"port_p", "id_p", "id_step_p"};
	static const char *const p_names[] = {"ports", "IDs", "steps of IDs"};
	static const char *const bits_keys[] = {"port_min_entropy_bits", "id_min_entropy_bits",
						"port_step_min_entropy_bits"};
	static const char *const bits_names[] = {"ports", "IDs", "steps of ports"};

	print_count("samples", porticoctl_field_number(row, "samples"), "queries looked at");
	print_figures(row, "chi-square", "p", p_keys, p_names);
	print_figures(row, "min-entropy", "bits", bits_keys, bits_names);
	print_count("alarms", porticoctl_field_number(row, "alarms"),
		    "times that these were not as chance has it");
}

static void print_warning(const char *send_port)
{
	printf("  !! send_port %s: EVERY QUERY LEAVES FROM ONE PORT: 0 BITS. Who forges replies has but the "
	       "ID to guess.\n"
	       "  !! Remedy: take outgoing.send_port out of the file, and let the firewall pass what\n"
	       "  !! `porticoctl ports firewall nft` (or iptables) prints then.\n",
	       send_port);
}

struct printing {
	bool json;
	unsigned printed;
};

static void print_row(struct fy_node *row, bool first)
{
	char address[TEXT_BYTES], interface[TEXT_BYTES], shared[TEXT_BYTES], send_port[TEXT_BYTES];
	bool is_shared =
		strcmp(porticoctl_field_text(row, "shared", shared, sizeof(shared)), "yes") == 0;

	printf("%s%s on %s: %s\n", first ? "" : "\n",
	       porticoctl_field_text(row, "address", address, sizeof(address)),
	       porticoctl_field_text(row, "interface", interface, sizeof(interface)),
	       is_shared ? "shared with the kernel" : "Portico's own");
	if (is_fixed(row, send_port))
		print_warning(send_port);
	print_sets(row);
	print_entropy(row);
	print_distribution(row);
}

/* ---- an address, as JSON ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* Numbers with decimals come as strings, "" where there is none; names stay strings whatever they look like. */
static void print_json_value(const char *key, struct fy_node *node)
{
	char *text = porticoctl_copy_scalar(node);
	bool figure = fy_node_get_style(node) == FYNS_PLAIN || ends_with(key, "_bits") ||
		      ends_with(key, "_p") || strcmp(key, "send_port") == 0;

	if (figure && text[0] == '\0')
		fputs("null", stdout);
	else if (figure && porticoctl_is_number(text))
		fputs(text, stdout);
	else
		porticoctl_print_json_string(text);
	free(text);
}

static void print_row_json(struct fy_node *row, bool first)
{
	struct fy_node_pair *pair;
	void *at = NULL;
	const char *before = first ? "\n    {" : ",\n    {";

	while ((pair = fy_node_mapping_iterate(row, &at)) != NULL) {
		char *key = porticoctl_copy_scalar(fy_node_pair_key(pair));

		fputs(before, stdout);
		porticoctl_print_json_string(key);
		fputs(": ", stdout);
		print_json_value(key, fy_node_pair_value(pair));
		free(key);
		before = ", ";
	}
	putchar('}');
}

static bool on_row(struct fy_node *row, void *context)
{
	struct printing *p = context;

	if (p->json)
		print_row_json(row, p->printed == 0);
	else
		print_row(row, p->printed == 0);
	p->printed++;
	return true;
}

static bool print_all(const struct porticoctl_socket *s, const struct totals *t, bool json)
{
	struct printing p = {.json = json};

	if (json)
		fputs("{\n  \"outgoing\": [", stdout);
	if (!porticoctl_pages_rows(s, "ports", 0, on_row, &p))
		return false;
	if (json) {
		puts(p.printed > 0 ? "\n  ]," : "],");
		print_totals_json(t);
	} else {
		print_totals(t);
	}
	return true;
}

bool porticoctl_ports_table(const struct porticoctl_socket *s, const struct porticoctl_options *o,
			    const char *const args[])
{
	struct totals t = {0};
	bool good = porticoctl_pages_entries(s, "stats", take_total, &t) &&
		    print_all(s, &t, porticoctl_options_has(o, PORTICOCTL_JSON));

	(void)args;
	for (size_t i = 0; i < ARRAY_COUNT(t.values); i++)
		free(t.values[i]);
	return good;
}
