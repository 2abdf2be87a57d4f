"""How long the tasks of a phase take, by those that are complete: what a fresh attempt would take.

Only the latest tasks count, so that looking costs the same with ten tasks and with a million.
"""

from __future__ import annotations

from collections import deque

_TASKS_KEPT = 501

# A fresh attempt is expected to take as long as the slow ones among the completed: nine of ten took
# less. With the median instead, half of all healthy tasks would seem slow.
_SLOW_QUANTILE = 0.9

# ... and as long as its records take at half of the usual pace. Reports of progress are up to two
# intervals old, so that an attempt of a few seconds seems slower than it is.
_PACES = 2.0


class Pace:
    def __init__(self) -> None:
        self._tasks: deque[tuple[float, int]] = deque(maxlen=_TASKS_KEPT)  # seconds, records
        self._summary: tuple[float, float, float] | None = None

    def add(self, ran_s: float, records: int) -> None:
        """A task is complete that took so long, and read so many records."""
        self._tasks.append((ran_s, records))
        self._summary = None

    def median_s(self) -> float | None:
        """The median duration of the completed tasks, in seconds; None before the first."""
        return self._summarize()[0] if self._tasks else None

    def fresh_s(self, records: float) -> float:
        """How many seconds a fresh attempt at a task of so many records may take.

        One task at least must be complete.
        """
        _, slow_s, record_s = self._summarize()
        return max(slow_s, _PACES * records * record_s)

    def _summarize(self) -> tuple[float, float, float]:
        """The median and the slow duration of a task, and the mean one of a record."""
        if self._summary is None:
            ordered = sorted(ran_s for ran_s, _ in self._tasks)
            records = sum(records for _, records in self._tasks)
            record_s = sum(ordered) / records if records else 0.0
            slow_s = ordered[int(_SLOW_QUANTILE * len(ordered))]
            self._summary = ordered[len(ordered) // 2], slow_s, record_s
        return self._summary
