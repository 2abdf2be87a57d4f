"""Sorting and grouping whole columns of keys, by their normalized keys: numbers that compare alike.

A column of strings is sorted by its first 8 bytes as one big-endian number; only rows that tie
look at the next 8, and so on. Padded with zeros, such words compare as the bytes do, but for keys
that differ in trailing zero bytes alone: there, the shorter one is first. Numbers and dates are one
word each. So a column is ordered by sorting plain numbers, which is many times faster than
comparing strings.

Own code, as Arrow and polars order rows by comparing strings, and give an order alone: to group,
their result has to be compared row by row again. Here groups come with the order. It may go when a
library gives both in no more time (`python -m benchmarks --only sort-records,wordcount-batch`).

All functions take key columns: a list of Arrow arrays of equal length, one for each element of a
tuple. Nulls, which are None, come first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from zmr.columns import native
from zmr.columns.arrays import Flags, Index, Words, as_arrow
from zmr.columns.bytes_view import BYTE_TYPES, BytesView, plain_words
from zmr.columns.mixed import comparable, is_mixed, none_rows, odd_keys
from zmr.columns.stable_order import stable_order, stable_order_within

_SIGN = np.uint64(1 << 63)
_ONES = np.uint64(0xFFFFFFFFFFFFFFFF)
_MOST_SHARED_BYTES = 256

# About what it takes, in microseconds: to look at 8 bytes of all tied rows, in itself and for each
# of them; and to rank rows by all of their bytes likewise.
_ROUND_COST, _WORD_COST = 150.0, 0.1
_RANKING_COST, _RANK_COST = 40.0, 0.3


def sort_order(columns: Sequence[pa.Array]) -> tuple[Index, Index]:
    """A stable order of the rows, and where in it each group of equal keys starts.

    `order[i]` is the row that comes i-th; `starts` are the i at which a key is not the one before.
    """
    order, is_start = _order_column(columns[0], None, None)
    for column in columns[1:]:
        order, is_start = _order_column(column, order, is_start)
    return order, np.flatnonzero(is_start)


def _order_column(
    column: pa.Array, order: Index | None, is_start: Flags | None
) -> tuple[Index, Flags]:
    """Order rows by this column, within the groups of the order that there is already."""
    nones = none_rows(column)
    if len(nones):
        return _order_with_nones(column, nones, order, is_start)
    if is_mixed(column.type):
        return _order_mixed(column, order, is_start)
    if order is None and native.takes(column):
        return native.sort_column(column)
    if column.type in BYTE_TYPES:
        view = BytesView(column)
        depth, words = _differing(view)
        order, is_start = _refine(words, order, is_start)
        return _order_longer(column, view, order, is_start, depth + 8)
    return _refine(normalized_words(column), order, is_start)


def _order_with_nones(
    column: pa.Array, nones: Index, order: Index | None, is_start: Flags | None
) -> tuple[Index, Flags]:
    """Order rows by whether they have a value, and then as if all had one."""
    has_value = np.ones(len(column), np.uint64)
    has_value[nones] = 0
    order, is_start = _refine(has_value, order, is_start)
    if len(nones) == len(column):
        return order, is_start
    places = np.arange(len(column))
    places[nones] = np.argmax(has_value)
    return _order_column(column.take(as_arrow(places)), order, is_start)


def _order_mixed(
    column: pa.Array, order: Index | None, is_start: Flags | None
) -> tuple[Index, Flags]:
    """Order rows by a mixed column: as if the odd ones were plain, and then the odd ones."""
    plain, odd, keys = odd_keys(column)
    others = comparable(keys) if keys else None
    if plain is not None and pa.types.is_large_string(plain.type):
        plain = plain.cast(pa.large_binary())
    if others is not None:
        plain = pa.nulls(len(column), others.type) if plain is None else plain
        return _order_column(_filled(plain, odd, others), order, is_start)
    plain = pa.nulls(len(column), pa.int64()) if plain is None else plain
    if not keys:
        return _order_column(plain, order, is_start)
    nearest = pa.array([2**63 - 1 if key > 0 else -(2**63) for key in keys], pa.int64())
    order, is_start = _order_column(_filled(plain, odd, nearest), order, is_start)
    numbers = {key: n for n, key in enumerate(sorted({0, *keys}))}
    ranks = np.full(len(column), numbers[0])
    ranks[odd] = [numbers[key] for key in keys]
    is_odd = np.zeros(len(column), np.bool_)
    is_odd[odd] = True
    group = np.cumsum(is_start, dtype=np.int64)
    tied = np.flatnonzero(_any_in_group(is_odd[order], group))
    if tied.size:
        _order_within(ranks[order[tied]], group[tied], order, is_start, tied)
    return order, is_start


def _filled(column: pa.Array, rows: Index, values: pa.Array) -> pa.Array:
    """The column with the values in place of what it has in these rows."""
    places = np.arange(len(column))
    places[rows] = np.arange(len(column), len(column) + len(rows))
    return pa.concat_arrays([column, values]).take(as_arrow(places))


def _differing(view: BytesView) -> tuple[int, Words]:
    """The first 8 bytes in which not all keys are the same, and where they are."""
    depth, words = 0, view.words(0)
    most = min(view.shortest - 8, _MOST_SHARED_BYTES)
    while depth <= most and (words == words[0]).all():
        depth += 8
        words = view.words(depth)
    return depth, words


def _refine(words: Words, order: Index | None, is_start: Flags | None) -> tuple[Index, Flags]:
    """Order by `words` within the groups. Rows that tie stay in their order."""
    if order is None or is_start is None:
        order, within = stable_order(words)
        return order, _changes(within)
    within = words[order]
    by_group = stable_order_within(within, np.cumsum(is_start, dtype=np.int64))
    order, within = order[by_group], within[by_group]
    return order, is_start | _changes(within)


def _order_longer(
    column: pa.Array, view: BytesView, order: Index, is_start: Flags, depth: int
) -> tuple[Index, Flags]:
    """Look at the bytes from `depth` on of rows that tie and have any.

    8 bytes are enough for most. So rows are only ranked by all of their bytes when that takes less
    than has been spent already: however many bytes rows share, it never takes twice as long.
    """
    spent = _ROUND_COST
    tied = _tied(is_start, np.arange(len(order)))
    while tied.size:
        rows = order[tied]
        # A group whose keys all end here is done, unless they differ in trailing zeros.
        group = np.cumsum(is_start[tied], dtype=np.int64)
        alive = _any_in_group(view.lengths_of(rows) > depth, group)
        ends = tied[~alive]
        if ends.size and view.may_end_in_zero:
            _order_by_length(view, order, is_start, ends)
        tied, rows, group = tied[alive], rows[alive], group[alive]
        if tied.size and spent > _RANKING_COST + _RANK_COST * tied.size:
            _order_within(_ranks(column.take(as_arrow(rows))), group, order, is_start, tied)
            break
        spent += _ROUND_COST + _WORD_COST * tied.size
        _order_within(view.words(depth, rows), group, order, is_start, tied)
        tied = _tied(is_start, tied)
        depth += 8
    return order, is_start


def _ranks(keys: pa.Array) -> Index:
    """Numbers that compare as the keys do."""
    options = pc.RankOptions(sort_keys="ascending", tiebreaker="dense")
    ranks: Index = pc.call_function("rank", [keys], options).to_numpy().astype(np.int64)
    return ranks


def _order_by_length(view: BytesView, order: Index, is_start: Flags, tied: Index) -> None:
    group = np.cumsum(is_start[tied], dtype=np.int64)
    _order_within(view.lengths_of(order[tied]), group, order, is_start, tied)


def _order_within(
    values: npt.NDArray[Any],
    group: Index,
    order: Index,
    is_start: Flags,
    tied: Index,
) -> None:
    """Order the rows at the positions `tied` by `values`, within each group.

    Rows that share 8 bytes are mostly of one key, and so in order already.
    """
    falls = np.flatnonzero((values[1:] < values[:-1]) & (group[1:] == group[:-1]))
    if falls.size:
        unsorted = np.zeros(int(group[-1]) + 1, np.bool_)
        unsorted[group[falls]] = True
        among = np.flatnonzero(unsorted[group])
        by_group = among[stable_order_within(values[among], group[among])]
        order[tied[among]] = order[tied[by_group]]
        values[among] = values[by_group]
    is_start[tied] |= _changes(values)


def _changes(values: npt.NDArray[Any]) -> Flags:
    """Where a value is not the one before; the first always."""
    changes = np.empty(len(values), np.bool_)
    changes[:1] = True
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _tied(is_start: Flags, among: Index) -> Index:
    """Those of the positions `among` that are in a group of several rows."""
    starts = is_start[among]
    alone = starts.copy()
    alone[:-1] &= starts[1:]
    # A row at the end of `among` is alone if it starts a group: its group can't go on elsewhere.
    return among[~alone]


def _any_in_group(flags: Flags, group: Index) -> Flags:
    """For each row, whether any row of its group has the flag. `group` ascends."""
    starts = np.flatnonzero(_changes(group))
    if not starts.size:
        return flags
    sizes = np.diff(np.append(starts, len(group)))
    return np.repeat(np.logical_or.reduceat(flags, starts), sizes)


def normalized_words(column: pa.Array) -> Words:
    """The one word of each number, boolean or date, such that words compare as the values do."""
    words = plain_words(column)
    if pa.types.is_floating(column.type):
        # Negative floats: all bits flipped. Others: only the sign, so that they come after.
        return words ^ np.where(words & _SIGN != 0, _ONES, _SIGN)
    return words ^ _SIGN
