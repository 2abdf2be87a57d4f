"""What makes fewer rows of many with the same key, on the way from map to reduce.

There are two kinds of rows: the values that map gave, and the *partials* that a combiner made of
values, or of other partials.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.columns.values import encode_pickled
from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.reducers.base import Reducer
from zmr.reducers.grouped import partials_of


class Combiner(Protocol):
    """Combines the rows of each key. What it raises is the fault of the job's own code."""

    def combine(self, groups: Groups, are_partials: bool) -> Groups:
        """The same groups with fewer rows; a group may even have none."""
        ...

    def combine_opaque(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Partials for opaque rows of values, as they come."""
        ...


class ReducerCombiner:
    """The combiner of a declarative reducer: one partial for each key."""

    def __init__(self, reducer: Reducer) -> None:
        self._reducer = reducer

    def combine(self, groups: Groups, are_partials: bool) -> Groups:
        if are_partials and len(groups) == groups.n_rows:
            return groups
        batch = partials_of(self._reducer, groups, are_partials)
        return Groups(batch, None, np.arange(len(batch)), groups.goes_on)

    def combine_opaque(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        states: dict[object, object] = {}
        pairs = zip(rows.each_key(batch), rows.each_value(batch), strict=True)
        for key, value in pairs:
            try:
                self._reducer.fold(states, ((key, value),))
            except YieldError as error:
                error.place = f"key {short_repr(key)}"
                raise
        partials = [self._reducer.partial(state) for state in states.values()]
        pickled = encode_pickled(rows.VALUE, partials)[1]
        return rows.opaque(list(states), pickled, rows.key_type(batch.schema))
