#!/usr/bin/python3
"""Prints what count_allocations.c has counted: `TID NAME malloc N calloc N ... total N`, a line a thread.

PID is the process; with NAME_PREFIX only threads whose name begins so.
"""
import struct
import sys

CALLS = ("malloc", "calloc", "realloc", "free", "aligned", "mmap")
ROW = struct.Struct("=q%dQ" % len(CALLS))

path, pid, prefix = sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""
with open(path, "rb") as file:
    data = file.read()
for tid, *calls in ROW.iter_unpack(data):
    if not tid:
        continue
    try:
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as file:
            name = file.read().strip()
    except OSError:
        name = "(ended)"
    if name.startswith(prefix):
        print(tid, name, *(f"{call} {count}" for call, count in zip(CALLS, calls)), "total", sum(calls))
