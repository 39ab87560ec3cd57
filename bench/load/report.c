#include "bench/load/report.h"

#include <inttypes.h>

#define NS_EACH_US 1000.0

static const char *const rcode_text[LOAD_RCODES] = {
	"noerror", "formerr", "servfail", "nxdomain", "notimp",  "refused", "yxdomain", "yxrrset",
	"nxrrset", "notauth", "notzone",  "rcode11",  "rcode12", "rcode13", "rcode14",  "rcode15",
};

static const struct {
	const char *name;
	double share;
} quantiles[] = {
	{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"max", 1},
};

static double per_s(const struct run_figures *f, uint64_t count)
{
	return f->seconds > 0 ? (double)count / f->seconds : 0;
}

static double cycles_per_packet(const struct run_figures *f)
{
	const uint64_t *of = f->counters.of;
	uint64_t packets = of[LOAD_RX_PACKETS] + of[LOAD_TX_PACKETS];

	return packets > 0 ? (double)of[LOAD_BUSY_CYCLES] / (double)packets : 0;
}

static double behind_ms(const struct run_figures *f)
{
	return (double)f->counters.behind_tsc_most * 1e3 / (double)f->tsc_hz;
}

static double quantile_us(const struct run_figures *f, unsigned i)
{
	return (double)histogram_quantile(&f->latency_ns, quantiles[i].share) / NS_EACH_US;
}

static void text_counts(FILE *out, const struct run_figures *f)
{
	for (unsigned i = 0; i < LOAD_COUNTER_COUNT; i++) {
		if (f->counters.of[i] != 0)
			fprintf(out, "  %-20s %" PRIu64 "\n", load_counter_text[i],
				f->counters.of[i]);
	}
	for (unsigned i = 0; i < LOAD_RCODES; i++) {
		if (f->counters.rcodes[i] != 0)
			fprintf(out, "  rcode %-14s %" PRIu64 "\n", rcode_text[i],
				f->counters.rcodes[i]);
	}
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++) {
		if (f->counters.garbage[i] != 0)
			fprintf(out, "  garbage %-12s %" PRIu64 "\n", frame_result_text[i],
				f->counters.garbage[i]);
	}
}

void report_text(FILE *out, const struct options *options, const struct run_figures *f)
{
	const char *what = options->mode == OPTIONS_MODE_ECHO ? "packets" : "questions";

	fprintf(out, "load: %s over %.3f s: %.0f %s/s sent, %.0f answered/s\n", what, f->seconds,
		per_s(f, f->counters.of[LOAD_SENT]), what,
		per_s(f, f->while_sending.of[LOAD_ANSWERED]));
	text_counts(out, f);
	if (f->upstream_ports != 0)
		fprintf(out, "  upstream queries came from %u ports\n", f->upstream_ports);
	fprintf(out, "  own cycles a packet  %.0f\n  sent late by, at most %.3f ms\n",
		cycles_per_packet(f), behind_ms(f));
	fprintf(out, "  latency in us, from when it was due: mean %.1f",
		histogram_mean(&f->latency_ns) / NS_EACH_US);
	for (unsigned i = 0; i < ARRAY_COUNT(quantiles); i++)
		fprintf(out, " %s %.1f", quantiles[i].name, quantile_us(f, i));
	fputc('\n', out);
}

void report_json(FILE *out, const struct options *options, const struct run_figures *f)
{
	fprintf(out,
		"{\"seconds\":%.6f,\"sent_per_s\":%.1f,\"answered_per_s\":%.1f,\"noerror_per_s\":%.1f",
		f->seconds, per_s(f, f->counters.of[LOAD_SENT]),
		per_s(f, f->while_sending.of[LOAD_ANSWERED]), per_s(f, f->while_sending.rcodes[0]));
	for (unsigned i = 0; i < LOAD_COUNTER_COUNT; i++)
		fprintf(out, ",\"%s\":%" PRIu64, load_counter_text[i], f->counters.of[i]);
	for (unsigned i = 0; i < LOAD_RCODES; i++)
		fprintf(out, ",\"%s\":%" PRIu64, rcode_text[i], f->counters.rcodes[i]);
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++)
		fprintf(out, ",\"garbage_%s\":%" PRIu64, frame_result_text[i],
			f->counters.garbage[i]);
	for (unsigned i = 0; i < options->server_count; i++)
		fprintf(out, ",\"upstream_server_%u\":%" PRIu64, i + 1,
			f->counters.upstream_by_server[i]);
	fprintf(out,
		",\"carried\":%" PRIu64 ",\"tsc_hz\":%" PRIu64
		",\"upstream_ports\":%u,\"queues\":%u,\"cycles_per_packet\":%.1f"
		",\"behind_ms_max\":%.3f,\"latency_us_mean\":%.3f",
		f->carried, f->tsc_hz, f->upstream_ports, f->queue_count, cycles_per_packet(f),
		behind_ms(f), histogram_mean(&f->latency_ns) / NS_EACH_US);
	for (unsigned i = 0; i < ARRAY_COUNT(quantiles); i++)
		fprintf(out, ",\"latency_us_%s\":%.3f", quantiles[i].name, quantile_us(f, i));
	fputs("}\n", out);
}
