"""Columns as 64-bit words: what sorting, grouping and hashing of keys work on.

A number or a date is one word. A string or binary is as many as it takes: `BytesView` reads 8 bytes
of all values at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.arrays import Bytes, Flags, Floats, Index, Words

# Strings and binaries: of the columns between map and reduce, and also of those from elsewhere.
LARGE_BYTE_TYPES = (pa.large_string(), pa.large_binary())
BYTE_TYPES = (*LARGE_BYTE_TYPES, pa.string(), pa.binary())

# The types of the columns between map and reduce of which each value is one word.
WORD_TYPES = (pa.int64(), pa.float64(), pa.bool_(), pa.date32(), pa.timestamp("us"))

_ROWS_AT_ONCE = 1 << 14  # of a look at all of them that need not leave the cache
_WORDS_AT_ONCE = 1 << 14
_WORD = (np.dtype("<u8"), np.dtype(">u8"))  # by whether it is big-endian


def plain_words(column: pa.Array) -> Words:
    """The one word of each number, boolean or date: equal for equal values."""
    if pa.types.is_floating(column.type):
        floats: Floats = column.to_numpy(zero_copy_only=False)
        return (floats + 0.0).view(np.uint64)
    if pa.types.is_boolean(column.type):
        flags: Flags = column.to_numpy(zero_copy_only=False)
        return flags.astype(np.uint64)
    if pa.types.is_date32(column.type):
        column = column.view(pa.int32())
    elif pa.types.is_timestamp(column.type):
        column = column.view(pa.int64())
    numbers: npt.NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return numbers.astype(np.int64).view(np.uint64)


class FlatWords(NamedTuple):
    """Words of some rows, one row's after the other's.

    Those of `rows[i]` begin at `starts[i]`. `numbers` says the how manieth of its row each word is.
    """

    rows: Index
    starts: Index
    words: Words
    numbers: Index


class BytesView:
    """The bytes of a column of strings or binaries, read 8 at a time.

    `size` is how long all values are, if they are equally long: these are read without looking at
    where each of them begins and ends.
    """

    def __init__(self, column: pa.Array) -> None:
        _, offsets, data = column.buffers()
        kind = np.int64 if column.type in LARGE_BYTE_TYPES else np.int32
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
        """Whether a key may have a zero byte, which can't be distinguished from the padding."""
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

    def later_words(self, rows: Index) -> Iterator[FlatWords]:
        """All words but the first of these rows, in pieces that stay in the processor's cache.

        They are little-endian, and padded with zeros. All rows must have several.
        """
        rest_bytes = self.lengths_of(rows) - 8
        n_words = (rest_bytes + 7) >> 3
        ends = np.cumsum(n_words)
        starts = ends - n_words
        # Of word number w of all: where it is, less 8 w; and its number in its row, less w.
        place = self.starts[rows] + 8 - (starts << 3)
        number = 1 - starts
        padding_bits = (-rest_bytes & 7).astype(np.uint64) << np.uint64(3)  # in the last word
        for first in range(0, int(ends[-1]) if len(ends) else 0, _WORDS_AT_ONCE):
            end = min(first + _WORDS_AT_ONCE, int(ends[-1]))
            some = slice(
                np.searchsorted(ends, first, side="right"),
                np.searchsorted(starts, end, side="left"),
            )
            begins = np.maximum(starts[some], first) - first
            stops = np.minimum(ends[some], end) - first
            sizes = stops - begins
            counting = np.arange(first, end)
            words = self._gather(np.repeat(place[some], sizes) + (counting << 3), big_endian=False)
            is_last = ends[some] <= end
            last, padding = stops[is_last] - 1, padding_bits[some][is_last]
            words[last] = (words[last] << padding) >> padding
            yield FlatWords(rows[some], begins, words, np.repeat(number[some], sizes) + counting)

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
    def _load(data: Bytes, positions: Index, big_endian: bool) -> Words:
        unaligned = np.ndarray((data.size - 7,), _WORD[big_endian], data.data, 0, (1,))
        return unaligned[positions].astype(np.uint64)
