"""Failure capsules: all that it takes to run one task again, alone, and as often as wanted.

A capsule is a folder:

    capsule.json     the job and the task, and which files are here
    job.py           the text of the job, if it was given as a file; job.pickle, if as an object
    input-<n>...     map: the n-th piece of input (`copy_input`: of which files how much)
    partition        reduce: its partition of all map outputs, merged into one
    failure.txt      why the task failed, with the traceback; the master writes it

The attempt makes it, as it has the input: before it begins if the task has failed before, since it
may not survive; otherwise when it has failed. Most attempts make none.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from zmr.errors import UsageError
from zmr.messages import FailureReason, JobSpec, MapOutput, Split, Task, TaskKind
from zmr.output.capsules import capsule_path
from zmr.pickled_job import is_pickled
from zmr.shuffle.map_output import CorruptMapOutput, LocalSource, open_partition
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.map_output_sources import MapSources
from zmr.shuffle.multipass_merge import Run, merge_in_passes, run_of, write_merged
from zmr.tasks.context import TaskContext
from zmr.tasks.errors import TaskError
from zmr.tasks.reduce_input import ReduceInput, check_key_types
from zmr.version import __version__

VERSION = 1
MOST_INPUT_BYTES = 256 << 20  # of the copies in one capsule

# Around a split of a large file, formats read this much at most: names of columns at its begin, an
# index at its end, and the rest of a record.
_AROUND_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20
_MOST_RUNS = 100

_NOT_THE_TASKS_FAULT = (FailureReason.LOST_INPUT, FailureReason.BAD_JOB)

OpenSources = Callable[[], AbstractContextManager[MapSources]]


@contextmanager
def keep_capsule(
    spec: JobSpec, task: Task, context: TaskContext, open_sources: OpenSources
) -> Iterator[None]:
    """Around an attempt: if the job may fail by it, a capsule is there when it has failed or died.

    A task that has failed before may not survive, so its capsule is made before it begins. Tasks of
    pipelines have none. `open_sources` opens the input of a reduce, once more if need be.
    """
    if spec.step:
        yield
        return
    maker: CapsuleMaker | None = None
    if task.failures > 0 and (task.is_last or spec.skip_bad_records > 0):
        maker = CapsuleMaker(spec, task, context, open_sources)
        maker.make()
    try:
        yield
    except TaskError as error:
        is_final = task.is_last or error.reason is FailureReason.BAD_RECORDS
        if is_final and maker is None and error.reason not in _NOT_THE_TASKS_FAULT:
            CapsuleMaker(spec, task, context, open_sources).make()
        raise
    if maker is not None:
        maker.discard()


class CapsuleMaker:
    """Makes the capsule of one attempt, among the job's unfinished files."""

    def __init__(
        self, spec: JobSpec, task: Task, context: TaskContext, open_sources: OpenSources
    ) -> None:
        self._spec = spec
        self._task = task
        self._context = context
        self._open_sources = open_sources
        self.path = capsule_path(spec.output, task.job_id, name_of(task), task.attempt)

    def make(self) -> None:
        """Make it, if that is possible: a task does not fail by its capsule."""
        try:
            self._make()
        except (OSError, TaskError, CorruptMapOutput):
            self.discard()

    def discard(self) -> None:
        """The attempt has succeeded."""
        import shutil  # which brings compression and more; few attempts come here

        for path in (self.path, self.path + ".part"):
            shutil.rmtree(path, ignore_errors=True)

    def _make(self) -> None:
        part = self.path + ".part"
        os.makedirs(part)
        spec, task = self._spec, self._task
        about: dict[str, Any] = {
            "version": VERSION,
            "zmr": __version__,
            "python": sys.version.split()[0],
            "job": {
                "id": spec.job_id,
                "name": spec.name,
                "reference": spec.reference,
                "search_path": spec.search_path,
                "params": spec.params,
                "bounds": base64.b64encode(spec.bounds).decode(),
                "n_reduce": spec.n_reduce,
            },
            "task": {"kind": task.kind.label, "index": task.index, "attempt": task.attempt},
            "memory_bytes": self._context.memory_bytes,
        }
        if spec.source:
            with open(os.path.join(part, _code_file(spec.reference)), "wb") as file:
                file.write(spec.source)
        if task.kind is TaskKind.MAP:
            about["inputs"] = self._copy_inputs(part)
        else:
            about["partition"] = self._merge_partition(os.path.join(part, "partition"))
        with open(os.path.join(part, "capsule.json"), "w", encoding="ascii") as file:
            json.dump(about, file, indent=1)
        os.rename(part, self.path)

    def _copy_inputs(self, folder: str) -> list[dict[str, Any]]:
        inputs = []
        left = MOST_INPUT_BYTES
        for n, split in enumerate(self._task.splits):
            status = os.stat(split.path)
            copy = f"input-{n}{os.path.splitext(split.path)[1]}"  # .gz, say
            copied = copy_input(
                split, os.path.join(folder, copy), left, self._context.progress.advance_bytes
            )
            left -= copied
            inputs.append(
                {
                    "path": split.path,
                    "offset": split.offset,
                    "length": split.length,
                    "input": split.input,
                    "lines_before": split.lines_before,
                    "size_bytes": status.st_size,
                    "modified_ns": status.st_mtime_ns,
                    "copy": copy if copied or not status.st_size else "",
                }
            )
        return inputs

    def _merge_partition(self, path: str) -> str | None:
        """The name of the file; "" if there are no rows, None if there are too many.

        Raises `TaskError`.
        """
        memory_bytes = self._context.memory_bytes
        with ExitStack() as stack:
            reduce_input = ReduceInput(stack.enter_context(self._open_sources()))
            if sum(partition.size_bytes for _, partition in reduce_input.stored) > MOST_INPUT_BYTES:
                return None
            check_key_types(reduce_input.stored)
            runs: Sequence[Run] = reduce_input.runs()
            if not runs:
                return ""
            reduce_input.begin(runs)

            def merge_some(some: Sequence[Run]) -> Run:
                write_merged(FileSink(path), [some], None, memory_bytes)
                source = LocalSource(path)
                stack.callback(source.close)
                merged = open_partition(source, 0)
                os.unlink(path)  # while it is open
                return run_of(merged)

            runs = merge_in_passes(runs, _MOST_RUNS, merge_some)
            write_merged(FileSink(path), [runs], None, memory_bytes)
        return os.path.basename(path)


