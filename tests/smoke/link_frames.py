#!/usr/bin/python3
"""Sends frames to Portico, one at a time, on the switch's end of its link, and judges each by what comes back
and by the counters: exactly one outcome, the one that the table names, where it was not handed to another worker,
which counts it then; and the outcomes' sum is rx_packets + handoffs (SECURITY.md section 3.3).

Prints a line for each fault, then `frames N right N wrong N`; exit status 0 if all are right.
"""
import argparse
import json
import logging
import select
import socket
import subprocess
import sys
import time

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import (ARP, GRE, ICMP, IP, TCP, UDP, Dot1Q, Ether, ICMPv6DestUnreach,  # noqa: E402
                       ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6ND_Redirect,
                       ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6PacketTooBig, IPOption_LSRR, IPOption_RR,
                       IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                       Raw, conf)
import dns_wire as dns  # noqa: E402

conf.use_pcap = False
OURS4, OURS6 = "198.18.0.53", "2001:2:0:1::53"
PEER4, PEER6, PEER_MAC = "198.18.0.77", "2001:2:0:1::77", "02:00:00:00:00:77"
GATEWAY4, GATEWAY6 = "198.18.0.1", "2001:2:0:1::1"
EVIL_MAC = "02:00:00:00:06:66"
QUERY = dns.header(0x4d2) + dns.question("www.example")
EVENTS_FROM = "rx_packets"  # outcomes stand before it in the list of counters
REPLY, SILENCE = True, False
KEPT = "kept"
HANDED_OFF = ("questions_handed_off", "packets_handed_off")
# What may happen besides, by the kernel's or Portico's own clock.
NOISE = {"neighbour_learned", "arp_answered", "nd_answered", "upstream_responses"}


def v4(payload=None, **fields):
    fields = {"src": PEER4, "dst": OURS4, "flags": "DF", **fields}
    return IP(**fields) / (UDP(sport=40000, dport=53) / Raw(QUERY) if payload is None else payload)


def v6(payload=None, **fields):
    fields = {"src": PEER6, "dst": OURS6, **fields}
    return IPv6(**fields) / (UDP(sport=40000, dport=53) / Raw(QUERY) if payload is None else payload)


def udp(payload=QUERY, **fields):
    return UDP(**{"sport": 40000, "dport": 53, **fields}) / Raw(payload)


