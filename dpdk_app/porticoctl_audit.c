#include "dpdk_app/porticoctl_audit.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dpdk_app/porticoctl_table.h"
#include "dpdk_app/ports_audit_verdict.h"

/* Where so many rounds bring no answer of the echo server's, there is none: a round without answers takes seconds. */
#define VAIN_ROUNDS_MAX 2
/* Answers get lost: so many more rounds than would do. */
#define SPARE_ROUNDS 4

/* ---- asking ---- */

struct samples {
	struct ports_audit_sample *samples;
	size_t count, capacity;
	uint64_t understood;
};

/* All zeroes if it is none. */
static void parse_address(const char *text, struct address *out)
{
	uint8_t v4[4];

	if (inet_pton(AF_INET, text, v4) == 1)
		*out = address_from_v4(v4);
	else if (inet_pton(AF_INET6, text, out->bytes) != 1)
		memset(out, 0, sizeof(*out));
}

static char *copy_field(struct fy_node *row, const char *key)
{
	return porticoctl_copy_scalar(fy_node_mapping_lookup_by_string(row, key, strlen(key)));
}

static uint16_t number_field(struct fy_node *row, const char *key)
{
	char *text = copy_field(row, key);
	uint16_t number = (uint16_t)strtoul(text, NULL, 10);

	free(text);
	return number;
}

static void take_row(struct samples *s, struct fy_node *row, unsigned round)
{
	struct ports_audit_sample *sample = &s->samples[s->count++];
	char *address = copy_field(row, "address");
	char *answer = copy_field(row, "answer");

	*sample = (struct ports_audit_sample){
		.round = round,
		.rcode = number_field(row, "rcode"),
		.sent_port = number_field(row, "port"),
		.sent_id = number_field(row, "id"),
	};
	parse_address(address, &sample->sent_address);
	if (sample->sent_port != 0)
		ports_audit_understand(sample, answer);
	s->understood += sample->understood;
	free(address);
	free(answer);
}

/* One round more. False: printed why. */
static bool ask_round(const struct porticoctl_socket *socket, const char *name, struct samples *s,
		      unsigned round)
{
	struct porticoctl_reply reply;
	struct fy_node_pair *pair;
	void *at = NULL;

	if (!porticoctl_socket_ask_with(socket, "ports_audit", name, &reply))
		return false;
	while (s->count < s->capacity &&
	       (pair = fy_node_mapping_iterate(reply.body, &at)) != NULL) {
		if (fy_node_is_mapping(fy_node_pair_value(pair)))
			take_row(s, fy_node_pair_value(pair), round);
	}
	porticoctl_reply_free(&reply);
	return true;
}

/* Rounds, until enough answers are there or no more are to be hoped for. */
static bool ask_all(const struct porticoctl_socket *socket, const struct porticoctl_audit *audit,
		    uint64_t wanted, struct samples *s)
{
	uint64_t rounds = (wanted + PORTS_AUDIT_ROUND - 1) / PORTS_AUDIT_ROUND;

	for (unsigned round = 0; s->understood < wanted; round++) {
		if (round >= rounds + rounds / 4 + SPARE_ROUNDS ||
		    (round >= VAIN_ROUNDS_MAX && s->understood == 0))
			return true;
		if (!ask_round(socket, audit->name, s, round))
			return false;
	}
	return true;
}

/* ---- telling ---- */

/* What to make of it, in a sentence. */
static void print_verdict(const struct ports_audit_group *g)
{
	static const char nat[] = "a NAT on the way takes away your port randomness";

	switch (g->verdict) {
	case PORTS_AUDIT_TOO_FEW:
		printf("too few answers to judge by: %u are wanted\n", PORTS_AUDIT_ENOUGH);
		return;
	case PORTS_AUDIT_NO_NAT:
		puts("no NAT: what arrives is what left");
		return;
	case PORTS_AUDIT_ADDRESS:
		puts("a NAT on the way changes the address and keeps ports and IDs");
		return;
	case PORTS_AUDIT_RANDOM:
		printf("a NAT on the way gives other ports, at random: about %.1f bits\n",
		       g->port_bits);
		return;
	case PORTS_AUDIT_FEW:
		printf("%s: it gives out few ports, about %.1f bits\n", nat, g->port_bits);
		return;
	case PORTS_AUDIT_IN_ORDER:
		printf("%s: it gives out ports in sequence, with gaps where others use it\n", nat);
		return;
	case PORTS_AUDIT_STRIDE:
		printf("%s: it gives out ports in sequence, each the one before %+d\n", nat,
		       g->stride);
		return;
	case PORTS_AUDIT_ONE_PORT:
		printf("%s: all queries arrive from port %u\n", nat, g->first_port);
		return;
	case PORTS_AUDIT_PROXY:
		puts("something on the way asks in your place (a DNS proxy): the IDs that servers "
		     "see are not yours, nor are the ports");
		return;
	case PORTS_AUDIT_VERDICT_COUNT:
		break;
	}
}

static const char *address_text(const struct address *a, char text[INET6_ADDRSTRLEN])
{
	const char *written =
		address_is_v4(a)
			? inet_ntop(AF_INET, a->bytes + ADDRESS_V4_OFFSET, text, INET6_ADDRSTRLEN)
			: inet_ntop(AF_INET6, a->bytes, text, INET6_ADDRSTRLEN);

	return written != NULL ? written : "";
}

