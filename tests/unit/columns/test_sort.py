"""Columns of keys are ordered, grouped and hashed as single keys are."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr.columns import bytes_view
from zmr.columns.hash import hash_rows
from zmr.columns.sort import sort_order
from zmr.columns.values import encode
from zmr.partitioners import hash_key

# Short alphabets make ties, shared beginnings and trailing zeros likely.
long = "a" * 1000
texts = st.text(alphabet="ab\0é", max_size=40) | st.sampled_from(
    ["", "abababab", "a" * 30, long, long + "b", long + "\0", long + "bcdefghi"]
)
kinds: dict[str, st.SearchStrategy[Any]] = {
    "str": texts,
    "bytes": texts.map(str.encode),
    "int": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2),
    "float": st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0]),
    "bool": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes().map(lambda moment: moment.replace(fold=0)),
    "tuple": st.tuples(texts, st.integers(-2, 2), texts),
    "tuple of one": st.tuples(texts),
}


def columns_of(keys: list[Any]) -> list[pa.Array]:
    rows = zip(*keys, strict=True) if keys and type(keys[0]) is tuple else [keys]
    return [encode("key", list(column))[1] for column in rows]


@pytest.mark.parametrize("row_cost", [0.0, 1e9], ids=["one by one", "all at once"])
@pytest.mark.parametrize("kind", kinds)
def test_columns_sort_group_and_hash_as_their_keys_do(
    kind: str, row_cost: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytes_view, "_ROW_COST", row_cost)

    @given(st.lists(kinds[kind], min_size=1, max_size=60))
    def check(keys: list[Any]) -> None:
        columns = columns_of(keys)
        order, starts = sort_order(columns)
        assert order.tolist() == sorted(range(len(keys)), key=keys.__getitem__)
        groups = [len(list(rows)) for _, rows in groupby(sorted(keys))]
        assert np.diff(np.append(starts, len(keys))).tolist() == groups
        assert hash_rows(columns, kind.startswith("tuple")).tolist() == [
            hash_key(key) for key in keys
        ]

    check()


def test_slices_and_both_widths_of_offsets_are_the_same_keys() -> None:
    keys = ["", "b", "a" * 17, "a" * 16, "ab", "é", "a" * 17 + "\0"]
    for kind in (pa.string(), pa.large_string()):
        column = pa.array(["zz", *keys, "yyyyyyyyyyyy"], kind).slice(1, len(keys))
        order, _ = sort_order([column])
        assert [keys[i] for i in order] == sorted(keys)
        assert hash_rows([column], are_tuples=False).tolist() == [hash_key(key) for key in keys]


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
        assert len(set(hash_rows([column], False).tolist())) == len(set(some))
