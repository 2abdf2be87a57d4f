"""Taking rows out of a batch in another order."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns.bytes_view import LARGE_BYTE_TYPES, BytesView

_LARGEST_FIXED_BYTES = 2**31 - 1


class Taker:
    """Takes rows of one batch, some at a time.

    Arrow takes values of a fixed size at more than twice the speed of others, so those that happen
    to have all the same size are treated as such.
    """

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._schema = batch.schema
        self._columns = [_as_fixed(column) for column in batch.columns]
        self._offsets: dict[int, pa.Buffer] = {}  # of values of such a size

    def take(self, places: pa.Array) -> pa.RecordBatch:
        """The rows at these places."""
        taken = [column.take(places) for column in self._columns]
        columns = [
            self._as_variable(column, field.type) if column.type != field.type else column
            for column, field in zip(taken, self._schema, strict=True)
        ]
        return pa.record_batch(columns, schema=self._schema)

    def _as_variable(self, column: pa.Array, kind: pa.DataType) -> pa.Array:
        size = column.type.byte_width
        offsets = self._offsets.get(size)
        if offsets is None or offsets.size <= 8 * len(column):
            offsets = self._offsets[size] = _offsets(len(column), size)
        return as_variable(column, kind, offsets)


def as_variable(column: pa.Array, kind: pa.DataType, offsets: pa.Buffer | None = None) -> pa.Array:
    """Binaries of a fixed size, without nulls, as large binaries or strings of the same bytes.

    `offsets` may be those of at least as many values of that size.
    """
    n, size = len(column), column.type.byte_width
    places = _offsets(n, size) if offsets is None else offsets
    data = column.buffers()[1].slice(column.offset * size, n * size)
    return pa.Array.from_buffers(kind, n, [None, places.slice(0, 8 * (n + 1)), data], 0)


def _offsets(n: int, size: int) -> pa.Buffer:
    return pa.py_buffer(np.arange(n + 1, dtype=np.int64) * size)


def _as_fixed(column: pa.Array) -> pa.Array:
    """The column as binaries of a fixed size, if all of its values have the same."""
    if column.type not in LARGE_BYTE_TYPES or column.null_count:
        return column
    view = BytesView(column)
    if not view.size or view.size > _LARGEST_FIXED_BYTES:
        return column
    data = column.buffers()[2].slice(view.start, view.end - view.start)
    return pa.Array.from_buffers(pa.binary(view.size), len(column), [None, data], 0)
