"""The network of a seeded simulation: it loses, delays, doubles, reorders and partitions."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from .draw import NetworkDraw
from .machines.clock import Clock
from .machines.network import Network, Passage


class DrawnNetwork(Network):
    def __init__(self, clock: Clock, draw: NetworkDraw, rng: Random) -> None:
        super().__init__(clock, draw.latency_s, draw.in_order)
        self.is_quiet = False  # from now on nothing goes wrong
        self.overhear: Callable[[str, str, bytes], None] | None = None
        self._draw, self._rng = draw, rng

    def passage(self, sender: str, receiver: str, data: bytes) -> Passage:
        draw, rng = self._draw, self._rng
        if self.overhear is not None:
            self.overhear(sender, receiver, data)
        delay_s = draw.latency_s + draw.jitter_s * rng.random()
        if self.is_quiet:
            return Passage((delay_s,))
        if rng.random() < draw.loss:
            return Passage((), "lost")
        fate = ""
        if rng.random() < draw.lateness:
            delay_s += draw.latest_s * rng.random()
            fate = "late"
        if rng.random() < draw.doubling:
            return Passage((delay_s, delay_s + draw.latest_s * rng.random()), "doubled")
        return Passage((delay_s,), fate)

    def heal(self) -> None:
        """End all partitions, and all else that goes wrong."""
        self.is_quiet = True
        self.cut.clear()
