"""Min, Max and First: one of the values."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TYPE_CHECKING, Any

from zmr.errors import YieldError
from zmr.reducers.base import Pairs, Reducer

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.columns.groups import GroupedColumn

_NOTHING: Any = object()  # the state of no values; None is a value


class _OneOfThem(Reducer):
    takes_columns = True
    has_small_states = True

    def initial(self) -> Any:
        return _NOTHING

    def merge(self, state: Any, partial: Any) -> Any:
        return self.accumulate(state, partial)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        return self.fold_column(grouped)

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        return partials


class Min(_OneOfThem):
    """The smallest value, by `<`; of equal ones the first."""

    def accumulate(self, state: Any, value: Any) -> Any:
        try:
            return value if state is _NOTHING or is_less(value, state) else state
        except (TypeError, ValueError) as error:  # the latter of numpy's
            raise incomparable(self, (value, state), error) from None

    def sequential(self, values: Iterable[Any]) -> Any:
        return reduce(self.accumulate, values, self.initial())

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import extremes

        return extremes(grouped, largest=False)


class Max(_OneOfThem):
    """The largest value, by `<`; of equal ones the first."""

    def accumulate(self, state: Any, value: Any) -> Any:
        try:
            return value if state is _NOTHING or is_less(state, value) else state
        except (TypeError, ValueError) as error:  # the latter of numpy's
            raise incomparable(self, (value, state), error) from None

    def sequential(self, values: Iterable[Any]) -> Any:
        # Not by `max`, which compares by `>`: of values of different types, that may be undefined.
        return reduce(self.accumulate, values, self.initial())

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import extremes

        return extremes(grouped, largest=True)


class First(_OneOfThem):
    """The value that comes first in the input."""

    def accumulate(self, state: Any, value: Any) -> Any:
        return value if state is _NOTHING else state

    def sequential(self, values: Iterable[Any]) -> Any:
        return next(iter(values))

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        keep = states.setdefault
        for key, value in pairs:
            keep(key, value)

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.kernels import first_values

        return first_values(grouped)


def incomparable(reducer: Reducer, values: Iterable[Any], error: Exception) -> YieldError:
    """The error for values that do not compare with one another."""
    kinds = sorted({type(value).__name__ for value in values})
    if isinstance(error, YieldError):
        return error
    return YieldError(
        f"{reducer!r} takes values that compare with one another, not {' and '.join(kinds)}"
    )


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value


def is_less(one: Any, other: Any) -> bool:
    """Whether `one < other`, NaN being larger than every other number."""
    if is_nan(one):
        return False
    return True if is_nan(other) else bool(one < other)
