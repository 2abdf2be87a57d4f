"""Top, Distinct and Collect: some or all of the values, as a list.

A key's list is in memory as a whole, unlike the values that a method `reduce` is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zmr.display import short_repr
from zmr.errors import YieldError
from zmr.reducers.base import Pairs, Reducer
from zmr.reducers.extremes import incomparable, is_nan

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.columns.groups import GroupedColumn

_NAN = float("nan")


class Top(Reducer):
    """A list of the n largest values, the largest first; equal ones in the order of the input."""

    takes_columns = True

    def __init__(self, n: int) -> None:
        if type(n) is not int or n < 1:
            raise ValueError(f"Top(n) takes a whole number from 1 on, not {short_repr(n)}")
        self.n = n
        self._most = max(2 * n, 64)  # that are kept before they are sorted

    def initial(self) -> list[Any]:
        return []

    def accumulate(self, state: list[Any], value: Any) -> list[Any]:
        state.append(value)
        if len(state) > self._most:
            state[:] = self._largest(state)
        return state

    def merge(self, state: list[Any], partial: list[Any]) -> list[Any]:
        state += partial
        if len(state) > self._most:
            state[:] = self._largest(state)
        return state

    def partial(self, state: list[Any]) -> list[Any]:
        return self._largest(state)

    def result(self, state: list[Any]) -> list[Any]:
        return self._largest(state)

    def sequential(self, values: Iterable[Any]) -> list[Any]:
        return list(reversed(_ascending(self, reversed(list(values)))))[: self.n]

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import tops

        return tops(grouped, self.n)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import is_list

        return self.fold_column(grouped.flattened()) if is_list(grouped.values) else None

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        from zmr.reducers.kernels import is_list

        return partials if is_list(partials) else None

    def _largest(self, values: list[Any]) -> list[Any]:
        nans = [value for value in values if is_nan(value)]
        others = [value for value in values if not is_nan(value)] if nans else values
        try:
            return (nans + sorted(others, reverse=True))[: self.n]
        except (TypeError, ValueError) as error:  # the latter of numpy's
            raise incomparable(self, others, error) from None

    def __repr__(self) -> str:
        return f"Top({self.n})"


class Distinct(Reducer):
    """A sorted list of the values, each of them once; of equal ones the first.

    The values must be of a kind that a set can hold.
    """

    takes_columns = True

    def initial(self) -> dict[Any, None]:
        return {}

    def accumulate(self, state: dict[Any, None], value: Any) -> dict[Any, None]:
        state[_NAN if is_nan(value) else _hashable(value)] = None
        return state

    def merge(self, state: dict[Any, None], partial: list[Any]) -> dict[Any, None]:
        for value in partial:
            self.accumulate(state, value)
        return state

    def partial(self, state: dict[Any, None]) -> list[Any]:
        return _ascending(self, state)

    def result(self, state: dict[Any, None]) -> list[Any]:
        return _ascending(self, state)

    def sequential(self, values: Iterable[Any]) -> list[Any]:
        each = {_NAN if is_nan(value) else _hashable(value): None for value in values}
        return _ascending(self, each)

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        for key, value in pairs:
            value = _NAN if is_nan(value) else _hashable(value)
            if key in states:
                states[key][value] = None
            else:
                states[key] = {value: None}

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import distinct

        return distinct(grouped)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import is_list

        return self.fold_column(grouped.flattened()) if is_list(grouped.values) else None

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        from zmr.reducers.kernels import is_list

        return partials if is_list(partials) else None


class Collect(Reducer):
    """A list of all the values, in the order of the input."""

    takes_columns = True

    def initial(self) -> list[Any]:
        return []

    def accumulate(self, state: list[Any], value: Any) -> list[Any]:
        state.append(value)
        return state

    def merge(self, state: list[Any], partial: list[Any]) -> list[Any]:
        state += partial
        return state

    def sequential(self, values: Iterable[Any]) -> list[Any]:
        return list(values)

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        for key, value in pairs:
            if key in states:
                states[key].append(value)
            else:
                states[key] = [value]

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import collected

        return collected(grouped)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import collected, is_list

        return collected(grouped.flattened()) if is_list(grouped.values) else None

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        from zmr.reducers.kernels import is_list

        return partials if is_list(partials) else None


def _ascending(reducer: Reducer, values: Iterable[Any]) -> list[Any]:
    """The values sorted, NaN as the largest. Raises `YieldError` if they do not compare."""
    values = list(values)
    nans = [value for value in values if is_nan(value)]
    others = [value for value in values if not is_nan(value)] if nans else values
    try:
        return sorted(others) + nans
    except (TypeError, ValueError) as error:
        raise incomparable(reducer, others, error) from None


def _hashable(value: Any) -> Any:
    """The value, if a set can hold it. Raises `YieldError`."""
    try:
        hash(value)
    except (TypeError, ValueError):
        kind = type(value).__name__
        raise YieldError(
            f"Distinct takes values that a set can hold, not {kind}: {short_repr(value)}"
        ) from None
    return value
