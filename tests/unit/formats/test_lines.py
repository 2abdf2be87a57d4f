"""Lines: the same ones wherever a file is cut, and however long they are."""

from __future__ import annotations

import gzip
from codecs import BOM_UTF8
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.reading import TEXT_BYTES, cut, in_pieces, read, read_batches

from zmr import Lines
from zmr.formats import arrow_text, line_blocks
from zmr.formats.arrow_text import split_lines, valid_utf8
from zmr.formats.line_blocks import count_line_ends
from zmr.messages import Split

CUTS = st.lists(st.integers(1, 60))
EVERYWHERE = range(1, 1000)


def expected_lines(data: bytes) -> list[str]:
    """Return the lines as the format defines them, in the plainest way."""
    data = data.removeprefix(BOM_UTF8)
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    rest = data.rpartition(b"\n")[2]
    return [line.decode("utf-8", "replace") for line in lines + [rest] * bool(rest)]


def test_lines_are_the_same_however_the_file_is_cut_and_read(path: Path) -> None:
    @given(TEXT_BYTES, CUTS, st.integers(1, 20))
    @example(b"\xef\xbb\xbf", list(EVERYWHERE), 1)
    @example(b"\xef\xbb\xbf\xef\xbb\xbfa\n\xef\xbb\xbfb", list(EVERYWHERE), 1)
    @example(b"a\r\n\nb\0\xff\n\xef\xbb\xbfc\r", list(EVERYWHERE), 1)
    def check(data: bytes, cuts: list[int], piece_bytes: int) -> None:
        path.write_bytes(data)
        whole = read(Lines(), Split(str(path)))
        assert (whole.records, whole.size_bytes) == (
            expected_lines(data),
            len(data.removeprefix(BOM_UTF8)),
        )
        for how in (read, read_batches):
            assert how(in_pieces(Lines(), piece_bytes), *cut(path, cuts)) == whole
        assert read_batches(Lines(), Split(str(path))) == whole

    check()


@given(TEXT_BYTES, st.integers(0, 30), st.integers(1, 7))
def test_a_record_is_located_by_its_line_number_in_the_file(
    path: Path, data: bytes, start: int, piece_bytes: int
) -> None:
    path.write_bytes(data)
    split = Split(str(path), min(start, len(data)), -1)
    lines = in_pieces(Lines(), piece_bytes)
    here = read(lines, split).records
    n_before = len(expected_lines(data)) - len(here)
    for index in range(len(here)):
        assert lines.locate(split, index) == f"line {n_before + index + 1}"


def lengths(strings: pa.Array) -> list[int]:
    found: list[int] = pc.binary_length(strings).to_pylist()
    return found


def test_a_line_of_100_mb_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.write(b"first\n")
        file.seek(100_000_000, 1)  # a hole: NULs that take no time to write
        file.write(b"\r\nlast")
    half = path.stat().st_size // 2
    head, tail = Split(str(path), 0, half), Split(str(path), half, path.stat().st_size - half)
    assert [len(line) for line in read(Lines(), head).records] == [5, 100_000_000]
    assert [n for batch, _ in Lines().read_batches(head, print) for n in lengths(batch)] == [
        5, 100_000_000
    ]  # fmt: skip
    for how in (read, read_batches):
        assert how(Lines(), tail).records == ["last"]


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", "é".encode(), b"\xff", b"\xe2\x82"])))
def test_what_is_odd_in_one_piece_of_a_block_is_mended_there(parts: list[bytes]) -> None:
    data = b"".join(parts)
    counts: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrow_text, "_PIECE_BYTES", 4)
        found = valid_utf8(memoryview(data), lambda _, n: counts.append(n))
        lines = split_lines(found)
    assert bytes(found) == data.decode("utf-8", "replace").encode()
    assert sum(counts) == data.decode("utf-8", "replace").count("\ufffd")
    lines.validate(full=True)
    assert lines.to_pylist() == expected_lines(data)


def numbered(data: bytes) -> list[tuple[int, str]]:
    return list(enumerate(expected_lines(data), 1))


@pytest.mark.parametrize("known", [False, True])
def test_numbers_are_those_of_the_lines_in_the_file_however_it_is_cut(
    path: Path, known: bool
) -> None:
    @given(TEXT_BYTES, CUTS, st.integers(1, 20))
    @example(b"\xef\xbb\xbf", list(EVERYWHERE), 1)
    @example(b"\xef\xbb\xbfa\n\n\nb", list(EVERYWHERE), 1)
    @example(b"\n\n\n\nb\r\n\r\n", list(EVERYWHERE), 1)
    @example(b"a\n\xef\xbb\xbfb", list(EVERYWHERE), 2)
    def check(data: bytes, cuts: list[int], piece_bytes: int) -> None:
        path.write_bytes(data)
        splits = cut(path, cuts)
        if known:
            splits = [
                replace(each, lines_before=data[: each.offset].count(b"\n")) for each in splits
            ]
        lines = in_pieces(Lines(numbers=True), piece_bytes)
        assert read(lines, *splits).records == numbered(data)
        batches = [
            (row["number"], row["line"])
            for split in splits
            for batch, _ in lines.read_batches(split, lambda name, n: None)
            for row in batch.to_pylist()
        ]
        assert batches == numbered(data)

    check()


@pytest.mark.parametrize(("name", "encoding"), [("a.gz", "utf-8"), ("a.txt", "utf-16")])
def test_numbers_in_a_file_that_is_not_cut(tmp_path: Path, name: str, encoding: str) -> None:
    text = "one\r\n\nthree".encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    lines = in_pieces(Lines(numbers=True), 2)
    whole = read(lines, Split(str(tmp_path / name))).records
    assert whole == [(1, "one"), (2, ""), (3, "three")]
    parts = [Split(str(tmp_path / name), 0, 4), Split(str(tmp_path / name), 4, -1)]
    assert read(lines, *parts).records == whole


def test_numbers_of_lines_of_bytes(path: Path) -> None:
    path.write_bytes(b"\xff\r\n\n")
    lines = Lines(text=False, numbers=True)
    assert read(lines, Split(str(path))).records == [(1, b"\xff\r"), (2, b"")]
    (batch, _), *_ = lines.read_batches(Split(str(path)), lambda name, n: None)
    assert batch.to_pydict() == {"number": [1, 2], "line": [b"\xff\r", b""]}


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_line_ends_are_counted_in_a_part_of_a_file(
    path: Path, data: bytes, start: int, end: int
) -> None:
    data = data.replace(b"a", b"\n")
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_blocks, "_COUNTED_BYTES", 3)
        if start < end and end > len(data):
            with pytest.raises(OSError, match="shorter"):
                count_line_ends(str(path), start, end)
        else:
            assert count_line_ends(str(path), start, end) == data[start:end].count(b"\n")
