"""The network of a simulated cluster: it delivers in order after a moment, except as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from zmr import messages as m

M = TypeVar("M", bound=m.Message)

LATENCY_S = 0.001

# From what frame to and from which worker's peer, and whether to the master, to the delays of the
# copies that arrive; None: nothing special.
Rule = Callable[[bytes, bool, m.Frame], list[float] | None]


@dataclass
class Fault:
    """What happens to the next `times` frames that hold a message of the kind."""

    kind: type
    delays_s: list[float]
    times: int
    peer: bytes | None

    def __call__(self, peer: bytes, to_master: bool, frame: m.Frame) -> list[float] | None:
        fits = self.peer in (None, peer) and any(type(msg) is self.kind for msg in frame.messages)
        if not fits or self.times == 0:
            return None
        self.times -= 1
        return self.delays_s


class Network:
    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.cut_off: set[bytes] = set()  # nothing reaches these workers or comes from them
        self.sent: list[tuple[bytes, bool, m.Frame]] = []

    def drop(self, kind: type, times: int = 1, worker: str | None = None) -> Fault:
        """Lose the next frames with such a message."""
        return self._add(kind, [], times, worker)

    def double(
        self, kind: type, times: int = 1, worker: str | None = None, after_s: float = 0.0
    ) -> Fault:
        """Deliver the next frames with such a message twice, the second time later."""
        return self._add(kind, [LATENCY_S, LATENCY_S + after_s], times, worker)

    def delay(self, kind: type, by_s: float, times: int = 1, worker: str | None = None) -> Fault:
        """Deliver the next frames with such a message late; others overtake them."""
        return self._add(kind, [LATENCY_S + by_s], times, worker)

    def cut(self, worker: str) -> None:
        """Lose everything from and to the worker."""
        self.cut_off.add(worker.encode())

    def heal(self, worker: str) -> None:
        self.cut_off.discard(worker.encode())

    def delays_s(self, peer: bytes, to_master: bool, frame: m.Frame) -> list[float]:
        """When the copies of the frame arrive, from now."""
        self.sent.append((peer, to_master, frame))
        if peer in self.cut_off:
            return []
        for rule in self.rules:
            delays_s = rule(peer, to_master, frame)
            if delays_s is not None:
                return delays_s
        return [LATENCY_S]

    def messages(self, kind: type[M], worker: str | None = None) -> list[M]:
        """All messages of the kind that were sent, whether or not they arrived."""
        return [
            message
            for peer, _, frame in self.sent
            for message in frame.messages
            if isinstance(message, kind) and worker in (None, peer.decode())
        ]

    def _add(self, kind: type, delays_s: list[float], times: int, worker: str | None) -> Fault:
        fault = Fault(kind, delays_s, times, worker.encode() if worker else None)
        self.rules.append(fault)
        return fault