def rows(options):
    """(what it is, frame, outcome, whether a reply comes); outcome None: any one of them, KEPT: none"""
    mac = options.mac

    def eth(payload, **fields):
        return Ether(**{"src": PEER_MAC, "dst": mac, **fields}) / payload

    def arp(**fields):
        hw = {"dst": fields.pop("l2_dst", "ff:ff:ff:ff:ff:ff"), "src": fields.pop("l2_src", PEER_MAC)}
        return Ether(**hw) / ARP(**{"hwsrc": PEER_MAC, "psrc": PEER4, "pdst": OURS4, **fields})

    def solicit(target=OURS6, options=None, nd=None, **fields):
        options = ICMPv6NDOptSrcLLAddr(lladdr=PEER_MAC) if options is None else options
        return eth(IPv6(**{"src": PEER6, "dst": "ff02::1:ff00:53", "hlim": 255, **fields}) /
                   ICMPv6ND_NS(tgt=target, **(nd or {})) / options, dst=mac if "dst" in fields else "33:33:ff:00:00:53")

    def advertise(**fields):
        return eth(IPv6(src=GATEWAY6, dst=fields.pop("dst", OURS6), hlim=255) /
                   ICMPv6ND_NA(tgt=GATEWAY6, R=1, S=fields.pop("S", 1), O=1) / ICMPv6NDOptDstLLAddr(lladdr=EVIL_MAC),
                   src=EVIL_MAC, **fields)

    table = [
        # Frames that are served.
        ("a question, IPv4", eth(v4()), options.question, REPLY),
        ("a question, IPv6", eth(v6()), options.question, REPLY),
        ("IPv4 without UDP checksum", eth(v4(udp(chksum=0))), options.question, REPLY),
        ("IPv4, padding of garbage", bytes(eth(v4())) + b"\xff" * 20, options.question, REPLY),
        ("IPv6, padding of garbage", bytes(eth(v6())) + b"\xff" * 20, options.question, REPLY),
        ("IPv4, TTL 1", eth(v4(ttl=1)), options.question, REPLY),
        ("IPv4, all DSCP and ECN bits", eth(v4(tos=255)), options.question, REPLY),
        ("IPv6, flow label and class", eth(v6(tc=255, fl=0xfffff)), options.question, REPLY),
        ("ping, IPv4", eth(v4(ICMP(id=7, seq=1) / Raw(b"x" * 56))), "echo_answered", REPLY),
        ("ping, IPv6", eth(v6(ICMPv6EchoRequest(id=7, seq=1, data=b"x" * 56))), "echo_answered", REPLY),
        ("ARP request", arp(), "arp_answered", REPLY),
        ("ARP request, unicast", arp(l2_dst=mac), "arp_answered", REPLY),
        ("ARP probe (RFC 5227)", arp(psrc="0.0.0.0"), "arp_answered", REPLY),
        ("neighbour solicitation", solicit(), "nd_answered", REPLY),
        ("neighbour solicitation, unicast", solicit(dst=OURS6), "nd_answered", REPLY),
        ("duplicate address detection of our address", solicit(src="::", options=Raw(b"")), "nd_answered", REPLY),
        # Ethernet.
        ("to a foreign MAC", eth(v4(), dst="02:00:00:00:00:99"), "drops_l2_dst", SILENCE),
        ("UDP to the broadcast MAC", eth(v4(), dst="ff:ff:ff:ff:ff:ff"), "drops_l2_dst", SILENCE),
        ("UDP to a multicast MAC", eth(v4(), dst="01:00:5e:00:00:01"), "drops_l2_dst", SILENCE),
        ("ARP to a foreign MAC", arp(l2_dst="02:00:00:00:00:99"), "drops_l2_dst", SILENCE),
        ("from MAC zero", eth(v4(), src="00:00:00:00:00:00"), "drops_l2_src", SILENCE),
        ("from a multicast MAC", eth(v4(), src="01:00:5e:00:00:01"), "drops_l2_src", SILENCE),
        ("from the broadcast MAC", eth(v4(), src="ff:ff:ff:ff:ff:ff"), "drops_l2_src", SILENCE),
        ("from our own MAC", eth(v4(), src=mac), "drops_l2_src", SILENCE),
        ("VLAN tag", eth(Dot1Q(vlan=7) / v4()), "drops_vlan", SILENCE),
        ("VLAN 0", eth(Dot1Q(vlan=0) / v4()), "drops_vlan", SILENCE),
        ("two VLAN tags", eth(Dot1Q(vlan=7) / Dot1Q(vlan=8) / v4()), "drops_vlan", SILENCE),
        ("LLDP", eth(Raw(b"\0" * 50), type=0x88cc), "drops_ethertype", SILENCE),
        ("802.3 with LLC", eth(Raw(b"\x42\x42\x03" + b"\0" * 43), type=46), "drops_ethertype", SILENCE),
        # IPv4.
        ("IPv4 header cut", bytes(eth(v4()))[:14 + 12], "drops_short", SILENCE),
        ("IPv4 longer than the frame", eth(v4(len=200)), "drops_short", SILENCE),
        ("version 5", eth(v4(version=5)), "drops_ip_header", SILENCE),
        ("header length 16", eth(v4(ihl=4)), "drops_ip_header", SILENCE),
        ("total length below the header's", eth(v4(len=19)), "drops_ip_header", SILENCE),
        ("IPv4 checksum", eth(v4(chksum=0x1234)), "drops_ip_csum", SILENCE),
        ("record route", eth(v4(options=[IPOption_RR()])), "drops_ip_options", SILENCE),
        ("loose source route", eth(v4(options=[IPOption_LSRR(routers=[PEER4])])), "drops_ip_options", SILENCE),
        # DPDK's af_packet driver has the kernel keep them (PACKET_FANOUT_FLAG_DEFRAG); other drivers do not.
        ("first fragment", eth(v4(flags="MF")), options.fragments, SILENCE),
        ("later fragment", eth(v4(flags=0, frag=100)), options.fragments, SILENCE),
        ("middle fragment", eth(v4(flags="MF", frag=100)), options.fragments, SILENCE),
        ("to another address", eth(v4(dst="198.18.0.54")), "drops_ip_dst", SILENCE),
        ("to 255.255.255.255", eth(v4(dst="255.255.255.255")), "drops_ip_dst", SILENCE),
        ("to the subnet's broadcast", eth(v4(dst="198.18.0.255")), "drops_ip_dst", SILENCE),
        ("to 224.0.0.1", eth(v4(dst="224.0.0.1")), "drops_ip_dst", SILENCE),
        ("TCP", eth(v4(TCP(sport=40000, dport=53, flags="S"))), "drops_ip_protocol", SILENCE),
        ("UDP-Lite", eth(v4(udp(), proto=136)), "drops_ip_protocol", SILENCE),
        ("GRE", eth(v4(GRE() / v4())), "drops_ip_protocol", SILENCE),
        # IPv6.
        ("IPv6 header cut", bytes(eth(v6()))[:14 + 39], "drops_short", SILENCE),
        ("IPv6 longer than the frame", eth(v6(plen=200)), "drops_short", SILENCE),
        ("jumbogram", eth(v6(plen=0)), "drops_ip_header", SILENCE),
        ("version 4 in IPv6", eth(v6(version=4), type=0x86dd), "drops_ip_header", SILENCE),
        ("hop limit 0", eth(v6(hlim=0)), "drops_ip_header", SILENCE),
        ("fragment header", eth(v6(IPv6ExtHdrFragment(m=1) / udp())), "drops_frag", SILENCE),
        ("atomic fragment", eth(v6(IPv6ExtHdrFragment() / udp())), "drops_frag", SILENCE),
        ("hop-by-hop options", eth(v6(IPv6ExtHdrHopByHop() / udp())), "drops_ip_extension", SILENCE),
        ("destination options", eth(v6(IPv6ExtHdrDestOpt() / udp())), "drops_ip_extension", SILENCE),
        ("routing header", eth(v6(IPv6ExtHdrRouting(addresses=[PEER6]) / udp())), "drops_ip_extension", SILENCE),
        ("authentication header", eth(v6(Raw(b"\x11\x01" + b"\0" * 10) / udp(), nh=51)), "drops_ip_extension", SILENCE),
        ("to another IPv6 address", eth(v6(dst="2001:2:0:1::54")), "drops_ip_dst", SILENCE),
        ("UDP to ff02::1", eth(v6(dst="ff02::1"), dst="33:33:00:00:00:01"), None, SILENCE),
        ("TCP over IPv6", eth(v6(TCP(sport=40000, dport=53, flags="S"))), "drops_ip_protocol", SILENCE),
        # UDP.
        ("UDP length 7", eth(v4(udp(len=7))), "drops_udp_length", SILENCE),
        ("UDP length too small", eth(v4(udp(len=len(QUERY) + 7))), "drops_udp_length", SILENCE),
        ("UDP length too great", eth(v4(udp(len=len(QUERY) + 9))), "drops_udp_length", SILENCE),
        ("UDP length too great, IPv6", eth(v6(udp(len=len(QUERY) + 9))), "drops_udp_length", SILENCE),
        ("UDP checksum", eth(v4(udp(chksum=0x1234))), "drops_udp_csum", SILENCE),
        ("UDP checksum, IPv6", eth(v6(udp(chksum=0x1234))), "drops_udp_csum", SILENCE),
        ("no UDP checksum, IPv6", eth(v6(udp(chksum=0))), "drops_udp_csum", SILENCE),
        ("from port 0", eth(v4(udp(sport=0))), "drops_udp_src_port", SILENCE),
        ("from port 7", eth(v4(udp(sport=7))), "drops_udp_src_port", SILENCE),
        ("from port 19, IPv6", eth(v6(udp(sport=19))), "drops_udp_src_port", SILENCE),
        ("to port 80", eth(v4(udp(dport=80))), "drops_udp_port", SILENCE),
        ("to port 80, IPv6", eth(v6(udp(dport=80))), "drops_udp_port", SILENCE),
        ("to an upstream port, not a server", eth(v4(udp(dport=40001))), "unmatched", SILENCE),
        ("to an upstream port, not a server, IPv6", eth(v6(udp(dport=40001))), "unmatched", SILENCE),
        ("11 bytes for DNS", eth(v4(udp(QUERY[:11]))), "drops_query_short", SILENCE),
        ("a response for the DNS port", eth(v4(udp(b"\0\0\x80" + QUERY[3:]))), "drops_query_qr", SILENCE),
        # ARP.
        ("ARP for another address", arp(pdst="198.18.0.54"), "drops_arp", SILENCE),
        ("ARP with another sender MAC", arp(hwsrc="02:00:00:00:00:78"), "drops_arp", SILENCE),
        ("ARP from off the link", arp(psrc="203.0.113.1"), "drops_arp", SILENCE),
        ("ARP that claims our address", arp(psrc=OURS4), "drops_arp", SILENCE),
        ("ARP of another hardware type", arp(hwtype=6), "drops_arp", SILENCE),
        ("ARP of operation 9", arp(op=9), "drops_arp", SILENCE),
        ("ARP cut short", bytes(arp())[:14 + 20], None, SILENCE),
        ("ARP reply for the gateway, unasked",
         arp(op=2, psrc=GATEWAY4, hwsrc=EVIL_MAC, l2_src=EVIL_MAC, hwdst=mac, l2_dst=mac), "drops_neighbour_unasked",
         SILENCE),
        ("ARP announcement for the gateway", arp(psrc=GATEWAY4, pdst=GATEWAY4, hwsrc=EVIL_MAC, l2_src=EVIL_MAC),
         "neighbour_hints", SILENCE),
        # ND.
        ("solicitation with hop limit 64", solicit(hlim=64), "drops_nd", SILENCE),
        ("solicitation with code 1", solicit(nd={"code": 1}), "drops_nd", SILENCE),
        ("solicitation for another address", solicit("2001:2:0:1::1053"), "drops_nd", SILENCE),
        ("solicitation for a multicast address", solicit("ff02::1"), "drops_nd", SILENCE),
        ("solicitation with an option of length 0", solicit(options=Raw(b"\x01\0" + b"\0" * 6)), "drops_nd", SILENCE),
        ("advertisement for the gateway, unasked", advertise(), "drops_neighbour_unasked", SILENCE),
        ("advertisement for the gateway to all nodes", advertise(dst="ff02::1", S=0), None, SILENCE),
        # ICMP.
        ("ping with a wrong checksum", eth(v4(ICMP(chksum=0x1234) / Raw(b"x" * 8))), "drops_icmp_csum", SILENCE),
        ("ping with a wrong checksum, IPv6", eth(v6(ICMPv6EchoRequest(cksum=0x1234))), "drops_icmp_csum", SILENCE),
        ("timestamp request", eth(v4(ICMP(type=13))), "drops_icmp_type", SILENCE),
        ("address mask request", eth(v4(ICMP(type=17))), "drops_icmp_type", SILENCE),
        ("port unreachable", eth(v4(ICMP(type=3, code=3) / v4())), "drops_icmp_type", SILENCE),
        ("redirect", eth(v4(ICMP(type=5, code=1, gw=PEER4) / v4())), "drops_icmp_type", SILENCE),
        ("port unreachable, IPv6", eth(v6(ICMPv6DestUnreach(code=4) / v6())), "drops_icmp_type", SILENCE),
        ("packet too big", eth(v6(ICMPv6PacketTooBig(mtu=1280) / v6())), "drops_icmp_type", SILENCE),
        ("router advertisement", eth(IPv6(src="fe80::1", dst=OURS6, hlim=255) / ICMPv6ND_RA()), "drops_icmp_type",
         SILENCE),
        ("redirect, IPv6", eth(IPv6(src="fe80::1", dst=OURS6, hlim=255) / ICMPv6ND_Redirect(tgt=PEER6, dst=GATEWAY6)),
         "drops_icmp_type", SILENCE),
    ]
    for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "169.254.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
                   "198.18.0.255", OURS4):
        table.append((f"from {source}", eth(v4(src=source)), "drops_martian_src", SILENCE))
    for source in ("::", "::1", "ff02::1", "::ffff:198.18.0.77", OURS6):
        table.append((f"from {source}", eth(v6(src=source)), "drops_martian_src", SILENCE))
    return table


