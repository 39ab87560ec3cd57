#!/usr/bin/python3
"""How unpredictable the upstream queries in a pcap are: source ports, IDs, letter case.

Prints one `name value` line a figure. Exit status 1, and a line `bad: ...` each, if
  - a query came from a port outside the eligible set;
  - the chi-square p of ports or of IDs is not within (1e-6, 1 - 1e-6): too uneven, or too even to be random;
    in 1,024 bins of equal size (fewer if there are not 8 queries for each), and again by their remainders;
  - ports or IDs correlate with those of any of the 16 queries before, or a query's port with its ID, by more
    than 5 standard errors (or 0.01 where that is more);
  - with --case: at some place of the name capitals are not half of the letters, within 5.5 standard errors;
  - with --groups REGEX (matched against names in lower case; queries whose match is the same are a group): for
    some pair of groups the overlap of their sets of ports is not what chance makes it, |z| < 4.5, or the ports or
    IDs of some group are not even by themselves;
  - with --held ADDRESS: the ports of queries to that server, held until the end, are more or less often those of
    the others that come after them than chance makes it, |z| < 4.5. The held ones count for nothing else.
Only queries over UDP to --port (53) count; --source limits them to one address, --prefix to names that begin so.

--self-check: without a pcap; queries of a good allocator and of several bad ones are made up, and every test here
must tell the one from the others.
"""
import argparse
import collections
import ipaddress
import itertools
import math
import operator
import random
import re
import struct
import sys

BINS = 1024
P_EDGE = 1e-6
LAGS = 16
Z_EDGE = 4.5


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
    """(source address as bytes, source port, destination port, payload, destination address), or None."""
    offset = 12
    ethertype = struct.unpack_from("!H", frame, offset)[0]
    if ethertype == 0x8100:
        offset += 4
        ethertype = struct.unpack_from("!H", frame, offset)[0]
    offset += 2
    if ethertype == 0x0800 and frame[offset + 9] == 17:
        source, destination = frame[offset + 12:offset + 16], frame[offset + 16:offset + 20]
        offset += (frame[offset] & 15) * 4
    elif ethertype == 0x86dd and frame[offset + 6] == 17:
        source, destination = frame[offset + 8:offset + 24], frame[offset + 24:offset + 40]
        offset += 40
    else:
        return None
    if len(frame) < offset + 8:
        return None
    source_port, destination_port, length = struct.unpack_from("!HHH", frame, offset)
    return source, source_port, destination_port, frame[offset + 8:offset + length], destination


def qname_of(payload):
    labels, offset = [], 12
    while offset < len(payload) and 0 < payload[offset] < 64:
        labels.append(payload[offset + 1:offset + 1 + payload[offset]])
        offset += 1 + payload[offset]
    return b".".join(labels)


Query = collections.namedtuple("Query", "port id name server")


def queries_in(path, port, source):
    wanted = ipaddress.ip_address(source).packed if source else None
    for frame in packets(path):
        udp = udp_of(frame) if len(frame) >= 42 else None
        if udp is None or udp[2] != port or len(udp[3]) < 12 or udp[3][2] & 0x80:
            continue
        if wanted is None or udp[0] == wanted:
            yield Query(udp[1], struct.unpack_from("!H", udp[3])[0], qname_of(udp[3]), udp[4])


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


