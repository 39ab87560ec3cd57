#!/usr/bin/python3
"""How unpredictable the upstream queries in a pcap are: source ports, IDs, letter case.

Prints one `name value` line a figure. Exit status 1, and a line `bad: ...` each, if
  - a query came from a port outside the eligible set;
  - the chi-square p of ports or of IDs is not within (1e-6, 1 - 1e-6): too uneven, or too even to be random
    (1,024 bins of equal size, fewer if there are not 8 queries for each);
  - neighbouring ports or IDs, or a query's port and ID, correlate by more than 5 standard errors;
  - with --case: at some place of the name capitals are not half of the letters, within 5.5 standard errors.
Only queries over UDP to --port (53) count; --source limits them to one address.
"""
import argparse
import ipaddress
import math
import struct
import sys

BINS = 1024
P_EDGE = 1e-6


def packets(path):
    """The frames of a classic pcap file with Ethernet as its link type."""
    with open(path, "rb") as file:
        header = file.read(24)
        magic = header[:4]
        order = {b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
                 b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">"}.get(magic)
        if order is None:
            raise ValueError(f"{path}: no pcap file")
        link_type = struct.unpack_from(order + "I", header, 20)[0] & 0xffff
        if link_type != 1:
            raise ValueError(f"{path}: link type {link_type}, not Ethernet")
        while True:
            record = file.read(16)
            if len(record) < 16:
                return
            length = struct.unpack_from(order + "I", record, 8)[0]
            frame = file.read(length)
            if len(frame) < length:  # tcpdump was ended in the middle of a write
                return
            yield frame


def udp_of(frame):
    """(source address as bytes, source port, destination port, payload), or None."""
    offset = 12
    ethertype = struct.unpack_from("!H", frame, offset)[0]
    if ethertype == 0x8100:
        offset += 4
        ethertype = struct.unpack_from("!H", frame, offset)[0]
    offset += 2
    if ethertype == 0x0800 and frame[offset + 9] == 17:
        source = frame[offset + 12:offset + 16]
        offset += (frame[offset] & 15) * 4
    elif ethertype == 0x86dd and frame[offset + 6] == 17:
        source = frame[offset + 8:offset + 24]
        offset += 40
    else:
        return None
    if len(frame) < offset + 8:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", frame, offset)
    return source, source_port, destination_port, frame[offset + 8:offset + length]


def qname_of(payload):
    labels, offset = [], 12
    while offset < len(payload) and 0 < payload[offset] < 64:
        labels.append(payload[offset + 1:offset + 1 + payload[offset]])
        offset += 1 + payload[offset]
    return b".".join(labels)


def queries_in(path, port, source):
    wanted = ipaddress.ip_address(source).packed if source else None
    for frame in packets(path):
        udp = udp_of(frame) if len(frame) >= 42 else None
        if udp is None or udp[2] != port or len(udp[3]) < 12 or udp[3][2] & 0x80:
            continue
        if wanted is None or udp[0] == wanted:
            yield udp[1], struct.unpack_from("!H", udp[3])[0], qname_of(udp[3])


def gamma_q(a, x):
    """The upper regularised incomplete gamma function: a series below a + 1, a continued fraction above."""
    if x <= 0:
        return 1.0
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-15:
            n += 1
            term *= x / n
            total += term
        return 1 - total * scale
    # Lentz's method on 1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...))).
    b = x + 1 - a
    c = math.inf
    d = 1 / b
    fraction = d
    for i in range(1, 100000):
        factor = -i * (i - a)
        b += 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        fraction *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return fraction * scale


