"""Values are Arrow columns where Arrow keeps them exactly, and pickles elsewhere.

That they come back as they were is tested with map outputs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.columns import values as encoding
from zmr.columns.mixed import PICKLES, children_of
from zmr.columns.values import as_column, decode, encode, is_pickled
from zmr.errors import PickleError


def test_plain_columns_are_arrow_and_others_are_pickled() -> None:
    examples: list[tuple[list[Any], bool]] = [
        (["a", "b"], True),
        ([1, 2], True),
        ([1, None], True),
        ([None, None], True),
        ([[1], [2, 3]], True),
        ([date(2026, 1, 1)], True),
        ([datetime(2026, 1, 1)], True),
        ([1, 2.0], True),
        ([1, True], True),
        ([2**63], False),
        (["\ud800"], False),
        ([("a", 1)], False),
        ([[1, "a"]], False),
        ([[1, None]], False),
        ([[[1]]], False),
        ([datetime(2026, 1, 1, fold=1)], False),
        ([[datetime(2026, 1, 1, tzinfo=UTC)]], False),
    ]
    for values, is_plain in examples:
        field, _ = encode("value", values)
        assert is_pickled(field) != is_plain, values


def test_only_what_is_odd_is_pickled_among_others() -> None:
    odd = [2**64, "\ud800", datetime(2026, 1, 1, fold=1), {}, ()]
    plain = [1, "a", datetime(2026, 1, 1), 2.5, None, [1]]
    children = children_of(encode("value", [*plain, *odd])[1])
    assert len(children[PICKLES].drop_null()) == len(odd)
    assert len(children) == 6


VALUES = st.one_of(
    st.none(), st.integers(), st.integers(-3, 3), st.floats(allow_nan=False), st.booleans(),
    st.text("a\ud800é"), st.binary(), st.dates(), st.datetimes(), st.just({}), st.just((1, "a")),
    st.lists(st.integers() | st.text("a\ud800"), max_size=2),
    st.lists(st.floats(allow_nan=False), max_size=2),
)  # fmt: skip


@given(st.lists(VALUES, max_size=20), st.integers(1, 25), st.lists(st.integers(0, 19)))
def test_values_of_all_kinds_come_back_as_they_were(
    values: list[Any], at_once: int, places: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_MOST_AT_ONCE", at_once)
        field, column = encode("value", values)
    found = decode(field, column)
    assert list(map(repr, found)) == list(map(repr, values))
    places = [place for place in places if place < len(values)]
    taken = decode(field, column.take(places)) if places else []
    assert list(map(repr, taken)) == [repr(values[place]) for place in places]
    assert list(map(repr, decode(field, column.slice(1)))) == list(map(repr, values[1:]))
    as_column(values).validate(full=True)


def test_a_value_that_can_not_be_kept_is_named_by_its_place_in_all() -> None:
    some: list[Any] = [1, {}]
    for plain in some:
        values = [plain] * 5000
        values[4998] = lambda: 1
        with pytest.raises(PickleError) as raised:
            encode("value", values)
        assert raised.value.index == 4998
