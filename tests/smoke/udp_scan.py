#!/usr/bin/python3
"""Sends a datagram to every UDP port of a range, twice, and some that come in fragments and with IP options.

  udp_scan.py ADDRESS FIRST LAST   prints `sent N refused N`: refused are those that an ICMP error came for.
"""
import argparse
import socket
import time

BATCH = 256
FRAGMENTED_BYTES = 3000
IP_OPTIONS = bytes([1, 1, 1, 0])  # no operation, end


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    options = parser.parse_args()
    v6 = ":" in options.address
    sent = refused = 0

    def one(port, data, with_options=False):
        nonlocal sent, refused
        with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as s:
            if with_options and not v6:
                s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, IP_OPTIONS)
            s.connect((options.address, port))
            s.send(data)
            sent += 1
            if sent % BATCH == 0:
                time.sleep(0.002)
            return s.dup()

    for data, with_options, step in ((b"scan", False, 1), (b"scan", False, 1), (b"scan", True, 97),
                                     (bytes(FRAGMENTED_BYTES), False, 97)):
        asked = []
        for port in range(options.first, options.last + 1, step):
            asked.append(one(port, data, with_options))
            if len(asked) == BATCH or port + step > options.last:
                time.sleep(0.01)
                for s in asked:
                    refused += s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0
                    s.close()
                asked = []
    print(f"sent {sent} refused {refused}")


if __name__ == "__main__":
    main()
