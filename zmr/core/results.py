"""What becomes of attempts: completion, failure, commit, return.

Here it is decided whose result counts. The rules, for every task of a job:

- The first attempt to complete wins, whichever it is, also one that had been given up for lost.
- Of tasks that publish a file, at most one attempt at a time may do so, and it keeps the right
  until it completes, fails or is lost. Others that ask are left waiting.
- Whatever is said about an attempt that is over is acknowledged, so that it is not repeated, and
  changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zmr.core import messages as m
from zmr.core.actions import Level
from zmr.core.jobs import JobRun
from zmr.core.liveness import Worker
from zmr.core.states import AttemptState
from zmr.core.tasks import Attempt, TaskRecord

if TYPE_CHECKING:
    from zmr.core.master import Master

# A reduce that so often could not read its input does not fail by bad luck.
_LOST_INPUTS_ALLOWED = 20


class Results:
    """The part of the master that hears of attempts. It shares the master's state."""

    def __init__(self, master: Master) -> None:
        self._master = master

    # --- completion ---

    def completed(self, worker: Worker, done: m.MapDone | m.ReduceDone, now: float) -> None:
        """An attempt is complete."""
        master = self._master
        master.send(worker.peer, m.Ack((done.attempt,)))
        kind = m.TaskKind.MAP if isinstance(done, m.MapDone) else m.TaskKind.REDUCE
        found = self._attempt(worker, done.job_id, kind, done.index, done.attempt)
        if found is None:
            if not self._is_result(done, kind):
                master.send(worker.peer, m.Cancel((done.attempt,), "another attempt was first"))
            return
        job, attempt = found
        self._win(job, attempt, done, worker, now)

    def _win(
        self,
        job: JobRun,
        attempt: Attempt,
        done: m.MapDone | m.ReduceDone,
        worker: Worker,
        now: float,
    ) -> None:
        master, task = self._master, attempt.task
        table = job.table(task.kind)
        others = table.complete(task, attempt, done, now)
        del job.attempts[attempt.id]
        job.backups_wanted.pop(attempt.id, None)
        master.release(attempt)
        if isinstance(done, m.MapDone) and not job.is_map_only:
            worker.outputs.setdefault(job.id, set()).add(task.index)
            job.outputs_changed()
        master.publish_attempt(attempt)
        master.cancel_attempts(others, "another attempt was first")

    def _is_result(self, done: m.MapDone | m.ReduceDone, kind: m.TaskKind) -> bool:
        """Whether this attempt is the one that completed the task: then this is a repetition."""
        job = self._master.jobs.get(done.job_id)
        if job is None or done.index >= len(job.table(kind)):
            return False
        result = job.table(kind).tasks[done.index].result
        return result is not None and result.attempt == done.attempt

    # --- commit ---

    def commit_requested(self, worker: Worker, request: m.CommitRequest, now: float) -> None:
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
        if task.committer is attempt:
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
        self._master.send(attempt.peer, m.Cancel((attempt.id,), message))
        self._fail(
            job,
            attempt,
            m.TaskFailed(
                job.id, task.kind, task.index, attempt.id, m.FailureReason.NO_PROGRESS, message
            ),
            now,
        )

    def _fail(self, job: JobRun, attempt: Attempt, failed: m.TaskFailed, now: float) -> None:
        master, task = self._master, attempt.task
        worker = master.workers.workers.get(attempt.peer)
        name = worker.name if worker else "a worker"
        master.close_attempt(attempt, "fail")
        master.publish_attempt(attempt, failed.message)
        if failed.reason is m.FailureReason.LOST_INPUT:
            given_up = self._inputs_lost(job, task, failed)
        else:
            task.failures += 1
            task.failed_on |= {attempt.peer}
            given_up = task.failures >= job.spec.max_attempts
        count = f"{task.failures} of {job.spec.max_attempts}"
        text = f"{attempt} failed on {name} ({count}): {failed.message}"
        master.log(Level.WARNING, text)
        if given_up:
            job.traceback = failed.traceback
            reason = f"{task} failed {task.failures} times, the last on {name}: {failed.message}"
            master.end_job(job, "fail", reason, now)

    def _inputs_lost(self, job: JobRun, task: TaskRecord, failed: m.TaskFailed) -> bool:
        """Have the maps whose outputs can't be read run again. True: it happens too often."""
        for index, attempt_id in failed.lost:
            if index >= len(job.maps):
                continue
            source = job.maps.tasks[index]
            if source.result is not None and source.result.attempt == attempt_id:
                self._master.lose_output(job, source)
        task.lost_inputs += 1
        return task.lost_inputs > _LOST_INPUTS_ALLOWED

    # --- loss and return ---

    def lost_with(self, worker: Worker, job: JobRun, task: TaskRecord) -> Attempt:
        """The attempt of a completed map whose worker is lost; its output may return with it."""
        assert task.result is not None
        attempt = Attempt(task.result.attempt, job.id, task, worker.peer, 0.0, is_backup=False)
        attempt.state = AttemptState.LOST
        job.attempts[attempt.id] = attempt
        return attempt

    def take_back(self, worker: Worker, register: m.Register, now: float) -> None:
        """Use what a registering worker has from before, as far as it is of use."""
        master = self._master
        useless = []
        for done in register.held:
            found = self._attempt(worker, done.job_id, m.TaskKind.MAP, done.index, done.attempt)
            if found is not None:
                self._win(*found, done, worker, now)
                master.log(Level.INFO, f"{found[1].task} is back with worker {worker.name}")
            elif not self._is_result(done, m.TaskKind.MAP):
                useless.append(done.attempt)
        for attempt_id in register.running:
            attempt = self._find(attempt_id)
            if attempt is None or attempt.peer != worker.peer:
                useless.append(attempt_id)
            elif attempt.state is AttemptState.LOST:
                self._return(self._master.jobs[attempt.job_id], attempt, worker, now)
        if useless:
            master.send(worker.peer, m.Cancel(tuple(useless), "of no use any more"))

    def _return(self, job: JobRun, attempt: Attempt, worker: Worker, now: float) -> None:
        master = self._master
        job.table(attempt.task.kind).attempt_returned(attempt, now)
        worker.attempts[attempt.id] = attempt
        worker.jobs_known.add(job.id)
        master.scheduler.update(worker)
        master.publish_attempt(attempt, "back with its worker")
        master.log(Level.INFO, f"{attempt} is back with worker {worker.name}")

    # --- looking up ---

    def _find(self, attempt_id: int) -> Attempt | None:
        for job in self._master.jobs.values():
            if attempt_id in job.attempts:
                return job.attempts[attempt_id]
        return None

    def _attempt(
        self, worker: Worker, job_id: str, kind: m.TaskKind, index: int, attempt_id: int
    ) -> tuple[JobRun, Attempt] | None:
        """The attempt that a message is about, if it is not over and all of the message fits it."""
        job = self._master.jobs.get(job_id)
        attempt = job.attempts.get(attempt_id) if job is not None else None
        if job is None or attempt is None or job.has_ended:
            self._master.ignored["attempt is over"] += 1
            return None
        task = attempt.task
        if attempt.peer != worker.peer or task.kind is not kind or task.index != index:
            self._master.ignored["attempt is not the sender's"] += 1
            return None
        return job, attempt
