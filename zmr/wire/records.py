"""The parts of messages, to protobuf and back: jobs, tasks, results, events.

Writers have the name of what they write, readers begin with `read_`. Readers check: what they
return has every field of the kind and within the bounds that the cores rely on, or they raise
`BadFrame`.
"""

from __future__ import annotations

import math
import re
from typing import Any

from zmr import messages as m
from zmr.wire import zmr_pb2 as pb

MAX_SLOTS = 10_000
MAX_CREDIT = 1_000_000
MAX_REDUCE = 1_000_000
_MAX_ELEMENTS = 1_000_000
_NAME_LENGTH = 100
_ENDPOINT = re.compile(
    r"tcp://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}(%\w{1,15})?\]):[0-9]{1,5}"
)
_KINDS = {int(kind): kind for kind in m.TaskKind}  # quicker than to ask the class
_NAME_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class BadFrame(Exception):
    """The bytes are no frame of this protocol. The text says why, for the sender and the log."""


# --- checked pieces ----------------------------------------------------------------------------


def text(text: str) -> str:
    """`text`, with lone surrogates (from odd file names and user errors) made encodable."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def path(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def read_path(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def name(text: str, what: str) -> str:
    """A name that becomes part of a path, so it must not be able to leave its folder."""
    if not 0 < len(text) <= _NAME_LENGTH or text[0] == "." or not _NAME_CHARACTERS.issuperset(text):
        raise BadFrame(f"{text[:_NAME_LENGTH]!r} can't be a {what}")
    return text


def label(text: str) -> str:
    """A name for people, on one line of a log."""
    return "".join(c if c.isprintable() else "?" for c in text[:_NAME_LENGTH])


def endpoint(text: str) -> str:
    """Where others are to connect to, or nothing. It must not lead elsewhere than to a TCP port."""
    if text and not _ENDPOINT.fullmatch(text):
        raise BadFrame(f"{label(text)} is no address of a worker")
    return text


def bounded(value: int, limit: int, what: str) -> int:
    if value > limit:
        raise BadFrame(f"{value} {what}; at most {limit} are allowed")
    return value


def several(values: Any, what: str) -> Any:
    """The elements, unless they are more than anybody has: each of them becomes an object."""
    if len(values) > _MAX_ELEMENTS:
        raise BadFrame(f"{len(values):,} {what}; at most {_MAX_ELEMENTS:,} are allowed")
    return values


def seconds(value: float, what: str) -> float:
    if not 0 < value < math.inf:
        raise BadFrame(f"{value} s can't be the {what}")
    return value


def enum(value: int) -> Any:
    return int(value)  # protobuf's enums are plain numbers, whatever its stubs say


def kind(value: int) -> m.TaskKind:
    try:
        return _KINDS[value]
    except KeyError:
        raise BadFrame(f"{value} is no type of task") from None


def reason(value: int) -> m.FailureReason:
    try:
        return m.FailureReason(value)
    except ValueError:
        raise BadFrame(f"{value} is no reason for a failure") from None


# --- jobs and tasks ----------------------------------------------------------------------------


def task(task: m.Task) -> pb.Task:
    return pb.Task(
        job_id=task.job_id,
        type=enum(task.kind),
        id=task.index,
        attempt=task.attempt,
        n_reduce=task.n_reduce,
        output=path(task.output),
        inputs=[
            pb.Split(path=path(split.path), offset=split.offset, length=split.length)
            for split in task.splits
        ],
        sources=[
            pb.MapOutput(
                index=source.index,
                attempt=source.attempt,
                host=source.host,
                path=path(source.path),
                shuffle_address=source.shuffle_address,
            )
            for source in task.sources
        ],
        failures=task.failures,
        is_last=task.is_last,
        skips=task.skips,
    )


def read_task(task: pb.Task) -> m.Task:
    return m.Task(
        job_id=name(task.job_id, "job id"),
        kind=kind(task.type),
        index=task.id,
        attempt=task.attempt,
        n_reduce=bounded(task.n_reduce, MAX_REDUCE, "reduce tasks"),
        output=read_path(task.output),
        splits=tuple(
            m.Split(read_path(split.path), split.offset, split.length) for split in task.inputs
        ),
        sources=tuple(
            m.MapOutput(
                source.index,
                source.attempt,
                source.host,
                read_path(source.path),
                source.shuffle_address,
            )
            for source in task.sources
        ),
        failures=task.failures,
        is_last=task.is_last,
        skips=tuple(several(task.skips, "records")),
    )


def stats(stats: m.Stats) -> pb.Stats:
    return pb.Stats(
        records_in=stats.records_in,
        bytes_in=stats.bytes_in,
        records_out=stats.records_out,
        bytes_out=stats.bytes_out,
        elapsed_s=stats.elapsed_s,
    )


def read_stats(stats: pb.Stats) -> m.Stats:
    return m.Stats(
        stats.records_in, stats.bytes_in, stats.records_out, stats.bytes_out, stats.elapsed_s
    )


def counters(counters: m.Counters) -> list[pb.Counter]:
    return [pb.Counter(name=text(name), value=value) for name, value in counters]


def read_counters(counters: Any) -> m.Counters:
    return tuple([(counter.name, counter.value) for counter in several(counters, "counters")])


def file(file: m.OutputFile) -> pb.OutputFile:
    return pb.OutputFile(name=file.name, size_bytes=file.size_bytes, checksum=file.checksum)


def read_file(file: pb.OutputFile) -> m.OutputFile:
    return m.OutputFile(name(file.name, "file name"), file.size_bytes, file.checksum)


# --- results -----------------------------------------------------------------------------------


def map_done(done: m.MapDone) -> pb.MapDone:
    return pb.MapDone(
        job_id=done.job_id,
        id=done.index,
        attempt=done.attempt,
        path=path(done.path),
        stats=stats(done.stats),
        counters=counters(done.counters),
        file=None if done.file is None else file(done.file),
        skipped=done.skipped,
        last_skipped=text(done.last_skipped),
    )


def read_map_done(done: pb.MapDone) -> m.MapDone:
    return m.MapDone(
        job_id=done.job_id,
        index=done.id,
        attempt=done.attempt,
        path=read_path(done.path),
        stats=read_stats(done.stats),
        counters=read_counters(done.counters),
        file=read_file(done.file) if done.HasField("file") else None,
        skipped=done.skipped,
        last_skipped=done.last_skipped,
    )


def reduce_done(done: m.ReduceDone) -> pb.ReduceDone:
    return pb.ReduceDone(
        job_id=done.job_id,
        id=done.index,
        attempt=done.attempt,
        file=file(done.file),
        stats=stats(done.stats),
        counters=counters(done.counters),
    )


def read_reduce_done(done: pb.ReduceDone) -> m.ReduceDone:
    return m.ReduceDone(
        job_id=done.job_id,
        index=done.id,
        attempt=done.attempt,
        file=read_file(done.file),
        stats=read_stats(done.stats),
        counters=read_counters(done.counters),
    )


def task_failed(failed: m.TaskFailed) -> pb.TaskFailed:
    return pb.TaskFailed(
        job_id=failed.job_id,
        type=enum(failed.kind),
        id=failed.index,
        attempt=failed.attempt,
        reason=enum(failed.reason),
        message=text(failed.message),
        traceback=text(failed.traceback),
        lost=[pb.LostOutput(id=index, attempt=attempt) for index, attempt in failed.lost],
        circumstances=circumstances(failed.circumstances),
    )


def read_task_failed(failed: pb.TaskFailed) -> m.TaskFailed:
    return m.TaskFailed(
        job_id=failed.job_id,
        kind=kind(failed.type),
        index=failed.id,
        attempt=failed.attempt,
        reason=reason(failed.reason),
        message=failed.message,
        traceback=failed.traceback,
        lost=tuple((lost.id, lost.attempt) for lost in several(failed.lost, "lost outputs")),
        circumstances=read_circumstances(failed.circumstances),
    )


def circumstances(known: m.Circumstances) -> pb.Circumstances:
    return pb.Circumstances(
        exit_status=known.exit_status,
        signal=known.signal,
        peak_bytes=known.peak_bytes,
        record=known.record if known.record >= 0 else None,
    )


def read_circumstances(known: pb.Circumstances) -> m.Circumstances:
    return m.Circumstances(
        known.exit_status if known.HasField("exit_status") else None,
        known.signal if known.HasField("signal") else None,
        known.peak_bytes,
        known.record if known.HasField("record") else -1,
    )


# --- registration, heartbeats, snapshots -------------------------------------------------------


def progress(progress: m.Progress) -> pb.Progress:
    return pb.Progress(
        attempt=progress.attempt,
        records=progress.records,
        bytes=progress.bytes,
        queued=progress.queued,
    )


def read_progress(progress: pb.Progress) -> m.Progress:
    return m.Progress(progress.attempt, progress.records, progress.bytes, progress.queued)


def register(register: m.Register) -> pb.Register:
    return pb.Register(
        name=register.name,
        host=register.host,
        pid=register.pid,
        slots=register.slots,
        running=register.running,
        held=[map_done(done) for done in register.held],
        shuffle_address=register.shuffle_address,
    )


def read_register(register: pb.Register) -> m.Register:
    if not register.slots:
        raise BadFrame("a worker without slots")
    return m.Register(
        name=label(register.name),
        host=label(register.host),
        pid=register.pid,
        slots=bounded(register.slots, MAX_SLOTS, "slots"),
        running=tuple(several(register.running, "attempts")),
        held=tuple(read_map_done(done) for done in several(register.held, "map outputs")),
        shuffle_address=endpoint(register.shuffle_address),
    )


def read_heartbeat(heartbeat: pb.Heartbeat) -> m.Heartbeat:
    return m.Heartbeat(
        bounded(heartbeat.credit, MAX_CREDIT, "credits"),
        tuple(read_progress(progress) for progress in several(heartbeat.progress, "attempts")),
        tuple(name(job_id, "job id") for job_id in several(heartbeat.jobs, "jobs")),
    )


def job_status(status: m.JobStatus) -> pb.JobStatus:
    return pb.JobStatus(
        job_id=status.job_id,
        name=text(status.name),
        state=status.state,
        maps_done=status.maps_done,
        n_map=status.n_map,
        reduces_done=status.reduces_done,
        n_reduce=status.n_reduce,
        reason=text(status.reason),
        step=status.step,
        n_steps=status.n_steps,
    )


def read_job_status(status: pb.JobStatus) -> m.JobStatus:
    return m.JobStatus(
        status.job_id,
        status.name,
        status.state,
        status.maps_done,
        status.n_map,
        status.reduces_done,
        status.n_reduce,
        status.reason,
        status.step,
        status.n_steps,
    )
