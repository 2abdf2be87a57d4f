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
from zmr.columns.values import is_pickled, pickled_field
from zmr.display import short_repr
from zmr.job import Job
from zmr.key_types import of_one_type, type_of_keys
from zmr.reducers import Count, Reducer
from zmr.tasks.errors import LookAgain, users_code
from zmr.tasks.map_input import MapInput
from zmr.tasks.skip_records import SkipRecords
from zmr.tasks.sorted_values import sorts_values, with_parts
from zmr.tasks.yielded import (
    Look,
    can_change,
    checked_pairs,
    looked_at,
    makes_pairs,
    pickled,
    unpickled,
)

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


def mapped(
    job: Job, source: MapInput, skipping: SkipRecords | None, looks: bool, for_reduces: bool = True
) -> Iterator[Pair]:
    """The pairs of map and finish_map. Raises `LookAgain` if it does not look yet."""
    pairs = _of_records(job, source, skipping, looks, for_reduces)
    if job.finish_map is not None:
        pairs = chain(pairs, finished(job, source, for_reduces))
    return with_parts(job, pairs) if for_reduces and sorts_values(job) else pairs


def finished(job: Job, source: MapInput, for_reduces: bool) -> Iterator[Pair]:
    """The pairs of finish_map, which is called when they are asked for."""
    if job.finish_map is not None:
        source.is_over = True
        yield from Look(job, for_reduces).at(job.finish_map(), "finish_map")


def _of_records(
    job: Job, source: MapInput, skipping: SkipRecords | None, looks: bool, for_reduces: bool
) -> Iterator[Pair]:
    if skipping is not None:
        return chain.from_iterable(skipping.pairs(source))
    if looks:
        return looked_at(job, source, for_reduces)
    if isgeneratorfunction(job.map):
        pairs = chain.from_iterable(chain.from_iterable(map(job.map, r) for r in source))
        return pairs if makes_pairs(job.map) else checked_pairs(pairs)
    # A plain function may return None. And it may raise StopIteration by mistake, which `map`
    # would take for the end of the records; a generator expression makes an error of it.
    results = (job.map(record) for records in source for record in records)
    return checked_pairs(chain.from_iterable(result for result in results if result is not None))


def collected(
    job: Job,
    source: MapInput,
    memory_bytes: int,
    skipping: SkipRecords | None = None,
    looks: bool = False,
) -> Iterator[Rows]:
    """The rows that the task's records make. Raises `TaskError`, and `LookAgain`.

    If it `looks`, each pair is looked at when it is yielded, as is always so when skipping.
    """
    if takes_batches(job, skipping):
        made = map(_as_values, batches(job, source, skipping))
        return chain(made, _listed(finished(job, source, for_reduces=True), source, looks=True))
    pairs = mapped(job, source, skipping, looks)
    looks = looks or skipping is not None
    if isinstance(job.reduce, Reducer) and job.reduce.has_small_states:
        return _Folding(job.reduce, source, memory_bytes, looks).rows(pairs)
    return _listed(pairs, source, looks)


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
    return from_map_batch(result, needs_values=not isinstance(job.reduce, Count))


