"""From the records of a map task to batches of rows: where the job's map and combine are called."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import isgeneratorfunction
from itertools import chain, islice
from typing import Any

import pyarrow as pa

from zmr.data import rows
from zmr.data.keys import of_one_type, type_of_keys
from zmr.data.shown import shown
from zmr.execute.errors import users_code
from zmr.execute.map_input import MapInput
from zmr.job import Job
from zmr.reducers import Reducer

Pair = tuple[Any, Any]

# Between so many pairs nobody looks at the memory.
_PAIRS_AT_ONCE = 1 << 16

# What a key with its state takes in a dict, beside the dict's own table: two small objects.
_STATE_BYTES = 120


def mapped(job: Job, source: MapInput) -> Iterator[Pair]:
    """The pairs that map makes of the records."""
    if isgeneratorfunction(job.map):
        return chain.from_iterable(chain.from_iterable(map(job.map, r) for r in source))
    # A plain function may return None. And it may raise StopIteration by mistake, which `map`
    # would take for the end of the records; a generator expression makes an error of it.
    results = (job.map(record) for records in source for record in records)
    return chain.from_iterable(result for result in results if result is not None)


def collected(job: Job, source: MapInput, memory_bytes: int) -> Iterator[pa.RecordBatch]:
    """The rows that the task's records make, in batches of at most about `memory_bytes`.

    With a declarative reducer, values are its partials, unless the job takes batches. Raises
    `TaskError` and `PickleError`.
    """
    if job.takes_batches:
        return _from_batches(job, source)
    if isinstance(job.reduce, Reducer):
        return _folded(job, job.reduce, source, memory_bytes)
    if job.combine is not None:
        return _combined(job, source)
    return _listed(job, source)


def _from_batches(job: Job, source: MapInput) -> Iterator[pa.RecordBatch]:
    for batch in source.batches():
        with users_code(lambda: f"in map_batch, {source.where()}"):
            result = job.map_batch(batch)
            made = None if result is None else rows.from_users(result)
        if made is not None:
            yield made


def _folded(
    job: Job, reducer: Reducer, source: MapInput, memory_bytes: int
) -> Iterator[pa.RecordBatch]:
    with users_code(lambda: f"in map, {source.where()}"):
        pairs = iter(_checked(mapped(job, source)))
    states: dict[Any, Any] = {}
    is_over = False
    while not is_over:
        with users_code(lambda: f"in map, {source.where()}"):
            chunk = islice(pairs, _PAIRS_AT_ONCE)
            first = next(chunk, None)
            is_over = first is None
            if first is not None:
                reducer.fold(states, chain((first,), chunk))
        size_bytes = sys.getsizeof(states) + len(states) * _STATE_BYTES
        if states and (is_over or size_bytes > memory_bytes):
            with users_code(lambda: "in map"):
                key_type = type_of_keys(states.keys())
            keys = list(states)
            partials = [reducer.partial(state) for state in states.values()]
            states.clear()
            yield rows.from_lists(keys, partials, key_type)


def _combined(job: Job, source: MapInput) -> Iterator[pa.RecordBatch]:
    for keys, values in _chunks(job, source):
        with users_code(lambda: "in map"):
            type_of_keys(keys)  # a dict would take 1 and 1.0 for the same
        groups: dict[Any, list[Any]] = {}
        for key, value in zip(keys, values, strict=True):
            if key in groups:
                groups[key].append(value)
            else:
                groups[key] = [value]
        combined_keys: list[Any] = []
        combined_values: list[Any] = []
        for key, group in groups.items():
            with users_code(lambda: f"in combine, key {shown(key)}"):  # noqa: B023
                for new_key, value in job.combine(key, iter(group)) or ():
                    combined_keys.append(new_key)
                    combined_values.append(value)
        if combined_keys:
            yield _rows(combined_keys, combined_values)


def _listed(job: Job, source: MapInput) -> Iterator[pa.RecordBatch]:
    for keys, values in _chunks(job, source):
        yield _rows(keys, values)


def _chunks(job: Job, source: MapInput) -> Iterator[tuple[list[Any], list[Any]]]:
    """The keys and values of map's pairs, some at a time."""
    pairs = mapped(job, source)
    while True:
        keys: list[Any] = []
        values: list[Any] = []
        with users_code(lambda: f"in map, {source.where()}"):
            for key, value in islice(pairs, _PAIRS_AT_ONCE):
                keys.append(key)
                values.append(value)
        if not keys:
            return
        yield keys, values


def _rows(keys: list[Any], values: list[Any]) -> pa.RecordBatch:
    with users_code(lambda: "in map"):
        key_type = type_of_keys(keys)
    return rows.from_lists(keys, values, key_type)


def _checked(pairs: Iterator[Pair]) -> Iterable[Pair]:
    """The pairs, on their way into a dict."""
    for key, value in pairs:
        type_of_keys([key])
        return of_one_type(chain([(key, value)], pairs), key)
    return pairs