def name_of(task: Task) -> str:
    """The name of the task in paths: "map-17"."""
    return f"{task.kind.label}-{task.index}"


def copy_input(split: Split, path: str, most_bytes: int, moved: Callable[[int], None]) -> int:
    """Copy what it takes to read the split, to where it stood in the file; how many bytes it is.

    Of a file that is not too large that is all. Otherwise the copy has holes where nothing is read.
    0 if it would be more than `most_bytes`; then there is no copy. Raises OSError.
    """
    with open(split.path, "rb") as source:
        size_bytes = os.fstat(source.fileno()).st_size
        pieces = [(0, size_bytes)]
        if size_bytes > most_bytes and split.length >= 0:
            begin = max(0, split.offset - 1)
            end = min(size_bytes, split.offset + split.length + _AROUND_BYTES)
            pieces = [
                (0, min(_AROUND_BYTES, size_bytes)),
                (begin, end),
                (max(0, size_bytes - _AROUND_BYTES), size_bytes),
            ]
        if sum(end - begin for begin, end in pieces) > most_bytes:
            return 0
        copied = 0
        with open(path, "wb") as target:
            for begin, end in pieces:
                source.seek(begin)
                target.seek(begin)
                while begin < end and (data := source.read(min(_PIECE_BYTES, end - begin))):
                    target.write(data)
                    begin += len(data)
                    copied += len(data)
                    moved(len(data))
            target.truncate(size_bytes)
    return copied


# --- reading -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Capsule:
    """A capsule that was read. `spec` has no output folder, and `task` none to write to."""

    folder: str
    spec: JobSpec
    task: Task
    memory_bytes: int
    inputs: tuple[str, ...]  # for people: what the task reads, and where that is
    failure: str

    @property
    def name(self) -> str:
        """For people: "map 17 of Grep"."""
        return f"{self.task.kind.label} {self._index} of {self.spec.name}"

    @property
    def _index(self) -> str:
        return os.path.basename(self.folder).rpartition("-")[2]