def chi_square_p(indices, size, by_remainder=False):
    """p of the indices being uniform over range(size), and the bins used: ranges, or remainders."""
    bins = max(1, min(BINS, size, len(indices) // 8))
    if bins < 2:
        return None, bins
    counts = [0] * bins
    for index in indices:
        counts[index % bins if by_remainder else index * bins // size] += 1
    # Bin k holds the indices i with k <= i * bins / size < k + 1; or those that leave the remainder k.
    edges = [-(-k * size // bins) for k in range(bins + 1)]
    statistic = 0.0
    for k, count in enumerate(counts):
        width = (size - k - 1) // bins + 1 if by_remainder else edges[k + 1] - edges[k]
        expected = len(indices) * width / size
        statistic += (count - expected) ** 2 / expected
    return gamma_q((bins - 1) / 2, statistic / 2), bins


def correlation(xs, ys):
    n = len(xs)
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    xs, ys = [x - mean_x for x in xs], [y - mean_y for y in ys]
    xx, yy = sum(map(operator.mul, xs, xs)), sum(map(operator.mul, ys, ys))
    return sum(map(operator.mul, xs, ys)) / math.sqrt(xx * yy) if xx > 0 and yy > 0 else None


def serial_correlation(values):
    """The one of lags 1 to LAGS that is farthest from 0; None if the values do not vary."""
    mean = sum(values) / len(values)
    values = [value - mean for value in values]
    variance = sum(map(operator.mul, values, values))
    if not variance:
        return None
    return max((sum(map(operator.mul, values, itertools.islice(values, lag, None))) / variance
                for lag in range(1, LAGS + 1)), key=abs)


def overlap_z(first, second, size):
    """How many standard deviations the common part of two sets drawn from range(size) is off what chance makes it,
    their own sizes given (hypergeometric)."""
    a, b = len(first), len(second)
    variance = a * b * (size - a) * (size - b) / (size * size * (size - 1))
    return (len(first & second) - a * b / size) / math.sqrt(variance) if variance > 0 else None


def share_z(ports, held, size):
    """The same for how many of the ports, drawn from range(size), are among those held (binomial)."""
    p = len(held) / size
    variance = len(ports) * p * (1 - p)
    hits = sum(port in held for port in ports)
    return (hits - len(ports) * p) / math.sqrt(variance) if variance > 0 else None


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


def judge_evenness(report, what, indices, size):
    for kind, by_remainder in (("", False), ("_remainder", True)):
        p, bins = chi_square_p(indices, size, by_remainder)
        if not by_remainder:
            report.say(f"{what}_bins", bins)
        report.judge(f"{what}{kind}_chi_square_p", p, lambda value: P_EDGE < value < 1 - P_EDGE)


def judge_numbers(report, what, values, indices, size):
    report.say(f"{what}_min", min(values))
    report.say(f"{what}_max", max(values))
    report.say(f"{what}_distinct", len(set(values)))
    judge_evenness(report, what, indices, size)
    if len(values) > 100:
        limit = max(0.01, 5 / math.sqrt(len(values)))
        report.judge(f"{what}_serial_correlation", serial_correlation(values), lambda value: abs(value) < limit)


def judge_groups(report, queries, pattern, eligible):
    groups = collections.defaultdict(list)
    for query in queries:
        match = re.search(pattern, query.name.lower())
        if match and query.port in eligible:
            groups[match.group(0).decode("ascii", "replace")].append(query)
    for name, members in sorted(groups.items()):
        report.say(f"group_{name}_queries", len(members))
        judge_evenness(report, f"group_{name}_port", [eligible[query.port] for query in members], len(eligible))
        judge_evenness(report, f"group_{name}_id", [query.id for query in members], 65536)
    sets = {name: {query.port for query in members} for name, members in groups.items()}
    for first, second in itertools.combinations(sorted(sets), 2):
        report.judge(f"overlap_{first}_{second}_z", overlap_z(sets[first], sets[second], len(eligible)),
                     lambda value: abs(value) < Z_EDGE)
    return len(groups)


def split_held(queries, servers):
    """The ports held (those of queries to the servers, before the first to another one), and the others."""
    first = next((i for i, query in enumerate(queries) if query.server not in servers), len(queries))
    return ({query.port for query in queries[:first]},
            [query for query in queries[first:] if query.server not in servers])


def judge_all(report, queries, eligible, case=False):
    ports = [query.port for query in queries]
    ids = [query.id for query in queries]
    outside = [port for port in ports if port not in eligible]
    report.say("ports_outside", len(outside))
    if outside:
        report.faults.append(f"ports outside the eligible set: {sorted(set(outside))[:10]}")
    judge_numbers(report, "port", ports, [eligible[port] for port in ports if port in eligible], len(eligible))
    judge_numbers(report, "id", ids, ids, 65536)
    if len(queries) > 100:
        limit = max(0.01, 5 / math.sqrt(len(queries)))
        report.judge("port_id_correlation", correlation(ports, ids), lambda value: abs(value) < limit)
    for place, (letters, share) in case_shares([query.name for query in queries]).items():
        limit = 5.5 * 0.5 / math.sqrt(letters)
        if case and letters >= 100:
            report.judge(f"upper_case_share_{place}", share, lambda value, limit=limit: abs(value - 0.5) < limit)
        else:
            report.say(f"upper_case_share_{place}", share)


def judge_held(report, held, queries, eligible):
    held = {port for port in held if port in eligible}
    report.say("held_ports", len(held))
    ports = [query.port for query in queries if query.port in eligible]
    report.say("held_share", len(held) / len(eligible))
    report.say("share_of_held", sum(port in held for port in ports) / max(1, len(ports)))
    report.judge("held_z", share_z(ports, held, len(eligible)), lambda value: abs(value) < Z_EDGE)


# Made-up allocators: (worker, sequence number) to (port, ID). The first is what Portico claims to be.

def good(dice, ports, _worker, _number, _held):
    return dice.choice(ports), dice.randrange(65536)


def sliced(dice, ports, worker, _number, _held):
    half = len(ports) // 2
    return ports[worker * half + dice.randrange(half)], dice.randrange(65536)


def interleaved(dice, ports, worker, _number, _held):
    return ports[dice.randrange(len(ports) // 2) * 2 + worker], dice.randrange(65536)


def leased(dice, ports, _worker, _number, held):
    port = dice.choice(ports)
    while port in held:
        port = dice.choice(ports)
    return port, dice.randrange(65536)


def worker_in_id(dice, ports, worker, _number, _held):
    return dice.choice(ports), dice.randrange(32768) << 1 | worker


def counting(dice, ports, _worker, number, _held):
    return ports[number % len(ports)], dice.randrange(65536)


def repeating(dice, ports, _worker, _number, _held):
    """Now and then the port of 16 queries ago."""
    if len(repeating.last) == LAGS and dice.random() < 0.1:
        port = repeating.last[0]
    else:
        port = dice.choice(ports)
    repeating.last.append(port)
    return port, dice.randrange(65536)


def paired(dice, ports, _worker, _number, _held):
    index = dice.randrange(len(ports))
    return ports[index], (index + dice.randrange(65536)) // 2


SELF_CHECK_QUERIES = 40000
# An allocator, and what faults of it must begin with; nothing: there must be none.
SELF_CHECKS = [(good, ()), (sliced, ("overlap_f", "overlap_n")), (interleaved, ("overlap_f", "overlap_n")),
               (leased, ("held_z",)), (worker_in_id, ("group_f", "group_n")), (counting, ("port_chi_square",)),
               (repeating, ("port_serial",)), (paired, ("port_id",))]


def made_up(allocator, eligible, dice):
    """40,000 queries of 6 flows (workers by turns) for names of their own, and of 12 names (owners by turns); and
    the same number of others after a silent server has come to hold 40,000."""
    ports = sorted(eligible)
    repeating.last = collections.deque(maxlen=LAGS)
    queries = []
    for number in range(SELF_CHECK_QUERIES):
        flow, name = number // 2 % 6, dice.randrange(12)
        worker = flow % 2 if number & 1 else name % 2
        what = b"F%d.%d" % (flow, number) if number & 1 else b"N%d." % name
        port, query_id = allocator(dice, ports, worker, number, ())
        queries.append(Query(port, query_id, what, b"a"))
    held = set(dice.sample(ports, 40000))
    others = [Query(*allocator(dice, ports, number % 2, number, held), b"g", b"a")
              for number in range(SELF_CHECK_QUERIES)]
    return queries, held, others


def self_check(eligible):
    class Quiet(Report):
        def say(self, name, value):
            pass

    wrong = 0
    for allocator, wanted in SELF_CHECKS:
        report = Quiet()
        queries, held, others = made_up(allocator, eligible, random.Random(42))
        judge_all(report, queries, eligible)
        for pattern in (rb"^f\d", rb"^n\d+"):
            judge_groups(report, queries, pattern, eligible)
        judge_held(report, held, others, eligible)
        is_right = all(any(fault.startswith(word) for fault in report.faults) for word in wanted) and (
            bool(report.faults) == bool(wanted))
        wrong += not is_right
        print(f"{allocator.__name__}: {'right' if is_right else 'WRONG'}: {len(report.faults)} faults"
              f"{', wanted: ' if wanted else ''}{', '.join(wanted)}: {'; '.join(report.faults[:3])}")
    return int(wrong > 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pcap", nargs="?")
    parser.add_argument("--ports", default="1024-65535", help="the eligible range (1024-65535)")
    parser.add_argument("--exclude", action="append", default=[], help="ports and ranges that are not eligible")
    parser.add_argument("--exclude-file", help="the same, from a file")
    parser.add_argument("--port", type=int, default=53, help="of the servers")
    parser.add_argument("--source", help="only queries from this address")
    parser.add_argument("--prefix", default="", help="only queries for names that begin so")
    parser.add_argument("--groups", action="append", default=[], metavar="REGEX", help="what in a name tells groups")
    parser.add_argument("--group-count", type=int, action="append", default=[], help="how many groups there must be")
    parser.add_argument("--held", action="append", default=[], metavar="ADDRESS", help="a server that never answers")
    parser.add_argument("--held-at-least", type=int, default=1, help="fewer ports held than this are a fault")
    parser.add_argument("--case", action="store_true", help="letter case must be random too")
    parser.add_argument("--at-least", type=int, default=1, help="fewer queries than this are a fault")
    parser.add_argument("--self-check", action="store_true")
    options = parser.parse_args()
    if not options.pcap and not options.self_check:
        parser.error("which pcap?")
    return options


def eligible_ports(options):
    excluded = port_numbers(options.exclude)
    if options.exclude_file:
        with open(options.exclude_file, encoding="ascii") as file:
            excluded |= port_numbers(file)
    return {port: index for index, port in enumerate(sorted(port_numbers([options.ports]) - excluded))}


def main():
    options = arguments()
    eligible = eligible_ports(options)
    if options.self_check:
        return self_check(eligible)
    report = Report()
    try:
        seen = list(queries_in(options.pcap, options.port, options.source))
    except (OSError, ValueError) as error:
        print(f"capture_stats: {error}", file=sys.stderr)
        return 1
    if options.held:
        held, seen = split_held(seen, {ipaddress.ip_address(address).packed for address in options.held})
    prefix = options.prefix.lower().encode("ascii")
    seen = [query for query in seen if query.name.lower().startswith(prefix)]
    report.say("queries", len(seen))
    report.say("eligible_ports", len(eligible))
    if len(seen) < max(1, options.at_least):
        print(f"bad: {len(seen)} queries, at least {options.at_least} wanted")
        return 1
    judge_all(report, seen, eligible, options.case)
    for pattern, wanted in itertools.zip_longest(options.groups, options.group_count):
        found = judge_groups(report, seen, pattern.encode("ascii"), eligible)
        if wanted is not None and found != wanted:
            report.faults.append(f"{found} groups of {pattern}, {wanted} wanted")
    if options.held:
        judge_held(report, held, seen, eligible)
        if len(held) < options.held_at_least:
            report.faults.append(f"{len(held)} ports held, at least {options.held_at_least} wanted")
    for fault in report.faults:
        print("bad:", fault)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
