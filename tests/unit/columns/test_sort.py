"""Columns of keys are ordered and grouped as single keys are."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.keys import KEYS, columns_of

from zmr.columns import sort
from zmr.columns.sort import sort_order
from zmr.key_types import sortable


@pytest.mark.parametrize("ranking_cost", [-1e9, 1e9], ids=["ranked", "8 bytes at a time"])
@pytest.mark.parametrize("kind", KEYS)
def test_columns_sort_and_group_as_their_keys_do(
    kind: str, ranking_cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sort, "_RANKING_COST", ranking_cost)

    @given(st.lists(KEYS[kind], min_size=1, max_size=60))
    def check(keys: list[Any]) -> None:
        order, starts = sort_order(columns_of(keys))
        assert order.tolist() == sorted(range(len(keys)), key=lambda row: sortable(keys[row]))
        groups = [len(list(rows)) for _, rows in groupby(sorted(keys, key=sortable))]
        assert np.diff(np.append(starts, len(keys))).tolist() == groups

    check()


def test_slices_and_both_widths_of_offsets_are_the_same_keys() -> None:
    keys = ["", "b", "a" * 17, "a" * 16, "ab", "é", "a" * 17 + "\0"]
    for kind in (pa.string(), pa.large_string()):
        column = pa.array(["zz", *keys, "yyyyyyyyyyyy"], kind).slice(1, len(keys))
        order, _ = sort_order([column])
        assert [keys[i] for i in order] == sorted(keys)


def test_no_rows_have_no_groups() -> None:
    for kind in (pa.string(), pa.int64()):
        order, starts = sort_order([pa.array([], kind)])
        assert (len(order), len(starts)) == (0, 0)


def test_dates_far_off_are_keys_too() -> None:
    keys = [date.max, date.min, date(1970, 1, 1)]
    order, _ = sort_order(columns_of(keys))
    assert [keys[i] for i in order] == sorted(keys)


def test_keys_of_megabytes_take_no_round_for_every_8_bytes() -> None:
    """Else it is a minute for these, and the test times out."""
    keys = ["a" * (8 << 20)] * 2 + ["a" * (8 << 20) + "b"]
    for some in (keys, keys[:2]):
        column = pa.array(some, pa.large_string())
        assert sort_order([column])[1].tolist() == ([0, 2] if some is keys else [0])
