"""The network of a story: it delivers in order after a moment, except as the test has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from simulation.machines.clock import Clock
from simulation.machines.network import MASTER, Network, Passage

from zmr import messages as m
from zmr.wire import codec

M = TypeVar("M", bound=m.Message)

LATENCY_S = 0.001
CLIENT = "client"  # what a test asks the master as

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


class StoryNetwork(Network):
    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, LATENCY_S, in_order=False)
        self.rules: list[Rule] = []
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

    def cut_off(self, worker: str) -> None:
        """Lose everything from and to the worker."""
        self.cut |= {(worker, MASTER), (MASTER, worker)}

    def heal(self, worker: str) -> None:
        """Let it through again."""
        self.cut -= {(worker, MASTER), (MASTER, worker)}

    def send(
        self, sender: str, receiver: str, deliver: Callable[[bytes], None], *parts: bytes
    ) -> str:
        """What a test asks as a client is answered at once."""
        if receiver == CLIENT:
            for data in parts:
                deliver(data)
            return ""
        return super().send(sender, receiver, deliver, *parts)

    def passage(self, sender: str, receiver: str, data: bytes) -> Passage:
        frame = codec.decode(data)
        to_master = receiver == MASTER
        peer = (sender if to_master else receiver).encode()
        self.sent.append((peer, to_master, frame))
        for rule in self.rules:
            delays_s = rule(peer, to_master, frame)
            if delays_s is not None:
                return Passage(tuple(delays_s))
        return Passage((LATENCY_S,))

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
