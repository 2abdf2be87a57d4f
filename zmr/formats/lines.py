"""Lines of text, the default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zmr.formats.base import Batch, Chunk, CountUp
from zmr.formats.line_blocks import decode, line_blocks
from zmr.formats.text_format import TextFormat
from zmr.formats.text_input import UTF8
from zmr.messages import Split


class Lines(TextFormat):
    r"""Each line of a text file is a record, without the LF or CR LF that ends it.

    This is the input of a job that names none. Only `\n` ends a line. Text after the last one is a
    line too; an empty line is a record.

    Parameters:
        text: False leaves lines as bytes, without decoding; only the LF is removed.
        encoding: that of the text, by the name that Python has for it. Files in an encoding other
            than UTF-8 are not cut into several tasks.

    A record is a str such as "to be, or not to be"; with `text=False`, bytes. For `map_batch`, a
    batch is an Arrow array of lines, of type `string` (`large_string` beyond 2 GiB); with
    `text=False`, of type `large_binary`. What is not UTF-8 becomes U+FFFD and is counted.

    Example:
        class LineLengths(zmr.Job):
            input = zmr.Lines()

            def map(self, line):
                yield len(line), 1

            reduce = zmr.Sum()
    """

    splittable = True

    def __init__(self, text: bool = True, *, encoding: str = UTF8) -> None:
        super().__init__(encoding)
        self.text = text
        if not text:
            self.encoding = None

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for _, block in self.blocks(split):
            if not self.text:
                yield _without_last(bytes(block).split(b"\n")), len(block)
                continue
            text = decode(block, count)
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            yield _without_last(text.split("\n")), len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.formats.arrow_text import allocate, split_byte_lines, split_lines, valid_utf8

        for _, block in line_blocks(split, self.batch_bytes, self.encoding, allocate=allocate):
            if self.text:
                yield split_lines(valid_utf8(block, count)), len(block)
            else:
                yield split_byte_lines(block), len(block)


def _without_last(lines: list[Any]) -> list[Any]:
    """What follows the last line end is a line only if there is something."""
    if not lines[-1]:
        lines.pop()
    return lines
