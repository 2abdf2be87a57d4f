"""Declarative reducers: what a job may assign to `reduce` in place of writing a method.

A reducer folds the values of a key into a *state*. It promises that the result does not depend
on how the values were cut into tasks, combined, and merged again: that is what lets it run on the
map side too, as its own combiner, and still give the sequential answer to the last bit.

    map task     state = initial();  accumulate(state, value)...  ;  partial(state) is written
    reduce task  state = initial();  merge(state, partial)...     ;  result(state) is the output

States and partials of `Sum` over whole numbers are plain ints, so the common case costs one
addition per value. `float` addition depends on its order; `Sum` therefore adds floats exactly
(as integers in units of the smallest float, which any finite float is a multiple of) and rounds
once, at the end. The outcome is the correctly rounded sum, the one that `math.fsum` gives, without
its overflow in the middle of a sum that fits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from fractions import Fraction
from math import inf, isfinite
from operator import index
from typing import TYPE_CHECKING, Any

from zmr.data.shown import shown

if TYPE_CHECKING:
    import pyarrow as pa

    from zmr.data.keybits import Index

Pairs = Iterable[tuple[Any, Any]]


class Reducer(ABC):
    """How the values of one key become one value, in any grouping."""

    @abstractmethod
    def initial(self) -> Any:
        """The state of no values."""

    @abstractmethod
    def accumulate(self, state: Any, value: Any) -> Any:
        """`state` with one more value of the job's map."""

    @abstractmethod
    def merge(self, state: Any, partial: Any) -> Any:
        """`state` with all the values behind `partial`."""

    def partial(self, state: Any) -> Any:
        """The state as it travels from map to reduce: small, and made of plain types."""
        return state

    def result(self, state: Any) -> Any:
        """The value that the job puts out for the state."""
        return state

    partials_are_results = True  # no `result` of its own

    def fold_column(
        self, values: pa.Array | None, order: Index | None, starts: Index, n_rows: int
    ) -> pa.Array | None:
        """The partial of each group of rows, as a column; None if these values need Python.

        The rows are `values` in the `order` (None: as they are); groups begin at `starts`.
        """
        return None

    def merge_column(
        self, partials: pa.Array | None, order: Index | None, starts: Index
    ) -> pa.Array | None:
        """The partial of each group of partials, likewise."""
        return None

    @abstractmethod
    def sequential(self, values: Iterable[Any]) -> Any:
        """What the reducer means, for a key with these values, in the simplest words.

        The inline engine uses this and nothing else of a reducer, as the measure of the rest.
        """

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        """Accumulate (key, value) pairs into the states by key. Keys stay in order of arrival."""
        for key, value in pairs:
            state = states[key] if key in states else self.initial()
            states[key] = self.accumulate(state, value)

    def fold_partials(self, states: dict[Any, Any], pairs: Pairs) -> None:
        """Merge (key, partial) pairs into the states by key."""
        for key, partial in pairs:
            state = states[key] if key in states else self.initial()
            states[key] = self.merge(state, partial)


class Identity:
    """What came from map is put out as it is, sorted by key."""


class Count(Reducer):
    """How many values a key has, whatever they are."""

    def initial(self) -> int:
        return 0

    def accumulate(self, state: int, value: Any) -> int:
        return state + 1

    def merge(self, state: int, partial: int) -> int:
        return state + partial

    def sequential(self, values: Iterable[Any]) -> int:
        return len(list(values))

    def fold_column(
        self, values: pa.Array | None, order: Index | None, starts: Index, n_rows: int
    ) -> pa.Array | None:
        from zmr.data.reductions import sizes

        return sizes(starts, n_rows)

    def merge_column(
        self, partials: pa.Array | None, order: Index | None, starts: Index
    ) -> pa.Array | None:
        from zmr.data.reductions import int_sums

        return int_sums(partials, order, starts)

    def fold(self, states: dict[Any, int], pairs: Pairs) -> None:
        get = states.get
        for key, _ in pairs:
            states[key] = get(key, 0) + 1

    def fold_partials(self, states: dict[Any, int], pairs: Pairs) -> None:
        get = states.get
        for key, partial in pairs:
            states[key] = get(key, 0) + partial


