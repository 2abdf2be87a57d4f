"""Dicts of rows are what `dict(zip(names, row))` makes, whatever the names are."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zmr.columns.row_dicts import dicts_of

NAMES = st.text(st.characters(codec=None) | st.sampled_from("'\"\\{}\n\ud800"))


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(st.integers(), max_size=3))
def test_names_may_be_anything(names: list[str], column: list[int]) -> None:
    columns = [[(number, value) for value in column] for number in range(len(names))]
    expected = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    assert dicts_of(names, iter(columns)) == expected


def test_rows_of_very_many_columns_are_dicts_too() -> None:
    for n_columns in (200, 201, 5000):
        names = [f"c{i}" for i in range(n_columns)]
        columns: list[list[Any]] = [[i, -i] for i in range(n_columns)]
        assert dicts_of(names, columns) == [
            {name: i for i, name in enumerate(names)},
            {name: -i for i, name in enumerate(names)},
        ]
