#!/usr/bin/python3
"""What a running Portico says of its source ports, over DPDK's telemetry socket, as lists that scripts can use:
  port_report.py PREFIX drawn [OUTGOING]           the ports drawn from: 1024-2151,2153,...
  port_report.py PREFIX accepted [OUTGOING]        the ports that replies are taken on
  port_report.py PREFIX verdict WORD [OUTGOING]    the ports of this verdict (eligible, range, exclude, default, ...)
  port_report.py PREFIX row KEY [OUTGOING]         one field of /portico/ports
  port_report.py PREFIX set [OUTGOING]             the number of the set that these are of
OUTGOING is the index of the outgoing address (0). --count prints how many ports.
"""
import argparse
import json
import socket
import sys

PAGES_MAX = 70000
READS_MAX = 20


class Telemetry:
    def __init__(self, prefix):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(f"/var/run/dpdk/{prefix}/dpdk_telemetry.v2")
        self.reply_bytes = json.loads(self.socket.recv(1024))["max_output_len"]

    def ask(self, command):
        self.socket.send(command.encode("ascii"))
        reply = json.loads(self.socket.recv(self.reply_bytes))
        return next(iter(reply.values()))

    def rows(self, command):
        """All rows of a report in pages."""
        cursor = None
        for _ in range(PAGES_MAX):
            body = self.ask(command if cursor is None else f"{command},{cursor}")
            if not isinstance(body, dict):
                raise ValueError(f"{command}: {body}")
            yield from (row for _key, row in sorted(((key, row) for key, row in body.items() if isinstance(row, dict)),
                                                    key=lambda pair: int(pair[0])))
            if not body.get("more"):
                return
            cursor = body["next"]
        raise ValueError(f"{command}: pages without end")


def runs_of(telemetry, outgoing):
    """The runs of ports of one address; None: the set changed between two pages."""
    runs, cursor, first = [], outgoing << 16, None
    for _ in range(PAGES_MAX):
        body = telemetry.ask(f"/portico/ports_ranges,{cursor}")
        if first is None:
            first = body["set"]
        elif body["set"] != first:
            return None
        runs.extend(row for row in body.values() if isinstance(row, dict))
        cursor = body["next"]
        if not body["more"] or cursor >> 16 != outgoing:
            return runs
    raise ValueError("pages without end")


def ports_of(telemetry, outgoing, wanted):
    for _ in range(READS_MAX):
        runs = runs_of(telemetry, outgoing)
        if runs is not None:
            return [port for row in runs if wanted(row) for port in range(int(row["first"]), int(row["last"]) + 1)]
    raise ValueError("the set changes faster than it can be read")


def as_list(ports):
    """Sorted ports as ranges."""
    words, first, last = [], None, None
    for port in sorted(ports) + [None]:
        if first is not None and port != last + 1:
            words.append(str(first) if first == last else f"{first}-{last}")
            first = None
        if first is None:
            first = port
        last = port
    return ",".join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prefix")
    parser.add_argument("what", choices=["drawn", "accepted", "verdict", "row", "set"])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--count", action="store_true")
    options = parser.parse_args()
    key = options.words.pop(0) if options.what in ("verdict", "row") else None
    outgoing = int(options.words[0]) if options.words else 0
    try:
        telemetry = Telemetry(options.prefix)
        if options.what == "row":
            print(list(telemetry.rows("/portico/ports"))[outgoing][key])
            return 0
        if options.what == "set":
            print(telemetry.ask(f"/portico/ports_ranges,{outgoing << 16}")["set"])
            return 0
        if options.what == "verdict":
            ports = ports_of(telemetry, outgoing, lambda row: row["verdict"] == key)
        else:
            ports = ports_of(telemetry, outgoing, lambda row: int(row[options.what]))
    except (OSError, ValueError, KeyError, IndexError) as error:
        print(f"port_report: {options.what}: {error!r}", file=sys.stderr)
        return 1
    print(len(ports) if options.count else as_list(ports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
