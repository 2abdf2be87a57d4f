"""What workers were asked, and have said, of the map outputs that reduces could not read.

Each job, or step of a pipeline, has its own checks: one for each worker of which an output was
reported. `zmr.core.fetch_failures` decides what follows.
"""

from __future__ import annotations


class OutputCheck:
    """What is known of the reported outputs of one worker and one job."""

    __slots__ = ("answer_by", "readers", "unanswered", "verified")

    def __init__(self) -> None:
        self.unanswered: dict[int, int] = {}  # asked, no answer yet: attempt to the map's number
        self.answer_by = 0.0  # when the next answer is overdue
        self.readers: set[int] = set()  # reduces that could not read some
        # Said to be whole: attempt to the newest attempt of any task by then.
        self.verified: dict[int, int] = {}


class OutputChecks:
    """The checks of one job, and which of them wait for an answer."""

    __slots__ = ("_by_worker", "awaited")

    def __init__(self) -> None:
        self._by_worker: dict[bytes, OutputCheck] = {}
        # By worker, in the order of the questions. There may be very many checks, and few of these.
        self.awaited: dict[bytes, OutputCheck] = {}

    def __bool__(self) -> bool:
        return bool(self._by_worker)

    def get(self, peer: bytes) -> OutputCheck | None:
        """The check of this worker's outputs, if any was reported."""
        return self._by_worker.get(peer)

    def failed_to_read(self, peer: bytes, reader: int) -> None:
        """A reduce could not read outputs of this worker."""
        self._by_worker.setdefault(peer, OutputCheck()).readers.add(reader)

    def ask(self, peer: bytes, outputs: dict[int, int], answer_by: float) -> None:
        """The worker is asked about these outputs: attempt to the map's number."""
        check = self._by_worker[peer]
        check.unanswered |= outputs
        check.answer_by = answer_by
        self.awaited[peer] = check

    def answered(
        self, peer: bytes, whole: tuple[int, ...], newest_attempt: int, answer_by: float
    ) -> None:
        """The worker has found these attempts' outputs whole; it has so long for the others."""
        check = self._by_worker[peer]
        for attempt_id in whole:
            if check.unanswered.pop(attempt_id, None) is not None:
                check.verified[attempt_id] = newest_attempt
        check.answer_by = answer_by
        self._settle(peer, check)

    def take(self, peer: bytes, attempts: tuple[int, ...]) -> dict[int, int]:
        """The outputs of these attempts, as far as they were asked about, need no answer now."""
        check = self._by_worker[peer]
        taken = {a: check.unanswered.pop(a) for a in attempts if a in check.unanswered}
        self._settle(peer, check)
        return taken

    def is_lost(self, peer: bytes, attempt: int) -> None:
        """Another reduce has proved that this output can't be had: no answer is waited for."""
        check = self._by_worker.get(peer)
        if check is not None and check.unanswered.pop(attempt, None) is not None:
            self._settle(peer, check)

    def drop(self, peer: bytes) -> None:
        """The worker has gone."""
        self._by_worker.pop(peer, None)
        self.awaited.pop(peer, None)

    def _settle(self, peer: bytes, check: OutputCheck) -> None:
        if not check.unanswered:
            self.awaited.pop(peer, None)

    def validate(self) -> None:
        """Fail if the index contradicts the checks."""
        awaited = {peer for peer, check in self._by_worker.items() if check.unanswered}
        assert self.awaited.keys() == awaited, "awaited answers: not those that are due"
        for peer, check in self.awaited.items():
            assert self._by_worker[peer] is check, "awaited answers: of another check"
