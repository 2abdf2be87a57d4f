"""A master out of its journal: replays what was recorded, then looks for the workers.

The restored master knows all jobs, tasks and results. It takes every worker that it knew for
suspect: alive, but silent. So each has as long to come back as silent workers always have, with the
attempts that it runs and the map outputs that it holds; what doesn't come back in time is lost, and
is done again.

Attempts that ended without a result are not in the journal unless they failed, so the restored
master may take some for live that are over. The first heartbeat of their worker shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import (
    AttemptFailed,
    CommitGranted,
    Completed,
    EpochBegun,
    HandedOut,
    JobClosed,
    JobForgotten,
    JobSubmitted,
    OutputLost,
    Record,
    StepBegun,
    WorkerGone,
    WorkerJoined,
)
from zmr.core.plan import plan
from zmr.core.states import AttemptState, JobState
from zmr.core.tasks import Attempt

if TYPE_CHECKING:
    from zmr.core.master import Master


class Restoration:
    """Replays records into a master that has seen nothing yet."""

    def __init__(self, master: Master, now: float) -> None:
        self._master = master
        self._now = now
        self._joined: dict[bytes, m.Register] = {}
        self._peers: dict[bytes, bytes] = {}  # one object of each, for all of its tasks

    def replay(self, records: Iterable[Record]) -> None:
        """Apply all records, then expect the workers. Raises if a record contradicts the others."""
        for record in records:
            _APPLY[type(record)](self, record)
        for peer, register in self._joined.items():
            master = self._master
            master.scheduler.update(master.workers.expect(peer, register, self._now))
        for job in self._master.active.values():
            self._expect_attempts(job)
            self._expect_outputs(job)
            job.maps.requeue()
            job.reduces.requeue()
        self._tell()

    # --- one method for each kind of record ---

    def _epoch(self, record: EpochBegun) -> None:
        if record.epoch == self._master.epoch:
            raise ValueError(f"epoch {record.epoch} has been before")

    def _worker_joined(self, record: WorkerJoined) -> None:
        self._joined[record.peer] = record.register

    def _worker_gone(self, record: WorkerGone) -> None:
        self._joined.pop(record.peer, None)

    def _submitted(self, record: JobSubmitted) -> None:
        submit = record.submit
        splits = plan(submit.inputs, record.split_bytes)
        job = JobRun(submit.spec, splits, record.words, record.split_bytes)
        self._master.jobs[job.public_id] = self._master.queued[job.id] = job

    def _start(self, job: JobRun) -> None:
        if job.state is JobState.QUEUED:
            job.move("start")
            self._master.active[job.id] = self._master.queued.pop(job.id)
            job.advance()

    def _step_begun(self, record: StepBegun) -> None:
        job = self._master.jobs[record.job_id]
        self._start(job)
        self._master.phases.go_on(job)
        job.advance()

    def _handed_out(self, record: HandedOut) -> None:
        job = self._master.jobs[record.job_id]
        self._start(job)
        table = job.table(record.kind)
        task = table.tasks[record.task]
        peer = self._peers.setdefault(record.peer, record.peer)
        attempt = Attempt(record.attempt, job.id, task, peer, self._now)
        table.hand_out(attempt, self._now)
        job.attempts[attempt.id] = attempt
        self._master.number_attempts_from(attempt.number)

    def _granted(self, record: CommitGranted) -> None:
        job, attempt = self._attempt(record.job_id, record.attempt)
        task, table = attempt.task, job.table(attempt.task.kind)
        if task.committer is not None and task.committer is not attempt:
            table.attempt_ended(task.committer, "worker lost")
        if attempt.state is AttemptState.LOST:
            table.attempt_returned(attempt, self._now)
        attempt.move("ask to commit")
        attempt.was_granted = True
        task.committer = attempt

    def _completed(self, record: Completed) -> None:
        done = record.done
        job, attempt = self._attempt(done.job_id, done.attempt)
        attempt.began_at = self._now - done.stats.elapsed_s
        job.complete(attempt, done, self._now)
        task = attempt.task
        for other in (*task.attempts, *task.lost):
            job.table(task.kind).attempt_ended(other, "cancel")
            del job.attempts[other.id]
        job.advance()

    def _failed(self, record: AttemptFailed) -> None:
        job, attempt = self._attempt(record.job_id, record.attempt)
        job.table(attempt.task.kind).attempt_ended(attempt, "fail")
        attempt.task.count_failure(attempt.peer, record.lost_input, record.record)
        del job.attempts[attempt.id]

    def _output_lost(self, record: OutputLost) -> None:
        job = self._master.jobs[record.job_id]
        job.lose_output(job.maps.tasks[record.task], record.may_return)

    def _closed(self, record: JobClosed) -> None:
        job = JobRun.closed(record)
        ended = self._master.jobs.get(job.public_id, job)
        self._master.jobs[job.public_id] = job
        self._master.active.pop(ended.id, None)
        self._master.queued.pop(ended.id, None)
        self._master.ended.append(job.public_id)

    def _forgotten(self, record: JobForgotten) -> None:
        del self._master.jobs[record.job_id]
        self._master.ended.remove(record.job_id)

    def _attempt(self, job_id: str, attempt_id: int) -> tuple[JobRun, Attempt]:
        job = self._master.jobs[job_id]
        return job, job.attempts[attempt_id]

    # --- and then ---

    def _expect_attempts(self, job: JobRun) -> None:
        """Take live attempts for running on their workers."""
        for attempt in list(job.attempts.values()):
            if not attempt.is_live:
                continue
            worker = self._master.workers.get(attempt.peer)
            if worker is not None:
                self._master.occupy(worker, attempt)
            else:  # it was cancelled when its worker left
                job.table(attempt.task.kind).attempt_ended(attempt, "worker lost")

    def _expect_outputs(self, job: JobRun) -> None:
        """Take map outputs for being where they were."""
        for task in job.maps.tasks:
            if not job.needs_output_of(task):
                continue
            worker = self._master.workers.get(task.owner)
            if worker is not None:
                worker.takes_output(job.id, task.winner, task.index)
            else:
                job.lose_output(task, may_return=False)

    def _tell(self) -> None:
        master = self._master
        unfinished = [*master.active.values(), *master.queued.values()]
        for job in unfinished:
            text = job.told("the master was started again")
            master.publish(m.JobEvent(job.public_id, job.state.value, text))
        workers = len(self._joined)
        if unfinished or workers:
            text = f"{counted(len(unfinished), 'job')} and {counted(workers, 'worker')}"
            master.log(Level.INFO, f"going on where the journal ends, with {text}")


_APPLY: dict[type, Callable[[Restoration, Any], None]] = {
    EpochBegun: Restoration._epoch,
    WorkerJoined: Restoration._worker_joined,
    WorkerGone: Restoration._worker_gone,
    JobSubmitted: Restoration._submitted,
    StepBegun: Restoration._step_begun,
    HandedOut: Restoration._handed_out,
    CommitGranted: Restoration._granted,
    Completed: Restoration._completed,
    AttemptFailed: Restoration._failed,
    OutputLost: Restoration._output_lost,
    JobClosed: Restoration._closed,
    JobForgotten: Restoration._forgotten,
}
