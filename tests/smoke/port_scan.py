#!/usr/bin/python3
"""Scans all UDP ports of Portico's outgoing address while queries are under way, on the switch's end of its link, where
every frame that it sends is seen: none but answers of the DNS port, queries to the server and what ARP, ND and ping ask for
may come (SAD DNS, SECURITY.md A6).

  scan      asks --count questions whose answers the server withholds, sends a probe to every port from one source, has the
            server release what it holds, and counts the answers. Prints `answered N probes N received N strays N upstream N
            alive_ms N`; exit status 0 if all were answered and no stray frame came.
  timing    the same questions; then probes of ports in use and idle, in random order, each followed by a ping or an ARP
            request. Prints p of the two-sample test of Kolmogorov and Smirnov for the round trips of both. Exit status
            0 if neither tells the ports apart.
  control   probes of a kernel's closed ports: exit status 0 if strays were seen, as they must be there.
  self-check  the judgements, on samples and frames made up.
"""
import argparse
import json
import math
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time

import dns_wire as dns

OURS = {4: "198.18.0.53", 6: "2001:2:0:1::53"}
SERVER = {4: "198.18.0.20", 6: "2001:2:0:1::20"}
CLIENT = {4: "198.18.0.77", 6: "2001:2:0:1::77"}
NEIGHBOUR = "198.18.0.10"  # whose MAC a kernel can learn
CLIENT_MAC = bytes.fromhex("020000000077")
TRUE_A = socket.inet_aton("198.18.99.1")
FIRST_CLIENT_PORT = 20000
SO_TIMESTAMPNS = 35
P_MIN = 0.01
BATCH = 64
PINGS_PER_S, ARPS_PER_S = 800, 70  # below what is answered

# Who probes: family, address, port, payload. Ports and addresses that a guesser would try.
SOURCES = {
    "own": (4, CLIENT[4], 40000, "reply"),
    "on-link": (4, "198.18.0.99", 53, "reply"),
    "far": (4, "198.19.77.7", 53, "query"),
    "server-short": (4, SERVER[4], 53, "short"),
    "server-query": (4, SERVER[4], 53, "query"),
    "server-other-port": (4, SERVER[4], 5353, "reply"),
    "server-reply": (4, SERVER[4], 53, "reply"),
    "own-v6": (6, CLIENT[6], 40000, "reply"),
    "server-short-v6": (6, SERVER[6], 53, "short"),
    "server-reply-v6": (6, SERVER[6], 53, "reply"),
}
PAYLOADS = {
    "short": b"\0",
    "query": dns.header(0x5ad) + dns.question("port.scan.test"),
    "reply": dns.header(0x5ad, dns.QR | dns.RA) + dns.question("port.scan.test"),
}


def ip_bytes(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_frame(dst_mac, source, target, protocol, payload):
    """An Ethernet frame from CLIENT_MAC; the payload's own checksum is the caller's."""
    if ":" in source:
        header = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 255) + ip_bytes(source) + ip_bytes(target)
        return dst_mac + CLIENT_MAC + b"\x86\xdd" + header + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0)
    header += ip_bytes(source) + ip_bytes(target)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return dst_mac + CLIENT_MAC + b"\x08\0" + header + payload


def pseudo_header(source, target, protocol, length):
    return ip_bytes(source) + ip_bytes(target) + struct.pack("!IHH", length, 0, protocol)


def udp_frame(dst_mac, source, source_port, target, port, payload):
    length = 8 + len(payload)
    total = 0  # none over IPv4
    if ":" in source:
        total = checksum(pseudo_header(source, target, 17, length) +
                         struct.pack("!HHHH", source_port, port, length, 0) + payload) or 0xffff
    datagram = struct.pack("!HHHH", source_port, port, length, total) + payload
    return ip_frame(dst_mac, source, target, 17, datagram)


def ping_frame(dst_mac, sequence):
    message = struct.pack("!BBHHH", 8, 0, 0, 0x5ad, sequence) + bytes(32)
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ip_frame(dst_mac, CLIENT[4], OURS[4], 1, message)


