"""Reductions of grouped columns, natively.

A group is a stretch of rows: of `values` in the `order` (None: as they are), from one of `starts`
to the next. A function returns None where its column is not of a kind that it can reduce exactly.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.data.keybits import Index


def sizes(starts: Index, n_rows: int) -> pa.Array:
    """The number of rows of each group."""
    return pa.array(np.diff(np.append(starts, n_rows)))


def int_sums(values: pa.Array | None, order: Index | None, starts: Index) -> pa.Array | None:
    """The sum of each group of ints, if no sum can leave 64 bits."""
    if values is None or values.type != pa.int64() or values.null_count:
        return None
    numbers = values.to_numpy()
    if not len(numbers):
        return pa.array([], pa.int64())
    largest = int(np.diff(np.append(starts, len(numbers))).max())
    if max(int(numbers.max()), -int(numbers.min())) * largest >= 2**63:
        return None
    if order is not None:
        numbers = numbers[order]
    return pa.array(np.add.reduceat(numbers, starts))
