#!/usr/bin/python3
"""A scripted upstream DNS server: honest, slow, broken or hostile, as the question's name asks for.

Every name exists: A is 198.18.99.1, AAAA 2001:2:0:99::1, TXT "true"; other types have no data. A forged
record says 198.18.66.6, 2001:2:0:66::6 or "evil" instead: whoever ever shows one of these was fooled.

A label of the question's name (in any letter case) that is a behaviour below, as `wrong-id.x7.test` or
`delay-300.x8.test`, chooses it; --behaviour and the control command `default` choose it for names
without one. A bad packet is sent at once and the true answer --gap ms later; with the label `only` (or
--only) the true answer never comes. With the label `once` (or --once) only the first query with this name
and type is treated so, and later ones get the truth at once. Several behaviours in a name are applied in
order.

Over TCP the true answer is given at once (`silent` apart).

--log writes a line per query received:
  TIME PROTOCOL LOCAL PEER PEER_PORT ID FLAGS EDNS_SIZE DO QNAME QTYPE
with ID and FLAGS in hex, EDNS_SIZE and DO `-` if there is no OPT, and QNAME in the case received.
"""
import argparse
import heapq
import os
import random
import selectors
import signal
import socket
import struct
import sys
import time

TRUE_RDATA = {1: socket.inet_aton("198.18.99.1"), 28: socket.inet_pton(socket.AF_INET6, "2001:2:0:99::1"),
              16: b"\x04true"}
EVIL_RDATA = {1: socket.inet_aton("198.18.66.6"), 28: socket.inet_pton(socket.AF_INET6, "2001:2:0:66::6"),
              16: b"\x04evil"}
TYPE_NAMES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
              43: "DS", 48: "DNSKEY", 65: "HTTPS"}
QR, AA, TC, RA, RD, CD = 0x8000, 0x0400, 0x0200, 0x0080, 0x0100, 0x0010
FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 1, 2, 3, 4, 5
OPT_TYPE = 41
POINTER_TO_QNAME = b"\xc0\x0c"


class Query:
    """A question as it was received; raises ValueError where there is none."""

    def __init__(self, data, local, peer, sock):
        if len(data) < 12:
            raise ValueError("short")
        self.id, self.flags, qdcount, ancount, nscount, arcount = struct.unpack_from("!6H", data)
        if self.flags & QR or qdcount != 1:
            raise ValueError("not a query")
        offset, labels = 12, []
        while True:
            length = data[offset] if offset < len(data) else 255
            if length > 63 or offset + length >= len(data):
                raise ValueError("qname")
            offset += 1
            if length == 0:
                break
            labels.append(data[offset:offset + length])
            offset += length
        if offset + 4 > len(data):
            raise ValueError("question")
        self.labels, self.qname = labels, data[12:offset]
        self.qtype, self.qclass = struct.unpack_from("!HH", data, offset)
        self.edns_size, self.dnssec_ok = None, 0
        offset += 4
        if ancount == nscount == 0 and arcount > 0 and data[offset:offset + 3] == b"\0\0\x29":
            self.edns_size, ttl = struct.unpack_from("!HI", data, offset + 3)
            self.dnssec_ok = ttl >> 15 & 1
        self.local, self.peer, self.sock = local, peer, sock

    def name(self):
        return ".".join("".join(chr(c) if c in PLAIN else "\\%03d" % c for c in label)
                        for label in self.labels) + "."


PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def record(rtype, ttl, rdata, owner=POINTER_TO_QNAME):
    return owner + struct.pack("!HHIH", rtype, 1, ttl, len(rdata)) + rdata


def text_rdata(length):
    """TXT data of exactly `length` bytes (at least 2)."""
    rdata = b""
    while length:
        part = min(length - 1, 255)
        if length - 1 - part == 1:  # do not leave a single byte over
            part -= 1
        rdata += bytes([part]) + b"x" * part
        length -= part + 1
    return rdata


