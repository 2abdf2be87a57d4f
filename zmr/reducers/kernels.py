"""Reductions of grouped columns, natively and exactly.

A function returns None where its column is not of a kind that it can reduce exactly. Lists are
Arrow's, one for each group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.columns.arrays import Index, Words, as_arrow
from zmr.columns.bytes_view import LARGE_BYTE_TYPES, WORD_TYPES
from zmr.columns.groups import GroupedColumn
from zmr.columns.sort import normalized_words, sort_order
from zmr.columns.stable_order import stable_order_within

_LAST_WORD = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW_HALF = 0xFFFFFFFF


def is_list(column: pa.Array | None) -> bool:
    """Whether the values are lists, none of them null."""
    if column is None or column.null_count:
        return False
    return bool(pa.types.is_large_list(column.type))


def int_sums(
    grouped: GroupedColumn,
) -> tuple[npt.NDArray[np.int64], dict[int, int]] | None:
    """The sum of each group of ints or booleans; and the sums beyond 64 bits, by group."""
    if not grouped.is_plain(pa.int64(), pa.bool_()):
        return None
    numbers = grouped.numbers()
    if not len(numbers):
        return np.zeros(0, np.int64), {}
    sums: npt.NDArray[np.int64] = np.add.reduceat(numbers, grouped.starts)
    largest = max(int(numbers.max()), -int(numbers.min()))
    if largest * int(grouped.sizes().max()) < 2**63:
        return sums, {}
    # Not all groups may be of large numbers. These sums are exact to 2**53 in 2**62.
    bounds = np.add.reduceat(np.abs(numbers.astype(np.float64)), grouped.starts)
    beyond: dict[int, int] = {}
    large = np.flatnonzero(bounds >= 2.0**62)
    if len(large):  # of halves, sums are exact
        high = np.add.reduceat(numbers >> 32, grouped.starts)[large].tolist()
        low = np.add.reduceat(numbers & _LOW_HALF, grouped.starts)[large].tolist()
        for place, h, lo in zip(large.tolist(), high, low, strict=True):
            exact = (h << 32) + lo
            if not -(2**63) <= exact < 2**63:
                beyond[place] = exact
    return sums, beyond


def first_values(grouped: GroupedColumn) -> pa.Array | None:
    """The first value of each group."""
    if grouped.values is None:
        return None
    at = grouped.starts if grouped.order is None else grouped.order[grouped.starts]
    return grouped.values.take(as_arrow(at))


def extremes(grouped: GroupedColumn, largest: bool) -> pa.Array | None:
    """The smallest or the largest value of each group; of equal ones the first."""
    words = ordered_words(grouped)
    if words is None:
        return None
    reduce = np.maximum.reduceat if largest else np.minimum.reduceat
    if not len(words):
        return grouped.values
    found = reduce(words, grouped.starts)
    # Where in each group it comes first: at the first row that has the group's word.
    is_it = np.flatnonzero(words == np.repeat(found, grouped.sizes()))
    first = is_it[np.searchsorted(is_it, grouped.starts)]
    return _taken(grouped, first)


def tops(grouped: GroupedColumn, n: int) -> pa.Array | None:
    """A list of the n largest values of each group, the largest first, equal ones as they come."""
    words = ordered_words(grouped)
    if words is None:
        return None
    group = _group_of_rows(grouped)
    by_word = stable_order_within(_LAST_WORD - words, group)
    place = np.arange(grouped.n_rows) - grouped.starts[group]
    kept = place < n
    return _lists(_taken(grouped, by_word[kept]), np.minimum(grouped.sizes(), n))


def distinct(grouped: GroupedColumn) -> pa.Array | None:
    """A sorted list of the values of each group; of equal ones the first."""
    words = ordered_words(grouped)
    if words is None:
        return None
    group = _group_of_rows(grouped)
    by_word = stable_order_within(words, group)
    sorted_words = words[by_word]
    kept = np.ones(grouped.n_rows, np.bool_)
    kept[1:] = sorted_words[1:] != sorted_words[:-1]
    kept[grouped.starts] = True
    sizes = np.bincount(group[kept], minlength=len(grouped.starts))
    return _lists(_taken(grouped, by_word[kept]), sizes)


def collected(grouped: GroupedColumn) -> pa.Array | None:
    """A list of the values of each group, as they come."""
    if not grouped.is_plain(*LARGE_BYTE_TYPES, *WORD_TYPES):
        return None
    return _lists(grouped.in_order(), grouped.sizes())


def ordered_words(grouped: GroupedColumn) -> Words | None:
    """Numbers that compare as the values do, group after group. NaN is the largest of floats."""
    column = grouped.values
    if column is None or not grouped.is_plain(*LARGE_BYTE_TYPES, *WORD_TYPES):
        return None
    if column.type in LARGE_BYTE_TYPES:
        words = _ranks(column)
    elif column.type == pa.float64():
        floats = column.to_numpy()
        words = np.where(np.isnan(floats), _LAST_WORD, normalized_words(column))
    else:
        words = normalized_words(column)
    return words if grouped.order is None else words[grouped.order]


def _ranks(column: pa.Array) -> Words:
    order, starts = sort_order([column])
    is_start = np.zeros(len(order), np.uint64)
    is_start[starts] = 1
    ranks = np.empty(len(order), np.uint64)
    ranks[order] = np.cumsum(is_start)
    return ranks


def _group_of_rows(grouped: GroupedColumn) -> Index:
    return np.repeat(np.arange(len(grouped.starts)), grouped.sizes())


def _taken(grouped: GroupedColumn, places: Index) -> pa.Array:
    """The values at these places of the order."""
    assert grouped.values is not None
    at = places if grouped.order is None else grouped.order[places]
    return grouped.values.take(as_arrow(at))


def _lists(elements: pa.Array, sizes: Index) -> pa.Array:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return pa.LargeListArray.from_arrays(as_arrow(offsets), elements)
