"""What a declarative reducer makes of grouped rows: partials on the map side, results in the end.

Columns are reduced as columns where they allow it, value by value where they don't; the outcome is
the same. Of a mixed column, or one with None among its values, each group is cut into *runs*: rows
that follow each other and have their values in the same child. A run is reduced by itself, as a
column if it can be, and then what the runs of a group give is merged in their order. So a value
that needs Python has only itself reduced there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice, repeat
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.arrays import Flags, Index, as_arrow
from zmr.columns.groups import GroupedColumn, Groups
from zmr.columns.mixed import (
    PICKLES,
    Kinds,
    Part,
    children_of,
    has_value,
    is_mixed,
    kinds_of,
    of_pickles,
    put_together,
    to_pylist,
)
from zmr.columns.values import as_column, encode, is_pickled
from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.reducers.base import Reducer

_MOST_EXACT = 2**53  # whole numbers up to here are floats


def partials_of(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.RecordBatch:
    """One row for each group, in order: its key, and the partial of its values.

    Raises what the reducer raises for values that it can't take; a `YieldError` names the key.
    """
    try:
        return _partials_of(reducer, groups, are_partials)
    except YieldError as error:
        error.place = error.place or _place_of(reducer, groups, are_partials)
        raise


def _place_of(reducer: Reducer, groups: Groups, are_partials: bool) -> str:
    """Which key has values that the reducer can't take: it tries them one by one."""
    add = reducer.merge if are_partials else reducer.accumulate
    values = rows.each_value(groups.in_order())
    keys = rows.each_key(groups.keys())
    for key, size in zip(keys, groups.values().sizes().tolist(), strict=True):
        state = reducer.initial()
        try:
            for value in islice(values, size):
                state = add(state, value)
            reducer.partial(state)
        except YieldError:
            return f"key {short_repr(key)}"
    return ""


def _partials_of(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.RecordBatch:
    keys = groups.keys()
    column = _partial_column(reducer, groups, are_partials)
    if column is not None:
        return rows.with_values(keys, column)
    add = reducer.merge if are_partials else reducer.accumulate
    values = rows.each_value(groups.in_order())
    partials = _folded(reducer, add, values, groups.values().sizes())
    field, array = encode(rows.VALUE, partials)
    return rows.with_values(keys, array, field)


def results_of(reducer: Reducer, partials: pa.RecordBatch) -> pa.Array | list[Any]:
    """The result for each row of partials: as a column, or else as Python values."""
    field, column = partials.schema.field(rows.VALUE), partials.column(rows.VALUE)
    if is_pickled(field):
        return [_result_of(reducer, partial) for partial in rows.values_of(partials)]
    if not is_mixed(column.type) and not column.null_count:
        results = reducer.result_column(column)
        return [_result_of(reducer, p) for p in column.to_pylist()] if results is None else results
    parts: list[Part] = []
    left = np.ones(len(column), np.bool_)
    for name, child in children_of(column).items():
        places = has_value(child)
        some = child.take(as_arrow(places))
        results = None if name == PICKLES else reducer.result_column(some)
        if results is not None:
            parts.append((places, results))
            left[places] = False
    others = np.flatnonzero(left)
    if len(others):
        found = to_pylist(column.take(as_arrow(others)))
        parts.append((others, as_column([_result_of(reducer, partial) for partial in found])))
    return put_together(len(column), parts)


def _result_of(reducer: Reducer, partial: Any) -> Any:
    return reducer.result(reducer.merge(reducer.initial(), partial))


def _partial_column(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.Array | None:
    schema = groups.batch.schema
    if not reducer.takes_columns:
        return None
    if rows.has_values(schema) and is_pickled(schema.field(rows.VALUE)):
        return None
    values = groups.values()
    column = reducer.merge_column(values) if are_partials else reducer.fold_column(values)
    if column is None and values.values is not None:
        kind = values.values.type
        if is_mixed(kind) or (values.values.null_count and not pa.types.is_null(kind)):
            return _of_runs(reducer, values, are_partials)
    return column


def _folded(
    reducer: Reducer,
    add: Callable[[Any, Any], Any],
    values: Iterator[Any],
    sizes: Index,
) -> list[Any]:
    """The partial of each group, value by value."""
    states = []
    for size in sizes.tolist():
        state = reducer.initial()
        for value in islice(values, size):
            state = add(state, value)
        states.append(state)
    return [reducer.partial(state) for state in states]


# --- runs --------------------------------------------------------------------------------------


def _of_runs(reducer: Reducer, grouped: GroupedColumn, are_partials: bool) -> pa.Array:
    """The partial of each group of a mixed column, or of one with nulls."""
    column = grouped.in_order()
    children, kinds = list(children_of(column).items()), kinds_of(column)
    is_first = np.zeros(grouped.n_rows, np.bool_)
    is_first[grouped.starts] = True
    if reducer.adds_numbers:
        _whole_as_floats(children, kinds, grouped.starts, is_first)
    begins = is_first.copy()
    begins[1:] |= kinds[1:] != kinds[:-1]
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, grouped.n_rows))
    kind_of_run = kinds[starts]
    parts: list[Part] = []
    for kind in range(-1, len(children)):
        runs = np.flatnonzero(kind_of_run == kind)
        if not len(runs):
            continue
        name, child = children[kind] if kind >= 0 else (PICKLES, None)
        values = None if child is None else child.take(as_arrow(np.flatnonzero(kinds == kind)))
        made = _of_kind(reducer, name, values, sizes[runs], are_partials)
        parts.append((runs, made))
    of_runs = put_together(len(starts), parts)
    return _merged_runs(reducer, of_runs, np.cumsum(is_first)[starts] - 1)


