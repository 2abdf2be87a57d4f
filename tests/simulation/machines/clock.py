"""Simulated time: it jumps from one thing that happens to the next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class Clock:
    """What is going to happen, in the order of time, and among equals in the order of planning."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self._planned: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    def later(self, delay_s: float, action: Callable[..., object], *arguments: Any) -> None:
        """Have something happen when so much time has passed."""
        self.at(self.now + delay_s, action, *arguments)

    def at(self, time_s: float, action: Callable[..., object], *arguments: Any) -> None:
        """Have something happen at that time, or now if it has passed."""
        self._number += 1
        entry = max(time_s, self.now), self._number, action, arguments
        heapq.heappush(self._planned, entry)

    def step(self) -> bool:
        """Let the next thing happen. False: nothing ever will."""
        if not self._planned:
            return False
        self.now, _, action, arguments = heapq.heappop(self._planned)
        self.steps += 1
        action(*arguments)
        return True
