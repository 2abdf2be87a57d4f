"""How a worker's attempts have been going, as far as that says something about the worker."""

from __future__ import annotations

from zmr.core.states import HEALTH, HealthState
from zmr.core.tasks import TaskRecord

# So many different tasks failing in a row, within so long, speak against the worker.
_FAILURES = 3
_WITHIN_S = 60.0

_FIRST_QUARANTINE_S = 10.0
_LONGEST_QUARANTINE_S = 300.0


class Health:
    """A worker is healthy, quarantined, or on trial after a quarantine."""

    __slots__ = ("_failures", "_next_quarantine_s", "quarantined_until", "state")

    def __init__(self) -> None:
        self.state = HEALTH.initial
        self.quarantined_until = 0.0  # while it is quarantined
        self._failures: list[tuple[float, TaskRecord]] = []  # since the last success
        self._next_quarantine_s = _FIRST_QUARANTINE_S

    @property
    def is_quarantined(self) -> bool:
        return self.state is HealthState.QUARANTINED

    @property
    def is_on_trial(self) -> bool:
        return self.state is HealthState.ON_TRIAL

    @property
    def is_flawless(self) -> bool:
        """Whether a success would change nothing: nothing speaks against the worker."""
        return self.state is HealthState.HEALTHY and not self._failures

    def succeeded(self) -> bool:
        """An attempt is complete. Whether that ends a trial."""
        self._failures.clear()
        if not self.is_on_trial:
            return False  # what ran on through a quarantine proves nothing
        self._move("succeed")
        self._next_quarantine_s = _FIRST_QUARANTINE_S
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

    def quarantine(self, now: float) -> float:
        """No more tasks for a while: returns for how long, in seconds."""
        self._move("quarantine")
        duration_s = self._next_quarantine_s
        self._next_quarantine_s = min(2 * duration_s, _LONGEST_QUARANTINE_S)
        self._failures.clear()
        self.quarantined_until = now + duration_s
        return duration_s

    def begin_trial(self) -> None:
        """The quarantine is over; the next attempt shows."""
        self._move("time served")

    def _move(self, happened: str) -> None:
        self.state = HEALTH.move(self.state, happened)
