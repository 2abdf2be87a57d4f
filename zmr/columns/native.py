"""Kernels in C, where they were compiled: splitting text into words; counting, hashing and ordering
keys.

`hatch_build.py` compiles `native.c` when zmr is installed and there is a C compiler. All that is
here has a form in numpy that gives the same, which callers take where `is_there()` says no.

Own code, as what libraries have for it was slower than the forms in numpy, or needed a compiler at
run time.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.arrays import Bytes, Flags, Index, Words
from zmr.columns.bytes_view import LARGE_BYTE_TYPES

_POINTER, _INT = ctypes.c_void_p, ctypes.c_int64
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "zmr_split_words": (_INT, [_POINTER, _POINTER, _INT, _POINTER, _POINTER]),
    "zmr_table_new": (_POINTER, [ctypes.c_uint64]),
    "zmr_table_free": (None, [_POINTER]),
    "zmr_table_add": (ctypes.c_int, [_POINTER, _POINTER, _POINTER, _INT, _POINTER]),
    "zmr_table_n": (_INT, [_POINTER]),
    "zmr_table_bytes": (_INT, [_POINTER]),
    "zmr_table_memory": (_INT, [_POINTER]),
    "zmr_table_take": (None, [_POINTER] * 4),
    "zmr_sum": (_INT, [_POINTER, _POINTER, _INT, _POINTER]),
    "zmr_order": (None, [_POINTER, _INT, _POINTER, _POINTER]),
    "zmr_hash": (None, [_POINTER, _POINTER, _INT, _POINTER]),
    "zmr_sort": (ctypes.c_int, [_POINTER, _POINTER, _INT, _POINTER, _POINTER]),
}

# Of a table a key's size has 32 bits; of split words an offset 31.
_MOST_TABLE_BYTES = 2**32 - 1
_MOST_TEXT_BYTES = 2**31 - 1


@cache
def _library() -> ctypes.CDLL | None:
    return load(Path(__file__).parent)


def load(folder: Path) -> ctypes.CDLL | None:
    """The library in this folder; None if there is none of the `native.c` beside it."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(os.fspath(folder / "libnative.so"))
        library.zmr_source.restype = ctypes.c_uint32
        # In a checkout, the source may have changed since.
        if library.zmr_source() != zlib.crc32((folder / "native.c").read_bytes()):
            return None
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        return library
    return None


def is_there() -> bool:
    """Whether the library was compiled, of `native.c` as it is."""
    return _library() is not None


