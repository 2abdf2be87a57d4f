"""A map task: records -> map -> (combine) -> sort -> partition -> its sink.

The loop over the records is a chain of iterators that ends in the one `for` that folds or
collects the pairs (`zmr.tasks.collect`). What is collected goes, as Arrow columns, into a
`SortBuffer`, which spills to the disk when it is full. Where the sorted rows go is the caller's
choice (`zmr.shuffle.map_output_sink`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from itertools import chain
from time import perf_counter
from typing import Any

from zmr.display import short_repr
from zmr.formats.output_writer import OutputWriter
from zmr.formats.pairs import Pairs
from zmr.job import Job, begin_task, counters_of, input_of, output_of
from zmr.job_inputs import for_input
from zmr.messages import MapDone, OutputFile, Stats, Task
from zmr.output.skipped import SkippedFile
from zmr.partitioners import Hash, Range
from zmr.reducers import Reducer
from zmr.shuffle.map_output import CorruptMapOutput
from zmr.shuffle.map_output_sink import MapSink
from zmr.shuffle.names import map_output_name
from zmr.shuffle.partitioning import Partitioner
from zmr.shuffle.sort_buffer import SortBuffer
from zmr.tasks.collect import batches, collected, finished, mapped, takes_batches
from zmr.tasks.commit import write_and_commit
from zmr.tasks.context import TaskContext
from zmr.tasks.errors import LookAgain, TaskError, user_error, users_code, worker_error
from zmr.tasks.map_input import MapInput
from zmr.tasks.reduction import Piece, first_lines, lines_of_rows, users_lines
from zmr.tasks.skip_files import SkipFiles, UnreadableFile
from zmr.tasks.skip_records import SkipRecords
from zmr.tasks.sorted_values import with_sorted_values
from zmr.tasks.used_columns import input_of_map
from zmr.tasks.user_combiner import combiner_of

# Of the memory, this part is for what declarative reducers keep as Python objects.
_DICT_SHARE = 4


def run_map(job: Job, task: Task, sink: MapSink, context: TaskContext) -> MapDone | None:
    """Run the job's map over the splits of the task; the pairs go to the sink, sorted.

    The sink gets `task.n_reduce` partitions, or nothing if there are no pairs. With no reduces
    (`n_reduce` 0) it is not used: the output is a file in `task.output`, and None means that its
    commit was refused. Raises `TaskError`.
    """
    if task.splits:
        job = for_input(job, task.splits[0].input)
    job = with_sorted_values(job)
    try:
        return _attempt(job, task, sink, context, looks=LookAgain in job._once)
    except LookAgain:
        job._once[LookAgain] = True  # other tasks need not find it out
        return _attempt(job, task, sink, context, looks=True)


def _attempt(
    job: Job, task: Task, sink: MapSink, context: TaskContext, looks: bool
) -> MapDone | None:
    """Run the task. Raises `LookAgain` if it does not look at each pair, but must."""
    began = perf_counter()
    bad_files = SkipFiles(task, context.skip_bad_files)
    while True:
        with users_code(lambda: "in setup"):
            own_job = begin_task(job)
        context.progress.is_starting = False
        try:
            if not (context.skip_bad_records or bad_files.n):
                return _run(own_job, task, sink, context, None, looks, began)
            return _skipping(own_job, bad_files, sink, context, looks, began)
        except UnreadableFile as error:
            bad_files.add(error)


def _skipping(
    job: Job, bad_files: SkipFiles, sink: MapSink, context: TaskContext, looks: bool, began: float
) -> MapDone | None:
    """Run the task without these files, and without what records may be left out."""
    task = bad_files.task()
    left_out = SkippedFile.of_attempt(task.output, task.job_id, task.index, task.attempt)
    records = SkipRecords(job, task, context, left_out) if context.skip_bad_records else None
    is_through = False
    try:
        bad_files.save(job, left_out)
        done = _run(job, task, sink, context, records, looks, began)
        if done is None:
            return None
        left_out.finish()
        is_through = True
    except OSError as error:
        raise worker_error(error, "saving what is left out") from error
    finally:
        if not is_through:
            left_out.discard()
    n, last = (records.n, records.last) if records is not None else (0, "")
    last = last or bad_files.last
    return replace(done, skipped=n, skipped_files=bad_files.n, last_skipped=last)


def _run(
    job: Job,
    task: Task,
    sink: MapSink,
    context: TaskContext,
    skipping: SkipRecords | None,
    looks: bool,
    began: float,
) -> MapDone | None:
    records = input_of(job) if takes_batches(job, skipping) else input_of_map(job)
    records.fit(context.memory_bytes)
    if skipping is not None:
        records = copy(records)  # which other jobs of this process may share
        records.keeps_bad = True
    source = MapInput(records, task.splits, job.count, context.progress)
    if not isinstance(records, Pairs):  # which are in no file of the user's
        job._source = source
    path = ""
    file: OutputFile | None = None
    if task.n_reduce == 0:
        writer = OutputWriter(output_of(job))
        pieces = _lines(job, source, skipping, looks, writer)
        committed = write_and_commit(task, pieces, writer, context)
        if committed is None:
            return None
        file, n_rows = committed
        size_bytes = file.size_bytes
    else:
        n_rows, sizes_bytes = _sort_into(sink, job, task, source, context, skipping, looks)
        size_bytes = sum(sizes_bytes)
        path = sink.path if sizes_bytes else ""
    if skipping is not None:
        skipping.finish()
    elapsed_s = perf_counter() - began
    stats = Stats(source.records, source.size_bytes, n_rows, size_bytes, elapsed_s)
    counters = counters_of(job)
    for name, n in counters:
        context.count(name, n)
    vars(job).pop("_source", None)  # which knows the job: a cycle that would be left for the gc
    return MapDone(
        *(task.job_id, task.index, task.attempt),
        path,
        stats,
        counters,
        file,
        input_bytes=source.split_bytes,
    )


def _sort_into(
    sink: MapSink,
    job: Job,
    task: Task,
    source: MapInput,
    context: TaskContext,
    skipping: SkipRecords | None,
    looks: bool,
) -> tuple[int, tuple[int, ...]]:
    """Run the task up to its sink: the number of rows and each partition's size in bytes."""
    name = map_output_name(task.job_id, task.index, task.attempt)
    buffer = SortBuffer(
        sink,
        sink.path or os.path.join(context.folder, name),  # spilled runs are beside it
        task.n_reduce,
        _partition_of(job),
        combiner_of(job),
        context.memory_bytes,
    )
    # What the job's own combine gives is of the kind that it takes.
    all_partials = not isinstance(job.reduce, Reducer)
    try:
        made = collected(job, source, context.memory_bytes // _DICT_SHARE, skipping, looks)
        for batch, are_partials in made:
            buffer.add(batch, are_partials or all_partials)
            del batch  # the buffer has what it takes of it
            buffer.make_room()
        sizes = buffer.finish()
        return buffer.n_rows, sizes
    except (TaskError, LookAgain):
        raise
    except (OSError, CorruptMapOutput) as error:
        raise worker_error(error, f"writing map output to {context.folder}") from error
    except Exception as error:  # of a reducer that was given other values than it takes
        with users_code(lambda: f"in map, {source.where()} or before"):
            raise error
    finally:
        buffer.discard()


def _partition_of(job: Job) -> Partitioner:
    """The job's partitioner; its own errors are reported as such."""
    partition = job.partition
    if isinstance(partition, (Hash, Range)):
        return partition

    def guarded(key: Any, n: int) -> int:
        try:
            return partition(key, n)  # type: ignore[no-any-return]
        except BaseException as error:
            raise user_error(error, f"in partition, key {short_repr(key)}") from error

    return guarded


def _lines(
    job: Job, source: MapInput, skipping: SkipRecords | None, looks: bool, writer: OutputWriter
) -> Iterator[Piece]:
    """What a job without reduce puts out. Raises `LookAgain`, and `TaskError`."""

    def where() -> str:
        return f"in map, {source.where()}"

    if takes_batches(job, skipping):
        made = batches(job, source, skipping)
        last = users_lines(finished(job, source, for_reduces=False), writer, where)
        return chain(chain.from_iterable(lines_of_rows(batch, writer) for batch in made), last)
    pairs = mapped(job, source, skipping, looks, for_reduces=False)
    lines = users_lines if looks or skipping is not None else first_lines
    return lines(pairs, writer, where)
