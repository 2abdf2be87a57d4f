"""Sums that are exact, whatever is added and in whatever order."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, inf, isfinite, nan
from operator import index
from typing import Any

from zmr.display import short_repr
from zmr.errors import YieldError

Partial = list[float] | tuple[int, int]

_MOST_FLOATS = 32  # that are kept apart before they are summed up
_BYTES, _FLOAT_BYTES = 150, 32  # of memory, about
_UNIT_BITS = 1074  # the smallest positive float is 2 ** -1074


class ExactSum:
    """The sum of floats and ints, of which at least one was a float.

    Floats are kept as the *terms* of their sum: a few floats that add up to just that. NaN and
    infinities outweigh all finite values, so their own sum is then the whole answer.
    """

    __slots__ = ("_floats", "_units", "_whole")

    def __init__(self, whole: int = 0) -> None:
        self._floats: list[float] = []
        self._whole = whole
        self._units = 0  # the part that floats can't hold, in units of the smallest float

    def __sizeof__(self) -> int:
        return _BYTES + _FLOAT_BYTES * len(self._floats)

    def add(self, number: int | float) -> ExactSum:
        if isinstance(number, float):
            self._floats.append(number)
            if len(self._floats) > _MOST_FLOATS:
                self._settle()
        else:
            self._whole += number
        return self

    def add_partial(self, partial: int | Sequence[Any]) -> ExactSum:
        """Add what `partial` gave for another sum, or an int."""
        if isinstance(partial, int):
            self._whole += partial
        elif isinstance(partial, tuple):
            mantissa, shift = partial
            self._units += mantissa << shift
        else:
            self._floats += partial
            if len(self._floats) > _MOST_FLOATS:
                self._settle()
        return self

    def partial(self) -> Partial:
        """The terms; where even those are no floats, (mantissa, shift) with the smallest unit."""
        if not self._units:
            try:
                return terms_of(self._floats + _as_floats(self._whole))
            except OverflowError:
                pass
        if special := self._special():
            return [special]
        units = self._in_units()
        shift = max(0, (units & -units).bit_length() - 1)
        return units >> shift, shift

    def over(self, divisor: int) -> float:
        """The sum divided by a whole number, correctly rounded: infinite beyond all floats."""
        if special := self._special():
            return special
        terms = self.partial()
        if isinstance(terms, list) and len(terms) == 1 and divisor < 2**53:
            return terms[0] / divisor
        units = self._in_units()
        try:
            return units / (divisor << _UNIT_BITS)
        except OverflowError:
            return inf if units > 0 else -inf

    def rounded(self) -> float:
        """The sum, correctly rounded: infinite beyond all floats."""
        if not self._units:
            try:
                return fsum(self._floats + _as_floats(self._whole))
            except (OverflowError, ValueError):
                pass
        return self.over(1)

    def _settle(self) -> None:
        """Have only terms among the floats."""
        try:
            self._floats = terms_of(self._floats)
        except OverflowError:
            self._units += sum(_units(number) for number in self._floats if isfinite(number))
            self._floats = [number for number in self._floats if not isfinite(number)]

    def _special(self) -> float:
        """The sum of what is not finite; 0 if everything is."""
        return sum(number for number in self._floats if not isfinite(number))

    def _in_units(self) -> int:
        return self._units + (self._whole << _UNIT_BITS) + sum(map(_units, self._floats))


def terms_of(numbers: list[float]) -> list[float]:
    """As few floats as can be with the same sum. Raises OverflowError if there are none."""
    rest = list(numbers)
    terms: list[float] = []
    try:
        while term := fsum(rest):
            if not isfinite(term):
                return [term]
            terms.append(term)
            rest.append(-term)
    except ValueError:  # inf - inf
        return [nan]
    return terms or [0.0]


def whole(value: Any, reducer: str) -> int:
    """The int that the value is. Raises `YieldError` if it is none."""
    try:
        return int(index(value))
    except TypeError:
        kind = type(value).__name__
        kinds = "int, float and Decimal" if reducer == "Sum" else "int and float"
        message = f"{reducer} adds {kinds} values, not {kind}: {short_repr(value)}"
        raise YieldError(message) from None


def _as_floats(number: int) -> list[float]:
    """Floats whose sum the int is. Raises OverflowError if it is beyond them."""
    floats = []
    while number:
        floats.append(float(number))
        number -= int(floats[-1])
    return floats


def _units(number: float) -> int:
    numerator, denominator = number.as_integer_ratio()
    return numerator << (_UNIT_BITS + 1 - denominator.bit_length())
