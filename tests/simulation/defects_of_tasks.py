"""Mistakes about tasks: in which order they go to which worker, and what is told of them.

They are planted like those of `defects`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from zmr import messages as m
from zmr.core import (
    attempts,
    cluster,
    jobs,
    membership,
    outbox,
    plan,
    scheduler,
    tasks,
    workers,
)
from zmr.core.actions import Level
from zmr.core.jobs import Ending
from zmr.core.states import TaskState

from .planting import DEFECTS, Defect, defect

# --- hand-outs ---------------------------------------------------------------------------------


@defect("a task that waits again comes last", tasks.TaskTable, "_move")
def _(
    self: tasks.TaskTable,
    task: tasks.TaskRecord,
    happened: str,
    right: Any = tasks.TaskTable._move,
) -> None:
    right(self, task, happened)
    if task.state is TaskState.IDLE:
        self._queue.rotate(-1)


DEFECTS.append(
    Defect(
        "workers hold tasks in reserve that others could begin soon",
        scheduler,
        "_RESERVE_FROM_TASKS_A_SLOT",
        0,
    )
)
DEFECTS.append(
    Defect(
        "workers hold less in reserve than they asked for",
        scheduler,
        "_RESERVE_FROM_TASKS_A_SLOT",
        5,
    )
)


@defect("one worker gets all tasks that it can take, then the next", scheduler.Scheduler, "update")
def _(
    self: scheduler.Scheduler, worker: workers.Worker, right: Any = scheduler.Scheduler.update
) -> None:
    right(self, worker)
    if worker.peer in self._free:
        others = {peer: other for peer, other in self._free.items() if other is not worker}
        self._free = {worker.peer: worker} | others


@defect("the last job is served first", scheduler.Scheduler, "next_grant")
def _(
    self: scheduler.Scheduler,
    given: Iterable[jobs.JobRun],
    right: Any = scheduler.Scheduler.next_grant,
) -> Any:
    return right(self, reversed(list(given)))


@defect("the last attempt may go where one has failed", scheduler.Scheduler, "_may_fail_again")
def _(self: scheduler.Scheduler, job: jobs.JobRun, task: tasks.TaskRecord) -> bool:
    return True


@defect("a task that has failed everywhere waits for ever", scheduler.Scheduler, "_may_fail_again")
def _(self: scheduler.Scheduler, job: jobs.JobRun, task: tasks.TaskRecord) -> bool:
    return False


@defect("a backup task runs where the task has failed", scheduler.Scheduler, "_backup_task")
def _(
    self: scheduler.Scheduler, job: jobs.JobRun, right: Any = scheduler.Scheduler._backup_task
) -> Any:
    wanted = [attempt.task for attempt in job.backups_wanted.values()]
    failed_on = [task.failed_on for task in wanted]
    for task in wanted:
        task.failed_on = frozenset()
    grant = right(self, job)
    for task, peers in zip(wanted, failed_on, strict=True):
        task.failed_on = peers
    return grant


@defect("no attempt is told that it is the last", jobs.JobRun, "task_message")
def _(self: jobs.JobRun, *given: Any, right: Any = jobs.JobRun.task_message) -> m.Task:
    task: m.Task = right(self, *given)
    return task._replace(is_last=False)


# --- the figures of a job ----------------------------------------------------------------------


@defect("what reduces read is counted as input", jobs.JobRun, "_count")
def _(self: jobs.JobRun, done: m.MapDone | m.ReduceDone, right: Any = jobs.JobRun._count) -> None:
    right(self, done)
    if isinstance(done, m.ReduceDone):
        self._sums = (*self._sums[:1], self._sums[1] + done.stats.bytes_in, *self._sums[2:])


@defect("a phase takes as long as its last task", jobs, "_elapsed_s")
def _(table: tasks.TaskTable) -> float:
    return 0.0 if table.completed_at is None else 1.0


@defect("the status of a failed job is that of its begin", jobs.JobRun, "closing")
def _(self: jobs.JobRun, ending: Ending, right: Any = jobs.JobRun.closing) -> Any:
    record = right(self, ending)
    return record._replace(status=replace(record.status, maps_done=0))


# --- failures ----------------------------------------------------------------------------------


@defect("the log tells how often a task had failed before", outbox.Outbox, "log")
def _(self: outbox.Outbox, level: Level, text: str, right: Any = outbox.Outbox.log) -> None:
    right(self, level, text.replace("(2 of ", "(1 of "))


@defect("only records that were left out in complete maps count", jobs.JobRun, "skips_too_many")
def _(self: jobs.JobRun) -> str:
    most = self.spec.skip_bad_records
    noun = "bad record" if most == 1 else "bad records"
    is_too_many = self._skipped > most
    return f"more than {most} {noun} (--skip-bad-records)" if is_too_many else ""


@defect("files that were left out do not count", jobs.JobRun, "skips_too_many")
def _(self: jobs.JobRun, right: Any = jobs.JobRun.skips_too_many) -> str:
    files, self._skipped_files = self._skipped_files, 0
    found: str = right(self)
    self._skipped_files = files
    return found


@defect("a map that left only files out is not told of", tasks.TaskTable, "complete")
def _(
    self: tasks.TaskTable,
    attempt: tasks.Attempt,
    done: Any,
    ran_s: float | None,
    now: float,
    right: Any = tasks.TaskTable.complete,
) -> None:
    right(self, attempt, done, ran_s, now)
    attempt.task.skipped = getattr(done, "skipped", 0)


@defect("a failure is told without what is known of it", attempts.Attempts, "_fail")
def _(
    self: attempts.Attempts,
    job: jobs.JobRun,
    attempt: tasks.Attempt,
    failed: m.TaskFailed,
    now: float,
    right: Any = attempts.Attempts._fail,
) -> None:
    right(self, job, attempt, replace(failed, message="failed"), now)


# --- what workers say that they have -----------------------------------------------------------


@defect("an attempt that asks to publish is not committing", cluster.Cluster, "ask_to_commit")
def _(self: cluster.Cluster, attempt: tasks.Attempt) -> None:
    pass


@defect("what was lost in a restart is waited for", membership.Membership, "_missing")
def _(self: Any, worker: workers.Worker, attempt: tasks.Attempt, now: float) -> None:
    if now - attempt.began_at > 3 * self._settings.heartbeat_interval_s:
        self._cluster.lose(attempt)
        is_new = attempt.epoch == self._cluster.epoch
        what = "never reached" if is_new else "is no longer with"
        self._notices.publish(attempt, f"it {what} the worker")


@defect("a worker that is back is not told what it runs in vain", attempts.Attempts, "take_back")
def _(
    self: attempts.Attempts,
    worker: workers.Worker,
    register: m.Register,
    now: float,
    right: Any = attempts.Attempts.take_back,
) -> None:
    right(self, worker, replace(register, running=()), now)


@defect(
    "an attempt that comes back is stopped for its absence", tasks.TaskTable, "attempt_returned"
)
def _(
    self: tasks.TaskTable,
    attempt: tasks.Attempt,
    now: float,
    right: Any = tasks.TaskTable.attempt_returned,
) -> None:
    moved_at = attempt.moved_at
    right(self, attempt, now)
    attempt.moved_at = moved_at


@defect("a reduce is late that has fetched for long", tasks.Attempt, "progressed")
def _(
    self: tasks.Attempt, progress: m.Progress, now: float, right: Any = tasks.Attempt.progressed
) -> None:
    without_at = self.without_at
    right(self, progress, now)
    self.without_at = without_at


@defect("a late word of a map that is complete throws its output away", workers.Worker, "holds")
def _(self: workers.Worker, attempt_id: int) -> bool:
    return False


DEFECTS.append(Defect("too many files share a map", plan, "SHARED_TASKS", 32))
