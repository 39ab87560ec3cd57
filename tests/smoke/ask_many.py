#!/usr/bin/python3
"""Asks many questions at once, each from a socket and with an ID of its own, and judges the answers.

Questions on standard input, a line each: NAME TYPE WANT, where WANT is words separated by `|`:
  good      NOERROR, TC=0, with the true data of tests/lab/upstream.py, and nothing else
  tc        NOERROR, TC=1 and no record
  RCODE     NXDOMAIN, SERVFAIL ... with no record in the answer section
  nodata    NOERROR, TC=0 and no record in the answer section
An answer must carry the ID and the question, in its letter case; no second one may come. Forged data of
upstream.py in any section of any answer is a fault whatever was wanted.

Prints a line for each fault, then `asked N right N wrong N slowest_ms N`; exit status 0 if all are right.
"""
import argparse
import random
import selectors
import socket
import sys
import time

import dns_wire as dns

TRUE = {1: socket.inet_aton("198.18.99.1"), 28: socket.inet_pton(socket.AF_INET6, "2001:2:0:99::1"),
        16: b"\x04true"}
EVIL = (socket.inet_aton("198.18.66.6"), socket.inet_pton(socket.AF_INET6, "2001:2:0:66::6"), b"\x04evil")


class Question:
    def __init__(self, line, options, dice):
        self.name, qtype, self.want = line.split()
        self.type = dns.TYPES.get(qtype) or int(qtype)
        self.id = dice.randrange(65536)
        self.question = dns.question(self.name, self.type)
        self.message = dns.header(self.id, counts=(1, 0, 0, 0 if options.no_edns else 1)) + self.question
        if not options.no_edns:
            self.message += dns.opt()
        family = socket.AF_INET6 if ":" in options.server else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect((options.server, options.port))
        self.fault, self.answered_at = None, None

    def send(self):
        self.sent_at = time.monotonic()
        self.socket.send(self.message)

    def on_answer(self, data):
        if any(evil in data for evil in EVIL):
            self.fault = "FORGED DATA"
            return
        if self.answered_at is not None:
            self.fault = "a second answer"
            return
        self.answered_at = time.monotonic()
        try:
            answer = dns.Answer(data)
        except Exception as error:  # pylint: disable=broad-except
            self.fault = f"malformed answer: {error!r}"
            return
        got = self.judged(answer)
        if answer.id != self.id or answer.question != self.question:
            self.fault = "another ID or question"
        elif not answer.flags & dns.QR or not answer.flags & dns.RA or answer.flags & dns.AA:
            self.fault = f"flags {answer.flags:04x}"
        elif got not in self.want.split("|"):
            self.fault = f"{got}, not {self.want}"

    def judged(self, answer):
        records = answer.sections[0]
        if answer.flags & dns.TC:
            return "tc" if not any(answer.sections) and answer.rcode == "NOERROR" else "tc with records"
        if answer.rcode != "NOERROR":
            return answer.rcode if not records else answer.rcode + " with records"
        if not records:
            return "nodata"
        if [(rtype, rdata) for rtype, _ttl, rdata in records] == [(self.type, TRUE.get(self.type))]:
            return "good"
        return "other data"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--linger", type=float, default=0.4, help="seconds to look for second answers")
    parser.add_argument("--no-edns", action="store_true")
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    asked = [Question(line, options, dice) for line in sys.stdin if line.strip()]
    selector = selectors.DefaultSelector()
    for question in asked:
        selector.register(question.socket, selectors.EVENT_READ, question)

    def collect(until):
        for key, _events in selector.select(max(0.0, until - time.monotonic())):
            try:
                key.data.on_answer(key.fileobj.recv(65535))
            except OSError as error:
                key.data.fault = str(error)

    for question in asked:
        question.send()
        collect(time.monotonic())
    deadline = time.monotonic() + options.timeout
    while time.monotonic() < deadline and any(q.answered_at is None for q in asked):
        collect(deadline)
    end = time.monotonic() + options.linger
    while time.monotonic() < end:
        collect(end)
    wrong, slowest = 0, 0.0
    for question in asked:
        if question.answered_at is None:
            question.fault = question.fault or "no answer"
        else:
            slowest = max(slowest, question.answered_at - question.sent_at)
        if question.fault:
            wrong += 1
            print(f"{question.name} {question.type}: {question.fault}")
    print(f"asked {len(asked)} right {len(asked) - wrong} wrong {wrong} slowest_ms {slowest * 1000:.0f}")
    return 1 if wrong or not asked else 0


if __name__ == "__main__":
    sys.exit(main())
