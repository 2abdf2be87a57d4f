"""What runs in Ray's worker processes: the tasks of a job, each as a task of Ray's.

A map yields its partitions, each a Ray object that can be read without the others, and then what
there is to say of it. A reduce gets the objects of its partition one after the other: what is more
than a part of its memory goes to a file of its own. So no more of a partition is pinned in the
object store than that part, and it may be larger than the store.

What ends by an error raises `AttemptFailed`, in place of all that it was to return.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from zmr.job import Job
from zmr.messages import (
    Circumstances,
    FailureReason,
    JobSpec,
    MapDone,
    MapOutput,
    ReduceDone,
    Task,
    TaskFailed,
    TaskKind,
)
from zmr.output.local_dir import LocalDir
from zmr.pipeline_steps import temporary_folder
from zmr.shuffle.map_output import BufferSource, PieceSource, Source
from zmr.shuffle.map_output_sink import PartitionSink
from zmr.shuffle.map_output_sources import PartitionSources, name_of_partition
from zmr.shuffle.names import map_output_name
from zmr.slots.attempt import (
    collect_garbage_of_tasks,
    keeping_record,
    load,
    run_attempt,
    show_to_others,
)
from zmr.slots.current_record import take_current_record
from zmr.slots.malloc import set_up_malloc
from zmr.slots.prints import Prints
from zmr.tasks.capsule import OpenSources, name_of
from zmr.tasks.context import DEFAULT_MEMORY_BYTES, TaskContext
from zmr.tasks.errors import TaskError, worker_error
from zmr.tasks.map_task import run_map
from zmr.tasks.progress import TaskProgress
from zmr.tasks.reduce_task import run_reduce
from zmr.tasks.task_log import log_of

# Of the memory of a reduce, this part is for objects that stay where they are.
_OBJECTS_SHARE = 4

_ASKED_AHEAD = 16  # objects that are on their way to a reduce while it takes one

_LONGEST_LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class RayJob:
    """What all tasks of a job, or of a step, have in common."""

    spec: JobSpec
    memory_bytes: int  # 0: no limit
    local_dir: str | None
    task_timeout_s: float
    setup_timeout_s: float


class AttemptFailed(Exception):
    """The end of an attempt that could not be completed."""

    def __init__(self, failed: TaskFailed) -> None:
        super().__init__(failed)
        self.failed = failed


def map_task(job: RayJob, task: Task) -> Iterator[Any]:
    """Yield the partitions, or as many None, and the `MapDone`. Raises `AttemptFailed`."""
    import pyarrow as pa

    with _Execution(job, task) as execution:
        path = os.path.join(execution.folder, "partitions")
        name = map_output_name(task.job_id, task.index, task.attempt)
        with open(path, "wb") as file:
            sink = PartitionSink(name, file)

            def run(loaded: Job, counted: Task, context: TaskContext) -> MapDone | None:
                done = run_map(loaded, counted, sink, context)
                try:
                    file.flush()
                except OSError as error:
                    folder = execution.folder
                    raise worker_error(error, f"writing map output to {folder}") from error
                return done

            done = execution.run(run)
        if sink.places:
            with pa.memory_map(path) as stored:
                for offset, size_bytes in sink.places:
                    stored.seek(offset)
                    yield stored.read_buffer(size_bytes)
        else:
            yield from [None] * task.n_reduce
        yield replace(done, path=name if sink.places else "")


def reduce_task(
    job: RayJob, task: Task, outputs: Sequence[MapOutput], objects: Sequence[Any]
) -> ReduceDone:
    """Reduce the objects, a partition of each of the map outputs. Raises `AttemptFailed`."""
    with _Execution(job, task) as execution:
        open_sources = partial(execution.sources, outputs, objects)

        def run(loaded: Job, counted: Task, context: TaskContext) -> ReduceDone | None:
            with open_sources() as sources:
                return run_reduce(loaded, counted, sources, context)

        done: ReduceDone = execution.run(run, open_sources)
        return done


def remove_abandoned(local_dir: str | None) -> None:
    """Remove what killed processes have left on this node."""
    LocalDir(local_dir).close()


class _Execution:
    """One execution of an attempt: its folder, what it prints, and what watches it."""

    def __init__(self, job: RayJob, task: Task) -> None:
        self.folder = ""
        self._job = job
        self._task = task
        self._progress = TaskProgress()
        self._watch = _Watch(job, task, self._progress)
        self._stack = ExitStack()

    def __enter__(self) -> _Execution:
        _set_up_process(self._job.memory_bytes)
        with ExitStack() as undo:
            local = LocalDir(self._job.local_dir)
            undo.callback(local.close)
            self.folder = local.path
            undo.enter_context(_printing(self._job.spec, self._task))
            self._stack = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(
        self,
        run: Callable[[Job, Task, TaskContext], Any],
        open_sources: OpenSources | None = None,
    ) -> Any:
        """What `run` gives. Raises `AttemptFailed`."""
        job, task = self._job, self._task
        context = TaskContext(
            self.folder,
            progress=self._progress,
            memory_bytes=job.memory_bytes or DEFAULT_MEMORY_BYTES,
            skip_bad_records=job.spec.skip_bad_records if task.kind is TaskKind.MAP else 0,
            skip_bad_files=job.spec.skip_bad_files,
        )

        def run_recorded(loaded: Job, counted: Task) -> Any:
            if context.skip_bad_records:
                _make(_shared_folder(task))
            with keeping_record(context, _shared_folder(task), task) as kept:
                return run(loaded, counted, kept)

        with self._watch, _loaded(job.spec, self.folder) as loaded:
            result = run_attempt(
                *(loaded, job.spec, task, context), run_recorded, open_sources or _no_sources
            )
        if isinstance(result, TaskFailed):
            raise AttemptFailed(result)
        return result

    @contextmanager
    def sources(
        self, outputs: Sequence[MapOutput], objects: Sequence[Any]
    ) -> Iterator[PartitionSources]:
        """What a reduce reads."""
        with tempfile.TemporaryFile(dir=self.folder) as scratch:
            yield PartitionSources(self._taken(outputs, objects, scratch))

    def _taken(
        self, outputs: Sequence[MapOutput], objects: Sequence[Any], scratch: Any
    ) -> Iterator[tuple[MapOutput, Source | OSError]]:
        import ray  # type: ignore[import-not-found,unused-ignore]

        left_bytes = (self._job.memory_bytes or DEFAULT_MEMORY_BYTES) // _OBJECTS_SHARE
        for n, (output, each) in enumerate(zip(outputs, objects, strict=True)):
            if n % _ASKED_AHEAD == 0:
                ray.wait(list(objects[n : n + 2 * _ASKED_AHEAD]), timeout=0)
            try:
                with self._watch.paused():
                    data = ray.get(each)
            except ray.exceptions.RayError as error:
                yield output, OSError(f"its Ray object is lost: {first_line(error)}")
                continue
            self._progress.advance_bytes(data.size)
            name = name_of_partition(self._task.job_id, output, self._task.index)
            if data.size <= left_bytes:
                left_bytes -= data.size
                yield output, BufferSource(name, data)
                continue
            offset = scratch.tell()
            try:
                scratch.write(data)
                scratch.flush()
            except OSError as error:
                raise worker_error(error, f"writing its input to {self.folder}") from error
            yield output, PieceSource(name, scratch.fileno(), offset, data.size)


class _Watch:
    """Ends this process if its task makes no progress, and leaves word of it."""

    def __init__(self, job: RayJob, task: Task, progress: TaskProgress) -> None:
        self._job = job
        self._task = task
        self._progress = progress
        self._is_over = threading.Event()
        self._n_waits = 0  # for objects, of which Ray may make some anew
        self._is_paused = False

    def __enter__(self) -> None:
        threading.Thread(target=self._run, name="zmr-watch", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done here is not up to the task."""
        self._is_paused = True
        try:
            yield
        finally:
            self._n_waits += 1
            self._is_paused = False

    def _run(self) -> None:
        job, progress = self._job, self._progress
        look_s = min(_LONGEST_LOOK_S, job.task_timeout_s / 4, job.setup_timeout_s / 4)
        last: tuple[object, ...] = ()
        moved_at = time.monotonic()
        while not self._is_over.wait(look_s):
            figures = (*progress.read(), progress.is_starting, self._n_waits)
            if figures != last or self._is_paused:
                last, moved_at = figures, time.monotonic()
            elif time.monotonic() - moved_at >= self._patience_s():
                self._end()

    def _patience_s(self) -> float:
        job = self._job
        return job.setup_timeout_s if self._progress.is_starting else job.task_timeout_s

    def _end(self) -> None:
        where, option = "", "task"
        if self._progress.is_starting:
            where, option = " in the job's imports and setup", "setup"
        message = f"no progress for {self._patience_s():g} s{where} (--{option}-timeout)"
        record, _ = self._progress.read()
        if self._task.kind is TaskKind.MAP and record:
            message += f", at record {record:,} of its input"
        with suppress(OSError):
            _make(_shared_folder(self._task))
            with open(_word_of(self._task), "w", encoding="ascii") as file:
                json.dump({"message": message, "record": record - 1}, file)
        os._exit(1)


