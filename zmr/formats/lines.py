"""Lines of text, the default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from zmr.formats.base import Batch, Chunk, CountUp
from zmr.formats.line_blocks import Block, count_line_ends, decode, line_blocks
from zmr.formats.text_format import TextFormat
from zmr.formats.text_input import UTF8
from zmr.messages import Split

if TYPE_CHECKING:
    import pyarrow as pa


class Lines(TextFormat):
    r"""Each line of a text file is a record, without the LF or CR LF that ends it.

    This is the input of a job that names none. Only `\n` ends a line. Text after the last one is a
    line too; an empty line is a record.

    Parameters:
        text: False leaves lines as bytes, without decoding; only the LF is removed.
        encoding: that of the text, by the name that Python has for it. Files in an encoding other
            than UTF-8 are not cut into several tasks.
        numbers: True gives each line with its number in the file, from 1.

    A record is a str such as "to be, or not to be"; with `text=False`, bytes; with `numbers=True`,
    a tuple such as (17, "to be, or not to be"). For `map_batch`, a batch is an Arrow array of
    lines, of type `string` (`large_string` beyond 2 GiB); with `text=False`, of type
    `large_binary`; with `numbers=True`, a RecordBatch with the columns `number` and `line`. What is
    not UTF-8 becomes U+FFFD and is counted.

    Example:
        class LineLengths(zmr.Job):
            input = zmr.Lines()

            def map(self, line):
                yield len(line), 1

            reduce = zmr.Sum()
    """

    splittable = True

    def __init__(self, text: bool = True, *, encoding: str = UTF8, numbers: bool = False) -> None:
        super().__init__(encoding)
        self.text = text
        self.needs_lines_before = numbers
        if not text:
            self.encoding = None

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        if not self.needs_lines_before:
            yield from self._read(self.blocks(split), count)
            return
        numbered = _Numbered(split, self.blocks(split))
        for lines, size_bytes in self._read(numbered, count):
            yield numbered.records(lines), size_bytes

    def _read(self, blocks: Iterable[Block], count: CountUp) -> Iterator[Chunk]:
        for _, block in blocks:
            if not self.text:
                yield _without_last(bytes(block).split(b"\n")), len(block)
                continue
            text = decode(block, count)
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            yield _without_last(text.split("\n")), len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.formats.arrow_text import allocate

        blocks = line_blocks(split, self.batch_bytes, self.encoding, allocate=allocate)
        if not self.needs_lines_before:
            yield from self._read_batches(blocks, count)
            return
        numbered = _Numbered(split, blocks)
        for lines, size_bytes in self._read_batches(numbered, count):
            yield numbered.batch(lines), size_bytes

    def _read_batches(self, blocks: Iterable[Block], count: CountUp) -> Iterator[Batch]:
        from zmr.formats.arrow_text import split_byte_lines, split_lines, valid_utf8

        for _, block in blocks:
            if self.text:
                yield split_lines(valid_utf8(block, count)), len(block)
            else:
                yield split_byte_lines(block), len(block)


class _Numbered:
    """The blocks of a split, and the numbers of the lines in the block that was read last."""

    def __init__(self, split: Split, blocks: Iterator[Block]) -> None:
        self._split = split
        self._blocks = blocks
        self._next = 0

    def __iter__(self) -> Iterator[Block]:
        for position, block in self._blocks:
            if not self._next:
                self._next = self._first(position)
            yield position, block

    def records(self, lines: list[Any]) -> list[tuple[int, Any]]:
        """The lines of the block with their numbers."""
        records = list(enumerate(lines, self._next))
        self._next += len(lines)
        return records

    def batch(self, lines: pa.Array) -> pa.RecordBatch:
        """The same as Arrow data."""
        import numpy as np
        import pyarrow as pa

        numbers = pa.array(np.arange(self._next, self._next + len(lines), dtype=np.int64))
        self._next += len(lines)
        return pa.RecordBatch.from_arrays([numbers, lines], ["number", "line"])

    def _first(self, position: int) -> int:
        """The number of the split's first line, which begins at this position."""
        split = self._split
        if not split.offset:  # also of what is no plain file
            return 1
        if split.lines_before < 0:
            return 1 + count_line_ends(split.path, 0, position)
        rest_of_line = count_line_ends(split.path, split.offset, position)
        return 1 + split.lines_before + rest_of_line


def _without_last(lines: list[Any]) -> list[Any]:
    """What follows the last line end is a line only if there is something."""
    if not lines[-1]:
        lines.pop()
    return lines
