"""Lines of text, the default."""

from __future__ import annotations

from collections.abc import Iterator

from zmr.core.messages import Split
from zmr.data.formats.base import Batch, Chunk, CountUp, InputFormat
from zmr.data.formats.blocks import decode, line_blocks
from zmr.data.formats.located import LocatedByLine


class Lines(LocatedByLine, InputFormat):
    r"""Each line of a text file is a record, without the LF or CR LF that ends it.

    Only `\n` ends a line. Text after the last one is a line too; an empty line is a record.
    For `map_batch`, lines come as an Arrow string array.
    """

    splittable = True

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for _, block in line_blocks(split, self.chunk_bytes):
            text = decode(block, count)
            if "\r" in text:
                text = text.replace("\r\n", "\n")
            lines = text.split("\n")
            if not lines[-1]:
                lines.pop()
            yield lines, len(block)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        from zmr.data.formats.arrow_text import allocate, lines_of, valid

        for _, block in line_blocks(split, self.batch_bytes, allocate=allocate):
            yield lines_of(valid(block, count)), len(block)
