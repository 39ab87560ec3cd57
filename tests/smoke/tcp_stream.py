#!/usr/bin/python3
"""A TCP stream of a steady rate and back, and its longest pause.

  serve ADDRESS PORT   sends back what comes; says `bound` when it listens
  run ADDRESS PORT     sends --bytes a second for --seconds; prints `sent N back N longest_ms N`. Exit status 0 if every
                       byte came back in its order and nothing stood still for --pause-ms.
"""
import argparse
import os
import select
import socket
import sys
import threading
import time

TICK_S = 0.01


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def echo(connection):
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)


def serve(options):
    listener = socket.create_server((options.address, options.port), family=family(options.address))
    print("bound", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=echo, args=(connection,), daemon=True).start()


def run(options):
    connection = socket.create_connection((options.address, options.port), timeout=5)
    connection.setblocking(False)
    chunk = os.urandom(max(1, int(options.bytes * TICK_S)))
    waiting, sent, back, longest = b"", 0, 0, 0.0
    begun = last = time.monotonic()
    wrong = False
    while True:
        now = time.monotonic()
        over = now - begun >= options.seconds
        if (over and back == sent and not waiting) or now - begun > options.seconds + 5:
            break
        if not over and not waiting and sent < (now - begun) * options.bytes:
            waiting = chunk
        readable, writable, _ = select.select([connection], [connection] if waiting else [], [], TICK_S)
        if writable:
            count = connection.send(waiting)
            if sent == back:
                last = time.monotonic()  # nothing was due before
            waiting, sent = waiting[count:], sent + count
        if readable:
            data = connection.recv(65536)
            if not data:
                break
            start = back % len(chunk)
            wrong = wrong or data != (chunk * (len(data) // len(chunk) + 2))[start:start + len(data)]
            back += len(data)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        elif back < sent:
            longest = max(longest, time.monotonic() - last)
    print(f"sent {sent} back {back} longest_ms {longest * 1000:.0f}{' WRONG' if wrong else ''}")
    return 1 if wrong or back != sent or sent == 0 or longest * 1000 >= options.pause_ms else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("serve", "run"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--bytes", type=int, default=500000)
    parser.add_argument("--pause-ms", type=float, default=1000)
    options = parser.parse_args()
    return serve(options) if options.what == "serve" else run(options)


if __name__ == "__main__":
    sys.exit(main())
