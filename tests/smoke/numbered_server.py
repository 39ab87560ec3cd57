#!/usr/bin/python3
"""An upstream DNS server whose answer tells which question it is for: the number in the first label is the data,
so that an answer given to another question shows.

The first label is letters and a number; any further labels may follow. q123 has A 0.0.0.123 (the number as four
bytes) and AAAA ::0.0.0.123. The letters say what comes before, the first time that the name is asked for; the truth follows
--gap ms later, and at once when the name is asked for again:
  q  nothing: the truth, after --delay ms
  w  a forged answer with a wrong ID to the port that asked
  p  a forged answer with a wrong ID to another port, drawn from --forge-ports
  e  a forged answer with the right ID to --elsewhere, from the right address and to the right port
Forged answers hold the number plus 1.

Control socket (upstream.py --tell SOCKET WORDS):
  hold        from now on keep back the answers to q names
  release [N] send what is held, the oldest first; without N all, and hold no more
  held, queries, forged   so many
"""
import argparse
import heapq
import os
import random
import selectors
import socket
import struct
import sys
import time

A, AAAA = 1, 28
QR_AA_RA = 0x8480
RD = 0x0100
OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
BURST = 64
DICE = random.SystemRandom()


def address_and_port(text, port):
    address, _, number = text.partition("@")
    return address, int(number or port)


class Query:
    """A question that was received; raises ValueError, IndexError or struct.error where there is none."""

    def __init__(self, data, peer, sock):
        self.id, flags, qdcount, _, _, arcount = struct.unpack_from("!6H", data)
        length = data[12]
        label = data[13:13 + length].decode("ascii").lower()
        self.word = label.rstrip("0123456789")
        self.number = int(label[len(self.word):])
        end = 12
        while data[end]:
            end += 1 + data[end]
        self.question = data[12:end + 5]
        self.type, = struct.unpack_from("!H", data, end + 1)
        if flags & 0x8000 or qdcount != 1 or len(self.question) != end + 5 - 12:
            raise ValueError("not a question")
        self.flags, self.has_opt, self.peer, self.sock = flags, arcount > 0, peer, sock

    def answer(self, number=None, query_id=None):
        number = self.number if number is None else number
        data = {A: struct.pack("!I", number), AAAA: struct.pack("!12xI", number)}.get(self.type)
        record = b"" if data is None else b"\xc0\x0c" + struct.pack("!HHIH", self.type, 1, 300, len(data)) + data
        header = struct.pack("!6H", self.id if query_id is None else query_id, QR_AA_RA | self.flags & RD, 1,
                             int(data is not None), 0, int(self.has_opt))
        return header + self.question + record + (OPT if self.has_opt else b"")


class Server:
    def __init__(self, options):
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.timers, self.timer_count = [], 0
        self.holding, self.held, self.queries, self.forged, self.seen = options.hold, [], 0, 0, set()
        for text in options.address:
            address, port = address_and_port(text, 53)
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
            sock.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)  # SO_SNDBUFFORCE
            sock.setblocking(False)
            sock.bind((address, port))
            self.selector.register(sock, selectors.EVENT_READ, self.on_udp)
        control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        control.bind(options.control)
        self.selector.register(control, selectors.EVENT_READ, self.on_control)

    def later(self, delay_ms, function):
        self.timer_count += 1
        heapq.heappush(self.timers, (time.monotonic() + delay_ms / 1000, self.timer_count, function))

    def send(self, query, packet, peer=None):
        try:
            query.sock.sendto(packet, peer or query.peer)
        except OSError as error:  # a full buffer is a lost packet
            print(f"numbered server: to {peer or query.peer}: {error}", file=sys.stderr, flush=True)

    def forge(self, query):
        """The forged answer; True if the truth comes a gap later."""
        if query.word not in ("w", "p", "e") or (query.question.lower()) in self.seen:
            return False
        self.seen.add(query.question.lower())
        self.forged += 1
        wrong_id = query.id ^ DICE.randrange(1, 65536)
        address, port = query.peer[:2]
        if query.word == "p":
            first, last = self.options.forge_ports
            port = DICE.choice([number for number in range(first, last + 1) if number != port])
        elif query.word == "e":
            address, wrong_id = self.options.elsewhere, query.id
        self.send(query, query.answer(query.number + 1, wrong_id), (address, port))
        return True

    def on_udp(self, sock):
        for _ in range(BURST):
            try:
                data, peer = sock.recvfrom(4096)
            except BlockingIOError:
                return
            try:
                query = Query(data, peer, sock)
            except (ValueError, IndexError, struct.error):
                self.send_back_refused(data, peer, sock)
                continue
            self.queries += 1
            if self.forge(query):
                self.later(self.options.gap, lambda query=query: self.send(query, query.answer()))
            elif self.holding and query.word == "q":
                self.held.append(query)
            elif self.options.delay:
                self.later(self.options.delay, lambda query=query: self.send(query, query.answer()))
            else:
                self.send(query, query.answer())

    def send_back_refused(self, data, peer, sock):
        """Names without a number, and probes: any answer shows that somebody is here."""
        if len(data) >= 12 and not data[2] & 0x80:
            sock.sendto(data[:2] + struct.pack("!H", QR_AA_RA | 5) + data[4:], peer)

    def on_control(self, sock):
        data, sender = sock.recvfrom(4096)
        words = data.decode("ascii", "replace").split() or [""]
        if words[0] == "hold":
            self.holding, reply = True, "ok"
        elif words[0] == "release":
            count = int(words[1]) if len(words) > 1 else len(self.held)
            self.holding &= len(words) > 1
            released, self.held = self.held[:count], self.held[count:]
            for query in released:
                self.send(query, query.answer())
            reply = f"released {len(released)}"
        elif words[0] in ("held", "queries", "forged"):
            reply = str(len(self.held) if words[0] == "held" else getattr(self, words[0]))
        else:
            reply = "error: hold | release [N] | held | queries | forged"
        if sender:
            sock.sendto(reply.encode("ascii"), sender)

    def run(self):
        while True:
            timeout = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, _events in self.selector.select(timeout):
                key.data(key.fileobj)
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()


def port_range(text):
    first, _, last = text.partition("-")
    return int(first), int(last)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="+", help="addresses to serve, port 53 or ADDRESS@PORT")
    parser.add_argument("--control", required=True, help="UNIX datagram socket for commands")
    parser.add_argument("--delay", type=int, default=0, help="ms before each answer to a q name (0)")
    parser.add_argument("--gap", type=int, default=300, help="ms between a forged answer and the truth (300)")
    parser.add_argument("--hold", action="store_true", help="hold from the start")
    parser.add_argument("--forge-ports", type=port_range, default=(1024, 65535), help="for p names (1024-65535)")
    parser.add_argument("--elsewhere", help="address for e names")
    options = parser.parse_args()
    if os.path.exists(options.control):
        os.unlink(options.control)
    server = Server(options)
    print("numbered server: ready", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
