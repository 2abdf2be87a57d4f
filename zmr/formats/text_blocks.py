"""Blocks of text, for jobs that care for words or characters and not for lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zmr.formats.base import Batch, Chunk, CountUp, InputFormat
from zmr.formats.line_blocks import decode, line_blocks
from zmr.formats.locate import LocateByLine
from zmr.messages import Split

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TextBlocks(LocateByLine, InputFormat):
    """A record is a block of text: about `size_bytes` of whole lines, as they are in the file.

    Line ends are part of the text. Where blocks begin depends on how the file was cut; joined
    together they are the text of the file in any case. For `map_batch`, a batch is an Arrow string
    array with one block; `split_words` takes it from there.
    """

    splittable = True

    def fit(self, memory_bytes: int) -> None:
        """The size is the user's choice."""

    def __init__(self, size_bytes: int = InputFormat.batch_bytes) -> None:
        if size_bytes < 1:
            raise ValueError(f"TextBlocks(size_bytes) takes a positive number, not {size_bytes}")
        self.chunk_bytes = self.batch_bytes = size_bytes

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for _, block in line_blocks(split, self.chunk_bytes):
            yield [decode(block, count)], len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.formats.arrow_text import allocate, one_string, valid_utf8

        for _, block in line_blocks(split, self.batch_bytes, allocate=allocate):
            yield one_string(valid_utf8(block, count)), len(block)

    def starts(self, block: memoryview) -> npt.NDArray[np.int64]:
        import numpy as np

        return np.zeros(1, np.int64)
