"""Blocks of text as Arrow data: validated, counted and split into lines by vectorised code."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from zmr.columns.arrays import Flags, Index
from zmr.columns.strings import one_string, string_array
from zmr.formats.base import CountUp
from zmr.formats.line_blocks import decode

_LF, _CR, _SPACE = 10, 13, 32
_FIRST_NOT_ASCII = 0x80
_PIECE_BYTES = 1 << 16

allocate = pa.allocate_buffer  # a pool keeps the pages; fresh ones cost more than reading them


def valid_utf8(block: memoryview, count: CountUp) -> memoryview:
    """The block, with U+FFFD in place of what is not UTF-8, which is counted."""
    return block if _is_utf8(block) else memoryview(b"".join(_mended(block, count)))


def _is_utf8(block: memoryview) -> bool:
    try:
        one_string(block).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _mended(block: memoryview, count: CountUp) -> Iterator[bytes | memoryview]:
    """The block, which is not UTF-8, in pieces that are: what is wrong costs only its piece."""
    middle = len(block) // 2
    is_ascii = np.frombuffer(block[middle : middle + _PIECE_BYTES], np.uint8) < _FIRST_NOT_ASCII
    if len(block) <= _PIECE_BYTES or not is_ascii.any():
        yield decode(block, count).encode()
        return
    middle += int(is_ascii.argmax())  # no character goes across it, nor a damaged one
    for half in (block[:middle], block[middle:]):
        if _is_utf8(half):
            yield half
        else:
            yield from _mended(half, count)


def line_starts(block: memoryview) -> Index:
    """The offsets in a block of whole lines at which lines begin."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LF)
    starts = np.empty(len(ends) + 1, np.int64)
    starts[0] = 0
    np.add(ends, 1, out=starts[1:])
    return starts if starts[-1] < len(block) else starts[:-1]


def split_lines(block: memoryview) -> pa.Array:
    """The lines of a block of valid UTF-8, without the LF or CR LF that ends them."""
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _LF)
    has_cr = (data[ends - 1] == _CR) & (ends > 0)
    # Without the line ends, the text before the end of line i has lost i bytes, and a CR for each.
    offsets = np.empty(len(ends) + 1, np.int64)
    offsets[0] = 0
    np.subtract(ends, np.arange(len(ends)), out=offsets[1:])
    if has_cr.any():
        offsets[1:] -= np.cumsum(has_cr)
        text = b"".join(_without_line_ends(block, ends, has_cr))
    else:
        text = bytes(block).replace(b"\n", b"")
    if len(block) and block[-1] != _LF:
        offsets = np.append(offsets, len(text))
    return string_array(offsets, text)


def _without_line_ends(block: memoryview, ends: Index, has_cr: Flags) -> Iterator[bytes]:
    """The text of the block, piece after piece: a piece without CR LF is not searched for it."""
    start = first = 0
    while start < len(block):
        last = int(np.searchsorted(ends, start + _PIECE_BYTES))
        end = int(ends[last]) + 1 if last < len(ends) else len(block)
        piece = bytes(block[start:end])
        n_cr = np.count_nonzero(has_cr[first : last + 1])
        if n_cr:
            piece = piece.replace(b"\r\n", b"")
        if n_cr < len(ends[first : last + 1]):
            piece = piece.replace(b"\n", b"")
        yield piece
        start, first = end, last + 1


def split_byte_lines(block: memoryview) -> pa.Array:
    """The lines of a block of any bytes, without the LF that ends them."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _LF)
    text = bytes(block).replace(b"\n", b"")
    offsets = np.empty(len(ends) + 1, np.int64)
    offsets[0] = 0
    np.subtract(ends, np.arange(len(ends)), out=offsets[1:])
    if len(block) and block[-1] != _LF:
        offsets = np.append(offsets, len(text))
    kind = pa.large_binary()
    return pa.Array.from_buffers(
        kind, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(text)]
    )


def without_blank_lines(block: memoryview, starts: Index) -> Index:
    """Those of the starts whose lines hold more than spaces, tabs and carriage returns."""
    data = np.frombuffer(block, np.uint8)
    suspects = np.flatnonzero(data[starts] <= _SPACE)
    if not len(suspects):
        return starts
    ends = np.append(starts[1:], len(data))
    blank = [i for i in suspects if not bytes(block[starts[i] : ends[i]]).strip(b" \t\r\n")]
    return np.delete(starts, blank)


def one_batch(table: pa.Table) -> pa.RecordBatch:
    """The rows of a table that is known to be small."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
