"""The job's own combine, applied to rows in columns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.arrays import Index, as_arrow
from zmr.columns.groups import Groups
from zmr.columns.schema import concat_unified
from zmr.columns.values import encode
from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.formats.text import not_a_pair
from zmr.job import Job
from zmr.reducers import Reducer
from zmr.reducers.combiner import Combiner, ReducerCombiner, Total
from zmr.tasks.errors import users_code
from zmr.tasks.yielded import FIXED, is_pair, iterated, private


def combiner_of(job: Job) -> Combiner | None:
    """What combines the rows of the job, if anything does."""
    if isinstance(job.reduce, Reducer):
        return ReducerCombiner(job.reduce)
    return None if job.combine is None else UserCombiner(job)


class UserCombiner:
    """Calls combine for each key that has several values. Raises `TaskError`.

    What combine gives must be for the key that it was called with, or reduce, which may see the one
    or the other, would make different things of them. Keys that can't be sorted as columns are left
    alone.
    """

    total = Total.NONE

    def __init__(self, job: Job) -> None:
        self._combine = job.combine

    def combine(self, groups: Groups, are_partials: bool) -> Groups:
        sizes = groups.values().sizes()
        several = np.flatnonzero(sizes > 1)
        if not len(several):
            return groups
        order = np.arange(groups.n_rows) if groups.order is None else groups.order
        is_in_several = np.repeat(sizes > 1, sizes)
        combined, n_combined = self._combined(
            groups.keys().take(as_arrow(several)),
            rows.each_value_at(groups.batch, order[is_in_several]),
            sizes[several],
        )
        single = groups.batch.take(as_arrow(order[~is_in_several]))
        counts = np.ones(len(groups), np.int64)
        counts[several] = n_combined
        return _joined(single, np.flatnonzero(sizes == 1), combined, several, counts)

    def combine_opaque(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch  # as good as combined

    def _combined(
        self, keys: pa.RecordBatch, values: Iterator[Any], sizes: Index
    ) -> tuple[pa.RecordBatch, list[int]]:
        """What combine gives for each of the keys: the rows, and how many they are."""
        found: list[Any] = []
        counts: list[int] = []
        add = found.append
        key: Any = None
        with users_code(lambda: f"in combine, key {short_repr(key)}"):
            for key, size in zip(rows.each_key(keys), sizes.tolist(), strict=True):
                group = islice(values, size)
                before = len(found)
                for pair in iterated(self._combine(key, group), "combine"):
                    if not is_pair(pair):
                        raise not_a_pair(pair)
                    new_key, value = pair
                    if new_key != key:
                        raise YieldError(f"combine gave another key, {short_repr(new_key)}")
                    add(value if type(value) in FIXED else private(value))
                for _ in group:  # what combine left must not be taken for the next key's
                    pass
                counts.append(len(found) - before)
        if len(found) != len(keys) or set(counts) != {1}:
            keys = keys.take(as_arrow(np.repeat(np.arange(len(keys)), counts)))
        field, array = encode(rows.VALUE, found)
        return rows.with_values(keys, array, field), counts


def _joined(
    one: pa.RecordBatch, places: Index, other: pa.RecordBatch, other_places: Index, counts: Index
) -> Groups:
    """Groups of so many rows each: the rows of `one` and of `other` that are for these places."""
    batch = concat_unified([batch for batch in (one, other) if len(batch)] or [one])
    of_row = np.concatenate([places, np.repeat(other_places, counts[other_places])])
    return Groups(batch, np.argsort(of_row, kind="stable"), np.cumsum(counts) - counts)
