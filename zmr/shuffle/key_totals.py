"""Totals of rows by their key, added up as they come: how many there are, or the sum of ints.

So the rows need not be kept until there are enough of them to be grouped, and each key is kept
once.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns import native, rows
from zmr.columns.arrays import Index, as_arrow
from zmr.reducers.combiner import Total

_INT_BYTES = 8


class KeyTotals:
    """Keeps the total of each key in a table, where there is a compiled one that takes the keys."""

    def __init__(self, total: Total) -> None:
        self._total = total
        self._table: native.KeyTable | None = None
        self._sums: Index = np.zeros(0, np.int64)  # by the number of the key
        self._schema: pa.Schema | None = None  # of the rows that are in it

    @property
    def size_bytes(self) -> int:
        """The memory that it takes."""
        if self._table is None:
            return 0
        return self._table.size_bytes + _INT_BYTES * len(self._sums)

    def add(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take these rows in. Returns those that it does not take: mostly none, or all."""
        if not self._takes(batch):
            return batch
        if self._table is None:
            self._table, self._schema = native.KeyTable(), batch.schema
        if self._total is Total.ROWS:
            self._table.add(batch.column(0))
            return batch.slice(0, 0)
        numbers = self._table.add_numbered(batch.column(0))
        if len(self._table) > len(self._sums):
            sums = np.zeros(2 * len(self._table), np.int64)
            sums[: len(self._sums)] = self._sums
            self._sums = sums
        n = native.add_to_sums(self._sums, numbers, batch.column(1).to_numpy())
        if n in (0, len(batch)):
            return batch.slice(n)
        return batch.take(as_arrow(np.arange(n, len(batch))))  # and not all of the batch with it

    def take(self) -> pa.RecordBatch | None:
        """Each key and its total, if there are any; none is left."""
        table, schema, sums = self._table, self._schema, self._sums
        self._table, self._schema, self._sums = None, None, np.zeros(0, np.int64)
        if table is None or schema is None:
            return None
        keys, counts = table.keys_and_counts(schema.field(0).type)
        batch = pa.record_batch([keys], pa.schema([schema.field(0)], schema.metadata))
        totals = counts if self._total is Total.ROWS else sums[: len(keys)]
        return rows.with_values(batch, as_arrow(totals))

    def _takes(self, batch: pa.RecordBatch) -> bool:
        if self._schema is not None and not batch.schema.equals(self._schema, check_metadata=True):
            return False
        if len(rows.key_columns(batch)) > 1 or not native.takes(batch.column(0)):
            return False
        has_values = rows.has_values(batch.schema)
        if self._total is Total.INTS:
            return (
                has_values and batch.column(1).type == pa.int64() and not batch.column(1).null_count
            )
        return self._total is Total.ROWS and not has_values
