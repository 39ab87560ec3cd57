#!/usr/bin/env python3
"""The report of `make bench`: tables and plots from what the rigs left in a directory.

  report.py DIRECTORY        writes DIRECTORY/report.md and DIRECTORY/*.svg

Read are, where they are there: machine.md, figures.tsv (id, median, worst), rig_*.md, micro.md, skipped.md, commands.md and the
plots' data: rate_by_hit_ratio.dat, rate_5tswap.dat, cdf_*.csv, peers.dat. Plots need gnuplot.
"""
import csv
import pathlib
import shutil
import subprocess
import sys

# What issues 5 and 7 want shown: id, text, the sense of "at least", target, format.
SHOW = [
    ("hit_cycles", "cached hit, application cycles, memif (busy less 5tswap), 1 million entries", "<=", 220, "%.0f"),
    ("hit_cycles_pcap", "the same, net_pcap replay (busy less io)", "<=", 220, "%.0f"),
    ("hit_ratio_pcap", "hits ÷ 5tswap, net_pcap replay, 1 worker", ">=", 0.27, "%.3f"),
    ("hit_ratio_pcap_2", "hits ÷ 5tswap, net_pcap replay, 2 workers", ">=", 0.27, "%.3f"),
    ("hit_ratio_memif", "hits ÷ 5tswap, memif", ">=", 0.72, "%.3f"),
    ("hit_ratio_af_packet", "hits ÷ 5tswap, af_packet", ">=", 0.95, "%.3f"),
    ("miss_cycles_memif", "forwarded miss, application cycles, memif, 25 thousand waiting", "<=", 600, "%.0f"),
    ("miss_rate", "forwarded misses over memif, one worker, a second", ">=", 1000000, "%.0f"),
    ("miss_ratio", "or: misses ÷ half the 5tswap packet rate", ">=", 0.35, "%.3f"),
    ("iterate_known_cycles", "iterated miss, zone cut known, application cycles, memif", "<=", 1500, "%.0f"),
    ("iterate_known_rate", "the same, one worker, a second", ">=", 500000, "%.0f"),
    ("iterate_cold_cycles", "iterated miss, cold (3 exchanges), application cycles", "<=", 4500, "%.0f"),
    ("peer_cpu", "CPU per cached answer: best peer ÷ Portico (busy cycles)", ">=", 2.3, "%.2f"),
    ("peer_cpu_process", "the same, the CPU time of Portico's whole process", ">=", 2.3, "%.2f"),
    ("entry_bytes", "memory per entry, single-A answers, bytes", "<=", 96, "%.0f"),
    ("loss_90", "lost at 90 % of the maximum rate (but for what was under way while the generator was off its core)", "<=", 0, "%.0f"),
    ("loss_90_all", "the same, with that", "<=", 0, "%.0f"),
    ("flood_ratio", "hits under a flood while all upstreams time out ÷ without", ">=", 0.9, "%.3f"),
    ("start_ms", "exec to first answer, af_packet, ms", "<=", 400, "%.0f"),
]

CDF_POINTS = 300

PLOT = """set terminal svg size 720,440 font "sans,12" background "white"
set output "{output}"
set grid
set key {key}
{body}
"""


def read(directory, name):
    path = directory / name
    return path.read_text() if path.exists() else ""


def figures(directory):
    found = {}
    for line in read(directory, "figures.tsv").splitlines():
        name, median, worst = line.split("\t")
        try:
            found[name] = (float(median), float(worst))
        except ValueError:
            pass
    return found


def verdict(sense, target, value):
    good = value <= target if sense == "<=" else value >= target
    return "kept" if good else "**missed**"


def must_show(directory):
    found = figures(directory)
    rows = ["| figure | target | median | worst | by the median |", "|---|---|---|---|---|"]
    for name, text, sense, target, form in SHOW:
        sign = "≤" if sense == "<=" else "≥"
        if name in found:
            median, worst = found[name]
            rows.append(f"| {text} | {sign} {target:g} | {form % median} | {form % worst} | {verdict(sense, target, median)} |")
        else:
            rows.append(f"| {text} | {sign} {target:g} | - | - | not measured |")
    return "\n".join(rows)


def gnuplot(directory, output, key, body):
    """False: it could not be drawn."""
    script = PLOT.format(output=output, key=key, body=body)
    result = subprocess.run(["gnuplot"], input=script, text=True, cwd=directory, capture_output=True)
    if result.returncode != 0:
        sys.stderr.write(f"report: gnuplot: {result.stderr}")
    return result.returncode == 0