class Lab:
    def __init__(self, options):
        self.options = options
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((options.interface, 0))
        self.socket.setblocking(False)
        self.mac = bytes.fromhex(options.mac.replace(":", ""))

    def counters(self):
        """All outcomes, and what they should sum up to. A report may fall into the middle of a burst, or something be
        under way between workers: then again."""
        for _ in range(20):
            text = subprocess.run([self.options.ctl, "-p", self.options.prefix, "stats", "--json"], check=True,
                                  stdout=subprocess.PIPE).stdout
            stats = json.loads(text)
            names = list(stats)
            outcomes = {name: stats[name] for name in names[:names.index(EVENTS_FROM)]}
            received = stats["rx_packets"] + stats["handoffs"]
            if sum(outcomes.values()) == received and sum(outcomes[name] for name in HANDED_OFF) == stats["handoffs"]:
                break
            time.sleep(0.01)
        return outcomes, received

    def replies(self, wait_s):
        """Frames that Portico sent but did not begin with: its own ARP, ND and DNS questions do not count."""
        found, end = 0, time.monotonic() + wait_s
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return found
            frame, (_name, _protocol, kind, *_) = self.socket.recvfrom(4096)
            if kind != socket.PACKET_OUTGOING and frame[6:12] == self.mac and frame[:6] != b"\xff" * 6:
                found += self.is_reply(Ether(frame))

    @staticmethod
    def is_reply(frame):
        if ARP in frame:
            return frame[ARP].op == 2
        if ICMPv6ND_NS in frame:
            return False
        if UDP in frame:
            return frame[UDP].sport == 53
        return True

    def fault(self, frame, outcome, reply):
        before, _received = self.counters()
        self.replies(0.001)
        self.socket.send(bytes(frame))
        got, changed = 0, {}
        for _ in range(1 if outcome == KEPT else 10):  # the machine may be busy
            got += self.replies(0.02)
            after, received = self.counters()
            changed = {name: after[name] - before[name] for name in after
                       if after[name] != before[name] and name not in HANDED_OFF}
            named = {name: count for name, count in changed.items() if name == outcome or name not in NOISE}
            if named and bool(got) == reply:
                break
        if sum(after.values()) != received:
            return f"outcomes sum up to {sum(after.values())}, {received} were received"
        if outcome == KEPT:
            return f"counted as {changed}" if named else None
        if (outcome is None and (len(named) != 1 or sum(named.values()) != 1)) or (
                outcome and (changed.get(outcome, 0) < 1 or named.keys() != {outcome})):
            return f"counted as {changed}, not {outcome}"
        if bool(got) != reply:
            return f"{got} replies"
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ctl", required=True, help="porticoctl")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--mac", required=True, help="Portico's")
    parser.add_argument("--fragments", default="drops_frag", help="outcome of IPv4 fragments")
    parser.add_argument("--question", default="questions_new",
                        help="outcome of a good question (cache_hits where its answer is kept)")
    parser.add_argument("--interface", default="dut")
    options = parser.parse_args()
    lab = Lab(options)
    table, wrong = rows(options), 0
    for says, frame, outcome, reply in table:
        # Once more if something of the kernel's own came in between.
        fault = lab.fault(frame, outcome, reply) and lab.fault(frame, outcome, reply)
        if fault:
            wrong += 1
            print(f"{says}: {fault}")
    print(f"frames {len(table)} right {len(table) - wrong} wrong {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
