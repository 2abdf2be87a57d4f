"""Values are Arrow columns where Arrow keeps them exactly, and pickles elsewhere.

That they come back as they were is tested with map outputs.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from zmr.columns.values import encode, is_pickled


def test_plain_columns_are_arrow_and_others_are_pickled() -> None:
    examples: list[tuple[list[Any], bool]] = [
        (["a", "b"], True),
        ([1, 2], True),
        ([1, None], True),
        ([None, None], True),
        ([[1], [2, 3]], True),
        ([date(2026, 1, 1)], True),
        ([datetime(2026, 1, 1)], True),
        ([1, 2.0], False),
        ([1, True], False),
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