class Sum(Reducer):
    """The exact sum of ints and floats: an int of any size, or a float if any value was one."""

    def initial(self) -> int | _FloatSum:
        return 0

    def accumulate(self, state: int | _FloatSum, value: Any) -> int | _FloatSum:
        number = value if isinstance(value, float) else _whole(value)
        if isinstance(state, _FloatSum):
            return state.plus(number)
        if isinstance(number, float):
            return _FloatSum(state).plus(number)
        return state + number

    def merge(self, state: int | _FloatSum, partial: Any) -> int | _FloatSum:
        if type(partial) is not tuple:
            return self.accumulate(state, partial)
        total = state if isinstance(state, _FloatSum) else _FloatSum(state)
        return total.plus_scaled(*partial)

    def partial(self, state: int | _FloatSum) -> Any:
        return state.partial() if isinstance(state, _FloatSum) else state

    def result(self, state: int | _FloatSum) -> int | float:
        return state.rounded() if isinstance(state, _FloatSum) else state

    def fold_column(
        self, values: pa.Array | None, order: Index | None, starts: Index, n_rows: int
    ) -> pa.Array | None:
        from zmr.data.reductions import int_sums

        return int_sums(values, order, starts)

    def merge_column(
        self, partials: pa.Array | None, order: Index | None, starts: Index
    ) -> pa.Array | None:
        return self.fold_column(partials, order, starts, 0)

    def sequential(self, values: Iterable[Any]) -> int | float:
        numbers = [v if isinstance(v, (int, float)) else _whole(v) for v in values]
        if not any(isinstance(n, float) for n in numbers):
            return sum(numbers)
        if not all(map(isfinite, (n for n in numbers if isinstance(n, float)))):
            return sum(n for n in numbers if isinstance(n, float) and not isfinite(n))
        exact = sum(map(Fraction, numbers), Fraction(0))
        try:
            return float(exact)
        except OverflowError:
            return inf if exact > 0 else -inf

    def fold(self, states: dict[Any, Any], pairs: Pairs) -> None:
        get = states.get
        for key, value in pairs:
            state = get(key, 0)
            if type(value) is int and type(state) is int:
                states[key] = state + value
            else:
                states[key] = self.accumulate(state, value)

    def fold_partials(self, states: dict[Any, Any], pairs: Pairs) -> None:
        get = states.get
        for key, partial in pairs:
            state = get(key, 0)
            if type(partial) is int and type(state) is int:
                states[key] = state + partial
            else:
                states[key] = self.merge(state, partial)


_UNIT_BITS = 1074  # the smallest positive float is 2 ** -1074
_ONE = 1 << _UNIT_BITS


class _FloatSum:
    """The exact sum of floats and ints: `units` times 2 ** -1074, unless NaN or infinity came in.

    Those outweigh all finite values, so their own sum, `special`, is then the whole answer.
    """

    __slots__ = ("special", "units")

    def __init__(self, whole: int) -> None:
        self.units = whole << _UNIT_BITS
        self.special = 0.0

    def plus(self, number: int | float) -> _FloatSum:
        if isinstance(number, int):
            self.units += number << _UNIT_BITS
        elif isfinite(number):
            self.units += _units(number)
        else:
            self.special += number
        return self

    def plus_scaled(self, mantissa: int, shift: int) -> _FloatSum:
        self.units += mantissa << shift
        return self

    def partial(self) -> float | tuple[int, int]:
        """A float where that is exact; else (mantissa, shift), units being mantissa << shift."""
        if self.special:
            return self.special
        nearest = self.rounded()
        if isfinite(nearest) and _units(nearest) == self.units:
            return nearest
        shift = (self.units & -self.units).bit_length() - 1
        return self.units >> shift, shift

    def rounded(self) -> float:
        if self.special:
            return self.special
        try:
            return self.units / _ONE
        except OverflowError:
            return inf if self.units > 0 else -inf


def _units(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator << (_UNIT_BITS + 1 - denominator.bit_length())


def _whole(value: Any) -> int:
    try:
        return int(index(value))
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"Sum adds int and float values, not {kind}: {shown(value)}") from None