def build(query, rdata=TRUE_RDATA, *, rcode=0, ttl=300, flags=0, qname=None, qtype=None, qclass=None,
          question=True, query_id=None, answer=True, opt=True):
    """An answer to the query; every part of it can be made a wrong one."""
    qname = query.qname if qname is None else qname
    data = rdata.get(query.qtype) if answer and rcode == 0 else None
    owner = POINTER_TO_QNAME if question else qname
    message = b""
    if question:
        message += qname + struct.pack("!HH", query.qtype if qtype is None else qtype,
                                       query.qclass if qclass is None else qclass)
    if data is not None:
        message += record(query.qtype, ttl, data, owner)
    negative = data is None and rcode in (0, NXDOMAIN) and answer
    if negative:
        message += record(6, 60, b"\x02ns\x00\x07invalid\x00" + struct.pack("!5I", 1, 1800, 900, 604800, 60))
    opt = opt and query.edns_size is not None
    if opt:
        message += b"\0" + struct.pack("!HHIH", OPT_TYPE, 1232, query.dnssec_ok << 15, 0)
    flags = (QR | AA | RA | query.flags & (0x7800 | RD | CD)) ^ flags
    return struct.pack("!6H", query.id if query_id is None else query_id, flags | rcode, int(question),
                       int(data is not None), int(negative), int(opt)) + message


def evil(query, **how):
    return build(query, EVIL_RDATA, ttl=86400, **how)


# --- behaviours --------------------------------------------------------------------------------

BEHAVIOURS = {}


def behaviour(name, text):
    """Registers function(server, query, number) -> True if the true answer is to follow at once, a number
    of milliseconds after which it follows, or None if it does not follow on its own."""
    def register(function):
        BEHAVIOURS[name] = (text, function)
        return function
    return register


def first_bad(name, text, make):
    """A behaviour that sends make(query)'s packets, and the true answer a gap later."""
    def act(server, query, number):
        for packet in make(query):
            server.send(query, packet)
        return server.gap_ms
    BEHAVIOURS[name] = (text, act)


def other_ids(query, count):
    return [(query.id + 1 + i * 211) & 0xffff for i in range(count) if (1 + i * 211) & 0xffff]


def header_only(rcode):
    return lambda query: [struct.pack("!6H", query.id, QR | query.flags & RD | rcode, 0, 0, 0, 0)]


def swap_case(qname):
    out, offset = b"", 0
    while qname[offset]:
        length = qname[offset]
        out += bytes([length]) + qname[offset + 1:offset + 1 + length].swapcase()
        offset += length + 1
    return out + b"\0"


def lower_case(qname):
    return bytes(c + 32 if 65 <= c <= 90 else c for c in qname)  # lengths are below 64


def question_end(query):
    return 12 + len(query.qname) + 4


def looping(query):
    start = question_end(query)
    message = bytearray(evil(query))
    if len(message) > start + 1:
        message[start:start + 2] = struct.pack("!H", 0xc000 | start)
    return bytes(message)


first_bad("wrong-qname", "another question's answer", lambda q: [evil(q, qname=b"\x03www\x04evil\x04test\x00")])
first_bad("wrong-qtype", "QTYPE changed", lambda q: [evil(q, qtype=q.qtype ^ 3)])
first_bad("wrong-qclass", "QCLASS CH", lambda q: [evil(q, qclass=3)])
first_bad("flip-case", "every letter of the question in the other case", lambda q: [evil(q, qname=swap_case(q.qname))])
first_bad("lower-case", "the question in lower case", lambda q: [evil(q, qname=lower_case(q.qname))])
first_bad("no-question", "QDCOUNT 0 and an answer", lambda q: [evil(q, question=False)])
first_bad("qr0", "QR=0", lambda q: [evil(q, flags=QR)])
first_bad("opcode-update", "opcode 5", lambda q: [evil(q, flags=5 << 11)])
first_bad("tc-evil", "TC=1 with a forged answer", lambda q: [evil(q, flags=TC)])
first_bad("tc", "TC=1 without an answer", lambda q: [build(q, flags=TC, answer=False)])
first_bad("header-formerr", "a header only: FORMERR", header_only(FORMERR))
first_bad("header-servfail", "a header only: SERVFAIL", header_only(SERVFAIL))
first_bad("header-refused", "a header only: REFUSED", header_only(REFUSED))
first_bad("header-notimp", "a header only: NOTIMP", header_only(NOTIMP))
first_bad("formerr", "FORMERR with the question", lambda q: [build(q, rcode=FORMERR)])
first_bad("servfail", "SERVFAIL with the question", lambda q: [build(q, rcode=SERVFAIL)])
first_bad("refused", "REFUSED with the question", lambda q: [build(q, rcode=REFUSED)])
first_bad("notimp", "NOTIMP with the question", lambda q: [build(q, rcode=NOTIMP)])
first_bad("junk", "a header, then junk",
          lambda q: [build(q)[:12] + bytes(JUNK.getrandbits(8) for _ in range(60))])
