#!/usr/bin/python3
"""An authoritative DNS server over UDP that answers TXT with what it saw of the query:

  from=ADDRESS port=NUMBER id=NUMBER

the client's address, its source port, and the message's ID. `porticoctl ports audit NAME` compares that with what
Portico sent; run this on a machine outside, for a zone that is delegated (or forwarded) to it:

  echo_server.py --zone echo.example.net --listen 192.0.2.53 --listen 2001:db8::53

Every name at or below the zone exists and has this one TXT record, with TTL 0; other types have no data. Other names
are refused. Letter case of the question is kept; EDNS is answered with EDNS.
"""
import argparse
import selectors
import signal
import socket
import struct
import sys

QR, OPCODE, AA, RD = 0x8000, 0x7800, 0x0400, 0x0100
NOERROR, FORMERR, NOTIMP, REFUSED, BADVERS = 0, 1, 4, 5, 16
TXT, SOA, OPT, ANY, IN = 16, 6, 41, 255, 1
POINTER_TO_QNAME = b"\xc0\x0c"
UDP_BYTES = 1232


def wire_name(text):
    labels = [label.encode("ascii") for label in text.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_question(data):
    """The question's name as it stands, its end, type and class; ValueError if it cannot be read."""
    offset = 12
    while True:
        length = data[offset] if offset < len(data) else 255
        if length > 63 or offset + 1 + length > len(data) or offset - 12 > 254:
            raise ValueError("question")
        offset += 1 + length
        if length == 0:
            break
    if offset + 4 > len(data):
        raise ValueError("question")
    qtype, qclass = struct.unpack_from("!HH", data, offset)
    return data[12:offset], offset + 4, qtype, qclass


def read_opt(data, offset):
    """The version of an OPT that directly follows the question; None if there is none."""
    if offset + 11 > len(data) or data[offset] != 0:
        return None
    rtype, _, ttl, _ = struct.unpack_from("!HHIH", data, offset + 1)
    return ttl >> 16 & 255 if rtype == OPT else None


def is_below(qname, zone):
    if not qname.lower().endswith(zone):
        return False
    offset, end = 0, len(qname) - len(zone)
    while offset < end:
        offset += 1 + qname[offset]
    return offset == end


def answer_to(data, peer, zone):
    """The answer's bytes; None: it deserves none."""
    if len(data) < 12:
        return None
    qid, flags, qdcount, _, _, arcount = struct.unpack_from("!6H", data)
    if flags & QR:
        return None
    flags = QR | flags & (OPCODE | RD)
    if flags & OPCODE:
        return struct.pack("!6H", qid, flags | NOTIMP, 0, 0, 0, 0)
    try:
        if qdcount != 1:
            raise ValueError("question count")
        qname, end, qtype, qclass = read_question(data)
    except ValueError:
        return struct.pack("!6H", qid, flags | FORMERR, 0, 0, 0, 0)
    version = read_opt(data, end) if arcount else None
    rcode, answers, authority = NOERROR, b"", b""
    if version:
        rcode = BADVERS
    elif qclass != IN or not is_below(qname, zone):
        rcode = REFUSED
    elif qtype in (TXT, ANY):
        text = f"from={peer[0].split('%')[0]} port={peer[1]} id={qid}".encode("ascii")
        answers = POINTER_TO_QNAME + struct.pack("!HHIHB", TXT, IN, 0, len(text) + 1, len(text)) + text
    else:
        rdata = wire_name("ns.invalid") + wire_name("nobody.invalid") + struct.pack("!5I", 1, 3600, 600, 86400, 0)
        authority = zone + struct.pack("!HHIH", SOA, IN, 0, len(rdata)) + rdata
    if rcode == NOERROR:
        flags |= AA
    opt = b"" if version is None else b"\0" + struct.pack("!HHIH", OPT, UDP_BYTES, rcode >> 4 << 24, 0)
    counts = (1, bool(answers), bool(authority), bool(opt))
    return struct.pack("!6H", qid, flags | rcode & 15, *counts) + data[12:end] + answers + authority + opt


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zone", required=True)
    parser.add_argument("--listen", action="append", required=True, metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=53)
    options = parser.parse_args()
    zone = wire_name(options.zone).lower()
    selector = selectors.DefaultSelector()
    for address in options.listen:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((address, options.port))
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("echo_server: ready", flush=True)
    while True:
        for key, _ in selector.select():
            try:
                data, peer = key.fileobj.recvfrom(4096)
                answer = answer_to(data, peer, zone)
                if answer is not None:
                    key.fileobj.sendto(answer, peer)
            except OSError:  # an ICMP error of an earlier answer, or nothing after all
                continue


if __name__ == "__main__":
    main()
