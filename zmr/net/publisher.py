"""The master's published events: stamped, kept for late subscribers, broadcast.

PUB is a hint, never the truth: a subscriber that misses a number asks for the events after the last
one that it saw. `EventLog` numbers them and keeps the last ones for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from zmr.messages import Event, Published
from zmr.net.event_log import EventLog
from zmr.wire import codec


class Broadcast(Protocol):
    """What subscribers listen to."""

    def welcome(self, data: bytes) -> None: ...
    def send(self, data: bytes) -> None: ...


class Publisher:
    def __init__(self, broadcast: Broadcast | None, epoch: int) -> None:
        self._broadcast = broadcast  # None: there are no subscribers, only listeners
        self._epoch = epoch
        self.log = EventLog()
        self._turn = 0  # events of this turn, which are not sent yet
        if broadcast is not None:
            broadcast.welcome(codec.join_events(epoch, ()))
        self.listeners: list[Callable[[Published], None]] = []

    def publish(self, event: Event) -> None:
        """Number the event; `flush` sends it."""
        if self._broadcast is not None:
            published = self.log.append(event, time.time())
            self._turn += 1
        elif self.listeners:
            published = self.log.number(event, time.time())
        else:
            self.log.skip()
            return
        for listener in self.listeners:
            listener(published)

    def flush(self) -> None:
        """Broadcast what this turn published."""
        if self._turn and self._broadcast is not None:
            self._broadcast.send(codec.join_events(self._epoch, self.log.newest(self._turn)))
        self._turn = 0
