"""Every declarative reducer gives its sequential answer, however values are spread over tasks."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from math import fsum, inf, isfinite, isnan, nan
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zmr import Collect, Count, Distinct, First, Max, Mean, Min, Reducer, Sum, Top
from zmr.columns import rows
from zmr.columns.groups import group
from zmr.columns.mixed import to_pylist
from zmr.columns.schema import concat_unified
from zmr.errors import YieldError
from zmr.reducers.grouped import partials_of, results_of

Tasks = list[list[tuple[str, Any]]]  # what each map task puts out: keys with their values

NUMBERS = st.integers() | st.floats() | st.booleans() | st.sampled_from([0.0, -0.0, 0, 1, True])
ONE_KIND: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "float": st.floats() | st.sampled_from([0.0, -0.0, 0.1, 0.2, nan]),
    "bool": st.booleans(),
    "str": st.text(alphabet="ab\0é", max_size=12) | st.text(st.characters(codec=None), max_size=2),
    "bytes": st.binary(max_size=12),
    "date": st.dates(),
    "datetime": st.datetimes(),
}
ANY_NUMBERS = [Count(), Sum(), Mean(), Min(), Max(), First(), Top(2), Distinct(), Collect()]
ANY_KIND = [Count(), Min(), Max(), First(), Top(1), Top(3), Distinct(), Collect()]


def tasks_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Tasks]:
    pair = st.tuples(st.sampled_from(["a", "b", "c"]), values)
    return st.lists(st.lists(pair, max_size=8), max_size=4)


def sequential(reducer: Reducer, tasks: Tasks) -> dict[str, Any]:
    values: dict[str, list[Any]] = {}
    for key, value in (pair for task in tasks for pair in task):
        values.setdefault(key, []).append(value)
    return {key: reducer.sequential(values[key]) for key in sorted(values)}


def as_objects(reducer: Reducer, tasks: Tasks) -> dict[str, Any]:
    """Fold the values of each task in a dict, and merge the partials one by one."""
    merged: dict[str, Any] = {}
    for task in tasks:
        states: dict[str, Any] = {}
        reducer.fold(states, iter(task))
        for key, state in states.items():
            travelled = pickle.loads(pickle.dumps(reducer.partial(state)))
            before = merged[key] if key in merged else reducer.initial()
            merged[key] = reducer.merge(before, travelled)
    return {key: reducer.result(merged[key]) for key in sorted(merged)}


def as_columns(reducer: Reducer, tasks: Tasks) -> dict[str, Any]:
    """Combine rows in columns: those of each task, then those of neighbours, then all."""
    partials = []
    for task in tasks:
        if task:
            keys, values = zip(*task, strict=True)
            groups = group(rows.from_lists(keys, values))
            partials.append(partials_of(reducer, groups, are_partials=False))
    while len(partials) > 1:
        both = group(concat_unified(partials[-2:]))
        partials[-2:] = [partials_of(reducer, both, are_partials=True)]
    if not partials:
        return {}
    results = results_of(reducer, partials[0])
    found = results if isinstance(results, list) else to_pylist(results)
    return dict(zip(rows.keys_of(partials[0]), found, strict=True))


WAYS = [as_objects, as_columns]
Way = Callable[[Reducer, Tasks], dict[str, Any]]


@settings(max_examples=40)
@given(tasks_of(NUMBERS))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reducer", ANY_NUMBERS, ids=repr)
def test_numbers_in_any_grouping(reducer: Reducer, way: Way, tasks: Tasks) -> None:
    # repr tells apart what == doesn't: 1, 1.0 and True, 0.0 and -0.0; and NaN is like NaN.
    assert repr(way(reducer, tasks)) == repr(sequential(reducer, tasks))


@settings(max_examples=60)
@given(st.one_of([tasks_of(values) for values in ONE_KIND.values()]))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reducer", ANY_KIND, ids=repr)
def test_values_of_one_kind_in_any_grouping(reducer: Reducer, way: Way, tasks: Tasks) -> None:
    assert repr(way(reducer, tasks)) == repr(sequential(reducer, tasks))


@settings(max_examples=60)
@given(st.one_of([tasks_of(ONE_KIND[kind]) for kind in ("int", "float", "bool")]))
@pytest.mark.parametrize("reducer", [Sum(), Mean()], ids=repr)
def test_columns_of_numbers_add_up_in_any_grouping(reducer: Reducer, tasks: Tasks) -> None:
    assert repr(as_columns(reducer, tasks)) == repr(sequential(reducer, tasks))


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9)


@settings(max_examples=60)
@given(tasks_of(DECIMALS | st.integers() | st.booleans() | st.just(Decimal("-0.00"))))
@pytest.mark.parametrize("way", WAYS)
def test_decimals_and_ints_add_up_exactly_in_any_grouping(way: Way, tasks: Tasks) -> None:
    found = way(Sum(), tasks)
    assert repr(found) == repr(sequential(Sum(), tasks))
    pairs = [pair for task in tasks for pair in task]
    for key, total in found.items():
        values = [value for its_key, value in pairs if its_key == key]
        assert Fraction(total) == sum(map(Fraction, values))
        assert isinstance(total, Decimal) == any(isinstance(value, Decimal) for value in values)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "tasks",
    [
        [[("a", Decimal(1)), ("a", 0.5)]],
        [[("a", 0.5), ("a", Decimal(1))]],
        [[("a", 0.5)], [("a", Decimal(1))]],
        [[("a", Decimal(1))], [("a", 0.5)]],
        [[("a", Decimal(1))], [("a", 1)], [("a", 1), ("a", 0.5)]],
    ],
)
def test_a_decimal_and_a_float_do_not_add_up(way: Way, tasks: Tasks) -> None:
    for found in (way, sequential):
        with pytest.raises(YieldError, match="not to floats"):
            found(Sum(), tasks)


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1E+200000"])
def test_a_decimal_that_does_not_add_up_is_refused(odd: str) -> None:
    tasks = [[("a", Decimal(odd)), ("a", Decimal("0.1"))]]
    for way in (*WAYS, sequential):
        with pytest.raises(YieldError, match=r"Sum adds (finite )?Decimals"):
            way(Sum(), tasks)


def folded(reducer: Reducer, values: list[Any]) -> pa.Array:
    """Return what columns make of the values of a single key."""
    partials = partials_of(reducer, group(rows.from_lists(["a"] * len(values), values)), False)
    return partials.column(rows.VALUE)


@pytest.mark.parametrize(
    ("reducer", "values", "expected"),
    [
        (Count(), ["x", "y"], pa.int64()),
        (Sum(), [1, 2], pa.int64()),
        (Sum(), [True, False], pa.int64()),
        (Sum(), [0.1, 0.2], pa.large_list(pa.float64())),
        (Mean(), [1, 2], pa.large_list(pa.float64())),
        (Mean(), [0.1, 0.2], pa.large_list(pa.float64())),
        (Min(), ["x", "y"], pa.large_string()),
        (Max(), [date(2026, 1, 1)], pa.date32()),
        (Max(), [datetime(2026, 1, 1)], pa.timestamp("us")),
        (First(), [None, 1], pa.int64()),
        (Top(2), [1.5, nan], pa.large_list(pa.float64())),
        (Distinct(), [b"a"], pa.large_list(pa.large_binary())),
        (Collect(), [True], pa.large_list(pa.bool_())),
    ],
    ids=repr,
)
def test_plain_columns_are_reduced_as_columns(
    reducer: Reducer, values: list[Any], expected: pa.DataType
) -> None:
    # What had to be done in Python would be pickled or, for ints, not be seen as different here.
    assert folded(reducer, values).type == expected


def test_floats_far_apart_and_near_overflow_are_summed_in_columns_too() -> None:
    values = np.random.default_rng(1).choice([1e16, 1.0, -1e16, 1e-9, 2**60 + 0.0], 1000).tolist()
    tasks = [[("a", value) for value in values], [("a", -value) for value in values[1:]]]
    assert as_columns(Sum(), tasks) == {"a": values[0]}
    assert as_columns(Sum(), [[("a", 1e308)], [("a", 1e308)], [("a", -1e308)]]) == {"a": 1e308}


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20))
def test_a_sum_of_floats_is_rounded_once(values: list[float]) -> None:
    assert as_objects(Sum(), [[("a", value)] for value in values]) == {"a": fsum(values)}


def total(*tasks: list[Any]) -> Any:
    return as_objects(Sum(), [[("a", value) for value in task] for task in tasks])["a"]


def test_sums_keep_their_type_and_every_digit() -> None:
    assert total([10**40, 1], [True]) == 10**40 + 2
    assert repr(total([1, 2], [0.5, 0.5])) == "4.0"
    assert repr(total([2**53, 0.5], [1, 0.5])) == repr(float(2**53 + 2))


def test_a_sum_passes_over_overflow_on_its_way_and_ends_there_only_if_it_must() -> None:
    assert total([1e308, 1e308], [-1e308, -1e308, 3.0]) == 3.0
    assert total([1e308], [1e308]) == inf
    assert total([-inf, 1.0], [10**400]) == -inf
    assert total([10**400, 0.5], [-(10**400)]) == 0.5
    assert isnan(total([inf], [-inf]))
    assert isnan(total([nan], [1]))
    assert isfinite(total([5e-324], [5e-324]))


def test_a_mean_is_rounded_once() -> None:
    def mean(*values: Any) -> Any:
        return as_objects(Mean(), [[("a", value)] for value in values])["a"]

    assert mean(1, 2) == 1.5
    assert mean(2**60, 2**60 + 2) == float(2**60)
    assert mean(1e308, 1e308) == 1e308
    assert mean(10**400, -(10**400), 3) == 1.0
    assert mean(0.1, 0.2, 0.3) == 0.2


def test_what_can_not_be_added_is_named() -> None:
    for way in WAYS:
        with pytest.raises(
            TypeError, match="Sum adds int, float and Decimal values, not str: 'ten'"
        ):
            way(Sum(), [[("a", 1), ("a", "ten")]])
        with pytest.raises(TypeError, match="Mean adds int and float values, not NoneType: None"):
            way(Mean(), [[("a", 1), ("a", None)]])


def test_top_takes_a_number() -> None:
    for wrong in (0, -1, 1.5, None, True):
        with pytest.raises(ValueError, match="a whole number from 1 on"):
            Top(wrong)  # type: ignore[arg-type]


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


@given(tasks_of(st.text(max_size=4)))
@pytest.mark.parametrize("way", WAYS)
def test_users_can_write_reducers(way: Way, tasks: Tasks) -> None:
    assert way(Longest(), tasks) == sequential(Longest(), tasks)
