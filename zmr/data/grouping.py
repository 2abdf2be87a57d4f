"""What a declarative reducer makes of grouped rows, column-wise where the columns allow it."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.data import rows
from zmr.data.merge import Groups
from zmr.reducers import Reducer


def partials_of(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.RecordBatch:
    """One row for each key, in order, with the partial of its values."""
    keys = first_keys(groups)
    column = _columnwise(reducer, groups, are_partials)
    if column is not None:
        arrays = rows.key_columns(keys)
        return rows.from_arrays(arrays, column, rows.key_type(groups.batch.schema))
    partials = [reducer.partial(state) for state in states_of(reducer, groups, are_partials)]
    return rows.with_values(keys, partials)


def results_column(reducer: Reducer, groups: Groups) -> pa.Array | None:
    """The result for each key of rows that hold partials; None if columns can't tell."""
    if not reducer.partials_are_results:
        return None
    return _columnwise(reducer, groups, are_partials=True)


def first_keys(groups: Groups) -> pa.RecordBatch:
    """The key of each group, as rows without values."""
    first = groups.starts if groups.order is None else groups.order[groups.starts]
    names = [name for name in groups.batch.schema.names if name != rows.VALUE]
    return groups.batch.select(names).take(pa.array(first))


def sizes_of(groups: Groups) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of rows of each group."""
    return np.diff(np.append(groups.starts, len(groups.batch)))


def states_of(reducer: Reducer, groups: Groups, are_partials: bool) -> list[Any]:
    """The state of each group, value by value."""
    values = iter(rows.values_of(groups.sorted()))
    add = reducer.merge if are_partials else reducer.accumulate
    states = []
    for size in sizes_of(groups).tolist():
        state = reducer.initial()
        for value in islice(values, size):
            state = add(state, value)
        states.append(state)
    return states


def _columnwise(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.Array | None:
    field = (
        groups.batch.schema.field(rows.VALUE) if rows.VALUE in groups.batch.schema.names else None
    )
    if field is not None and field.metadata:
        return None  # pickled
    values = groups.batch.column(rows.VALUE) if field is not None else None
    if are_partials:
        return reducer.merge_column(values, groups.order, groups.starts)
    return reducer.fold_column(values, groups.order, groups.starts, len(groups.batch))
