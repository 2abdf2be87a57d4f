"""The network between the machines: it loses, delays, doubles, reorders and partitions."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from .draw import NetworkDraw

if TYPE_CHECKING:
    from .clock import Clock

MASTER = "master"


class Network:
    def __init__(self, clock: Clock, draw: NetworkDraw, rng: Random) -> None:
        self.is_quiet = False  # from now on nothing goes wrong
        self.cut: set[tuple[str, str]] = set()  # from whom to whom nothing comes through
        self._clock, self._draw, self._rng = clock, draw, rng
        self._arrives_at: dict[tuple[str, str], float] = {}

    def send(
        self, sender: str, receiver: str, deliver: Callable[[bytes], None], data: bytes
    ) -> str:
        """Let the data arrive, once, never, or twice. Returns what becomes of it, for the trace."""
        clock, draw, rng = self._clock, self._draw, self._rng
        if (sender, receiver) in self.cut:
            return "cut off"
        delay_s = draw.latency_s + draw.jitter_s * rng.random()
        fate = ""
        if not self.is_quiet:
            if rng.random() < draw.loss:
                return "lost"
            if rng.random() < draw.lateness:
                delay_s += draw.latest_s * rng.random()
                fate = "late"
            if rng.random() < draw.doubling:
                clock.later(delay_s + draw.latest_s * rng.random(), deliver, data)
                fate = "doubled"
        arrives_at = clock.now + delay_s
        if draw.in_order:
            link = sender, receiver
            arrives_at = max(arrives_at, self._arrives_at.get(link, 0.0))
            self._arrives_at[link] = arrives_at
        clock.at(arrives_at, deliver, data)
        return fate

    def is_open(self, one: str, other: str) -> bool:
        return (one, other) not in self.cut and (other, one) not in self.cut

    def heal(self) -> None:
        """End all partitions, and all else that goes wrong."""
        self.is_quiet = True
        self.cut.clear()
