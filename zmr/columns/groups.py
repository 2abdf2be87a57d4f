"""Rows grouped by key: where in a batch each key has its rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns import native, rows
from zmr.columns.arrays import Index, as_arrow
from zmr.columns.sort import sort_order
from zmr.columns.take import Taker

# Pieces of rows in order. Of smaller ones, so many more calls take longer than the cache saves.
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class GroupedColumn:
    """The values of grouped rows, or None where there are only keys.

    A group is a stretch of rows: of `values` in the `order` (None: as they are), from one of
    `starts` to the next. There are `n_rows` in all, and no group is empty.
    """

    values: pa.Array | None
    order: Index | None
    starts: Index
    n_rows: int

    def sizes(self) -> Index:
        """The number of rows of each group."""
        sizes: Index = np.diff(np.append(self.starts, self.n_rows))
        return sizes

    def in_order(self) -> pa.Array:
        """The values, group after group."""
        assert self.values is not None
        return self.values if self.order is None else self.values.take(as_arrow(self.order))

    def is_plain(self, *types: pa.DataType) -> bool:
        """Whether the values are of one of these types, and none is null."""
        return self.values is not None and self.values.type in types and not self.values.null_count

    def numbers(self) -> npt.NDArray[np.int64]:
        """Values that are ints or booleans, group after group."""
        assert self.values is not None
        numbers: npt.NDArray[np.int64] = self.values.to_numpy(zero_copy_only=False)
        numbers = numbers.astype(np.int64, copy=False)
        return numbers if self.order is None else numbers[self.order]

    def flattened(self) -> GroupedColumn:
        """The elements of values that are lists, in the same groups."""
        lists = self.in_order()
        offsets = lists.offsets.to_numpy() - lists.offsets[0].as_py()
        elements = lists.flatten()
        return GroupedColumn(elements, None, offsets[:-1][self.starts], len(elements))


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows by their key, mostly sorted by it, and where in them each key starts.

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
        return self.batch if self.order is None else self.batch.take(as_arrow(self.order))

    def pieces(self, start: int = 0, end: int | None = None) -> Iterator[pa.RecordBatch]:
        """The rows from `start` to `end`, in order, in pieces of the size of a block."""
        if self.order is None:
            yield self.batch.slice(start, (self.n_rows if end is None else end) - start)
            return
        order = self.order[start:end]
        n = max(1, _PIECE_BYTES * len(self.batch) // max(1, rows.size_bytes(self.batch)))
        taker = Taker(self.batch)
        for first in range(0, len(order), n):
            yield taker.take(as_arrow(order[first : first + n]))

    def keys(self) -> pa.RecordBatch:
        """The first key of each group, as rows without values."""
        names = rows.key_names(self.batch.schema)
        first = self.starts if self.order is None else self.order[self.starts]
        return self.batch.select(names).take(as_arrow(first))

    def values(self) -> GroupedColumn:
        """The values of each group."""
        has_values = rows.has_values(self.batch.schema)
        values = self.batch.column(rows.VALUE) if has_values else None
        return GroupedColumn(values, self.order, self.starts, self.n_rows)


def grouped_by_table(batch: pa.RecordBatch) -> Groups | None:
    """The rows, which need not be sorted, in groups that are in no order of their keys.

    Each group's rows are in order. None where there is no table for such keys.
    """
    keys = rows.key_columns(batch)
    if len(keys) > 1 or not native.takes(keys[0]):
        return None
    table = native.KeyTable()
    numbers = table.add_numbered(keys[0])
    order, starts = native.order_of(numbers, np.bincount(numbers, minlength=len(table)))
    return Groups(batch, order, starts)


def group(batch: pa.RecordBatch) -> Groups:
    """The rows, which need not be sorted, in groups that are sorted by their keys."""
    order, starts = sort_order(rows.key_columns(batch))
    return Groups(batch, order, starts)
