"""A bare one-way ZeroMQ stream with CURVE over loopback TCP, in messages of 256 KiB.

    python stream.py BYTES

Prints the seconds from the first message to the last.
"""

from __future__ import annotations

import subprocess
import sys
import time

import zmq

MESSAGE_BYTES = 256 * 1024
QUEUED = 16  # messages on each side


def send(address: str, key: str, n: int) -> None:
    """Send n messages to whoever is bound there, and has that public key."""
    block = bytes(MESSAGE_BYTES)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.setsockopt(zmq.SNDHWM, QUEUED)
        socket.curve_serverkey = key.encode()
        socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
        socket.connect(address)
        for _ in range(n):
            socket.send(block, copy=False)


def main(n: int) -> None:
    """Receive n messages from a process that sends them."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        socket.setsockopt(zmq.RCVHWM, QUEUED)
        public, socket.curve_secretkey = zmq.curve_keypair()
        socket.curve_server = 1
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        address = f"tcp://127.0.0.1:{port}"
        sender = subprocess.Popen((sys.executable, __file__, address, public, str(n + 1)))
        socket.recv()
        began = time.perf_counter()
        for _ in range(n):
            socket.recv(copy=False)
        print(time.perf_counter() - began)
        if sender.wait():
            sys.exit("the sender failed")


if __name__ == "__main__":
    if sys.argv[1].startswith("tcp:"):
        send(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) // MESSAGE_BYTES)
