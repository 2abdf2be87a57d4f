from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import InputFormat, Lines, WholeFiles
from zmr.core.messages import Split
from zmr.data.formats import INVALID_UTF8

# Lines of all lengths, all line ends, cut-off and impossible UTF-8.
BYTES = st.lists(
    st.sampled_from([b"a", b"\n", b"\r\n", b"\r", "ü".encode(), "語".encode(), b"\xff", b"\xe8"])
).map(b"".join)


def small_chunks(size_bytes: int) -> Lines:
    lines = Lines()
    lines.chunk_bytes = size_bytes
    return lines


def read(input_format: InputFormat, *splits: Split) -> tuple[list[Any], dict[str, int], int]:
    counters: Counter[str] = Counter()

    def count(name: str, n: int) -> None:
        counters[name] += n

    chunks = [chunk for split in splits for chunk in input_format.read(split, count)]
    return [r for some, _ in chunks for r in some], dict(counters), sum(n for _, n in chunks)


def expected_lines(data: bytes) -> list[str]:
    """Return the lines as the format defines them, in the plainest way."""
    lines = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    rest = data.rpartition(b"\n")[2]
    return [line.decode("utf-8", "replace") for line in lines + [rest] * bool(rest)]


@given(BYTES, st.lists(st.integers(0, 60)), st.integers(1, 20))
def test_a_file_cut_anywhere_is_read_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int], chunk_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.txt"
    path.write_bytes(data)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    splits = [Split(str(path), a, b - a) for a, b in pairwise(edges)]

    whole = read(Lines(), Split(str(path)))

    assert whole[0] == expected_lines(data)
    assert read(small_chunks(chunk_bytes), *splits) == whole
    assert whole[2] == len(data)


@given(BYTES, st.integers(0, 30), st.integers(1, 7))
def test_a_record_is_located_by_its_line_number_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, cut: int, chunk_bytes: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "located.txt"
    path.write_bytes(data)
    split = Split(str(path), min(cut, len(data)), -1)
    lines = small_chunks(chunk_bytes)
    here, *_ = read(lines, split)
    n_before = len(expected_lines(data)) - len(here)
    for index in range(len(here)):
        assert lines.locate(split, index) == f"line {n_before + index + 1}"


@pytest.mark.parametrize(
    ("data", "n"),
    [
        (b"plain", 0),
        ("\N{REPLACEMENT CHARACTER} was there before".encode(), 0),
        (b"\xff", 1),
        (b"\xff\xff\n\xff", 3),
        (b"cut off \xe8\xaa\nnext \xe8\xaa\x9e", 1),
        (b"\xe8\xef\xbf\xbd", 1),
    ],
)
def test_what_is_not_utf_8_is_replaced_and_counted(tmp_path: Path, data: bytes, n: int) -> None:
    path = tmp_path / "text"
    path.write_bytes(data)
    _, counters, _ = read(Lines(), Split(str(path)))
    assert counters.get(INVALID_UTF8, 0) == n


def test_a_line_may_be_far_longer_than_a_chunk(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    with path.open("wb") as file:
        file.write(b"first\n")
        file.write(b"x" * 100_000_000 + b"\r\n")
        file.write(b"last")
    half = path.stat().st_size // 2
    head, _, _ = read(Lines(), Split(str(path), 0, half))
    tail, _, _ = read(Lines(), Split(str(path), half, path.stat().st_size - half))
    assert [len(line) for line in head] == [5, 100_000_000]
    assert tail == ["last"]


def test_a_file_that_became_shorter_is_an_error_and_not_a_short_answer(tmp_path: Path) -> None:
    path = tmp_path / "shrinking.txt"
    path.write_text("a\n" * 100)
    split = Split(str(path), 100, 100)
    path.write_text("a\n" * 60)
    with pytest.raises(OSError, match="has become shorter"):
        read(Lines(), split)


def test_a_whole_file_is_one_record(tmp_path: Path) -> None:
    path = tmp_path / "ü.txt"
    path.write_bytes(b"a\r\n\nb\xff")
    records, counters, size_bytes = read(WholeFiles(), Split(str(path)))
    assert records == [(str(path), "a\r\n\nb\N{REPLACEMENT CHARACTER}")]
    assert (counters, size_bytes) == ({INVALID_UTF8: 1}, 6)
