"""Sums of `Decimal`, which are exact as those of ints are.

Nothing here imports `decimal` before there is one.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any, TypeGuard

from zmr.display import short_repr
from zmr.errors import YieldError

if TYPE_CHECKING:
    from decimal import Context, Decimal

_MOST_DIGITS = 100_000


def is_decimal(value: Any) -> TypeGuard[Decimal]:
    """Whether the value is a `Decimal`."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


def added(one: Decimal | int, other: Decimal | int) -> Decimal:
    """The exact sum, to as many places as the longer of the two has. Raises `YieldError`."""
    from decimal import Decimal, DecimalException

    for number in (one, other):
        if is_decimal(number) and not number.is_finite():
            raise YieldError(f"Sum adds finite Decimals, not {short_repr(number)}")
    try:
        return _exact().add(Decimal(one), Decimal(other))
    except DecimalException:
        raise YieldError(
            f"Sum adds Decimals whose sum has at most {_MOST_DIGITS:,} digits: yield floats"
        ) from None


def beside_float() -> YieldError:
    """The error for a Decimal and a float under one key: Python does not add them either."""
    return YieldError("Sum adds Decimals to Decimals and ints, not to floats: yield one of them")


@cache
def _exact() -> Context:
    from decimal import MAX_EMAX, MIN_EMIN, Context, Inexact, InvalidOperation, Overflow

    traps = [Inexact, InvalidOperation, Overflow]
    return Context(prec=_MOST_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=traps)
