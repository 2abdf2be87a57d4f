"""Rows without values, counted by their key as they come: for `Count`, which looks at no value.

So the rows need not be kept until there are enough of them to be grouped, and each key is kept
once.
"""

from __future__ import annotations

import pyarrow as pa

from zmr.columns import native, rows


class KeyCounts:
    """Counts keys in a table, where there is a compiled one that takes them."""

    def __init__(self) -> None:
        self._table: native.KeyTable | None = None
        self._schema: pa.Schema | None = None  # of the keys that are in the table

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        return self._table.size_bytes if self._table is not None else 0

    def takes(self, batch: pa.RecordBatch) -> bool:
        """Whether these rows can be counted beside those that are."""
        if rows.has_values(batch.schema) or batch.num_columns > 1:
            return False
        is_same = self._table is None or batch.schema.equals(self._schema, check_metadata=True)
        return is_same and native.takes(batch.column(0))

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the keys of these rows, which it takes."""
        if self._table is None:
            self._table, self._schema = native.KeyTable(), batch.schema
        self._table.add(batch.column(0))

    def take(self) -> pa.RecordBatch | None:
        """Each key and its count, if there are any; none is left."""
        table, schema, self._table = self._table, self._schema, None
        if table is None or schema is None:
            return None
        keys, counts = table.keys_and_counts(schema.field(0).type)
        return rows.with_values(pa.record_batch([keys], schema=schema), pa.array(counts))
