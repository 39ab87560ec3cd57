#!/usr/bin/python3
"""Asks --count questions at --rate a second for names with a number each (numbered_server.py) and judges the
answers: each must be for its question, from the server, once, and hold the question's number.

Prints `sent N right N wrong N servfail N unanswered N slowest_ms N`, and up to five faults; exit status 0 if every
question got its right answer (with --rcode: that rcode), none another one.
"""
import argparse
import collections
import ipaddress
import selectors
import socket
import struct
import sys
import time

import dns_wire as dns

A, AAAA = 1, 28
BURST = 16


def open_socket(options, index):
    v6 = ":" in options.server
    sock = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    source = "::" if v6 else "0.0.0.0"
    if options.first_source:
        source = str(ipaddress.ip_address(options.first_source) + index % options.source_count)
    sock.bind((source, options.source_port))
    sock.connect((options.server, 53))
    sock.setblocking(False)
    return sock


class Asker:
    def __init__(self, options):
        self.options = options
        self.sockets = [open_socket(options, index) for index in range(options.sockets)]
        self.selector = selectors.DefaultSelector()
        for index, sock in enumerate(self.sockets):
            self.selector.register(sock, selectors.EVENT_READ, index)
        self.waiting = {}  # (socket, ID): (number, time sent)
        self.tally, self.faults, self.slowest = collections.Counter(), [], 0.0

    def question(self, number):
        name = f"{self.options.word}{number}.{self.options.zone}"
        return dns.question(name, AAAA if self.options.aaaa else A)

    def send(self, i):
        number = self.options.first + i
        index = i % len(self.sockets)
        query_id = i // len(self.sockets) * 40503 & 0xffff
        if (index, query_id) in self.waiting:
            raise ValueError("more questions than IDs: more --sockets")
        self.waiting[index, query_id] = number, time.monotonic()
        try:
            self.sockets[index].send(dns.header(query_id) + self.question(number))
        except OSError as error:  # an ICMP error for an earlier one, say
            self.fault(number, str(error))

    def fault(self, number, text):
        self.tally["wrong"] += 1
        if len(self.faults) < 5:
            self.faults.append(f"{number}: {text}")

    def on_answer(self, index, data):
        if len(data) < 12:
            return self.fault("?", "short")
        query_id, flags = struct.unpack_from("!HH", data)
        number, sent_at = self.waiting.pop((index, query_id), (None, 0))
        if number is None:
            return self.fault("?", f"an answer to ID {query_id:04x}, which asked nothing or has its answer")
        self.slowest = max(self.slowest, time.monotonic() - sent_at)
        rcode = dns.RCODES.get(flags & 15)
        question = self.question(number)
        if not flags & dns.QR or data[12:12 + len(question)] != question:
            return self.fault(number, f"flags {flags:04x}, or another question")
        self.tally["servfail"] += rcode == "SERVFAIL"
        if rcode != self.options.rcode:
            return self.fault(number, rcode)
        if rcode == "NOERROR":
            records = dns.Answer(data).sections[0]
            if [int.from_bytes(rdata, "big") for _type, _ttl, rdata in records] != [number]:
                return self.fault(number, f"data {[rdata.hex() for _type, _ttl, rdata in records]}")
        self.tally["right"] += 1

    def collect(self, timeout):
        for key, _events in self.selector.select(timeout):
            for _ in range(256):
                try:
                    data = key.fileobj.recv(4096)
                except BlockingIOError:
                    break
                except OSError as error:
                    self.fault("?", str(error))
                    break
                self.on_answer(key.data, data)

    def run(self):
        start = time.monotonic()
        for i in range(self.options.count):
            self.send(i)
            if i % BURST == BURST - 1 or self.options.rate < 1000:
                due = start + (i + 1) / self.options.rate
                self.collect(max(0.0, due - time.monotonic()))
                while time.monotonic() < due:
                    self.collect(due - time.monotonic())
        print(f"sent {self.options.count} in {time.monotonic() - start:.2f} s", file=sys.stderr, flush=True)
        deadline = time.monotonic() + self.options.timeout
        while self.waiting and time.monotonic() < deadline:
            self.collect(deadline - time.monotonic())
        self.collect(0.1)  # nobody is answered twice
        print(f"sent {self.options.count} right {self.tally['right']} wrong {self.tally['wrong']}"
              f" servfail {self.tally['servfail']} unanswered {len(self.waiting)}"
              f" slowest_ms {self.slowest * 1000:.0f}")
        for fault in self.faults:
            print(f"wrong: {fault}")
        return 0 if self.tally["right"] == self.options.count and not self.tally["wrong"] else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--zone", required=True)
    parser.add_argument("--word", default="q", help="the letters before the number (q)")
    parser.add_argument("--first", type=int, default=1, help="the first number (1)")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--aaaa", action="store_true", help="ask for AAAA")
    parser.add_argument("--sockets", type=int, default=16)
    parser.add_argument("--first-source", help="the first of the addresses to ask from")
    parser.add_argument("--source-count", type=int, default=1, help="how many there are")
    parser.add_argument("--source-port", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=5, help="seconds to wait after the last question (5)")
    parser.add_argument("--rcode", default="NOERROR", help="what every answer must be")
    return Asker(parser.parse_args()).run()


if __name__ == "__main__":
    sys.exit(main())
