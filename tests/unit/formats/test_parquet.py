"""Parquet files: row groups, columns, and files that are none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from support.reading import cut, in_pieces, read, read_batches

from zmr import BadRecord, Parquet
from zmr.messages import Split

BOTH = pytest.mark.parametrize("how", [read, read_batches])


def table_of(n: int) -> pa.Table:
    return pa.table({"id": range(n), "name": [f"row {i}" for i in range(n)], "t": [["a"]] * n})


def test_a_row_group_belongs_to_the_split_that_it_begins_in(path: Path) -> None:
    expected = table_of(25).to_pylist()

    @settings(max_examples=60)
    @given(st.integers(1, 30), st.lists(st.integers(1, 4000)), st.sampled_from([1, 300, 1 << 20]))
    def check(group_rows: int, cuts: list[int], piece_bytes: int) -> None:
        parquet.write_table(table_of(25), path, row_group_size=group_rows)
        for how in (read, read_batches):
            found = how(in_pieces(Parquet(), piece_bytes), *cut(path, cuts))
            assert found.records == expected
        assert found.size_bytes == path.stat().st_size

    check()


@BOTH
def test_parquet_reads_the_columns_that_are_asked_for(path: Path, how: Any) -> None:
    parquet.write_table(table_of(2), path)
    found = how(Parquet(columns=["name", "id"]), Split(str(path)))
    assert list(found.records[1].items()) == [("name", "row 1"), ("id", 1)]
    with pytest.raises(BadRecord, match="there is no column 'nome'; there are id, name, t"):
        how(Parquet(columns=["nome"]), Split(str(path)))
    with pytest.raises(ValueError, match="takes a list"):
        Parquet(columns="name")


@BOTH
def test_a_dot_in_a_name_is_no_path(path: Path, how: Any) -> None:
    columns = {"a": [{"b": 10}, {"b": 20}], "a.b": [1, 2], "z": ["p", "q"]}
    for names in (["a", "a.b", "z"], ["a.b", "z", "a"]):
        parquet.write_table(pa.table({name: columns[name] for name in names}), path)
        rows = [{"a.b": 1, "z": "p"}, {"a.b": 2, "z": "q"}]
        assert how(Parquet(columns=["a.b", "z"]), Split(str(path))).records == rows
        if how is read:
            assert sorted(read(Parquet().only({"a.b"}), Split(str(path))).records[1]) == ["a.b"]


def test_parquet_rows_are_located_in_their_row_groups(path: Path) -> None:
    parquet.write_table(table_of(25), path, row_group_size=10)
    assert Parquet().locate(Split(str(path)), 12) == "row 3 of row group 2"
    after_the_first = Split(str(path), 100, -1)
    assert Parquet().locate(after_the_first, 12) == "row 3 of row group 3"
    assert Parquet().locate(after_the_first, 15) == ""


@BOTH
def test_an_empty_parquet_file_has_no_rows_and_a_damaged_one_is_an_error(
    path: Path, how: Any
) -> None:
    parquet.write_table(table_of(0), path)
    assert how(Parquet(), Split(str(path))).records == []
    parquet.write_table(table_of(5), path)
    data = path.read_bytes()
    for damaged in (b"", data[:-1], data[: len(data) // 2], data[:40] + bytes(200) + data[240:]):
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="no Parquet file, or a damaged one") as error:
            how(Parquet(), Split(str(path)))
        assert error.value.filename == str(path)
    with pytest.raises(FileNotFoundError):
        how(Parquet(), Split("/nowhere"))


def flipped(data: bytes, value: int) -> Iterator[bytes]:
    """Yield the file with a bit flipped wherever its footer has this number."""
    number, stored = value << 1, b""  # a zigzag varint, as in Thrift's compact protocol
    while number > 127:
        stored, number = stored + bytes([number & 127 | 128]), number >> 7
    stored += bytes([number])
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    while (at := data.find(stored, at + 1)) >= 0:
        for bit in (0, 3, 6):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            yield bytes(changed)


@BOTH
def test_a_flipped_bit_in_what_a_footer_counts_gives_no_other_rows(path: Path, how: Any) -> None:
    table = pa.table({"id": range(500), "name": [f"row {i}" for i in range(500)]})
    parquet.write_table(table, path, row_group_size=100, use_dictionary=False)
    data = path.read_bytes()
    first = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    n_errors = 0
    for value in (500, 100, first.data_page_offset):
        for changed in flipped(data, value):
            path.write_bytes(changed)
            try:
                assert how(Parquet(), Split(str(path))).records == table.to_pylist()
            except OSError as error:
                assert "or a damaged one (" in str(error)  # noqa: PT017 -- or the same rows
                n_errors += 1
    assert n_errors > 30


EVERY_BIT_OF_A_FOOTER = """
import sys
from zmr import Parquet
from zmr.messages import Split

