"""What becomes of attempts: completion, failure, commit, loss, return.

Here it is decided whose result counts. The rules, for every task of a job:

- The first attempt to complete wins, whichever it is, also one that had been given up for lost.
- Of tasks that publish a file, at most one attempt at a time may do so, and it keeps the right
  until it completes, fails or is lost. Others that ask are left waiting.
- Whatever is said about an attempt that is over is acknowledged, so that it is not repeated, and
  changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import AttemptFailed, CommitGranted, Completed, OutputLost
from zmr.core.states import AttemptState
from zmr.core.tasks import Attempt, TaskRecord
from zmr.core.workers import Worker

if TYPE_CHECKING:
    from zmr.core.master import Master

# A reduce that so often could not read its input does not fail by bad luck.
_LOST_INPUTS_ALLOWED = 20

# What a record can do to a slot beyond raising.
_DEATHS = (
    m.FailureReason.SLOT_DIED,
    m.FailureReason.NO_PROGRESS,
    m.FailureReason.OVER_MEMORY,
)


class Results:
    """The part of the master that hears of attempts. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master

    # --- completion ---

    def completed(self, worker: Worker, done: m.MapDone | m.ReduceDone, now: float) -> None:
        """An attempt is complete."""
        master = self._master
        master.send(worker.peer, m.Ack((done.attempt,)))
        if not self._use(worker, done, now):
            master.send(worker.peer, m.Cancel((done.attempt,), "another attempt was first"))

    def _use(self, worker: Worker, done: m.MapDone | m.ReduceDone, now: float) -> bool:
        """Whether this is, or already was, the result of its task."""
        kind = m.TaskKind.MAP if isinstance(done, m.MapDone) else m.TaskKind.REDUCE
        found = self._attempt(worker, done.job_id, kind, done.index, done.attempt)
        if found is None:
            return self._is_result(done, kind)
        job, attempt = found
        if not _is_whole(job, done):
            self._master.ignored["result of another kind of job"] += 1
            return False
        self._win(job, attempt, done, worker, now)
        return True

    def _win(
        self,
        job: JobRun,
        attempt: Attempt,
        done: m.MapDone | m.ReduceDone,
        worker: Worker,
        now: float,
    ) -> None:
        master, task = self._master, attempt.task
        if attempt.state is AttemptState.LOST:
            master.log(Level.INFO, f"{attempt}, thought lost, is complete on {worker.name}")
        if master.has_journal:
            is_step = job.id != job.public_id
            master.record(Completed(replace(done, job_id=job.public_id) if is_step else done))
        job.complete(attempt, done, now)
        master.care.succeeded(worker, now)
        master.release(attempt)
        if isinstance(done, m.MapDone) and done.path:
            worker.takes_output(job.id, attempt.id, task.index)
        master.publish_attempt(attempt)
        master.cancel_attempts((*task.attempts, *task.lost), "another attempt was first")
        if isinstance(done, m.MapDone) and done.skipped and job.skips_too_many:
            self._too_many_skipped(job, job.last_skipped, now)

    def _is_result(self, done: m.MapDone | m.ReduceDone, kind: m.TaskKind) -> bool:
        """Whether this attempt is the one that completed the task: then this is a repetition."""
        job = self._master.active.get(done.job_id)
        if job is None or done.index >= len(job.table(kind)):
            return False
        return job.table(kind).tasks[done.index].is_result(done.attempt)

    # --- commit ---

    def commit_requested(self, worker: Worker, request: m.CommitRequest, now: float) -> None:
        """An attempt wants to publish its output."""
        master = self._master
        found = self._attempt(worker, request.job_id, request.kind, request.index, request.attempt)
        if found is None:
            master.send(worker.peer, m.CommitReply(request.attempt, granted=False))
            return
        job, attempt = found
        task = attempt.task
        if not job.commits(task.kind):
            master.ignored["commit of a map output"] += 1
            return
        if attempt.state is AttemptState.LOST:
            self._return(job, attempt, worker, now)
        if attempt.state is AttemptState.RUNNING:
            attempt.move("ask to commit")
            master.publish_attempt(attempt)
        if task.committer is None:
            task.committer = attempt
            master.record(CommitGranted(job.public_id, attempt.id))
        if task.committer is attempt:
            attempt.was_granted = True
            master.send(worker.peer, m.CommitReply(attempt.id, granted=True))
        # Otherwise no answer yet: the other one may fail, and this one repeats its question.

    # --- failure ---

    def failed(self, worker: Worker, failed: m.TaskFailed, now: float) -> None:
        """An attempt has failed, and says why."""
        self._master.send(worker.peer, m.Ack((failed.attempt,)))
        found = self._attempt(worker, failed.job_id, failed.kind, failed.index, failed.attempt)
        if found is not None:
            self._fail(*found, failed, now)

    def stuck(self, job: JobRun, attempt: Attempt, now: float) -> None:
        """A running attempt makes no progress: it is stopped, and counts as failed."""
        task = attempt.task
        message = f"no progress for {job.spec.task_timeout_s:g} s (--task-timeout)"
        known = m.Circumstances()
        if task.kind is m.TaskKind.MAP and attempt.progress[0]:
            known = m.Circumstances(record=attempt.progress[0] - 1)
            message += f", at record {attempt.progress[0]:,} of its input"
        self._master.send(attempt.peer, m.Cancel((attempt.id,), message))
        self._fail(
            job,
            attempt,
            m.TaskFailed(
                *(job.id, task.kind, task.index, attempt.id, m.FailureReason.NO_PROGRESS, message),
                circumstances=known,
            ),
            now,
        )

    def _fail(self, job: JobRun, attempt: Attempt, failed: m.TaskFailed, now: float) -> None:
        master, task = self._master, attempt.task
        name = master.name_of(attempt.peer)
        master.close_attempt(attempt, "fail")
        master.publish_attempt(attempt, failed.message, failed)
        lost_input = failed.reason is m.FailureReason.LOST_INPUT and task.kind is m.TaskKind.REDUCE
        record, n_skips = _killer(job, failed), len(task.skips)
        master.record(AttemptFailed(job.public_id, attempt.id, lost_input, record))
        task.count_failure(attempt.peer, lost_input, record)
        if lost_input:
            master.doubts.reported(job, attempt, failed.lost, now)
            times, limit = task.lost_inputs, _LOST_INPUTS_ALLOWED
            what = "could not read its input"
        else:
            times, limit = task.failures, job.spec.max_attempts
            what = "failed"
        master.care.failed(attempt, failed, now)
        is_skipped = len(task.skips) > n_skips
        count = f"record {record + 1:,} is skipped now" if is_skipped else f"{times} of {limit}"
        master.log(Level.WARNING, f"{attempt} {what} on {name} ({count}): {failed.message}")
        if times >= limit or failed.reason is m.FailureReason.BAD_RECORDS:
            job.traceback, job.failed_task = failed.traceback, f"{task.kind.label}-{task.index}"
            often = counted(max(times, 1), "time")
            reason = f"{task} {what} {often}, the last on {name}: {failed.message}"
            if job.spec.skip_bad_records and task.kind is m.TaskKind.REDUCE:
                reason += " (--skip-bad-records is for records of map, not for keys of reduce)"
            master.end_job(job, "fail", job.told_of_step(reason), now)
        elif is_skipped and job.skips_too_many:
            job.failed_task = f"{task.kind.label}-{task.index}"
            self._too_many_skipped(job, f"of {task}: {failed.message}", now)

    def _too_many_skipped(self, job: JobRun, last: str, now: float) -> None:
        most = counted(job.spec.skip_bad_records, "bad record")
        reason = f"more than {most} (--skip-bad-records), the last: {last}"
        self._master.end_job(job, "fail", job.told_of_step(reason), now)

    # --- loss and return ---

    def lose_output(self, job: JobRun, task: TaskRecord, why: str, may_return: bool) -> None:
        """A completed map's output can't be had: the map runs again, unless its worker returns."""
        self._master.record(OutputLost(job.public_id, task.index, may_return))
        attempt = job.lose_output(task, may_return)
        self._master.publish_attempt(attempt, f"its output: {why}")

    def take_back(self, worker: Worker, register: m.Register, now: float) -> None:
        """Use what a registering worker has from before, as far as it is of use."""
        master = self._master
        ended = {done.job_id for done in register.held if done.job_id not in master.active}
        for job_id in sorted(ended):
            master.send(worker.peer, m.ForgetJob(job_id))
        useless = [
            done.attempt
            for done in register.held
            if done.job_id not in ended and not self._use(worker, done, now)
        ]
        useless += [id for id in register.running if not self.goes_on(worker, id, now)]
        if useless:
            master.send(worker.peer, m.Cancel(tuple(useless), "of no use any more"))

    def goes_on(self, worker: Worker, attempt_id: int, now: float) -> bool:
        """Whether an attempt that the worker says it has is of use."""
        for job in self._master.active.values():
            attempt = job.attempts.get(attempt_id)
            if attempt is not None and attempt.peer == worker.peer:
                if attempt.state is AttemptState.LOST:
                    self._return(job, attempt, worker, now)
                return True
        # An old message may speak of one that is complete by now. To cancel that would discard it.
        return worker.holds(attempt_id)

    def _return(self, job: JobRun, attempt: Attempt, worker: Worker, now: float) -> None:
        master = self._master
        job.table(attempt.task.kind).attempt_returned(attempt, now)
        if attempt.task.committer is attempt:
            master.record(CommitGranted(job.public_id, attempt.id))
        for other in attempt.task.attempts:
            job.backups_wanted.pop(other.id, None)
        master.occupy(worker, attempt)
        master.publish_attempt(attempt, "back with its worker")
        master.log(Level.INFO, f"{attempt} is back with worker {worker.name}")

    # --- looking up ---

    def _attempt(
        self, worker: Worker, job_id: str, kind: m.TaskKind, index: int, attempt_id: int
    ) -> tuple[JobRun, Attempt] | None:
        """The attempt that a message is about, if it is not over and all of the message fits it."""
        job = self._master.active.get(job_id)
        attempt = job.attempts.get(attempt_id) if job is not None else None
        if job is None or attempt is None:
            self._master.ignored["attempt is over"] += 1
            return None
        task = attempt.task
        if attempt.peer != worker.peer or task.kind is not kind or task.index != index:
            self._master.ignored["attempt is not the sender's"] += 1
            return None
        return job, attempt


def _killer(job: JobRun, failed: m.TaskFailed) -> int:
    """The number of the record of which the slot died, if bad records are skipped; or -1."""
    is_death = failed.kind is m.TaskKind.MAP and failed.reason in _DEATHS
    return failed.circumstances.record if job.spec.skip_bad_records and is_death else -1


def _is_whole(job: JobRun, done: m.MapDone | m.ReduceDone) -> bool:
    """Whether the result says where the output is, in the way of this kind of job.

    A map that put out nothing has no output.
    """
    if isinstance(done, m.ReduceDone):
        return True
    if job.is_map_only:
        return done.file is not None and not done.path
    return done.file is None
