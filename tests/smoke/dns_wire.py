"""DNS messages for the smoke tests: queries in any shape, answers taken apart far enough to judge them."""
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED", 16: "BADVERS",
          23: "BADCOOKIE"}
QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
OPT = 41


def wire_name(text):
    """A name in wire form; no escapes."""
    out = b""
    for label in text.rstrip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("ascii")
    return out + b"\0"


def question(name, qtype=1, qclass=1):
    qname = name if isinstance(name, bytes) else wire_name(name)
    return qname + struct.pack("!HH", qtype, qclass)


def header(qid, flags=RD, counts=(1, 0, 0, 0)):
    return struct.pack("!6H", qid, flags, *counts)


def option(code, data):
    return struct.pack("!HH", code, len(data)) + data


def opt(size=1232, ttl=0, options=b"", owner=b"\0", rdlength=None):
    return owner + struct.pack("!HHIH", OPT, size, ttl, len(options) if rdlength is None else rdlength) + options


def record(owner, rtype, rdata, ttl=300):
    return owner + struct.pack("!HHIH", rtype, 1, ttl, len(rdata)) + rdata


def skip_name(data, offset):
    while True:
        length = data[offset]
        if length >= 0xc0:
            return offset + 2
        offset += 1 + length
        if length == 0:
            return offset


class Answer:
    """Raises ValueError or IndexError or struct.error if it is not well-formed to its last byte."""

    def __init__(self, data):
        self.id, self.flags, qdcount, *counts = struct.unpack_from("!6H", data)
        self.size = len(data)
        offset = 12
        for _ in range(qdcount):
            offset = skip_name(data, offset) + 4
        self.question = data[12:offset]
        self.sections, self.edns, rcode = [[], [], []], None, self.flags & 15
        for section, count in enumerate(counts):
            for _ in range(count):
                offset = skip_name(data, offset)
                rtype, rclass, ttl, length = struct.unpack_from("!HHIH", data, offset)
                offset += 10
                rdata = data[offset:offset + length]
                if len(rdata) != length:
                    raise ValueError("cut short")
                offset += length
                if rtype == OPT:
                    self.edns = (rclass, ttl, rdata)
                    rcode |= ttl >> 24 << 4
                else:
                    self.sections[section].append((rtype, ttl, rdata))
        if offset != len(data):
            raise ValueError("bytes after the end")
        self.rcode = RCODES.get(rcode, str(rcode))
