"""Which worker gets which task next.

Workers pull: each has said how many attempts it can take. Tasks go round-robin, one a worker, first
to free slots; only when there is much more work than slots do workers get more than they can run at
once, so that a worker with quick tasks never waits for the network. Jobs are served in the order
of their submission.

A step costs the same with ten workers and with ten thousand: workers with room are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from zmr.core.jobs import JobRun
from zmr.core.states import HealthState, WorkerState
from zmr.core.tasks import Attempt, TaskRecord, TaskTable
from zmr.core.workers import Worker, WorkerTable

# More than so many idle tasks a slot, and workers may hold tasks in reserve.
_RESERVE_FROM_TASKS_A_SLOT = 2

# An attempt with no progress to go by is slow when it stands still for so long, and for so many
# times as long as the median task takes.
_STILL_S = 10.0
_STILL_MEDIANS = 3

# Backup tasks begin when no more than this part of a phase's tasks is not complete. Before that, a
# median says little about the rest.
BACKUP_FRACTION = 0.25


@dataclass(frozen=True, slots=True)
class Grant:
    worker: Worker
    job: JobRun
    task: TaskRecord
    is_backup: bool


class Scheduler:
    def __init__(self, backup_fraction: float = BACKUP_FRACTION) -> None:
        self._backup_fraction = backup_fraction
        self._free: dict[bytes, Worker] = {}  # with a slot that has nothing to do
        self._reserve: dict[bytes, Worker] = {}  # all slots busy, but would take more
        self._takers: dict[bytes, Worker] = {}  # alive, and willing to take tasks now or later
        self._slots: dict[bytes, int] = {}
        self._total_slots = 0

    def update(self, worker: Worker) -> None:
        """The worker's state, credit or number of attempts may have changed."""
        peer, is_alive = worker.peer, worker.state is WorkerState.ALIVE
        takes = is_alive and worker.health.state is not HealthState.QUARANTINED
        slots = worker.slots if is_alive or worker.is_present else 0
        before = self._slots.get(peer, 0)
        if slots != before:
            self._total_slots += slots - before
            self._slots[peer] = slots
        if takes and worker.credit:
            self._takers[peer] = worker
        else:
            self._takers.pop(peer, None)
            if not slots:
                self._slots.pop(peer, None)
        # The one that got something goes to the end of the line.
        self._free.pop(peer, None)
        self._reserve.pop(peer, None)
        if takes and worker.room(prefetch=True) > 0:
            has_free_slot = worker.room(prefetch=False) > 0
            (self._free if has_free_slot else self._reserve)[peer] = worker

    @property
    def has_free_slots(self) -> bool:
        return bool(self._free)

    def has_takers_beside(self, worker: Worker | None) -> bool:
        """Whether another worker takes tasks, now or later."""
        return len(self._takers) > (worker is not None and worker.peer in self._takers)

    def has_free_slots_beside(self, worker: Worker) -> bool:
        """Whether another worker has a slot with nothing to do."""
        return len(self._free) > (worker.peer in self._free)

    def next_grant(self, jobs: Iterable[JobRun]) -> Grant | None:
        """What to hand out next, if anything. The caller hands it out, then calls `update`."""
        for job in jobs:
            if (self._free or self._reserve) and not (job.is_complete or job.is_held):
                grant = self._idle_task(job) or self._backup_task(job)
                if grant is not None:
                    return grant
        return None

    def validate(self, workers: WorkerTable) -> None:
        """Fail if an index contradicts the workers."""
        present = workers.present
        taking = [
            w for w in present if w.state is WorkerState.ALIVE and not w.health.is_quarantined
        ]
        free = {w.peer for w in taking if w.room(prefetch=False) > 0}
        reserve = {w.peer for w in taking if w.room(prefetch=True) > 0} - free
        assert self._free.keys() == free, "workers with a free slot"
        assert self._reserve.keys() == reserve, "workers with room in reserve"
        assert self._takers.keys() == {w.peer for w in taking if w.credit}, (
            "workers that take tasks"
        )
        assert self._slots == {w.peer: w.slots for w in present}, "slots by worker"
        assert self._total_slots == sum(worker.slots for worker in present), "total slots"

    def _idle_task(self, job: JobRun) -> Grant | None:
        table = job.ready
        if not table.idle:
            return None
        grant = self._fresh_task(job, table, self._free)
        if grant is None and self._free:
            # What is left has failed on all that are free.
            worker = next(iter(self._free.values()))
            task = table.next_idle(lambda task: self._may_fail_again(job, task))
            return Grant(worker, job, task, is_backup=False) if task is not None else None
        if grant is None and table.idle > _RESERVE_FROM_TASKS_A_SLOT * self._total_slots:
            grant = self._fresh_task(job, table, self._reserve)
        return grant

    def _fresh_task(
        self, job: JobRun, table: TaskTable, workers: dict[bytes, Worker]
    ) -> Grant | None:
        """A task for one of the workers on which it has not failed yet."""
        for peer, worker in workers.items():
            task = table.next_idle(partial(_is_fresh, peer))
            if task is not None:
                return Grant(worker, job, task, is_backup=False)
        return None

    def _may_fail_again(self, job: JobRun, task: TaskRecord) -> bool:
        """Whether the task may go where it has failed already.

        Its last time, which decides over the job, it has to wait for another worker, if there is
        one: one bad worker shall not fail a job.
        """
        # An error that repeats ends the job, too.
        is_last = bool(task.errors) or task.failures + 1 >= job.spec.max_attempts
        return not is_last or all(peer in task.failed_on for peer in self._takers)

    def _backup_task(self, job: JobRun) -> Grant | None:
        if not self._free:
            return None
        table = job.ready  # a reduce has to wait while a map runs again, a backup too
        if table.remaining > max(1, int(len(table) * self._backup_fraction)):
            return None
        for attempt in job.backups_wanted.values():
            if attempt.task.kind is not table.kind:
                continue
            for worker in self._free.values():
                if worker.peer != attempt.peer and worker.peer not in attempt.task.failed_on:
                    return Grant(worker, job, attempt.task, is_backup=True)
        return None


def _is_fresh(peer: bytes, task: TaskRecord) -> bool:
    return peer not in task.failed_on


def is_straggler(attempt: Attempt, table: TaskTable, now: float, backup_after_s: float) -> bool:
    """Whether the attempt should get a backup task when slots are free near the phase's end.

    What is left of it would take longer than a fresh attempt, as far as its progress tells.
    """
    runs_s = now - attempt.began_at
    if attempt.queued or len(attempt.task.attempts) > 1 or runs_s <= backup_after_s:
        return False
    pace = table.pace
    median_s = pace.median_s()
    if median_s is None:
        return False
    left_s = attempt.left_s(now)
    if left_s is not None and left_s > pace.fresh_s(attempt.records()):
        return True
    still_s = now - attempt.moved_at if attempt.fraction else runs_s
    return still_s > max(_STILL_S, backup_after_s, _STILL_MEDIANS * median_s)