static void print_group(const struct ports_audit_group *g)
{
	char sent[INET6_ADDRSTRLEN], seen[INET6_ADDRSTRLEN];

	printf("%s: %" PRIu32 " answers", address_text(&g->address, sent), g->answered);
	if (g->understood == 0) {
		puts(", none with what the server saw");
		return;
	}
	printf(", seen as %s\n", address_text(&g->seen_address, seen));
	printf("  addresses  %" PRIu32 " of %" PRIu32 " changed\n", g->addresses_changed,
	       g->understood);
	printf("  ports      %" PRIu32 " of %" PRIu32 " changed; %" PRIu32
	       " different ones left, %" PRIu32 " arrived, %u to %u\n",
	       g->ports_changed, g->understood, g->sent_ports, g->seen_ports, g->first_port,
	       g->last_port);
	printf("  IDs        %" PRIu32 " of %" PRIu32 " changed\n", g->ids_changed, g->understood);
	fputs("  verdict    ", stdout);
	print_verdict(g);
}

static void print_all(const char *name, const struct ports_audit_judgement *j)
{
	printf("%" PRIu32 " questions for random names below %s: %" PRIu32 " answered, %" PRIu32
	       " with what the server saw\n",
	       j->asked, name, j->answered, j->understood);
	for (unsigned i = 0; i < j->group_count; i++)
		print_group(&j->groups[i]);
}

/* ---- JSON ---- */

static void print_text_json(const char *key, const char *text)
{
	printf("\"%s\": ", key);
	porticoctl_print_json_string(text);
	fputs(", ", stdout);
}

static void print_number_json(const char *key, uint32_t number)
{
	printf("\"%s\": %" PRIu32 ", ", key, number);
}

static void print_group_json(const struct ports_audit_group *g)
{
	char text[INET6_ADDRSTRLEN];

	fputs("    {", stdout);
	print_text_json("address", address_text(&g->address, text));
	print_text_json("seen_address",
			g->understood > 0 ? address_text(&g->seen_address, text) : "");
	print_number_json("answered", g->answered);
	print_number_json("understood", g->understood);
	print_number_json("addresses_changed", g->addresses_changed);
	print_number_json("ports_changed", g->ports_changed);
	print_number_json("ids_changed", g->ids_changed);
	print_number_json("ports_sent", g->sent_ports);
	print_number_json("ports_seen", g->seen_ports);
	print_number_json("first_port", g->understood > 0 ? g->first_port : 0);
	print_number_json("last_port", g->last_port);
	printf("\"stride\": %d, \"port_bits\": %.2f, ", g->stride, g->port_bits);
	print_text_json("verdict", ports_audit_verdict_text[g->verdict]);
	printf("\"bad\": %s}", ports_audit_verdict_is_bad(g->verdict) ? "true" : "false");
}

static void print_all_json(const char *name, const struct ports_audit_judgement *j)
{
	fputs("{", stdout);
	print_text_json("name", name);
	print_number_json("asked", j->asked);
	print_number_json("answered", j->answered);
	print_number_json("understood", j->understood);
	print_number_json("no_name", j->no_name);
	print_number_json("failed", j->failed);
	print_number_json("silent", j->silent);
	print_number_json("rejected", j->rejected);
	printf("\"bad\": %s,\n  \"groups\": [", j->bad ? "true" : "false");
	for (unsigned i = 0; i < j->group_count; i++) {
		puts(i == 0 ? "" : ",");
		print_group_json(&j->groups[i]);
	}
	puts(j->group_count == 0 ? "]}" : "\n  ]}");
}

/* ---- all of it ---- */

static void explain_nothing(const char *name, const struct ports_audit_judgement *j)
{
	fprintf(stderr,
		"porticoctl: ports audit: none of %" PRIu32 " answers says what a server saw\n",
		j->asked);
	if (j->failed > 0)
		fprintf(stderr,
			"  %" PRIu32
			" failed or got no answer: do the servers of that zone answer? "
			"see porticoctl upstreams\n",
			j->failed);
	if (j->no_name > 0)
		fprintf(stderr, "  %" PRIu32 " do not exist: is %s what the echo server serves?\n",
			j->no_name, name);
	if (j->silent > 0)
		fprintf(stderr,
			"  %" PRIu32
			" came without a text \"from=ADDRESS port=NUMBER id=NUMBER\": no echo "
			"server answered\n",
			j->silent);
	if (j->rejected > 0)
		fprintf(stderr, "  %" PRIu32 " came with another error code\n", j->rejected);
}

static enum porticoctl_audit_result tell(const struct porticoctl_audit *audit,
					 const struct samples *s)
{
	struct ports_audit_judgement j;

	ports_audit_judge(s->samples, s->count, &j);
	if (audit->json)
		print_all_json(audit->name, &j);
	else if (j.understood > 0)
		print_all(audit->name, &j);
	if (j.understood == 0) {
		explain_nothing(audit->name, &j);
		return PORTICOCTL_AUDIT_REFUSED;
	}
	return j.bad ? PORTICOCTL_AUDIT_BAD : PORTICOCTL_AUDIT_OK;
}

enum porticoctl_audit_result porticoctl_audit_run(const struct porticoctl_socket *s,
						  const struct porticoctl_audit *audit)
{
	uint64_t wanted = audit->count != 0 ? audit->count : PORTICOCTL_AUDIT_COUNT;
	enum porticoctl_audit_result result = PORTICOCTL_AUDIT_REFUSED;
	struct samples samples = {
		.capacity = wanted + wanted / 4 + (2 + SPARE_ROUNDS) * PORTS_AUDIT_ROUND,
	};

	samples.samples = calloc(samples.capacity, sizeof(*samples.samples));
	if (samples.samples == NULL)
		fputs("porticoctl: ports audit: no memory\n", stderr);
	else if (ask_all(s, audit, wanted, &samples))
		result = tell(audit, &samples);
	free(samples.samples);
	return result;
}
