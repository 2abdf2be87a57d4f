"""Bad workers: those on which attempts fail that go well elsewhere get no tasks for a while.

A worker is paused when three different tasks in a row have failed on it within a minute, while
others have had successes; when its disk is full, at once. What may be the user's fault does not
count: errors that the job's code raised, and tasks that have failed elsewhere, too. Each pause is
twice as long as the one before, up to five minutes. After it, the worker gets one task at a time
until one is complete.

The last worker that takes tasks is never paused, and when it goes away another one's pause ends: a
job always ends. All of this is forgotten when the master is started again, and costs a few
attempts more then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.states import WorkerState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker

if TYPE_CHECKING:
    from zmr.core.master import Master

_BLAMED = (
    m.FailureReason.SLOT_DIED,
    m.FailureReason.OVER_MEMORY,
    m.FailureReason.WORKER_ERROR,
    m.FailureReason.DISK_FULL,
)
_NEVER = (b"", float("-inf"))


class Care:
    """The part of the master that knows bad workers. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._paused: dict[bytes, Worker] = {}
        # Who had the last success, and when; and the last one of anybody else.
        self._last_success = self._success_before = _NEVER

    def succeeded(self, worker: Worker, now: float) -> None:
        """An attempt is complete there."""
        if worker.peer != self._last_success[0]:
            self._success_before = self._last_success
        self._last_success = worker.peer, now
        if worker.health.succeeded():
            self._master.log(Level.INFO, f"worker {worker.name} works again")
            self._master.scheduler.update(worker)

    def failed(self, attempt: Attempt, failed: m.TaskFailed, now: float) -> None:
        """An attempt failed: perhaps it is its worker that is bad."""
        worker = self._master.workers.get(attempt.peer)
        if worker is None or worker.health.is_paused or failed.reason not in _BLAMED:
            return
        is_full = failed.reason is m.FailureReason.DISK_FULL
        if attempt.task.failed_on - {attempt.peer} and not is_full:
            return  # it is the task
        worker.health.failed(attempt.task, now)
        is_bad = is_full or worker.health.is_on_trial or self._is_worse(worker)
        if is_bad and self._master.scheduler.has_takers_beside(worker):
            self._pause(worker, failed.message, now)

    def worker_gone(self, worker: Worker) -> None:
        """It is lost or has left."""
        self._paused.pop(worker.peer, None)

    def tick(self, now: float) -> None:
        """Pauses end."""
        for worker in list(self._paused.values()):
            if (worker.health.paused_until or 0.0) <= now:
                self._try_again(worker)

    def next_deadline(self) -> float | None:
        """When the next pause ends."""
        ends = [worker.health.paused_until for worker in self._paused.values()]
        return min((end for end in ends if end is not None), default=None)

    def go_on_with_somebody(self) -> None:
        """If nobody takes tasks any more, have the one do so whose pause would end first."""
        if not self._paused or self._master.scheduler.has_takers_beside(None):
            return
        able = [w for w in self._paused.values() if w.state is WorkerState.ALIVE and w.credit]
        if able:
            self._try_again(min(able, key=lambda worker: worker.health.paused_until or 0.0))

    def _is_worse(self, worker: Worker) -> bool:
        """Whether tasks fail there in a row, while others have successes."""
        is_last = self._last_success[0] == worker.peer
        _, others_at = self._success_before if is_last else self._last_success
        bad_since = worker.health.bad_since
        return bad_since is not None and others_at >= bad_since

    def _pause(self, worker: Worker, why: str, now: float) -> None:
        master = self._master
        pause_s = worker.health.pause(now)
        self._paused[worker.peer] = worker
        master.scheduler.update(worker)
        text = f"no tasks for {pause_s:g} s: {why}"
        master.log(Level.WARNING, f"worker {worker.name} gets {text}")
        master.publish(m.WorkerEvent(worker.name, worker.condition, text))
        waiting = [attempt for attempt in worker.attempts.values() if attempt.queued]
        master.cancel_attempts(waiting, "taken back from a bad worker's queue")

    def _try_again(self, worker: Worker) -> None:
        master = self._master
        del self._paused[worker.peer]
        worker.health.try_again()
        master.scheduler.update(worker)
        master.log(Level.INFO, f"worker {worker.name} gets tasks again, one at a time")
        master.publish(m.WorkerEvent(worker.name, worker.condition, "one task at a time"))