first_bad("empty", "an empty datagram", lambda q: [b""])
first_bad("short", "11 bytes", lambda q: [evil(q)[:11]])
first_bad("loop", "an owner name that points at itself", lambda q: [looping(q)])
first_bad("cut", "cut in the middle of the answer record", lambda q: [evil(q)[:question_end(q) + 13]])
first_bad("trailing", "100 bytes after the end of a forged answer", lambda q: [evil(q) + b"\xaa" * 100])
JUNK = random.Random(42)


@behaviour("wrong-id", "wrong-id-N: N (1) answers with wrong IDs")
def wrong_id(server, query, number):
    for query_id in other_ids(query, number or 1):
        server.send(query, evil(query, query_id=query_id))
    return server.gap_ms


@behaviour("wrong-port", "right ID from another port")
def wrong_port(server, query, _number):
    server.send(query, evil(query), server.socket_with_other_port(query))
    return server.gap_ms


@behaviour("wrong-address", "right ID from another address")
def wrong_address(server, query, _number):
    server.send(query, evil(query), server.socket_with_other_address(query))
    return server.gap_ms


@behaviour("good", "the true answer")
def good(_server, _query, _number):
    return True


@behaviour("silent", "never an answer")
def silent(_server, _query, _number):
    return None


@behaviour("drop", "drop-N: no answer to the first N (1) queries with this name and type")
def drop(server, query, number):
    return True if server.times_seen(query) > (number or 1) else None


@behaviour("delay", "delay-N: the true answer after N ms (the gap)")
def delay(server, _query, number):
    return server.gap_ms if number is None else number


@behaviour("withhold", "held until SIGUSR1 or the control command `release`")
def withhold(server, query, _number):
    server.held.append(query)


@behaviour("reorder", "held until the next such query, and answered after that one (or after a gap)")
def reorder(server, query, _number):
    if server.waiting is not None:
        earlier, server.waiting = server.waiting, None
        server.send(query, build(query))
        server.send(earlier, build(earlier))
        return
    server.waiting = query

    def give_up():
        if server.waiting is query:
            server.waiting = None
            server.send(query, build(query))
    server.later(server.gap_ms, give_up)


@behaviour("duplicate", "duplicate-N: the true answer N (2) times")
def duplicate(server, query, number):
    for _ in range((number or 2) - 1):
        server.send(query, build(query))
    return True


@behaviour("formerr-edns", "FORMERR to queries with EDNS, the truth to others")
def formerr_edns(server, query, _number):
    if query.edns_size is None:
        return True
    server.send(query, build(query, rcode=FORMERR, opt=False))


@behaviour("silent-edns", "no answer to queries with EDNS, the truth to others")
def silent_edns(_server, query, _number):
    return True if query.edns_size is None else None


@behaviour("no-opt", "the true answer without OPT")
def no_opt(server, query, _number):
    server.send(query, build(query, opt=False))


@behaviour("loses-case", "the true answer, its question always in lower case")
def loses_case(server, query, _number):
    server.send(query, build(query, qname=lower_case(query.qname)))


@behaviour("nxdomain", "NXDOMAIN with an SOA")
def nxdomain(server, query, _number):
    server.send(query, build(query, rcode=NXDOMAIN))


@behaviour("nodata", "no data with an SOA")
def nodata(server, query, _number):
    server.send(query, build(query, {}))


@behaviour("ttl", "ttl-N: the true answer with TTL N")
def ttl(server, query, number):
    server.send(query, build(query, ttl=number or 0))


@behaviour("size", "size-N: for TXT, N (1000) bytes of data; more than the query allows gets TC=1")
def size(server, query, number):
    message = build(query, {16: text_rdata(max(2, number or 1000))})
    if len(message) > max(512, query.edns_size or 512):
        message = build(query, flags=TC, answer=False)
    server.send(query, message)


# --- the server --------------------------------------------------------------------------------

def udp_socket(family, address, port):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock


