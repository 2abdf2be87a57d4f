"""Text output of whole columns: the lines of `zmr.formats.text`, without an object for each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zmr.columns import rows
from zmr.columns.bytes_view import BytesView

# Bytes that plain text must not contain: what breaks a line, and how its pictures begin.
_MARKS = (b"\t", b"\n", b"\r", b"\xe2\x90")
_TEXTS = (pa.string(), pa.large_string())


def encode_columns(keys: pa.RecordBatch, values: pa.Array) -> pa.Buffer | None:
    """The lines, or None for columns that have to be looked at field by field."""
    columns = rows.key_columns(keys)
    if len(columns) != 1 or rows.is_opaque(keys.schema):
        return None
    key_texts, value_texts = _plain_text(columns[0]), _plain_text(values)
    if key_texts is None or value_texts is None:
        return None
    nothing, tab, line_end = (pa.scalar(text, pa.large_string()) for text in ("", "\t", "\n"))
    ended = _join(value_texts, nothing, line_end)
    lines = _join(key_texts, ended, tab)
    return _concat(lines)


def join_binary(keys: pa.RecordBatch, values: pa.Array, end: bytes) -> pa.Buffer | None:
    """Key, value and `end` of each row; None unless keys are binary, and values too or null."""
    columns = rows.key_columns(keys)
    if len(columns) != 1 or columns[0].type != pa.large_binary() or rows.is_opaque(keys.schema):
        return None
    parts = [columns[0]]
    if values.type == pa.large_binary() and not values.null_count:
        parts.append(values)
    elif values.type != pa.null():
        return None
    if end:
        parts.append(pa.repeat(pa.scalar(end, pa.large_binary()), len(values)))
    if len(parts) == 1:
        return _concat(parts[0])
    return _concat(_join(*parts, pa.scalar(b"", pa.large_binary())))


def _join(*columns: pa.Array | pa.Scalar) -> pa.Array:
    """The columns as one, row by row; what is last stands between them."""
    return pc.call_function("binary_join_element_wise", list(columns))


def _concat(texts: pa.Array) -> pa.Buffer:
    """All texts, one after the other, which is how Arrow stores them: nothing is copied."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return pa.py_buffer(b"")
    bounds = np.frombuffer(offsets, np.int64)
    start, end = int(bounds[texts.offset]), int(bounds[texts.offset + len(texts)])
    return data.slice(start, end - start)


def _plain_text(column: pa.Array) -> pa.Array | None:
    """The column as texts, if none of them needs escaping."""
    if column.null_count:
        return None
    if column.type == pa.int64():
        return column.cast(pa.large_string())
    if column.type not in _TEXTS:
        return None
    view = BytesView(column)
    data = column.buffers()[2]
    if data is not None and len(column):
        text = data.slice(int(view.starts[0]), int(view.ends[-1] - view.starts[0])).to_pybytes()
        if any(mark in text for mark in _MARKS):
            return None
    return column.cast(pa.large_string())
