"""The master's published events: numbered, stamped, kept for late subscribers, broadcast.

PUB is a hint, never the truth: a subscriber that misses a number asks for the events after the last
one that it saw. So many as `_KEPT` are kept for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import zmq

from zmr.core.messages import Event, Published
from zmr.wire import codec

_KEPT = 100_000


class Publisher:
    def __init__(self, socket: zmq.Socket[bytes] | None, epoch: int) -> None:
        self._socket = socket  # None: nobody but the listeners hears
        self._epoch = epoch
        self._kept: deque[Published] = deque(maxlen=_KEPT)
        self._turn: list[Published] = []
        self.seq = 0
        if socket is not None:
            socket.setsockopt(zmq.XPUB_WELCOME_MSG, codec.encode_events(epoch, ()))
        self.listeners: list[Callable[[Published], None]] = []

    def on_subscription(self) -> None:
        """Somebody subscribed or left; the socket itself has seen to it."""
        assert self._socket is not None
        try:
            while True:
                self._socket.recv(zmq.NOBLOCK)
        except zmq.Again:
            pass

    def publish(self, event: Event) -> None:
        """Number the event; `flush` sends it."""
        self.seq += 1
        published = Published(self.seq, time.time(), event)
        self._kept.append(published)
        self._turn.append(published)
        for listener in self.listeners:
            listener(published)

    def flush(self) -> None:
        """Broadcast what this turn published."""
        if self._turn and self._socket is not None:
            self._socket.send(codec.encode_events(self._epoch, self._turn))
        self._turn.clear()

    def after(self, seq: int) -> tuple[Published, ...]:
        """The events after that number which are still kept; for -1 none."""
        if seq < 0 or not self._kept:
            return ()
        skipped = max(0, seq + 1 - self._kept[0].seq)
        return tuple(list(self._kept)[skipped:])
