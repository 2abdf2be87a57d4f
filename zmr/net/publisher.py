"""The master's published events: numbered, stamped, kept for late subscribers, broadcast.

PUB is a hint, never the truth: a subscriber that misses a number asks for the events after the last
one that it saw. So many as `_KEPT` are kept for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import zmq

from zmr.messages import Event, Published
from zmr.wire import codec

_KEPT = 100_000

# So many in one snapshot: the master must not be busy for long with one subscriber.
_MOST_AT_ONCE = 5_000

_SUBSCRIPTIONS_A_TURN = 500


class Publisher:
    def __init__(self, socket: zmq.Socket[bytes] | None, epoch: int) -> None:
        self._socket = socket  # None: there are no subscribers, only listeners
        self._epoch = epoch
        self._kept: deque[Published] = deque(maxlen=_KEPT)
        self._turn: list[Published] = []
        self.seq = 0
        if socket is not None:
            socket.setsockopt(zmq.XPUB_WELCOME_MSG, codec.encode_events(epoch, ()))
        self.listeners: list[Callable[[Published], None]] = []

    def on_subscription(self) -> None:
        """Subscriptions changed: the socket has handled that itself, and reports it here."""
        assert self._socket is not None
        with suppress(zmq.Again):
            for _ in range(_SUBSCRIPTIONS_A_TURN):
                self._socket.recv(zmq.NOBLOCK)

    def publish(self, event: Event) -> None:
        """Number the event; `flush` sends it."""
        self.seq += 1
        if self._socket is None and not self.listeners:
            return  # it reaches no subscriber, now or later
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
        """The first of the events after that number that are still kept; for -1 none.

        More of them, if there are more, are to be had by asking again.
        """
        if seq < 0 or not self._kept:
            return ()
        skipped = max(0, seq + 1 - self._kept[0].seq)
        return tuple(islice(self._kept, skipped, skipped + _MOST_AT_ONCE))