class Server:
    def __init__(self, options):
        self.options, self.gap_ms, self.default = options, options.gap, options.behaviour
        self.only, self.once = options.only, options.once
        self.selector = selectors.DefaultSelector()
        self.timers, self.timer_count = [], 0
        self.seen, self.held, self.waiting, self.queries, self.sent = {}, [], None, 0, 0
        self.extra = {}
        self.log = open(options.log, "a", encoding="ascii") if options.log else None
        for address in options.address:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock = udp_socket(family, address, options.port)
            self.selector.register(sock, selectors.EVENT_READ, (self.on_udp, sock, address))
            listener = socket.create_server((address, options.port), family=family)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, (self.on_accept, listener, address))
        if options.control:
            control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            control.bind(options.control)
            self.selector.register(control, selectors.EVENT_READ, (self.on_control, control, None))
        # A signal wakes the selector through this pair.
        self.wake, wake_in = socket.socketpair()
        for end in (self.wake, wake_in):
            end.setblocking(False)
        self.wake_in = wake_in
        signal.set_wakeup_fd(wake_in.fileno())
        signal.signal(signal.SIGUSR1, lambda *_: self.release(None))
        self.selector.register(self.wake, selectors.EVENT_READ, (self.on_wake, self.wake, None))

    # Sending.

    def send(self, query, packet, sock=None):
        self.sent += 1
        try:
            (sock or query.sock).sendto(packet, query.peer)
        except OSError as error:  # a full buffer is a lost packet
            print(f"upstream: to {query.peer[0]}: {error}", file=sys.stderr, flush=True)

    def later(self, delay_ms, function):
        self.timer_count += 1
        heapq.heappush(self.timers, (time.monotonic() + delay_ms / 1000, self.timer_count, function))

    def socket_with_other_port(self, query):
        key = ("port", query.local)
        if key not in self.extra:
            self.extra[key] = udp_socket(query.sock.family, query.local, 0)
        return self.extra[key]

    def socket_with_other_address(self, query):
        v6 = ":" in query.local
        other = self.options.other_v6 if v6 else self.options.other_v4
        if other not in self.extra:
            self.extra[other] = udp_socket(query.sock.family, other, self.options.port)
        return self.extra[other]

    # What to do with a query.

    def chosen(self, query):
        """The behaviours that the name asks for, as (function, number), and whether the truth is withheld."""
        found, only, once = [], self.only, self.once
        for label in query.labels:
            word = label.decode("latin-1").lower()
            action = behaviour_of(word)
            if action:
                found.append(action)
            only |= word == "only"
            once |= word == "once"
        if once and self.times_seen(query) > 1:
            return [(good, None)], False
        return found or [self.default], only

    def times_seen(self, query):
        """How often this name and type was asked for, this time included."""
        key = (lower_case(query.qname), query.qtype)
        self.seen[key] = self.seen.get(key, 0) + 1
        return self.seen[key]

    def answer(self, query):
        found, only = self.chosen(query)
        wait_ms = 0
        for function, number in found:
            follows = function(self, query, number)
            if follows is None:
                return
            if follows is not True:
                wait_ms += follows
                if only and function is not delay:
                    return
        if wait_ms:
            self.later(wait_ms, lambda: self.send(query, build(query)))
        else:
            self.send(query, build(query))

    def release(self, count, backwards=False):
        released = self.held[:count]
        del self.held[:len(released)]
        for query in reversed(released) if backwards else released:
            self.send(query, build(query))
        return len(released)

    def note(self, protocol, query):
        self.queries += 1
        if self.log:
            self.log.write("%.6f %s %s %s %d %04x %04x %s %s %s %s\n" % (
                time.time(), protocol, query.local, query.peer[0], query.peer[1], query.id, query.flags,
                "-" if query.edns_size is None else query.edns_size,
                "-" if query.edns_size is None else query.dnssec_ok, query.name(),
                TYPE_NAMES.get(query.qtype, "TYPE%d" % query.qtype)))

    # Events.

    def on_udp(self, sock, address):
        for _ in range(64):
            try:
                data, peer = sock.recvfrom(65535)
            except BlockingIOError:
                return
            try:
                query = Query(data, address, peer, sock)
            except ValueError as error:
                print(f"upstream: from {peer[0]}: {error}", file=sys.stderr, flush=True)
                continue
            self.note("udp", query)
            self.answer(query)

    def on_accept(self, listener, address):
        stream, _ = listener.accept()
        stream.setblocking(False)
        self.selector.register(stream, selectors.EVENT_READ, (self.on_tcp, stream, (address, bytearray())))

    def on_tcp(self, stream, context):
        address, buffer = context
        try:
            data = stream.recv(65535)
        except OSError:
            data = b""
        buffer += data
        while len(buffer) >= 2 and len(buffer) >= 2 + (buffer[0] << 8 | buffer[1]):
            length = buffer[0] << 8 | buffer[1]
            message = bytes(buffer[2:2 + length])
            del buffer[:2 + length]
            try:
                query = Query(message, address, stream.getpeername(), stream)
                self.note("tcp", query)
                found, _only = self.chosen(query)
                if silent in [function for function, _number in found]:
                    continue
                rdata = dict(TRUE_RDATA)
                rdata[16] = next((text_rdata(max(2, number or 1000)) for function, number in found
                                  if function is size), rdata[16])
                answer = build(query, rdata)
                stream.sendall(struct.pack("!H", len(answer)) + answer)
            except (ValueError, OSError):
                data = b""
                break
        if not data:
            self.selector.unregister(stream)
            stream.close()

    def on_wake(self, sock, _context):
        try:
            sock.recv(4096)
        except BlockingIOError:
            pass

    def on_control(self, sock, _context):
        data, sender = sock.recvfrom(4096)
        reply = self.command(data.decode("ascii", "replace").split())
        if sender:
            sock.sendto(reply.encode("ascii"), sender)

    def command(self, words):
        verb, rest = (words[0], words[1:]) if words else ("", [])
        if verb == "release":
            backwards = "reversed" in rest
            count = next((int(word) for word in rest if word.isdigit()), None)
            return "released %d" % self.release(count, backwards)
        if verb == "held":
            return str(len(self.held))
        if verb == "queries":
            return str(self.queries)
        if verb == "sent":
            return str(self.sent)
        if verb == "default" and len(rest) == 1 and behaviour_of(rest[0]):
            self.default = behaviour_of(rest[0])
            return "ok"
        if verb == "only" and rest in (["on"], ["off"]):
            self.only = rest == ["on"]
            return "ok"
        return "error: release [N] [reversed] | held | queries | sent | default BEHAVIOUR | only on|off"

    def run(self):
        while True:
            timeout = None
            if self.timers:
                timeout = max(0, self.timers[0][0] - time.monotonic())
            for key, _events in self.selector.select(timeout):
                handler, sock, context = key.data
                handler(sock, context)
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()
            if self.log:
                self.log.flush()


