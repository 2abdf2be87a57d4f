"""A reduce task: its partition of every map output -> merge by key -> reduce -> one output file.

Runs are merged by batches, and more runs than memory allows at once in passes; the values of a key
stream, so neither a partition nor a key has to fit in memory. Values of a key come in the order of
the maps, and within a map in the order in which it put them out: that of the sequential run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter

import pyarrow as pa

from zmr.core.messages import FailureReason, MapOutput, ReduceDone, Stats, Task
from zmr.data import rows
from zmr.data.keys import KeyTypeError
from zmr.data.map_output import (
    BLOCK_BYTES,
    CorruptMapOutput,
    LocalSource,
    MapOutputWriter,
    StoredPartition,
    open_partition,
)
from zmr.data.merge import merge, merge_opaque
from zmr.data.sorting import are_mergeable, merged_batches
from zmr.execute.committing import write_and_commit
from zmr.execute.errors import TaskError, users_code, worker_error
from zmr.execute.map_task import DEFAULT_MEMORY_BYTES
from zmr.execute.progress import TaskProgress
from zmr.execute.reduction import Piece, Reduction
from zmr.job import Job, begin_task, counters_of
from zmr.reducers import Reducer

# A run that is being merged has two blocks in memory, and what is made of them is as large again,
# three times over.
_BLOCKS_A_RUN = 8
_FEWEST_RUNS = 4


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted rows, to be read once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def run_reduce(
    job: Job,
    task: Task,
    folder: str,
    progress: TaskProgress,
    commit: Callable[[], bool],
    memory_bytes: int = 0,
) -> ReduceDone | None:
    """Run a reduce task in about `memory_bytes` (0: the default) and commit its output file.

    Runs that have to be merged in passes are kept in `folder`. None if the commit is refused.
    Raises `TaskError`; with reason `LOST_INPUT`, naming the map outputs that can't be read.
    """
    began = perf_counter()
    with users_code(lambda: "in setup"):
        begin_task(job)
    memory_bytes = memory_bytes or DEFAULT_MEMORY_BYTES
    fan_in = max(_FEWEST_RUNS, memory_bytes // (BLOCK_BYTES * _BLOCKS_A_RUN))
    scratch = os.path.join(folder, f"{task.job_id}-reduce-{task.index}-{task.attempt}")
    with ExitStack() as stack:
        stored = _open_all(task, stack)
        key_type = _key_type(stored)
        runs = [
            Run(partition.schema, _blocks(partition, stored))
            for source, partition in stored
            if partition.rows
        ]
        passes = _Passes(job, key_type, scratch, stack)
        pieces = _pieces(job, passes.reduce_to(runs, fan_in), progress)
        committed = write_and_commit(task, pieces, progress, commit)
    if committed is None:
        return None
    file, n_pairs = committed
    stats = Stats(
        sum(partition.rows for _, partition in stored),
        sum(partition.size_bytes for _, partition in stored),
        n_pairs,
        file.size_bytes,
        perf_counter() - began,
    )
    return ReduceDone(task.job_id, task.index, task.attempt, file, stats, counters_of(job))


def _pieces(job: Job, runs: Sequence[Run], progress: TaskProgress) -> Iterator[Piece]:
    reduction = Reduction(job, progress)
    batches = [run.batches for run in runs]
    if not runs:
        return iter(())
    if are_mergeable([run.schema for run in runs]):
        return reduction.of_groups(merge(batches))
    return reduction.of_pairs(merge_opaque(batches))


class _Passes:
    """Merges runs into fewer, on the disk, until there are few enough."""

    def __init__(self, job: Job, key_type: str, scratch: str, stack: ExitStack) -> None:
        self._reducer = job.reduce if isinstance(job.reduce, Reducer) else None
        self._key_type = key_type
        self._scratch = scratch
        self._stack = stack
        self._written = 0

    def reduce_to(self, runs: Sequence[Run], fan_in: int) -> Sequence[Run]:
        """Neighbours are merged, so the order of the values of a key stays as it is."""
        while len(runs) > fan_in:
            starts = range(0, len(runs), fan_in)
            runs = [self._merge(runs[start : start + fan_in]) for start in starts]
        return runs

    def _merge(self, runs: Sequence[Run]) -> Run:
        if len(runs) == 1:
            return runs[0]
        path = f"{self._scratch}-{self._written}"
        self._written += 1
        try:
            self._write(path, runs)
            source = LocalSource(path)
        except OSError as error:
            raise worker_error(error, f"merging runs in {os.path.dirname(path)}") from error
        self._stack.callback(source.close)
        os.unlink(path)  # it goes when it is closed, whatever happens to this process
        partition = open_partition(source, 0)
        return Run(partition.schema, partition.batches())

    def _write(self, path: str, runs: Sequence[Run]) -> None:
        writer: MapOutputWriter | None = None
        try:
            schemas = [run.schema for run in runs]
            batches = [run.batches for run in runs]
            for batch in merged_batches(batches, schemas, self._reducer, self._key_type):
                if writer is None:
                    writer = MapOutputWriter(path, batch.schema, 1)
                writer.write(0, batch)
            assert writer is not None  # every run has rows
            writer.finish()
        except BaseException:
            if writer is not None:
                writer.discard()
            raise


def _open_all(task: Task, stack: ExitStack) -> list[tuple[MapOutput, StoredPartition]]:
    """The task's partition of each of its sources, the indices verified."""
    stored: list[tuple[MapOutput, StoredPartition]] = []
    lost: list[MapOutput] = []
    reason = ""
    for source in task.sources:
        try:
            file = LocalSource(source.path)
            stack.callback(file.close)
            stored.append((source, open_partition(file, task.index)))
        except (OSError, CorruptMapOutput) as error:
            lost.append(source)
            reason = reason or str(error)
    if lost:
        lost += [source for source, partition in stored if not _is_whole(partition)]
        raise _lost(sorted(lost, key=lambda source: source.index), reason)
    return stored


def _blocks(
    partition: StoredPartition, stored: Sequence[tuple[MapOutput, StoredPartition]]
) -> Iterator[pa.RecordBatch]:
    """The partition's blocks. If one is damaged, all others are looked at, to be told at once."""
    try:
        yield from partition.batches()
    except (OSError, CorruptMapOutput) as error:
        raise _lost([s for s, other in stored if not _is_whole(other)], str(error)) from error


def _is_whole(partition: StoredPartition) -> bool:
    try:
        for _ in partition.batches():
            pass
    except (OSError, CorruptMapOutput):
        return False
    return True


def _lost(lost: Sequence[MapOutput], reason: str) -> TaskError:
    maps = ", ".join(str(source.index) for source in lost[:10])
    more = ", ..." if len(lost) > 10 else ""
    return TaskError(
        FailureReason.LOST_INPUT,
        f"can't read the output of map {maps}{more}: {reason}",
        lost=tuple((source.index, source.attempt) for source in lost),
    )


def _key_type(stored: Sequence[tuple[MapOutput, StoredPartition]]) -> str:
    """The type of all keys. Raises `TaskError` if the maps don't agree."""
    examples: dict[str, MapOutput] = {}
    for source, partition in stored:
        key_type = rows.key_type(partition.schema)
        if key_type:
            examples.setdefault(key_type, source)
    if len(examples) > 1:
        (one, first), (other, second), *_ = examples.items()
        with users_code(lambda: "in map"):
            raise KeyTypeError(
                f"the keys of a job must be of one type, but map {first.index} put out {one} "
                f"and map {second.index} {other}"
            )
    return next(iter(examples), "")
