"""What becomes of attempts: completion, failure, commit, return.

Here it is decided whose result counts. The rules, for every task of a job:

- The first attempt to complete wins, whichever it is, also one that had been given up for lost.
- Of tasks that publish a file, at most one attempt at a time may do so, and it keeps the right
  until it completes, fails or is lost. Others that ask are left waiting.
- Whatever is said about an attempt that is over is acknowledged, so that it is not repeated, and
  changes nothing.
"""

from __future__ import annotations

from dataclasses import replace

from zmr import messages as m
from zmr.core.actions import Level
from zmr.core.cluster import Cluster
from zmr.core.fetch_failures import FetchFailures
from zmr.core.jobs import Ending, JobRun
from zmr.core.journal import AttemptFailed, CommitGranted, Completed
from zmr.core.notices import Notices
from zmr.core.outbox import Outbox
from zmr.core.phases import Phases
from zmr.core.quarantine import Quarantine
from zmr.core.states import AttemptState, JobState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker
from zmr.display import counted

# A reduce that so often could not read its input does not fail by bad luck.
_LOST_INPUTS_ALLOWED = 20

# What a record can do to a slot beyond raising.
_DEATHS = (
    m.FailureReason.SLOT_DIED,
    m.FailureReason.NO_PROGRESS,
    m.FailureReason.OVER_MEMORY,
)


