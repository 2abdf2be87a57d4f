"""A map task: records -> map -> (combine) -> sort -> partition -> one map output file.

The task's pairs are held in memory; with a declarative reducer, one state a key. The loop over the
records is a chain of iterators that ends in the one `for` of whoever folds or collects the pairs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from inspect import isgeneratorfunction
from itertools import chain
from time import perf_counter
from typing import Any

from zmr.core.messages import FailureReason, MapDone, OutputFile, Stats, Task
from zmr.data.columns import PickleError
from zmr.data.keys import of_one_type, type_of_keys
from zmr.data.map_output import Rows, write_map_output
from zmr.data.partition import Hash, choose
from zmr.data.shown import shown
from zmr.execute.committing import write_and_commit
from zmr.execute.errors import TaskError, users_code, worker_error
from zmr.execute.map_input import MapInput
from zmr.execute.progress import TaskProgress
from zmr.job import Job, begin_task, counters_of
from zmr.reducers import Reducer

Pair = tuple[Any, Any]


def run_map(
    job: Job, task: Task, folder: str, progress: TaskProgress, commit: Callable[[], bool]
) -> MapDone | None:
    """Run a map task and leave its output in `folder`.

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
        committed = write_and_commit(
            task, _mapped(job, source), lambda: f"in map, {source.where()}", progress, commit
        )
        if committed is None:
            return None
        file, n_pairs = committed
        size_bytes = file.size_bytes
    else:
        path = os.path.join(folder, f"{task.job_id}-map-{task.index}-{task.attempt}")
        n_pairs, partition_bytes = _write_map_output(job, task, path, source, progress)
        size_bytes = sum(partition_bytes)
    elapsed_s = perf_counter() - began
    stats = Stats(source.records, source.size_bytes, n_pairs, size_bytes, elapsed_s)
    return MapDone(
        task.job_id, task.index, task.attempt, path, partition_bytes, stats, counters_of(job), file
    )


def _write_map_output(
    job: Job, task: Task, path: str, source: MapInput, progress: TaskProgress
) -> tuple[int, tuple[int, ...]]:
    """Run the task up to its file at `path`: the number of pairs and each partition's size."""
    key_type, (keys, values) = _collect(job, source, progress)
    partitions = _partitioned(job, keys, values, task.n_reduce)
    try:
        return len(keys), write_map_output(path, key_type, partitions)
    except PickleError as error:
        raise TaskError(FailureReason.USER_ERROR, f"PickleError: {error} (in map)") from error
    except OSError as error:
        raise worker_error(error, f"writing map output to {os.path.dirname(path)}") from error


def _mapped(job: Job, source: MapInput) -> Iterator[Pair]:
    """The pairs that map makes of the records."""
    if isgeneratorfunction(job.map):
        return chain.from_iterable(chain.from_iterable(map(job.map, r) for r in source))
    # A plain function may return None. And it may raise StopIteration by mistake, which `map`
    # would take for the end of the records; a generator expression makes an error of it.
    results = (job.map(record) for records in source for record in records)
    return chain.from_iterable(result for result in results if result is not None)


def _collect(job: Job, source: MapInput, progress: TaskProgress) -> tuple[str, Rows]:
    """The type of the task's keys, and its rows, combined if the job combines, sorted by key."""
    with users_code(lambda: f"in map, {source.where()}"):
        pairs = _mapped(job, source)
        if isinstance(job.reduce, Reducer):
            states = _folded(job.reduce, pairs)
        elif job.combine is not None:
            groups = _grouped(pairs)
        else:
            rows = _listed(pairs)
    if isinstance(job.reduce, Reducer):
        with users_code(lambda: "in map"):
            key_type = type_of_keys(states.keys())
        keys = sorted(states)
        return key_type, (keys, [job.reduce.partial(states[key]) for key in keys])
    if job.combine is not None:
        rows = _listed(_combined(job, groups, source, progress))
    with users_code(lambda: "in map"):
        key_type = type_of_keys(rows[0])
    return key_type, _in_key_order(*rows)


def _checked(pairs: Iterator[Pair]) -> Iterable[Pair]:
    """The pairs, on their way into a dict."""
    for key, value in pairs:
        type_of_keys([key])
        return of_one_type(chain([(key, value)], pairs), key)
    return pairs


def _folded(reducer: Reducer, pairs: Iterator[Pair]) -> dict[Any, Any]:
    states: dict[Any, Any] = {}
    reducer.fold(states, _checked(pairs))
    return states


def _grouped(pairs: Iterator[Pair]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for key, value in _checked(pairs):
        if key in groups:
            groups[key].append(value)
        else:
            groups[key] = [value]
    return groups


def _listed(pairs: Iterable[Pair]) -> Rows:
    keys: list[Any] = []
    values: list[Any] = []
    for key, value in pairs:
        keys.append(key)
        values.append(value)
    return keys, values


def _combined(
    job: Job, groups: dict[Any, list[Any]], source: MapInput, progress: TaskProgress
) -> Iterator[Pair]:
    """What the job's combine makes of each group. Raises `TaskError`."""
    keys = iter(groups)
    progress.enter(source.records + len(groups), source.size_bytes, keys)
    for key in keys:
        with users_code(lambda: f"in combine, key {shown(key)}"):  # noqa: B023
            result = job.combine(key, iter(groups[key]))
            pairs = [] if result is None else [(k, v) for k, v in result]
        yield from pairs


def _in_key_order(keys: list[Any], values: list[Any]) -> Rows:
    """The rows sorted by key; those of one key stay in their order."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return [keys[i] for i in order], [values[i] for i in order]


def _partitioned(job: Job, keys: list[Any], values: list[Any], n: int) -> list[Rows]:
    """The rows, sorted by key, as rows of each partition."""
    if n == 1 and isinstance(job.partition, Hash):
        return [(keys, values)]
    partitions: list[Rows] = [([], []) for _ in range(n)]
    previous: Any = object()
    into = partitions[0]
    for key, value in zip(keys, values, strict=True):
        if key != previous:
            with users_code(lambda: f"in partition, key {shown(key)}"):  # noqa: B023
                into = partitions[choose(job.partition, key, n)]
            previous = key
        into[0].append(key)
        into[1].append(value)
    return partitions
