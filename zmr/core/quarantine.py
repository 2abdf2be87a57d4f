"""Bad workers: those on which attempts fail that go well elsewhere get no tasks for a while.

A worker is quarantined when three different tasks in a row have failed on it within a minute, while
others have had successes; when its disk is full, at once. What may be the user's fault does not
count: errors that the job's code raised, and tasks that have failed elsewhere, too. Each
quarantine is twice as long as the one before, up to five minutes. After it, the worker is on trial:
it gets one task at a time until one is complete.

The last worker that takes tasks is never quarantined, and when it goes away the quarantine of
another one ends: a job always ends. All of this is forgotten when the master is started again, and
costs a few attempts more then.
"""

from __future__ import annotations

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.cluster import Cluster
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.states import WorkerState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker

_BLAMED = (
    m.FailureReason.SLOT_DIED,
    m.FailureReason.OVER_MEMORY,
    m.FailureReason.WORKER_ERROR,
    m.FailureReason.DISK_FULL,
)


class Quarantine:
    def __init__(self, cluster: Cluster, outbox: Outbox, notices: Notices) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._notices = notices
        self._last_success_at = float("-inf")  # of any worker

    def succeeded(self, worker: Worker, now: float) -> None:
        """An attempt is complete there."""
        self._last_success_at = now
        if not worker.health.is_flawless and self._cluster.succeeded(worker):
            self._outbox.log(Level.INFO, f"worker {worker.name} works again")

    def failed(self, attempt: Attempt, failed: m.TaskFailed, now: float) -> None:
        """An attempt failed: perhaps it is its worker that is bad."""
        worker = self._cluster.workers.get(attempt.peer)
        if worker is None or worker.health.is_quarantined or failed.reason not in _BLAMED:
            return
        is_full = failed.reason is m.FailureReason.DISK_FULL
        if attempt.task.failed_on - {attempt.peer} and not is_full:
            return  # it is the task
        self._cluster.blame(worker, attempt.task, now)
        is_bad = is_full or worker.health.is_on_trial or self._is_worse(worker)
        if is_bad and self._cluster.scheduler.has_takers_beside(worker):
            self._begin(worker, failed.message, now)

    def tick(self, now: float) -> None:
        """Quarantines end."""
        for worker in list(self._cluster.workers.quarantined.values()):
            if worker.health.quarantined_until <= now:
                self._end(worker)

    def next_deadline(self) -> float | None:
        """When the next quarantine ends."""
        quarantined = self._cluster.workers.quarantined.values()
        return min((worker.health.quarantined_until for worker in quarantined), default=None)

    def keep_one_working(self) -> None:
        """If no worker takes tasks any more, end the quarantine that would end first."""
        quarantined = self._cluster.workers.quarantined
        if not quarantined or self._cluster.scheduler.has_takers_beside(None):
            return
        able = [w for w in quarantined.values() if w.state is WorkerState.ALIVE and w.credit]
        if able:
            self._end(min(able, key=lambda worker: worker.health.quarantined_until))

    def _is_worse(self, worker: Worker) -> bool:
        """Whether tasks fail there in a row, while others have successes."""
        bad_since = worker.health.bad_since  # there was no success of its own since then
        return bad_since is not None and self._last_success_at > bad_since

    def _begin(self, worker: Worker, why: str, now: float) -> None:
        duration_s = self._cluster.quarantine(worker, now)
        text = f"no tasks for {duration_s:g} s: {why}"
        self._outbox.log(Level.WARNING, f"worker {worker.name} is quarantined: {text}")
        self._outbox.publish(m.WorkerEvent(worker.name, worker.condition, text))
        waiting = [attempt for attempt in worker.attempts.values() if attempt.queued]
        self._notices.cancel(waiting, "taken back from a quarantined worker's queue")

    def _end(self, worker: Worker) -> None:
        self._cluster.begin_trial(worker)
        self._outbox.log(Level.INFO, f"worker {worker.name} gets tasks again, one at a time")
        self._outbox.publish(m.WorkerEvent(worker.name, worker.condition, "one task at a time"))
