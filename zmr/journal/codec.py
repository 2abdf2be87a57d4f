"""The records of the journal to bytes and back.

What `decode` returns is a record of the kinds and within the bounds that the core relies on;
anything else is a `BadRecord`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from zmr import messages as m
from zmr.core import journal as j
from zmr.core.states import JobState
from zmr.wire import records as r
from zmr.wire import specs
from zmr.wire import zmr_pb2 as pb


class BadRecord(Exception):
    """The bytes are no record of a journal."""


def encode(record: j.Record) -> bytes:
    """The bytes of a record."""
    encoded: bytes = _ENCODERS[type(record)](record).SerializeToString()
    return encoded


def decode(data: bytes) -> j.Record:
    """The record that the bytes hold. Raises `BadRecord`."""
    try:
        parsed = pb.JournalRecord.FromString(data)
        kind = parsed.WhichOneof("kind")
        if kind is None:
            raise BadRecord("a record of an unknown kind")
        return _DECODERS[kind](getattr(parsed, kind))
    except (DecodeError, ValueError, r.BadFrame) as error:
        raise BadRecord(f"not a record: {error}") from error


def _completed(record: j.Completed) -> pb.JournalRecord:
    done = record.done
    if isinstance(done, m.MapDone):
        return pb.JournalRecord(map_completed=r.map_done(done))
    return pb.JournalRecord(reduce_completed=r.reduce_done(done))


def _read_closed(closed: pb.JobClosed) -> j.JobClosed:
    JobState(closed.status.state)  # or it is none
    return j.JobClosed(
        specs.read_spec(closed.spec),
        r.read_job_status(closed.status),
        closed.traceback,
        closed.out_of_workers,
        closed.words,
        closed.failed_task,
    )


# --- one row for each kind of record -----------------------------------------------------------

_ENCODERS: dict[type, Callable[[Any], pb.JournalRecord]] = {
    j.EpochBegun: lambda v: pb.JournalRecord(epoch_begun=pb.EpochBegun(epoch=v.epoch)),
    j.WorkerJoined: lambda v: pb.JournalRecord(
        worker_joined=pb.WorkerJoined(peer=v.peer, register=r.register(v.register))
    ),
    j.WorkerGone: lambda v: pb.JournalRecord(worker_gone=pb.WorkerGone(peer=v.peer)),
    j.JobSubmitted: lambda v: pb.JournalRecord(
        job_submitted=pb.JobSubmitted(
            submit=specs.submit(v.submit), split_bytes=v.split_bytes, words=r.text(v.words)
        )
    ),
    j.StepBegun: lambda v: pb.JournalRecord(step_begun=pb.StepBegun(job_id=v.job_id)),
    j.HandedOut: lambda v: pb.JournalRecord(
        handed_out=pb.HandedOut(
            job_id=v.job_id, type=r.enum(v.kind), id=v.task, attempt=v.attempt, peer=v.peer
        )
    ),
    j.CommitGranted: lambda v: pb.JournalRecord(
        commit_granted=pb.CommitGranted(job_id=v.job_id, attempt=v.attempt)
    ),
    j.Completed: _completed,
    j.AttemptFailed: lambda v: pb.JournalRecord(
        attempt_failed=pb.AttemptFailed(
            job_id=v.job_id,
            attempt=v.attempt,
            lost_input=v.lost_input,
            record=v.record if v.record >= 0 else None,
        )
    ),
    j.OutputLost: lambda v: pb.JournalRecord(
        output_lost=pb.OutputLost(job_id=v.job_id, id=v.task, may_return=v.may_return)
    ),
    j.JobClosed: lambda v: pb.JournalRecord(
        job_closed=pb.JobClosed(
            spec=specs.spec(v.spec),
            status=r.job_status(v.status),
            traceback=r.text(v.traceback),
            out_of_workers=v.out_of_workers,
            words=r.text(v.words),
            failed_task=v.failed_task,
        )
    ),
    j.JobForgotten: lambda v: pb.JournalRecord(job_forgotten=pb.JobForgotten(job_id=v.job_id)),
}

_DECODERS: dict[str, Callable[[Any], j.Record]] = {
    "epoch_begun": lambda v: j.EpochBegun(v.epoch),
    "worker_joined": lambda v: j.WorkerJoined(v.peer, r.read_register(v.register)),
    "worker_gone": lambda v: j.WorkerGone(v.peer),
    "job_submitted": lambda v: j.JobSubmitted(
        # What this process was given may be more than what a wire may bring.
        m.Submit(specs.read_spec(v.submit.spec), specs.read_inputs(v.submit.inputs)),
        v.split_bytes,
        v.words,
    ),
    "step_begun": lambda v: j.StepBegun(v.job_id),
    "handed_out": lambda v: j.HandedOut(v.job_id, r.kind(v.type), v.id, v.attempt, v.peer),
    "commit_granted": lambda v: j.CommitGranted(v.job_id, v.attempt),
    "map_completed": lambda v: j.Completed(r.read_map_done(v)),
    "reduce_completed": lambda v: j.Completed(r.read_reduce_done(v)),
    "attempt_failed": lambda v: j.AttemptFailed(
        v.job_id, v.attempt, v.lost_input, v.record if v.HasField("record") else -1
    ),
    "output_lost": lambda v: j.OutputLost(v.job_id, v.id, v.may_return),
    "job_closed": _read_closed,
    "job_forgotten": lambda v: j.JobForgotten(v.job_id),
}
