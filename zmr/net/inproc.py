"""Master and worker in one process: their frames go over as they are, neither encoded nor sent.

What one of them says in a turn of the reactor, the other hears at the beginning of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from zmr import messages as m
from zmr.net.reactor import Reactor
from zmr.net.router import OnBadFrame, OnFrame

_WORKER = b"inside"


class Inside:
    """The `Peers` of the master, of which there is one, and the `Uplink` of that worker."""

    def __init__(self, reactor: Reactor) -> None:
        self.peers = _Peers(self)
        self.uplink = _Uplink(self)
        self.to_master: deque[m.Frame] = deque()
        self.to_worker: deque[m.Frame] = deque()
        self.on_master: OnFrame = lambda peer, frame: None
        self.on_worker: Callable[[m.Frame], None] = lambda frame: None
        reactor.add(self)

    def next_deadline(self) -> float | None:
        """At once, if there is something to deliver."""
        return -inf if self.to_master or self.to_worker else None

    def tick(self, now: float) -> None:
        """Deliver what there is by now; the answers come with the next turn."""
        for _ in range(len(self.to_master)):
            self.on_master(_WORKER, self.to_master.popleft())
        for _ in range(len(self.to_worker)):
            self.on_worker(self.to_worker.popleft())


class _Peers:
    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def watch(self, reactor: Reactor, on_frame: OnFrame, on_bad_frame: OnBadFrame) -> None:
        self._inside.on_master = on_frame

    def send(self, peer: bytes, epoch: int, messages: Sequence[m.Message]) -> None:
        self._inside.to_worker.append(m.Frame(epoch, tuple(messages)))


class _Uplink:
    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def watch(self, reactor: Reactor, on_frame: Callable[[m.Frame], None]) -> None:
        self._inside.on_worker = on_frame

    def send(self, epoch: int, messages: Sequence[m.Message]) -> None:
        self._inside.to_master.append(m.Frame(epoch, tuple(messages)))

    def hurry(self) -> None:
        pass
