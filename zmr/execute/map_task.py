"""A map task: records -> map -> (combine) -> sort -> partition -> one map output file.

The loop over the records is a chain of iterators that ends in the one `for` of whoever folds or
collects the pairs (`zmr.execute.collect`). What is collected goes, as Arrow columns, into a
`SortBuffer`, which spills to the disk when it is full.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter

from zmr.core.messages import FailureReason, MapDone, OutputFile, Stats, Task
from zmr.data.columns import PickleError
from zmr.data.sorting import SortBuffer
from zmr.execute.collect import collected, mapped
from zmr.execute.committing import write_and_commit
from zmr.execute.errors import TaskError, users_code, worker_error
from zmr.execute.map_input import MapInput
from zmr.execute.progress import TaskProgress
from zmr.execute.reduction import lines_of
from zmr.job import Job, begin_task, counters_of
from zmr.reducers import Reducer

# What a task may use where the user has set no limit.
DEFAULT_MEMORY_BYTES = 512 * 1024 * 1024

# The rows in the buffer exist up to four times while they are sorted, gathered and written.
_BUFFER_SHARE = 4


def run_map(
    job: Job,
    task: Task,
    folder: str,
    progress: TaskProgress,
    commit: Callable[[], bool],
    memory_bytes: int = 0,
) -> MapDone | None:
    """Run a map task in about `memory_bytes` (0: the default) and leave its output in `folder`.

    With no reduces, the output is a text file of the job's, and None means that its commit was
    refused. Raises `TaskError`.
    """
    began = perf_counter()
    with users_code(lambda: "in setup"):
        begin_task(job)
    source = MapInput(job.input, task.splits, job.count, progress)
    path = ""
    file: OutputFile | None = None
    partition_bytes: tuple[int, ...] = ()
    if task.n_reduce == 0:
        where = lambda: f"in map, {source.where()}"  # noqa: E731
        lines = lines_of(mapped(job, source), job.output, where)
        committed = write_and_commit(task, lines, progress, commit)
        if committed is None:
            return None
        file, n_rows = committed
        size_bytes = file.size_bytes
    else:
        path = os.path.join(folder, f"{task.job_id}-map-{task.index}-{task.attempt}")
        memory_bytes = memory_bytes or DEFAULT_MEMORY_BYTES
        n_rows, partition_bytes = _write_map_output(job, task, path, source, memory_bytes)
        size_bytes = sum(partition_bytes)
    elapsed_s = perf_counter() - began
    stats = Stats(source.records, source.size_bytes, n_rows, size_bytes, elapsed_s)
    return MapDone(
        task.job_id, task.index, task.attempt, path, partition_bytes, stats, counters_of(job), file
    )


def _write_map_output(
    job: Job, task: Task, path: str, source: MapInput, memory_bytes: int
) -> tuple[int, tuple[int, ...]]:
    """Run the task up to its file at `path`: the number of rows and each partition's size."""
    reducer = job.reduce if isinstance(job.reduce, Reducer) else None
    buffer = SortBuffer(
        path,
        task.n_reduce,
        job.partition,
        reducer,
        # Records are folded as they come, batches are not.
        are_partials=reducer is not None and not job.takes_batches,
        memory_bytes=memory_bytes // _BUFFER_SHARE,
    )
    try:
        for batch in collected(job, source, memory_bytes // _BUFFER_SHARE):
            buffer.add(batch)
        sizes = buffer.finish()
        return buffer.n_rows, sizes
    except PickleError as error:
        raise TaskError(FailureReason.USER_ERROR, f"PickleError: {error} (in map)") from error
    except OSError as error:
        raise worker_error(error, f"writing map output to {os.path.dirname(path)}") from error
    except TaskError:
        raise
    except Exception as error:  # of the job's partitioner, or keys of several types
        with users_code(lambda: "in map"):
            raise error
    finally:
        buffer.discard()
