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

static double away_ms(const struct run_figures *f)
{
	return (double)f->counters.away_tsc_most * 1e3 / (double)f->tsc_hz;
}

static double quantile_us(const struct histogram *h, unsigned i)
{
	return (double)histogram_quantile(h, quantiles[i].share) / NS_EACH_US;
}

static void merge(const struct run_figures *f, struct histogram *all)
{
	histogram_clear(all);
	for (unsigned i = 0; i < LOAD_CLASSES; i++)
		histogram_merge(all, &f->latency_ns[i]);
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

static void text_latency(FILE *out, const char *class, const struct histogram *h)
{
	if (h->total == 0)
		return;
	fprintf(out, "  latency (%s) in us, from when it was due: mean %.1f", class,
		histogram_mean(h) / NS_EACH_US);
	for (unsigned i = 0; i < ARRAY_COUNT(quantiles); i++)
		fprintf(out, " %s %.1f", quantiles[i].name, quantile_us(h, i));
	fputc('\n', out);
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
	if (f->counters.of[LOAD_AWAY] > 0)
		fprintf(out,
			"  off our core for %.3f ms at most: what was due then was not asked\n",
			away_ms(f));
	if (options->warm)
		fprintf(out, "  warm: %u names in %.2f s, %" PRIu64 " were fetched again\n",
			options->set_count, f->warm_seconds, f->warm_misses);
	for (unsigned i = 0; i < LOAD_CLASSES; i++)
		text_latency(out, load_class_text[i], &f->latency_ns[i]);
}

static void json_latency(FILE *out, const char *suffix, const struct histogram *h)
{
	fprintf(out, ",\"latency_us_mean%s\":%.3f", suffix, histogram_mean(h) / NS_EACH_US);
	for (unsigned i = 0; i < ARRAY_COUNT(quantiles); i++)
		fprintf(out, ",\"latency_us_%s%s\":%.3f", quantiles[i].name, suffix,
			quantile_us(h, i));
}

/* All together, then each class with its name behind the key's. */
static void json_latencies(FILE *out, const struct run_figures *f)
{
	static struct histogram all;

	merge(f, &all);
	json_latency(out, "", &all);
	for (unsigned i = 0; i < LOAD_CLASSES; i++) {
		char suffix[16];

		snprintf(suffix, sizeof(suffix), "_%s", load_class_text[i]);
		json_latency(out, suffix, &f->latency_ns[i]);
	}
}

void report_json(FILE *out, const struct options *options, const struct run_figures *f)
{
	fprintf(out,
		"{\"seconds\":%.6f,\"sent_per_s\":%.1f,\"answered_per_s\":%.1f,\"noerror_per_s\":%.1f",
		f->seconds, per_s(f, f->counters.of[LOAD_SENT]),
		per_s(f, f->while_sending.of[LOAD_ANSWERED]), per_s(f, f->while_sending.rcodes[0]));
	fprintf(out, ",\"set_per_s\":%.1f,\"new_per_s\":%.1f",
		per_s(f, f->while_sending.of[LOAD_ANSWERED_SET]),
		per_s(f, f->while_sending.of[LOAD_ANSWERED_NEW]));
	for (unsigned i = 0; i < LOAD_COUNTER_COUNT; i++)
		fprintf(out, ",\"%s\":%" PRIu64, load_counter_text[i], f->counters.of[i]);
	for (unsigned i = 0; i < LOAD_RCODES; i++)
		fprintf(out, ",\"%s\":%" PRIu64, rcode_text[i], f->counters.rcodes[i]);
	for (unsigned i = 0; i < FRAME_RESULT_COUNT; i++)
		fprintf(out, ",\"garbage_%s\":%" PRIu64, frame_result_text[i],
			f->counters.garbage[i]);
	for (unsigned i = 0; i < options_all_servers(options); i++)
		fprintf(out, ",\"upstream_server_%u\":%" PRIu64, i + 1,
			f->counters.upstream_by_server[i]);
	fprintf(out,
		",\"carried\":%" PRIu64 ",\"tsc_hz\":%" PRIu64
		",\"upstream_ports\":%u,\"queues\":%u,\"cycles_per_packet\":%.1f"
		",\"behind_ms_max\":%.3f,\"away_ms_max\":%.3f,\"warm_seconds\":%.3f,\"warm_misses\":%" PRIu64,
		f->carried, f->tsc_hz, f->upstream_ports, f->queue_count, cycles_per_packet(f),
		behind_ms(f), away_ms(f), f->warm_seconds, f->warm_misses);
	json_latencies(out, f);
	fputs("}\n", out);
}

void report_cdf(FILE *out, const struct run_figures *f)
{
	fputs("class,latency_us,share\n", out);
	for (unsigned class = 0; class < LOAD_CLASSES; class ++) {
		const struct histogram *h = &f->latency_ns[class];
		uint64_t seen = 0;

		for (unsigned i = 0; i < HISTOGRAM_SLOTS; i++) {
			seen += h->counts[i];
			if (h->counts[i] != 0)
				fprintf(out, "%s,%.3f,%.9f\n", load_class_text[class],
					(double)histogram_slot_most(i) / NS_EACH_US,
					(double)seen / (double)h->total);
		}
	}
}
