#!/usr/bin/python3
"""Counts the sources of the upstream queries in a pcap: DNS queries over UDP to port 53.

  source_counts.py ports PCAP [--source A] [--from T] [--to T] [--only PORTS]
      `queries N distinct N`, of those from the PORTS (1024,2000-2010) between the times (seconds since 1970).
  source_counts.py overlaps --of N FILE FILE...
      FILEs hold lists of ports, each drawn from N: `pairs N most Z`, Z being how many standard deviations the overlap of two of
      them is off what chance makes it. Exit status 1 if |Z| is 4.5 or more.
  source_counts.py spread --of PORTS FILE FILE...
      the lists together are drawn evenly from PORTS: `ports N p P`. Exit status 1 if P is not within (1e-6, 1).
  source_counts.py addresses PCAP --prefix PREFIX
      `queries N distinct N outside N p P`: source addresses, those outside the prefix, and P, how likely chance makes queries
      spread over the addresses seen so unevenly or worse; addresses and how often, rarest first, with --list.
"""
import argparse
import collections
import ipaddress
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import capture_stats as stats  # noqa: E402  pylint: disable=wrong-import-position

Z_EDGE = 4.5
P_EDGE = 1e-6


def timed_packets(path):
    """(seconds since 1970, frame) of a classic pcap file, as tcpdump writes it."""
    with open(path, "rb") as file:
        magic = file.read(24)[:4]
        order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        scale = 1e-9 if magic in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e-6
        while True:
            record = file.read(16)
            if len(record) < 16:
                return
            seconds, fraction, length, _ = struct.unpack(order + "4I", record)
            frame = file.read(length)
            if len(frame) < length:  # tcpdump was ended in the middle of a write
                return
            yield seconds + fraction * scale, frame


def queries(path):
    """(time, source address, source port) of each query."""
    for seconds, frame in timed_packets(path):
        udp = stats.udp_of(frame) if len(frame) >= 42 else None
        if udp and udp[2] == 53 and len(udp[3]) >= 12 and not udp[3][2] & 0x80:
            yield seconds, ipaddress.ip_address(udp[0]), udp[1]


def count_ports(options):
    only = stats.port_numbers([options.only]) if options.only else None
    source = ipaddress.ip_address(options.source) if options.source else None
    counts = collections.Counter(
        port for seconds, address, port in queries(options.pcap)
        if (source is None or address == source) and (only is None or port in only)
        and (options.after or 0) <= seconds <= (options.to or float("inf")))
    print(f"queries {sum(counts.values())} distinct {len(counts)}")
    return 0


def read_ports(path):
    with open(path, encoding="ascii") as file:
        return stats.port_numbers(file)


def overlaps(options):
    sets = [read_ports(path) for path in options.file]
    zs = [stats.overlap_z(first, second, options.of) for i, first in enumerate(sets) for second in sets[:i]]
    if not zs or None in zs:
        print("pairs 0")
        return 1
    print(f"pairs {len(zs)} most {max(zs, key=abs):.2f}")
    return int(max(map(abs, zs)) >= Z_EDGE)


def spread(options):
    places = {port: place for place, port in enumerate(sorted(stats.port_numbers([options.of])))}
    ports = [port for path in options.file for port in read_ports(path)]
    outside = [port for port in ports if port not in places]
    if outside:
        print(f"outside: {outside[:10]}")
        return 1
    p, bins = stats.chi_square_p([places[port] for port in ports], len(places))
    print(f"ports {len(ports)} p {p:.6g} bins {bins}")
    return int(not P_EDGE < p)  # a set has no port twice: its evenness is more than chance makes it


def addresses(options):
    prefix = ipaddress.ip_network(options.prefix)
    counts = collections.Counter(address for _seconds, address, _port in queries(options.pcap)
                                 if address.version == prefix.version)
    total = sum(counts.values())
    outside = sum(count for address, count in counts.items() if address not in prefix)
    expected = total / max(1, len(counts))
    statistic = sum((count - expected) ** 2 / expected for count in counts.values())
    p = stats.gamma_q((len(counts) - 1) / 2, statistic / 2) if len(counts) > 1 else 0.0
    print(f"queries {total} distinct {len(counts)} outside {outside} p {p:.6g}")
    if options.list:
        for address, count in reversed(counts.most_common()):
            print(address, count)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("ports")
    command.add_argument("pcap")
    command.add_argument("--source")
    command.add_argument("--from", type=float, dest="after")
    command.add_argument("--to", type=float)
    command.add_argument("--only")
    command.set_defaults(run=count_ports)
    command = commands.add_parser("overlaps")
    command.add_argument("--of", type=int, required=True)
    command.add_argument("file", nargs="+")
    command.set_defaults(run=overlaps)
    command = commands.add_parser("spread")
    command.add_argument("--of", required=True)
    command.add_argument("file", nargs="+")
    command.set_defaults(run=spread)
    command = commands.add_parser("addresses")
    command.add_argument("pcap")
    command.add_argument("--prefix", required=True)
    command.add_argument("--list", action="store_true")
    command.set_defaults(run=addresses)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
