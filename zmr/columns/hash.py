"""The hash of whole columns of keys: for each key the one that `zmr.partitioners` defines.

All keys are hashed at once: `zmr.partitioners.hash_key` is the same for a single key. The words of
keys after their first are laid flat, one key's after the other's, and summed up key by key: so the
time is that of all words, however long the longest key is.

Own code, as a key's partition must be the same in every version of zmr and of its libraries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from zmr.columns import native
from zmr.columns.arrays import Words, as_arrow
from zmr.columns.bytes_view import BYTE_TYPES, BytesView, plain_words
from zmr.columns.mixed import comparable, has_value, is_mixed, none_rows, odd_keys

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_NONE = b"\xff"  # the form of None
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


def hash_rows(columns: Sequence[pa.Array], are_tuples: bool) -> Words:
    """The hash of each key, of which `columns` has a column for each element."""
    if not are_tuples:
        return _hash_column(columns[0])
    total = np.full(len(columns[0]), 8 * len(columns), np.uint64)
    for position, column in enumerate(columns):
        total += _mix(_hash_column(column) + _step(position))
    return _mix(total)


def _hash_column(column: pa.Array) -> Words:
    nones = none_rows(column)
    if len(nones):
        hashes = np.full(len(column), _hash_column(pa.array([_NONE], pa.large_binary()))[0])
        if len(nones) < len(column):
            others = np.delete(np.arange(len(column)), nones)
            hashes[others] = _hash_column(column.take(as_arrow(others)))
        return hashes
    if is_mixed(column.type):
        return _hash_mixed(column)
    if column.type not in BYTE_TYPES:
        return _mix(np.uint64(8) + _mix(plain_words(column) + _step(0)))
    if native.takes(column):
        return native.hash_column(column)
    view = BytesView(column)
    total = view.lengths.astype(np.uint64)
    if view.longest:
        # Empty keys have no word at all; to the others the first word is common.
        mixed = _mix(view.words(0, big_endian=False) + _step(0))
        total += np.where(view.lengths > 0, mixed, np.uint64(0))
    longer = np.flatnonzero(view.lengths > 8)
    for laid_flat in view.later_words(longer):
        steps = (laid_flat.numbers + 1).view(np.uint64) * _GOLDEN
        sums = np.add.reduceat(_mix(laid_flat.words + steps), laid_flat.starts)
        total[laid_flat.rows] += sums
    return _mix(total)


def _hash_mixed(column: pa.Array) -> Words:
    plain, odd, keys = odd_keys(column)
    hashes = np.zeros(len(column), np.uint64)
    if plain is not None:
        rows = has_value(plain)
        hashes[rows] = _hash_column(plain.take(as_arrow(rows)))
    if keys:
        others = comparable(keys)
        if others is None:
            others = pa.array(list(map(_bytes_of_int, keys)), pa.large_binary())
        hashes[odd] = _hash_column(others)
    return hashes


def _bytes_of_int(key: int) -> bytes:
    """The words of an int beyond 64 bits."""
    n_words = (key if key >= 0 else ~key).bit_length() // 64 + 1
    return key.to_bytes(8 * n_words, "little", signed=True)


def _step(position: int) -> np.uint64:
    return np.uint64(int(_GOLDEN) * (position + 1) & int(_ONES))


def _mix(words: Words) -> Words:
    words = words ^ (words >> np.uint64(30))
    words *= np.uint64(0xBF58476D1CE4E5B9)
    words ^= words >> np.uint64(27)
    words *= np.uint64(0x94D049BB133111EB)
    words ^= words >> np.uint64(31)
    return words
