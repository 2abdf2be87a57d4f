"""The network between the machines: it delays, and as a subclass has it, loses and doubles."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .clock import Clock

MASTER = "master"


class Passage(NamedTuple):
    """What becomes of a frame."""

    delays_s: tuple[float, ...]  # of each copy that arrives
    fate: str = ""  # for the trace, if it is not the usual one


class Network:
    """Frames from one machine to another. `cut` is from which to which nothing comes through."""

    def __init__(self, clock: Clock, latency_s: float, in_order: bool = True) -> None:
        self.clock = clock
        self.latency_s = latency_s
        self.cut: set[tuple[str, str]] = set()
        self.in_order = in_order
        self._arrives_at: dict[tuple[str, str], float] = {}

    def send(
        self, sender: str, receiver: str, deliver: Callable[[bytes], None], *parts: bytes
    ) -> str:
        """Let a frame, or each part of one, arrive once, never, or twice; no part before those
        before it, as they are on one connection. Returns what becomes of it, for the trace.
        """
        link = sender, receiver
        fates: list[str] = []
        earliest = 0.0
        for data in parts:
            delays_s, fate = self.passage(sender, receiver, data)
            if link in self.cut:
                return "cut off"
            fates.append(fate)
            for copy, delay_s in enumerate(delays_s):
                arrives_at = max(self.clock.now + delay_s, earliest)
                if self.in_order and not copy:
                    arrives_at = max(arrives_at, self._arrives_at.get(link, 0.0))
                    self._arrives_at[link] = arrives_at
                if not copy:
                    earliest = arrives_at
                self.clock.at(arrives_at, deliver, data)
        return next(filter(None, fates), "")

    def passage(self, sender: str, receiver: str, data: bytes) -> Passage:
        """When the copies of the data arrive, if the link is not cut."""
        return Passage((self.latency_s,))

    def is_open(self, one: str, other: str) -> bool:
        """Whether both directions are."""
        return (one, other) not in self.cut and (other, one) not in self.cut
