#!/usr/bin/python3
"""A NAT for UDP over IPv4 that is explicit about the ports that it gives out, for what no kernel's NAT does any more.

Runs in a namespace that is the gateway of the inside network and does not forward by itself (ip_forward 0): takes
packets for others off the inside interface, sends what is in them from sockets of its own on the outside address, and
brings the answers back.

  --ports sequence      each new flow gets the port after the last one
  --ports sequence:7    ... 7 ports further
  --ports shared        in sequence, but other flows take up to 40 ports in between
  --ports one           all flows leave from one port; whose an answer is, its DNS ID tells
  --ports proxy         a DNS proxy: each query leaves with a port and an ID of the proxy's own, both at random
"""
import argparse
import random
import selectors
import signal
import socket
import struct
import sys

ETH_P_IP = 0x0800
PACKET_OUTGOING = 4
UDP = 17
FLOWS_MAX = 400  # sockets open at a time; the oldest is closed
FIRST_PORT, LAST_PORT = 20000, 60000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Flow:
    """Who asked: all that the way back needs."""

    def __init__(self, frame, inside_mac):
        self.ethernet = frame[6:12] + inside_mac + frame[12:14]
        self.src, self.dst = frame[26:30], frame[30:34]
        header = 14 + (frame[14] & 15) * 4
        self.src_port, self.dst_port, length = struct.unpack_from("!HHH", frame, header)
        self.payload = frame[header + 8:header + length]

    def answer(self, payload):
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, UDP, 0) + self.dst + self.src
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        # Over IPv4 a datagram may go without a checksum.
        return self.ethernet + ip + struct.pack("!4H", self.dst_port, self.src_port, 8 + len(payload), 0) + payload


class Nat:
    def __init__(self, options):
        self.policy, _, step = options.ports.partition(":")
        self.step = int(step or 1)
        self.outside = options.outside
        self.inside = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        self.inside.bind((options.inside, ETH_P_IP))
        self.mac = self.inside.getsockname()[4]
        self.port = FIRST_PORT
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.inside, selectors.EVENT_READ, None)
        self.sockets = {}  # (client, port) -> (socket, its flows by ID or None)
        self.shared = self.open(FIRST_PORT) if self.policy == "one" else None

    def open(self, port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.bind((self.outside, port))
        except OSError:
            sock.close()
            return None
        sock.setblocking(False)
        entry = (sock, {})
        self.selector.register(sock, selectors.EVENT_READ, entry)
        return entry

    def next_port(self):
        if self.policy == "proxy":
            return random.randint(1024, 65535)
        self.port += self.step if self.policy == "sequence" else random.randint(1, 41)
        if self.port > LAST_PORT:
            self.port = FIRST_PORT
        return self.port

    def entry_for(self, flow):
        if self.shared is not None:
            return self.shared
        key = flow.src, flow.src_port
        if key in self.sockets and self.policy != "proxy":
            return self.sockets[key]
        entry = None
        while entry is None:
            entry = self.open(self.next_port())
        old = self.sockets.pop(key, None)
        if old is None and len(self.sockets) >= FLOWS_MAX:
            old = self.sockets.pop(next(iter(self.sockets)))
        if old is not None:
            self.selector.unregister(old[0])
            old[0].close()
        self.sockets[key] = entry
        return entry

    def take_inside(self):
        frame, sender = self.inside.recvfrom(4096)
        if sender[2] == PACKET_OUTGOING or len(frame) < 42 or frame[0:6] != self.mac or frame[23] != UDP:
            return
        flow = Flow(frame, self.mac)
        if len(flow.payload) < 12:
            return
        sock, flows = self.entry_for(flow)
        qid = flow.payload[:2]
        sent_id = random.randbytes(2) if self.policy == "proxy" else qid
        flows[sent_id] = flow, qid
        sock.sendto(sent_id + flow.payload[2:], (socket.inet_ntoa(flow.dst), flow.dst_port))

    def take_outside(self, entry):
        sock, flows = entry
        payload, peer = sock.recvfrom(4096)
        flow, qid = flows.pop(payload[:2], (None, None))
        if flow is not None and peer == (socket.inet_ntoa(flow.dst), flow.dst_port):
            self.inside.send(flow.answer(qid + payload[2:]))

    def run(self):
        print("nat_box: ready", flush=True)
        while True:
            for key, _ in self.selector.select():
                try:
                    if key.data is None:
                        self.take_inside()
                    elif key.fileobj.fileno() >= 0:  # not closed in this very round
                        self.take_outside(key.data)
                except (BlockingIOError, ConnectionError):
                    continue


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inside", required=True, metavar="INTERFACE")
    parser.add_argument("--outside", required=True, metavar="ADDRESS")
    parser.add_argument("--ports", required=True, metavar="POLICY")
    options = parser.parse_args()
    if options.ports.partition(":")[0] not in ("sequence", "shared", "one", "proxy"):
        parser.error(f"--ports {options.ports}: one of sequence, sequence:STEP, shared, one, proxy")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Nat(options).run()


if __name__ == "__main__":
    main()
