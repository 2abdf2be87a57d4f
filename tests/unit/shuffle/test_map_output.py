from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.map_outputs import Rows, lists_of, read_map_output, read_partition, write_map_output

from zmr.columns import rows
from zmr.columns.blocks import BLOCK_BYTES
from zmr.shuffle.map_output import (
    CorruptMapOutput,
    LocalSource,
    MapOutputWriter,
    open_partition,
)

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
]
VALUES = st.one_of(*SCALARS, st.none())
ANYTHING = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=5,
)
# Columns of one type take another way than mixed ones.
COLUMNS = st.one_of(
    [st.lists(kind, max_size=5) for kind in SCALARS]
    + [st.lists(kind | st.none(), max_size=5) for kind in SCALARS]
    + [st.lists(st.lists(kind, max_size=3), max_size=5) for kind in SCALARS]
    + [st.lists(ANYTHING)]
)
KEY_COLUMNS = st.one_of(
    [st.lists(kind, max_size=5) for kind in SCALARS[:-1]]
    + [st.lists(st.datetimes(timezones=st.just(zone)), max_size=5) for zone in (None, UTC)]
    + [st.lists(st.tuples(one, st.integers()), max_size=5) for one in SCALARS[:-1]]
    + [st.lists(st.tuples(st.text()), max_size=5)]
).filter(lambda keys: all(key == key for key in keys))


def rows_of(column: list[Any]) -> Rows:
    return [f"key{i}" for i in range(len(column))], column


# --- what goes in comes out ---


@settings(max_examples=100)
@given(COLUMNS, COLUMNS)
def test_every_partition_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, one: list[Any], other: list[Any]
) -> None:
    path = str(tmp_path_factory.getbasetemp() / "map-output")
    partitions = [rows_of(one), ([], []), rows_of(other)]
    sizes = write_map_output(path, partitions)
    # repr tells apart what == doesn't: 1 and 1.0, 0.0 and -0.0, two folds of an hour.
    assert repr(read_map_output(path)) == repr(partitions)
    assert [size > 0 for size in sizes] == [bool(keys) for keys, _ in partitions]


@settings(max_examples=100)
@given(KEY_COLUMNS)
def test_keys_of_every_type_come_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, keys: list[Any]
) -> None:
    path = str(tmp_path_factory.getbasetemp() / "map-output")
    write_map_output(path, [(keys, keys)], key_type="as they are")
    assert repr(read_map_output(path)) == repr([(keys, keys)])


