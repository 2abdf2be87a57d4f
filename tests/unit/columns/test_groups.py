"""Groups know their rows in order, whether these lie in order or not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from zmr.columns import groups as module
from zmr.columns import rows
from zmr.columns.groups import GroupedColumn, Groups, group

KEYS = ["b", "a", "c", "a", "b", "a"]
IN_ORDER = [("a", 1), ("a", 3), ("a", 5), ("b", 0), ("b", 4), ("c", 2)]


def pairs(batch: pa.RecordBatch) -> list[tuple[str, int]]:
    return list(zip(rows.keys_of(batch), rows.values_of(batch), strict=True))


@pytest.fixture(params=["ordered by indices", "lying in order"])
def groups(request: pytest.FixtureRequest) -> Groups:
    """Return the rows in groups, each with its number as its value."""
    grouped = group(rows.from_lists(KEYS, list(range(len(KEYS)))))
    if request.param == "lying in order":
        return Groups(grouped.in_order(), None, grouped.starts)
    return grouped


def test_rows_are_grouped_in_the_order_of_keys_and_of_rows(groups: Groups) -> None:
    assert pairs(groups.in_order()) == IN_ORDER
    assert (len(groups), groups.n_rows) == (3, 6)
    assert rows.keys_of(groups.keys()) == ["a", "b", "c"]
    assert groups.values().sizes().tolist() == [3, 2, 1]
    assert groups.values().numbers().tolist() == [value for _, value in IN_ORDER]


def test_pieces_make_up_what_is_asked_for(groups: Groups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_BYTES", 1)
    for start, end in ((0, None), (0, 6), (2, 5), (5, None)):
        found = [pair for piece in groups.pieces(start, end) for pair in pairs(piece)]
        assert found == IN_ORDER[start:end]
    n_pieces = len(list(groups.pieces()))
    assert n_pieces == (1 if groups.order is None else 6)


def test_elements_of_lists_are_grouped_as_the_lists_are() -> None:
    lists = pa.array([[9], [1, 2], [3], [4, 5, 6]], pa.large_list(pa.int64())).slice(1)
    grouped = GroupedColumn(lists, np.array([2, 0, 1]), np.array([0, 1]), 3).flattened()
    assert grouped.numbers().tolist() == [4, 5, 6, 1, 2, 3]
    assert grouped.sizes().tolist() == [3, 3]
