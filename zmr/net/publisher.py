"""The master's published events: stamped, kept for late subscribers, broadcast.

PUB is a hint, never the truth: a subscriber that misses a number asks for the events after the last
one that it saw. `EventLog` numbers them and keeps the last ones for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import zmq

from zmr.messages import Event, Published
from zmr.net.event_log import EventLog
from zmr.wire import codec

_SUBSCRIPTIONS_A_TURN = 500


class Publisher:
    def __init__(self, socket: zmq.Socket[bytes] | None, epoch: int) -> None:
        self._socket = socket  # None: there are no subscribers, only listeners
        self._epoch = epoch
        self.log = EventLog()
        self._turn: list[Published] = []
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
        if self._socket is None and not self.listeners:
            self.log.skip()  # it reaches no subscriber, now or later
            return
        published = self.log.append(event, time.time())
        self._turn.append(published)
        for listener in self.listeners:
            listener(published)

    def flush(self) -> None:
        """Broadcast what this turn published."""
        if self._turn and self._socket is not None:
            self._socket.send(codec.encode_events(self._epoch, self._turn))
        self._turn.clear()
