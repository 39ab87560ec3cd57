#!/usr/bin/python3
"""Clients of DNS over TCP, good and bad ones, for tcp_clients_test.sh. Each prints what it saw, in words.

  pipelined SERVER COUNT NAME    COUNT questions for N.NAME at once: how many answers, each as UDP has it, in order or not
  late SERVER SLOW QUICK         a slow question, then a quick one: which name is answered first
  half SERVER NAME               asks, closes its half at once: answered, then closed by the server
  send SERVER HEX                sends these bytes: what comes back, and how it ends
  silent SERVER [HEX]            connects, sends nothing or these bytes: after how many tenths of a second it is closed
  idle SERVER NAME               asks once: after how many tenths of a second it is closed
  keepalive SERVER NAME          with the option: the timeout in the answer; without it: whether it is there
  many SERVER COUNT NAME         COUNT connections, each asked once, oldest first: which of them are closed then
  trickle SERVER NAME            the question byte by byte, 50 ms between them: is it answered
  stays SERVER NAME FILE         asks, waits until FILE is there, asks again on the same connection
"""
import os
import select
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dns_wire as dns

TIMEOUT_S = 8
KEEPALIVE = 11


def connect(server):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT_S)
    sock.connect((server, 53))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def query(qid, name, qtype=1, options=None):
    message = dns.header(qid, counts=(1, 0, 0, options is not None)) + dns.question(name, qtype)
    return message + dns.opt(options=options) if options is not None else message


def framed(message):
    return struct.pack("!H", len(message)) + message


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_message(sock):
    return read_exactly(sock, struct.unpack("!H", read_exactly(sock, 2))[0])


def over_udp(server, message):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.sendto(message, (server, 53))
        return sock.recv(65535)


def without_ttls(data):
    """The bytes, with zeroes for TTLs: seconds go by between two answers."""
    out, offset = bytearray(data), 12
    qdcount, *counts = struct.unpack_from("!4H", data, 4)
    for _ in range(qdcount):
        offset = dns.skip_name(data, offset) + 4
    for _ in range(sum(counts)):
        offset = dns.skip_name(data, offset)
        out[offset + 4:offset + 8] = bytes(4)
        offset += 10 + struct.unpack_from("!H", data, offset + 8)[0]
    return bytes(out)


def tenths(begun):
    return round((time.monotonic() - begun) * 10)


def until_closed(sock):
    """b"" or what came before; raises ConnectionResetError as it is."""
    data = b""
    while True:
        piece = sock.recv(65536)
        if not piece:
            return data
        data += piece


def pipelined(server, count, name):
    messages = {i: query(i, f"{i}.{name}", 16 if i % 3 == 0 else 1) for i in range(int(count))}
    with connect(server) as sock:
        sock.sendall(b"".join(framed(m) for m in messages.values()))
        answers = [read_message(sock) for _ in messages]
    ids = [struct.unpack_from("!H", a)[0] for a in answers]
    same = sum(without_ttls(a) == without_ttls(over_udp(server, messages[i])) for i, a in zip(ids, answers))
    print("answers", len(set(ids)), "as UDP", same)


def late(server, slow, quick):
    with connect(server) as sock:
        sock.sendall(framed(query(1, slow)) + framed(query(2, quick)))
        order = [struct.unpack_from("!H", read_message(sock))[0] for _ in range(2)]
    print(*("slow" if i == 1 else "quick" for i in order))


def half(server, name):
    with connect(server) as sock:
        sock.sendall(framed(query(7, name)) + framed(query(8, "second." + name)))
        sock.shutdown(socket.SHUT_WR)
        ids = sorted(struct.unpack_from("!H", read_message(sock))[0] for _ in range(2))
        print("answers", *ids, "then", "closed" if until_closed(sock) == b"" else "more")


def send(server, text):
    with connect(server) as sock:
        sock.sendall(bytes.fromhex(text))
        try:
            data = until_closed(sock)
            print("closed after", len(data), "bytes")
        except ConnectionResetError:
            print("reset")
        except TimeoutError:
            print("still open")


def silent(server, text=""):
    with connect(server) as sock:
        begun = time.monotonic()
        sock.sendall(bytes.fromhex(text))
        try:
            until_closed(sock)
        except ConnectionResetError:
            pass
        print(tenths(begun))


def idle(server, name):
    with connect(server) as sock:
        sock.sendall(framed(query(1, name)))
        read_message(sock)
        begun = time.monotonic()
        until_closed(sock)
        print(tenths(begun))


def keepalive_of(data):
    answer = dns.Answer(data)
    options, offset = answer.edns[2] if answer.edns else b"", 0
    while offset + 4 <= len(options):
        code, length = struct.unpack_from("!HH", options, offset)
        if code == KEEPALIVE:
            return struct.unpack_from("!H", options, offset + 4)[0] if length == 2 else "malformed"
        offset += 4 + length
    return "none"


def keepalive(server, name):
    with connect(server) as sock:
        seen = []
        for options in (dns.option(KEEPALIVE, b""), b"", None, dns.option(KEEPALIVE, b"")):
            sock.sendall(framed(query(1, name, options=options)))
            seen.append(keepalive_of(read_message(sock)))
    with_option = query(1, name, options=dns.option(KEEPALIVE, b""))
    print("with", seen[0], "without", seen[1], "no EDNS", seen[2], "again", seen[3], "UDP",
          keepalive_of(over_udp(server, with_option)))


def is_open(sock):
    readable, _, _ = select.select([sock], [], [], 0)
    try:
        return not readable or sock.recv(1, socket.MSG_PEEK) != b""
    except ConnectionResetError:
        return False


def many(server, count, name):
    socks = []
    for _ in range(int(count)):
        socks.append(None)
        try:
            sock = connect(server)
            socks[-1] = sock
            sock.sendall(framed(query(1, name)))
            read_message(sock)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            socks[-1] = None
    time.sleep(0.3)
    print(*("open" if s is not None and is_open(s) else "closed" for s in socks))


def trickle(server, name):
    with connect(server) as sock:
        for byte in framed(query(3, name)):
            sock.sendall(bytes([byte]))
            time.sleep(0.05)
        print("answered", struct.unpack_from("!H", read_message(sock))[0])


def stays(server, name, path):
    with connect(server) as sock:
        sock.sendall(framed(query(1, name)))
        read_message(sock)
        print("asked", flush=True)
        while not os.path.exists(path):
            time.sleep(0.05)
        sock.sendall(framed(query(2, name)))
        print("asked again", struct.unpack_from("!H", read_message(sock))[0])


COMMANDS = {f.__name__: f for f in (pipelined, late, half, send, silent, idle, keepalive, many, trickle, stays)}
COMMANDS[sys.argv[1]](*sys.argv[2:])