path = sys.argv[1]
data = open(path, "rb").read()
footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
refused = 0
for at in range(footer, len(data)):
    for bit in range(8):
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        with open(path, "wb") as file:
            file.write(changed)
        try:
            list(Parquet().read(Split(path), print))
        except OSError:
            refused += 1
print(refused)
"""


def test_no_flipped_bit_of_a_footer_ends_the_process(path: Path) -> None:
    parquet.write_table(pa.table({"a": range(5), "b": list("abcde")}), path)
    command = [sys.executable, "-c", EVERY_BIT_OF_A_FOOTER, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100


@BOTH
def test_text_that_is_no_text_is_refused(path: Path, how: Any) -> None:
    damaged = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    parquet.write_table(pa.table({"name": damaged}), path)
    with pytest.raises(OSError, match=r"a damaged one .*(UTF8|utf-8)"):
        how(Parquet(), Split(str(path)))


def test_a_narrow_column_of_a_wide_table_comes_in_large_batches(path: Path) -> None:
    table = pa.table({"id": range(2_000), "blob": [bytes([i % 256]) * 5_000 for i in range(2_000)]})
    parquet.write_table(table, path, use_dictionary=False)
    for columns, most in ((["id"], 1), (["blob", "id"], 20), (None, 20)):
        split, narrow = Split(str(path)), in_pieces(Parquet(columns), 1 << 20)
        batches = [batch for batch, _ in narrow.read_batches(split, print)]
        assert 0.5 * most <= len(batches) <= most
        assert pa.Table.from_batches(batches).equals(table.select(columns or ["id", "blob"]))


TIMES = [
    (pa.timestamp("ns"), datetime(2026, 1, 31, 12, 0, 0, 5)),
    (pa.timestamp("ns", "Asia/Tokyo"), datetime(2026, 1, 31, tzinfo=ZoneInfo("Asia/Tokyo"))),
    (pa.time64("ns"), time(12, 30)),
    (pa.duration("ns"), timedelta(microseconds=5)),
    (pa.list_(pa.timestamp("ns")), [datetime(2026, 1, 31)]),
    (pa.struct({"t": pa.timestamp("ns")}), {"t": datetime(2026, 1, 31)}),
]


@pytest.mark.parametrize(("kind", "value"), TIMES)
def test_times_in_nanoseconds_are_pythons_own(path: Path, kind: pa.DataType, value: Any) -> None:
    parquet.write_table(pa.table({"t": pa.array([value, None], kind)}), path)
    found = read(Parquet(), Split(str(path))).records
    assert found == [{"t": value}, {"t": None}]
    assert type(found[0]["t"]) is type(value)  # and not one of pandas'
    ((batch, _),) = Parquet().read_batches(Split(str(path)), print)
    assert batch.schema.field("t").type == kind


def test_a_date_that_python_has_not_is_told_with_its_column(path: Path) -> None:
    dates = pa.array([0, 3_000_000], pa.int32()).cast(pa.date32())
    parquet.write_table(pa.table({"d": dates}), path)
    with pytest.raises(BadRecord, match=r"column 'd' has a date32\[day\] that Python has not"):
        read(Parquet(), Split(str(path)))


def test_nanoseconds_are_lost_only_where_it_is_said(path: Path) -> None:
    nanoseconds = pa.array([1_700_000_000_123_456_789], pa.int64()).cast(pa.timestamp("ns"))
    parquet.write_table(pa.table({"t": nanoseconds}), path)
    with pytest.raises(BadRecord, match=r"column 't' has times with nanoseconds, .*truncate_ns"):
        read(Parquet(), Split(str(path)))
    (record,) = read(Parquet(truncate_ns=True), Split(str(path))).records
    assert record == {"t": datetime(2023, 11, 14, 22, 13, 20, 123456)}


@BOTH
def test_columns_of_the_same_name_are_numbered(path: Path, how: Any) -> None:
    columns = [pa.array([i]) for i in range(4)]
    parquet.write_table(pa.Table.from_arrays(columns, ["a", "b", "a", "a"]), path)
    whole = Split(str(path))
    assert how(Parquet(), whole).records == [{"a": 0, "b": 1, "a_2": 2, "a_3": 3}]
    assert how(Parquet(columns=["a_3", "b"]), whole).records == [{"a_3": 3, "b": 1}]
    assert how(Parquet(columns=["a"]), whole).records == [{"a": 0}]
    assert read(Parquet(columns=[]), whole).records == [{}]
