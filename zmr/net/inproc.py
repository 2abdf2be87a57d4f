"""Master and worker in one process: frames are handed over as they are, neither encoded nor sent.

What one end sends in a turn of the reactor arrives at the other at the beginning of the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

from zmr import messages as m
from zmr.net.reactor import Reactor
from zmr.net.router import OnBadFrame, OnFrame

_WORKER = b"inproc"


class Inproc:
    """Both ends: the master's `Peers`, with one peer, and the `Uplink` of that worker."""

    def __init__(self, reactor: Reactor) -> None:
        self.peers = _MasterEnd(self)
        self.uplink = _WorkerEnd(self)
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


class _MasterEnd:
    def __init__(self, inproc: Inproc) -> None:
        self._inproc = inproc

    def watch(self, reactor: Reactor, on_frame: OnFrame, on_bad_frame: OnBadFrame) -> None:
        self._inproc.on_master = on_frame

    def send(self, peers: Sequence[bytes], epoch: int, messages: Sequence[m.Message]) -> None:
        if _WORKER in peers:  # and not who has cancelled a job in this process
            self._inproc.to_worker.append(m.Frame(epoch, tuple(messages)))


class _WorkerEnd:
    def __init__(self, inproc: Inproc) -> None:
        self._inproc = inproc

    def watch(self, reactor: Reactor, on_frame: Callable[[m.Frame], None]) -> None:
        self._inproc.on_worker = on_frame

    def send(self, epoch: int, messages: Sequence[m.Message]) -> None:
        self._inproc.to_master.append(m.Frame(epoch, tuple(messages)))

    def drop_unsent(self) -> None:
        pass
