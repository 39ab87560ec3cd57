#!/usr/bin/python3
"""Sends every kind of bad (and odd but good) query of SECURITY.md section 3.1 and judges what comes back.

Each probe goes from a socket of its own, paced so that the ration of error replies does not bite. An answer
must carry the probe's ID and opcode, QR=1 and no AA; an error no record, and no more bytes than the probe
had; it must come from the address asked. A probe without an answer must stay without one. Prints a line for
each fault, then `probes N right N wrong N`; exit status 0 if all are right.
"""
import argparse
import selectors
import socket
import struct
import sys
import time

import dns_wire as dns

SILENCE = "silence"
PACE_S = 0.013
WAIT_S = 0.8
NAME = "www.example"
Q = dns.question(NAME)
COOKIE, ECS, NSID, PADDING, KEEPALIVE = 10, 8, 3, 12, 11
NAME_255 = b"".join(b"\x3f" + b"x" * 63 for _ in range(3)) + b"\x3d" + b"y" * 61 + b"\0"
NAME_256 = b"".join(b"\x3f" + b"x" * 63 for _ in range(3)) + b"\x3e" + b"y" * 62 + b"\0"
A_RECORD = dns.record(b"\xc0\x0c", 1, b"\xc6\x12\x42\x06")
# RFC 8945: a TSIG stands last; the forwarder does not look into it.
TSIG = b"\0" + struct.pack("!HHIH", 250, 255, 0, 16) + b"\0" * 16


def plain(flags=dns.RD, counts=(1, 0, 0, 0), rest=b"", question=Q):
    return dns.header(0, flags, counts) + question + rest


def typed(qtype, qclass=1, name=NAME, flags=dns.RD):
    return plain(flags, question=dns.question(name, qtype, qclass))


def edns(options=b"", ttl=0, size=1232, **more):
    return plain(counts=(1, 0, 0, 1), rest=dns.opt(size, ttl, options, **more))


def with_option(code, data, **more):
    return edns(dns.option(code, data), **more)


def opcode(number):
    return plain(dns.RD | number << 11)


