"""Blocks of text, for jobs on words or characters, to which lines mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zmr.formats.base import Batch, Chunk, CountUp, InputFormat
from zmr.formats.line_blocks import decode, line_blocks
from zmr.formats.text_format import TextFormat
from zmr.formats.text_input import UTF8
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index


class TextBlocks(TextFormat):
    r"""A record is a block of text: about `size_bytes` of whole lines, as they are in the file.

    For jobs that count words or characters: a call of `map` costs the same for a line as for a
    block. Where blocks begin depends on how the file was split; joined together they are the text
    of the file in any case.

    Parameters:
        size_bytes: the size of a block, at least 1. A longer line is a block of its own.
        encoding: that of the text, as for `Lines`.

    A record is a str such as "one line\nand another\n", with its line ends. For `map_batch`, a
    batch is an Arrow array of one string, which `zmr.split_words` takes. What is not UTF-8 becomes
    U+FFFD and is counted.

    Example:
        class WordCount(zmr.Job):
            input = zmr.TextBlocks()

            def map(self, text):
                for word in text.split():
                    yield word, 1

            reduce = zmr.Sum()
    """

    splittable = True

    def fit(self, memory_bytes: int) -> None:
        """The size is the user's choice."""

    def __init__(self, size_bytes: int = InputFormat.batch_bytes, *, encoding: str = UTF8) -> None:
        super().__init__(encoding)
        if size_bytes < 1:
            raise ValueError(f"TextBlocks(size_bytes) takes a positive number, not {size_bytes}")
        self.chunk_bytes = self.batch_bytes = size_bytes

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for _, block in self.blocks(split):
            yield [decode(block, count)], len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.columns.strings import one_string
        from zmr.formats.arrow_text import allocate, valid_utf8

        for _, block in line_blocks(split, self.batch_bytes, self.encoding, allocate=allocate):
            yield one_string(valid_utf8(block, count)), len(block)

    def starts(self, block: memoryview) -> Index:
        import numpy as np

        return np.zeros(1, np.int64)
