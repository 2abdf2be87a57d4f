"""Mistakes of omission, each to be planted alone: what has to follow does not.

They show only where an effect is demanded: nothing forbidden happens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from zmr import messages as m
from zmr.core import (
    attempts,
    clients,
    cluster,
    jobs,
    membership,
    outbox,
    pace,
    phases,
    quarantine,
    scheduler,
    tasks,
    worker,
    workers,
)
from zmr.core.actions import CompleteOutput, SendMaster
from zmr.core.events import FilesChecked
from zmr.core.jobs import Ending
from zmr.core.journal import CLEARS, JobClosed, Record, WorkerGone, about
from zmr.core.states import JobState

from .machines import journal
from .planting import DEFECTS, Defect, defect

# --- jobs --------------------------------------------------------------------------------------


@defect("a cancel is answered, and that is all", clients.Clients, "_cancel_job")
def _(self: clients.Clients, peer: bytes, cancel: m.CancelJob, now: float) -> None:
    self._outbox.send(peer, m.Submitted(cancel.job_id))


@defect("the attempts of a job go on after its end", cluster.Cluster, "_drop_attempts")
def _(self: cluster.Cluster, job: jobs.JobRun) -> tuple[tasks.Attempt, ...]:
    over = tuple(job.attempts.values())
    for attempt in over:
        self.cancel(attempt)
    for knowing in self.workers_knowing(job):
        knowing.forgets(job.id)
    return ()


@defect("the manifest is ordered again and again", phases.Phases, "complete_output")
def _(self: phases.Phases, job: jobs.JobRun) -> None:
    self._outbox.act(CompleteOutput(job.outcome(Ending(JobState.DONE))))


@defect(
    "a job with too many bad records names no task", attempts.Attempts, "_end_if_too_many_skipped"
)
def _(
    self: attempts.Attempts,
    job: jobs.JobRun,
    last: str,
    now: float,
    failed_task: str = "",
    right: Any = attempts.Attempts._end_if_too_many_skipped,
) -> None:
    right(self, job, last, now)


@defect("a job names a task of which it has not failed", jobs.JobRun, "outcome")
def _(job: jobs.JobRun, ending: Ending, right: Any = jobs.JobRun.outcome) -> Any:
    outcome = right(job, ending)
    kept = outcome.failed_task.replace("reduce", "map")
    return replace(outcome, failed_task=kept)


# --- outputs, grants, standing still -----------------------------------------------------------


@defect("an attempt that returns has lost its grant", tasks.TaskTable, "attempt_returned")
def _(
    self: tasks.TaskTable,
    attempt: tasks.Attempt,
    now: float,
    right: Any = tasks.TaskTable.attempt_returned,
) -> None:
    right(self, attempt, now)
    attempt.was_granted = False


@defect("a grant is given once", attempts.Attempts, "commit_requested")
def _(
    self: attempts.Attempts,
    worker: workers.Worker,
    request: m.CommitRequest,
    now: float,
    right: Any = attempts.Attempts.commit_requested,
) -> None:
    found = self._attempt(worker, request.job_id, request.kind, request.index, request.attempt)
    if found is None or not found[1].was_granted:
        right(self, worker, request, now)


@defect("an attempt is stopped for its worker's silence", membership.Membership, "sign_of_life")
def _(self: membership.Membership, worker: workers.Worker, now: float) -> None:
    if self._cluster.seen(worker, now):
        self._outbox.publish(m.WorkerEvent(worker.name, worker.condition))


# --- backup tasks ------------------------------------------------------------------------------


@defect("there are no backup tasks", scheduler.Scheduler, "_backup_task")
def _(self: scheduler.Scheduler, job: jobs.JobRun) -> None:
    return None


@defect("an attempt without progress gets no backup task", membership, "is_straggler")
def _(
    attempt: tasks.Attempt,
    table: tasks.TaskTable,
    now: float,
    backup_after_s: float,
    right: Any = scheduler.is_straggler,
) -> bool:
    return bool(attempt.fraction) and right(attempt, table, now, backup_after_s)


@defect("a slow attempt gets no backup task while it moves", membership, "is_straggler")
def _(
    attempt: tasks.Attempt,
    table: tasks.TaskTable,
    now: float,
    backup_after_s: float,
    right: Any = scheduler.is_straggler,
) -> bool:
    return not attempt.fraction and right(attempt, table, now, backup_after_s)


@defect("backup tasks begin without need", membership, "is_straggler")
def _(attempt: tasks.Attempt, table: tasks.TaskTable, now: float, backup_after_s: float) -> bool:
    is_known = table.pace.median_s() is not None and len(attempt.task.attempts) == 1
    return is_known and not attempt.queued and now - attempt.began_at > backup_after_s


@defect("half of all healthy attempts are late", pace.Pace, "fresh_s")
def _(self: pace.Pace, records: float) -> float:
    return self.median_s() or 0.0


# --- quarantines -------------------------------------------------------------------------------


@defect("a quarantine never ends", quarantine.Quarantine, "tick")
def _(self: quarantine.Quarantine, now: float) -> None:
    for quarantined in self._cluster.workers.quarantined.values():
        quarantined.health.quarantined_until = max(quarantined.health.quarantined_until, now + 10.0)


# --- the journal -------------------------------------------------------------------------------


@defect("a worker that has left is waited for", outbox.Outbox, "record")
def _(self: outbox.Outbox, record: Record, right: Any = outbox.Outbox.record) -> None:
    if not isinstance(record, WorkerGone):
        right(self, record)


@defect("the journal keeps what is about another thing", journal, "about")
def _(record: Record) -> str:
    return f"end of {about(record)}" if isinstance(record, JobClosed) else about(record)


DEFECTS.append(
    Defect(
        "the journal keeps the tasks of jobs that have ended",
        journal,
        "CLEARS",
        tuple(kind for kind in CLEARS if kind is not JobClosed),
    )
)


# --- workers -----------------------------------------------------------------------------------


@defect("a question about outputs is not answered", worker._FROM_MASTER, m.CheckOutputs)
def _(core: worker.WorkerCore, check: m.CheckOutputs) -> None:
    pass


@defect("what a look at outputs has shown is not told", worker.WorkerCore, "_files_checked")
def _(core: worker.WorkerCore, checked: FilesChecked) -> None:
    core._checking.difference_update(checked.whole, checked.damaged)


@defect("only one result is repeated at a time", worker.WorkerCore, "_heartbeat")
def _(core: worker.WorkerCore, now: float, right: Any = worker.WorkerCore._heartbeat) -> None:
    results = core.unacknowledged
    core.unacknowledged = dict(list(results.items())[:1])
    right(core, now)
    core.unacknowledged = results


@defect("results are repeated only to a new master", worker.WorkerCore, "_heartbeat")
def _(core: worker.WorkerCore, now: float, right: Any = worker.WorkerCore._heartbeat) -> None:
    is_first = any(not isinstance(action, SendMaster) for action in core._actions)
    results = core.unacknowledged
    core.unacknowledged = results if is_first else {}
    right(core, now)
    core.unacknowledged = results
