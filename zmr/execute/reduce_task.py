"""A reduce task: its partition of every map output -> merge by key -> reduce -> one output file.

The partition is held in memory. Values of a key come in the order of the maps, and within a map in
the order in which it put them out, which is the order of the sequential run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from time import perf_counter
from typing import Any

from zmr.core.messages import FailureReason, MapOutput, ReduceDone, Stats, Task
from zmr.data.map_output import CorruptMapOutput, Rows, StoredPartition, read_partition
from zmr.data.shown import shown
from zmr.execute.committing import write_and_commit
from zmr.execute.errors import TaskError, users_code
from zmr.execute.progress import TaskProgress
from zmr.job import Job, begin_task, counters_of
from zmr.reducers import Reducer

Pair = tuple[Any, Any]


def run_reduce(
    job: Job, task: Task, progress: TaskProgress, commit: Callable[[], bool]
) -> ReduceDone | None:
    """Run a reduce task and commit its output file; None if the commit is refused.

    Raises `TaskError`; with reason `LOST_INPUT`, naming all map outputs that can't be read.
    """
    began = perf_counter()
    with users_code(lambda: "in setup"):
        begin_task(job)
    stored = _fetch(task)
    size_bytes = sum(partition.size_bytes for partition in stored)
    keys, values = _load(task, stored)
    reduction = _Reduction(job, keys, values, size_bytes, progress)
    committed = write_and_commit(task, reduction.pairs(), reduction.where, progress, commit)
    if committed is None:
        return None
    file, n_pairs = committed
    elapsed_s = perf_counter() - began
    stats = Stats(len(keys), size_bytes, n_pairs, file.size_bytes, elapsed_s)
    return ReduceDone(task.job_id, task.index, task.attempt, file, stats, counters_of(job))


class _Reduction:
    """The pairs that reduce makes of the rows, and the key that it is at."""

    def __init__(
        self,
        job: Job,
        keys: list[Any],
        values: list[Any],
        size_bytes: int,
        progress: TaskProgress,
    ) -> None:
        self._job = job
        self._at = "in reduce"
        self._keys = keys
        self._values = values
        self._size_bytes = size_bytes
        self._progress = progress

    def where(self) -> str:
        return self._at

    def pairs(self) -> Iterator[Pair]:
        reducer = self._job.reduce
        return self._merged(reducer) if isinstance(reducer, Reducer) else self._reduced()

    def _merged(self, reducer: Reducer) -> Iterator[Pair]:
        states: dict[Any, Any] = {}
        reducer.fold_partials(states, zip(self._keys, self._watched(self._values), strict=True))
        for key in sorted(states):
            yield key, reducer.result(states[key])

    def _reduced(self) -> Iterator[Pair]:
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        keys = [self._keys[i] for i in order]
        values = self._watched([self._values[i] for i in order])
        begin = 0
        while begin < len(keys):
            key = keys[begin]
            end = begin + 1
            while end < len(keys) and keys[end] == key:
                end += 1
            self._at = f"in reduce, key {shown(key)}"
            group = islice(values, end - begin)
            result = self._job.reduce(key, group)
            if result is not None:
                yield from result
            for _ in group:  # what reduce left must not be taken for the next key's
                pass
            begin = end

    def _watched(self, values: list[Any]) -> Iterator[Any]:
        iterator = iter(values)
        self._progress.enter(len(values), self._size_bytes, iterator)
        return iterator


def _fetch(task: Task) -> list[StoredPartition]:
    """The task's partition of each of its sources, verified."""
    stored: list[StoredPartition] = []
    lost: list[MapOutput] = []
    reason = ""
    for source in task.sources:
        try:
            stored.append(read_partition(source.path, task.index))
        except (OSError, CorruptMapOutput) as error:
            lost.append(source)
            reason = reason or str(error)
    if lost:
        maps = ", ".join(str(source.index) for source in lost[:10])
        more = ", ..." if len(lost) > 10 else ""
        raise TaskError(
            FailureReason.LOST_INPUT,
            f"can't read the output of map {maps}{more}: {reason}",
            lost=tuple((source.index, source.attempt) for source in lost),
        )
    return stored


def _load(task: Task, stored: list[StoredPartition]) -> Rows:
    """All rows in the order of the maps."""
    _refuse_mixed_keys(task, stored)
    keys: list[Any] = []
    values: list[Any] = []
    for source, partition in zip(task.sources, stored, strict=True):
        with users_code(lambda: f"in unpickling the output of map {source.index}"):  # noqa: B023
            more_keys, more_values = partition.rows()
        keys += more_keys
        values += more_values
    return keys, values


def _refuse_mixed_keys(task: Task, stored: list[StoredPartition]) -> None:
    """Each map has checked its own keys; here the maps are compared with one another."""
    first: dict[str, int] = {}
    for source, partition in zip(task.sources, stored, strict=True):
        if partition.key_type:
            first.setdefault(partition.key_type, source.index)
    if len(first) > 1:
        (one, one_map), (other, other_map), *_ = first.items()
        raise TaskError(
            FailureReason.USER_ERROR,
            f"TypeError: the keys of a job must be of one type, but map {one_map} put out "
            f"{one} and map {other_map} {other}",
        )
