from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.map_outputs import Rows, read_partition, write_map_output

from zmr.data.columns import PickleError
from zmr.data.map_output import CorruptMapOutput

ZONES = st.none() | st.just(timezone(timedelta(hours=2)))
SCALARS = [
    st.text(st.characters(codec=None), max_size=5),
    st.binary(max_size=9),
    st.integers(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.none(),
]
VALUES = st.one_of(SCALARS)
ANYTHING = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)
# Columns of one type take another way than mixed ones.
COLUMNS = st.one_of([st.lists(kind, max_size=5) for kind in SCALARS] + [st.lists(ANYTHING)])


def rows_of(column: list[Any]) -> Rows:
    return [f"key{i}" for i in range(len(column))], column


@settings(max_examples=50)
@given(COLUMNS, COLUMNS)
def test_every_partition_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, one: list[Any], other: list[Any]
) -> None:
    path = str(tmp_path_factory.getbasetemp() / "map-output")
    partitions = [rows_of(one), ([], []), (other, other)]
    sizes = write_map_output(path, "str", partitions)
    for number, expected in enumerate(partitions):
        stored = read_partition(path, number)
        # repr tells apart what == doesn't: 1 and 1.0, 0.0 and -0.0, two folds of an hour.
        assert repr(stored.rows()) == repr(expected)
        assert (stored.key_type, stored.size_bytes) == ("str", sizes[number])
    assert sizes[1] == 0


def test_plain_columns_are_arrow_and_others_are_pickled(tmp_path: Path) -> None:
    path = str(tmp_path / "output")
    columns: list[tuple[list[Any], bool]] = [
        (["a", "b"], False),
        ([1, 2], False),
        ([1, 2.0], True),
        ([1, True], True),
        ([2**63], True),
        (["\ud800"], True),
        ([("a", 1)], True),
        ([date(2026, 1, 1)], False),
        ([datetime(2026, 1, 1)], False),
        ([datetime(2026, 1, 1, fold=1)], True),
    ]
    for column, pickled in columns:
        write_map_output(path, "str", [rows_of(column)])
        assert (b"pickled" in Path(path).read_bytes()) == pickled, column


def test_a_value_that_can_not_be_pickled_is_named_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(PickleError, match=r"type function can't be kept: .*under the key 'key1'"):
        write_map_output(str(tmp_path / "out"), "str", [rows_of([1, lambda: 1])])
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "output"
    partitions = [rows_of(["a", "b"]), rows_of([1, 2, 3])]
    write_map_output(str(path), "str", partitions)
    good = path.read_bytes()
    noticed = 0
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        for number, expected in enumerate(partitions):
            try:
                assert read_partition(str(path), number).rows() == expected
            except CorruptMapOutput:
                noticed += 1
    # The leading magic alone is checked by nobody; a partition's bytes matter to its readers only.
    assert noticed >= len(good) - 8


@pytest.mark.parametrize("size_bytes", [0, 7, 50, 400])
def test_a_truncated_file_is_noticed(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "output"
    write_map_output(str(path), "str", [rows_of(["a"])])
    path.write_bytes(path.read_bytes()[:size_bytes])
    with pytest.raises(CorruptMapOutput, match=str(path)):
        read_partition(str(path), 0)


def test_a_partition_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "output")
    write_map_output(path, "str", [rows_of(["a"])])
    with pytest.raises(CorruptMapOutput):
        read_partition(path, 1)
