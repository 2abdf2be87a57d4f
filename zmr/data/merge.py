"""Merging sorted runs by batches, in bounded memory.

Each run comes as blocks of rows in the order of the keys. Of all blocks at hand, every row whose
key is below the smallest of their last keys is final: no row before it can come any more. Those
rows are joined and ordered together, which costs little, for they are a few runs already. Where a
key goes on beyond a block, its rows are passed on run by run, so that the values of one key,
however many, never have to be in memory together.

Rows of equal keys keep the order of the runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.data import rows
from zmr.data.keybits import Index, sort_order


@dataclass(frozen=True, slots=True)
class Groups:
    """Rows sorted by key, and where in them each key starts.

    The rows are those of `batch` in the `order`; None means as they are. With `goes_on`, the last
    key goes on in the next groups, as their first.
    """

    batch: pa.RecordBatch
    order: Index | None
    starts: Index
    goes_on: bool = False

    def sorted(self) -> pa.RecordBatch:
        """The batch with its rows in order."""
        return self.batch if self.order is None else self.batch.take(pa.array(self.order))


def group(batches: Sequence[pa.RecordBatch]) -> Groups:
    """All rows of the batches, which need not be sorted, in one."""
    batch = concat(batches)
    order, starts = sort_order(rows.key_columns(batch))
    return Groups(batch, order, starts)


def concat(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """All rows of the batches, of which there must be one, in one batch."""
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def merge(runs: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[Groups]:
    """The rows of all runs, sorted. All runs must have one schema, and not be opaque."""
    cursors = [cursor for run in runs if (cursor := _Cursor(run)).batch is not None]
    while cursors:
        bounds = [cursor.last_key() for cursor in cursors if not cursor.is_last]
        if not bounds:
            yield group([cursor.rest() for cursor in cursors])
            return
        bound = min(bounds)
        below = [piece for cursor in cursors if len(piece := cursor.take_below(bound))]
        if below:
            yield group(below)
        else:
            yield from _one_key(cursors, bound)
        cursors = [cursor for cursor in cursors if cursor.batch is not None]


def _one_key(cursors: Sequence[_Cursor], key: Any) -> Iterator[Groups]:
    """All rows of the key, with which some of the runs begin, run by run."""
    start = np.zeros(1, np.int64)
    previous: pa.RecordBatch | None = None
    for cursor in cursors:
        while cursor.batch is not None and len(piece := cursor.take_equal(key)):
            if previous is not None:
                yield Groups(previous, None, start, goes_on=True)
            previous = piece
    if previous is not None:
        yield Groups(previous, None, start)


class _Cursor:
    """A run, and how far it has been consumed."""

    def __init__(self, run: Iterator[pa.RecordBatch]) -> None:
        self._run = run
        self._next: pa.RecordBatch | None = next(run, None)
        self.batch: pa.RecordBatch | None = None
        self._position = 0
        self._advance()

    @property
    def is_last(self) -> bool:
        """Whether the block at hand is the run's last."""
        return self._next is None

    def last_key(self) -> Any:
        assert self.batch is not None
        return _key_at(self.batch, len(self.batch) - 1)

    def rest(self) -> pa.RecordBatch:
        """All that is left of the block at hand."""
        assert self.batch is not None
        return self.batch.slice(self._position)

    def take_below(self, bound: Any) -> pa.RecordBatch:
        """The rows of the block at hand with keys below the bound, none of them left after it."""
        return self._take(self._search(bound, or_equal=False))

    def take_equal(self, key: Any) -> pa.RecordBatch:
        """The rows of the block at hand, which begins with no lesser key, that have this key."""
        return self._take(self._search(key, or_equal=True))

    def _take(self, end: int) -> pa.RecordBatch:
        assert self.batch is not None
        piece = self.batch.slice(self._position, end - self._position)
        self._position = end
        if end == len(self.batch):
            self._advance()
        return piece

    def _search(self, bound: Any, or_equal: bool) -> int:
        """The first position, from the present one on, whose key is beyond the bound."""
        assert self.batch is not None
        low, high = self._position, len(self.batch)
        while low < high:
            middle = (low + high) // 2
            key = _key_at(self.batch, middle)
            if key < bound or (or_equal and key == bound):
                low = middle + 1
            else:
                high = middle
        return low

    def _advance(self) -> None:
        self.batch, self._position = self._next, 0
        # Empty blocks are never written.
        self._next = next(self._run, None) if self.batch is not None else None


def _key_at(batch: pa.RecordBatch, position: int) -> Any:
    """A key, for comparison with others."""
    return _key_of(rows.key_columns(batch), position)


def _key_of(columns: Sequence[pa.Array], position: int) -> Any:
    if len(columns) == 1:
        return columns[0][position].as_py()
    return tuple(column[position].as_py() for column in columns)


def first_not_below(columns: Sequence[pa.Array], bound: Any) -> int:
    """The first position in sorted keys whose key is not below the bound."""
    low, high = 0, len(columns[0])
    while low < high:
        middle = (low + high) // 2
        if _key_of(columns, middle) < bound:
            low = middle + 1
        else:
            high = middle
    return low


# --- rows one by one ---------------------------------------------------------------------------


def merge_opaque(runs: Sequence[Iterator[pa.RecordBatch]]) -> Iterator[tuple[Any, Any]]:
    """The (key, value) pairs of all runs, sorted by key; for runs whose schemas differ as well."""
    from heapq import merge as merge_pairs
    from operator import itemgetter

    # heapq.merge is stable: equal keys come in the order of the runs.
    return merge_pairs(*(_pairs(run) for run in runs), key=itemgetter(0))


def _pairs(run: Iterator[pa.RecordBatch]) -> Iterator[tuple[Any, Any]]:
    for batch in run:
        yield from zip(rows.keys_of(batch), rows.values_of(batch), strict=True)