def arp_frame():
    return (b"\xff" * 6 + CLIENT_MAC + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1) + CLIENT_MAC +
            ip_bytes(CLIENT[4]) + bytes(6) + ip_bytes(OURS[4]))


def judge(frame):
    """What a frame from Portico is: ("answer", client port, message), ("upstream", port, message), ("ping", sequence),
    ("arp",), ("link",) or ("stray",)."""
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x06":
        return ("arp",) if packet[7] == 2 else ("link",)
    if kind == b"\x08\0":
        family, protocol, source, target = 4, packet[9], packet[12:16], packet[16:20]
        packet = packet[(packet[0] & 15) * 4:struct.unpack_from("!H", packet, 2)[0]]
    elif kind == b"\x86\xdd":
        family, protocol, source, target = 6, packet[6], packet[8:24], packet[24:40]
        packet = packet[40:40 + struct.unpack_from("!H", packet, 4)[0]]
    else:
        return ("stray",)
    if protocol == 1 and packet[0] == 0:
        return ("ping", struct.unpack_from("!H", packet, 6)[0])
    if protocol == 58 and packet[0] in (129, 135, 136):
        return ("link",)
    if protocol == 17 and source == ip_bytes(OURS[family]):
        source_port, port = struct.unpack_from("!HH", packet)
        if source_port == 53:
            return ("answer", port, packet[8:])
        if target == ip_bytes(SERVER[family]) and port == 53:
            return ("upstream", source_port, packet[8:])
    return ("stray",)


class Wire:
    """The switch's port towards Portico (or another): frames to it, and all those that come from it."""

    def __init__(self, options):
        self.options, self.mac = options, bytes.fromhex(options.mac.replace(":", ""))
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sock.bind((options.interface, 0))
        self.sock.setblocking(False)
        self.strays, self.answers, self.in_use, self.upstream, self.round_trip = [], {}, set(), 0, None

    def send(self, frame):
        while True:
            try:
                return self.sock.send(frame)
            except BlockingIOError:
                select.select([], [self.sock], [], 0.1)

    def receive(self):
        """All frames that are there; how many."""
        count = 0
        while True:
            try:
                frame, ancillary, _flags, address = self.sock.recvmsg(65535, 64)
            except BlockingIOError:
                return count
            if address[2] == 4 or frame[6:12] != self.mac:  # PACKET_OUTGOING; from elsewhere
                continue
            count += 1
            kind, *what = judge(frame)
            if kind == "stray":
                self.strays.append(frame)
            elif kind == "answer":
                self.answers[what[0]] = what[1]
            elif kind == "upstream" and b"withhold" in what[1].lower():
                self.upstream += 1
                self.in_use.add(what[0])
            elif kind in ("ping", "arp"):
                seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
                self.round_trip = (kind, what, seconds * 10**9 + nanoseconds)

    def wait(self, seconds, done):
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            select.select([self.sock], [], [], max(0.0, min(0.05, end - time.monotonic())))
            self.receive()
        return done()

    def ask(self, family):
        """The questions whose answers are withheld, each from a port of its own."""
        tag = random.randrange(1 << 32)
        self.asked_at = time.monotonic()
        for i in range(self.options.count):
            name = f"withhold.{tag:x}-{i}.{'six' if family == 6 else 'four'}.test"
            self.send(udp_frame(self.mac, CLIENT[4], FIRST_CLIENT_PORT + i, OURS[4], 53,
                                dns.header(i) + dns.question(name)))
            if i % 16 == 15:
                self.receive()
                time.sleep(0.001)
        return self.wait(1.5, lambda: self.upstream >= self.options.count)

    def release(self):
        self.alive_ms = int((time.monotonic() - self.asked_at) * 1000)
        subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "../lab/upstream.py"), "--tell",
                        self.options.control, "release"], check=True, stdout=subprocess.DEVNULL)
        self.wait(2, lambda: len(self.answers) >= self.options.count)
        self.wait(0.3, lambda: False)

    def answered(self):
        """How many questions have got the true answer."""
        count = 0
        for i in range(self.options.count):
            try:
                answer = dns.Answer(self.answers[FIRST_CLIENT_PORT + i])
                count += (answer.id == i and answer.rcode == "NOERROR" and
                          [record[2] for record in answer.sections[0]] == [TRUE_A])
            except (KeyError, ValueError, IndexError, struct.error):
                pass
        return count

    def counter(self, name):
        out = subprocess.run([self.options.ctl, "-p", self.options.prefix, "stats", "--json"], check=True,
                             stdout=subprocess.PIPE).stdout
        return json.loads(out)[name]

    def show_strays(self):
        for frame in self.strays[:5]:
            print("stray:", frame[:90].hex())


