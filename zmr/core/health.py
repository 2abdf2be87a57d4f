"""How a worker's attempts have been going, as far as that says something about the worker."""

from __future__ import annotations

from zmr.core.tasks import TaskRecord

# So many different tasks failing in a row, within so long, speak against the worker.
_FAILURES = 3
_WITHIN_S = 60.0

_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0


class Health:
    """A worker is well, or paused, or on trial after a pause."""

    __slots__ = ("_failures", "_pause_s", "is_on_trial", "paused_until")

    def __init__(self) -> None:
        self._failures: list[tuple[float, TaskRecord]] = []  # since the last success
        self._pause_s = _FIRST_PAUSE_S  # the next pause
        self.paused_until: float | None = None
        self.is_on_trial = False

    @property
    def is_paused(self) -> bool:
        return self.paused_until is not None

    def succeeded(self) -> bool:
        """An attempt is complete. Whether that ends a trial."""
        self._failures.clear()
        if self.is_paused or not self.is_on_trial:
            return False  # what ran on through a pause proves nothing
        self.is_on_trial = False
        self._pause_s = _FIRST_PAUSE_S
        return True

    def failed(self, task: TaskRecord, now: float) -> None:
        """An attempt at the task failed, and perhaps because of the worker."""
        recent = [(at, other) for at, other in self._failures if at > now - _WITHIN_S]
        self._failures = [(at, other) for at, other in recent if other is not task]
        self._failures.append((now, task))

    @property
    def bad_since(self) -> float | None:
        """When the row of failures began, if there are enough of them."""
        return self._failures[0][0] if len(self._failures) >= _FAILURES else None

    def pause(self, now: float) -> float:
        """No more tasks for a while: returns for how long, in seconds."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._failures.clear()
        self.paused_until = now + pause_s
        self.is_on_trial = False
        return pause_s

    def try_again(self) -> None:
        """The pause is over; the next attempt shows."""
        self.paused_until = None
        self.is_on_trial = True
