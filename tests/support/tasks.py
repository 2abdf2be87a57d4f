"""A whole job through its map and reduce tasks, one after the other, in this process."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from zmr.core.plan import plan
from zmr.engines.inputs import list_inputs
from zmr.job import Job
from zmr.messages import (
    Counters,
    InputFile,
    MapDone,
    MapOutput,
    ReduceDone,
    Stats,
    Task,
    TaskKind,
)
from zmr.output.folder import SUCCESS
from zmr.output.manifest import read_manifest, success_manifest
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.map_output_sources import StoredSources
from zmr.shuffle.names import map_output_name
from zmr.tasks.context import DEFAULT_MEMORY_BYTES, TaskContext
from zmr.tasks.map_task import run_map
from zmr.tasks.reduce_task import run_reduce

JOB_ID = "j1"


def map_to_file(job: Job, task: Task, folder: Path, **context: Any) -> MapDone | None:
    """Run a map task as a slot does, with its output in `folder`."""
    sink = FileSink(str(folder / map_output_name(task.job_id, task.index, task.attempt)))
    return run_map(job, task, sink, TaskContext(str(folder), **context))


def reduce_stored(
    job: Job, task: Task, folder: Path, direct: bool = True, patience_s: float = 15.0, **given: Any
) -> ReduceDone | None:
    """Run a reduce task as a slot does, with the map outputs that it names."""
    context = TaskContext(str(folder), **given)
    with StoredSources(
        task.job_id,
        task.sources,
        task.index,
        task.n_reduce,
        context.memory_bytes,
        context.progress.advance_bytes,
        direct,
        patience_s,
    ) as sources:
        return run_reduce(job, task, sources, context)


def run_as_tasks(
    job: Job,
    inputs: Iterable[Path],
    folder: Path,
    n_reduce: int,
    split_bytes: int = 1 << 26,
    memory_bytes: int = 0,
) -> Counters:
    """Run the job's tasks, leave its output in `folder / "out"`, and return its counters."""
    files = list_inputs(map(str, inputs), job.input)
    return run_files_as_tasks(job, files, folder, n_reduce, split_bytes, memory_bytes)


def run_files_as_tasks(
    job: Job,
    files: Sequence[InputFile],
    folder: Path,
    n_reduce: int,
    split_bytes: int = 1 << 26,
    memory_bytes: int = 0,
) -> Counters:
    """The same, of files that are listed already."""
    folder.mkdir(parents=True, exist_ok=True)
    maps = [*map_files(job, files, folder, n_reduce, split_bytes, memory_bytes)]
    results = [*maps, *reduce_all(job, maps, folder, n_reduce, memory_bytes)]
    counters: Counter[str] = Counter()
    for result in results:
        counters.update(dict(result.counters))
    written = [result.file for result in results if result.file is not None]
    (folder / "out").mkdir(exist_ok=True)
    manifest = success_manifest("job", (), written, (), Stats())
    (folder / "out" / SUCCESS).write_text(json.dumps(manifest))
    return tuple(sorted(counters.items()))


def map_all(
    job: Job,
    inputs: Iterable[Path],
    folder: Path,
    n_reduce: int,
    split_bytes: int = 1 << 26,
    memory_bytes: int = 0,
) -> Iterator[MapDone | ReduceDone]:
    files = list_inputs(map(str, inputs), job.input)
    return map_files(job, files, folder, n_reduce, split_bytes, memory_bytes)


def map_files(
    job: Job,
    files: Sequence[InputFile],
    folder: Path,
    n_reduce: int,
    split_bytes: int = 1 << 26,
    memory_bytes: int = 0,
) -> Iterator[MapDone | ReduceDone]:
    for index, splits in enumerate(plan(files, split_bytes)):
        output = str(folder / "out")
        task = Task(JOB_ID, TaskKind.MAP, index, index + 1, n_reduce, output, splits)
        done = map_to_file(job, task, folder, memory_bytes=memory_bytes or DEFAULT_MEMORY_BYTES)
        assert done is not None
        yield done


def reduce_all(
    job: Job,
    maps: Iterable[MapDone | ReduceDone],
    folder: Path,
    n_reduce: int,
    memory_bytes: int = 0,
) -> Iterator[MapDone | ReduceDone]:
    sources = tuple(
        MapOutput(done.index, done.attempt, "", done.path)
        for done in maps
        if isinstance(done, MapDone) and done.path
    )
    for index in range(n_reduce):
        task = Task(
            JOB_ID, TaskKind.REDUCE, index, 100 + index, n_reduce, str(folder / "out"), (), sources
        )
        done = reduce_stored(job, task, folder, memory_bytes=memory_bytes or DEFAULT_MEMORY_BYTES)
        assert done is not None
        yield done


def types_of(folder: Path) -> tuple[str, str]:
    """Return as which types the keys and values of a folder's output are read."""
    manifest = read_manifest(folder)
    return manifest.key_type, manifest.value_type


def output_of(folder: Path) -> dict[str, bytes]:
    """Return the output files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("mr-out-*"))}


def run_pipeline_as_tasks(
    jobs: Sequence[Job], inputs: Iterable[Path], folder: Path, n_reduce: int, split_bytes: int
) -> Counters:
    """Run the jobs of a pipeline one after the other, likewise."""
    counters: Counter[str] = Counter()
    folder.mkdir()
    files = list_inputs(map(str, inputs), jobs[0].input)
    for number, job in enumerate(jobs, 1):
        n = 0 if job.reduce is None else job.reducers or n_reduce
        step = folder if number == len(jobs) else folder / f"step-{number}"
        step.mkdir(exist_ok=True)
        maps = [*map_files(job, files, step, n, split_bytes)]
        results = [*maps, *reduce_all(job, maps, step, n)]
        for result in results:
            counters.update(dict(result.counters))
        written = [result.file for result in results if result.file is not None]
        files = tuple(
            InputFile(str(step / "out" / file.name), file.size_bytes, splittable=True)
            for file in written
        )
    return tuple(sorted(counters.items()))
