"""A client on the network: it submits a job, and repeats itself until it is answered."""

from __future__ import annotations

from zmr import messages as m
from zmr.wire import codec

from .network import MASTER
from .site import Site

_REPEATS_AFTER_S = 1.0


class Client:
    """Asks one question after another; each until there is an answer."""

    def __init__(self, site: Site, name: str) -> None:
        self.site = site
        self.name = name
        self.refused: list[str] = []
        self._question: m.Submit | m.CancelJob | None = None

    def ask(self, question: m.Submit | m.CancelJob) -> None:
        self._question = question
        self._repeat(question)

    def _repeat(self, question: m.Submit | m.CancelJob) -> None:
        site = self.site
        if self._question is not question or site.has_ended:
            return
        frame = m.Frame(0, (question,))
        site.trace.frame(site.clock.now, self.name, "says", frame)
        master = site.receivers[MASTER]
        site.network.send(
            self.name,
            MASTER,
            lambda data: master.receive(self.name, data),
            codec.encode(frame),
        )
        site.clock.later(_REPEATS_AFTER_S, self._repeat, question)

    def receive(self, process: str, data: bytes) -> None:
        """An answer."""
        for message in codec.decode(data).messages:
            if isinstance(message, m.Refused):
                self.refused.append(message.reason)
                self._question = None
            elif isinstance(message, m.Submitted):
                self._question = None