@pytest.mark.parametrize("size", [1, 100, 50_000, 2 * BLOCK_BYTES])
def test_blocks_hold_about_as_many_bytes_as_they_should(tmp_path: Path, size: int) -> None:
    path = str(tmp_path / "output")
    n = max(3, 4 * BLOCK_BYTES // (16 + size))
    values = [bytes([i % 256]) * size for i in range(n)]
    write_map_output(path, [([], []), (list(range(n)), values)])
    stored = open_partition(source := LocalSource(path), 1)
    found = list(stored.batches())
    source.close()
    assert lists_of(found) == (list(range(n)), values)
    assert stored.rows == n
    assert stored.largest_block_bytes == max(map(rows.working_bytes, found))
    largest = max(block.nbytes for block in found)
    assert largest < 1.3 * BLOCK_BYTES or all(len(b) == 1 for b in found)
    assert len(found) <= n * (size + 16) // BLOCK_BYTES * 1.5 + 1


# --- files that are not as they were written ---


def example(path: Path) -> list[Rows]:
    partitions: list[Rows] = [
        (["a", "b"], ["x", None]),
        ([], []),
        ([f"key{i}" for i in range(300)], [f"value{i % 7}" for i in range(300)]),
    ]
    write_map_output(str(path), partitions)
    return partitions


def is_noticed(path: Path, expected: list[Rows]) -> bool:
    """Return whether every partition is as it was or found to be corrupt, and one is the latter."""
    corrupt = False
    for number, wanted in enumerate(expected):
        try:
            assert read_partition(str(path), number) == wanted
        except CorruptMapOutput as error:
            assert str(path) in str(error)  # noqa: PT017
            corrupt = True
    return corrupt


def test_a_flipped_byte_anywhere_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "output"
    expected = example(path)
    good = path.read_bytes()
    # The magic at the beginning is for people; it is checked by nobody.
    flips = random.Random(1)
    for position in range(8, len(good), 13):
        data = bytearray(good)
        data[position] ^= flips.choice([0x01, 0x80, 0xFF])
        path.write_bytes(data)
        assert is_noticed(path, expected), position


def test_a_file_that_ends_too_early_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "output"
    expected = example(path)
    good = path.read_bytes()
    for size_bytes in (*range(0, len(good) - 1, 47), len(good) - 1):
        path.write_bytes(good[:size_bytes])
        assert is_noticed(path, expected), size_bytes
    path.write_bytes(good + b"\0")
    assert is_noticed(path, expected)


def test_an_intact_file_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    example(tmp_path / "job-1-map-0-1")
    good = (tmp_path / "job-1-map-0-1").read_bytes()
    expected = example(tmp_path / "job-1-map-1-2")
    (tmp_path / "job-1-map-1-2").write_bytes(good)
    assert is_noticed(tmp_path / "job-1-map-1-2", expected)


def test_blocks_of_another_file_behind_a_right_index_are_noticed(tmp_path: Path) -> None:
    example(tmp_path / "job-1-map-0-1")
    good = (tmp_path / "job-1-map-0-1").read_bytes()
    expected = example(tmp_path / "job-1-map-1-2")
    index = (tmp_path / "job-1-map-1-2").read_bytes()[-1000:]
    (tmp_path / "job-1-map-1-2").write_bytes(good[:-1000] + index)
    with pytest.raises(CorruptMapOutput):
        read_partition(str(tmp_path / "job-1-map-1-2"), 0)
    assert is_noticed(tmp_path / "job-1-map-1-2", expected)


def test_a_block_in_the_place_of_another_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "output"
    columns = ([f"{i:08}" for i in range(100_000)], [os.urandom(20) for _ in range(100_000)])
    write_map_output(str(path), [columns])
    data = path.read_bytes()
    places = [8]
    for _ in range(5):
        places.append(places[-1] + 16 + struct.unpack_from("<Q", data, places[-1])[0])
    one, two, three = next(p for p in zip(places, places[1:], places[2:], strict=False)
                           if p[1] - p[0] == p[2] - p[1])  # fmt: skip
    path.write_bytes(data[:two] + data[one:two] + data[three:])
    with pytest.raises(CorruptMapOutput):
        read_partition(str(path), 0)


# Of the checksums of a file that is called "output".
SEED = crc32(b"output")


def with_index(data: bytes, change: Callable[[list[int]], None]) -> bytes:
    """Return the file "output" with its first index entry changed, and every checksum right."""
    n, schema_bytes, _, magic = struct.unpack("<III8s", data[-20:])
    start = len(data) - 20 - schema_bytes - n * 32
    entry = list(struct.unpack_from("<QQQQ", data, start))
    change(entry)
    footer = struct.pack("<QQQQ", *entry) + data[start + 32 : -20]
    checksum = crc32(footer, SEED)
    return data[:start] + footer + struct.pack("<III8s", n, schema_bytes, checksum, magic)


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, 2**64 - 1), (0, 9), (1, 2**63), (1, 2**64 - 1), (1, 1), (1, 7), (2, 0), (2, 2**64 - 1)],
)
def test_sizes_that_can_not_be_right_are_noticed(tmp_path: Path, field: int, value: int) -> None:
    def change(entry: list[int]) -> None:
        entry[field] = value

    path = tmp_path / "output"
    example(path)
    path.write_bytes(with_index(path.read_bytes(), change))
    with pytest.raises(CorruptMapOutput):
        read_partition(str(path), 0)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(24),
        b"\xff\xff\xff\xff\x10\x00\x00\x00" + bytes(16),
        pa.schema([("key", pa.int64())]).serialize().to_pybytes(),
        pa.record_batch([pa.array([], pa.large_string())], ["key"]).serialize().to_pybytes(),
        pa.record_batch([pa.array([1])], ["key"]).serialize().to_pybytes(),
    ],
)
def test_a_block_of_something_else_is_noticed(tmp_path: Path, block: bytes) -> None:
    path = tmp_path / "output"
    example(path)
    data = struct.pack("<QII", len(block), 0, crc32(block, SEED + 2 * 8)) + block

    def change(entry: list[int]) -> None:
        entry[:2] = 8, len(data)

    good = with_index(path.read_bytes(), change)
    path.write_bytes(good[:8] + data + good[8 + len(data) :])
    with pytest.raises(CorruptMapOutput):
        read_partition(str(path), 0)


@pytest.mark.parametrize("size_bytes", [16, 17, 100, 10_000])
def test_a_region_of_zeros_over_the_head_of_a_block_is_noticed(
    tmp_path: Path, size_bytes: int
) -> None:
    path = tmp_path / "output"
    example(path)
    data = path.read_bytes()
    path.write_bytes((data[:8] + bytes(size_bytes) + data[8 + size_bytes :])[: len(data)])
    with pytest.raises(CorruptMapOutput):
        read_partition(str(path), 0)


def test_a_partition_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    example(tmp_path / "output")
    for number in (-1, 3):
        with pytest.raises(CorruptMapOutput):
            read_partition(str(tmp_path / "output"), number)


def test_who_gives_up_leaves_nothing(tmp_path: Path) -> None:
    batch = rows.from_lists(["a"], [1])
    writer = MapOutputWriter(str(tmp_path / "output"), batch.schema, 1)
    writer.write(0, batch)
    writer.discard()
    assert list(tmp_path.iterdir()) == []
