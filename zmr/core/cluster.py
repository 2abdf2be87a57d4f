"""All that a master knows: jobs, tasks, attempts, workers, and the indexes over them.

`Cluster` owns this state. There is one method for each fact that changes it; it makes the moves in
the tables of `zmr.core.states` and keeps every index in step. The policies (`attempts`,
`membership`, `phases`, ...) read all of it and change none of it but by these methods.

Facts are of two sorts:

- Facts that a journal must have are records (`zmr.core.journal`). `commit` is how the turn that
  decides one makes it true: it records the fact, and applies it. A restart applies the same
  records, so what a restored cluster knows came about by the same methods.
- All others (that a worker is heard of, how far an attempt is, ...) have a public method each. A
  restart knows nothing of them. So the method of a record must not rely on them: it sees to
  what must have happened for its fact to be possible (a job is handed out: it has been started).

Methods return the attempts that end with the fact, beside the one that it is about, so that the
caller can have their workers stop them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from zmr import messages as m
from zmr.core.invariants import validate_held, validate_holdings, validate_jobs
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
from zmr.core.plan import Plan, plan
from zmr.core.scheduler import Scheduler
from zmr.core.settings import MasterSettings
from zmr.core.states import AttemptState, JobState
from zmr.core.tasks import Attempt, TaskRecord
from zmr.core.workers import Worker, WorkerTable

EndedAttempts = tuple[Attempt, ...]


class Cluster:
    """The state of one start of a master. `record` takes each record that is committed."""

    def __init__(
        self, epoch: int, settings: MasterSettings, record: Callable[[Record], None]
    ) -> None:
        self.epoch = epoch
        self.jobs: dict[str, JobRun] = {}  # all, in the order of submission; of ended ones the last
        self.queued: dict[str, JobRun] = {}  # not started
        self.active: dict[str, JobRun] = {}  # started, and not ended; by the ids that workers know
        self.ended: deque[str] = deque()  # jobs, in the order of their ends
        self.workers = WorkerTable(settings.suspect_after_s, settings.lost_after_s)
        self.scheduler = Scheduler(settings.backup_fraction)
        self.running = 0  # live attempts
        self._attempts_numbered = 0
        self._epochs: set[int] = set()  # that have begun
        self._record = record

    def commit(self, record: Record, now: float) -> EndedAttempts:
        """The live turn's way: have the fact in the journal, and make it true."""
        self._record(record)
        return _APPLY[type(record)](self, record, now) or ()

    def apply(self, record: Record, now: float) -> None:
        """The restart's way: make the fact true that the journal has.

        Raises KeyError, ValueError or `IllegalMove` if it contradicts the facts before.
        """
        _APPLY[type(record)](self, record, now)

    # --- questions ---

    @property
    def newest_attempt(self) -> int:
        """The id of the attempt that was handed out last; later ones have higher ids."""
        return self.epoch << 32 | self._attempts_numbered

    @property
    def next_attempt(self) -> int:
        """The id for the next attempt."""
        return self.epoch << 32 | (self._attempts_numbered + 1)

    @property
    def is_busy(self) -> bool:
        """Whether something is under way that may soon end well."""
        return self.running > 0 or any(job.is_complete for job in self.active.values())

    def name_of(self, peer: bytes) -> str:
        """The worker's name, for people."""
        worker = self.workers.workers.get(peer)
        return worker.name if worker is not None else "a worker that is gone"

    def workers_knowing(self, job: JobRun) -> list[Worker]:
        """The present workers that have to hear of the end of what runs now of the job."""
        return [worker for worker in self.workers.present if job.id in worker.knows_of]

    # --- the epoch ---

    def _begin_epoch(self, record: EpochBegun, now: float) -> None:
        if record.epoch in self._epochs:
            raise ValueError(f"epoch {record.epoch} has been before")
        self._epochs.add(record.epoch)

    # --- jobs ---

    def _submit(self, record: JobSubmitted, now: float) -> None:
        submit, split_bytes = record.submit, record.split_bytes
        splits = plan(submit.inputs, split_bytes)
        self._queue(JobRun(submit.spec, splits, record.fingerprint, split_bytes, record.size_bytes))

    def start(self, job: JobRun) -> None:
        """A queued job's tasks may be handed out from now on."""
        del self.queued[job.id]
        job.move("start")
        self.active[job.id] = job
        job.advance()

    def begin_to_complete(self, job: JobRun) -> None:
        """All of its output is there, and the shell writes the manifest."""
        job.move("complete output")

    def _begin_step(self, record: StepBegun, now: float) -> EndedAttempts:
        """The next step of a pipeline begins; nothing is needed of the one before but its files."""
        job = self._started(record.job_id)
        over = self._drop_attempts(job)
        job.begin_next_step()  # from here on the job has another id
        self.active = {each.id: each for each in self.active.values()}
        job.advance()
        return over

    def _close(self, record: JobClosed, now: float) -> EndedAttempts:
        """The job is done, failed or cancelled: nothing of it runs on."""
        state, job = JobState(record.status.state), self.jobs.get(record.spec.job_id)
        if job is None:  # its other records are deleted, or it was refused
            job = self._queue(JobRun(record.spec, Plan(), record.fingerprint))
        if state is JobState.DONE:  # the moves up to there are not recorded
            if job.state is JobState.QUEUED:
                self.start(job)
            if job.state is not JobState.COMPLETING:
                self.begin_to_complete(job)
        over = self._drop_attempts(job)
        self.active.pop(job.id, None)
        self.queued.pop(job.id, None)
        job.end(_ENDS[state], record)
        self.ended.append(job.public_id)
        return over

    def _forget_job(self, record: JobForgotten, now: float) -> None:
        del self.jobs[record.job_id]
        self.ended.remove(record.job_id)

    def _queue(self, job: JobRun) -> JobRun:
        self.jobs[job.public_id] = self.queued[job.id] = job
        return job

    def _started(self, job_id: str) -> JobRun:
        job = self.jobs[job_id]
        if job.state is JobState.QUEUED:  # that it was started is not recorded
            self.start(job)
        return job

    def _drop_attempts(self, job: JobRun) -> EndedAttempts:
        """Nothing of what runs now of the job is of use any more."""
        over = tuple(job.attempts.values())
        for attempt in over:
            self.cancel(attempt)
        for worker in self.workers_knowing(job):
            worker.forgets(job.id)
        return over

    # --- attempts ---

    def _hand_out(self, record: HandedOut, now: float) -> None:
        job = self._started(record.job_id)
        worker = self.workers.workers.get(record.peer)
        # One object of each peer for all of its attempts: there may be a million.
        peer = worker.peer if worker is not None else record.peer
        task = job.table(record.kind).tasks[record.task]
        attempt = Attempt(record.attempt, job.id, task, peer, now)
        job.hand_out(attempt, now)
        self._attempts_numbered = max(self._attempts_numbered, record.attempt & 0xFFFFFFFF)
        if worker is not None:
            self._occupy(worker, attempt)
        else:  # of a journal: it is gone since, and the records of it are deleted
            self._end(attempt, "worker lost")

    def progressed(self, attempt: Attempt, progress: m.Progress, now: float) -> None:
        """A heartbeat says how far the attempt is."""
        attempt.progressed(progress, now)

    def waits(self, attempt: Attempt, now: float) -> None:
        """The attempt makes no progress, and for a good reason."""
        attempt.moved_at = now

    def want_backup(self, attempt: Attempt, is_wanted: bool) -> None:
        """The attempt is a straggler, or is none any more."""
        wanted = self.active[attempt.job_id].backups_wanted
        if is_wanted:
            wanted[attempt.id] = attempt
        else:
            wanted.pop(attempt.id, None)

    def ask_to_commit(self, attempt: Attempt) -> None:
        """The attempt waits for the leave to publish its output."""
        attempt.move("ask to commit")

    def _grant(self, record: CommitGranted, now: float) -> None:
        """The attempt may publish, and no other one: if one might until now, its worker is lost."""
        job = self.jobs[record.job_id]
        attempt = job.attempts[record.attempt]
        committer = attempt.task.committer
        if committer is not None and committer is not attempt:
            self._end(committer, "worker lost")
        if attempt.state is AttemptState.LOST and self.workers.get(attempt.peer):
            self.take_back(attempt, now)
        if attempt.is_live:
            job.table(attempt.task.kind).let_publish(attempt, now)
        else:  # read after a restart, when its worker is gone already: it may come back
            attempt.was_granted = True

    def _complete(self, record: Completed, now: float) -> EndedAttempts:
        """The task is complete. Its other attempts are cancelled."""
        done = record.done
        job = self.jobs[done.job_id]
        attempt = job.attempts[done.attempt]
        task = attempt.task
        if attempt.id >> 32 != self.epoch:
            # When it began is known to an earlier start of the master only. It knows itself.
            ran_s: float | None = done.stats.elapsed_s
        else:
            ran_s = now - attempt.began_at if attempt.is_live else None
        job.complete(attempt, done, ran_s, now)
        worker = self._release(attempt)
        if worker is not None and isinstance(done, m.MapDone) and done.path:
            worker.takes_output(job.id, attempt.id, task.index)
        over: EndedAttempts = ()
        if task.attempts or task.lost:
            # Only now: cancelled before, the last of them would have made the task idle once more.
            over = (*task.attempts, *task.lost)
            for other in over:
                self.cancel(other)
        job.advance()
        return over

    def _fail(self, record: AttemptFailed, now: float) -> None:
        attempt = self.jobs[record.job_id].attempts[record.attempt]
        self._end(attempt, "fail")
        lost_input, record_number, error = record.lost_input, record.record, record.error
        attempt.task.count_failure(attempt.peer, lost_input, record_number, error)

    def cancel(self, attempt: Attempt) -> None:
        """The attempt, live or lost, is of no use."""
        self._end(attempt, "cancel")

    def lose(self, attempt: Attempt) -> None:
        """The worker does not have the attempt. It may still turn up."""
        self._end(attempt, "worker lost")

    def take_back(self, attempt: Attempt, now: float) -> None:
        """A lost attempt is back with its worker."""
        self.active[attempt.job_id].take_back(attempt, now)
        self._occupy(self.workers.workers[attempt.peer], attempt)

    def _end(self, attempt: Attempt, happened: str) -> None:
        """The attempt has ended without success."""
        self.active[attempt.job_id].end_attempt(attempt, happened)
        self._release(attempt)

    def _occupy(self, worker: Worker, attempt: Attempt) -> None:
        """The attempt is with the worker, and takes room there."""
        worker.attempts[attempt.id] = attempt
        worker.knows_of.add(attempt.job_id)
        self.running += 1
        self.scheduler.update(worker)

    def _release(self, attempt: Attempt) -> Worker | None:
        """The attempt no longer takes room on its worker. Returns the worker, if it is known."""
        worker = self.workers.workers.get(attempt.peer)
        if worker is not None and worker.attempts.pop(attempt.id, None) is not None:
            self.running -= 1
            self.scheduler.update(worker)
        return worker

    # --- map outputs ---

    def _lose_output(self, record: OutputLost, now: float) -> EndedAttempts:
        """A completed map's output can't be had: it runs again. Returns the attempt that made it.

        With `may_return`, it may come back with its worker.
        """
        job = self.jobs[record.job_id]
        task = job.maps.tasks[record.task]
        worker = self.workers.get(task.owner)
        if worker is not None:
            worker.drops_output(job.id, task.winner)
            job.output_checks.is_lost(worker.peer, task.winner)
        return (job.lose_output(task, record.may_return),)

    def failed_to_read(self, job: JobRun, worker: Worker, reader: TaskRecord) -> None:
        """A reduce could not read outputs of the worker."""
        job.output_checks.failed_to_read(worker.peer, reader.index)

    def ask_for_outputs(
        self, job: JobRun, worker: Worker, outputs: dict[int, int], answer_by: float
    ) -> None:
        """The worker has so long to say whether these outputs are whole: attempt to map."""
        job.output_checks.ask(worker.peer, outputs, answer_by)

    def outputs_are_whole(
        self, job: JobRun, worker: Worker, attempts: tuple[int, ...], answer_by: float
    ) -> None:
        """The worker says so of these; it has so long for the others."""
        job.output_checks.answered(worker.peer, attempts, self.newest_attempt, answer_by)

    def outputs_are_not_whole(
        self, job: JobRun, peer: bytes, attempts: tuple[int, ...]
    ) -> dict[int, int]:
        """The worker says so, or nothing at all. Returns those that it was asked about."""
        return job.output_checks.take(peer, attempts)

    # --- workers ---

    def _join(self, record: WorkerJoined, now: float) -> None:
        """A worker is new, or comes back after it was lost."""
        known = self.workers.get(record.peer)
        if known is not None:  # of a journal: it was lost and came back, before any job
            self.lose_worker(known)
        self.scheduler.update(self.workers.register(record.peer, record.register, now))

    def seen(self, worker: Worker, now: float) -> bool:
        """A sign of life. True if the worker was suspect until now."""
        was_suspect = self.workers.seen(worker, now)
        if was_suspect:
            self.scheduler.update(worker)
        return was_suspect

    def set_credit(self, worker: Worker, credit: int) -> None:
        """The worker can take so many attempts at a time."""
        if worker.credit != credit:
            worker.credit = credit
            self.scheduler.update(worker)

    def sent_spec(self, worker: Worker, job_id: str) -> None:
        """The worker gets the spec of the job, or step."""
        worker.has_spec_of.add(job_id)

    def move(self, worker: Worker, shuffle_address: str) -> None:
        """The worker serves its map outputs at another address from now on.

        That is in no record: after a restart, each worker registers anew.
        """
        worker.shuffle_address = shuffle_address
        for job in self.active.values():
            job.outputs_changed()

    def forget_specs(self, worker: Worker) -> None:
        """Don't rely on the worker to have the spec of any job."""
        worker.has_spec_of.clear()

    def fall_silent(self, worker: Worker) -> None:
        """An alive worker is suspect from now on."""
        self.workers.fall_silent(worker)
        self.scheduler.update(worker)

    def lose_worker(self, worker: Worker) -> tuple[EndedAttempts, dict[str, dict[int, int]]]:
        """A present worker is lost, and may come back.

        Returns its attempts, and the outputs that it holds as `Worker.outputs` does: these are the
        caller's to lose.
        """
        self.workers.lose(worker)
        return self._part_with(worker, "worker lost")

    def leave(self, worker: Worker) -> tuple[EndedAttempts, dict[str, dict[int, int]]]:
        """The same of a worker that does not come back."""
        self.workers.leave(worker)
        return self._part_with(worker, "cancel")

    def _part_with(
        self, worker: Worker, happened: str
    ) -> tuple[EndedAttempts, dict[str, dict[int, int]]]:
        self.scheduler.update(worker)
        attempts = tuple(worker.attempts.values())
        for attempt in attempts:
            self._end(attempt, happened)
        for job in self.active.values():
            if job.output_checks:
                job.output_checks.drop(worker.peer)
        outputs, worker.outputs = worker.outputs, {}
        return attempts, outputs

    def _forget_worker(self, record: WorkerGone, now: float) -> None:
        """It has left, or was lost for too long."""
        self.workers.forget(self.workers.workers[record.peer])

    def succeeded(self, worker: Worker) -> bool:
        """An attempt is complete there. Whether that ends a trial."""
        is_trial_over = worker.health.succeeded()
        if is_trial_over:
            self.scheduler.update(worker)
        return is_trial_over

    def blame(self, worker: Worker, task: TaskRecord, now: float) -> None:
        """An attempt at the task failed there, and perhaps because of the worker."""
        worker.health.failed(task, now)

    def quarantine(self, worker: Worker, now: float) -> float:
        """The worker gets no tasks for a while: returns for how long, in seconds."""
        duration_s = self.workers.quarantine(worker, now)
        self.scheduler.update(worker)
        return duration_s

    def begin_trial(self, worker: Worker) -> None:
        """The worker's quarantine is over."""
        self.workers.begin_trial(worker)
        self.scheduler.update(worker)

    def expect_workers(self) -> None:
        """Once all records are applied: no worker has been heard yet by this start."""
        for worker in self.workers.present:
            self.fall_silent(worker)
        for job in self.active.values():
            job.maps.requeue()
            job.reduces.requeue()

    # --- what must hold ---

    def validate(self) -> None:
        """Fail with AssertionError if tables and indexes contradict each other.

        Looks at everything: for tests.
        """
        self.workers.validate()
        self.scheduler.validate(self.workers)
        for job in self.jobs.values():
            job.validate()
        validate_jobs(self.jobs, self.active, self.queued, self.ended)
        for job in self.active.values():
            validate_held(job, self.workers)
            for attempt in job.attempts.values():
                assert attempt.number <= self._attempts_numbered, f"{attempt}: never numbered"
        for worker in self.workers.workers.values():
            validate_holdings(worker, self.active)
        running = sum(len(worker.attempts) for worker in self.workers.present)
        assert self.running == running, f"running: {self.running}, not {running}"


_ENDS = {
    JobState.DONE: "output complete",
    JobState.FAILED: "fail",
    JobState.CANCELLED: "cancel",
}

# The one way in which each kind of record is applied.
_APPLY: dict[type, Callable[[Cluster, Any, float], EndedAttempts | None]] = {
    EpochBegun: Cluster._begin_epoch,
    WorkerJoined: Cluster._join,
    WorkerGone: Cluster._forget_worker,
    JobSubmitted: Cluster._submit,
    StepBegun: Cluster._begin_step,
    HandedOut: Cluster._hand_out,
    CommitGranted: Cluster._grant,
    Completed: Cluster._complete,
    AttemptFailed: Cluster._fail,
    OutputLost: Cluster._lose_output,
    JobClosed: Cluster._close,
    JobForgotten: Cluster._forget_job,
}
