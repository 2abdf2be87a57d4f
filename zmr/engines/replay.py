"""One task of a failed job once more, from its capsule, in this process."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from zmr.columns import rows
from zmr.errors import JobError
from zmr.job_loader import load_job
from zmr.messages import TaskKind
from zmr.output.folder import output_name
from zmr.output.local_dir import LocalDir
from zmr.pickled_job import is_pickled
from zmr.shuffle.map_output import LocalSource, open_partitions
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.map_output_sources import StoredSources
from zmr.shuffle.names import map_output_name
from zmr.tasks.capsule import Capsule
from zmr.tasks.context import DEFAULT_MEMORY_BYTES, TaskContext
from zmr.tasks.errors import TaskError
from zmr.tasks.map_task import run_map
from zmr.tasks.reduce_task import run_reduce

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Replayed:
    """How it went: the error, or the bytes of what was put out, to be read once."""

    error: TaskError | None
    pieces: Iterable[bytes] = ()


def with_code(capsule: Capsule, path: str | None) -> tuple[Capsule, str]:
    """The capsule with the code that a replay runs, and a description of where that is from.

    It is that of the file at `path`; without one, that of the job's file as it is now, which is
    edited to mend a mistake; if it is gone, that of the capsule. Raises `JobError`.
    """
    spec = capsule.spec
    file, _, class_name = spec.reference.rpartition(":")
    if path is None and is_pickled(spec.reference):
        return capsule, f"{spec.name}, as it was given"
    if path is None and not spec.source:
        return capsule, f"{spec.reference}, as it is now"
    if path is None and not os.path.exists(file):
        return capsule, f"{os.path.join(capsule.folder, 'job.py')}, as {file} is gone"
    path = os.path.abspath(path or file)
    try:
        with open(path, "rb") as text:
            source = text.read()
    except OSError as error:
        raise JobError(f"can't read the job file {path}: {error.strerror}") from None
    # Modules beside the job are found where they were.
    changed = replace(spec, reference=f"{path}:{class_name}", source=source)
    is_same = source == spec.source
    which = f"{path}, {'the same as when' if is_same else 'changed since'} the task failed"
    return replace(capsule, spec=changed), which


def replay_task(capsule: Capsule, stack: ExitStack) -> Replayed:
    """Run the task. What it leaves is there until the stack ends. Raises `JobError`.

    Nothing is skipped, and no memory limit holds.
    """
    job = load_job(capsule.spec)
    local = LocalDir(None)  # should the task kill this process, the next one removes it
    stack.callback(local.close)
    folder = local.path
    task = capsule.task._replace(output=os.path.join(folder, "out"))
    os.mkdir(task.output)
    context = TaskContext(folder, memory_bytes=capsule.memory_bytes or DEFAULT_MEMORY_BYTES)
    try:
        if task.kind is TaskKind.MAP:
            name = map_output_name(task.job_id, task.index, task.attempt)
            done = run_map(job, task, FileSink(os.path.join(folder, name)), context)
            assert done is not None
            if done.file is None:
                return Replayed(None, _pairs(done.path) if done.path else ())
        else:
            sources = StoredSources(
                task.job_id, task.sources, task.index, task.n_reduce, context.memory_bytes
            )
            run_reduce(job, task, stack.enter_context(sources), context)
    except TaskError as error:
        return Replayed(error)
    return Replayed(None, _bytes(os.path.join(task.output, output_name(task.index))))


def _pairs(path: str) -> Iterator[bytes]:
    """A line for each pair of a map output, partition after partition."""
    source = LocalSource(path)
    try:
        for partition in open_partitions(source):
            for batch in partition.batches():
                pairs = zip(rows.each_key(batch), rows.each_value(batch), strict=True)
                lines = "".join(f"{key!r}\t{value!r}\n" for key, value in pairs)
                yield lines.encode("utf-8", "backslashreplace")
    finally:
        source.close()


def _bytes(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while data := file.read(_PIECE_BYTES):
            yield data
