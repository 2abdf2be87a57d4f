"""Frames to bytes and back: the only place that knows both the protocol's classes and our own.

Promise: `decode` either returns a frame whose every field is of the kind and within the bounds that
the cores rely on, or raises `BadFrame`; there is no third outcome, whatever the bytes. What a peer
says is checked here so that the cores never have to ask whether a value makes sense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from zmr import messages as m
from zmr.wire import published as p
from zmr.wire import records as r
from zmr.wire import scan, specs
from zmr.wire import zmr_pb2 as pb
from zmr.wire.records import BadFrame

__all__ = [
    "BadFrame",
    "OtherVersion",
    "decode",
    "decode_events",
    "encode",
    "encode_all",
    "encode_events",
]

VERSION = 1

# The largest frame that is looked at. A reduce of 100,000 maps is told of in less than half of it.
FRAME_LIMIT_BYTES = 64 * 1024 * 1024

# Millions of empty messages would fit into those bytes, each an object to make and a thing to do.
FRAME_LIMIT_MESSAGES = 1_000
_QUICKLY_PARSED_BYTES = 64 * 1024


class OtherVersion(BadFrame):
    """The frame is of another version of the protocol."""


# --- outer frames ------------------------------------------------------------------------------


def encode(frame: m.Frame) -> bytes:
    """The bytes of a frame."""
    messages = [_ENCODERS[type(message)](message) for message in frame.messages]
    encoded: bytes = pb.Frame(
        version=VERSION, epoch=frame.epoch, messages=messages
    ).SerializeToString()
    return encoded


def encode_all(epoch: int, messages: Sequence[m.Message]) -> Iterator[bytes]:
    """The bytes of one frame with the messages, or of as many as it takes to keep to the limits."""
    data = encode(m.Frame(epoch, tuple(messages))) if len(messages) <= FRAME_LIMIT_MESSAGES else b""
    if len(messages) == 1 or 0 < len(data) <= FRAME_LIMIT_BYTES:
        yield data
    else:
        middle = len(messages) // 2
        yield from encode_all(epoch, messages[:middle])
        yield from encode_all(epoch, messages[middle:])


def decode(data: bytes | memoryview) -> m.Frame:
    """The frame that the bytes hold. Raises `BadFrame`."""
    if _QUICKLY_PARSED_BYTES < len(data) <= FRAME_LIMIT_BYTES:
        scan.refuse_many(data, FRAME_LIMIT_MESSAGES)
    parsed = _parse(pb.Frame, data)
    if len(parsed.messages) > FRAME_LIMIT_MESSAGES:
        raise BadFrame(f"a frame of more than {FRAME_LIMIT_MESSAGES:,} messages")
    return m.Frame(parsed.epoch, tuple(_decode_message(message) for message in parsed.messages))


def decode_only(parts: Sequence[bytes]) -> m.Frame:
    """The frame of a ZeroMQ message, which has one part. Raises `BadFrame`."""
    if len(parts) != 1:
        raise BadFrame(f"a message of {len(parts)} parts; one is expected")
    return decode(parts[0])


def encode_events(epoch: int, events: Iterable[m.Published]) -> bytes:
    """The bytes of what one turn published."""
    encoded: bytes = pb.Events(
        version=VERSION, epoch=epoch, events=[p.published(event) for event in events]
    ).SerializeToString()
    return encoded


def decode_events(data: bytes | memoryview) -> tuple[int, tuple[m.Published, ...]]:
    """The epoch and the events. Raises `BadFrame`."""
    parsed = _parse(pb.Events, data)
    return parsed.epoch, tuple(p.read_published(event) for event in parsed.events)


def _parse(kind: Any, data: bytes | memoryview) -> Any:
    if len(data) > FRAME_LIMIT_BYTES:
        raise BadFrame(
            f"a frame of {len(data):,} bytes; the largest allowed has {FRAME_LIMIT_BYTES:,}"
        )
    try:
        parsed = kind.FromString(data)
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadFrame(f"not a zmr frame ({len(data):,} bytes)") from error
    if parsed.version != VERSION:
        raise OtherVersion(
            f"protocol version {parsed.version}, but this side speaks version {VERSION}: "
            "run the same zmr version on both sides"
        )
    return parsed


def _decode_message(message: pb.Message) -> m.Message:
    kind = message.WhichOneof("kind")
    if kind is None:
        raise BadFrame("a message of an unknown kind")
    return _DECODERS[kind](getattr(message, kind))


# --- one row for each kind of message ----------------------------------------------------------

_ENCODERS: dict[type, Callable[[Any], pb.Message]] = {
    m.Register: lambda v: pb.Message(register=r.register(v)),
    m.GetTask: lambda v: pb.Message(get_task=pb.GetTask(credit=v.credit)),
    m.Heartbeat: lambda v: pb.Message(
        heartbeat=pb.Heartbeat(
            credit=v.credit, progress=[r.progress(p) for p in v.progress], jobs=v.jobs
        )
    ),
    m.MapDone: lambda v: pb.Message(map_done=r.map_done(v)),
    m.ReduceDone: lambda v: pb.Message(reduce_done=r.reduce_done(v)),
    m.TaskFailed: lambda v: pb.Message(task_failed=r.task_failed(v)),
    m.CommitRequest: lambda v: pb.Message(
        commit_request=pb.CommitRequest(
            job_id=v.job_id, type=r.enum(v.kind), id=v.index, attempt=v.attempt
        )
    ),
    m.OutputsChecked: lambda v: pb.Message(
        outputs_checked=pb.OutputsChecked(job_id=v.job_id, whole=v.whole, damaged=v.damaged)
    ),
    m.Leave: lambda v: pb.Message(leave=pb.Leave(reason=r.text(v.reason))),
    m.Registered: lambda v: pb.Message(
        registered=pb.Registered(
            heartbeat_interval_s=v.heartbeat_interval_s, lost_after_s=v.lost_after_s
        )
    ),
    m.TaskResponse: lambda v: pb.Message(
        task_response=pb.TaskResponse(
            tasks=[r.task(task) for task in v.tasks], jobs=[specs.spec(spec) for spec in v.jobs]
        )
    ),
    m.Cancel: lambda v: pb.Message(cancel=pb.Cancel(attempts=v.attempts, reason=r.text(v.reason))),
    m.CommitReply: lambda v: pb.Message(
        commit_reply=pb.CommitReply(attempt=v.attempt, granted=v.granted)
    ),
    m.Ack: lambda v: pb.Message(ack=pb.Ack(attempts=v.attempts)),
    m.HeartbeatReply: lambda v: pb.Message(heartbeat_reply=pb.HeartbeatReply()),
    m.RegisterAgain: lambda v: pb.Message(register_again=pb.RegisterAgain()),
    m.ForgetJob: lambda v: pb.Message(forget_job=pb.ForgetJob(job_id=v.job_id)),
    m.CheckOutputs: lambda v: pb.Message(
        check_outputs=pb.CheckOutputs(job_id=v.job_id, attempts=v.attempts)
    ),
    m.Exit: lambda v: pb.Message(exit=pb.Exit(reason=r.text(v.reason))),
    m.Refused: lambda v: pb.Message(refused=pb.Refused(reason=r.text(v.reason))),
    m.Submit: lambda v: pb.Message(submit=specs.submit(v)),
    m.CancelJob: lambda v: pb.Message(
        cancel_job=pb.CancelJob(job_id=v.job_id, reason=r.text(v.reason))
    ),
    m.GetSnapshot: lambda v: pb.Message(get_snapshot=pb.GetSnapshot(after_seq=v.after_seq)),
    m.Submitted: lambda v: pb.Message(submitted=pb.Submitted(job_id=v.job_id)),
    m.Snapshot: lambda v: pb.Message(snapshot=p.snapshot(v)),
    m.StartJob: lambda v: pb.Message(
        start_job=pb.StartJob(
            spec=specs.spec(v.spec),
            folder=r.path(v.folder),
            memory_bytes=v.memory_bytes,
            progress_interval_s=v.progress_interval_s,
            no_direct_read=v.no_direct_read,
        )
    ),
    m.Task: lambda v: pb.Message(task=r.task(v)),
    m.Progress: lambda v: pb.Message(progress=r.progress(v)),
}

_DECODERS: dict[str, Callable[[Any], m.Message]] = {
    "register": r.read_register,
    "get_task": lambda v: m.GetTask(r.bounded(v.credit, r.MAX_CREDIT, "credits")),
    "heartbeat": r.read_heartbeat,
    "map_done": r.read_map_done,
    "reduce_done": r.read_reduce_done,
    "task_failed": r.read_task_failed,
    "commit_request": lambda v: m.CommitRequest(v.job_id, r.kind(v.type), v.id, v.attempt),
    "outputs_checked": lambda v: m.OutputsChecked(
        v.job_id,
        tuple(r.several(v.whole, "map outputs")),
        tuple(r.several(v.damaged, "map outputs")),
    ),
    "leave": lambda v: m.Leave(v.reason),
    "registered": lambda v: m.Registered(
        r.seconds(v.heartbeat_interval_s, "heartbeat interval"),
        r.seconds(v.lost_after_s, "time after which a worker is lost"),
    ),
    "task_response": lambda v: m.TaskResponse(
        tuple(r.read_task(task) for task in v.tasks),
        tuple(specs.read_spec(spec) for spec in v.jobs),
    ),
    "cancel": lambda v: m.Cancel(tuple(v.attempts), v.reason),
    "commit_reply": lambda v: m.CommitReply(v.attempt, v.granted),
    "ack": lambda v: m.Ack(tuple(v.attempts)),
    "heartbeat_reply": lambda v: m.HeartbeatReply(),
    "register_again": lambda v: m.RegisterAgain(),
    "forget_job": lambda v: m.ForgetJob(r.name(v.job_id, "job id")),
    "check_outputs": lambda v: m.CheckOutputs(
        v.job_id, tuple(r.several(v.attempts, "map outputs"))
    ),
    "exit": lambda v: m.Exit(v.reason),
    "refused": lambda v: m.Refused(v.reason),
    "submit": specs.read_submit,
    "cancel_job": lambda v: m.CancelJob(v.job_id, v.reason),
    "get_snapshot": lambda v: m.GetSnapshot(v.after_seq),
    "submitted": lambda v: m.Submitted(v.job_id),
    "snapshot": p.read_snapshot,
    "start_job": lambda v: m.StartJob(
        *(specs.read_spec(v.spec), r.read_path(v.folder), v.memory_bytes, v.progress_interval_s),
        v.no_direct_read,
    ),
    "task": r.read_task,
    "progress": r.read_progress,
}
