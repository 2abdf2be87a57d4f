"""Keys as 64-bit words: how whole columns of them are ordered, grouped and hashed.

A column of strings is sorted by its first 8 bytes as one big-endian number; only rows that tie
look at the next 8, and so on. Padded with zeros, such words compare as the bytes do, but for keys
that differ in trailing zero bytes alone: there, the shorter one is first. Numbers and dates are one
word each. So a column is ordered by sorting plain numbers, which is many times faster than
comparing strings.

All functions take key columns: a list of Arrow arrays of equal length, one for each element of a
tuple, without nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.stable_order import Index, Words, stable_order, stable_order_within

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_SIGN = np.uint64(1 << 63)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
# About what it takes, in microseconds, to look at a row as a Python object, and what it takes
# to look at 8 bytes of all rows, beside what each of them takes.
_ROW_COST, _ROUND_COST, _WORD_COST = 3.0, 150.0, 0.1
_MOST_SHARED_BYTES = 256
_ROWS_AT_ONCE = 1 << 14  # of a look at all of them that need not leave the cache
_WORD = (np.dtype("<u8"), np.dtype(">u8"))  # by whether it is big-endian
_BYTE_TYPES = (pa.string(), pa.large_string(), pa.binary(), pa.large_binary())


# --- order -------------------------------------------------------------------------------------


def sort_order(columns: Sequence[pa.Array]) -> tuple[Index, Index]:
    """A stable order of the rows, and where in it each group of equal keys starts.

    `order[i]` is the row that comes i-th; `starts` are the i at which a key is not the one before.
    """
    order, is_start = _order_column(columns[0], None, None)
    for column in columns[1:]:
        order, is_start = _order_column(column, order, is_start)
    return order, np.flatnonzero(is_start)


def _order_column(
    column: pa.Array, order: Index | None, is_start: npt.NDArray[np.bool_] | None
) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Order rows by this column, within the groups of the order that there is already."""
    if column.type in _BYTE_TYPES:
        view = BytesView(column)
        depth, words = _differing(view)
        order, is_start = _refine(words, order, is_start)
        return _order_longer(view, order, is_start, depth + 8)
    return _refine(sortable_word(column), order, is_start)


def _differing(view: BytesView) -> tuple[int, Words]:
    """The first 8 bytes in which not all keys are the same, and where they are."""
    depth, words = 0, view.words(0)
    most = min(view.shortest - 8, _MOST_SHARED_BYTES)
    while depth <= most and (words == words[0]).all():
        depth += 8
        words = view.words(depth)
    return depth, words


def _refine(
    words: Words, order: Index | None, is_start: npt.NDArray[np.bool_] | None
) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Order by `words` within the groups. Rows that tie stay in their order."""
    if order is None or is_start is None:
        order, within = stable_order(words)
        return order, _changes(within)
    within = words[order]
    by_group = stable_order_within(within, np.cumsum(is_start, dtype=np.int64))
    order, within = order[by_group], within[by_group]
    return order, is_start | _changes(within)


def _order_longer(
    view: BytesView, order: Index, is_start: npt.NDArray[np.bool_], depth: int
) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Look at the bytes from `depth` on of rows that tie and have any."""
    tied = _tied(is_start, np.arange(len(order)))
    while tied.size:
        rows = order[tied]
        # A group whose keys all end here is done, unless they differ in trailing zeros.
        group = np.cumsum(is_start[tied], dtype=np.int64)
        alive = _any_in_group(view.lengths_of(rows) > depth, group)
        ends = tied[~alive]
        if ends.size and view.may_end_in_zero:
            _order_by_length(view, order, is_start, ends)
        tied, rows, group = tied[alive], rows[alive], group[alive]
        if tied.size and _is_quicker_one_by_one(
            tied.size, int(view.lengths_of(rows).max()) - depth
        ):
            _order_one_by_one(view, order, is_start, tied)
            break
        _order_within(view.words(depth, rows), group, order, is_start, tied)
        tied = _tied(is_start, tied)
        depth += 8
    return order, is_start


def _is_quicker_one_by_one(n_rows: int, left_bytes: int) -> bool:
    """Whether so many rows, with so many bytes left, are quicker looked at as Python objects."""
    n_rounds = left_bytes / 8
    return n_rows * _ROW_COST < n_rounds * (_ROUND_COST + n_rows * _WORD_COST)


def _order_one_by_one(
    view: BytesView, order: Index, is_start: npt.NDArray[np.bool_], tied: Index
) -> None:
    """Order the rows at the positions `tied` by all of their bytes, within each group."""
    bounds = [*np.flatnonzero(is_start[tied]).tolist(), len(tied)]
    for first, end in pairwise(bounds):
        places = tied[first:end]
        rows = order[places].tolist()
        keys = [view.bytes_of(row) for row in rows]
        by_key = sorted(range(len(keys)), key=keys.__getitem__)
        order[places] = [rows[i] for i in by_key]
        is_start[places[1:]] |= [keys[i] != keys[j] for j, i in pairwise(by_key)]


