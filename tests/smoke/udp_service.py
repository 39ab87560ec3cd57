#!/usr/bin/python3
"""A UDP service beside Portico, and what talks to it.

  udp_service.py serve --name WORD --bind ADDRESS@PORT[-LAST]... [--peer ADDRESS@PORT] [--rate N]
      Names its process WORD, binds the ports, prints `bound TIME` (seconds since 1970), sends every datagram back that begins
      with "ping ", as "pong ". With --peer it sends N pings a second there from its first port, too. On SIGTERM it stops
      sending, waits 0.5 s for what is under way (3 s at most for its own pings), closes, and prints
      `sent N back N echoed N other N`, a line `lost N of TIME` for each that is not back, and `left TIME`.
  udp_service.py ping --from ADDRESS@PORT --to ADDRESS@PORT [--rate N] --seconds S
      Sends N pings a second, waits 0.5 s more (3 s at most for its pings), prints `sent N back N`; exit status 0 if every
      ping came back.
  udp_service.py ephemeral COUNT
      Binds port 0 so often, one after the other, and prints the ports that the kernel handed out, sorted, each once.
Addresses: 0.0.0.0 is the IPv4 wildcard, :: that of both families, ADDRESS@0 a port of the kernel's choice.
"""
import argparse
import selectors
import signal
import socket
import sys
import time

WAIT_S = 0.5
WAIT_MOST_S = 3.0  # a machine that stood still loses nothing
STOP_S = 0.02  # a SIGTERM is noticed within


def endpoints(text):
    address, _, ports = text.rpartition("@")
    first, _, last = ports.partition("-")
    return [(address, port) for port in range(int(first), int(last or first) + 1)]


def open_socket(address, port):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
    sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    sock.bind((address, port))
    sock.setblocking(False)
    return sock


class Exchange:
    """Pings out of one socket and what comes back to any."""

    def __init__(self, sockets):
        self.selector = selectors.DefaultSelector()
        for sock in sockets:
            self.selector.register(sock, selectors.EVENT_READ)
        self.sent, self.waiting, self.back, self.echoed, self.other = 0, {}, 0, 0, 0
        self.stopped = False

    def ping(self, sock, peer):
        number = self.sent
        self.sent += 1
        self.waiting[number] = time.time()
        try:
            sock.sendto(b"ping %d" % number, peer)
        except OSError as error:
            print(f"to {peer}: {error}", file=sys.stderr, flush=True)

    def collect(self, timeout):
        for key, _events in self.selector.select(timeout):
            for _ in range(64):
                try:
                    data, peer = key.fileobj.recvfrom(4096)
                except BlockingIOError:
                    break
                except OSError as error:
                    print(error, file=sys.stderr, flush=True)
                    break
                self.on_datagram(key.fileobj, data, peer)

    def on_datagram(self, sock, data, peer):
        if data.startswith(b"ping "):
            sock.sendto(b"pong " + data[5:], peer)
            self.echoed += 1
        elif data.startswith(b"pong ") and int(data[5:]) in self.waiting:
            del self.waiting[int(data[5:])]
            self.back += 1
        else:
            self.other += 1

    def run(self, until, sock=None, peer=None, rate=0):
        """Until a time, or until it is stopped, between two datagrams, so that each is counted; pings in between."""
        start, first = time.monotonic(), self.sent
        while time.monotonic() < until if until is not None else not self.stopped:
            due = None
            if peer:
                while start + (self.sent - first) / rate <= time.monotonic():
                    self.ping(sock, peer)
                due = start + (self.sent - first) / rate
            ends = [moment for moment in (until, due) if moment is not None]
            self.collect(max(0.0, min([STOP_S, *(end - time.monotonic() for end in ends)])))

    def wait(self):
        """For what is under way: pings of others, and what comes back of ours."""
        start = time.monotonic()
        self.run(start + WAIT_S)
        while self.waiting and time.monotonic() < start + WAIT_MOST_S:
            self.collect(STOP_S)
        self.collect(0.0)


def serve(options):
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(options.name)
    sockets = [open_socket(*endpoint) for text in options.bind for endpoint in endpoints(text)]
    exchange = Exchange(sockets)

    def stop(_signal, _frame):
        exchange.stopped = True

    signal.signal(signal.SIGTERM, stop)
    print(f"bound {time.time():.6f}", flush=True)
    exchange.run(None, sockets[0], options.peer and endpoints(options.peer)[0], options.rate)
    exchange.wait()
    for sock in sockets:
        sock.close()
    print(f"sent {exchange.sent} back {exchange.back} echoed {exchange.echoed} other {exchange.other}")
    for number, moment in exchange.waiting.items():
        print(f"lost {number} of {moment:.6f}")
    print(f"left {time.time():.6f}", flush=True)
    return 0


def ping(options):
    sock = open_socket(*endpoints(getattr(options, "from"))[0])
    exchange = Exchange([sock])
    exchange.run(time.monotonic() + options.seconds, sock, endpoints(options.to)[0], options.rate)
    exchange.wait()
    print(f"sent {exchange.sent} back {exchange.back}")
    return 0 if exchange.sent == exchange.back else 1


def ephemeral(options):
    ports = set()
    for _ in range(options.count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("0.0.0.0", 0))
            ports.add(sock.getsockname()[1])
    print(*sorted(ports), sep="\n")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("serve")
    command.add_argument("--name", required=True)
    command.add_argument("--bind", action="append", required=True)
    command.add_argument("--peer")
    command.add_argument("--rate", type=int, default=100)
    command.set_defaults(run=serve)
    command = commands.add_parser("ping")
    command.add_argument("--from", required=True)
    command.add_argument("--to", required=True)
    command.add_argument("--rate", type=int, default=100)
    command.add_argument("--seconds", type=float, required=True)
    command.set_defaults(run=ping)
    command = commands.add_parser("ephemeral")
    command.add_argument("count", type=int)
    command.set_defaults(run=ephemeral)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
