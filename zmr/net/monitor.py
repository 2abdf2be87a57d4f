"""A socket's monitor: what libzmq tells of its connections."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress

import zmq
from zmq.utils.monitor import parse_monitor_message


class Monitor:
    """Tells of these events of a socket, from now on; it is to be closed before the socket.

    `socket` becomes readable when there is something to be told.
    """

    def __init__(self, watched: zmq.Socket[bytes], events: int) -> None:
        self._watched = watched
        endpoint = f"inproc://monitor-{secrets.token_hex(8)}"
        watched.monitor(endpoint, events)
        self.socket: zmq.Socket[bytes] = watched.context.socket(zmq.PAIR)
        # Never full: libzmq would wait with a lock that binding and closing need (libzmq#3575).
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(endpoint)

    def told(self, most: int) -> Iterator[int]:
        """The events that have come, so many at most."""
        with suppress(zmq.Again):
            for _ in range(most):
                yield parse_monitor_message(self.socket.recv_multipart(zmq.NOBLOCK))["event"]

    def close(self) -> None:
        """Watch no more."""
        if not self._watched.closed:
            self._watched.disable_monitor()
        self.socket.close(linger=0)
