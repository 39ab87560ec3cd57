#!/usr/bin/python3
"""Asks one question from many flows at once: each has a source port of its own (and, with --sources, they
take turns at several addresses), an ID of its own and a letter case of its own. Every flow must get exactly
its answer: from the server's address, with its ID, and the question in its letter case.

Prints `sent N answered N wrong N unanswered N rcode NAME N ... seconds S`; exit status 0 if every flow got
its answer, none a wrong one, and --rcode and --data (where given) hold for each.
"""
import argparse
import collections
import ipaddress
import random
import resource
import selectors
import socket
import struct
import sys
import time

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
RCODES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"]
SPARE_FILES = 64


def wire_name(name, dice):
    """The name in wire form, every letter in a case that dice choose."""
    out = b""
    for label in name.rstrip(".").split("."):
        if label:
            out += bytes([len(label)])
            out += "".join(dice.choice((c.lower(), c.upper())) for c in label).encode("ascii")
    return out + b"\0"


class Flow:
    def __init__(self, options, family, source, query_id, dice):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((options.server, options.port))
        self.id = query_id
        self.question = wire_name(options.name, dice) + struct.pack("!HH", options.type, 1)
        edns = b"" if options.no_edns else b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
        self.query = struct.pack("!6H", self.id, 0x0100, 1, 0, 0, int(bool(edns))) + self.question + edns
        self.answers = 0

    def fault_of(self, answer, options):
        """What is wrong with this answer, or None."""
        if len(answer) < 12:
            return "short"
        answer_id, flags = struct.unpack_from("!HH", answer)
        if answer_id != self.id:
            return "ID"
        if not flags & 0x8000:
            return "QR"
        if answer[12:12 + len(self.question)] != self.question:
            return "question"
        if options.rcode and rcode_name(answer) != options.rcode:
            return "rcode"
        if options.data and options.data not in answer:
            return "data"
        return "second answer" if self.answers else None


def rcode_name(answer):
    rcode = answer[3] & 15
    return RCODES[rcode] if rcode < len(RCODES) else str(rcode)


def address_bytes(text):
    return ipaddress.ip_address(text).packed


def open_flows(options):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = options.count + SPARE_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    dice = random.Random(options.seed)
    family = socket.AF_INET6 if ":" in options.server else socket.AF_INET
    sources = options.sources.split(",") if options.sources else [None]
    first_id = dice.randrange(65536)
    return [Flow(options, family, sources[i % len(sources)], (first_id + i * 40503) & 0xffff, dice)
            for i in range(options.count)]


def run(options):
    flows = open_flows(options)
    selector = selectors.DefaultSelector()
    for flow in flows:
        selector.register(flow.socket, selectors.EVENT_READ, flow)
    faults, rcodes = collections.Counter(), collections.Counter()

    def collect(timeout):
        for key, _events in selector.select(timeout):
            flow = key.data
            try:
                answer = flow.socket.recv(65535)
            except OSError as error:  # an ICMP error, say
                faults[str(error)] += 1
                continue
            fault = flow.fault_of(answer, options)
            if fault:
                faults[fault] += 1
            else:
                flow.answers += 1
                rcodes[rcode_name(answer)] += 1

    start = time.monotonic()
    for i, flow in enumerate(flows):
        flow.socket.send(flow.query)
        if i % 256 == 255:  # a receive buffer must not overflow while we send
            collect(0)
    deadline = time.monotonic() + options.timeout
    while sum(rcodes.values()) < len(flows) and time.monotonic() < deadline:
        collect(max(0.0, deadline - time.monotonic()))
    seconds = time.monotonic() - start
    collect(options.linger)  # nobody is answered twice
    unanswered = sum(flow.answers == 0 for flow in flows)
    print(f"sent {len(flows)} answered {len(flows) - unanswered} wrong {sum(faults.values())}"
          f" unanswered {unanswered}",
          *(f"rcode {name} {count}" for name, count in sorted(rcodes.items())), f"seconds {seconds:.3f}")
    for fault, count in sorted(faults.items()):
        print(f"wrong: {fault}: {count}")
    return 1 if unanswered or faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("name")
    parser.add_argument("type", nargs="?", default="A", type=lambda text: TYPES.get(text.upper()) or int(text))
    parser.add_argument("--count", type=int, default=100, help="flows (100)")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--sources", help="source addresses, separated by commas")
    parser.add_argument("--timeout", type=float, default=5, help="seconds to wait (5)")
    parser.add_argument("--linger", type=float, default=0.1, help="seconds to look for second answers (0.1)")
    parser.add_argument("--rcode", help="the answer that each must get, e.g. NOERROR")
    parser.add_argument("--data", type=address_bytes, help="an address that each answer must hold")
    parser.add_argument("--no-edns", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
