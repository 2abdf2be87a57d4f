"""Blocks of text as Arrow data: validated, counted and split into lines by vectorised code."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns.arrays import Index
from zmr.columns.strings import one_string, string_array
from zmr.formats.base import CountUp
from zmr.formats.line_blocks import decode

_LF, _CR, _SPACE = 10, 13, 32

allocate = pa.allocate_buffer  # a pool keeps the pages; fresh ones cost more than reading them


def valid_utf8(block: memoryview, count: CountUp) -> memoryview:
    """The block, with U+FFFD in place of what is not UTF-8, which is counted."""
    try:
        one_string(block).validate(full=True)
    except pa.ArrowInvalid:
        return memoryview(decode(block, count).encode())
    return block


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
    text = bytes(block)
    if (data == _CR).any():
        text = text.replace(b"\r\n", b"\n")
        data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == _LF)
    # Without the line ends, the text before the end of line i has lost i bytes.
    offsets = np.empty(len(ends) + 1, np.int64)
    offsets[0] = 0
    np.subtract(ends, np.arange(len(ends)), out=offsets[1:])
    n_text = len(text) - len(ends)
    if not text.endswith(b"\n"):
        offsets = np.append(offsets, n_text)
    return string_array(offsets, text.replace(b"\n", b""))


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
