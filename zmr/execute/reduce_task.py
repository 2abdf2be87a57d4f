"""A reduce task: its partition of every map output -> merge by key -> reduce -> one output file.

Runs are merged by batches, and more runs than memory allows at once in passes; the values of a key
stream, so neither a partition nor a key has to fit in memory. Values of a key come in the order of
the maps, and within a map in the order in which it put them out: that of the sequential run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from time import perf_counter

import pyarrow as pa

from zmr.core.messages import FailureReason, MapOutput, ReduceDone, Stats, Task
from zmr.data import rows
from zmr.data.keys import KeyTypeError
from zmr.data.map_output import CorruptMapOutput, LocalSource, StoredPartition, open_partition
from zmr.data.merge import merge, merge_opaque
from zmr.data.passes import Run, alike, fan_in, merge_bytes, merge_in_passes, run_of, write_merged
from zmr.execute.combining import combiner_of
from zmr.execute.committing import write_and_commit
from zmr.execute.errors import TaskError, users_code, worker_error
from zmr.execute.map_task import DEFAULT_MEMORY_BYTES
from zmr.execute.progress import TaskProgress
from zmr.execute.reduction import Piece, Reduction
from zmr.job import Job, begin_task, counters_of


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
    scratch = os.path.join(folder, f"{task.job_id}-reduce-{task.index}-{task.attempt}")
    with ExitStack() as stack:
        stored = _open_all(task, stack)
        _check_key_types(stored)
        runs = [_run_of_map(partition, stored) for _, partition in stored if partition.rows]
        largest_block_bytes = max((run.largest_block_bytes for run in runs), default=0)
        most = fan_in(largest_block_bytes, memory_bytes)
        passes = _Passes(job, scratch, stack, memory_bytes)
        pieces = _pieces(job, merge_in_passes(runs, most, passes.merge), progress, memory_bytes)
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


def _pieces(
    job: Job, runs: Sequence[Run], progress: TaskProgress, memory_bytes: int
) -> Iterator[Piece]:
    if not runs:
        return iter(())
    reduction = Reduction(job, progress)
    schema, blocks = alike(runs)
    if rows.is_opaque(schema):
        return reduction.of_pairs(merge_opaque(blocks))
    return reduction.of_groups(merge(blocks, merge_bytes(memory_bytes, runs)))


class _Passes:
    """Merges runs into fewer, on the disk."""

    def __init__(self, job: Job, scratch: str, stack: ExitStack, memory_bytes: int) -> None:
        self._combiner = combiner_of(job)
        self._scratch = scratch
        self._stack = stack
        self._memory_bytes = memory_bytes
        self._written = 0

    def merge(self, runs: Sequence[Run]) -> Run:
        path = f"{self._scratch}-{self._written}"
        self._written += 1
        try:
            write_merged(path, [runs], self._combiner, self._memory_bytes)
            source = LocalSource(path)
            self._stack.callback(source.close)
            try:
                stored = open_partition(source, 0)
            finally:
                os.unlink(path)  # it goes when it is closed, whatever happens to this process
        except (OSError, CorruptMapOutput) as error:
            raise worker_error(error, f"merging runs in {os.path.dirname(path)}") from error
        return run_of(stored, self._blocks(stored))

    def _blocks(self, stored: StoredPartition) -> Iterator[pa.RecordBatch]:
        try:
            yield from stored.batches()
        except (OSError, CorruptMapOutput) as error:
            folder = os.path.dirname(self._scratch)
            raise worker_error(error, f"merging runs in {folder}") from error


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
            file.close()  # there may be more of them than a process may have open
        except (OSError, CorruptMapOutput) as error:
            lost.append(source)
            reason = reason or str(error)
    if lost:
        raise _lost(lost, stored, reason)
    return stored


def _run_of_map(
    partition: StoredPartition, stored: Sequence[tuple[MapOutput, StoredPartition]]
) -> Run:
    def blocks() -> Iterator[pa.RecordBatch]:
        try:
            yield from partition.batches()
        except (OSError, CorruptMapOutput) as error:
            lost = [source for source, other in stored if other is partition]
            raise _lost(lost, stored, str(error)) from error
        finally:
            partition.source.close()

    return run_of(partition, blocks())


def _is_whole(partition: StoredPartition) -> bool:
    try:
        for _ in partition.batches():
            pass
    except (OSError, CorruptMapOutput):
        return False
    finally:
        partition.source.close()
    return True


def _lost(
    lost: Sequence[MapOutput],
    others: Sequence[tuple[MapOutput, StoredPartition]],
    reason: str,
) -> TaskError:
    """The error that names what is lost, and what of the others is: all are told at once."""
    more_lost = [s for s, partition in others if s not in lost and not _is_whole(partition)]
    lost = sorted([*lost, *more_lost], key=lambda source: source.index)
    maps = ", ".join(str(source.index) for source in lost[:10])
    more = ", ..." if len(lost) > 10 else ""
    return TaskError(
        FailureReason.LOST_INPUT,
        f"can't read the output of map {maps}{more}: {reason}",
        lost=tuple((source.index, source.attempt) for source in lost),
    )


def _check_key_types(stored: Sequence[tuple[MapOutput, StoredPartition]]) -> None:
    """Raise `TaskError` if the keys of the maps are not all of one type."""
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
