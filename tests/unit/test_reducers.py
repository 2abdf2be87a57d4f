from __future__ import annotations

import pickle
from math import fsum, inf, isfinite, isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import Count, Reducer, Sum

NUMBERS = st.lists(st.integers() | st.floats() | st.booleans(), max_size=8)


def distributed(reducer: Reducer, tasks: list[list[Any]]) -> Any:
    """Return the result for one key whose values are spread over map tasks in this way."""
    merged: dict[str, Any] = {}
    for values in tasks:
        states: dict[str, Any] = {}
        reducer.fold(states, (("key", value) for value in values))
        travelled = {k: pickle.loads(pickle.dumps(reducer.partial(s))) for k, s in states.items()}
        reducer.fold_partials(merged, travelled.items())
    return reducer.result(merged.get("key", reducer.initial()))


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (isnan(one) and isnan(other)))


@given(st.lists(NUMBERS, max_size=5))
@pytest.mark.parametrize("reducer", [Sum(), Count()])
def test_the_result_is_the_sequential_one_however_the_values_are_grouped(
    reducer: Reducer, tasks: list[list[Any]]
) -> None:
    together = [value for values in tasks for value in values]
    assert same(distributed(reducer, tasks), reducer.sequential(together))


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_a_sum_of_floats_is_rounded_once(values: list[float]) -> None:
    assert distributed(Sum(), [[value] for value in values]) == fsum(values)


def test_sums_keep_their_type_and_every_digit() -> None:
    assert distributed(Sum(), [[10**40, 1], [True]]) == 10**40 + 2
    assert same(distributed(Sum(), [[1, 2], [0.5, 0.5]]), 4.0)
    assert same(distributed(Sum(), [[2**53, 0.5], [1, 0.5]]), float(2**53 + 2))


def test_a_sum_passes_over_overflow_on_its_way_and_ends_there_only_if_it_must() -> None:
    assert distributed(Sum(), [[1e308, 1e308], [-1e308, -1e308, 3.0]]) == 3.0
    assert distributed(Sum(), [[1e308], [1e308]]) == inf
    assert distributed(Sum(), [[-inf, 1.0], [10**400]]) == -inf
    assert isnan(distributed(Sum(), [[inf], [-inf]]))
    assert isnan(distributed(Sum(), [[nan], [1]]))
    assert isfinite(distributed(Sum(), [[5e-324], [5e-324]]))


def test_what_can_not_be_added_is_named() -> None:
    with pytest.raises(TypeError, match="Sum adds int and float values, not str: 'ten'"):
        Sum().fold({}, [("a", 1), ("a", "ten")])


class Longest(Reducer):
    """A reducer that has only what a reducer must have."""

    def initial(self) -> str:
        return ""

    def accumulate(self, state: str, value: str) -> str:
        return max(state, value, key=lambda text: (len(text), text))

    def merge(self, state: str, partial: str) -> str:
        return self.accumulate(state, partial)

    def sequential(self, values: Any) -> str:
        return max(values, key=lambda text: (len(text), text), default="")


@given(st.lists(st.lists(st.text(max_size=4), max_size=4), max_size=4))
def test_users_can_write_reducers(tasks: list[list[str]]) -> None:
    together = [value for values in tasks for value in values]
    assert distributed(Longest(), tasks) == Longest().sequential(together)
