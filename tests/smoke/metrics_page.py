#!/usr/bin/env python3
"""Reads http://127.0.0.1:PORT/metrics and checks it against the text format and against `porticoctl stats --json` (on standard
input, taken just before: counters may have grown since).

  metrics_page.py PORT          prints "ok   ..." and "FAIL ..." lines
  metrics_page.py PORT --get PATH [--method METHOD]    prints the status and the first line of what comes
"""
import http.client
import json
import re
import socket
import sys
import time

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z]+="[^"\\\n]*",?)*)\})? (\S+)$')
failed = 0


def say(good, text):
    global failed
    failed += not good
    print(("ok   " if good else "FAIL ") + text)


def get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    return response, response.read().decode()


def parse(text):
    """{family: (type, help)}, {(name, labels): value}; families must not be torn apart."""
    families, samples, ended, now = {}, {}, set(), None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            assert name not in families and help_text, line
            families[name] = [None, help_text]
            ended.add(now)
            now = name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name == now and kind in ("counter", "gauge", "histogram"), line
            families[name][0] = kind
        else:
            match = SAMPLE.match(line)
            assert match, line
            name, labels, value = match.group(1), match.group(2) or "", float(match.group(3))
            family = name
            if families.get(name) is None:
                family = re.sub(r"_(bucket|sum|count)$", "", name)
                assert families[family][0] == "histogram", line
            assert family == now and (name, labels) not in samples, line
            samples[(name, labels)] = value
    return families, samples


def flat(name, labels):
    """As porticoctl names it."""
    name = name[len("portico_"):]
    if not labels:
        return name
    prefix, _, rest = name.partition("_")
    return prefix + "_" + re.sub(r"\W", "_", re.search(r'"(.*)"', labels).group(1)) + "_" + rest


def check_histogram(samples, family, labels):
    buckets = [(float(re.search(r'le="([^"]*)"', l).group(1)), v) for (n, l), v in samples.items()
               if n == family + "_bucket" and l.startswith(labels)]
    counts = [v for _, v in buckets]
    say(buckets == sorted(buckets) and counts == sorted(counts) and buckets[-1][0] == float("inf"),
        f"{family} {labels}: buckets ascend")
    say(samples[(family + "_count", labels)] == counts[-1], f"{family} {labels}: the last is the count")
    return counts[-1]


def main():
    port = int(sys.argv[1])
    if "--get" in sys.argv:
        method = sys.argv[sys.argv.index("--method") + 1] if "--method" in sys.argv else "GET"
        response, body = get(port, sys.argv[sys.argv.index("--get") + 1], method)
        print(response.status, body.split("\n")[0])
        return
    stats = json.load(sys.stdin)
    response, body = get(port, "/metrics")
    say(response.status == 200 and response.headers["Content-Type"].startswith("text/plain; version=0.0.4"),
        "the page comes as Prometheus' text format")
    families, samples = parse(body)
    shown = {flat(n, l): v for (n, l), v in samples.items() if "latency_seconds" not in n}
    missing = [n for n in stats if n not in shown]
    say(not missing, f"every number of stats is there{': not ' + ' '.join(missing) if missing else ''}")
    extra = [n for n in shown if n not in stats]
    say(not extra, f"and no other{': ' + ' '.join(extra) if extra else ''}")
    shrunk = [n for n in stats if families.get("portico_" + n, ["gauge"])[0] == "counter"
              and shown.get(n, 0) < float(stats[n])]
    say(not shrunk, f"no counter is behind{': ' + ' '.join(shrunk) if shrunk else ''}")
    family = "portico_answer_latency_seconds"
    hits = check_histogram(samples, family, 'result="hit"')
    misses = check_histogram(samples, family, 'result="miss"')
    say(hits == shown["cache_hits"], f"each answer from the cache is in its histogram: {hits:.0f}")
    say(misses > 0, f"so are others: {misses:.0f}")
    servers = {re.match(r'server="[^"]*"', l).group(0) for n, l in samples if n.startswith("portico_upstream_latency")}
    replies = sum(check_histogram(samples, "portico_upstream_latency_seconds", s) for s in servers)
    say(replies > 0, f"round trips of {len(servers)} servers: {replies:.0f}")
    head, head_body = get(port, "/metrics", "HEAD")
    say(head.status == 200 and head_body == "", "HEAD has no body")

    # Somebody who connects and says nothing, many times: others are served, or refused at once.
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    start = time.monotonic()
    say(get(port, "/metrics")[0].status == 200 and time.monotonic() - start < 1, "8 silent clients hold nobody up")
    silent[0].sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"y" * 100000)
    try:
        reply = silent[0].recv(64)
    except ConnectionError:
        reply = b""
    say(b"200" not in reply, "a header of 100 kB gets no page")
    say(get(port, "/metrics")[0].status == 200, "and the next client does")
    sys.exit(failed > 0)


main()