def died(task: Task, reason: str) -> TaskFailed:
    """The failure of a task whose process has ended, with what it has left word of."""
    word: dict[str, Any] = {}
    with suppress(OSError, ValueError), open(_word_of(task), encoding="ascii") as file:
        word = json.load(file)
    record = word.get("record", take_current_record(_shared_folder(task), task.attempt))
    kind = FailureReason.NO_PROGRESS if word else FailureReason.SLOT_DIED
    text = word.get("message", reason)
    if record >= 0 and not word:
        text += f", at record {record + 1:,} of its input"
    return TaskFailed(
        *(task.job_id, task.kind, task.index, task.attempt, kind, text),
        circumstances=Circumstances(record=record),
    )


def _word_of(task: Task) -> str:
    return os.path.join(_shared_folder(task), f"stuck-{name_of(task)}.{task.attempt}")


def _shared_folder(task: Task) -> str:
    """What is left there by a process that ends is found by the driver."""
    return temporary_folder(task.output, task.job_id)


_known: dict[str, Job | TaskError] = {}  # the job that ran last in this process, by its id
_is_set_up = False


def _set_up_process(memory_bytes: int) -> None:
    global _is_set_up
    if not _is_set_up:
        import pyarrow as pa

        pa.enable_signal_handlers(False)
        collect_garbage_of_tasks()
        set_up_malloc(memory_bytes)
        _is_set_up = True


@contextmanager
def _loaded(spec: JobSpec, folder: str) -> Iterator[Job | TaskError]:
    if spec.job_id not in _known:
        _known.clear()
        _known[spec.job_id] = load(spec)
    modules = show_to_others(spec, folder)
    try:
        yield _known[spec.job_id]
    finally:
        if modules in sys.path:
            sys.path.remove(modules)


@contextmanager
def _printing(spec: JobSpec, task: Task) -> Iterator[None]:
    """What is printed in the body goes to Ray's logs, and its beginning to a file of the job's."""
    before = sys.stdout, sys.stderr
    prints = Prints(has_marks=False)
    prints.install()
    prints.begin(lambda: log_of(spec, task))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        sys.stdout, sys.stderr = before


def _make(folder: str) -> None:
    with suppress(OSError):  # what is to be written there says so
        os.makedirs(folder, exist_ok=True)


def _no_sources() -> Any:
    raise AssertionError("a map reads no map outputs")


def first_line(error: Exception) -> str:
    """Kind and first sentence of an error of Ray's, whose texts are long."""
    lines = str(error).strip().splitlines()
    sentence = lines[0].partition(". ")[0] if lines else ""
    return f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
