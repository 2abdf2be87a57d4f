"""Values of a key in an order of their own (`sort_values`): a secondary sort.

Map puts what a value is sorted by behind its key, in one tuple with it: how many elements the key
has (-1: it is no tuple), these, and what is sorted by. So the shuffle sorts by it, on the disk
where need be; values for which it is equal stay in the order of the input. Partitions are chosen,
and reduce is called, by what is before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from itertools import chain, groupby
from typing import Any

import pyarrow as pa

from zmr.columns.arrays import Words
from zmr.job import Job
from zmr.key_types import KeyTypeError
from zmr.partitioners import Hash, Range
from zmr.reducers import Identity, Reducer

Pair = tuple[Any, Any]

_NO_TUPLE = -1


def sorts_values(job: Job) -> bool:
    """Whether reduce gets values in an order of their own."""
    return job.sort_values is not False


def with_sorted_values(job: Job) -> Job:
    """The job as tasks run it: its partitioner and reducer know of the part behind the key."""
    if not sorts_values(job):
        return job
    own = copy(job)
    own.partition = _of_key(job.partition)
    if isinstance(job.reduce, (Reducer, Identity)):
        own.reduce = _Called(job.reduce)
    return own


def with_parts(job: Job, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs of map, each key with what its value is sorted by."""
    if not sorts_values(job):
        yield from pairs
        return
    sort_by = job.sort_values if callable(job.sort_values) else None
    for key, value in pairs:
        part = value if sort_by is None else sort_by(value)
        parts = part if type(part) is tuple else (part,)
        if type(key) is tuple:
            yield (len(key), *key, *parts), value
        else:
            yield (_NO_TUPLE, key, *parts), value


def key_of(key: tuple[Any, ...]) -> Any:
    """The job's key, of one with parts behind it."""
    n = key[0]
    return key[1] if n == _NO_TUPLE else key[1 : 1 + n]


def _key_of_group(group: tuple[tuple[Any, ...], Any]) -> Any:
    key = group[0]
    n = key[0]
    return key[1] if n == _NO_TUPLE else key[1 : 1 + n]  # key_of, without a call for each


def by_key(groups: Iterable[tuple[Any, Iterable[Any]]]) -> Iterator[tuple[Any, Iterator[Any]]]:
    """The values of each key of the job, to be used up in turn, of those with the same part."""
    for own, some in groupby(groups, _key_of_group):
        _, values = next(some)
        others = (more for _, more in some)  # noqa: B031 -- the rest of it
        yield own, chain(values, chain.from_iterable(others))


def _of_key(partition: Any) -> Any:
    """The partitioner by what is before the parts."""
    if type(partition) is Hash:
        return _HashOfKey()
    return _RangeOfKey(partition) if type(partition) is Range else _OfKey(partition)


class _HashOfKey(Hash):
    def __call__(self, key: Any, n: int) -> int:
        return super().__call__(key_of(key), n)

    def of_columns(self, columns: Sequence[pa.Array], are_tuples: bool, n: int) -> Words:
        n_elements = columns[0][0].as_py() if len(columns[0]) else _NO_TUPLE  # in all rows
        if n_elements == _NO_TUPLE:
            return super().of_columns(columns[1:2], False, n)
        return super().of_columns(columns[1 : 1 + n_elements], True, n)


class _RangeOfKey(Range):
    """Bounds as keys with no parts behind them, which are less than all that have some."""

    def __init__(self, partition: Range) -> None:
        self._partition = partition
        bounds = partition.bounds
        super().__init__([(len(b), *b) if type(b) is tuple else (_NO_TUPLE, b) for b in bounds])

    def __call__(self, key: Any, n: int) -> int:
        return self._partition(key_of(key), n)

    def refusal(self, key: Any) -> KeyTypeError:
        return self._partition.refusal(key_of(key))


class _OfKey:
    """The job's own partitioner."""

    def __init__(self, partition: Any) -> None:
        self._partition = partition

    def __call__(self, key: Any, n: int) -> Any:
        return self._partition(key_of(key), n)


class _Called:
    """A reducer for which order means something, as a reduce method."""

    def __init__(self, reducer: Reducer | Identity) -> None:
        self._reducer = reducer

    def __call__(self, key: Any, values: Iterator[Any]) -> Iterator[Pair]:
        if isinstance(self._reducer, Reducer):
            yield key, self._reducer.sequential(values)
        else:
            yield from ((key, value) for value in values)
