"""From the records of a map task to batches of rows: where the job's map is called.

Pairs are taken from map some at a time, so few that they stay in the processor's cache while they
become columns. What a declarative reducer makes of the values is kept in a dict as long as that
is small: there, a key that was seen just before is found at once. A large dict is slow, and then
rows are sorted in columns instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import isgeneratorfunction
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from zmr.columns import rows
from zmr.columns.from_batch import from_map_batch
from zmr.errors import YieldError
from zmr.job import Job
from zmr.key_types import of_one_type, type_of_keys
from zmr.reducers import Count, Reducer
from zmr.tasks.errors import users_code
from zmr.tasks.map_input import MapInput
from zmr.tasks.skip_records import SkipRecords

Pair = tuple[Any, Any]
Rows = tuple[pa.RecordBatch, bool]  # and whether the values are partials already

# The memory is looked at after so many pairs.
_PAIRS_AT_ONCE = 2048
_BYTES_AT_ONCE = 1 << 20

# A dict of more keys is no longer faster than columns.
_MOST_STATES = 1 << 17
_SAMPLE = 64


def takes_batches(job: Job, skipping: SkipRecords | None) -> bool:
    """Whether the records go to map_batch: not where map finds better which of them is bad."""
    if skipping is not None and skipping.one_by_one and type(job).map is not Job.map:
        return False
    return job.map_batch is not None


def mapped(job: Job, source: MapInput, skipping: SkipRecords | None) -> Iterator[Pair]:
    """The pairs that map makes of the records."""
    if skipping is not None:
        return chain.from_iterable(skipping.pairs(source))
    if isgeneratorfunction(job.map):
        return chain.from_iterable(chain.from_iterable(map(job.map, r) for r in source))
    # A plain function may return None. And it may raise StopIteration by mistake, which `map`
    # would take for the end of the records; a generator expression makes an error of it.
    results = (job.map(record) for records in source for record in records)
    return chain.from_iterable(result for result in results if result is not None)


def collected(
    job: Job, source: MapInput, memory_bytes: int, skipping: SkipRecords | None = None
) -> Iterator[Rows]:
    """The rows that the task's records make. Raises `TaskError` and `PickleError`."""
    if takes_batches(job, skipping):
        return map(_as_values, batches(job, source, skipping))
    pairs = mapped(job, source, skipping)
    if isinstance(job.reduce, Reducer) and job.reduce.has_small_states:
        return _folded(job.reduce, pairs, source, memory_bytes)
    return _listed(pairs, source)


def batches(job: Job, source: MapInput, skipping: SkipRecords | None) -> Iterator[pa.RecordBatch]:
    """The rows that map_batch makes of the records. Raises `TaskError`."""
    if skipping is not None:
        yield from skipping.batches(source, lambda batch: _made(job, batch))
        return
    for batch in source.batches():
        with users_code(lambda: f"in map_batch, {source.where()}"):
            made = [_made(job, batch)]
        if made[0] is not None:
            yield made.pop()  # it is the consumer's alone, to make room when it is done with it


def _as_values(batch: pa.RecordBatch) -> Rows:
    return batch, False


def _made(job: Job, batch: Any) -> pa.RecordBatch | None:
    result = job.map_batch(batch)
    if result is None:
        return None
    made = from_map_batch(result)
    if not rows.has_values(made.schema) and not _needs_no_values(job):
        raise YieldError("map_batch gave keys alone, which is only enough for Count()")
    return made


def _needs_no_values(job: Job) -> bool:
    return isinstance(job.reduce, Count)


def _folded(
    reducer: Reducer, unchecked: Iterator[Pair], source: MapInput, memory_bytes: int
) -> Iterator[Rows]:
    with users_code(lambda: f"in map, {source.where()}"):
        pairs = iter(_checked(unchecked))
    states: dict[Any, Any] = {}
    since = source.position()
    while True:
        with users_code(lambda: f"in map, {source.where()}"):
            chunk = islice(pairs, _PAIRS_AT_ONCE)
            first = next(chunk, None)
            if first is not None:
                reducer.fold(states, chain((first,), chunk))
        is_large = len(states) > _MOST_STATES and reducer.takes_columns
        if states and (first is None or is_large or _size_bytes(states) > memory_bytes):
            with users_code(lambda: f"in map, {source.where_since(since)}"):  # noqa: B023
                partials = _partials(reducer, states)
            yield partials, True
            states.clear()
            since = source.position()
        if first is None:
            return
        if is_large:
            yield from _listed(pairs, source)
            return


def _partials(reducer: Reducer, states: dict[Any, Any]) -> pa.RecordBatch:
    key_type = type_of_keys(states.keys())
    partials = list(map(reducer.partial, states.values()))
    return rows.from_lists(list(states), partials, key_type)


def _size_bytes(states: dict[Any, Any]) -> int:
    """About what the states take, the first of which, if any, are the larger ones."""
    sample = list(islice(states.items(), _SAMPLE))
    objects = sum(map(sys.getsizeof, chain.from_iterable(sample)))
    return sys.getsizeof(states) + objects * len(states) // max(1, len(sample))


def _listed(pairs: Iterator[Pair], source: MapInput) -> Iterator[Rows]:
    n = 1  # how large they are is known after the first
    while True:
        keys: list[Any] = []
        values: list[Any] = []
        since = source.position()
        with users_code(lambda: f"in map, {source.where()}"):
            for key, value in islice(pairs, n):
                keys.append(key)
                values.append(value)
        if not keys:
            return
        with users_code(lambda: f"in map, {source.where_since(since)}"):  # noqa: B023
            key_type = type_of_keys(keys)
        batch = rows.from_lists(keys, values, key_type)
        yield batch, False
        fitting = _BYTES_AT_ONCE * len(keys) // max(1, rows.size_bytes(batch))
        n = max(1, min(4 * n, fitting, _PAIRS_AT_ONCE))


def _checked(pairs: Iterator[Pair]) -> Iterable[Pair]:
    """The pairs, on their way into a dict."""
    for key, value in pairs:
        type_of_keys([key])
        return of_one_type(chain([(key, value)], pairs), key)
    return pairs
