#!/usr/bin/env python3
"""Does rplrun bear whatever a file says? Mutates scenarios and has them played: every file must get one verdict, within its
time, and no SKIP without a line or a step. By hand: runner_fuzz.py RPLRUN FILES... [--count N] [--seed N] [--keep DIR]
"""
import argparse
import os
import random
import re
import subprocess
import sys
import tempfile

WORDS = """ENTRY_BEGIN ENTRY_END RANGE_BEGIN RANGE_END STEP QUERY CHECK_ANSWER CHECK_OUT_QUERY REPLY TIMEOUT ERROR NOTHING
TRAFFIC TIME_PASSES ELAPSE EVAL ASSIGN CHECK_QUERIES SINCE <= >= = EXPIRE_MESSAGE FLUSH_MESSAGE INFRA_RTT ADDRESS MATCH ADJUST
SECTION QUESTION ANSWER AUTHORITY ADDITIONAL RAW HEX_ANSWER_BEGIN HEX_ANSWER_END HEX_EDNSDATA_BEGIN HEX_EDNSDATA_END
EXTRA_PACKET MANDATORY SCENARIO_BEGIN SCENARIO_END CONFIG_END server: stub-zone: forward-zone: name: stub-addr: $ORIGIN $TTL
${ } ${time} ${$x+1} $ sleep=4294967295 serial=x ede=any copy_id copy_query all ttl subdomain TCP UDP QR AA TC . \\ " ; ( )
0 1 -1 65535 65536 4294967295 4294967296 99999999999999999999 1e300 nan inf 0.0.0.0 :: 127.0.0.1 255.255.255.255 IN CH ANY
TYPE0 TYPE65535 NS SOA CNAME DNAME RRSIG OPT TSIG AXFR \\# ff 0a0004c0 \x01 \xff""".split()
VERDICT = re.compile(r"^(PASS|PASS-LENIENT|FAIL|SKIP) (\S+): (.*)$", re.M)


def mutate(rng, lines, others):
    kind = rng.randrange(9)
    at = rng.randrange(len(lines))
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif kind == 2:
        lines.insert(at, rng.choice(others))
    elif kind == 3:
        lines.insert(at, " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 6))))
    elif kind == 4:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 5:
        del lines[at:]
    elif kind == 6 and lines[at]:
        byte = rng.randrange(len(lines[at]))
        lines[at] = lines[at][:byte] + chr(rng.randrange(256)) + lines[at][byte + rng.randrange(2):]
    elif kind == 7:
        lines[at] = lines[at] * rng.choice((2, 50, 400))
    else:
        words = lines[at].split() or [""]
        words[rng.randrange(len(words))] = rng.choice(WORDS)
        lines[at] = " ".join(words)
    return lines or [""]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rplrun")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="where those go that it does not bear")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    texts = [open(path, encoding="latin-1").read().split("\n") for path in options.files]
    others = [line for text in texts for line in text]
    counts = {}
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.count):
            lines = list(rng.choice(texts))
            for _ in range(rng.choice((1, 1, 2, 3, 8))):
                lines = mutate(rng, lines, others)
            path = os.path.join(directory, f"{options.seed}_{number}.rpl")
            with open(path, "w", encoding="latin-1") as file:
                file.write("\n".join(lines))
            run = subprocess.run([options.rplrun, path], capture_output=True, timeout=60)
            says = run.stdout.decode("latin-1")
            verdicts = VERDICT.findall(says)
            verdict, reason = (verdicts[0][0], verdicts[0][2]) if verdicts else ("none", says)
            wrong = len(verdicts) != 1 or run.returncode not in (0, 1) or run.stderr
            wrong = wrong or "it has crashed" in reason or "it does not end" in reason
            wrong = wrong or (verdict == "SKIP" and not re.search(r"(line|step) \d+", reason))
            counts[verdict] = counts.get(verdict, 0) + 1
            if wrong:
                failed += 1
                print(f"{path}: {verdict} {reason}\n{run.stderr.decode('latin-1')[:2000]}")
                if options.keep:
                    os.replace(path, os.path.join(options.keep, os.path.basename(path)))
    print(f"{counts}, {failed} not borne")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
