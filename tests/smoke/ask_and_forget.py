#!/usr/bin/python3
"""Asks --count questions at --rate a second, from many addresses in turn (a socket each), and waits for no answer.

%d in NAME is the question's number. Prints `sent N seconds S`.
"""
import argparse
import ipaddress
import socket
import sys
import time

import dns_wire as dns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("name")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--first-source", required=True, help="the first of the addresses to ask from")
    parser.add_argument("--source-count", type=int, default=1, help="how many there are")
    options = parser.parse_args()
    first = ipaddress.ip_address(options.first_source)
    sockets = []
    for i in range(options.source_count):
        sock = socket.socket(socket.AF_INET6 if first.version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((str(first + i), 0))
        sock.connect((options.server, 53))
        sock.setblocking(False)
        sockets.append(sock)
    start = time.monotonic()
    for i in range(options.count):
        message = dns.header(i & 0xffff, counts=(1, 0, 0, 0)) + dns.question(options.name % i, 1)
        sockets[i % len(sockets)].send(message)
        if i % 32 == 31:
            time.sleep(max(0.0, start + (i + 1) / options.rate - time.monotonic()))
    print(f"sent {options.count} seconds {time.monotonic() - start:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