def plot_rates(directory):
    swap = read(directory, "rate_5tswap.dat").strip()
    line = f', {float(swap) / 1e6:f} title "5tswap" with lines dashtype 2' if swap else ""
    return gnuplot(
        directory, "rate_by_hit_ratio.svg", "left top",
        'set title "Answers by hit ratio (memif, one worker)"\nset xlabel "questions for names in the cache, %"\n'
        'set ylabel "million answers a second"\nset xrange [-5:105]\nset yrange [0:]\n'
        'plot "rate_by_hit_ratio.dat" using 1:($2/1e6):($3/1e6):($4/1e6) title "median, worst to best" '
        f'with yerrorlines pointtype 7{line}')


def split_cdf(directory):
    """A file a class, as gnuplot reads them. Returns [(title, file)]."""
    titles = {"50": "hits, 50 % load", "80": "hits, 80 % load", "mix": "mix of 80 % hits"}
    parts = []
    for name, title in titles.items():
        path = directory / f"cdf_{name}.csv"
        if not path.exists():
            continue
        rows = list(csv.DictReader(path.open()))
        for kind in ("set", "new"):
            points = [(r["latency_us"], r["share"]) for r in rows if r["class"] == kind]
            # As much as can be seen, and the last one.
            points = points[:: max(1, len(points) // CDF_POINTS)] + points[-1:]
            if points:
                data = directory / f"cdf_{name}_{kind}.dat"
                data.write_text("".join(f"{us} {share}\n" for us, share in points))
                what = {"set": ": hits", "new": ": misses"}[kind] if name == "mix" else ""
                parts.append((title + what, data.name))
    return parts


def plot_cdf(directory):
    parts = split_cdf(directory)
    if not parts:
        return False
    lines = ", ".join(f'"{file}" using 1:(1-$2 > 1e-9 ? 1-$2 : 1e-9) title "{title}" with steps linewidth 2' for title, file in parts)
    return gnuplot(
        directory, "latency_cdf.svg", "left bottom",
        'set title "Latency: share of answers that take longer (memif, open loop)"\nset xlabel "µs from when the question was due"\n'
        f'set ylabel "share"\nset logscale xy\nset yrange [1e-6:1]\nset format y "10^{{%L}}"\nplot {lines}')


def plot_peers(directory):
    return gnuplot(
        directory, "peers.svg", "left top",
        'set title "CPU an answer (Portico: busy cycles; others: user + system)"\nset ylabel "µs"\nset yrange [0:]\n'
        'set style data histograms\nset style histogram clustered gap 1\nset style fill solid 0.8\nset xtics rotate by -25\n'
        'plot "peers.dat" using 2:xtic(1) title "hit", "" using 3 title "Zipf", "" using 4 title "miss"')


def plots(directory):
    if shutil.which("gnuplot") is None:
        return "gnuplot is not installed: no plots.\n"
    drawn = []
    for data, name, title, plot in (
        ("rate_by_hit_ratio.dat", "rate_by_hit_ratio.svg", "Rate by hit ratio", plot_rates),
        ("cdf_50.csv", "latency_cdf.svg", "Latency", plot_cdf),
        ("peers.dat", "peers.svg", "Peers", plot_peers),
    ):
        if (directory / data).exists() and plot(directory):
            drawn.append(f"![{title}]({name})")
    return "\n\n".join(drawn) + "\n"


def main():
    directory = pathlib.Path(sys.argv[1])
    sections = [
        "# What `make bench` measured\n",
        read(directory, "machine.md"),
        "## What issues 5 and 7 must show\n",
        must_show(directory) + "\n",
        plots(directory),
    ]
    rigs = [read(directory, f"{name}.md") for name in ("rig_a", "rig_b", "rig_c", "rig_c_af_packet", "rig_d")]
    if any(rigs):
        sections += ["## Rigs\n"] + rigs
    for name, title in (("micro.md", "Micro-benchmarks"), ("skipped.md", "Left out, and why"), ("commands.md", "Commands")):
        text = read(directory, name)
        if text:
            sections += [f"## {title}\n", text]
    (directory / "report.md").write_text("\n".join(s for s in sections if s) + "\n")


if __name__ == "__main__":
    main()
