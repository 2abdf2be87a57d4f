"""Rows grouped by key, and what a declarative reducer makes of them.

Columns are reduced as columns where they allow it, value by value where they don't; the outcome is
the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa

from zmr.columns import rows
from zmr.columns import values as columns
from zmr.columns.arrays import Index
from zmr.columns.sort import sort_order
from zmr.columns.take import Gather
from zmr.reducers import Reducer
from zmr.reducers.kernels import GroupedColumn

# Pieces of rows in order. Of smaller ones, so many more calls take longer than the cache saves.
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows sorted by key, and where in them each key starts.

    The rows are those of `batch` in the `order`, which may leave some out; None means as they are.
    With `goes_on`, the last key goes on in the next groups, as their first.
    """

    batch: pa.RecordBatch
    order: Index | None
    starts: Index
    goes_on: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def n_rows(self) -> int:
        return len(self.batch if self.order is None else self.order)

    def in_order(self) -> pa.RecordBatch:
        """The batch with its rows in order."""
        return self.batch if self.order is None else self.batch.take(pa.array(self.order))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows from `start` to `end`, in order, in pieces of the size of a block."""
        if self.order is None:
            yield self.batch.slice(start, (self.n_rows if end is None else end) - start)
            return
        order = self.order[start:end]
        n = max(1, _PIECE_BYTES * len(self.batch) // max(1, rows.size_bytes(self.batch)))
        gather = Gather(self.batch)
        for first in range(0, len(order), n):
            yield gather.take(pa.array(order[first : first + n]))

    def keys(self) -> pa.RecordBatch:
        """The first key of each group, as rows without values."""
        names = rows.key_names(self.batch.schema)
        first = self.starts if self.order is None else self.order[self.starts]
        return self.batch.select(names).take(pa.array(first))

    def values(self) -> GroupedColumn:
        """The values of each group."""
        has_values = rows.has_values(self.batch.schema)
        values = self.batch.column(rows.VALUE) if has_values else None
        return GroupedColumn(values, self.order, self.starts, self.n_rows)


def group(batch: pa.RecordBatch) -> Groups:
    """The rows, which need not be sorted."""
    order, starts = sort_order(rows.key_columns(batch))
    return Groups(batch, order, starts)


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """All rows of the batches, of which there must be one, in one batch."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def partials_of(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.RecordBatch:
    """One row for each group, in order: its key, and the partial of its values.

    Raises what the reducer raises for values that it can't take.
    """
    keys = groups.keys()
    column = _partial_column(reducer, groups, are_partials)
    if column is not None:
        return rows.with_values(keys, column)
    partials = [reducer.partial(state) for state in _states(reducer, groups, are_partials)]
    field, array = columns.encode(rows.VALUE, partials)
    return rows.with_values(keys, array, field)


def results_of(reducer: Reducer, partials: pa.RecordBatch) -> pa.Array | list[Any]:
    """The result for each row of partials: as a column, or else as Python values."""
    field = partials.schema.field(rows.VALUE)
    if not columns.is_pickled(field):
        column = reducer.result_column(partials.column(rows.VALUE))
        if column is not None:
            return column
    found = rows.values_of(partials)
    return [reducer.result(reducer.merge(reducer.initial(), one)) for one in found]


def _partial_column(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.Array | None:
    schema = groups.batch.schema
    if not reducer.takes_columns:
        return None
    if rows.has_values(schema) and columns.is_pickled(schema.field(rows.VALUE)):
        return None
    values = groups.values()
    return reducer.merge_column(values) if are_partials else reducer.fold_column(values)


def _states(reducer: Reducer, groups: Groups, are_partials: bool) -> list[Any]:
    """The state of each group, value by value."""
    values = rows.each_value(groups.in_order())
    add = reducer.merge if are_partials else reducer.accumulate
    states = []
    for size in groups.values().sizes().tolist():
        state = reducer.initial()
        for value in islice(values, size):
            state = add(state, value)
        states.append(state)
    return states
