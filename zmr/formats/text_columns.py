"""Text and raw output of whole columns, without an object for each pair."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.formats.field_texts import BINARY, field_texts, joined, tuple_texts


def encode_columns(keys: pa.RecordBatch, values: pa.Array) -> pa.Buffer | None:
    """The lines, or None for columns that have to be looked at field by field."""
    if rows.is_opaque(keys.schema):
        return None
    columns = rows.key_columns(keys)
    is_tuple = rows.are_tuples(keys.schema)
    key_texts = tuple_texts(columns) if is_tuple else field_texts(columns[0])
    value_texts = field_texts(values) if key_texts is not None else None
    if value_texts is None:
        return None
    nothing, tab, line_end = (pa.scalar(text, BINARY) for text in (b"", b"\t", b"\n"))
    return _concat(joined(key_texts, joined(value_texts, nothing, line_end), tab))


def join_binary(keys: pa.RecordBatch, values: pa.Array, end: bytes) -> pa.Buffer | None:
    """Key, value and `end` of each row; None unless keys are binary, and values too or null."""
    columns = rows.key_columns(keys)
    if len(columns) != 1 or columns[0].type != BINARY or rows.is_opaque(keys.schema):
        return None
    if columns[0].null_count:
        return None
    parts = [columns[0]]
    if values.type == BINARY and not values.null_count:
        parts.append(values)
    elif values.type != pa.null():
        return None
    if end:
        parts.append(pa.repeat(pa.scalar(end, BINARY), len(values)))
    if len(parts) == 1:
        return _concat(parts[0])
    return _concat(joined(*parts, pa.scalar(b"", BINARY)))


def _concat(texts: pa.Array) -> pa.Buffer:
    """All texts, one after the other, which is how Arrow stores them: nothing is copied."""
    _, offsets, data = texts.buffers()
    if data is None or not len(texts):
        return pa.py_buffer(b"")
    bounds = np.frombuffer(offsets, np.int64)
    start, end = int(bounds[texts.offset]), int(bounds[texts.offset + len(texts)])
    return data.slice(start, end - start)
