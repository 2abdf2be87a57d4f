"""What makes fewer rows of many with the same key, on the way from map to reduce.

There are two kinds of rows: the values that map gave, and the *partials* that a combiner made of
values, or of other partials.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.groups import Groups
from zmr.columns.values import encode_pickled
from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.reducers.base import Reducer
from zmr.reducers.grouped import partials_of
from zmr.reducers.sums import Count, Sum


class Total(Enum):
    """What the partial of a key's values is, where a total of them is all of it."""

    NONE = "no total"
    ROWS = "how many there are"
    INTS = "the sum, of ints"


class Combiner(Protocol):
    """Combines the rows of each key. What it raises is the fault of the job's own code."""

    total: Total

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
        self.total = {Count: Total.ROWS, Sum: Total.INTS}.get(type(reducer), Total.NONE)

    def combine(self, groups: Groups, are_partials: bool) -> Groups:
        if are_partials and len(groups) == groups.n_rows:
            return groups
        batch = partials_of(self._reducer, groups, are_partials)
        return Groups(batch, None, np.arange(len(batch)), groups.goes_on)

    def combine_opaque(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        states: dict[object, object] = {}
        try:
            self._reducer.fold(states, _pairs(batch))
        except YieldError as error:
            error.place = error.place or self._place_of(batch)
            raise
        partials = [self._reducer.partial(state) for state in states.values()]
        pickled = encode_pickled(rows.VALUE, partials)[1]
        return rows.opaque(list(states), pickled, rows.key_type(batch.schema))

    def _place_of(self, batch: pa.RecordBatch) -> str:
        """Which key has a value that the reducer can't take: it tries them one by one."""
        states: dict[object, object] = {}
        for key, value in _pairs(batch):
            try:
                self._reducer.fold(states, ((key, value),))
            except YieldError:
                return f"key {short_repr(key)}"
        return ""


def _pairs(batch: pa.RecordBatch) -> Iterator[tuple[Any, Any]]:
    return zip(rows.each_key(batch), rows.each_value(batch), strict=True)