def scan(options):
    wire = Wire(options)
    family, source, source_port, payload = SOURCES[options.source]
    received = wire.counter("rx_packets")
    if not wire.ask(family):
        print(f"only {wire.upstream} queries got to the server")
        return 1
    ports = random.sample(range(1, 65536), 65535)
    start = time.monotonic()
    for i, port in enumerate(ports):
        wire.send(udp_frame(wire.mac, source, source_port, OURS[family], port, PAYLOADS[payload]))
        if i % BATCH == BATCH - 1:
            wire.receive()
            time.sleep(max(0.0, start + i / options.rate - time.monotonic()))
    wire.wait(0.1, lambda: False)
    received = wire.counter("rx_packets") - received
    wire.release()
    answered = wire.answered()
    print(f"answered {answered} probes {len(ports)} received {received} strays {len(wire.strays)} "
          f"upstream {wire.upstream} alive_ms {wire.alive_ms}")
    wire.show_strays()
    return 0 if answered == options.count and not wire.strays and received >= len(ports) + options.count else 1


def ks_p(one, other):
    """Kolmogorov and Smirnov, two samples, two-sided (asymptotic, Stephens's correction)."""
    values = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    seen, distance = [0, 0], 0.0
    for i, (value, which) in enumerate(values):
        seen[which] += 1
        if i + 1 == len(values) or values[i + 1][0] != value:
            distance = max(distance, abs(seen[0] / len(one) - seen[1] / len(other)))
    root = math.sqrt(len(one) * len(other) / (len(one) + len(other)))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.3:
        return 1.0
    return min(1.0, max(0.0, 2 * sum((-1)**(k - 1) * math.exp(-2 * k * k * x * x) for k in range(1, 101))))


