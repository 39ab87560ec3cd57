#!/usr/bin/python3
"""Many clients of DNS over TCP at once, for tcp_load_test.sh.

  well SERVER CLIENTS QUESTIONS NAME    CLIENTS connections, each with QUESTIONS pipelined (I-J.NAME A): how many are answered
  slow SERVER CLIENTS NAME SECONDS      each asks 1,000 times for NAME TXT and reads a byte every 100 ms
  silent SERVER CLIENTS SECONDS         each connects, again when it was closed, and says nothing
  trickle SERVER CLIENTS NAME SECONDS   each sends a byte a second
  syn SERVER RATE SECONDS               SYNs from 198.18.200.0/22 that nobody completes

The last four end after SECONDS and say how often they were closed (syn: how many were sent).
"""
import os
import resource
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dns_wire as dns

PORT = 53


def connect(server, receive_bytes=0):
    sock = socket.socket()
    if receive_bytes:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    sock.settimeout(10)
    sock.connect((server, PORT))
    sock.setblocking(False)
    return sock


def framed(qid, name, qtype=1):
    message = dns.header(qid) + dns.question(name, qtype)
    return struct.pack("!H", len(message)) + message


class Client:
    """A well-behaved one: sends as it can, reads as it comes."""

    def __init__(self, server, number, count, name):
        self.unsent = b"".join(framed(i, f"{number}-{i}.{name}") for i in range(count))
        self.missing = set(range(count))
        self.received = b""
        self.failed = 0
        self.sock = connect(server)

    def on_readable(self):
        data = self.sock.recv(65536)
        if not data:
            return False
        self.received += data
        while len(self.received) >= 2:
            length = struct.unpack_from("!H", self.received)[0]
            if len(self.received) < 2 + length:
                break
            qid, flags = struct.unpack_from("!HH", self.received, 2)
            self.missing.discard(qid)
            self.failed += flags & 15 != 0
            self.received = self.received[2 + length:]
        return bool(self.missing)

    def on_writable(self):
        self.unsent = self.unsent[self.sock.send(self.unsent):]


def well(server, clients, questions, name):
    clients, questions = int(clients), int(questions)
    selector = selectors.DefaultSelector()
    everybody = []
    for number in range(clients):
        client = Client(server, number, questions, name)
        everybody.append(client)
        selector.register(client.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, client)
    deadline = time.monotonic() + 60
    while selector.get_map() and time.monotonic() < deadline:
        for key, events in selector.select(1):
            client = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    client.on_writable()
                    if not client.unsent:
                        selector.modify(client.sock, selectors.EVENT_READ, client)
                if events & selectors.EVENT_READ and not client.on_readable():
                    selector.unregister(client.sock)
            except (BlockingIOError, InterruptedError):
                pass
            except OSError:
                selector.unregister(client.sock)
    missing = sum(len(c.missing) for c in everybody)
    print("answered", clients * questions - missing, "of", clients * questions,
          "by", sum(not c.missing for c in everybody), "clients,", sum(c.failed for c in everybody), "failures")


def is_closed(sock, read_bytes):
    try:
        return sock.recv(read_bytes) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def keep_up(server, count, seconds, step_s, begin, step):
    """So many connections, each made again when it is closed; step(sock) every step_s."""
    socks, closed = [], 0
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        begun = time.monotonic()
        while len(socks) < int(count):
            try:
                sock = connect(server, 2048)
                begin(sock)
                socks.append(sock)
            except OSError:
                closed += 1
                break
        gone = [s for s in socks if step(s)]
        closed += len(gone)
        for sock in gone:
            socks.remove(sock)
            sock.close()
        time.sleep(max(0.01, begun + step_s - time.monotonic()))
    print("closed", closed)


def slow(server, count, name, seconds):
    asked = b"".join(framed(i, name, 16) for i in range(1000))
    keep_up(server, count, seconds, 0.1, lambda s: s.send(asked), lambda s: is_closed(s, 1))


def silent(server, count, seconds):
    keep_up(server, count, seconds, 0.5, lambda s: None, lambda s: is_closed(s, 1))


def trickle(server, count, name, seconds):
    message, at = framed(1, name), {}

    def step(sock):
        place = at.get(sock, 0)
        at[sock] = place + 1
        try:
            sock.send(message[place % len(message):][:1])
        except OSError:
            return True
        return is_closed(sock, 512)

    keep_up(server, count, seconds, 1.0, lambda s: None, step)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def syn(server, rate, seconds):
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    to, sent, begun = socket.inet_aton(server), 0, time.monotonic()
    while (passed := time.monotonic() - begun) < float(seconds):
        while sent < passed * int(rate):
            source = bytes([198, 18, 200 + sent % 4, sent // 4 % 254 + 1])
            tcp = struct.pack("!HHIIBBHHH", 1024 + sent % 60000, PORT, sent, 0, 5 << 4, 2, 64240, 0, 0)
            tcp = tcp[:16] + struct.pack("!H", checksum(source + to + b"\0\6" + struct.pack("!H", 20) + tcp)) + tcp[18:]
            sock.sendto(struct.pack("!BBHHHBBH", 0x45, 0, 40, 0, 0, 64, 6, 0) + source + to + tcp, (server, 0))
            sent += 1
        time.sleep(0.01)
    print("sent", sent)


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
COMMANDS = {f.__name__: f for f in (well, slow, silent, trickle, syn)}
COMMANDS[sys.argv[1]](*sys.argv[2:])
