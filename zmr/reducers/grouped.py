"""What a declarative reducer makes of grouped rows: partials on the map side, results in the end.

Columns are reduced as columns where they allow it, value by value where they don't; the outcome is
the same.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import pyarrow as pa

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.columns.values import encode, is_pickled
from zmr.reducers.base import Reducer


def partials_of(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.RecordBatch:
    """One row for each group, in order: its key, and the partial of its values.

    Raises what the reducer raises for values that it can't take.
    """
    keys = groups.keys()
    column = _partial_column(reducer, groups, are_partials)
    if column is not None:
        return rows.with_values(keys, column)
    partials = [reducer.partial(state) for state in _states(reducer, groups, are_partials)]
    field, array = encode(rows.VALUE, partials)
    return rows.with_values(keys, array, field)


def results_of(reducer: Reducer, partials: pa.RecordBatch) -> pa.Array | list[Any]:
    """The result for each row of partials: as a column, or else as Python values."""
    field = partials.schema.field(rows.VALUE)
    if not is_pickled(field):
        column = reducer.result_column(partials.column(rows.VALUE))
        if column is not None:
            return column
    found = rows.values_of(partials)
    return [reducer.result(reducer.merge(reducer.initial(), one)) for one in found]


def _partial_column(reducer: Reducer, groups: Groups, are_partials: bool) -> pa.Array | None:
    schema = groups.batch.schema
    if not reducer.takes_columns:
        return None
    if rows.has_values(schema) and is_pickled(schema.field(rows.VALUE)):
        return None
    values = groups.values()
    return reducer.merge_column(values) if are_partials else reducer.fold_column(values)


def _states(reducer: Reducer, groups: Groups, are_partials: bool) -> list[Any]:
    """The state of each group, value by value."""
    values = rows.each_value(groups.in_order())
    add = reducer.merge if are_partials else reducer.accumulate
    states = []
    for size in groups.values().sizes().tolist():
        state = reducer.initial()
        for value in islice(values, size):
            state = add(state, value)
        states.append(state)
    return states