def _of_kind(
    reducer: Reducer, name: str, values: pa.Array | None, sizes: Index, are_partials: bool
) -> pa.Array:
    """The partials of runs of values of one child, or of None."""
    if name != PICKLES:
        starts = np.cumsum(sizes) - sizes
        grouped = GroupedColumn(values, None, starts, int(sizes.sum()))
        made = reducer.merge_column(grouped) if are_partials else reducer.fold_column(grouped)
        if made is not None:
            return made
    elif values is not None:
        values = of_pickles(values)
    add = reducer.merge if are_partials else reducer.accumulate
    found = repeat(None) if values is None else iter(to_pylist(values))
    return as_column(_folded(reducer, add, found, sizes))


def _merged_runs(reducer: Reducer, of_runs: pa.Array, group: Index) -> pa.Array:
    """The partial of each group, of those of its runs, which are in order."""
    sizes = np.bincount(group)
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        return of_runs
    starts = np.cumsum(sizes) - sizes
    alone = np.flatnonzero(sizes == 1)
    runs = np.flatnonzero(sizes[group] > 1)
    partials = iter(to_pylist(of_runs.take(as_arrow(runs))))
    merged = as_column(_folded(reducer, reducer.merge, partials, sizes[several]))
    parts = [(alone, of_runs.take(as_arrow(starts[alone]))), (several, merged)]
    return put_together(len(sizes), parts)


def _whole_as_floats(
    children: list[tuple[str, pa.Array]], kinds: Kinds, starts: Index, is_first: Flags
) -> None:
    """Have whole numbers be floats in groups that have floats, where they are exactly these.

    Partials are lists of floats.
    """
    types = [child.type for _, child in children]
    floats = next((t for t in (pa.float64(), pa.large_list(pa.float64())) if t in types), None)
    if floats is None or pa.int64() not in types:
        return
    whole, real = types.index(pa.int64()), types.index(floats)
    has_floats = np.logical_or.reduceat(kinds == real, starts)[np.cumsum(is_first) - 1]
    numbers = children[whole][1].fill_null(0).to_numpy()
    moved = np.flatnonzero(has_floats & (kinds == whole) & (np.abs(numbers) <= _MOST_EXACT))
    if not len(moved):
        return
    as_floats = as_arrow(numbers[moved].astype(np.float64))
    if floats != pa.float64():
        as_floats = pa.LargeListArray.from_arrays(as_arrow(np.arange(len(moved) + 1)), as_floats)
    name, column = children[real]
    places = np.arange(len(column))
    places[moved] = np.arange(len(column), len(column) + len(moved))
    children[real] = name, pa.concat_arrays([column, as_floats]).take(as_arrow(places))
    kinds[moved] = real