PROBES = [
    # What is not answered at all.
    ("empty datagram", b"", SILENCE),
    ("1 byte", b"\0", SILENCE),
    ("11 bytes", plain()[:11], SILENCE),
    ("QR=1", plain(dns.QR | dns.RD), SILENCE),
    ("QR=1, header only", dns.header(0, dns.QR, (0, 0, 0, 0)), SILENCE),
    # Counts.
    ("header only, QDCOUNT=0", dns.header(0, dns.RD, (0, 0, 0, 0)), "FORMERR"),
    ("header only, QDCOUNT=1", dns.header(0, dns.RD, (1, 0, 0, 0)), "FORMERR"),
    ("QDCOUNT=2", plain(counts=(2, 0, 0, 0), rest=Q), "FORMERR"),
    ("QDCOUNT=65535", plain(counts=(65535, 0, 0, 0)), "FORMERR"),
    ("ANCOUNT=1 with a record", plain(counts=(1, 1, 0, 0), rest=A_RECORD), "FORMERR"),
    ("NSCOUNT=1 with a record", plain(counts=(1, 0, 1, 0), rest=A_RECORD), "FORMERR"),
    ("ARCOUNT=1, an A record", plain(counts=(1, 0, 0, 1), rest=A_RECORD), "FORMERR"),
    ("ARCOUNT=1 and nothing there", plain(counts=(1, 0, 0, 1)), "FORMERR"),
    ("ARCOUNT=3", plain(counts=(1, 0, 0, 3), rest=dns.opt() + A_RECORD + TSIG), "FORMERR"),
    ("OPT and TSIG", plain(counts=(1, 0, 0, 2), rest=dns.opt() + TSIG), "NOERROR"),
    ("all counts 65535", plain(counts=(65535,) * 4), "FORMERR"),
    # Opcodes.
] + [(f"opcode {n}", opcode(n), "NOTIMP") for n in (1, 2, 3, 4, 5, 6, 15)] + [
    # The question.
    ("question cut short", plain()[:-3], "FORMERR"),
    ("question without type and class", plain()[:-4], "FORMERR"),
    ("label type 01", plain(question=b"\x41" + Q), "FORMERR"),
    ("label type 10", plain(question=b"\x80" + Q), "FORMERR"),
    ("name of 255 bytes", plain(question=NAME_255 + struct.pack("!HH", 1, 1)), "NXDOMAIN"),
    ("name of 256 bytes", plain(question=NAME_256 + struct.pack("!HH", 1, 1)), "FORMERR"),
    ("pointer to itself", plain(question=b"\xc0\x0c\0\x01\0\x01"), "FORMERR"),
    ("pointer forward", plain(question=b"\xc0\x12\0\x01\0\x01\x01a\0"), "FORMERR"),
    ("pointer to the header", plain(question=b"\xc0\x00\0\x01\0\x01"), "FORMERR"),
    ("label, then a pointer loop", plain(question=b"\x01a\xc0\x0c\0\x01\0\x01"), "FORMERR"),
    ("NUL and dot in a label", plain(question=b"\x03\0.\xff\x07example\0\0\x01\0\x01"), "NXDOMAIN"),
    ("1 trailing byte", plain() + b"\0", "NOERROR"),
    ("100 trailing bytes", plain() + b"\xaa" * 100, "NOERROR"),
    ("100 trailing bytes after OPT", edns() + b"\xaa" * 100, "NOERROR"),
    # EDNS.
    ("OPT", edns(), "NOERROR"),
    ("OPT with size 0", edns(size=0), "NOERROR"),
    ("OPT with size 65535", edns(size=65535), "NOERROR"),
    ("OPT, all Z bits", edns(ttl=0x7fff), "NOERROR"),
    ("OPT, DO", edns(ttl=0x8000), "NOERROR"),
    ("OPT, extended rcode", edns(ttl=0xff000000), "NOERROR"),
    ("OPT version 1", edns(ttl=0x00010000), "BADVERS"),
    ("OPT version 255", edns(ttl=0x00ff0000), "BADVERS"),
    ("two OPT", plain(counts=(1, 0, 0, 2), rest=dns.opt() * 2), "FORMERR"),
    ("OPT in the answer section", plain(counts=(1, 1, 0, 0), rest=dns.opt()), "FORMERR"),
    ("OPT's owner not the root", plain(counts=(1, 0, 0, 1), rest=dns.opt(owner=b"\x01a\0")), "FORMERR"),
    ("OPT's length beyond the packet", edns(rdlength=100), "FORMERR"),
    ("option longer than OPT", edns(struct.pack("!HH", 65001, 100) + b"abc"), "FORMERR"),
    ("option header cut short", edns(b"\0\x03\0"), "FORMERR"),
    ("unknown option", with_option(65001, b"abcd"), "NOERROR"),
    ("200 unknown options", edns(dns.option(65001, b"") * 200), "NOERROR"),
    ("cookie of 8 bytes", with_option(COOKIE, b"c" * 8), "NOERROR"),
    ("cookie of 24 bytes, not ours", with_option(COOKIE, b"c" * 24), "NOERROR"),
    ("cookie of 0 bytes", with_option(COOKIE, b""), "FORMERR"),
    ("cookie of 7 bytes", with_option(COOKIE, b"c" * 7), "FORMERR"),
    ("cookie of 9 bytes", with_option(COOKIE, b"c" * 9), "FORMERR"),
    ("cookie of 15 bytes", with_option(COOKIE, b"c" * 15), "FORMERR"),
    ("cookie of 41 bytes", with_option(COOKIE, b"c" * 41), "FORMERR"),
    ("QDCOUNT=0 and a cookie of 8 bytes",
     plain(counts=(0, 0, 0, 1), question=b"", rest=dns.opt(options=dns.option(COOKIE, b"c" * 8))), "NOERROR"),
    ("QDCOUNT=0 and a cookie not ours",
     plain(counts=(0, 0, 0, 1), question=b"", rest=dns.opt(options=dns.option(COOKIE, b"c" * 24))), "BADCOOKIE"),
    ("QDCOUNT=0 and OPT without a cookie", plain(counts=(0, 0, 0, 1), question=b"", rest=dns.opt()), "FORMERR"),
    ("ECS", with_option(ECS, b"\0\x01\x18\0\xc6\x33\x64"), "NOERROR"),
    ("ECS of family 3", with_option(ECS, b"\0\x03\x18\0\xc6\x33\x64"), "FORMERR"),
    ("ECS /33 of IPv4", with_option(ECS, b"\0\x01\x21\0\xc6\x33\x64\x01\x80"), "FORMERR"),
    ("ECS of 3 bytes", with_option(ECS, b"\0\x01\x18"), "FORMERR"),
    ("NSID", with_option(NSID, b""), "NOERROR"),
    ("padding", with_option(PADDING, b"\0" * 100), "NOERROR"),
    ("1,400 bytes of padding", with_option(PADDING, b"\0" * 1400), "NOERROR"),
    ("4,000 bytes of padding, so in fragments", with_option(PADDING, b"\0" * 4000), SILENCE),
    ("keepalive over UDP", with_option(KEEPALIVE, b""), "NOERROR"),
    # Flags.
    ("TC=1", plain(dns.RD | dns.TC), "FORMERR"),
    ("RD=0, not in the cache", typed(1, name="nobody.asks.example", flags=0), "REFUSED"),
    ("AA=1", plain(dns.RD | dns.AA), "NOERROR"),
    ("RA=1", plain(dns.RD | dns.RA), "NOERROR"),
    ("Z=1", plain(dns.RD | dns.Z), "NOERROR"),
    ("AD=1", plain(dns.RD | dns.AD), "NOERROR"),
    ("CD=1", plain(dns.RD | dns.CD), "NOERROR"),
    ("RCODE=5", plain(dns.RD | 5), "NOERROR"),
    # Classes.
    ("CH TXT version.bind", typed(16, 3, "version.bind"), "REFUSED"),
    ("CH TXT id.server", typed(16, 3, "id.server"), "REFUSED"),
    ("CH TXT hostname.bind", typed(16, 3, "hostname.bind"), "REFUSED"),
] + [(f"class {n}", typed(1, n), "REFUSED") for n in (0, 2, 3, 4, 254, 255, 65535)] + [
    # Types.
    ("type ANY", typed(255), "NOERROR"),
    ("type AXFR", typed(252), "REFUSED"),
    ("type IXFR", typed(251), "REFUSED"),
    ("type MAILB", typed(253), "NOTIMP"),
    ("type MAILA", typed(254), "NOTIMP"),
    ("type RRSIG", typed(46), "REFUSED"),
    ("type NULL", typed(10), "NOERROR"),
    ("type SVCB", typed(64), "NOERROR"),
    ("type 65535", typed(65535), "NOERROR"),
] + [(f"type {n}", typed(n), "FORMERR") for n in (0, 41, 128, 200, 248, 249, 250)]

