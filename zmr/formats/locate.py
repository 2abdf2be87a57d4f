"""Locate a record of a text format, by reading the split once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from zmr.formats.line_blocks import line_blocks, line_number
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index


class LocateByLine:
    """Locates a record by the number of the line, in the file, that it begins in."""

    chunk_bytes: int

    def blocks(self, split: Split) -> Iterator[tuple[int, memoryview]]:
        """(position, block) of all that `read` makes records of."""
        return line_blocks(split, self.chunk_bytes)

    def starts(self, block: memoryview) -> Index:
        """Where in the block each of its records begins."""
        from zmr.formats.arrow_text import line_starts

        return line_starts(block)

    def locate(self, split: Split, index: int) -> str:
        for position, block in self.blocks(split):
            starts = self.starts(block)
            if index < len(starts):
                return f"line {line_number(split.path, position + int(starts[index]))}"
            index -= len(starts)
        return ""
