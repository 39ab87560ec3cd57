#!/usr/bin/env python3
"""Questions for dnsperf, one a line: `name A`.

  questions.py all PREFIX COUNT                every name once
  questions.py uniform PREFIX COUNT DRAWS      drawn evenly
  questions.py zipf PREFIX COUNT DRAWS S       drawn with weight 1/i^S, exactly (by the cumulated weights)
"""
import itertools
import random
import sys


def main():
    kind, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    random.seed(1)
    if kind == "all":
        drawn = range(count)
    elif kind == "uniform":
        drawn = random.choices(range(count), k=int(sys.argv[4]))
    else:
        exponent = float(sys.argv[5])
        weights = list(itertools.accumulate((i + 1) ** -exponent for i in range(count)))
        drawn = random.choices(range(count), cum_weights=weights, k=int(sys.argv[4]))
    sys.stdout.write("".join(f"{prefix}{i}.bench A\n" for i in drawn))


if __name__ == "__main__":
    main()