def read_capsule(folder: str) -> Capsule:
    """The capsule in a folder. Raises `UsageError`: there is none, or what it needs is gone."""
    folder = os.path.abspath(folder)
    try:
        with open(os.path.join(folder, "capsule.json"), encoding="ascii") as file:
            about = json.load(file)
        if about["version"] != VERSION:
            raise UsageError(f"{folder}: a capsule of version {about['version']}, not {VERSION}")
        spec = _read_spec(folder, about)
        task, inputs = _read_task(folder, about, spec)
        memory_bytes = int(about["memory_bytes"])
    except FileNotFoundError as error:
        raise UsageError(f"{folder} is no capsule: there is no {error.filename}") from None
    except OSError as error:
        raise UsageError(f"can't read the capsule {folder}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise UsageError(f"{folder} is no capsule: its capsule.json is damaged") from None
    failure = ""
    try:
        with open(os.path.join(folder, "failure.txt"), errors="replace", encoding="utf-8") as file:
            failure = file.read()
    except OSError:
        pass
    return Capsule(folder, spec, task, memory_bytes, inputs, failure)


def _code_file(reference: str) -> str:
    return "job.pickle" if is_pickled(reference) else "job.py"


def _read_spec(folder: str, about: dict[str, Any]) -> JobSpec:
    job = about["job"]
    source = b""
    path = os.path.join(folder, _code_file(job["reference"]))
    if os.path.exists(path):
        with open(path, "rb") as file:
            source = file.read()
    return JobSpec(
        job_id=job["id"],
        name=job["name"],
        reference=job["reference"],
        source=source,
        search_path=job["search_path"],
        params=tuple((name, value) for name, value in job["params"]),
        n_reduce=int(job["n_reduce"]),
        output="",
        bounds=base64.b64decode(job["bounds"]),
    )


def _read_task(folder: str, about: dict[str, Any], spec: JobSpec) -> tuple[Task, tuple[str, ...]]:
    attempt, index = int(about["task"]["attempt"]), int(about["task"]["index"])
    if about["task"]["kind"] == TaskKind.MAP.label:
        found = [_input(folder, row) for row in about["inputs"]]
        task = Task(spec.job_id, TaskKind.MAP, index, attempt, spec.n_reduce, "")
        splits = tuple(split for split, _ in found)
        return task._replace(splits=splits), tuple(described for _, described in found)
    # The partition is the only one of its file.
    task = Task(spec.job_id, TaskKind.REDUCE, 0, attempt, 1, "")
    if about["partition"] is None:
        raise UsageError(f"{folder}: the partition of this reduce was too large for a copy")
    if not about["partition"]:
        return task, ("nothing: its partition is empty",)
    path = os.path.join(folder, "partition")
    os.stat(path)
    return task._replace(sources=(MapOutput(0, attempt, "", path),)), (path,)


def _input(folder: str, row: dict[str, Any]) -> tuple[Split, str]:
    """The split, of the file itself if it is as it was, otherwise of the copy."""
    split = Split(
        *(row["path"], int(row["offset"]), int(row["length"])),
        input=int(row["input"]),
        lines_before=int(row["lines_before"]),
    )
    what = f"{split.path}, from byte {split.offset:,}"
    try:
        status = os.stat(split.path)
        is_as_it_was = (status.st_size, status.st_mtime_ns) == (
            row["size_bytes"], row["modified_ns"],
        )  # fmt: skip
    except OSError:
        is_as_it_was = False
    if is_as_it_was:
        return split, what
    if not row["copy"]:
        raise UsageError(f"{split.path} has changed or is gone, and was too large for a copy")
    path = os.path.join(folder, row["copy"])
    if (size_bytes := os.stat(path).st_size) != row["size_bytes"]:
        raise UsageError(f"{path} is damaged: it has {size_bytes} bytes, not {row['size_bytes']}")
    # By its name a file is known as compressed.
    return replace(split, path=path), f"{what} (changed or gone; the copy in the capsule)"
