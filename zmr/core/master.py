"""The master's decisions: `handle` an event or `tick` a deadline, get back what to do.

The master knows jobs, tasks, attempts and workers, and no user data. It owns the promise that each
task's result counts once: the first attempt to complete a task wins, and at most one attempt may
publish a file of the output. Nothing here waits, sends, or reads a clock; `now` is seconds on a
clock that only has to go forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from zmr.core import messages as m
from zmr.core.actions import (
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
from zmr.core.events import (
    FrameReceived,
    JobGiven,
    MasterEvent,
    OutputCompleted,
    StopRequested,
)
from zmr.core.jobs import JobRun
from zmr.core.liveness import Worker, WorkerTable
from zmr.core.plan import SPLIT_BYTES, plan
from zmr.core.results import Results
from zmr.core.scheduler import Grant, Scheduler, is_straggler
from zmr.core.states import AttemptState, JobState, WorkerState
from zmr.core.tasks import Attempt, TaskRecord

# Jobs that have ended are kept for `zmr status`, so many at most.
_ENDED_JOBS_KEPT = 100


@dataclass(frozen=True, slots=True)
class MasterSettings:
    heartbeat_interval_s: float = 1.0
    suspect_after_s: float = 2.5
    lost_after_s: float = 5.0
    backup_fraction: float = 0.05  # of a phase's tasks: so few remain when backup tasks begin
    take_back_after_s: float = 2.0  # a task that waits in a busy worker's queue for so long
    leave_grace_s: float = 3.0  # how long workers that were told to exit are waited for
    worker_timeout_s: float | None = None  # a job fails when it has no worker for so long
    one_job: bool = False  # end when the first job has ended
    split_bytes: int = SPLIT_BYTES


class Master:
    def __init__(self, epoch: int, settings: MasterSettings | None = None) -> None:
        self.epoch = epoch
        self.settings = settings or MasterSettings()
        self.jobs: dict[str, JobRun] = {}
        self.workers = WorkerTable(self.settings.suspect_after_s, self.settings.lost_after_s)
        self.scheduler = Scheduler()
        self.ignored: Counter[str] = Counter()  # messages that changed nothing, by why
        self.results = Results(self)
        self._actions: list[MasterAction] = []
        self._attempts_granted = 0
        self._without_workers_since: float | None = None
        self._stopping: StopRequested | None = None  # draining: nothing new is handed out
        self._exiting_since: float | None = None
        self._has_quit = False

    # --- the interface of the shell ---

    def handle(self, event: MasterEvent, now: float) -> list[MasterAction]:
        """What to do about an event."""
        match event:
            case FrameReceived(peer, frame):
                self._receive(peer, frame, now)
            case JobGiven(submit):
                self._submit(submit, now)
            case OutputCompleted(job_id, error):
                self._output_completed(self.jobs[job_id], error, now)
            case StopRequested():
                self._stop(event, now)
        return self._settle(now)

    def tick(self, now: float) -> list[MasterAction]:
        """What to do about the deadlines that have passed."""
        for worker in self.workers.newly_suspect(now):
            self.scheduler.update(worker)
            self.log(Level.WARNING, f"worker {worker.name} is silent")
            self.publish(m.WorkerEvent(worker.name, worker.state.value))
        for worker in self.workers.newly_lost(now):
            self._worker_gone(worker, f"silent for {self.settings.lost_after_s:g} s", now)
        give_up_at = self._give_up_at()
        if give_up_at is not None and now >= give_up_at:
            reason = f"no worker for {self.settings.worker_timeout_s:g} s (--worker-timeout)"
            for job in self.unfinished():
                self.end_job(job, "fail", reason, now, out_of_workers=True)
        return self._settle(now)

    def _give_up_at(self) -> float | None:
        """When jobs that wait for a worker fail."""
        timeout_s, since = self.settings.worker_timeout_s, self._without_workers_since
        if timeout_s is None or since is None or not self.unfinished():
            return None
        return since + timeout_s

    def next_deadline(self) -> float | None:
        """When `tick` is due."""
        if self._has_quit:
            return None
        deadlines = [self.workers.next_deadline(), self._give_up_at()]
        if self._exiting_since is not None:
            deadlines.append(self._exiting_since + self.settings.leave_grace_s)
        return min((d for d in deadlines if d is not None), default=None)

    # --- used by the parts of the core ---

    def send(self, peer: bytes, message: m.Message) -> None:
        self._actions.append(Send(peer, message))

    def publish(self, event: m.Event) -> None:
        self._actions.append(Publish(event))

    def log(self, level: Level, text: str) -> None:
        self._actions.append(Log(level, text))

    def unfinished(self) -> list[JobRun]:
        return [job for job in self.jobs.values() if not job.has_ended]

    def publish_attempt(self, attempt: Attempt, text: str = "") -> None:
        task = attempt.task
        worker = self.workers.workers.get(attempt.peer)
        self.publish(
            m.TaskEvent(
                attempt.job_id,
                task.kind,
                task.index,
                attempt.number,
                attempt.state.value,
                worker.name if worker else "",
                text,
            )
        )

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

    def close_attempt(self, attempt: Attempt, happened: str) -> None:
        """The attempt has ended without success. A lost one may still come back."""
        job = self.jobs[attempt.job_id]
        job.table(attempt.task.kind).attempt_ended(attempt, happened)
        job.backups_wanted.pop(attempt.id, None)
        if happened != "worker lost":
            job.attempts.pop(attempt.id, None)
        self.release(attempt)

    def release(self, attempt: Attempt) -> None:
        """The attempt no longer takes room on its worker."""
        worker = self.workers.workers.get(attempt.peer)
        if worker is not None and worker.attempts.pop(attempt.id, None) is not None:
            self.scheduler.update(worker)

    def lose_output(self, job: JobRun, task: TaskRecord, may_return: Attempt | None = None) -> None:
        """A completed map's output can't be had any more: the map must run again."""
        job.maps.output_lost(task, may_return)
        job.outputs_changed()

    # --- frames ---

    def _receive(self, peer: bytes, frame: m.Frame, now: float) -> None:
        worker = self.workers.get(peer)
        for message in frame.messages:
            if isinstance(message, m.Register):
                worker = self._register(peer, message, now)
            elif isinstance(message, m.Submit | m.CancelJob | m.GetSnapshot):
                _FROM_CLIENT[type(message)](self, peer, message, now)
            elif type(message) not in _FROM_WORKER:
                self.ignored["not for a master"] += 1
                self.send(peer, m.Refused(f"a master takes no {type(message).__name__}"))
            elif worker is None or frame.epoch != self.epoch:
                self._not_registered(peer, message)
                return
            else:
                self._sign_of_life(worker, now)
                _FROM_WORKER[type(message)](self, worker, message, now)
                worker = self.workers.get(peer)

    def _not_registered(self, peer: bytes, message: m.Message) -> None:
        """From before this master's time, or from a worker that was given up."""
        self.ignored["not registered"] += 1
        if not isinstance(message, m.Leave):
            self.send(peer, m.RegisterAgain())

    def _sign_of_life(self, worker: Worker, now: float) -> None:
        if self.workers.seen(worker, now):
            self.scheduler.update(worker)
            self.log(Level.INFO, f"worker {worker.name} is heard again")
            self.publish(m.WorkerEvent(worker.name, worker.state.value))

    # --- workers ---

    def _register(self, peer: bytes, register: m.Register, now: float) -> Worker:
        worker = self.workers.get(peer)
        if worker is None:
            worker = self.workers.register(peer, register, now)
            self._without_workers_since = None
            self.scheduler.update(worker)
            slots = "1 slot" if worker.slots == 1 else f"{worker.slots} slots"
            self.log(Level.INFO, f"worker {worker.name} registered, with {slots}")
            self.publish(m.WorkerEvent(worker.name, worker.state.value, slots))
        else:
            self._sign_of_life(worker, now)
        settings = self.settings
        self.send(peer, m.Registered(settings.heartbeat_interval_s, settings.lost_after_s))
        if self._exiting_since is not None:
            self.send(peer, m.Exit("the job has ended"))
        else:
            self.results.take_back(worker, register, now)
        return worker

    def _get_task(self, worker: Worker, message: m.GetTask, now: float) -> None:
        worker.credit = message.credit
        self.scheduler.update(worker)

    def _heartbeat(self, worker: Worker, heartbeat: m.Heartbeat, now: float) -> None:
        if worker.credit != heartbeat.credit:
            worker.credit = heartbeat.credit
            self.scheduler.update(worker)
        self.send(worker.peer, m.HeartbeatReply())
        if self._exiting_since is not None:
            self.send(worker.peer, m.Exit("the master is about to end"))
        told = {progress.attempt: progress for progress in heartbeat.progress}
        for attempt in list(worker.attempts.values()):
            progress = told.get(attempt.id)
            if progress is None:
                self._attempt_missing(worker, attempt, now)
            else:
                self._attempt_progress(attempt, progress, now)

    def _attempt_missing(self, worker: Worker, attempt: Attempt, now: float) -> None:
        """The worker doesn't have it. If it was not sent just now, it never arrived."""
        if now - attempt.granted_at > 3 * self.settings.heartbeat_interval_s:
            worker.jobs_known.discard(attempt.job_id)
            self.close_attempt(attempt, "worker lost")
            self.publish_attempt(attempt, "it never reached the worker")
            self.log(Level.WARNING, f"{attempt} never reached {worker.name}")

    def _attempt_progress(self, attempt: Attempt, progress: m.Progress, now: float) -> None:
        job = self.jobs[attempt.job_id]
        table = job.table(attempt.task.kind)
        figures = (progress.records, progress.bytes)
        # Waiting for another attempt's commit is not being stuck.
        waits = attempt.state is AttemptState.COMMITTING and attempt.task.committer is not attempt
        if figures != attempt.progress or attempt.queued != progress.queued or waits:
            attempt.progress, attempt.queued, attempt.moved_at = figures, progress.queued, now
        if attempt.queued:
            waited_s = now - attempt.granted_at
            if waited_s > self.settings.take_back_after_s and self.scheduler.has_free_slots:
                self.cancel_attempts([attempt], "taken back from a busy worker's queue")
        elif now - attempt.moved_at > job.spec.task_timeout_s:
            self.results.stuck(job, attempt, now)
        elif is_straggler(
            attempt, table, now, job.spec.backup_after_s, self.settings.backup_fraction
        ):
            job.backups_wanted[attempt.id] = attempt

    def _leave(self, worker: Worker, message: m.Leave, now: float) -> None:
        self.log(Level.INFO, f"worker {worker.name} left: {message.reason}")
        self.workers.left(worker)
        self._worker_gone(worker, message.reason, now)
        self.workers.forget(worker)

    def _worker_gone(self, worker: Worker, why: str, now: float) -> None:
        """It is lost, and may come back, or has left for good."""
        self.scheduler.update(worker)
        happened = "worker lost" if worker.state is WorkerState.LOST else "cancel"
        attempts = list(worker.attempts.values())
        for attempt in attempts:
            self.close_attempt(attempt, happened)
            self.publish_attempt(attempt, why)
        outputs = sum(self._lose_outputs(worker, id, own) for id, own in worker.outputs.items())
        worker.outputs.clear()
        if worker.state is WorkerState.LOST or attempts or outputs:
            self.log(
                Level.WARNING,
                f"worker {worker.name} {worker.state.value} ({why}): {len(attempts)} running tasks "
                f"and {outputs} map outputs go to others",
            )
        self.publish(m.WorkerEvent(worker.name, worker.state.value, why))
        if not self.workers.any_present:
            self._without_workers_since = now

    def _lose_outputs(self, worker: Worker, job_id: str, indices: set[int]) -> int:
        job = self.jobs.get(job_id)
        if job is None:
            return 0
        lost = 0
        for index in sorted(indices):
            task = job.maps.tasks[index]
            if task.owner == worker.peer and job.needs_output_of(task):
                is_lost = worker.state is WorkerState.LOST
                attempt = self.results.lost_with(worker, job, task) if is_lost else None
                self.lose_output(job, task, attempt)
                lost += 1
        return lost

    # --- clients ---

    def _submit(self, submit: m.Submit, now: float) -> str:
        """Queue the job. Returns why not, or an empty string."""
        spec = submit.spec
        if spec.job_id in self.jobs:
            return ""
        is_taken = bool(self.jobs) and self.settings.one_job
        if self._stopping or self._exiting_since is not None or is_taken:
            return "this master takes no more jobs"
        if not self.workers.any_present and not self.unfinished():
            self._without_workers_since = now
        job = JobRun(spec, plan(submit.inputs, self.settings.split_bytes))
        self.jobs[spec.job_id] = job
        text = f"{spec.name}: {len(job.maps)} map tasks, {len(job.reduces)} reduce tasks"
        self.log(Level.INFO, f"job {job.id} queued; {text}")
        self.publish(m.JobEvent(job.id, job.state.value, text))
        return ""

    def _submitted(self, peer: bytes, submit: m.Submit, now: float) -> None:
        refusal = self._submit(submit, now)
        self.send(peer, m.Refused(refusal) if refusal else m.Submitted(submit.spec.job_id))

    def _cancel_job(self, peer: bytes, cancel: m.CancelJob, now: float) -> None:
        job = self.jobs.get(cancel.job_id)
        if job is None:
            known = ", ".join(self.jobs) or "none"
            self.send(peer, m.Refused(f"there is no job {cancel.job_id!r}; there are: {known}"))
            return
        if not job.has_ended:
            self.end_job(job, "cancel", cancel.reason, now)
        self.send(peer, m.Submitted(job.id))

    def _get_snapshot(self, peer: bytes, message: m.GetSnapshot, now: float) -> None:
        jobs = tuple(job.status() for job in self.jobs.values())
        workers = tuple(worker.status() for worker in self.workers.present)
        self._actions.append(SendSnapshot(peer, message.after_seq, jobs, workers))

    def _stop(self, stop: StopRequested, now: float) -> None:
        running = sum(len(worker.attempts) for worker in self.workers.present)
        if self._stopping is None and running:
            self.log(
                Level.WARNING,
                f"{stop.reason}: waiting for {running} running tasks; once more stops at once",
            )
            self._stopping = stop
            return
        self._stopping = stop
        self._cancel_all(stop, now)

    def _cancel_all(self, stop: StopRequested, now: float) -> None:
        for job in self.unfinished():
            self.end_job(job, "cancel", f"stopped by {stop.reason}", now)
        self._exit_workers(f"the master was stopped by {stop.reason}", now)

    # --- phases ---

    def _settle(self, now: float) -> list[MasterAction]:
        """Follow up on what changed: phases, hand-outs, the end. Returns the turn's actions."""
        for job in self.unfinished():
            self._advance(job, now)
        if self._stopping is None and self._exiting_since is None:
            self._hand_out(now)
        elif self._stopping and not any(worker.attempts for worker in self.workers.present):
            self._cancel_all(self._stopping, now)
        self._quit_if_over(now)
        actions, self._actions = self._actions, []
        return actions

    def _advance(self, job: JobRun, now: float) -> None:
        if job.state is JobState.MAP and not job.maps.remaining and not job.is_map_only:
            job.move("all maps completed")
            self.log(Level.INFO, f"job {job.id}: all {len(job.maps)} map tasks are complete")
            self.publish(m.JobEvent(job.id, job.state.value))
        last = job.maps if job.is_map_only else job.reduces
        if job.is_active and not last.remaining and not job.output_is_completing:
            job.output_is_completing = True
            self._actions.append(CompleteOutput(job.outcome(JobState.DONE)))

    def _output_completed(self, job: JobRun, error: str, now: float) -> None:
        if error:
            self.end_job(job, "fail", error, now)
        elif not job.has_ended:
            self.end_job(job, "output complete", "", now)

    def _hand_out(self, now: float) -> None:
        responses: dict[bytes, tuple[list[m.Task], list[m.JobSpec]]] = {}
        while True:
            while (grant := self.scheduler.next_grant(self.jobs.values())) is not None:
                self._grant(grant, now, responses)
            queued = next((j for j in self.jobs.values() if j.state is JobState.QUEUED), None)
            if queued is None or not self.scheduler.has_free_slots:
                break
            queued.move("start")
            self.log(Level.INFO, f"job {queued.id} started")
            self.publish(m.JobEvent(queued.id, queued.state.value))
            self._advance(queued, now)
        for peer, (tasks, specs) in responses.items():
            self.send(peer, m.TaskResponse(tuple(tasks), tuple(specs)))

    def _grant(
        self,
        grant: Grant,
        now: float,
        responses: dict[bytes, tuple[list[m.Task], list[m.JobSpec]]],
    ) -> None:
        worker, job, task = grant.worker, grant.job, grant.task
        self._attempts_granted += 1
        id = self.epoch << 32 | self._attempts_granted
        attempt = Attempt(id, job.id, task, worker.peer, now, grant.is_backup)
        if grant.is_backup:
            for straggler in task.attempts:
                job.backups_wanted.pop(straggler.id, None)
            self.log(Level.INFO, f"backup task for {task} on {worker.name}")
        job.table(task.kind).hand_out(task, attempt, now)
        job.attempts[id] = attempt
        worker.attempts[id] = attempt
        self.scheduler.update(worker)
        tasks, specs = responses.setdefault(worker.peer, ([], []))
        tasks.append(job.task_message(task, id, self.workers))
        if job.id not in worker.jobs_known:
            worker.jobs_known.add(job.id)
            specs.append(job.spec)
        self.publish_attempt(attempt, "backup" if grant.is_backup else "")

    def end_job(
        self, job: JobRun, happened: str, reason: str, now: float, out_of_workers: bool = False
    ) -> None:
        """Done, failed or cancelled: nothing of it runs on, and everybody is told."""
        job.reason = reason
        job.move(happened)
        self.cancel_attempts(job.attempts.values(), f"the job is {job.state.value}")
        for worker in self.workers.present:
            if job.id in worker.jobs_known:
                worker.jobs_known.discard(job.id)
                worker.outputs.pop(job.id, None)
                self.send(worker.peer, m.ForgetJob(job.id))
        level = Level.INFO if job.state is JobState.DONE else Level.ERROR
        self.log(level, f"job {job.id} {job.state.value}" + (f": {reason}" if reason else ""))
        self._actions.append(JobEnded(job.outcome(job.state, out_of_workers)))
        self.publish(m.JobEvent(job.id, job.state.value, reason))
        ended = [job_id for job_id, other in self.jobs.items() if other.has_ended]
        for job_id in ended[:-_ENDED_JOBS_KEPT]:
            del self.jobs[job_id]
        if self.settings.one_job:
            self._exit_workers(f"job {job.id} {job.state.value}", now)

    def _exit_workers(self, reason: str, now: float) -> None:
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
            status = self._stopping.exit_status if self._stopping else 0
            self.publish(m.MasterEvent("ended"))
            self._actions.append(Quit("nothing left to do", status))


_FROM_CLIENT: dict[type, Callable[[Master, bytes, Any, float], None]] = {
    m.Submit: Master._submitted,
    m.CancelJob: Master._cancel_job,
    m.GetSnapshot: Master._get_snapshot,
}

_FROM_WORKER: dict[type, Callable[[Master, Worker, Any, float], None]] = {
    m.GetTask: Master._get_task,
    m.Heartbeat: Master._heartbeat,
    m.MapDone: lambda master, *rest: master.results.completed(*rest),
    m.ReduceDone: lambda master, *rest: master.results.completed(*rest),
    m.TaskFailed: lambda master, *rest: master.results.failed(*rest),
    m.CommitRequest: lambda master, *rest: master.results.commit_requested(*rest),
    m.Leave: Master._leave,
}
