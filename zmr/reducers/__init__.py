"""Declarative reducers: what a job may assign to `reduce` in place of writing a method.

A reducer folds the values of a key into a *state*. It promises that the result does not depend
on how the values were cut into tasks, combined, and merged again: that is what lets it run on the
map side too, as its own combiner, and still give the sequential answer to the last bit. Partials
are merged in the order of the input, so "first" has a meaning.

    map task     state = initial();  accumulate(state, value)...  ;  partial(state) is written
    reduce task  state = initial();  merge(state, partial)...     ;  result(state) is the output

The same is done to whole columns, where they are of a kind that allows it exactly:

    map task     fold_column(values of many keys)     gives a column of partials
    reduce task  merge_column(partials of many keys)  gives a column of partials,
                 result_column(partials)              the output

Two rules hold for all of them. Numbers are exact: whole numbers have as many digits as they need,
and what must be a float is rounded once, at the end. And NaN, which compares with nothing, is taken
to be larger than every other number and equal to itself, as PostgreSQL and Spark do.
"""

from __future__ import annotations

from zmr.reducers.base import Identity, Reducer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zmr.reducers.extremes import First, Max, Min
    from zmr.reducers.lists import Collect, Distinct, Top
    from zmr.reducers.sums import Count, Mean, Sum

__all__ = [
    "Collect",
    "Count",
    "Distinct",
    "First",
    "Identity",
    "Max",
    "Mean",
    "Min",
    "Reducer",
    "Sum",
    "Top",
]

_HOMES = {
    "Collect": "lists",
    "Count": "sums",
    "Distinct": "lists",
    "First": "extremes",
    "Max": "extremes",
    "Mean": "sums",
    "Min": "extremes",
    "Sum": "sums",
    "Top": "lists",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'zmr.reducers' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"zmr.reducers.{home}"), name)
    globals()[name] = value
    return value
