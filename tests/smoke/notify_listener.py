#!/usr/bin/python3
"""Stands in for systemd: prints each message that comes to the datagram socket named, a line each."""
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("listening", flush=True)
while True:
    print(listener.recv(4096).decode("ascii").replace("\n", " "), flush=True)