def behaviour_of(word):
    """(function, number) for `name` or `name-N`; None if there is none of that name."""
    if word in BEHAVIOURS:
        return BEHAVIOURS[word][1], None
    name, _, number = word.rpartition("-")
    if name in BEHAVIOURS and number.isdigit():
        return BEHAVIOURS[name][1], int(number)
    return None


def tell(path, words):
    """Sends a command to a running upstream's control socket and prints what it says."""
    mine = f"{path}.{os.getpid()}"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.settimeout(5)
    try:
        sock.bind(mine)
        sock.sendto(" ".join(words).encode("ascii"), path)
        reply = sock.recv(4096).decode("ascii")
    except OSError as error:
        print(f"upstream: {path}: {error}", file=sys.stderr)
        return 1
    finally:
        if os.path.exists(mine):
            os.unlink(mine)
    print(reply)
    return int(reply.startswith("error"))


def default_behaviour(word):
    found = behaviour_of(word)
    if found is None:
        raise argparse.ArgumentTypeError(f"no behaviour '{word}'")
    return found


def main():
    listing = "\n".join(f"  {name:16} {text}" for name, (text, _f) in BEHAVIOURS.items())
    parser = argparse.ArgumentParser(description=__doc__, epilog="behaviours:\n" + listing,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="*", help="addresses to serve")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--gap", type=int, default=250, help="ms between a bad packet and the true answer (250)")
    parser.add_argument("--behaviour", type=default_behaviour, default="good", help="for names without one")
    parser.add_argument("--only", action="store_true", help="bad packets only")
    parser.add_argument("--once", action="store_true", help="only the first query with a name and type")
    parser.add_argument("--other-v4", default="198.18.0.1", help="source of wrong-address")
    parser.add_argument("--other-v6", default="2001:2:0:1::1")
    parser.add_argument("--log", help="file for a line per query")
    parser.add_argument("--control", help="UNIX datagram socket for commands")
    parser.add_argument("--tell", nargs="+", metavar=("SOCKET", "WORD"), help="send a command to a running upstream")
    options = parser.parse_args()
    if options.tell:
        return tell(options.tell[0], options.tell[1:])
    if not options.address:
        parser.error("no address")
    server = Server(options)
    print("upstream: ready", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.exit(main())