def chi_square_p(indices, size):
    """p of the indices being uniform over range(size), and the bins used."""
    bins = max(1, min(BINS, size, len(indices) // 8))
    if bins < 2:
        return None, bins
    counts = [0] * bins
    for index in indices:
        counts[index * bins // size] += 1
    # Bin k holds the indices i with k <= i * bins / size < k + 1.
    edges = [-(-k * size // bins) for k in range(bins + 1)]
    statistic = 0.0
    for k, count in enumerate(counts):
        expected = len(indices) * (edges[k + 1] - edges[k]) / size
        statistic += (count - expected) ** 2 / expected
    return gamma_q((bins - 1) / 2, statistic / 2), bins


def correlation(xs, ys):
    n = len(xs)
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    xx = sum((x - mean_x) ** 2 for x in xs)
    yy = sum((y - mean_y) ** 2 for y in ys)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys))
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else None


def case_shares(names):
    """For each place in the name: letters seen there, and the share of capitals."""
    shares = {}
    for name in names:
        for place, byte in enumerate(name):
            if chr(byte).isascii() and chr(byte).isalpha():
                letters, capitals = shares.get(place, (0, 0))
                shares[place] = letters + 1, capitals + (byte < 97)
    return {place: (letters, capitals / letters) for place, (letters, capitals) in sorted(shares.items())}


def port_numbers(words):
    """Ports and ranges, separated by commas or blanks; # begins a comment."""
    ports = set()
    for line in words:
        for word in line.split("#")[0].replace(",", " ").split():
            first, _, last = word.partition("-")
            ports.update(range(int(first), int(last or first) + 1))
    return ports


class Report:
    def __init__(self):
        self.faults = []

    def say(self, name, value):
        print(name, "-" if value is None else f"{value:.6g}" if isinstance(value, float) else value)

    def judge(self, name, value, is_good):
        self.say(name, value)
        if value is not None and not is_good(value):
            self.faults.append(f"{name} {value:.6g}")


def judge_numbers(report, what, values, indices, size):
    p, bins = chi_square_p(indices, size)
    report.say(f"{what}_min", min(values))
    report.say(f"{what}_max", max(values))
    report.say(f"{what}_distinct", len(set(values)))
    report.say(f"{what}_bins", bins)
    report.judge(f"{what}_chi_square_p", p, lambda value: P_EDGE < value < 1 - P_EDGE)
    limit = 5 / math.sqrt(len(values))
    if len(values) > 100:
        report.judge(f"{what}_serial_correlation", correlation(values[:-1], values[1:]),
                     lambda value: abs(value) < limit)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pcap")
    parser.add_argument("--ports", default="1024-65535", help="the eligible range (1024-65535)")
    parser.add_argument("--exclude", action="append", default=[], help="ports and ranges that are not eligible")
    parser.add_argument("--exclude-file", help="the same, from a file")
    parser.add_argument("--port", type=int, default=53, help="of the servers")
    parser.add_argument("--source", help="only queries from this address")
    parser.add_argument("--case", action="store_true", help="letter case must be random too")
    parser.add_argument("--at-least", type=int, default=1, help="fewer queries than this are a fault")
    options = parser.parse_args()
    excluded = port_numbers(options.exclude)
    if options.exclude_file:
        with open(options.exclude_file, encoding="ascii") as file:
            excluded |= port_numbers(file)
    eligible = {port: index for index, port in enumerate(sorted(port_numbers([options.ports]) - excluded))}

    report = Report()
    try:
        seen = list(queries_in(options.pcap, options.port, options.source))
    except (OSError, ValueError) as error:
        print(f"capture_stats: {error}", file=sys.stderr)
        return 1
    report.say("queries", len(seen))
    report.say("eligible_ports", len(eligible))
    if len(seen) < max(1, options.at_least):
        print(f"bad: {len(seen)} queries, at least {options.at_least} wanted")
        return 1
    ports = [port for port, _id, _name in seen]
    ids = [query_id for _port, query_id, _name in seen]
    outside = [port for port in ports if port not in eligible]
    report.say("ports_outside", len(outside))
    if outside:
        report.faults.append(f"ports outside the eligible set: {sorted(set(outside))[:10]}")
    indices = [eligible[port] for port in ports if port in eligible]
    judge_numbers(report, "port", ports, indices, len(eligible))
    judge_numbers(report, "id", ids, ids, 65536)
    if len(seen) > 100:
        report.judge("port_id_correlation", correlation(ports, ids), lambda value: abs(value) < 5 / math.sqrt(len(seen)))
    for place, (letters, share) in case_shares([name for _port, _id, name in seen]).items():
        limit = 5.5 * 0.5 / math.sqrt(letters)
        if options.case and letters >= 100:
            report.judge(f"upper_case_share_{place}", share, lambda value, limit=limit: abs(value - 0.5) < limit)
        else:
            report.say(f"upper_case_share_{place}", share)
    for fault in report.faults:
        print("bad:", fault)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