class Attempts:
    def __init__(
        self,
        cluster: Cluster,
        outbox: Outbox,
        notices: Notices,
        phases: Phases,
        quarantine: Quarantine,
        fetch_failures: FetchFailures,
    ) -> None:
        self._cluster = cluster
        self._outbox = outbox
        self._notices = notices
        self._phases = phases
        self._quarantine = quarantine
        self._fetch_failures = fetch_failures

    # --- completion ---

    def completed(self, worker: Worker, done: m.MapDone | m.ReduceDone, now: float) -> None:
        """An attempt is complete."""
        self._outbox.send(worker.peer, m.Ack((done.attempt,)))
        if not self._use(worker, done, now):
            self._outbox.send(worker.peer, m.Cancel((done.attempt,), "another attempt was first"))

    def _use(self, worker: Worker, done: m.MapDone | m.ReduceDone, now: float) -> bool:
        """Whether this is, or already was, the result of its task."""
        kind = m.TaskKind.MAP if isinstance(done, m.MapDone) else m.TaskKind.REDUCE
        found = self._attempt(worker, done.job_id, kind, done.index, done.attempt)
        if found is None:
            return self._is_result(done, kind)
        job, attempt = found
        if not _is_whole(job, done):
            self._outbox.ignored["result of another kind of job"] += 1
            return False
        if isinstance(done, m.MapDone) and (unread := job.unread(done)):
            reason = m.FailureReason.WORKER_ERROR
            failed = m.TaskFailed(job.id, kind, done.index, attempt.id, reason, unread)
            self._fail(job, attempt, failed, now)
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
        if attempt.state is AttemptState.LOST:
            text = f"{attempt}, thought lost, is complete on {worker.name}"
            self._outbox.log(Level.INFO, text)
        state, is_step = job.state, job.id != job.public_id
        if attempt.task.errors and not attempt.task.winner:
            message = attempt.task.errors[0].partition("\n")[0]
            text = f"{attempt} is complete, after one that failed: {message}"
            self._outbox.log(Level.WARNING, text)
        record = Completed(replace(done, job_id=job.public_id) if is_step else done)
        over = self._cluster.commit(record, now)
        # The order matters. Readers of the events see a task complete before its other attempts are
        # cancelled, and all maps before a reduce. The job's end comes last, since it drops the
        # tables that the others look into.
        self._quarantine.succeeded(worker, now)
        self._notices.publish(attempt)
        if over:
            self._notices.cancelled(over, "another attempt was first")
        if job.state is not state:
            self._phases.reduces_begin(job)
        if isinstance(done, m.MapDone) and (done.skipped or done.skipped_files):
            self._end_if_too_many_skipped(job, job.last_skipped, now)

    def _is_result(self, done: m.MapDone | m.ReduceDone, kind: m.TaskKind) -> bool:
        """Whether this attempt is the one that completed the task: then this is a repetition."""
        job = self._cluster.active.get(done.job_id)
        if job is None or done.index >= len(job.table(kind)):
            return False
        return job.table(kind).tasks[done.index].is_result(done.attempt)

    # --- commit ---

    def commit_requested(self, worker: Worker, request: m.CommitRequest, now: float) -> None:
        """An attempt wants to publish its output."""
        found = self._attempt(worker, request.job_id, request.kind, request.index, request.attempt)
        if found is None:
            self._outbox.send(worker.peer, m.CommitReply(request.attempt, granted=False))
            return
        job, attempt = found
        task = attempt.task
        if not job.commits(task.kind):
            self._outbox.ignored["commit of a map output"] += 1
            return
        if attempt.state is AttemptState.LOST:
            self._return(job, attempt, worker, now)
        if attempt.state is AttemptState.RUNNING:
            self._cluster.ask_to_commit(attempt)
            self._notices.publish(attempt)
        if task.committer is None:
            self._cluster.commit(CommitGranted(job.public_id, attempt.id), now)
        if task.committer is attempt:
            self._outbox.send(worker.peer, m.CommitReply(attempt.id, granted=True))
        # Otherwise no answer yet: the other one may fail, and this one repeats its question.

    # --- failure ---

    def failed(self, worker: Worker, failed: m.TaskFailed, now: float) -> None:
        """An attempt has failed, and says why."""
        self._outbox.send(worker.peer, m.Ack((failed.attempt,)))
        found = self._attempt(worker, failed.job_id, failed.kind, failed.index, failed.attempt)
        if found is not None:
            self._fail(*found, failed, now)

    def stuck(self, job: JobRun, attempt: Attempt, now: float) -> None:
        """A running attempt makes no progress: it is stopped, and counts as failed."""
        task = attempt.task
        where, option = ("", "task")
        if attempt.is_starting:
            where, option = " in the job's imports and setup", "setup"
        message = f"no progress for {job.patience_s(attempt):g} s{where} (--{option}-timeout)"
        known = m.Circumstances()
        if task.kind is m.TaskKind.MAP and attempt.progress[0]:
            known = m.Circumstances(record=attempt.progress[0] - 1)
            message += f", at record {attempt.progress[0]:,} of its input"
        self._outbox.send(attempt.peer, m.Cancel((attempt.id,), message))
        reason = m.FailureReason.NO_PROGRESS
        failed = m.TaskFailed(
            job.id, task.kind, task.index, attempt.id, reason, message, circumstances=known
        )
        self._fail(job, attempt, failed, now)

    def _fail(self, job: JobRun, attempt: Attempt, failed: m.TaskFailed, now: float) -> None:
        task, name = attempt.task, self._cluster.name_of(attempt.peer)
        lost_input = failed.reason is m.FailureReason.LOST_INPUT and task.kind is m.TaskKind.REDUCE
        record, n_skips = _killer(job, failed), len(task.skips)
        error = _users_error(failed)
        is_repeated = error in task.errors
        fact = AttemptFailed(job.public_id, attempt.id, lost_input, record, error)
        self._cluster.commit(fact, now)
        self._notices.publish(attempt, failed.message, failed)
        # The order matters. The record comes first: what the failure says of map outputs and of the
        # worker is judged by the failures counted, this one included. Both are judged before the
        # job may end by it, since that drops all that is known of the job's outputs and tasks.
        if lost_input:
            self._fetch_failures.reported(job, attempt, failed.lost, now)
        self._quarantine.failed(attempt, failed, now)
        what, times, limit = "failed", task.failures, job.spec.max_attempts
        if lost_input:
            what, times, limit = "could not read its input", task.lost_inputs, _LOST_INPUTS_ALLOWED
        is_skipped = len(task.skips) > n_skips
        count = f"record {record + 1:,} is skipped now" if is_skipped else f"{times} of {limit}"
        text = f"{attempt} {what} on {name} ({count}): {failed.message}"
        is_over = is_repeated or times >= limit or failed.reason is m.FailureReason.BAD_RECORDS
        # What ends the job is in its reason, and the first error is likely to be that.
        is_first = error != "" and len(task.errors) == 1
        self._outbox.log(Level.INFO if is_over or is_first else Level.WARNING, text)
        if is_over:
            often = "twice with the same error" if is_repeated else counted(max(times, 1), "time")
            reason = f"{task} {what} {often}, the last on {name}: {failed.message}"
            if job.spec.skip_bad_records and task.kind is m.TaskKind.REDUCE:
                reason += " (--skip-bad-records is for records of map, not for keys of reduce)"
            self._end_job(job, reason, now, failed.traceback, f"{task.kind.label}-{task.index}")
        elif is_skipped:
            last = f"of {task}: {failed.message}"
            self._end_if_too_many_skipped(job, last, now, f"{task.kind.label}-{task.index}")

    def _end_if_too_many_skipped(
        self, job: JobRun, last: str, now: float, failed_task: str = ""
    ) -> None:
        if too_many := job.skips_too_many():
            self._end_job(job, f"{too_many}, the last: {last}", now, failed_task=failed_task)

    def _end_job(
        self, job: JobRun, reason: str, now: float, traceback: str = "", failed_task: str = ""
    ) -> None:
        reason = job.with_step_name(reason)
        self._phases.end(job, Ending(JobState.FAILED, reason, traceback, failed_task), now)

    # --- return ---

    def take_back(self, worker: Worker, register: m.Register, now: float) -> None:
        """Use what a registering worker has from before, as far as it is of use."""
        active = self._cluster.active
        ended = {done.job_id for done in register.held if done.job_id not in active}
        for job_id in sorted(ended):
            self._outbox.send(worker.peer, m.ForgetJob(job_id))
        useless = [
            done.attempt
            for done in register.held
            if done.job_id not in ended and not self._use(worker, done, now)
        ]
        useless += [id for id in register.running if not self.goes_on(worker, id, now)]
        if useless:
            self._outbox.send(worker.peer, m.Cancel(tuple(useless), "of no use any more"))

    def goes_on(self, worker: Worker, attempt_id: int, now: float) -> bool:
        """Whether an attempt that the worker says it has is of use."""
        for job in self._cluster.active.values():
            attempt = job.attempts.get(attempt_id)
            if attempt is not None and attempt.peer == worker.peer:
                if attempt.state is AttemptState.LOST:
                    self._return(job, attempt, worker, now)
                return True
        # An old message may speak of one that is complete by now. To cancel that would discard it.
        return worker.holds(attempt_id)

    def _return(self, job: JobRun, attempt: Attempt, worker: Worker, now: float) -> None:
        self._cluster.take_back(attempt, now)
        if attempt.was_granted and attempt.task.committer is None:
            self._cluster.commit(CommitGranted(job.public_id, attempt.id), now)
        self._notices.publish(attempt, "back with its worker")
        self._outbox.log(Level.INFO, f"{attempt} is back with worker {worker.name}")

    # --- looking up ---

    def _attempt(
        self, worker: Worker, job_id: str, kind: m.TaskKind, index: int, attempt_id: int
    ) -> tuple[JobRun, Attempt] | None:
        """The attempt that a message is about, if it is not over and all of the message fits it."""
        job = self._cluster.active.get(job_id)
        attempt = job.attempts.get(attempt_id) if job is not None else None
        if job is None or attempt is None:
            self._outbox.ignored["attempt is over"] += 1
            return None
        task = attempt.task
        if attempt.peer != worker.peer or task.kind is not kind or task.index != index:
            self._outbox.ignored["attempt is not the sender's"] += 1
            return None
        return job, attempt


def _killer(job: JobRun, failed: m.TaskFailed) -> int:
    """The number of the record of which the slot died, if bad records are skipped; or -1."""
    is_skipped = job.spec.skip_bad_records and failed.reason in _DEATHS
    return failed.circumstances.record if is_skipped else -1  # that of a reduce is not known


def _users_error(failed: m.TaskFailed) -> str:
    """What the job's own code raised, and, in a line below, at which record; "": nothing."""
    if failed.reason is not m.FailureReason.USER_ERROR:
        return ""
    return f"{failed.message}\n{failed.circumstances.record}"


def _is_whole(job: JobRun, done: m.MapDone | m.ReduceDone) -> bool:
    """Whether the result says where the output is, in the way of this kind of job.

    A map that put out nothing has no output.
    """
    if done.file is not None and done.file.name != f"mr-out-{done.index}":
        return False
    if isinstance(done, m.ReduceDone):
        return True
    if job.is_map_only:
        return done.file is not None and not done.path
    return done.file is None
