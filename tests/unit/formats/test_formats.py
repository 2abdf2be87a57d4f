"""Formats of lines, blocks, whole files and records of one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.reading import cut, in_pieces, read, read_batches

from zmr import BadRecord, FixedRecords, InputFormat, Lines, TextBlocks, WholeFiles
from zmr.formats import INVALID_UTF8
from zmr.messages import Split

# Lines of all lengths, all line ends, NUL, marks, cut-off and impossible UTF-8.
PARTS = [
    b"a", b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf",
    "ü".encode(), "語".encode(), b"\xff", b"\xe8",
]  # fmt: skip
BYTES = st.lists(st.sampled_from(PARTS)).map(b"".join)
CUTS = st.lists(st.integers(1, 60))
EVERYWHERE = range(1, 1000)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a file that every example writes anew."""
    return tmp_path_factory.mktemp("formats") / "file"


def expected_lines(data: bytes) -> list[str]:
    """Return the lines as the format defines them, in the plainest way."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    rest = data.rpartition(b"\n")[2]
    return [line.decode("utf-8", "replace") for line in lines + [rest] * bool(rest)]


def test_lines_are_the_same_however_the_file_is_cut_and_read(path: Path) -> None:
    @given(BYTES, CUTS, st.integers(1, 20))
    @example(b"a\r\n\nb\0\xff\n\xef\xbb\xbfc\r", list(EVERYWHERE), 1)
    def check(data: bytes, cuts: list[int], piece_bytes: int) -> None:
        path.write_bytes(data)
        whole = read(Lines(), Split(str(path)))
        assert (whole.records, whole.size_bytes) == (expected_lines(data), len(data))
        for how in (read, read_batches):
            assert how(in_pieces(Lines(), piece_bytes), *cut(path, cuts)) == whole
        assert read_batches(Lines(), Split(str(path))) == whole

    check()


def test_blocks_are_whole_lines_that_make_up_the_text(path: Path) -> None:
    @given(BYTES, CUTS, st.integers(1, 20))
    def check(data: bytes, cuts: list[int], block_bytes: int) -> None:
        path.write_bytes(data)
        found = read(TextBlocks(block_bytes), *cut(path, cuts))
        assert "".join(found.records) == data.decode("utf-8", "replace")
        assert all(block.endswith("\n") for block in found.records[:-1])
        assert "" not in found.records
        assert found.size_bytes == len(data)
        assert read_batches(TextBlocks(block_bytes), *cut(path, cuts)) == found

    check()


def test_a_block_of_text_is_not_much_larger_than_asked_for(path: Path) -> None:
    path.write_text("a line of text\n" * 1000)
    blocks = read(TextBlocks(size_bytes=100), Split(str(path))).records
    assert {len(block) for block in blocks[:-1]} == {90, 105}


@given(st.integers(1, 7), st.integers(0, 9), CUTS, st.integers(1, 20))
def test_records_of_one_size_are_cut_at_their_multiples(
    path: Path, size: int, n: int, cuts: list[int], piece_bytes: int
) -> None:
    expected = [bytes([i]) * size for i in range(n)]
    path.write_bytes(b"".join(expected))
    for how in (read, read_batches):
        found = how(in_pieces(FixedRecords(size), piece_bytes), *cut(path, cuts))
        assert (found.records, found.size_bytes) == (expected, n * size)


def test_batches_have_the_arrow_types_that_the_formats_promise(path: Path) -> None:
    path.write_text("ab\ncd\n")
    types = [
        (Lines(), pa.string()),
        (TextBlocks(), pa.string()),
        (FixedRecords(3), pa.binary(3)),
        (WholeFiles(), None),
    ]
    for input_format, expected in types:
        ((batch, _),) = input_format.read_batches(Split(str(path)), print)
        if expected is not None:
            assert batch.type == expected
    assert batch.schema == pa.schema({"path": pa.string(), "text": pa.string()})


def test_a_format_of_ones_own_has_batches_too(path: Path) -> None:
    class Numbers(Lines):
        read_batches = InputFormat.read_batches

        def read(self, split: Split, count: Any) -> Any:
            for lines, size_bytes in super().read(split, count):
                yield [int(line) for line in lines], size_bytes

    path.write_text("1\n2\n")
    assert read_batches(Numbers(), Split(str(path))) == ([1, 2], {}, 4)


def test_a_file_that_ends_within_a_record_is_an_error_that_says_which(path: Path) -> None:
    path.write_bytes(bytes(207))
    for how in (read, read_batches):
        for split in (Split(str(path)), Split(str(path), 150, 57)):
            with pytest.raises(BadRecord, match=r"record 3: has only 7 of 100 bytes"):
                how(FixedRecords(100), split)


@given(BYTES, st.integers(0, 30), st.integers(1, 7))
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


def test_blocks_and_records_are_located_too(path: Path) -> None:
    path.write_text("line\n" * 10)
    blocks = TextBlocks(size_bytes=10)
    assert [blocks.locate(Split(str(path), 5, -1), i) for i in (0, 1, 9)] == [
        "line 2",
        "line 4",
        "",
    ]
    assert FixedRecords(10).locate(Split(str(path), 5, 25), 1) == "record 3"


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (b"plain", 0),
        ("\N{REPLACEMENT CHARACTER} was there before".encode(), 0),
        (b"\xff", 1),
        (b"\xff\xff\n\xff", 3),
        (b"cut off \xe8\xaa\nnext \xe8\xaa\x9e", 1),
        (b"\xe8\xef\xbf\xbd", 1),
        (b"surrogate \xed\xa0\x80, overlong \xc0\xaf, too high \xf5\x80\x80\x80", 9),
    ],
)
def test_what_is_not_utf_8_is_replaced_and_counted(path: Path, data: bytes, n: int) -> None:
    path.write_bytes(data)
    for input_format in (Lines(), TextBlocks(), WholeFiles()):
        for how in (read, read_batches):
            assert how(input_format, Split(str(path))).counters.get(INVALID_UTF8, 0) == n


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


@pytest.mark.parametrize("input_format", [Lines(), TextBlocks(), FixedRecords(2)])
def test_a_file_that_became_shorter_is_an_error_and_not_a_short_answer(
    path: Path, input_format: InputFormat
) -> None:
    path.write_text("a\n" * 60)
    with pytest.raises(OSError, match="has become shorter") as error:
        read(input_format, Split(str(path), 100, 100))
    assert error.value.filename == str(path)


def test_a_whole_file_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "ü.txt"
    path.write_bytes(b"a\r\n\nb\xff")
    text = "a\r\n\nb\N{REPLACEMENT CHARACTER}"
    found = read(WholeFiles(), Split(str(path)))
    assert found == ([(str(path), text)], {INVALID_UTF8: 1}, 6)
    in_batches = read_batches(WholeFiles(), Split(str(path)))
    assert in_batches == ([{"path": str(path), "text": text}], {INVALID_UTF8: 1}, 6)


def test_an_empty_file_has_no_records_but_is_a_whole_file(path: Path) -> None:
    path.write_bytes(b"")
    for input_format in (Lines(), TextBlocks(), FixedRecords(3)):
        assert read(input_format, Split(str(path))) == ([], {}, 0)
        assert read_batches(input_format, Split(str(path))) == ([], {}, 0)
    assert read(WholeFiles(), Split(str(path))) == ([(str(path), "")], {}, 0)


def test_sizes_that_make_no_sense_are_refused() -> None:
    for wrong in (TextBlocks, FixedRecords):
        with pytest.raises(ValueError, match="takes a positive number, not 0"):
            wrong(size_bytes=0)
