"""A client on the network: it submits a job, and repeats itself until it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.wire import codec

from .network import MASTER

if TYPE_CHECKING:
    from .world import World

_REPEATS_AFTER_S = 1.0


class Client:
    """Asks one question after another; each until there is an answer."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"c{number}"
        self.refused: list[str] = []
        self._question: m.Submit | m.CancelJob | None = None

    def ask(self, question: m.Submit | m.CancelJob) -> None:
        self._question = question
        self._repeat(question)

    def _repeat(self, question: m.Submit | m.CancelJob) -> None:
        world = self.world
        if self._question is not question or world.has_ended:
            return
        frame = m.Frame(0, (question,))
        world.trace.frame(world.clock.now, self.name, "says", frame)
        peer = self.name.encode()
        world.network.send(
            self.name,
            MASTER,
            lambda data: world.master.receive(peer, data),
            codec.encode(frame),
        )
        world.clock.later(_REPEATS_AFTER_S, self._repeat, question)

    def receive(self, process: str, data: bytes) -> None:
        """An answer."""
        for message in codec.decode(data).messages:
            if isinstance(message, m.Refused):
                self.refused.append(message.reason)
                self._question = None
            elif isinstance(message, m.Submitted):
                self._question = None
