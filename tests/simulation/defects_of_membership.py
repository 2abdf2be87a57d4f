"""Mistakes about workers and the end of a master, each to be planted alone.

They are planted like those of `defects`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zmr import messages as m
from zmr.core import (
    cluster,
    fetch_failures,
    jobs,
    master_life,
    membership,
    output_checks,
    phases,
    quarantine,
    scheduler,
    workers,
)
from zmr.core.events import StopRequested
from zmr.core.states import MasterState

from .planting import defect

# --- jobs without workers ----------------------------------------------------------------------


@defect("a complete job fails for want of workers", phases.Phases, "_waiting")
def _(self: phases.Phases) -> list[jobs.JobRun]:
    return [*self._cluster.active.values(), *self._cluster.queued.values()]


@defect("jobs wait for workers for ever", phases.Phases, "next_deadline")
def _(self: phases.Phases) -> None:
    return None


@defect("jobs do not wait for workers", phases.Phases, "next_deadline")
def _(self: phases.Phases) -> float | None:
    is_limited = self._settings.worker_timeout_s is not None
    return self._without_workers_since if is_limited and self._waiting() else None


# --- the end of a master -----------------------------------------------------------------------


@defect("a second signal is ignored", master_life.Life, "stop_requested")
def _(
    self: master_life.Life, stop: StopRequested, right: Any = master_life.Life.stop_requested
) -> bool:
    is_second = self.state is MasterState.DRAINING
    return bool(right(self, stop)) and not is_second


@defect("the first signal ends all at once", cluster.Cluster, "is_busy")
def _(self: cluster.Cluster) -> bool:
    return False


@defect("workers are told to exit only once", master_life.Life, "is_exiting")
def _(self: master_life.Life) -> bool:
    return False


@defect("a master waits for workers to exit for ever", master_life.Life, "next_deadline")
def _(self: master_life.Life) -> None:
    return None


@defect("a signal does not show in the exit status", master_life.Life, "exit_with")
def _(self: master_life.Life, exit_status: int) -> None:
    pass


# --- quarantines -------------------------------------------------------------------------------


@defect("no failures in a row speak against a worker", workers.Health, "bad_since")
def _(self: workers.Health) -> None:
    return None


@defect("a trial that goes wrong changes nothing", workers.Health, "is_on_trial")
def _(self: workers.Health) -> bool:
    return False


@defect("all quarantines are as long as the first", workers.Health, "quarantine")
def _(self: workers.Health, now: float, right: Any = workers.Health.quarantine) -> float:
    self._next_quarantine_s = workers._FIRST_QUARANTINE_S
    return float(right(self, now))


@defect("what waits at a quarantined worker stays there", quarantine.Quarantine, "_begin")
def _(
    self: quarantine.Quarantine,
    worker: workers.Worker,
    why: str,
    now: float,
    right: Any = quarantine.Quarantine._begin,
) -> None:
    attempts, worker.attempts = worker.attempts, {}
    right(self, worker, why, now)
    worker.attempts = attempts
    self._cluster.scheduler.update(worker)


# --- questions about outputs -------------------------------------------------------------------


@defect(
    "outputs that two reduces can't read are not all looked at",
    output_checks.OutputChecks,
    "failed_to_read",
)
def _(self: output_checks.OutputChecks, peer: bytes, reader: int) -> None:
    self._by_worker.setdefault(peer, output_checks.OutputCheck()).readers = {reader}


@defect("an answer is waited for for ever", fetch_failures.FetchFailures, "_answer_by")
def _(self: fetch_failures.FetchFailures, now: float) -> float:
    return now + 1e6


# --- what workers are told ---------------------------------------------------------------------


@defect("no worker is told that a job is over", phases.Phases, "_have_forgotten")
def _(self: phases.Phases, workers: Iterable[workers.Worker], job_id: str) -> None:
    pass


@defect("all workers are told that a job is over", cluster.Cluster, "workers_knowing")
def _(self: cluster.Cluster, job: jobs.JobRun) -> list[workers.Worker]:
    return self.workers.present


@defect("the spec of a job goes to a worker once", cluster.Cluster, "forget_specs")
def _(self: cluster.Cluster, worker: workers.Worker) -> None:
    pass


@defect(
    "what waits in a busy worker's queue stays there",
    scheduler.Scheduler,
    "has_free_slots_beside",
)
def _(self: scheduler.Scheduler, worker: workers.Worker) -> bool:
    return False


@defect("what never reached a worker is waited for", membership.Membership, "_missing")
def _(self: Any, worker: workers.Worker, attempt: Any, now: float) -> None:
    pass


@defect("silent workers are looked for by chance", workers.WorkerTable, "next_deadline")
def _(self: workers.WorkerTable) -> None:
    return None


@defect("a lost worker is forgotten at once", workers.WorkerTable, "lost_for_long")
def _(self: workers.WorkerTable) -> list[workers.Worker]:
    return list(self._lost.values())


@defect("a worker that is heard again is not published", membership.Membership, "sign_of_life")
def _(self: membership.Membership, worker: workers.Worker, now: float) -> None:
    if self._cluster.seen(worker, now):
        for attempt in worker.attempts.values():
            self._cluster.waits(attempt, now)


@defect("a registration is not published", membership.Membership, "register")
def _(
    self: membership.Membership,
    peer: bytes,
    register: m.Register,
    now: float,
    right: Any = membership.Membership.register,
) -> workers.Worker:
    publish, self._outbox.publish = self._outbox.publish, lambda event: None  # type: ignore[method-assign]
    try:
        known: workers.Worker = right(self, peer, register, now)
    finally:
        self._outbox.publish = publish  # type: ignore[method-assign]
    return known