# From these ports (RFC 862 to 868) nobody asks in earnest.
LOOP_PORTS = (7, 13, 17, 19, 37)
ERRORS = ("FORMERR", "NOTIMP", "REFUSED", "BADVERS")


class Probe:
    def __init__(self, says, message, want, qid, options, port=0):
        self.says, self.want, self.id = says, want, qid
        # A message too short for an ID stays as it is.
        self.message = struct.pack("!H", qid) + message[2:] if len(message) >= 2 else message
        family = socket.AF_INET6 if ":" in options.server else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        if port or options.source:
            self.socket.bind((options.source or "", port))
        self.socket.connect((options.server, 53))
        self.got = []

    def fault(self):
        if len(self.got) > 1:
            return f"{len(self.got)} answers"
        if not self.got:
            return None if self.want == SILENCE else f"silence, not {self.want}"
        data = self.got[0]
        try:
            answer = dns.Answer(data)
        except Exception as error:  # pylint: disable=broad-except
            return f"malformed answer: {error!r}: {data.hex()}"
        if answer.rcode != self.want:
            return f"{answer.rcode}, not {self.want}"
        return self.fault_of(answer)

    def fault_of(self, answer):
        has_opt = len(self.message) > 12 and self.message[11] > 0
        if answer.id != self.id or not answer.flags & dns.QR or answer.flags & (dns.AA | dns.TC | dns.Z):
            return f"ID {answer.id}, not {self.id}, or flags {answer.flags:04x}"
        if len(self.message) >= 4 and answer.flags >> 11 & 15 != self.message[2] >> 3 & 15:
            return f"opcode {answer.flags >> 11 & 15}"
        if answer.edns and not has_opt:
            return "an OPT that was not asked for"
        if answer.edns and answer.edns[1] >> 16 & 0xff:
            return "another version than EDNS 0"
        if answer.question and answer.question != self.message[12:12 + len(answer.question)]:
            return "another question"
        if self.want in ERRORS:
            if any(answer.sections):
                return "records"
            if answer.size > len(self.message):
                return f"{answer.size} bytes for {len(self.message)}"
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--source", help="address to ask from")
    parser.add_argument("--all", metavar="RCODE", help="a good question --times times; count this rcode")
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    probes = [Probe(says, message, want, 1000 + i, options) for i, (says, message, want) in enumerate(PROBES)]
    probes += [Probe(f"from port {port}", plain(), SILENCE, port, options, port) for port in LOOP_PORTS]
    if options.all:
        probes = [Probe("all", plain(), options.all, i, options) for i in range(options.times)]
    selector = selectors.DefaultSelector()
    for probe in probes:
        selector.register(probe.socket, selectors.EVENT_READ, probe)

    def collect(until):
        while True:
            for key, _events in selector.select(max(0.0, until - time.monotonic())):
                try:
                    key.data.got.append(key.fileobj.recv(65535))
                except OSError as error:
                    key.data.got.append(str(error).encode())
            if time.monotonic() >= until:
                return

    for probe in probes:
        probe.socket.send(probe.message)
        collect(time.monotonic() + (0 if options.all else PACE_S))
    collect(time.monotonic() + WAIT_S)
    faults = [(probe.says, probe.fault()) for probe in probes if probe.fault()]
    if options.all:
        print(f"answered {sum(bool(probe.got) for probe in probes)} wrong"
              f" {sum(bool(probe.got and probe.fault()) for probe in probes)}")
        return 0
    for says, fault in faults:
        print(f"{says}: {fault}")
    print(f"probes {len(probes)} right {len(probes) - len(faults)} wrong {len(faults)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
