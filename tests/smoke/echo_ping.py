#!/usr/bin/python3
"""ping: sends echo requests of a size through the kernel's own stack and checks that each comes back whole.

Exit status 0 if every one did, in its order's sequence number and with its bytes.
"""
import argparse
import os
import socket
import struct
import sys
import time


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[:len(data) // 2 * 2]))
    if len(data) % 2:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--size", type=int, default=56)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--interval", type=float, default=0, help="seconds between two")
    options = parser.parse_args()
    v6 = ":" in options.address
    sock = socket.socket(*((socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) if v6 else
                           (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)))
    sock.connect((options.address, 0))
    request, reply = (128, 129) if v6 else (8, 0)
    ident, payload, lost = os.getpid() & 0xffff, os.urandom(options.size), 0
    for sequence in range(options.count):
        message = struct.pack("!BBHHH", request, 0, 0, ident, sequence) + payload
        if not v6:  # the kernel fills in that of ICMPv6
            message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
        time.sleep(options.interval if sequence else 0)
        sock.send(message)
        end, wanted = time.monotonic() + 1, struct.pack("!HH", ident, sequence) + payload
        while True:
            sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                got = sock.recv(65535)
            except TimeoutError:
                lost += 1
                break
            if not v6:
                got = got[(got[0] & 15) * 4:]
                if checksum(got):
                    continue
            if got[0] == reply and got[4:] == wanted:
                break
    print(f"sent {options.count} lost {lost}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
