"""Blocks of text: whole lines that make up the file, of about the size that is asked for."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.reading import TEXT_BYTES, cut, read, read_batches

from zmr import TextBlocks
from zmr.messages import Split

CUTS = st.lists(st.integers(1, 60))


def test_blocks_are_whole_lines_that_make_up_the_text(path: Path) -> None:
    @given(TEXT_BYTES, CUTS, st.integers(1, 20))
    def check(data: bytes, cuts: list[int], block_bytes: int) -> None:
        path.write_bytes(data)
        found = read(TextBlocks(block_bytes), *cut(path, cuts))
        data = data.removeprefix(BOM_UTF8)
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


def test_a_block_is_located_by_its_first_line(path: Path) -> None:
    path.write_text("line\n" * 10)
    blocks = TextBlocks(size_bytes=10)
    assert [blocks.locate(Split(str(path), 5, -1), i) for i in (0, 1, 9)] == [
        "line 2",
        "line 4",
        "",
    ]
