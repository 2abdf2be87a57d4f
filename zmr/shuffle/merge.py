"""Merging sorted runs by batches, in bounded memory.

Each run comes as blocks of rows in the order of the keys. Of all blocks at hand, every row whose
key is below the smallest of their last keys is final: no row before it can come any more. Those
rows are joined and ordered together, which takes less than to compare them run by run. The next
block is always loaded for the run whose rows at hand end first, so that as much as possible of what
is in memory is final. Where a key goes on beyond the memory, its rows are passed on run by run, so
that the values of one key, however many, never have to be in memory together.

Rows of equal keys keep the order of the runs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from heapq import merge as merge_sorted
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.groups import Groups, group
from zmr.columns.schema import concat
from zmr.key_types import sortable

Blocks = Iterator[pa.RecordBatch]


def merge(runs: Sequence[Blocks], memory_bytes: int) -> Iterator[Groups]:
    """The rows of all runs, sorted; about `memory_bytes` of them are loaded at a time.

    All runs must have one schema, and not be opaque. Blocks are never empty.
    """
    cursors = [cursor for run in runs if (cursor := _Cursor(run)).load()]
    while cursors:
        bound = _load(cursors, memory_bytes)
        pieces = _final(cursors, bound)
        if pieces:
            yield _grouped(pieces)
        else:
            yield from _one_key(cursors, bound)
        cursors = [cursor for cursor in cursors if cursor.has_rows()]


def merge_opaque(runs: Sequence[Blocks]) -> Iterator[tuple[Any, bytes]]:
    """The keys of all runs, sorted, each with its pickled value. All runs must be opaque."""
    # heapq.merge is stable: equal keys come in the order of the runs.
    return merge_sorted(*map(_pairs, runs), key=lambda pair: sortable(pair[0]))


def _pairs(run: Blocks) -> Iterator[tuple[Any, bytes]]:
    for block in run:
        yield from zip(rows.keys_of(block), block.column(rows.VALUE).to_pylist(), strict=True)


_NO_BOUND: Any = object()


def _load(cursors: Sequence[_Cursor], memory_bytes: int) -> Any:
    """Fill the memory; the smallest last key of the runs that may go on, or `_NO_BOUND`."""
    loaded = sum(cursor.size_bytes for cursor in cursors)
    ends = [(cursor.last_key, place) for place, cursor in enumerate(cursors) if not cursor.is_over]
    heapify(ends)
    while ends and loaded < memory_bytes:
        _, place = ends[0]
        loaded -= cursors[place].size_bytes
        if cursors[place].load():
            heapreplace(ends, (cursors[place].last_key, place))
        else:
            heappop(ends)
        loaded += cursors[place].size_bytes
    return ends[0][0] if ends else _NO_BOUND


def _final(cursors: Sequence[_Cursor], bound: Any) -> list[pa.RecordBatch]:
    """The rows at hand that are below the bound."""
    if bound is _NO_BOUND:
        return [piece for cursor in cursors for piece in cursor.take_all()]
    return [piece for cursor in cursors for piece in cursor.take_below(bound)]


def _grouped(pieces: list[pa.RecordBatch]) -> Groups:
    """The rows of the pieces, of which none are left."""
    batch = concat(pieces)
    pieces.clear()  # they make room for the sorting
    return group(batch)


def _one_key(cursors: Sequence[_Cursor], key: Any) -> Iterator[Groups]:
    """All rows of the key, with which some of the runs begin, run by run."""
    start = np.zeros(1, np.int64)
    previous: pa.RecordBatch | None = None
    for cursor in cursors:
        while (piece := cursor.take_equal(key)) is not None:
            if previous is not None:
                yield Groups(previous, None, start, goes_on=True)
            previous = piece
    if previous is not None:
        yield Groups(previous, None, start)


class _Cursor:
    """A run: its blocks at hand, and how far they have been consumed."""

    def __init__(self, run: Blocks) -> None:
        self.size_bytes = 0  # of the blocks at hand
        self.is_over = False
        self.last_key: Any = None
        self._run = run
        self._blocks: deque[tuple[pa.RecordBatch, Any, int]] = deque()  # with last key, size
        self._position = 0  # in the first of them

    def load(self) -> bool:
        """Get one more block. False if there is none."""
        block = next(self._run, None)
        if block is None:
            self.is_over = True
            return False
        self.last_key = rows.Keys(block)[len(block) - 1]
        size_bytes = rows.working_bytes(block)
        self._blocks.append((block, self.last_key, size_bytes))
        self.size_bytes += size_bytes
        return True

    def has_rows(self) -> bool:
        return bool(self._blocks)

    def take_all(self) -> Iterator[pa.RecordBatch]:
        """All rows at hand."""
        while self._blocks:
            yield self._take(len(self._blocks[0][0]))

    def take_below(self, bound: Any) -> Iterator[pa.RecordBatch]:
        """All rows at hand with keys below the bound."""
        while self._blocks:
            block, last_key, _ = self._blocks[0]
            if last_key < bound:
                yield self._take(len(block))
                continue
            end = self._search(block, bound, or_equal=False)
            if end > self._position:
                yield self._take(end)
            return

    def take_equal(self, key: Any) -> pa.RecordBatch | None:
        """Some of the rows with this key, if there are any left; there are no lesser ones."""
        if not self._blocks and (self.is_over or not self.load()):
            return None
        block, last_key, _ = self._blocks[0]
        end = len(block) if last_key == key else self._search(block, key, or_equal=True)
        return self._take(end) if end > self._position else None

    def _take(self, end: int) -> pa.RecordBatch:
        block, _, size_bytes = self._blocks[0]
        piece = block.slice(self._position, end - self._position)
        self._position = end
        if end == len(block):
            self._blocks.popleft()
            self.size_bytes -= size_bytes
            self._position = 0
        return piece

    def _search(self, block: pa.RecordBatch, bound: Any, or_equal: bool) -> int:
        """The first position, from the present one on, whose key is beyond the bound."""
        find = bisect_right if or_equal else bisect_left
        return find(rows.Keys(block), bound, self._position)
