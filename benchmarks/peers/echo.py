"""A bare ROUTER/DEALER loop that echoes protobuf messages: the upper bound of any such master.

    python echo.py MESSAGES CLIENTS

Each client keeps some requests under way, as a worker with credits does. Both sides decode what
they get and encode what they send, a message for each request and each reply.
"""

from __future__ import annotations

import subprocess
import sys

import zmq
from google.protobuf.any_pb2 import Any

UNDER_WAY = 16
CONTENT = bytes(range(60))


def serve(socket: zmq.Socket[bytes], n: int) -> None:
    """Answer n requests."""
    for _ in range(n):
        client, frame = socket.recv_multipart()
        request = Any.FromString(frame)
        reply = Any(type_url=request.type_url, value=request.value)
        socket.send_multipart((client, reply.SerializeToString()))


def ask(address: str, n: int) -> None:
    """Send n requests and wait for their answers."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.connect(address)
        for i in range(n + UNDER_WAY):
            if i >= UNDER_WAY:
                assert Any.FromString(socket.recv()).value == CONTENT
            if i < n:
                socket.send(Any(type_url="task", value=CONTENT).SerializeToString())


def main(n: int, n_clients: int) -> None:
    """Serve clients that are processes of their own."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        shares = [n * (i + 1) // n_clients - n * i // n_clients for i in range(n_clients)]
        clients = [
            subprocess.Popen((sys.executable, __file__, f"tcp://127.0.0.1:{port}", str(share)))
            for share in shares
        ]
        serve(socket, n)
        if any(client.wait() for client in clients):
            sys.exit("a client failed")


if __name__ == "__main__":
    if sys.argv[1].startswith("tcp:"):
        ask(sys.argv[1], int(sys.argv[2]))
    else:
        main(int(sys.argv[1]), int(sys.argv[2]))
