"""The book of what jobs' own code raises: which error of a task comes again."""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish

from .books import TaskKey
from .ledger import Ledger


class Repeats:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.raised: dict[TaskKey, set[tuple[str, int]]] = {}  # what, and at which record
        self.attempts: set[int] = set()  # that raised what was raised before
        self.tasks: set[TaskKey] = set()  # those of these attempts

    def master_did(self, actions: list[MasterAction]) -> None:
        """The ledger has seen it."""
        for action in actions:
            match action:
                case Publish(m.TaskEvent(reason=m.FailureReason.USER_ERROR) as event):
                    self._raised(event)

    def _raised(self, event: m.TaskEvent) -> None:
        task = event.job_id, event.kind, event.index
        errors = self.raised.setdefault(task, set())
        error = event.text, event.circumstances.record
        if error in errors:
            self.attempts.add(self._ledger.id_of(event))
            self.tasks.add(task)
        errors.add(error)
