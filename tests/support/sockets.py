"""ZeroMQ contexts that don't forgive a socket left open."""

from __future__ import annotations

import threading

import zmq


def terminate(context: zmq.Context[zmq.Socket[bytes]], timeout_s: float = 5.0) -> None:
    """End `context`; fail if a socket of it, left open somewhere, keeps it from ending in time."""
    ending = threading.Thread(target=context.term, daemon=True)
    ending.start()
    ending.join(timeout_s)
    if not ending.is_alive():
        return
    left = [socket for socket in context._sockets if not socket.closed]
    for socket in left:
        socket.close(linger=0)
    ending.join(timeout_s)
    raise AssertionError(f"{len(left)} sockets were left open: {left}")
