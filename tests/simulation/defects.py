"""Mistakes that could be made in the cores, each to be planted alone: the simulator has to find it.

They are planted from outside, by replacing a function of a core for a while.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zmr import messages as m
from zmr import pipeline_steps
from zmr.core import (
    attempts,
    cluster,
    fetch_failures,
    jobs,
    master,
    membership,
    notices,
    outbox,
    quarantine,
    scheduler,
    tasks,
    worker,
    workers,
)
from zmr.core.actions import Append, MasterAction
from zmr.core.journal import (
    AttemptFailed,
    CommitGranted,
    Completed,
    HandedOut,
    JobClosed,
    JobSubmitted,
    OutputLost,
    Record,
    StepBegun,
)
from zmr.core.states import HealthState, JobState, WorkerState

from . import omissions
from .planting import DEFECTS, defect

__all__ = ["DEFECTS", "omissions"]

# --- who is there ------------------------------------------------------------------------------


@defect("a worker that was given up is listened to", workers.WorkerTable, "get")
def _(table: workers.WorkerTable, peer: bytes) -> workers.Worker | None:
    return table.workers.get(peer)


@defect("a heartbeat does not count as a sign of life", workers.WorkerTable, "seen")
def _(table: workers.WorkerTable, worker: workers.Worker, now: float) -> bool:
    return False


@defect("a silent worker is never given up", workers.WorkerTable, "overdue")
def _(table: workers.WorkerTable, now: float) -> list[workers.Worker]:
    for silent in table._suspect.values():
        silent.last_seen = max(silent.last_seen, now)
    return []


@defect("a suspect worker gets tasks", scheduler.Scheduler, "update")
def _(
    self: scheduler.Scheduler, worker: workers.Worker, right: Any = scheduler.Scheduler.update
) -> None:
    state = worker.state
    if state is WorkerState.SUSPECT:
        worker.state = WorkerState.ALIVE
    right(self, worker)
    worker.state = state


@defect("the credit of a worker is never used up", workers.Worker, "room")
def _(worker: workers.Worker, prefetch: bool) -> int:
    return worker.credit if prefetch else min(worker.credit, worker.slots)


@defect("a worker's new credit is forgotten", membership.Membership, "get_task")
def _(
    self: Any,
    worker: workers.Worker,
    message: m.GetTask,
    now: float,
    right: Any = membership.Membership.get_task,
) -> None:
    if not worker.credit:
        right(self, worker, message, now)


@defect("an attempt that never arrived is waited for", membership.Membership, "_missing")
def _(self: Any, worker: workers.Worker, attempt: tasks.Attempt, now: float) -> None:
    pass


@defect("what a worker runs in vain goes on", attempts.Attempts, "goes_on")
def _(
    self: Any,
    worker: workers.Worker,
    attempt_id: int,
    now: float,
    right: Any = attempts.Attempts.goes_on,
) -> bool:
    right(self, worker, attempt_id, now)
    return True


@defect("the task timeout never strikes", attempts.Attempts, "stuck")
def _(self: Any, job: jobs.JobRun, attempt: tasks.Attempt, now: float) -> None:
    pass


# --- phases and counting -----------------------------------------------------------------------


@defect("the reduces begin while a map runs", jobs.JobRun, "advance")
def _(job: jobs.JobRun) -> bool:
    if job.state is not JobState.MAP or job.maps.remaining > 1 or job.is_map_only:
        return False
    job.move("all maps completed")
    return True


@defect("a job is done before its last task", jobs.JobRun, "is_complete")
def _(job: jobs.JobRun) -> bool:
    last = job.maps if job.is_map_only else job.reduces
    return job.is_active and last.remaining <= (len(last) > 1)


@defect("a map that ran again counts again", jobs.JobRun, "outputs_changed")
def _(job: jobs.JobRun) -> None:
    job._sources = None
    for task in job.maps.tasks:
        if not task.attempts and task.state.value == "idle":
            task.winner = 0


@defect("a failure does not count against its task", attempts.Attempts, "_fail")
def _(
    self: Any,
    job: Any,
    attempt: tasks.Attempt,
    failed: m.TaskFailed,
    now: float,
    right: Any = attempts.Attempts._fail,
) -> None:
    failures = attempt.task.failures
    attempt.task.failures = 0
    right(self, job, attempt, failed, now)
    attempt.task.failures = min(failures, 1)


@defect("an error that repeats counts like any other", attempts, "_users_error")
def _(failed: m.TaskFailed) -> str:
    return f"{failed.attempt}"


# --- map outputs -------------------------------------------------------------------------------


@defect("the map outputs of a lost worker are forgotten", membership.Membership, "_lose_outputs_of")
def _(self: Any, job: Any, own: Any, why: str, may_return: bool, now: float) -> int:
    return 0


@defect("reduces are given stale map outputs", jobs.JobRun, "outputs_changed")
def _(job: jobs.JobRun) -> None:
    pass


@defect("an unreadable map output is not made again", fetch_failures.FetchFailures, "_lose")
def _(self: Any, job: jobs.JobRun, outputs: dict[int, int], why: str, now: float) -> None:
    pass


@defect("a partition is off by one", jobs.JobRun, "task_message")
def _(
    job: jobs.JobRun, task: Any, attempt: int, workers: Any, right: Any = jobs.JobRun.task_message
) -> m.Task:
    message: m.Task = right(job, task, attempt, workers)
    if message.kind is m.TaskKind.REDUCE:
        message = message._replace(index=(message.index + 1) % message.n_reduce)
    return message


@defect("one map is missing in what a reduce is told", jobs.JobRun, "_all_sources")
def _(job: jobs.JobRun, workers: Any, right: Any = jobs.JobRun._all_sources) -> Any:
    return right(job, workers)[:-1]


# --- commit and cancel -------------------------------------------------------------------------


@defect("everybody who asks may publish", attempts.Attempts, "commit_requested")
def _(
    self: Any,
    worker: Any,
    request: m.CommitRequest,
    now: float,
    right: Any = attempts.Attempts.commit_requested,
) -> None:
    found = self._attempt(worker, request.job_id, request.kind, request.index, request.attempt)
    if found is not None:
        found[1].task.committer = None
    right(self, worker, request, now)


@defect("the loser against a backup task is not cancelled", notices.Notices, "cancelled")
def _(self: notices.Notices, attempts: Any, reason: str) -> None:
    for attempt in attempts:
        self.publish(attempt, reason)


@defect("a worker ignores a cancel", worker._FROM_MASTER, m.Cancel)
def _(core: worker.WorkerCore, cancel: m.Cancel) -> None:
    pass


@defect("a result that comes again is not acknowledged", attempts.Attempts, "completed")
def _(self: Any, worker: Any, done: Any, now: float) -> None:
    if self._use(worker, done, now):
        self._outbox.send(worker.peer, m.Ack((done.attempt,)))


# --- workers -----------------------------------------------------------------------------------


@defect("a result is sent once", worker.WorkerCore, "_heartbeat")
def _(core: worker.WorkerCore, now: float, right: Any = worker.WorkerCore._heartbeat) -> None:
    results, core.unacknowledged = core.unacknowledged, {}
    right(core, now)
    core.unacknowledged = results


@defect("a commit request is sent once", worker.WorkerCore, "_heartbeat")
def _(core: worker.WorkerCore, now: float, right: Any = worker.WorkerCore._heartbeat) -> None:
    commits, core.commits = core.commits, {}
    right(core, now)
    core.commits = commits


@defect("a task that arrives twice runs twice", worker._FROM_MASTER, m.TaskResponse)
def _(core: worker.WorkerCore, response: m.TaskResponse) -> None:
    core._newest_attempts.clear()
    worker.WorkerCore._tasks(core, response)


@defect("a job whose end was missed is kept", worker.WorkerCore, "_send")
def _(core: worker.WorkerCore, message: Any, right: Any = worker.WorkerCore._send) -> None:
    right(core, replace(message, jobs=()) if isinstance(message, m.Heartbeat) else message)


@defect("a dead slot is not reported", worker.WorkerCore, "_report")
def _(core: worker.WorkerCore, result: Any, right: Any = worker.WorkerCore._report) -> None:
    if not (isinstance(result, m.TaskFailed) and result.reason is m.FailureReason.SLOT_DIED):
        right(core, result)


# --- unreadable outputs and bad workers --------------------------------------------------------


@defect(
    "a report about a map output is believed at once", fetch_failures.FetchFailures, "_look_into"
)
def _(
    self: fetch_failures.FetchFailures,
    job: jobs.JobRun,
    worker: workers.Worker,
    reader: tasks.Attempt,
    outputs: dict[int, int],
    now: float,
) -> None:
    self._lose(job, outputs, f"{reader.task} can't read it", now)


@defect("a map output that is said to be damaged is kept", fetch_failures.FetchFailures, "answered")
def _(
    self: fetch_failures.FetchFailures,
    worker: workers.Worker,
    checked: m.OutputsChecked,
    now: float,
    right: Any = fetch_failures.FetchFailures.answered,
) -> None:
    right(self, worker, replace(checked, whole=checked.whole + checked.damaged, damaged=()), now)


@defect("an answer about map outputs is waited for for ever", fetch_failures.FetchFailures, "tick")
def _(self: fetch_failures.FetchFailures, now: float) -> None:
    pass


@defect(
    "a worker is always believed that its output is whole",
    fetch_failures.FetchFailures,
    "_look_into",
)
def _(
    self: fetch_failures.FetchFailures,
    job: jobs.JobRun,
    worker: workers.Worker,
    reader: tasks.Attempt,
    outputs: dict[int, int],
    now: float,
    right: Any = fetch_failures.FetchFailures._look_into,
) -> None:
    check = job.output_checks.get(worker.peer)
    verified = check.verified if check is not None else {}
    right(self, job, worker, reader, {a: i for a, i in outputs.items() if a not in verified}, now)


@defect("reduces do not wait for what a worker says of its outputs", jobs.JobRun, "is_held")
def _(job: jobs.JobRun) -> bool:
    return False


@defect("a full disk is one failure like others", quarantine.Quarantine, "failed")
def _(
    self: quarantine.Quarantine,
    attempt: tasks.Attempt,
    failed: m.TaskFailed,
    now: float,
    right: Any = quarantine.Quarantine.failed,
) -> None:
    is_full = failed.reason is m.FailureReason.DISK_FULL
    reason = m.FailureReason.WORKER_ERROR if is_full else failed.reason
    right(self, attempt, replace(failed, reason=reason), now)


@defect("a bad worker gets tasks on", workers.Health, "quarantine")
def _(self: workers.Health, now: float) -> float:
    self.quarantined_until = now + 10.0
    return 10.0


@defect("after its quarantine a worker gets as many tasks as ever", workers.Health, "begin_trial")
def _(self: workers.Health) -> None:
    self.state = HealthState.HEALTHY


@defect("the last worker is quarantined, too", scheduler.Scheduler, "has_takers_beside")
def _(self: scheduler.Scheduler, worker: workers.Worker | None) -> bool:
    return True


@defect("no worker goes on when only bad ones are left", quarantine.Quarantine, "keep_one_working")
def _(self: quarantine.Quarantine) -> None:
    pass


# --- pipelines ---------------------------------------------------------------------------------


@defect("a step begins before the last task of the one before", jobs.JobRun, "is_complete")
def _(job: jobs.JobRun) -> bool:
    last = job.maps if job.is_map_only else job.reduces
    return job.is_active and last.remaining <= (job.has_next_step and len(last) > 1)


@defect("a step's last file is not read by the next", jobs, "inputs_of_next")
def _(step: m.JobSpec, files: Any, right: Any = pipeline_steps.inputs_of_next) -> Any:
    return right(step, files)[:-1]


@defect("the files of a step are read in another order", jobs, "inputs_of_next")
def _(step: m.JobSpec, files: Any, right: Any = pipeline_steps.inputs_of_next) -> Any:
    return right(step, files)[::-1]


@defect("all steps have as many reduces as the first", jobs, "step_spec")
def _(spec: m.JobSpec, *of: Any, right: Any = pipeline_steps.step_spec) -> m.JobSpec:
    step: m.JobSpec = right(spec, *of)
    return replace(step, n_reduce=right(spec, 1).n_reduce)


@defect("every step publishes in the output folder", jobs, "step_spec")
def _(spec: m.JobSpec, *of: Any, right: Any = pipeline_steps.step_spec) -> m.JobSpec:
    step: m.JobSpec = right(spec, *of)
    return replace(step, output=spec.output)


@defect("a step does not get what those before it counted", jobs, "step_spec")
def _(spec: m.JobSpec, number: int, *_: Any, right: Any = pipeline_steps.step_spec) -> m.JobSpec:
    step: m.JobSpec = right(spec, number)
    return step


@defect("a step gets what the last one counted as if the first had", jobs, "step_spec")
def _(
    spec: m.JobSpec, number: int, done: Any = (), right: Any = pipeline_steps.step_spec
) -> m.JobSpec:
    step: m.JobSpec = right(spec, number, done[-1:])
    return step


@defect("what earlier steps counted is forgotten", jobs, "counters_of_all")
def _(done: Any, right: Any = pipeline_steps.counters_of_all) -> m.Counters:
    counters: m.Counters = right(done[-1:])
    return counters


@defect("workers do not forget a step that is over", cluster._APPLY, StepBegun)
def _(self: cluster.Cluster, record: StepBegun, now: float) -> tuple[tasks.Attempt, ...]:
    job = self._started(record.job_id)
    over = tuple(job.attempts.values())
    for attempt in over:
        self.cancel(attempt)
    job.begin_next_step()
    self.active = {each.id: each for each in self.active.values()}
    job.advance()
    return over


@defect("a step goes on under the id of the one before", cluster._APPLY, StepBegun)
def _(self: cluster.Cluster, record: StepBegun, now: float) -> tuple[tasks.Attempt, ...]:
    job = self._started(record.job_id)
    over = self._drop_attempts(job)
    job.begin_next_step()
    job.advance()
    return over


@defect("a pipeline's results are recorded as its step's", attempts, "replace")
def _(done: m.MapDone | m.ReduceDone, **_changed: Any) -> Any:
    return done


# --- restarts ----------------------------------------------------------------------------------


@defect("a frame of another epoch is listened to", master.Master, "_receive")
def _(
    self: master.Master,
    peer: bytes,
    frame: m.Frame,
    now: float,
    right: Any = master.Master._receive,
) -> None:
    right(self, peer, replace(frame, epoch=self.epoch), now)


@defect("a worker obeys its last master", worker.WorkerCore, "_receive")
def _(
    core: worker.WorkerCore, frame: m.Frame, now: float, right: Any = worker.WorkerCore._receive
) -> None:
    is_new = any(isinstance(message, m.Registered) for message in frame.messages)
    right(core, frame if is_new else replace(frame, epoch=core.epoch), now)


@defect("an Ack leaves before its record is written", master.Master, "_settle")
def _(self: master.Master, now: float, right: Any = master.Master._settle) -> list[MasterAction]:
    actions: list[MasterAction] = right(self, now)
    return sorted(actions, key=lambda action: isinstance(action, Append))


@defect("the journal forgets of which record a slot died", outbox.Outbox, "record")
def _(self: outbox.Outbox, record: Record, right: Any = outbox.Outbox.record) -> None:
    right(self, record._replace(record=-1) if isinstance(record, AttemptFailed) else record)


@defect("a record that killed once is left out", tasks.TaskRecord, "count_failure")
def _(
    self: tasks.TaskRecord,
    peer: bytes,
    lost_input: bool,
    record: int = -1,
    right: Any = tasks.TaskRecord.count_failure,
) -> None:
    right(self, peer, lost_input, record)
    if record in self.suspects:
        right(self, peer, lost_input, record)


def _unwritten(kind: type) -> None:
    """Register a master that does not write such records."""
    right = outbox.Outbox.record

    @defect(f"{kind.__name__} is not written to the journal", outbox.Outbox, "record")
    def _(self: outbox.Outbox, record: Record) -> None:
        if not isinstance(record, kind):
            right(self, record)


for _kind in (
    JobSubmitted,
    HandedOut,
    CommitGranted,
    Completed,
    AttemptFailed,
    OutputLost,
    StepBegun,
    JobClosed,
):
    _unwritten(_kind)