def _order_by_length(
    view: BytesView, order: Index, is_start: npt.NDArray[np.bool_], tied: Index
) -> None:
    group = np.cumsum(is_start[tied], dtype=np.int64)
    _order_within(view.lengths_of(order[tied]), group, order, is_start, tied)


def _order_within(
    values: npt.NDArray[Any],
    group: Index,
    order: Index,
    is_start: npt.NDArray[np.bool_],
    tied: Index,
) -> None:
    """Order the rows at the positions `tied` by `values`, within each group.

    Rows that share 8 bytes are mostly of one key, and so in order already.
    """
    falls = np.flatnonzero((values[1:] < values[:-1]) & (group[1:] == group[:-1]))
    if falls.size:
        unsorted = np.zeros(int(group[-1]) + 1, np.bool_)
        unsorted[group[falls]] = True
        among = np.flatnonzero(unsorted[group])
        by_group = among[stable_order_within(values[among], group[among])]
        order[tied[among]] = order[tied[by_group]]
        values[among] = values[by_group]
    is_start[tied] |= _changes(values)


def _changes(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value is not the one before; the first always."""
    changes = np.empty(len(values), np.bool_)
    changes[:1] = True
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _tied(is_start: npt.NDArray[np.bool_], among: Index) -> Index:
    """Those of the positions `among` that are in a group of several rows."""
    starts = is_start[among]
    alone = starts.copy()
    alone[:-1] &= starts[1:]
    # A row at the end of `among` is alone if it starts a group: its group can't go on elsewhere.
    return among[~alone]


def _any_in_group(flags: npt.NDArray[np.bool_], group: Index) -> npt.NDArray[np.bool_]:
    """For each row, whether any row of its group has the flag. `group` ascends."""
    starts = np.flatnonzero(_changes(group))
    if not starts.size:
        return flags
    sizes = np.diff(np.append(starts, len(group)))
    return np.repeat(np.logical_or.reduceat(flags, starts), sizes)


# --- hash --------------------------------------------------------------------------------------


def hash_rows(columns: Sequence[pa.Array], are_tuples: bool) -> Words:
    """The hash of each key, as `zmr.partitioners` defines it."""
    if not are_tuples:
        return _hash_column(columns[0])
    total = np.full(len(columns[0]), 8 * len(columns), np.uint64)
    for position, column in enumerate(columns):
        total += _mix(_hash_column(column) + _step(position))
    return _mix(total)


def _hash_column(column: pa.Array) -> Words:
    if column.type not in _BYTE_TYPES:
        return _mix(np.uint64(8) + _mix(_plain_word(column) + _step(0)))
    view = BytesView(column)
    total = view.lengths.astype(np.uint64)
    longest = view.longest
    if longest:
        # Empty keys have no word at all; to the others the first word is common.
        mixed = _mix(view.words(0, big_endian=False) + _step(0))
        total += np.where(view.lengths > 0, mixed, np.uint64(0))
    for depth in range(8, longest, 8):
        rows = np.flatnonzero(view.lengths > depth)
        if _is_quicker_one_by_one(len(rows), longest - depth):
            for row in rows.tolist():
                total[row : row + 1] += _sum_of_words(view.bytes_of(row)[depth:], depth // 8)
            break
        total[rows] += _mix(view.words(depth, rows, big_endian=False) + _step(depth // 8))
    return _mix(total)


def _sum_of_words(key: bytes, first: int) -> np.uint64:
    """What the words of a key, of which the first has this number, add to its hash."""
    words = np.frombuffer(key + bytes(-len(key) % 8), "<u8").astype(np.uint64)
    steps = np.arange(first + 1, first + 1 + len(words), dtype=np.uint64) * _GOLDEN
    return np.uint64(_mix(words + steps).sum())


def _step(position: int) -> np.uint64:
    return np.uint64(int(_GOLDEN) * (position + 1) & int(_ONES))


def _mix(words: Words) -> Words:
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words


# --- words -------------------------------------------------------------------------------------


def _plain_word(column: pa.Array) -> Words:
    """The one word of each number or date, as it is hashed."""
    if pa.types.is_floating(column.type):
        floats: npt.NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        return (floats + 0.0).view(np.uint64)
    if pa.types.is_boolean(column.type):
        flags: npt.NDArray[np.bool_] = column.to_numpy(zero_copy_only=False)
        return flags.astype(np.uint64)
    if pa.types.is_date32(column.type):
        column = column.view(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    numbers: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers.astype(np.int64).view(np.uint64)


def sortable_word(column: pa.Array) -> Words:
    """The one word of each number or date, such that words compare as the values do."""
    words = _plain_word(column)
    if pa.types.is_floating(column.type):
        # Negative floats: all bits flipped. Others: only the sign, so that they come after.
        return words ^ np.where(words & _SIGN != 0, _ONES, _SIGN)
    return words ^ _SIGN


class BytesView:
    """The bytes of a column of strings or binaries, read 8 at a time.

    `size` is how long all values are, if they are equally long: these are read without looking at
    where each of them begins and ends.
    """

    def __init__(self, column: pa.Array) -> None:
        _, offsets, data = column.buffers()
        is_large = column.type in (pa.large_string(), pa.large_binary())
        kind = np.int64 if is_large else np.int32
        self._n = n = len(column)
        if offsets is None or n == 0:
            self._offsets: npt.NDArray[Any] = np.zeros(n + 1, np.int64)
        else:
            self._offsets = np.frombuffer(offsets, kind, n + 1, column.offset * kind().itemsize)
        self._data = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        self.start, self.end = int(self._offsets[0]), int(self._offsets[-1])  # of all values
        self.size = self._common_size()

    @cached_property
    def starts(self) -> Index:
        """Where each value starts."""
        return self._offsets[:-1].astype(np.int64, copy=False)

    @cached_property
    def ends(self) -> Index:
        """Where each value ends."""
        return self._offsets[1:].astype(np.int64, copy=False)

    @cached_property
    def lengths(self) -> Index:
        """How long each value is."""
        return self.ends - self.starts

    def lengths_of(self, rows: Index) -> Index:
        """How long the values of these rows are."""
        return self.lengths[rows] if self.size is None else np.full(len(rows), self.size)

    @property
    def shortest(self) -> int:
        """How long the shortest value is; 0 if there is none."""
        if self.size is not None:
            return self.size
        return int(self.lengths.min()) if self._n else 0

    @property
    def longest(self) -> int:
        """How long the longest value is; 0 if there is none."""
        return int(self.lengths.max(initial=0)) if self.size is None else self.size

    @property
    def may_end_in_zero(self) -> bool:
        """Whether a key may have a zero byte, which can't be told from the padding."""
        return bool(self._data[self.start : self.end].min(initial=1) == 0)

    def bytes_of(self, row: int) -> bytes:
        """All bytes of a row."""
        return self._data[self.starts[row] : self.ends[row]].tobytes()

    def words(self, depth: int, rows: Index | None = None, big_endian: bool = True) -> Words:
        """The 8 bytes from byte `depth` on, of all rows or of some, padded with zeros."""
        if self.size is not None and depth + 8 <= self.size:
            every = np.ndarray(
                (self._n,), _WORD[big_endian], self._data.data, self.start + depth, (self.size,)
            )
            return (every if rows is None else every[rows]).astype(np.uint64)
        starts = self.starts if rows is None else self.starts[rows]
        ends = self.ends if rows is None else self.ends[rows]
        positions = starts + depth
        words = self._gather(positions, big_endian)
        missing = positions + 8 - ends
        np.clip(missing, 0, 8, out=missing)
        shifts = missing.astype(np.uint64) << np.uint64(3)
        if big_endian:
            words >>= shifts
            words <<= shifts
        else:
            words <<= shifts
            words >>= shifts
        return words

    def _common_size(self) -> int | None:
        """The length of all values, if they have one."""
        if not self._n:
            return None
        size, rest = divmod(self.end - self.start, self._n)
        if rest:
            return None
        for first in range(0, self._n, _ROWS_AT_ONCE):
            some = self._offsets[first : first + _ROWS_AT_ONCE + 1]
            if (some[1:] - some[:-1] != size).any():
                return None
        return size

    def _gather(self, positions: Index, big_endian: bool) -> Words:
        """8 bytes from each position; those beyond the data are unspecified."""
        size = self._data.size
        if size < 8:
            padded = np.zeros(16, np.uint8)
            padded[:size] = self._data
            return self._load(padded, np.minimum(positions, 8), big_endian)
        last = size - 8
        words = self._load(self._data, np.minimum(positions, last), big_endian)
        beyond = np.flatnonzero(positions > last)
        if beyond.size:
            tail = np.zeros(16, np.uint8)
            tail[:8] = self._data[last:]
            at = np.minimum(positions[beyond] - last, 8)
            words[beyond] = self._load(tail, at, big_endian)
        return words

    @staticmethod
    def _load(data: npt.NDArray[np.uint8], positions: Index, big_endian: bool) -> Words:
        unaligned = np.ndarray((data.size - 7,), _WORD[big_endian], data.data, 0, (1,))
        return unaligned[positions].astype(np.uint64)