def timing(options):
    wire = Wire(options)
    _family, source, source_port, payload = SOURCES[options.source]
    samples = {("ping", True): [], ("ping", False): [], ("arp", True): [], ("arp", False): []}
    if not wire.ask(4):
        print(f"only {wire.upstream} queries got to the server")
        return 1
    busy, lost, arp = sorted(wire.in_use), 0, arp_frame()
    idle = [port for port in range(1024, 65536) if port not in wire.in_use]
    end, step = time.monotonic() + options.seconds, 1 / PINGS_PER_S
    following = time.monotonic()
    for number in range(1 << 16):
        if following > end:
            break
        in_use = random.random() < 0.5
        ports = random.choice(idle), random.choice(busy)  # the same work in both cases
        probe = udp_frame(wire.mac, source, source_port, OURS[4], ports[in_use], PAYLOADS[payload])
        kind = "arp" if number % (PINGS_PER_S // ARPS_PER_S) == 0 else "ping"
        request = arp if kind == "arp" else ping_frame(wire.mac, number)
        wire.receive()
        wire.round_trip = None
        wire.send(probe)
        sent_ns = time.time_ns()
        wire.send(request)
        if wire.wait(0.05, lambda: wire.round_trip is not None) and wire.round_trip[0] == kind and (
                kind == "arp" or wire.round_trip[1] == [number]):
            samples[kind, in_use].append(wire.round_trip[2] - sent_ns)
        else:
            lost += 1
        following += step
        time.sleep(max(0.0, following - time.monotonic()))
    wire.release()
    p = {kind: ks_p(samples[kind, True], samples[kind, False]) for kind in ("ping", "arp")}
    for kind in p:
        middle = [sorted(samples[kind, which])[len(samples[kind, which]) // 2] // 1000 for which in (True, False)]
        print(f"{kind}: {len(samples[kind, True])} and {len(samples[kind, False])} round trips, medians {middle[0]} and "
              f"{middle[1]} us, p {p[kind]:.3f}")
    print(f"answered {wire.answered()} strays {len(wire.strays)} lost {lost} alive_ms {wire.alive_ms}")
    wire.show_strays()
    return 0 if min(p.values()) > P_MIN and wire.answered() == options.count and not wire.strays and lost <= 5 else 1


def control(options):
    wire = Wire(options)
    for port in range(30000, 30020):
        wire.send(udp_frame(wire.mac, NEIGHBOUR, 40000, options.address, port, PAYLOADS["reply"]))
    wire.wait(2, lambda: any(frame[23] == 1 for frame in wire.strays))  # ICMP
    print(f"strays {len(wire.strays)}")
    wire.show_strays()
    return 0 if any(frame[23] == 1 for frame in wire.strays) else 1


def self_check(_options):
    dice, faults = random.Random(42), []
    base = [dice.gauss(100, 20) for _ in range(2000)]
    same = [dice.gauss(100, 20) for _ in range(2000)]
    later = [dice.gauss(103, 20) for _ in range(2000)]
    wider = [dice.gauss(100, 23) for _ in range(2000)]
    if not ks_p(base, same) > P_MIN:
        faults.append("equal samples are told apart")
    if ks_p(base, later) > P_MIN or ks_p(base, wider) > P_MIN:
        faults.append("other samples are not told apart")
    if not 0.04 < ks_p(list(range(100)), [x + 19 for x in range(100)]) < 0.05:  # D 0.19: 4.7 %
        faults.append("a known p is not found")
    mac = bytes(6)
    unreachable = ip_frame(mac, OURS[4], CLIENT[4], 1, b"\3\3" + bytes(30))
    unreachable6 = ip_frame(mac, OURS[6], CLIENT[6], 58, b"\1\4" + bytes(30))
    rows = [("stray", unreachable), ("stray", unreachable6), ("ping", ip_frame(mac, OURS[4], CLIENT[4], 1, bytes(8))),
            ("answer", udp_frame(mac, OURS[4], 53, CLIENT[4], 40000, b"x")),
            ("stray", udp_frame(mac, OURS[4], 40001, CLIENT[4], 40000, b"x")),
            ("stray", udp_frame(mac, OURS[4], 40001, CLIENT[4], 53, b"x")),
            ("upstream", udp_frame(mac, OURS[6], 40001, SERVER[6], 53, b"x")),
            ("stray", udp_frame(mac, OURS[6], 40001, SERVER[6], 5353, b"x")),
            ("stray", mac + mac + b"\x88\xcc" + bytes(40))]
    for want, frame in rows:
        if judge(frame)[0] != want:
            faults.append(f"{judge(frame)[0]}, not {want}: {frame.hex()}")
    print("\n".join(faults) or "right")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("scan", "timing", "control", "self-check"))
    parser.add_argument("--interface", help="the switch's port")
    parser.add_argument("--mac", help="Portico's, or the kernel's")
    parser.add_argument("--address", help="of control: the kernel's")
    parser.add_argument("--source", choices=sorted(SOURCES), default="own")
    parser.add_argument("--count", type=int, default=1000, help="questions under way")
    parser.add_argument("--rate", type=int, default=40000, help="probes a second at most")
    parser.add_argument("--seconds", type=float, default=3, help="of timing")
    parser.add_argument("--control", help="the upstream's control socket")
    parser.add_argument("--ctl", help="porticoctl")
    parser.add_argument("--prefix", help="Portico's dpdk.file_prefix")
    options = parser.parse_args()
    return {"scan": scan, "timing": timing, "control": control, "self-check": self_check}[options.what](options)


if __name__ == "__main__":
    sys.exit(main())
