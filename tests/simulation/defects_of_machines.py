"""Mistakes that show on odd machines: full disks, odd records, strangers, limits. See `defects`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from zmr import messages as m
from zmr.core import attempts, clients, handouts, jobs, membership, phases, plan
from zmr.core.events import OutputCompleted
from zmr.journal import store
from zmr.wire import codec

from .planting import defect

# --- inputs ------------------------------------------------------------------------------------


@defect("the last piece of a file that is cut is not read", plan, "_part")
def _(file: m.InputFile, part: int, n_parts: int, right: Any = plan._part) -> m.Split:
    split: m.Split = right(file, part, n_parts)
    return replace(split, length=split.length - (part == n_parts - 1))


@defect("the last of the files that share a map is not read", plan.Plan, "__getitem__")
def _(self: plan.Plan, index: Any, right: Any = plan.Plan.__getitem__) -> Any:
    splits = right(self, index)
    return splits[:1] if isinstance(index, int) else splits


# --- bad records -------------------------------------------------------------------------------


@defect("a record of which a slot outgrows its memory is never left out", attempts, "_killer")
def _(job: Any, failed: m.TaskFailed, right: Any = attempts._killer) -> int:
    return -1 if failed.reason is m.FailureReason.OVER_MEMORY else right(job, failed)


@defect("too many bad records in one attempt are one failure", attempts.Attempts, "_fail")
def _(
    self: Any,
    job: Any,
    attempt: Any,
    failed: m.TaskFailed,
    now: float,
    right: Any = attempts.Attempts._fail,
) -> None:
    if failed.reason is m.FailureReason.BAD_RECORDS:
        failed = replace(failed, reason=m.FailureReason.USER_ERROR)
    right(self, job, attempt, failed, now)


@defect("a hung map does not say at which record", attempts.Attempts, "stuck")
def _(self: Any, job: Any, attempt: Any, now: float, right: Any = attempts.Attempts.stuck) -> None:
    attempt.progress = (0, *attempt.progress[1:])
    right(self, job, attempt, now)


@defect("a map that put out nothing has an output", jobs.JobRun, "needs_output_of")
def _(job: jobs.JobRun, task: Any) -> bool:
    return task.winner != 0 and not job.is_map_only


# --- the output folder -------------------------------------------------------------------------


@defect("a job is done although its manifest can't be written", phases.Phases, "output_completed")
def _(
    self: phases.Phases,
    completed: OutputCompleted,
    now: float,
    right: Any = phases.Phases.output_completed,
) -> None:
    right(self, replace(completed, error=""), now)


@defect("two jobs may have one output folder", clients.Clients, "_submit")
def _(
    self: clients.Clients,
    submit: m.Submit,
    fingerprint: str,
    now: float,
    right: Any = clients.Clients._submit,
) -> str:
    refusal: str = right(self, submit, fingerprint, now)
    if "is the output folder of" not in refusal:
        return refusal
    spec = replace(submit.spec, output=submit.spec.output + "/")
    right(self, replace(submit, spec=spec), fingerprint, now)
    self._cluster.jobs[spec.job_id].spec = submit.spec
    return ""


# --- limits ------------------------------------------------------------------------------------


@defect("what does not fit into a turn is never handed out", handouts.HandOuts, "next_deadline")
def _(self: handouts.HandOuts) -> None:
    return None


@defect("each message is a frame of its own", codec, "encode_all")
def _(epoch: int, messages: Sequence[m.Message]) -> Iterator[bytes]:
    return (codec.encode(m.Frame(epoch, (message,))) for message in messages)


@defect("what is beyond the limit of a frame is dropped", codec, "encode_all")
def _(epoch: int, messages: Sequence[m.Message]) -> Iterator[bytes]:
    yield codec.encode(m.Frame(epoch, tuple(messages[: codec.FRAME_LIMIT_MESSAGES])))


# --- strangers ---------------------------------------------------------------------------------


@defect("anything that speaks is a worker", membership.Membership, "sign_of_life")
def _(self: Any, worker: Any, now: float) -> None:
    return None


@defect("a result counts, whichever worker sends it", attempts.Attempts, "_attempt")
def _(self: Any, worker: Any, job_id: str, kind: m.TaskKind, index: int, attempt_id: int) -> Any:
    job = self._cluster.active.get(job_id)
    attempt = job.attempts.get(attempt_id) if job is not None else None
    if attempt is None or attempt.task.kind is not kind or attempt.task.index != index:
        return None
    return job, attempt


# --- the journal's file ------------------------------------------------------------------------


@defect("records of a turn are written one by one", store.Journal, "commit")
def _(self: store.Journal, right: Any = store.Journal.commit) -> None:
    pending, self._pending = self._pending, []
    for record in pending:
        self.append((record,))
        right(self)


@defect("the journal does not count its turns", store.Journal, "_count_turns")
def _(self: store.Journal) -> None:
    pass


@defect("the journal keeps what is void", store.Journal, "_clear")
def _(self: store.Journal, what: str) -> None:
    pass
