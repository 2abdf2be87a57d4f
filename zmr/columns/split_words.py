r"""Splitting text into words, for `map_batch`.

A word is what `str.split()` makes one. Where there is no compiled library (`zmr.columns.native`),
numpy finds them. In UTF-8 all of the white space that is not ASCII has two or
three bytes and is rare, so it is made ASCII first; then the work is one comparison a byte. With the
white space taken out, the text is the data of an Arrow array, and white space number j, at byte b,
is an offset in it: b - j. An offset that comes twice is an empty word and is dropped.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zmr.columns import native
from zmr.columns.arrays import Index
from zmr.columns.strings import one_string, string_array

_SPACE = b"\t\n\v\f\r\x1c\x1d\x1e\x1f "
_IS_SPACE = np.isin(np.arange(256), list(_SPACE))
_WIDE_SPACE = "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000", map(chr, range(0x2000, 0x200B))
# By its bytes as a number: the first two or, if there are so many, three.
_LOWEST = 0xC28000
_IS_WIDE_SPACE = np.zeros(0xE3C000 - _LOWEST, np.bool_)
for _char in chain(*_WIDE_SPACE):
    _IS_WIDE_SPACE[int.from_bytes(_char.encode().ljust(3, b"\0"), "big") - _LOWEST] = True
_PIECE_BYTES = 1 << 17  # what is made of one stays in the processor's cache
_COUNTING = np.arange(_PIECE_BYTES)


def split_words(text: Any) -> Any:
    """The words of the text: what `str.split()` gives for each of its strings, one after another.

    `text` is an Arrow array, chunked array or scalar of strings, a str, or bytes-like UTF-8. The
    result is an Arrow array of type `string`, beyond 2 GiB of words of type `large_string`. Nulls
    have no words. Raises ValueError for bytes that are not UTF-8, TypeError for what is no text.
    """
    strings = _strings(text)
    found = native.split_words(strings)
    if found is not None:
        return string_array(*found)
    data = _spaced(_joined(strings))
    return string_array(_offsets(data), data.translate(None, _SPACE))


def _strings(text: Any) -> pa.Array:
    """The strings that there are, of type `large_string`."""
    if isinstance(text, str):
        return one_string(text.encode()).cast(pa.large_string())
    if isinstance(text, pa.Scalar):
        text = pa.array([text], text.type)
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    if isinstance(text, pa.Array):
        if not _is_string(text.type):
            raise TypeError(f"split_words takes strings, not {text.type}")
        return text.drop_null().cast(pa.large_string())
    strings = one_string(pa.py_buffer(text))
    strings.validate(full=True)
    return strings.cast(pa.large_string())


def _joined(strings: pa.Array) -> bytes:
    """The strings as one, with white space between them."""
    n = len(strings)
    if n <= 1:
        return strings[0].as_buffer().to_pybytes() if n else b""
    lists = pa.ListArray.from_arrays(pa.array([0, n], pa.int32()), strings)
    separator = pa.scalar("\n", strings.type)
    joined: bytes = pc.call_function("binary_join", [lists, separator])[0].as_buffer().to_pybytes()
    return joined


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _spaced(data: bytes) -> bytes:
    """UTF-8 with spaces in place of the white space that is not ASCII."""
    if data.isascii():
        return data
    wide = _wide_space(data)
    if not len(wide):
        return data
    spaced = np.frombuffer(data, np.uint8).copy()
    of_three_bytes = wide[spaced[wide] != 0xC2]
    for positions in (wide, wide + 1, of_three_bytes + 2):
        spaced[positions] = ord(" ")
    return spaced.tobytes()


def _wide_space(data: bytes) -> Index:
    """Where in UTF-8 each white space begins that is not ASCII."""
    array = np.frombuffer(data + bytes(2), np.uint8)
    found = []
    for start in range(0, len(data), _PIECE_BYTES):
        piece = array[start : min(start + _PIECE_BYTES, len(data))]
        leads = np.flatnonzero((piece == 0xC2) | ((piece >= 0xE1) & (piece <= 0xE3))) + start
        if len(leads):
            first, second, third = (array[leads + i].astype(np.int32) for i in range(3))
            third[first == 0xC2] = 0
            number = (first << 16) + (second << 8) + third
            found.append(leads[_IS_WIDE_SPACE[number - _LOWEST]])
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _offsets(data: bytes) -> Index:
    """The offsets of the words in the text without its white space."""
    array = np.frombuffer(data, np.uint8)
    found = [np.zeros(1, np.int64)]
    n_space = last = 0
    for start in range(0, len(data), _PIECE_BYTES):
        piece = array[start : start + _PIECE_BYTES]
        # Of the characters up to the space, those below 9 and from 14 to 27 are no white space. To
        # look every byte up in a table takes longer, so only pieces that have some do that.
        is_other = (piece < 9) | (piece - 14 < 14)
        cuts = np.flatnonzero(_IS_SPACE[piece] if is_other.any() else piece <= ord(" "))
        n = len(cuts)
        if not n:
            continue
        cuts -= _COUNTING[:n]
        cuts += start - n_space
        n_space += n
        is_new = np.empty(n, np.bool_)
        is_new[0] = cuts[0] != last
        np.not_equal(cuts[1:], cuts[:-1], out=is_new[1:])
        last = int(cuts[-1])
        found.append(cuts[is_new])
    if len(data) - n_space > last:
        found.append(np.array([len(data) - n_space]))
    return np.concatenate(found)
