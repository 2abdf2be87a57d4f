"""Columns of exact sums and means: lists of terms (`zmr.reducers.float_sums`), one for each key.

A sum's list holds its terms; a mean's holds first the count, and then the terms of the sum.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns.arrays import Index
from zmr.reducers.exact import ExactSum
from zmr.reducers.float_sums import Floats, term_sums
from zmr.reducers.kernels import GroupedColumn, int_sums, is_list

_MOST_EXACT = 2.0**53  # whole numbers up to here are floats


def is_float(grouped: GroupedColumn) -> bool:
    """Whether the values are floats, none of them null."""
    return grouped.is_plain(pa.float64())


def sums(grouped: GroupedColumn) -> pa.Array | None:
    """The terms of the sum of each group of floats."""
    terms = term_sums(_floats(grouped), grouped.starts)
    return None if terms is None else _lists_of(terms)


def counted_sums(grouped: GroupedColumn) -> pa.Array | None:
    """The count of each group of numbers and the terms of its sum."""
    terms = term_sums(_floats(grouped), grouped.starts) if is_float(grouped) else _of_ints(grouped)
    return None if terms is None else _lists_of(terms, grouped.sizes().astype(np.float64))


def merged_counted_sums(grouped: GroupedColumn) -> pa.Array | None:
    """The same for each group of lists that `counted_sums` made."""
    if not is_list(grouped.values):
        return None
    lists = grouped.in_order()
    first, numbers = _first_of_lists(lists)
    counts = np.add.reduceat(numbers[first], grouped.starts)
    # The counts are out of the way of the sums if they are zeros there.
    numbers = numbers.copy()
    numbers[first] = 0.0
    terms = term_sums(numbers, first[grouped.starts])
    return None if terms is None else _lists_of(terms, counts)


def rounded(lists: pa.Array) -> pa.Array:
    """The sums, each correctly rounded."""
    first, numbers = _first_of_lists(lists)
    if len(first) == len(numbers):
        return pa.array(numbers)
    return pa.array([ExactSum().add_partial(terms).rounded() for terms in lists.to_pylist()])


def means(lists: pa.Array) -> pa.Array:
    """The means, each correctly rounded."""
    first, numbers = _first_of_lists(lists)
    counts, sums = numbers[first], numbers[np.minimum(first + 1, len(numbers) - 1)]
    found = sums / counts  # of sums that are a single term, and counts that are exact
    sizes = np.diff(np.append(first, len(numbers)))
    for place in np.flatnonzero((sizes > 2) | (counts >= _MOST_EXACT)).tolist():
        count, *terms = lists[place].as_py()
        found[place] = ExactSum().add_partial(terms).over(int(count))
    return pa.array(found)


def _floats(grouped: GroupedColumn) -> Floats:
    floats: Floats = grouped.in_order().to_numpy()
    return floats


def _of_ints(grouped: GroupedColumn) -> list[Floats] | None:
    """The terms of the sum of each group of ints."""
    sums = int_sums(grouped)
    if sums is None or np.abs(sums).max(initial=0) >= 2**62:
        return None
    high = sums.astype(np.float64)
    low = (sums - high.astype(np.int64)).astype(np.float64)
    return [high, low] if low.any() else [high]


def _first_of_lists(lists: pa.Array) -> tuple[Index, Floats]:
    """Where in the numbers of all the lists each list begins, and these numbers."""
    offsets = lists.offsets.to_numpy()
    return offsets[:-1] - offsets[0], lists.flatten().to_numpy()


def _lists_of(terms: list[Floats], counts: Floats | None = None) -> pa.Array:
    """Lists of the terms that are not 0, but for the first, and of the counts before them."""
    columns = terms if counts is None else [counts, *terms]
    always = 1 if counts is None else 2
    table = np.stack(columns, axis=1)
    kept = table != 0
    kept[:, :always] = True
    offsets = np.zeros(len(table) + 1, np.int64)
    np.cumsum(np.count_nonzero(kept, axis=1), out=offsets[1:])
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(table[kept]))
