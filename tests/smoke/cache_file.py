#!/usr/bin/python3
"""Cache files of Portico (dpdk_app/cache_file.h), made from nothing or spoilt.

  cache_file.py make FILE COUNT [--age S] [--ttl S] [--saved S] [--zone ZONE]
        COUNT answers n0000000.ZONE A 198.18.4.1, n0000001.ZONE A ...; --age: stored so long before they were saved; --saved: saved
        so long ago by the wall clock
  cache_file.py count FILE
        how many entries its end says it has; checks the checksum
  cache_file.py spoil FILE KIND
        KIND: cut, cut-to-start, tail (more bytes), start, version, body, end, checksum, empty, entry, count (these two with
        the right checksum)
"""
import argparse
import hashlib
import os
import struct
import sys
import time

START = b"PORTICO\x1a" + struct.pack("<II", 1, 0)
END_MAGIC = b"PORTEND\x1a"
END_BYTES = 72
COMPACT = 1
TYPE_A = 1


def wire_name(text):
    return b"".join(bytes([len(label)]) + label for label in text.encode().rstrip(b".").split(b".") if label) + b"\0"


def entry_around(name, stored_at_s, ttl_s, address):
    """What stands before and behind the first label's seven digits, which the name has as %07d."""
    wire = wire_name(name % 0)
    image = struct.pack("<HBB", TYPE_A, 0, len(wire)) + wire
    record = struct.pack(">HHHIH", 0xC00C, TYPE_A, 1, ttl_s, 4) + address
    body = image + record
    body += bytes(-len(body) % 8)
    words = 2 + len(body) // 8
    whole = struct.pack("<QQ", words << 32 | 1 << 52, COMPACT << 56 | ttl_s << 32 | stored_at_s) + body
    at = whole.index(b"0000000")
    return whole[:at], whole[at + 7 :]


def seal(head, count, saved_wall_ns, saved_mono_ns):
    data = head + END_MAGIC + struct.pack("<QQQQ", count, len(head) - len(START), saved_wall_ns, saved_mono_ns)
    return data + hashlib.sha256(data).digest()


def make(options):
    mono_s = 1000000
    before, behind = entry_around("n%07d." + options.zone, mono_s - options.age, options.ttl, bytes([198, 18, 4, 1]))
    body = b"".join(b"%b%07d%b" % (before, i, behind) for i in range(options.count))
    saved = time.time_ns() - options.saved * 10**9
    with open(options.file, "wb") as f:
        f.write(seal(START + body, options.count, saved, mono_s * 10**9))
    os.chmod(options.file, 0o600)


def count(options):
    data = open(options.file, "rb").read()
    if data[: len(START)] != START or data[-END_BYTES:][:8] != END_MAGIC:
        sys.exit("not a cache file")
    if hashlib.sha256(data[:-32]).digest() != data[-32:]:
        sys.exit("the checksum differs")
    print(struct.unpack_from("<Q", data, len(data) - END_BYTES + 8)[0])


def spoil(options):
    data = bytearray(open(options.file, "rb").read())
    end = len(data) - END_BYTES
    entries, _, wall, mono = struct.unpack_from("<QQQQ", data, end + 8)
    kind = options.kind
    if kind == "cut":
        data = data[: len(data) // 2]
    elif kind == "cut-to-start":
        data = data[: len(START)]
    elif kind == "tail":
        data += b"more"
    elif kind == "start":
        data[0] ^= 1
    elif kind == "version":
        data[8] = 99
    elif kind == "body":
        data[len(START) + (end - len(START)) // 2] ^= 0x10
    elif kind == "end":
        data[end + 20] ^= 1
    elif kind == "checksum":
        data[-1] ^= 0x80
    elif kind == "empty":
        data = b""
    elif kind == "entry":
        # The name's length, of the first entry: it is no name any more.
        data[len(START) + 16 + 3] = 200
        data = seal(bytes(data[:end]), entries, wall, mono)
    elif kind == "count":
        data = seal(bytes(data[:end]), entries + 1, wall, mono)
    else:
        sys.exit(f"no such kind: {kind}")
    with open(options.file, "wb") as f:
        f.write(data)


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
p = commands.add_parser("make")
p.add_argument("file")
p.add_argument("count", type=int)
p.add_argument("--age", type=int, default=0)
p.add_argument("--ttl", type=int, default=3600)
p.add_argument("--saved", type=int, default=0)
p.add_argument("--zone", default="file.test")
p.set_defaults(run=make)
p = commands.add_parser("count")
p.add_argument("file")
p.set_defaults(run=count)
p = commands.add_parser("spoil")
p.add_argument("file")
p.add_argument("kind")
p.set_defaults(run=spoil)
arguments = parser.parse_args()
arguments.run(arguments)
