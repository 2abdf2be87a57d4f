"""The master's decisions: `handle` an event or `tick` a deadline, get back what to do.

The master knows jobs, tasks, attempts and workers, and no user data. It owns the promise that each
task's result counts once: the first attempt to complete a task wins, and at most one attempt may
publish a file of the output. Nothing here waits, sends, or reads a clock; `now` is seconds on a
clock that only has to go forward.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from zmr import messages as m
from zmr.core.actions import (
    Append,
    CompleteOutput,
    JobEnded,
    Level,
    Log,
    MasterAction,
    Publish,
    Quit,
    Send,
    SendSnapshot,
)
from zmr.core.attempts import Results
from zmr.core.clients import Clients
from zmr.core.events import (
    FrameReceived,
    JobGiven,
    MasterInput,
    OutputCompleted,
    StopRequested,
)
from zmr.core.fetch_failures import Doubts
from zmr.core.humanize import counted
from zmr.core.jobs import JobRun
from zmr.core.journal import (
    EpochBegun,
    HandedOut,
    JobForgotten,
    Record,
)
from zmr.core.membership import Membership
from zmr.core.phases import Phases
from zmr.core.plan import SPLIT_BYTES
from zmr.core.quarantine import Care
from zmr.core.restore import Restoration
from zmr.core.scheduler import BACKUP_FRACTION, Grant, Scheduler
from zmr.core.states import JobState
from zmr.core.tasks import Attempt
from zmr.core.workers import Worker, WorkerTable

# So many hand-outs take some hundredths of a second; then others want to be heard, too.
_GRANTS_A_TURN = 1_000

# Jobs that have ended are kept for `zmr status`, so many at most.
_ENDED_JOBS_KEPT = 100


@dataclass(frozen=True, slots=True)
class MasterSettings:
    heartbeat_interval_s: float = 1.0
    suspect_after_s: float = 2.5
    lost_after_s: float = 5.0
    backup_fraction: float = BACKUP_FRACTION
    take_back_after_s: float = 2.0  # a task that waits in a busy worker's queue for so long
    leave_grace_s: float = 3.0  # how long workers that were told to exit are waited for
    worker_timeout_s: float | None = None  # a job fails when it has no worker for so long
    one_job: bool = False  # end when the first job has ended
    keeps_jobs: bool = False  # StopRequested ends the master, not its jobs
    split_bytes: int = SPLIT_BYTES


class Master:
    """One start of the master. `epoch`, from 1 to 2**32 - 1, is that of no other start."""

    def __init__(self, epoch: int, settings: MasterSettings | None = None) -> None:
        if not 0 < epoch < 1 << 32:
            raise ValueError(f"{epoch} can't be an epoch: it is part of every attempt's id")
        self.epoch = epoch
        self.settings = settings or MasterSettings()
        self.jobs: dict[str, JobRun] = {}  # all, in the order of submission; of ended ones the last
        self.active: dict[str, JobRun] = {}  # started, and not ended; by the ids that workers know
        self.queued: dict[str, JobRun] = {}  # not started
        self.workers = WorkerTable(self.settings.suspect_after_s, self.settings.lost_after_s)
        self.scheduler = Scheduler(self.settings.backup_fraction)
        self.running = 0  # live attempts
        self.ignored: Counter[str] = Counter()  # messages that changed nothing, by why
        self.clients = Clients(self)
        self.membership = Membership(self)
        self.results = Results(self)
        self.doubts = Doubts(self)
        self.care = Care(self)
        self.phases = Phases(self)
        self.ended: deque[str] = deque()  # jobs, in the order of their ends
        self._actions: list[MasterAction] = []
        self.has_journal = False
        self._records: list[Record] = []  # of this turn
        self._attempts_granted = 0
        self._hands_out_at: float | None = None  # there is more to hand out than fits a turn
        self._without_workers_since: float | None = None
        self._stopping: StopRequested | None = None  # draining: nothing new is handed out
        self._exiting_since: float | None = None
        self._exit_status = 0
        self._has_quit = False

    # --- the interface of the shell ---

    def restore(self, records: Iterable[Record], now: float) -> list[MasterAction]:
        """Go on where the journal with these records ends, and keep it up from now on.

        Comes before anything else, if at all: also for a journal that is empty yet. Raises
        ValueError if this epoch has been before.
        """
        self.has_journal = True
        Restoration(self, now).replay(records)
        self.record(EpochBegun(self.epoch))
        return self._settle(now)

    def handle(self, event: MasterInput, now: float) -> list[MasterAction]:
        """What to do about an event."""
        match event:
            case FrameReceived(peer, frame):
                self._receive(peer, frame, now)
            case JobGiven():
                self.clients.given(event, now)
            case OutputCompleted(job_id, error):
                self._output_completed(job_id, error, now)
            case StopRequested():
                self._stop(event, now)
        return self._settle(now)

    def tick(self, now: float) -> list[MasterAction]:
        """What to do about the deadlines that have passed."""
        self._hands_out_at = None
        self.membership.tick(now)
        self.doubts.tick(now)
        self.care.tick(now)
        give_up_at = self._give_up_at()
        if give_up_at is not None and now >= give_up_at:
            reason = f"no worker for {self.settings.worker_timeout_s:g} s (--worker-timeout)"
            for job in self._waiting():
                self.end_job(job, "fail", reason, now, out_of_workers=True)
        return self._settle(now)

    def next_deadline(self) -> float | None:
        """When `tick` is due."""
        if self._has_quit:
            return None
        deadlines = [self.workers.next_deadline(), self._give_up_at(), self._hands_out_at]
        deadlines += [self.doubts.next_deadline(), self.care.next_deadline()]
        if self._exiting_since is not None:
            deadlines.append(self._exiting_since + self.settings.leave_grace_s)
        return min((d for d in deadlines if d is not None), default=None)

    # --- used by the parts of the core ---

    def send(self, peer: bytes, message: m.Message) -> None:
        self._actions.append(Send(peer, message))

    def send_snapshot(self, peer: bytes, after_seq: int) -> None:
        jobs = tuple(job.status() for job in self.jobs.values())
        workers = tuple(worker.status() for worker in self.workers.present)
        self._actions.append(SendSnapshot(peer, after_seq, jobs, workers))

    def publish(self, event: m.Event) -> None:
        self._actions.append(Publish(event))

    def log(self, level: Level, text: str) -> None:
        self._actions.append(Log(level, text))

    def record(self, record: Record) -> None:
        """Have it in the journal before anything that this turn decides leaves the master."""
        if self.has_journal:
            self._records.append(record)

    def number_attempts_from(self, number: int) -> None:
        """Give the attempts of this epoch higher numbers than that."""
        self._attempts_granted = max(self._attempts_granted, number)

    @property
    def newest_attempt(self) -> int:
        """The id of the attempt that was handed out last; later ones have higher ids."""
        return self.epoch << 32 | self._attempts_granted

    @property
    def takes_jobs(self) -> bool:
        """Whether there may be more jobs."""
        is_taken = self.settings.one_job and bool(self.active or self.queued)
        return not (self._stopping or self.is_exiting or is_taken)

    @property
    def is_exiting(self) -> bool:
        """Whether all workers are told to exit."""
        return self._exiting_since is not None

    def name_of(self, peer: bytes) -> str:
        worker = self.workers.workers.get(peer)
        return worker.name if worker is not None else "a worker that is gone"

    def publish_attempt(
        self, attempt: Attempt, text: str = "", failed: m.TaskFailed | None = None
    ) -> None:
        task = attempt.task
        why: tuple[Any, ...] = () if failed is None else (failed.reason, failed.circumstances)
        worker, state = self.name_of(attempt.peer), attempt.state.value
        number = attempt.number
        self.publish(
            m.TaskEvent(attempt.job_id, task.kind, task.index, number, state, worker, text, *why)
        )

    def occupy(self, worker: Worker, attempt: Attempt) -> None:
        """The attempt is with the worker, and takes room there."""
        worker.attempts[attempt.id] = attempt
        worker.knows_of.add(attempt.job_id)
        self.running += 1
        self.scheduler.update(worker)

    def release(self, attempt: Attempt) -> None:
        """The attempt no longer takes room on its worker."""
        worker = self.workers.workers.get(attempt.peer)
        if worker is not None and worker.attempts.pop(attempt.id, None) is not None:
            self.running -= 1
            self.scheduler.update(worker)

    def close_attempt(self, attempt: Attempt, happened: str) -> None:
        """The attempt has ended without success. A lost one may still come back."""
        job = self.active[attempt.job_id]
        job.table(attempt.task.kind).attempt_ended(attempt, happened)
        job.backups_wanted.pop(attempt.id, None)
        if happened != "worker lost":
            job.attempts.pop(attempt.id, None)
        self.release(attempt)

    def cancel_attempts(self, attempts: Iterable[Attempt], reason: str) -> None:
        """Stop these attempts, live or lost, and tell their workers."""
        by_peer: dict[bytes, list[int]] = {}
        for attempt in list(attempts):
            self.close_attempt(attempt, "cancel")
            self.publish_attempt(attempt, reason)
            by_peer.setdefault(attempt.peer, []).append(attempt.id)
        for peer, ids in by_peer.items():
            if self.workers.get(peer):
                self.send(peer, m.Cancel(tuple(ids), reason))

    # --- frames ---

    def _receive(self, peer: bytes, frame: m.Frame, now: float) -> None:
        worker = self.workers.get(peer)
        unknown: list[m.Message] = []  # from before this master's time, or of a worker given up
        registers = False
        for message in frame.messages:
            if isinstance(message, m.Register):
                worker = self.membership.register(peer, message, now)
                registers = True
            elif isinstance(message, _FROM_CLIENT):
                self.clients.receive(peer, message, now)
            elif type(message) not in _FROM_WORKER:
                self.ignored["not for a master"] += 1
                self.send(peer, m.Refused(f"a master takes no {type(message).__name__}"))
                return
            elif worker is None or frame.epoch != self.epoch:
                unknown.append(message)
            else:
                self.membership.sign_of_life(worker, now)
                _FROM_WORKER[type(message)](self, worker, message, now)
                worker = self.workers.get(peer)
        if unknown:
            self.ignored["not registered"] += 1
            if not registers and not isinstance(unknown[-1], m.Leave):
                self.send(peer, m.RegisterAgain())

    # --- phases ---

    def _settle(self, now: float) -> list[MasterAction]:
        """Follow up on what changed: phases, hand-outs, the end. Returns the turn's actions."""
        if not self._has_quit:
            self._follow_up(now)
        actions, self._actions = self._actions, []
        if self._records:
            actions.insert(0, Append(tuple(self._records)))
            self._records.clear()
        return actions

    def _follow_up(self, now: float) -> None:
        for job in list(self.active.values()):
            self.phases.advance(job)
        self.care.go_on_with_somebody()
        if self._stopping is None and not self.is_exiting:
            if self._hands_out_at is None:
                self._hand_out(now)
        elif self._stopping and not self._is_busy:
            self._cut_short(self._stopping, now)
        self._watch_attendance(now)
        self._complete_outputs()
        self._quit_if_over(now)

    def _complete_outputs(self) -> None:
        for job in self.active.values():
            if job.is_complete and not job.output_is_completing:
                job.output_is_completing = True
                self._actions.append(CompleteOutput(job.outcome(JobState.DONE)))

    def _output_completed(self, job_id: str, error: str, now: float) -> None:
        job = self.jobs.get(job_id)
        if job is not None and job.is_active:  # otherwise it was stopped meanwhile
            self.end_job(job, "fail" if error else "output complete", error, now)

    def _hand_out(self, now: float) -> None:
        """Give tasks to who can take them; when it is very many, the rest at the next tick."""
        responses: dict[bytes, tuple[list[m.Task], list[m.JobSpec]]] = {}
        granted = 0
        while granted < _GRANTS_A_TURN:
            grant = self.scheduler.next_grant(self.active.values())
            if grant is not None:
                self._grant(grant, now, responses)
                granted += 1
            elif not self._start_next():
                break
        else:
            self._hands_out_at = now
        for peer, (tasks, specs) in responses.items():
            self.send(peer, m.TaskResponse(tuple(tasks), tuple(specs)))

    def _start_next(self) -> bool:
        """Start the next job if there is a slot that no other job has a use for."""
        if not self.queued or not self.scheduler.has_free_slots:
            return False
        job = self.queued.pop(next(iter(self.queued)))
        job.move("start")
        self.active[job.id] = job
        self.phases.begun(job)
        self.phases.advance(job)
        return True

    def _grant(
        self,
        grant: Grant,
        now: float,
        responses: dict[bytes, tuple[list[m.Task], list[m.JobSpec]]],
    ) -> None:
        worker, job, task = grant.worker, grant.job, grant.task
        self._attempts_granted += 1
        id = self.epoch << 32 | self._attempts_granted
        attempt = Attempt(id, job.id, task, worker.peer, now)
        if grant.is_backup:
            for straggler in task.attempts:
                job.backups_wanted.pop(straggler.id, None)
            self.log(Level.INFO, f"backup task for {task} on {worker.name}")
        if self.has_journal:
            self.record(HandedOut(job.public_id, task.kind, task.index, id, worker.peer))
        job.table(task.kind).hand_out(attempt, now)
        job.attempts[id] = attempt
        self.occupy(worker, attempt)
        tasks, specs = responses.setdefault(worker.peer, ([], []))
        tasks.append(job.task_message(task, id, self.workers))
        if job.id not in worker.has_spec_of:
            worker.has_spec_of.add(job.id)
            specs.append(job.step)
        self.publish_attempt(attempt, "backup" if grant.is_backup else "")

    def end_job(
        self, job: JobRun, happened: str, reason: str, now: float, out_of_workers: bool = False
    ) -> None:
        """Done, failed or cancelled: nothing of it runs on, and everybody is told."""
        job.reason, job.out_of_workers = reason, out_of_workers
        job.move(happened)
        self.cancel_attempts(job.attempts.values(), f"the job is {job.state.value}")
        self.have_forgotten(job)
        # Whoever handed over the one job gets its outcome, and tells.
        is_told = job.state is JobState.DONE or self.settings.one_job
        level = Level.INFO if is_told else Level.ERROR
        id = job.public_id
        self.log(level, f"job {id} {job.state.value}" + (f": {reason}" if reason else ""))
        self._actions.append(JobEnded(job.outcome(job.state)))
        self.publish(m.JobEvent(id, job.state.value, reason))
        self.record(job.closing())
        job.close()
        self.active.pop(job.id, None)
        self.queued.pop(job.id, None)
        self.ended.append(id)
        if len(self.ended) > _ENDED_JOBS_KEPT:
            self.record(JobForgotten(self.ended[0]))
            del self.jobs[self.ended.popleft()]
        if self.settings.one_job:
            self.exit_workers(f"job {id} {job.state.value}", now)

    def have_forgotten(self, job: JobRun) -> None:
        """Nothing of what runs now of the job is of use to workers any more."""
        self.doubts.job_ended(job)
        for worker in self.workers.present:
            if job.id in worker.knows_of:
                worker.knows_of.discard(job.id)
                worker.has_spec_of.discard(job.id)
                worker.outputs.pop(job.id, None)
                self.send(worker.peer, m.ForgetJob(job.id))

    # --- the end ---

    def _waiting(self) -> list[JobRun]:
        """Jobs that need workers to get on."""
        active = [job for job in self.active.values() if not job.is_complete]
        return [*active, *self.queued.values()]

    def _watch_attendance(self, now: float) -> None:
        """Note since when there has been a job and no worker."""
        if self.workers.any_present or not (self.active or self.queued):
            self._without_workers_since = None
        elif self._without_workers_since is None:
            self._without_workers_since = now

    def _give_up_at(self) -> float | None:
        """When jobs that wait for a worker fail."""
        timeout_s, since = self.settings.worker_timeout_s, self._without_workers_since
        if timeout_s is None or since is None or not self._waiting():
            return None
        return since + timeout_s

    @property
    def _is_busy(self) -> bool:
        """Whether something is under way that a moment's patience lets end well."""
        return self.running > 0 or any(job.is_complete for job in self.active.values())

    def _stop(self, stop: StopRequested, now: float) -> None:
        if self.settings.keeps_jobs and not self.is_exiting:
            self._pause(stop)
        elif self._stopping is None and self._is_busy:
            self._stopping = stop
            what = counted(self.running, "running task") if self.running else "the output"
            text = f"{stop.reason}: waiting for {what}; once more stops at once"
            self.log(Level.WARNING, text)
        else:
            self._stopping = stop
            self._cut_short(stop, now)

    def _pause(self, stop: StopRequested) -> None:
        """End without a word to anybody: the next start goes on, and workers wait for it."""
        jobs = counted(len(self.active) + len(self.queued), "unfinished job")
        self.log(Level.WARNING, f"{stop.reason}: ends; the next start goes on with {jobs}")
        self._has_quit = True
        self._actions.append(Quit(f"stopped by {stop.reason}", stop.exit_status))

    def _cut_short(self, stop: StopRequested, now: float) -> None:
        if not self.is_exiting:
            self._exit_status = stop.exit_status
        for job in (*self.active.values(), *self.queued.values()):
            self.end_job(job, "cancel", f"stopped by {stop.reason}", now)
        self.exit_workers(f"the master was stopped by {stop.reason}", now)

    def exit_workers(self, reason: str, now: float) -> None:
        if self._exiting_since is None:
            self._exiting_since = now
            for worker in self.workers.present:
                self.send(worker.peer, m.Exit(reason))

    def _quit_if_over(self, now: float) -> None:
        if self._exiting_since is None or self._has_quit:
            return
        over_at = self._exiting_since + self.settings.leave_grace_s
        if not self.workers.any_present or now >= over_at:
            self._has_quit = True
            self.publish(m.MasterEvent("ended"))
            self._actions.append(Quit("nothing left to do", self._exit_status))


_FROM_CLIENT = (m.Submit, m.CancelJob, m.GetSnapshot)
_FROM_WORKER: dict[type, Callable[[Master, Worker, Any, float], None]] = {
    m.GetTask: lambda master, *rest: master.membership.get_task(*rest),
    m.Heartbeat: lambda master, *rest: master.membership.heartbeat(*rest),
    m.MapDone: lambda master, *rest: master.results.completed(*rest),
    m.ReduceDone: lambda master, *rest: master.results.completed(*rest),
    m.TaskFailed: lambda master, *rest: master.results.failed(*rest),
    m.CommitRequest: lambda master, *rest: master.results.commit_requested(*rest),
    m.OutputsChecked: lambda master, *rest: master.doubts.answered(*rest),
    m.Leave: lambda master, *rest: master.membership.leave(*rest),
}
