"""Rows of a map output in the order of their partitions, and of their keys in each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.arrays import Index, Words
from zmr.columns.groups import Groups
from zmr.key_types import sortable
from zmr.partitioners import Hash, Range, checked_partition

Partitioner = Callable[[Any, int], int]


def by_partition(groups: Groups, partition: Partitioner, n: int) -> tuple[Groups, Index]:
    """The groups of each partition together, and the partition of each of them.

    Raises what the job's own partitioner raises.
    """
    if n == 1 and isinstance(partition, Hash):
        return groups, np.zeros(len(groups), np.int64)
    if isinstance(partition, Range):
        return groups, _ranges(groups, partition, n)
    chosen = _partitions(groups, partition, n)
    # Narrow numbers are sorted by their digits, several times as fast.
    narrow = chosen.astype(np.uint16) if n <= 1 << 16 else chosen
    order = np.argsort(narrow, kind="stable")
    return _rearranged(groups, order), chosen[order]


def sort_opaque(
    batch: pa.RecordBatch, partition: Partitioner, n: int
) -> tuple[pa.RecordBatch, Index]:
    """Opaque rows sorted by partition and key, and the partition of each."""
    keys = rows.keys_of(batch)
    # Keys that are equal may look different: all go where the first does.
    by_key: dict[Any, int] = {}
    for key in keys:
        if key not in by_key:
            by_key[key] = checked_partition(partition, key, n)
    chosen = [by_key[key] for key in keys]
    order = sorted(range(len(keys)), key=lambda i: (chosen[i], sortable(keys[i])))
    return batch.take(pa.array(order, pa.int64())), np.array(chosen, np.int64)[order]


def _ranges(groups: Groups, partition: Range, n: int) -> Index:
    """The partition of each group. As groups are sorted, so are partitions."""
    keys = _FirstKeys(groups)  # to gather all of them would take as long as to sort them
    if len(groups):
        partition(keys[0], n)  # raises, if it is of another type than the bounds
    try:
        starts = [bisect_left(keys, sortable(bound)) for bound in partition.bounds]
    except TypeError:
        raise partition.refusal(keys[0]) from None
    ranges = np.searchsorted(starts, np.arange(len(groups)), side="right")
    if len(groups) and ranges[-1] >= n:
        checked_partition(partition, keys[len(keys) - 1], n)  # raises
    return ranges


class _FirstKeys:
    """The key of each group, which becomes a Python object when it is asked for: for `bisect`."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._keys = rows.Keys(groups.batch)

    def __len__(self) -> int:
        return len(self._groups)

    def __getitem__(self, place: int) -> Any:
        row = self._groups.starts[place]
        return self._keys[int(row if self._groups.order is None else self._groups.order[row])]


def _partitions(groups: Groups, partition: Partitioner, n: int) -> npt.NDArray[Any]:
    """The partition of each group's key."""
    if not isinstance(partition, Hash):
        keys = rows.each_key(groups.keys())
        return np.fromiter(
            (checked_partition(partition, key, n) for key in keys), np.int64, len(groups)
        )
    if len(groups.batch) > 2 * len(groups):
        return _of_columns(partition, groups.keys(), n)
    # To hash some keys twice takes less than to gather each of them once.
    of_rows = _of_columns(partition, groups.batch, n)
    return of_rows[groups.starts if groups.order is None else groups.order[groups.starts]]


def _of_columns(partition: Hash, batch: pa.RecordBatch, n: int) -> Words:
    return partition.of_columns(rows.key_columns(batch), rows.are_tuples(batch.schema), n)


def _rearranged(groups: Groups, by: Index) -> Groups:
    """The groups in another order."""
    sizes = groups.values().sizes()[by]
    starts = np.zeros(len(by), np.int64)
    np.cumsum(sizes[:-1], out=starts[1:])
    places = np.repeat(groups.starts[by] - starts, sizes)
    places += np.arange(len(places))
    order = places if groups.order is None else groups.order[places]
    return Groups(groups.batch, order, starts)
