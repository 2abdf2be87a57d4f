"""Exact sums of grouped floats.

The exact sum of some floats is seldom a float, but it is always the sum of a few: its *terms*.
They are found by splitting. A power of two far above all of the values, added and taken off again,
leaves the high part of each value: a multiple of one unit, and the sum of all high parts of a group
is less than 2**53 such units. So that sum is exact, and a term. What is left of the values is exact
too, and smaller by many bits; after a few rounds nothing is left.

This is the error-free vector transformation of S. M. Rump, T. Ogita and S. Oishi, "Accurate
Floating-Point Summation" (2008), for many sums at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zmr.columns.arrays import Index

Floats = npt.NDArray[np.float64]

_BITS = 53
_MOST_ROUNDS = 12  # values further apart than this are left to Python
_LARGEST_EXPONENT = 1020


def term_sums(values: Floats, starts: Index) -> list[Floats] | None:
    """For each group the terms of its sum: one array for the first terms, one for the second, ...

    The terms of a group add up to exactly the sum of its values; where that is NaN or infinite, it
    is the first term, and the others are 0. None if the values are too far apart, or too large.
    """
    if not len(values):
        return [np.zeros(0)]
    finite = np.isfinite(values)
    special = None
    if not finite.all():
        with np.errstate(invalid="ignore"):
            special = np.add.reduceat(np.where(finite, 0.0, values), starts)
        values = np.where(finite, values, 0.0)
    terms = _split_off_terms(values, starts)
    if terms is None:
        return None
    terms = [term for term in _without_overlap(terms) if term.any()] or [np.zeros(len(starts))]
    if special is not None:
        is_special = special != 0  # NaN and infinities are what is not 0
        for place, term in enumerate(terms):
            terms[place] = np.where(is_special, special if place == 0 else 0.0, term)
    return terms


def _split_off_terms(values: Floats, starts: Index) -> list[Floats] | None:
    most = int(np.diff(np.append(starts, len(values))).max())
    headroom = most.bit_length() + 1
    terms: list[Floats] = []
    while (largest := float(np.abs(values).max())) > 0:
        exponent = int(np.frexp(largest)[1]) + headroom
        if len(terms) == _MOST_ROUNDS or exponent > _LARGEST_EXPONENT:
            return None
        far_above = np.ldexp(1.5, exponent)
        high = (values + far_above) - far_above
        terms.append(np.add.reduceat(high, starts))
        values = values - high
    return terms


def _without_overlap(terms: list[Floats]) -> list[Floats]:
    """Terms with the same sums, as few as can be, the largest first."""
    for _ in range(len(terms)):
        for place in range(len(terms) - 1, 0, -1):
            large, small = terms[place - 1], terms[place]
            total = large + small
            part = total - large
            terms[place - 1] = total
            terms[place] = (large - (total - part)) + (small - part)
    return terms
