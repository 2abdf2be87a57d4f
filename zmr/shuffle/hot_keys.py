"""Grouping rows of which a few keys are very frequent, as words in a text are.

A table of the most frequent keys stays in the processor's cache: to look a row up in it takes a
fraction of what sorting the row does. So only the rest is sorted.

Of strings it is what is done where there is no compiled library: with it, all of them are found in
a table (`zmr.columns.groups.grouped_by_table`).

This is for one kind of work, and to be deleted when `python -m benchmarks --only wordcount-batch
--engines zmr` takes no more processor time with `_LEAST_SHARE = 1.0`, with which no key is ever hot
(a tenth more).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zmr.columns import rows
from zmr.columns.arrays import Index, as_arrow
from zmr.columns.bytes_view import LARGE_BYTE_TYPES
from zmr.columns.groups import Groups, group

# So many hot keys at most: more rows would be found, but each of them later.
_MOST = 4096

# When hot keys stand for a smaller part of the rows than this, all of them are sorted.
_LEAST_SHARE = 0.3

# Not floats: 0.0 and -0.0 are one key, but two to the table.
_TABLE_TYPES = (*LARGE_BYTE_TYPES, pa.int64(), pa.date32(), pa.timestamp("us"))


class HotKeys:
    """Groups batches, and learns from each which keys are hot in the next."""

    def __init__(self) -> None:
        self._keys: pa.Array | None = None  # in order
        self.has_learned = False

    def grouped(self, batch: pa.RecordBatch) -> Iterator[Groups]:
        """All rows of the batch in groups, which are sorted, and sorted anew from the next on.

        No key is in two of them.
        """
        if self._keys is None or batch.schema.field(0).type != self._keys.type:
            groups = group(batch)
            self._learn(groups)
            yield groups
            return
        hot, cold = self._looked_up(batch)
        if len(hot):
            yield hot
        if len(cold):
            yield group(batch.take(as_arrow(cold)))
        if len(cold) > (1 - _LEAST_SHARE) * len(batch):
            self._keys = None

    def _learn(self, groups: Groups) -> None:
        self.has_learned = True
        names = rows.key_names(groups.batch.schema)
        if len(names) > 1 or groups.batch.schema.field(0).type not in _TABLE_TYPES:
            return
        sizes = groups.values().sizes()
        places = np.arange(len(sizes))
        if len(sizes) > _MOST:
            places = np.sort(np.argpartition(sizes, -_MOST)[-_MOST:])
        if sizes[places].sum() > _LEAST_SHARE * groups.n_rows:
            self._keys = groups.keys().column(0).take(as_arrow(places))

    def _looked_up(self, batch: pa.RecordBatch) -> tuple[Groups, Index]:
        """The rows with hot keys, and where the others are."""
        options = pc.SetLookupOptions(value_set=self._keys)
        found = pc.call_function("index_in", [batch.column(0)], options).fill_null(_MOST)
        # Narrow numbers are sorted by their digits, several times as fast.
        numbers = found.to_numpy().astype(np.uint16)
        order = np.argsort(numbers, kind="stable")
        sizes = np.bincount(numbers, minlength=_MOST + 1)
        n_hot = len(numbers) - int(sizes[_MOST])
        starts = (np.cumsum(sizes) - sizes)[:_MOST][sizes[:_MOST] > 0]
        return Groups(batch, order[:n_hot], starts), order[n_hot:]
