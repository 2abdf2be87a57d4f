"""Exact sums and means of columns of floats.

The exact sum of some floats is seldom a float, but it is always the sum of a few: its *terms*.
They are found by splitting. A power of two far above all of the values, added and taken off again,
leaves the high part of each value: a multiple of one unit, and the sum of all high parts of a group
is less than 2**53 such units. So that sum is exact, and a term. What is left of the values is exact
too, and smaller by many bits; after a few rounds nothing is left.

This is the error-free vector transformation of S. M. Rump, T. Ogita and S. Oishi, "Accurate
Floating-Point Summation" (2008), for many sums at once.

Columns of sums and means are lists, one for each key: a sum's list holds its terms, a mean's first
the count, and then the terms of the sum.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from zmr.columns.arrays import Floats, Index, as_arrow
from zmr.columns.groups import GroupedColumn
from zmr.reducers.exact import ExactSum
from zmr.reducers.kernels import int_sums, is_list

_MOST_EXACT = 2.0**53  # whole numbers up to here are floats

# Values further apart than this are left to Python.
_MOST_ROUNDS = 12
_LARGEST_EXPONENT = 1020


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
        return as_arrow(numbers)
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
    return as_arrow(found)


def _floats(grouped: GroupedColumn) -> Floats:
    floats: Floats = grouped.in_order().to_numpy()
    return floats


def _of_ints(grouped: GroupedColumn) -> list[Floats] | None:
    """The terms of the sum of each group of ints."""
    found = int_sums(grouped)
    if found is None:
        return None
    sums, beyond = found
    is_large = (sums >= 2**62) | (sums <= -(2**62))
    large = {place: int(sums[place]) for place in np.flatnonzero(is_large).tolist()} | beyond
    sums = np.where(is_large, 0, sums)
    high = sums.astype(np.float64)
    low = (sums - high.astype(np.int64)).astype(np.float64)
    for place, total in large.items():
        high[place] = float(total)
        low[place] = float(total - int(high[place]))
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
    return pa.LargeListArray.from_arrays(as_arrow(offsets), as_arrow(table[kept]))


# --- the terms of sums -------------------------------------------------------------------------


def term_sums(values: Floats, starts: Index) -> list[Floats] | None:
    """For each group the terms of its sum: one array for the first terms, one for the second, ...

    The terms of a group add up to exactly the sum of its values; where that is NaN or infinite, it
    is the first term, and the others are 0. None if the values are too far apart, or too large.
    """
    if not len(values):
        return [np.zeros(0)]
    finite = np.isfinite(values)
    special = None
    if not finite.all():
        with np.errstate(invalid="ignore"):
            special = np.add.reduceat(np.where(finite, 0.0, values), starts)
        values = np.where(finite, values, 0.0)
    terms = _split_off_terms(values, starts)
    if terms is None:
        return None
    terms = [term for term in _without_overlap(terms) if term.any()] or [np.zeros(len(starts))]
    if special is not None:
        is_special = special != 0  # NaN and infinities are what is not 0
        for place, term in enumerate(terms):
            terms[place] = np.where(is_special, special if place == 0 else 0.0, term)
    return terms


def _split_off_terms(values: Floats, starts: Index) -> list[Floats] | None:
    most = int(np.diff(np.append(starts, len(values))).max())
    headroom = most.bit_length() + 1
    terms: list[Floats] = []
    while (largest := float(np.abs(values).max())) > 0:
        exponent = int(np.frexp(largest)[1]) + headroom
        if len(terms) == _MOST_ROUNDS or exponent > _LARGEST_EXPONENT:
            return None
        far_above = np.ldexp(1.5, exponent)
        high = (values + far_above) - far_above
        terms.append(np.add.reduceat(high, starts))
        values = values - high
    return terms


def _without_overlap(terms: list[Floats]) -> list[Floats]:
    """Terms with the same sums, as few as can be, the largest first."""
    for _ in range(len(terms)):
        for place in range(len(terms) - 1, 0, -1):
            large, small = terms[place - 1], terms[place]
            total = large + small
            part = total - large
            terms[place - 1] = total
            terms[place] = (large - (total - part)) + (small - part)
    return terms
