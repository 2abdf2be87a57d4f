"""Count, Sum and Mean."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from zmr.reducers.base import Pairs, Reducer
from zmr.reducers.decimals import added, beside_float, is_decimal
from zmr.reducers.exact import ExactSum, whole

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.columns.groups import GroupedColumn


class Count(Reducer):
    """How many values a key has, whatever they are."""

    takes_columns = True
    has_small_states = True
    keeps_values = False

    def initial(self) -> int:
        return 0

    def accumulate(self, state: int, value: Any) -> int:
        return state + 1

    def merge(self, state: int, partial: int) -> int:
        return state + partial

    def sequential(self, values: Iterable[Any]) -> int:
        return len(list(values))

    def fold(self, states: dict[Any, int], pairs: Pairs) -> None:
        get = states.get
        for key, _ in pairs:
            states[key] = get(key, 0) + 1

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.columns.arrays import as_arrow

        return as_arrow(grouped.sizes())

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        return _column_of_ints(grouped)

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        return partials


class Sum(Reducer):
    """The exact sum of ints and floats: an int of any size, or a float if any value was one; or of
    ints and Decimals: a Decimal if any value was one.
    """

    takes_columns = True
    has_small_states = True
    adds_numbers = True
    keeps_values = False

    def initial(self) -> int | ExactSum:
        return 0

    def accumulate(self, state: Any, value: Any) -> Any:
        if isinstance(state, ExactSum):
            return state.add(value if isinstance(value, (float, int)) else _beside_floats(value))
        if isinstance(value, float):
            return _with_floats(state).add(value)
        return self._sum(state, _number(value))

    def merge(self, state: Any, partial: Any) -> Any:
        if isinstance(partial, (list, tuple)) or isinstance(state, ExactSum):
            if is_decimal(partial):
                raise beside_float()
            return _with_floats(state).add_partial(partial)
        return self._sum(state, partial)

    def partial(self, state: Any) -> Any:
        return state.partial() if isinstance(state, ExactSum) else state

    def result(self, state: Any) -> Any:
        return state.rounded() if isinstance(state, ExactSum) else state

    def sequential(self, values: Iterable[Any]) -> Any:
        numbers: list[Any] = [v if isinstance(v, (int, float)) else _number(v) for v in values]
        if any(map(is_decimal, numbers)):
            if any(isinstance(n, float) for n in numbers):
                raise beside_float()
            total: Any = 0
            for number in numbers:
                total = added(total, number)
            return total
        if not any(isinstance(n, float) for n in numbers):
            return sum(numbers)
        return _correctly_rounded(numbers, 1)

    def _sum(self, one: Any, other: Any) -> Any:
        return added(one, other) if is_decimal(one) or is_decimal(other) else one + other

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        get = states.get
        for key, value in pairs:
            state = get(key, 0)
            if type(value) is int and type(state) is int:
                states[key] = state + value
            else:
                states[key] = self.accumulate(state, value)

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.float_kernels import is_float, sums

        return sums(grouped) if is_float(grouped) else _column_of_ints(grouped)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.float_kernels import sums
        from zmr.reducers.kernels import is_list

        if is_list(grouped.values):
            return sums(grouped.flattened())
        return _column_of_ints(grouped)

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        from zmr.reducers.float_kernels import rounded
        from zmr.reducers.kernels import is_list

        return rounded(partials) if is_list(partials) else partials


class Mean(Reducer):
    """The exact mean of ints and floats: always a float, correctly rounded."""

    takes_columns = True
    has_small_states = True
    adds_numbers = True
    keeps_values = False

    def initial(self) -> CountedSum:
        return CountedSum()

    def accumulate(self, state: CountedSum, value: Any) -> CountedSum:
        state.n += 1
        state.add(value if isinstance(value, float) else whole(value, "Mean"))
        return state

    def merge(self, state: CountedSum, partial: Any) -> CountedSum:
        n, *terms = partial
        state.n += int(n)
        state.add_partial(terms[0] if isinstance(partial, tuple) else terms)
        return state

    def partial(self, state: CountedSum) -> Any:
        """The count, and then the terms of the sum, all in one list: a column's row."""
        terms = state.partial()
        return [float(state.n), *terms] if isinstance(terms, list) else (state.n, terms)

    def result(self, state: CountedSum) -> float:
        return state.over(state.n)

    def sequential(self, values: Iterable[Any]) -> float:
        numbers = [v if isinstance(v, (int, float)) else whole(v, "Mean") for v in values]
        return _correctly_rounded(numbers, len(numbers))

    def fold_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.float_kernels import counted_sums

        return counted_sums(grouped)

    def merge_column(self, grouped: GroupedColumn) -> pa.Array | None:
        from zmr.reducers.float_kernels import merged_counted_sums

        return merged_counted_sums(grouped)

    def result_column(self, partials: pa.Array) -> pa.Array | None:
        from zmr.reducers.float_kernels import means

        return means(partials)


def _number(value: Any) -> Any:
    """The Decimal or int that the value is. Raises `YieldError` if it is none."""
    return value if is_decimal(value) else whole(value, "Sum")


def _beside_floats(value: Any) -> int:
    """The int that the value is. Raises `YieldError` if it is none."""
    if is_decimal(value):
        raise beside_float()
    return whole(value, "Sum")


def _with_floats(state: Any) -> ExactSum:
    """The state of a sum that has a float. Raises `YieldError` if it has a Decimal."""
    if is_decimal(state):
        raise beside_float()
    return state if isinstance(state, ExactSum) else ExactSum(state)


class CountedSum(ExactSum):
    """An exact sum, and of how many numbers."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        super().__init__()
        self.n = 0


def _column_of_ints(grouped: GroupedColumn) -> pa.Array | None:
    import numpy as np

    from zmr.columns.arrays import as_arrow
    from zmr.columns.mixed import put_together
    from zmr.columns.values import as_column
    from zmr.reducers.kernels import int_sums

    found = int_sums(grouped)
    if found is None:
        return None
    sums, beyond = found
    if not beyond:
        return as_arrow(sums)
    is_plain = np.ones(len(sums), np.bool_)
    is_plain[list(beyond)] = False
    plain, others = np.flatnonzero(is_plain), np.array(list(beyond))
    parts = [(plain, as_arrow(sums[plain])), (others, as_column(list(beyond.values())))]
    return put_together(len(sums), parts)


def _correctly_rounded(numbers: list[int | float], divisor: int) -> float:
    """The quotient of the numbers' sum, as exact as fractions are."""
    from fractions import Fraction

    special = [n for n in numbers if isinstance(n, float) and not isfinite(n)]
    if special:
        return sum(special)
    exact = sum(map(Fraction, numbers), Fraction(0)) / divisor
    try:
        return float(exact)
    except OverflowError:
        return inf if exact > 0 else -inf