class _Folding:
    """Folds the values of each key as map yields them, with a reducer of small states."""

    def __init__(self, reducer: Reducer, source: MapInput, memory_bytes: int, looks: bool) -> None:
        self._reducer = reducer
        self._source = source
        self._memory_bytes = memory_bytes
        self._looks = looks
        self._keeps_values = reducer.keeps_values

    def rows(self, unchecked: Iterator[Pair]) -> Iterator[Rows]:
        """The keys with their partials; the pairs themselves where keys are too many for a dict."""
        reducer, looks = self._reducer, self._looks
        with users_code(self._where, looks):
            pairs = iter(self._checked(unchecked))
        states: dict[Any, Any] = {}
        while True:
            with users_code(self._where, looks):
                goes_on = self._fold(states, pairs)
            is_large = len(states) > _MOST_STATES and reducer.takes_columns
            if states and (not goes_on or is_large or _size_bytes(states) > self._memory_bytes):
                with users_code(self._where, looks):
                    partials = self._partials(states)
                yield partials, True
                states.clear()
            if not goes_on:
                return
            if is_large:
                yield from _listed(pairs, self._source, looks)
                return

    def _fold(self, states: dict[Any, Any], pairs: Iterator[Pair]) -> bool:
        """Fold some more pairs. Whether there were any."""
        some = islice(pairs, _PAIRS_AT_ONCE)
        if self._looks:
            return self._fold_each(states, some)
        first = next(some, None)
        if first is not None:
            self._reducer.fold(states, chain((first,), some))
        return first is not None

    def _fold_each(self, states: dict[Any, Any], pairs: Iterator[Pair]) -> bool:
        some = False
        for key, value in pairs:
            some = True
            with users_code(lambda: f"{self._where()}, key {short_repr(key)}"):  # noqa: B023
                self._reducer.fold(states, ((key, value),))
        return some

    def _checked(self, pairs: Iterator[Pair]) -> Iterable[Pair]:
        """The pairs, on their way into a dict."""
        for key, value in pairs:
            if not self._looks and self._keeps_values and can_change((value,)):
                raise LookAgain
            type_of_keys([key])
            return of_one_type(chain([(key, value)], pairs), key)
        return pairs

    def _where(self) -> str:
        return f"in map, {self._source.where()}"

    def _partials(self, states: dict[Any, Any]) -> pa.RecordBatch:
        key_type = type_of_keys(states.keys())
        if not self._looks and self._keeps_values and can_change(states.values()):
            raise LookAgain
        partials = list(map(self._reducer.partial, states.values()))
        return rows.from_lists(list(states), partials, key_type)


def _size_bytes(states: dict[Any, Any]) -> int:
    """About what the states take, the first of which, if any, are the larger ones."""
    sample = list(islice(states.items(), _SAMPLE))
    objects = sum(map(sys.getsizeof, chain.from_iterable(sample)))
    return sys.getsizeof(states) + objects * len(states) // max(1, len(sample))


def _listed(pairs: Iterator[Pair], source: MapInput, looks: bool) -> Iterator[Rows]:
    n = 1  # how large they are is known after the first
    keeping = _Keeping(are_private=looks)
    while True:
        with users_code(lambda: f"in map, {source.where()}", looks):
            keys, values = keeping.take(islice(pairs, n))
        if not keys:
            return
        with users_code(lambda: f"in map, {source.where()}", looks):
            batch = keeping.batch(keys, values)
        yield batch, False
        fitting = _BYTES_AT_ONCE * len(keys) // max(1, rows.size_bytes(batch))
        n = max(1, min(4 * n, fitting, _PAIRS_AT_ONCE))


class _Keeping:
    """Keeps values as they were when they were yielded, until they become columns.

    Which of them can change is seen by the first one: such are copied, or pickled, at once. If
    another one can, `LookAgain` is raised.
    """

    def __init__(self, are_private: bool) -> None:
        self._are_private = are_private
        self._n = 0
        self._copies = False
        self._pickles = False

    def take(self, pairs: Iterator[Pair]) -> tuple[list[Any], list[Any]]:
        """The keys and the values of the pairs."""
        keys: list[Any] = []
        values: list[Any] = []
        if self._pickles:
            for key, value in pairs:
                keys.append(key)
                values.append(pickled(value))
        elif self._copies:
            for key, value in pairs:
                keys.append(key)
                values.append(value[:])
        else:
            for key, value in pairs:
                keys.append(key)
                values.append(value)
        return keys, values

    def batch(self, keys: list[Any], values: list[Any]) -> pa.RecordBatch:
        """The rows of what was taken. Raises `LookAgain`, and `YieldError`."""
        key_type = type_of_keys(keys)
        if self._pickles:
            return rows.with_values(
                rows.from_lists(keys, None, key_type),
                pa.array(values, pa.large_binary()),
                pickled_field(rows.VALUE),
            )
        batch = rows.from_lists(keys, values, key_type)
        if not self._are_private and not self._are_kept(batch.schema.field(rows.VALUE)):
            self._look(values)
        self._n += len(values)
        return batch

    def _look(self, values: list[Any]) -> None:
        if not can_change(values):
            return
        if self._n or len(values) > 1:
            raise LookAgain
        (value,) = values
        unpickled(value, pickled(value))
        self._copies = type(value) is list and not can_change(value)
        self._pickles = not self._copies

    def _are_kept(self, field: pa.Field) -> bool:
        """Whether values that became such a column can't have changed before."""
        kind = field.type
        if self._copies and pa.types.is_large_list(kind):
            kind = kind.value_type
        return not (is_pickled(field) or pa.types.is_nested(kind))
