#!/usr/bin/python3
"""What a kernel does beside Portico on a NIC that they share, but for UDP services (udp_service.py).

  kernel_traffic.py stream ADDRESS PORT             serve: each TCP client is sent a stream of known bytes until it leaves;
                                                    prints `listening`
  kernel_traffic.py fetch ADDRESS PORT --seconds S  read such a stream; prints `N bytes, longest pause M ms`; exit status
                                                    0 if every byte was the right one and it never broke off
  kernel_traffic.py big ADDRESS PORT --bytes N      echo datagrams of N bytes off a UDP service, in fragments both ways;
                                                    prints `sent N back N`; exit status 0 if every one came back
  kernel_traffic.py ask ADDRESS PORT --count N      as resolvers do that choose their own source ports: N pings to a UDP service,
                                                    each from a random port of which nobody hears a moment before; prints
                                                    `sent N back N`; exit status 0 if every one came back
  kernel_traffic.py first ADDRESS PORT              send the first fragment of a datagram to PORT, and nothing after it
"""
import argparse
import os
import random
import socket
import struct
import sys
import threading
import time

PATTERN = bytes(range(251)) * 521  # no power of two: a lost piece shows


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send_stream(client):
    with client:
        try:
            while True:
                client.sendall(PATTERN)
                time.sleep(0.005)  # ~25 MB/s: a load, not a flood
        except OSError:
            pass


def stream(options):
    with socket.create_server((options.address, options.port), family=family_of(options.address),
                              reuse_port=True) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            threading.Thread(target=send_stream, args=(client,), daemon=True).start()


def fetch(options):
    count, last, pause, good = 0, time.monotonic(), 0.0, True
    end = last + options.seconds
    with socket.create_connection((options.address, options.port), timeout=10) as sock:
        while time.monotonic() < end:
            got = sock.recv(65536)
            now = time.monotonic()
            pause, last = max(pause, now - last), now
            at = count % len(PATTERN)
            if not got or got != (PATTERN + PATTERN)[at:at + len(got)]:
                good = False
                break
            count += len(got)
    print(f"{count} bytes, longest pause {pause * 1000:.0f} ms")
    return 0 if good and count > 0 else 1


def big(options):
    back = 0
    with socket.socket(family_of(options.address), socket.SOCK_DGRAM) as sock:
        sock.connect((options.address, options.port))
        sock.settimeout(2)
        for i in range(options.count):
            payload = b"ping %d " % i + os.urandom(options.bytes - 16)
            try:
                sock.send(payload)
                back += sock.recv(65535) == b"pong" + payload[4:]
            except OSError:
                pass
    print(f"sent {options.count} back {back}")
    return 0 if back == options.count else 1


def bind_random(sock):
    while True:
        try:
            sock.bind(("", random.randrange(1024, 32768)))
            return
        except OSError:  # somebody has it
            pass


def ask(options):
    back = 0
    for i in range(options.count):
        with socket.socket(family_of(options.address), socket.SOCK_DGRAM) as sock:
            bind_random(sock)
            sock.settimeout(0.3)
            sock.sendto(b"ping %d" % i, (options.address, options.port))
            try:
                back += sock.recv(65535) == b"pong %d" % i
            except OSError:
                pass
    print(f"sent {options.count} back {back}")
    return 0 if back == options.count else 1


def first(options):
    udp = struct.pack("!HHHH", 53, options.port, 2000, 0) + bytes(1464)
    if family_of(options.address) == socket.AF_INET6:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_FRAGMENT) as sock:
            sock.sendto(struct.pack("!BBHI", socket.IPPROTO_UDP, 0, 1, 7) + udp[:1232], (options.address, 0))
        return 0
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 7, 0x2000, 64, socket.IPPROTO_UDP, 0,
                         bytes(4), socket.inet_aton(options.address))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        sock.sendto(header + udp, (options.address, 0))
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["stream", "fetch", "big", "ask", "first"])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bytes", type=int, default=4000)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    return globals()[options.what](options)


if __name__ == "__main__":
    sys.exit(main())
