"""The hash of whole columns of keys: for each key the one that `zmr.partitioners` defines.

All keys are hashed word by word at once: `zmr.partitioners.hash_key` is the same for a single key.
Own code, as a key's partition must be the same in every version of zmr and of its libraries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from zmr.columns.arrays import Words
from zmr.columns.bytes_view import BYTE_TYPES, BytesView, is_quicker_one_by_one, plain_words

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


def hash_rows(columns: Sequence[pa.Array], are_tuples: bool) -> Words:
    """The hash of each key, of which `columns` has a column for each element, without nulls."""
    if not are_tuples:
        return _hash_column(columns[0])
    total = np.full(len(columns[0]), 8 * len(columns), np.uint64)
    for position, column in enumerate(columns):
        total += _mix(_hash_column(column) + _step(position))
    return _mix(total)


def _hash_column(column: pa.Array) -> Words:
    if column.type not in BYTE_TYPES:
        return _mix(np.uint64(8) + _mix(plain_words(column) + _step(0)))
    view = BytesView(column)
    total = view.lengths.astype(np.uint64)
    longest = view.longest
    if longest:
        # Empty keys have no word at all; to the others the first word is common.
        mixed = _mix(view.words(0, big_endian=False) + _step(0))
        total += np.where(view.lengths > 0, mixed, np.uint64(0))
    for depth in range(8, longest, 8):
        rows = np.flatnonzero(view.lengths > depth)
        if is_quicker_one_by_one(len(rows), longest - depth):
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