def split_words(strings: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes] | None:
    """The words of valid UTF-8: their offsets, and their bytes one word after the other.

    `strings` are of type `large_string`, and none is null. The result is None where there is no
    library, or 2 GiB of text.
    """
    library = _library()
    _, edges, text = strings.buffers()
    n = len(strings)
    if library is None or not n or text is None:
        return None
    offsets = np.frombuffer(edges, np.int64, n + 1, 8 * strings.offset)
    size_bytes = int(offsets[-1] - offsets[0])
    if size_bytes > _MOST_TEXT_BYTES:
        return None
    words = np.empty(size_bytes, np.uint8)
    ends = np.empty(size_bytes // 2 + n + 1, np.int32)
    ends[0] = 0
    n_words = library.zmr_split_words(
        text.address, offsets.ctypes.data, n, words.ctypes.data, ends[1:].ctypes.data
    )
    ends = ends[: n_words + 1].copy()  # there has been room for twice as much as the text
    return ends, words[: ends[-1]]


def takes(column: pa.Array) -> bool:
    """Whether a `KeyTable`, `hash_column` and `sort_column` can take this column."""
    if not is_there() or column.type not in LARGE_BYTE_TYPES or column.null_count:
        return False
    return bool(column.nbytes <= _MOST_TABLE_BYTES)


class KeyTable:
    """Counts keys and numbers them, in the order in which each comes first.

    It is an open table with linear probing. Keys of up to 16 bytes are compared in it, longer ones
    by a hash and then by all of their bytes. The hash has a seed of its own in each table: whoever
    makes the keys can't choose such that collide. All keys must be of one type.
    """

    def __init__(self) -> None:
        library = _library()
        assert library is not None
        self._library = library
        self._table = library.zmr_table_new(secrets.randbits(64))
        if not self._table:
            raise MemoryError("a table of keys")

    def __del__(self) -> None:
        if table := getattr(self, "_table", None):
            self._library.zmr_table_free(table)

    def __len__(self) -> int:
        return int(self._library.zmr_table_n(self._table))

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return int(self._library.zmr_table_memory(self._table))

    def add(self, column: pa.Array) -> None:
        """Count these keys. Raises MemoryError, after which the table is of no more use."""
        self._add(column, None)

    def add_numbered(self, column: pa.Array) -> npt.NDArray[np.uint32]:
        """Count these keys: the number of each one. Raises MemoryError likewise."""
        numbers = np.empty(len(column), np.uint32)
        self._add(column, numbers.ctypes.data)
        return numbers

    def keys_and_counts(self, kind: pa.DataType) -> tuple[pa.Array, Index]:
        """The keys, as a column of this type, and how often each was there."""
        n = len(self)
        offsets, counts = np.empty(n + 1, np.int64), np.empty(n, np.int64)
        data = np.empty(self._library.zmr_table_bytes(self._table), np.uint8)
        self._library.zmr_table_take(
            self._table, offsets.ctypes.data, data.ctypes.data, counts.ctypes.data
        )
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return pa.Array.from_buffers(kind, n, buffers), counts

    def _add(self, column: pa.Array, numbers: int | None) -> None:
        if not len(column):
            return
        if self._library.zmr_table_add(self._table, *_bytes_of(column), numbers):
            raise MemoryError(f"a table of {len(self)} keys")


def hash_column(column: pa.Array) -> Words:
    """The hash of each key, by the definition in `zmr.columns.hash`."""
    library = _library()
    assert library is not None
    hashes = np.empty(len(column), np.uint64)
    if len(column):
        library.zmr_hash(*_bytes_of(column), hashes.ctypes.data)
    return hashes


def sort_column(column: pa.Array) -> tuple[Index, Flags]:
    """A stable order of the keys, and whether each, in it, is not the one before.

    By the bytes: 8 of them are a number, and these are ordered by their digits; those that tie by
    the next 8, few of them by comparing all of their bytes. Raises MemoryError.
    """
    library = _library()
    assert library is not None
    order, is_start = np.empty(len(column), np.int64), np.empty(len(column), np.bool_)
    if len(column) and library.zmr_sort(
        *_bytes_of(column), order.ctypes.data, is_start.ctypes.data
    ):
        raise MemoryError(f"an order of {len(column)} keys")
    return order, is_start


def _bytes_of(column: pa.Array) -> tuple[int, int, int]:
    """Where a column that is not empty has its bytes and its offsets, and how many keys it has."""
    _, offsets, data = column.buffers()
    start = data.address if data is not None else offsets.address  # of empty keys alone
    return start, offsets.address + 8 * column.offset, len(column)


def add_to_sums(sums: Index, numbers: npt.NDArray[np.uint32], values: Index) -> int:
    """Add each value to the sum of its key's number, up to one that outgrows 64 bits.

    Returns how many values were added, from the first on.
    """
    library = _library()
    assert library is not None
    values = np.ascontiguousarray(values)
    n: int = library.zmr_sum(
        numbers.ctypes.data, values.ctypes.data, len(numbers), sums.ctypes.data
    )
    return n


def order_of(numbers: npt.NDArray[np.uint32], counts: Index) -> tuple[Index, Index]:
    """The rows by the number of their key, in their order; and where each number's begin.

    `counts` has how many rows there are of each number.
    """
    library = _library()
    assert library is not None
    starts = np.cumsum(counts) - counts
    ends = starts.copy()  # of each number, as its rows are placed
    order = np.empty(len(numbers), np.int64)
    library.zmr_order(numbers.ctypes.data, len(numbers), ends.ctypes.data, order.ctypes.data)
    return order, starts
