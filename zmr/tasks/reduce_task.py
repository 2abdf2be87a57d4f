"""A reduce task: its partition of every map output -> merge by key -> reduce -> one output file.

Runs are merged by batches, and more runs than memory allows at once in passes; the values of a key
stream, so neither a partition nor a key has to fit in memory. Values of a key come in the order of
the maps, and within a map in the order in which it put them out: that of the sequential run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from time import perf_counter

import pyarrow as pa

from zmr.columns import rows
from zmr.errors import YieldError
from zmr.formats.output_writer import OutputWriter
from zmr.job import Job, begin_task, counters_of, output_of
from zmr.messages import ReduceDone, Stats, Task
from zmr.shuffle.map_output import CorruptMapOutput, LocalSource, StoredPartition, open_partition
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.map_output_sources import MapSources
from zmr.shuffle.merge import merge, merge_opaque
from zmr.shuffle.multipass_merge import (
    Run,
    fan_in,
    merge_bytes,
    merge_in_passes,
    run_of,
    unify_runs,
    write_merged,
)
from zmr.tasks.commit import write_and_commit
from zmr.tasks.context import TaskContext
from zmr.tasks.errors import user_error, users_code, worker_error
from zmr.tasks.reduce_input import ReduceInput, check_key_types
from zmr.tasks.reduction import Piece, Reduction
from zmr.tasks.sorted_values import with_sorted_values
from zmr.tasks.user_combiner import combiner_of


def run_reduce(
    job: Job, task: Task, sources: MapSources, context: TaskContext
) -> ReduceDone | None:
    """Merge the partitions of the sources, reduce them, and commit the task's output file.

    The sources, which the caller closes, are those of partition `task.index`; `task.sources` is not
    looked at. None if the commit is refused. Raises `TaskError`; with reason `LOST_INPUT`, naming
    the map outputs that can't be read.
    """
    began = perf_counter()
    with users_code(lambda: "in setup"):
        job = begin_task(with_sorted_values(job))
    context.progress.is_starting = False
    memory_bytes = context.memory_bytes
    scratch = os.path.join(context.folder, f"{task.job_id}-reduce-{task.index}-{task.attempt}")
    with ExitStack() as stack:
        reduce_input = ReduceInput(sources)
        stored = reduce_input.stored
        check_key_types(stored)
        runs: Sequence[Run] = reduce_input.runs()
        largest_block_bytes = max((run.largest_block_bytes for run in runs), default=0)
        most = fan_in(largest_block_bytes, memory_bytes)
        passes = _Passes(job, scratch, stack, memory_bytes, reduce_input)
        runs = merge_in_passes(runs, most, passes.merge)
        reduce_input.begin(runs)
        # What passes have merged may be combined, and of fewer rows.
        n_rows = sum(partition.rows for _, partition in stored) if not passes.written else 0
        writer = OutputWriter(output_of(job))
        context.progress.expect_records(n_rows)
        reduction = Reduction(job, writer, context.progress)
        pieces = _pieces(job, runs, reduction, memory_bytes)
        committed = write_and_commit(task, pieces, writer, context)
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
    counters = counters_of(job)
    for name, n in counters:
        context.count(name, n)
    return ReduceDone(task.job_id, task.index, task.attempt, file, stats, counters)


def _pieces(
    job: Job, runs: Sequence[Run], reduction: Reduction, memory_bytes: int
) -> Iterator[Piece]:
    pieces: Iterator[Piece] = iter(())
    if runs:
        schema, blocks = unify_runs(runs)
        if rows.is_opaque(schema):
            pieces = reduction.of_pairs(merge_opaque(blocks))
        else:
            pieces = reduction.of_groups(merge(blocks, merge_bytes(memory_bytes, runs)))
    if job.finish_reduce is None:
        return pieces
    return chain(pieces, reduction.finished(job.finish_reduce))


class _Passes:
    """Merges runs into fewer, on the disk."""

    def __init__(
        self, job: Job, scratch: str, stack: ExitStack, memory_bytes: int, reduce_input: ReduceInput
    ) -> None:
        self._combiner = combiner_of(job)
        self._scratch = scratch
        self._stack = stack
        self._memory_bytes = memory_bytes
        self._reduce_input = reduce_input
        self.written = 0

    def merge(self, runs: Sequence[Run]) -> Run:
        path = f"{self._scratch}-{self.written}"
        self.written += 1
        self._reduce_input.begin(runs)
        try:
            write_merged(FileSink(path), [runs], self._combiner, self._memory_bytes)
            source = LocalSource(path)
            self._stack.callback(source.close)
            try:
                stored = open_partition(source, 0)
            finally:
                os.unlink(path)  # it goes when it is closed, whatever happens to this process
        except YieldError as error:  # of a reducer that was given other values than it takes
            raise user_error(error, "in reduce") from error
        except (OSError, CorruptMapOutput) as error:
            raise worker_error(error, f"merging runs in {os.path.dirname(path)}") from error
        return run_of(stored, self._blocks(stored))

    def _blocks(self, stored: StoredPartition) -> Iterator[pa.RecordBatch]:
        try:
            yield from stored.batches()
        except (OSError, CorruptMapOutput) as error:
            folder = os.path.dirname(self._scratch)
            raise worker_error(error, f"merging runs in {folder}") from error
