"""The journal's records to protobuf and back.

Made from proto/zmr.proto and zmr/core/journal.py by `tox -e proto -- --write`. Do not edit.

A function `write_...` fills a message of protobuf (`p`) from a value (`v`); `read_...` makes the
value, or raises `BadFrame` for one that breaks a check.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zmr import messages as m
from zmr.core import journal as j
from zmr.wire import checks as c
from zmr.wire.converters import (
    read_job_status,
    read_register,
    read_submit,
    write_job_status,
    write_register,
    write_submit,
)
from zmr.wire.task_converters import (
    read_job_spec,
    read_map_done,
    read_reduce_done,
    write_job_spec,
    write_map_done,
    write_reduce_done,
)

_TASK_KIND = {int(member): member for member in m.TaskKind}


def write_epoch_begun(p: Any, v: j.EpochBegun) -> None:
    p.epoch = v.epoch


def read_epoch_begun(p: Any) -> j.EpochBegun:
    return j.EpochBegun(p.epoch)


def write_worker_joined(p: Any, v: j.WorkerJoined) -> None:
    p.peer = v.peer
    p.register.SetInParent()
    write_register(p.register, v.register)


def read_worker_joined(p: Any) -> j.WorkerJoined:
    return j.WorkerJoined(p.peer, read_register(p.register))


def write_worker_gone(p: Any, v: j.WorkerGone) -> None:
    p.peer = v.peer


def read_worker_gone(p: Any) -> j.WorkerGone:
    return j.WorkerGone(p.peer)


def write_job_submitted(p: Any, v: j.JobSubmitted) -> None:
    p.submit.SetInParent()
    write_submit(p.submit, v.submit)
    p.split_bytes = v.split_bytes
    p.fingerprint = c.text(v.fingerprint)


def read_job_submitted(p: Any) -> j.JobSubmitted:
    return j.JobSubmitted(read_submit(p.submit), p.split_bytes, p.fingerprint)


def write_handed_out(p: Any, v: j.HandedOut) -> None:
    p.job_id = c.text(v.job_id)
    p.kind = v.kind
    p.task = v.task
    p.attempt = v.attempt
    p.peer = v.peer


def read_handed_out(p: Any) -> j.HandedOut:
    return j.HandedOut(
        p.job_id,
        c.member(p.kind, _TASK_KIND, "task kind"),
        p.task,
        p.attempt,
        p.peer,
    )


def write_commit_granted(p: Any, v: j.CommitGranted) -> None:
    p.job_id = c.text(v.job_id)
    p.attempt = v.attempt


def read_commit_granted(p: Any) -> j.CommitGranted:
    return j.CommitGranted(p.job_id, p.attempt)


def write_attempt_failed(p: Any, v: j.AttemptFailed) -> None:
    p.job_id = c.text(v.job_id)
    p.attempt = v.attempt
    p.lost_input = v.lost_input
    if v.record != -1:
        p.record = v.record
    if v.error:
        p.error = c.text(v.error)


def read_attempt_failed(p: Any) -> j.AttemptFailed:
    return j.AttemptFailed(
        p.job_id,
        p.attempt,
        p.lost_input,
        p.record if p.HasField("record") else -1,
        p.error,
    )


def write_output_lost(p: Any, v: j.OutputLost) -> None:
    p.job_id = c.text(v.job_id)
    p.task = v.task
    p.may_return = v.may_return


def read_output_lost(p: Any) -> j.OutputLost:
    return j.OutputLost(p.job_id, p.task, p.may_return)


def write_job_closed(p: Any, v: j.JobClosed) -> None:
    p.spec.SetInParent()
    write_job_spec(p.spec, v.spec)
    p.status.SetInParent()
    write_job_status(p.status, v.status)
    p.traceback = c.text(v.traceback)
    p.out_of_workers = v.out_of_workers
    p.fingerprint = c.text(v.fingerprint)
    if v.failed_task:
        p.failed_task = c.text(v.failed_task)


def read_job_closed(p: Any) -> j.JobClosed:
    return j.JobClosed(
        read_job_spec(p.spec),
        read_job_status(p.status),
        p.traceback,
        p.out_of_workers,
        p.fingerprint,
        p.failed_task,
    )


def write_job_forgotten(p: Any, v: j.JobForgotten) -> None:
    p.job_id = c.text(v.job_id)


def read_job_forgotten(p: Any) -> j.JobForgotten:
    return j.JobForgotten(p.job_id)


def write_step_begun(p: Any, v: j.StepBegun) -> None:
    p.job_id = c.text(v.job_id)


def read_step_begun(p: Any) -> j.StepBegun:
    return j.StepBegun(p.job_id)


_WRITE_KIND: dict[type, tuple[str, Callable[[Any, Any], None]]] = {
    j.EpochBegun: ("epoch_begun", write_epoch_begun),
    j.WorkerJoined: ("worker_joined", write_worker_joined),
    j.WorkerGone: ("worker_gone", write_worker_gone),
    j.JobSubmitted: ("job_submitted", write_job_submitted),
    j.HandedOut: ("handed_out", write_handed_out),
    j.CommitGranted: ("commit_granted", write_commit_granted),
    m.MapDone: ("map_completed", write_map_done),
    m.ReduceDone: ("reduce_completed", write_reduce_done),
    j.AttemptFailed: ("attempt_failed", write_attempt_failed),
    j.OutputLost: ("output_lost", write_output_lost),
    j.JobClosed: ("job_closed", write_job_closed),
    j.JobForgotten: ("job_forgotten", write_job_forgotten),
    j.StepBegun: ("step_begun", write_step_begun),
}

_READ_KIND: dict[str, Callable[[Any], j.Record | m.MapDone | m.ReduceDone]] = {
    "epoch_begun": read_epoch_begun,
    "worker_joined": read_worker_joined,
    "worker_gone": read_worker_gone,
    "job_submitted": read_job_submitted,
    "handed_out": read_handed_out,
    "commit_granted": read_commit_granted,
    "map_completed": read_map_done,
    "reduce_completed": read_reduce_done,
    "attempt_failed": read_attempt_failed,
    "output_lost": read_output_lost,
    "job_closed": read_job_closed,
    "job_forgotten": read_job_forgotten,
    "step_begun": read_step_begun,
}


def write_kind(p: Any, v: j.Record | m.MapDone | m.ReduceDone) -> None:
    name, write = _WRITE_KIND[type(v)]
    message = getattr(p, name)
    message.SetInParent()
    write(message, v)


def read_kind(p: Any) -> j.Record | m.MapDone | m.ReduceDone:
    name = p.WhichOneof("kind")
    if name is None:
        raise c.BadFrame("a journal record of an unknown kind")
    return _READ_KIND[name](getattr(p, name))
