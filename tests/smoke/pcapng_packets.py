#!/usr/bin/python3
"""The packets of a pcapng file, read by the draft's words and nothing of Portico's: a line each,

  TIME in|out INTERFACE QUEUE PRESENT ORIGINAL FROM > TO PROTOCOL QUESTION

TIME in seconds since 1970; FROM and TO as address#port; QUESTION of DNS over UDP `ID q|r NAME`, lower case, else -.
`--check` also demands that every block is whole and its lengths agree, and that each whole packet's IPv4 and
UDP checksums are right. Exit status 1 with a reason if not. `--stats` prints `INTERFACE DELIVERED DROPPED` lines instead.
"""
import socket
import struct
import sys


def blocks(data):
    offset = 0
    while offset < len(data):
        if len(data) - offset < 12:
            raise ValueError(f"{len(data) - offset} bytes after the last block")
        kind, length = struct.unpack_from("<II", data, offset)
        if length % 4 or length < 12 or offset + length > len(data):
            raise ValueError(f"block of {length} bytes at {offset}, {len(data)} in the file")
        if struct.unpack_from("<I", data, offset + length - 4)[0] != length:
            raise ValueError(f"the two lengths of the block at {offset} differ")
        yield kind, data[offset + 8:offset + length - 4]
        offset += length


def options(data):
    offset, found = 0, {}
    while offset < len(data):
        code, length = struct.unpack_from("<HH", data, offset)
        if code == 0:
            break
        found[code] = data[offset + 4:offset + 4 + length]
        offset += 4 + length + -length % 4
    return found


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def question(payload):
    labels, offset = [], 12
    while offset < len(payload) and 0 < payload[offset] < 64:
        labels.append(payload[offset + 1:offset + 1 + payload[offset]].decode("latin1").lower())
        offset += 1 + payload[offset]
    kind = "r" if payload[2] & 0x80 else "q"
    return f"{struct.unpack_from('!H', payload)[0]} {kind} {'.'.join(labels)}."


def describe(frame, whole, check):
    offset, tag = 12, ""
    ethertype = struct.unpack_from("!H", frame, offset)[0]
    while ethertype == 0x8100:
        tag += f"vlan{struct.unpack_from('!H', frame, offset + 2)[0] & 0xfff}/"
        offset += 4
        ethertype = struct.unpack_from("!H", frame, offset)[0]
    ip = frame[offset + 2:]
    if ethertype == 0x0800:
        header, protocol, addresses, family = (ip[0] & 15) * 4, ip[9], ip[12:20], socket.AF_INET
        if check and whole and checksum(ip[:header]) != 0xffff:
            raise ValueError("wrong IPv4 checksum")
        ip = ip[:struct.unpack_from("!H", ip, 2)[0]]
    elif ethertype == 0x86dd:
        header, protocol, addresses, family = 40, ip[6], ip[8:40], socket.AF_INET6
        ip = ip[:40 + struct.unpack_from("!H", ip, 4)[0]]
    else:
        return f"- > - {tag}{ethertype:04x} -"
    half = len(addresses) // 2
    ends = [socket.inet_ntop(family, addresses[:half]), socket.inet_ntop(family, addresses[half:])]
    if protocol != 17 or len(ip) < header + 8:
        return f"{ends[0]} > {ends[1]} {tag}ip{protocol} -"
    udp = ip[header:]
    if check and whole and udp[6:8] != b"\0\0":
        pseudo = addresses + struct.pack("!IHH" if family == socket.AF_INET6 else "!HHH", *(
            (len(udp), 0, 17) if family == socket.AF_INET6 else (17, len(udp), 0)))
        if checksum(pseudo + udp) != 0xffff:
            raise ValueError(f"wrong UDP checksum from {ends[0]} to {ends[1]}")
    ports = struct.unpack_from("!HH", udp)
    asked = question(udp[8:]) if 53 in ports and len(udp) >= 20 else "-"
    return f"{ends[0]}#{ports[0]} > {ends[1]}#{ports[1]} {tag}udp {asked}"


def main():
    check = "--check" in sys.argv
    stats = "--stats" in sys.argv
    with open(sys.argv[-1], "rb") as file:
        data = file.read()
    interfaces = []
    for number, (kind, body) in enumerate(blocks(data)):
        if number == 0 and (kind != 0x0a0d0d0a or body[:4] != b"\x4d\x3c\x2b\x1a"):
            raise ValueError("no section")
        if kind == 1:
            link, _, snaplen = struct.unpack_from("<HHI", body)
            found = options(body[8:])
            if link != 1 or found[9] != b"\x09":
                raise ValueError("not Ethernet with nanoseconds")
            interfaces.append((found[2].decode(), snaplen))
        elif kind == 6:
            interface, high, low, present, original = struct.unpack_from("<5I", body)
            found = options(body[20 + present + -present % 4:])
            direction = {1: "in", 2: "out"}[struct.unpack("<I", found[2])[0] & 3]
            if present > original or present > interfaces[interface][1]:
                raise ValueError(f"{present} bytes of {original}, snaplen {interfaces[interface][1]}")
            time_ns = high << 32 | low
            text = describe(body[20:20 + present], present == original, check)
            if not stats:
                print(f"{time_ns // 10**9}.{time_ns % 10**9:09d} {direction} {interfaces[interface][0]} "
                      f"{struct.unpack('<I', found[6])[0]} {present} {original} {text}")
        elif kind == 5 and stats:
            found = options(body[12:])
            print(interfaces[struct.unpack_from("<I", body)[0]][0], struct.unpack("<Q", found[8])[0],
                  struct.unpack("<Q", found[7])[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, KeyError, IndexError, struct.error) as error:
        print(f"pcapng_packets: {error!r}", file=sys.stderr)
        sys.exit(1)
