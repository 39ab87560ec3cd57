#!/usr/bin/python3
"""A scripted upstream DNS server that wants TCP: by UDP every answer is TC=1, empty; over TCP a label of the question's
name (or --behaviour) says what happens:

  good          the true answer
  close         the connection is closed after the question
  reset         it is reset after the question
  cut           it is reset in the middle of the answer
  mute          nothing ever comes
  tc            TC=1, empty, over TCP too
  servfail      SERVFAIL
  other         first a forged answer to another question under the same ID, 100 ms later the true one
  wrong-id      first a forged answer under another ID, 100 ms later the true one
  garbage       a length of zero
  short         a message of 11 bytes
  dribble       the true answer, a byte at a time
  order         held until three such are there or 200 ms have passed, then answered last first
  single        the true answer, then the connection is closed
  udp           the true answer by UDP already

Each --address is listened on for UDP and TCP; each --no-tcp for UDP alone (a SYN is refused by the kernel); at each --reset-tcp a
connection is reset as soon as it is there. The true data and the forged are those of upstream.py.

--log writes a line for everything that happens, "MS WHAT ADDRESS [CONNECTION] [QNAME QTYPE]", WHAT being udp (a query),
connect, tcp (a query) or closed (by the other side); CONNECTION counts from 1.
"""
import argparse
import asyncio
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from upstream import TC, TYPE_NAMES, Query, build, evil  # noqa: E402

WORDS = ("good", "close", "reset", "cut", "mute", "tc", "servfail", "other", "wrong-id", "garbage", "short", "dribble",
         "order", "single", "udp")
SERVFAIL = 2
GAP_S = 0.1
DRIBBLE_S = 0.002
ORDER_COUNT = 3
ORDER_S = 0.2


def framed(message):
    return struct.pack("!H", len(message)) + message


class Server:
    def __init__(self, options):
        self.behaviour = options.behaviour
        self.log = open(options.log, "a", encoding="ascii", buffering=1) if options.log else None
        self.connections = 0

    def note(self, what, address, query=None, connection=None):
        if self.log is None:
            return
        words = ["%d" % (time.monotonic() * 1000), what, address]
        if connection is not None:
            words.append(str(connection))
        if query is not None:
            words += [query.name().lower(), TYPE_NAMES.get(query.qtype, str(query.qtype))]
        self.log.write(" ".join(words) + "\n")

    def word_of(self, query):
        for label in query.labels:
            word = label.decode("latin-1").lower()
            if word in WORDS:
                return word
        return self.behaviour


class Udp(asyncio.DatagramProtocol):
    def __init__(self, server, address):
        self.server, self.address, self.transport = server, address, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        try:
            query = Query(data, self.address, addr, None)
        except ValueError:
            return
        self.server.note("udp", self.address, query)
        by_udp = self.server.word_of(query) == "udp"
        self.transport.sendto(build(query) if by_udp else build(query, flags=TC, answer=False), addr)


class Stream:
    """A connection."""

    def __init__(self, server, address, writer):
        server.connections += 1
        self.number, self.server, self.address, self.writer = server.connections, server, address, writer
        self.held, self.held_timer = [], None

    def write(self, data):
        if not self.writer.is_closing():
            self.writer.write(data)

    def reset(self):
        """RST, once what was written has left."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def release(self):
        if self.held_timer is not None:
            self.held_timer.cancel()
            self.held_timer = None
        for query in reversed(self.held):
            self.write(framed(build(query)))
        self.held = []

    def hold(self, query):
        self.held.append(query)
        if len(self.held) >= ORDER_COUNT:
            self.release()
        elif self.held_timer is None:
            self.held_timer = asyncio.get_running_loop().call_later(ORDER_S, self.release)

    async def dribble(self, data):
        for i in range(len(data)):
            self.write(data[i:i + 1])
            await asyncio.sleep(DRIBBLE_S)

    async def after_forged(self, query, forged):
        self.write(framed(forged))
        await asyncio.sleep(GAP_S)
        self.write(framed(build(query)))

    async def answer(self, query):
        word = self.server.word_of(query)
        truth = framed(build(query))
        if word in ("good", "udp"):
            self.write(truth)
        elif word == "close":
            self.writer.close()
        elif word == "reset":
            self.reset()
        elif word == "cut":
            self.write(truth[:len(truth) // 2])
            await asyncio.sleep(DRIBBLE_S)
            self.reset()
        elif word == "tc":
            self.write(framed(build(query, flags=TC, answer=False)))
        elif word == "servfail":
            self.write(framed(build(query, rcode=SERVFAIL)))
        elif word == "other":
            await self.after_forged(query, evil(query, qname=b"\x03www\x04evil\x04test\x00"))
        elif word == "wrong-id":
            await self.after_forged(query, evil(query, query_id=query.id ^ 1))
        elif word == "garbage":
            self.write(b"\0\0")
        elif word == "short":
            self.write(framed(truth[2:13]))
        elif word == "dribble":
            await self.dribble(truth)
        elif word == "order":
            self.hold(query)
        elif word == "single":
            self.write(truth)
            self.writer.close()
        # mute: nothing

    async def serve(self, reader):
        tasks = set()
        try:
            while True:
                length, = struct.unpack("!H", await reader.readexactly(2))
                query = Query(await reader.readexactly(length), self.address, self.writer.get_extra_info("peername"), None)
                self.server.note("tcp", self.address, query, self.number)
                task = asyncio.ensure_future(self.answer(query))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
        except (asyncio.IncompleteReadError, OSError):
            self.server.note("closed", self.address, None, self.number)
        for task in tasks:
            task.cancel()
        self.writer.close()


async def run(options):
    loop = asyncio.get_running_loop()
    server = Server(options)

    def accept(address, at_once):
        async def accepted(reader, writer):
            stream = Stream(server, address, writer)
            server.note("connect", address, None, stream.number)
            if at_once:
                stream.reset()
            else:
                await stream.serve(reader)
        return accepted

    for address in options.address + options.no_tcp + options.reset_tcp:
        await loop.create_datagram_endpoint(lambda address=address: Udp(server, address),
                                            local_addr=(address, options.port))
        if address not in options.no_tcp:
            await asyncio.start_server(accept(address, address in options.reset_tcp), address, options.port, backlog=1024)
    print("tcp_upstream: ready", flush=True)
    await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--address", action="append", default=[])
    parser.add_argument("--no-tcp", action="append", default=[])
    parser.add_argument("--reset-tcp", action="append", default=[])
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--behaviour", choices=WORDS, default="good")
    parser.add_argument("--log")
    options = parser.parse_args()
    try:
        asyncio.run(run(options))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
