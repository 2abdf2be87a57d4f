"""What the formats of lines of text have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from zmr.formats.base import InputFormat
from zmr.formats.line_blocks import line_blocks, line_number
from zmr.formats.offsets import RecordOffsets
from zmr.formats.text_input import UTF8, encoding_named, is_plain_text
from zmr.messages import Split

if TYPE_CHECKING:
    from zmr.columns.arrays import Index

# A smaller file is not cut, so how it is read is found out when it is.
_LARGE_FILE_BYTES = 1 << 20


class TextFormat(InputFormat):
    """Reads text in an encoding. A record is located by the line, of the file, that it begins in.

    Raises ValueError for an encoding that Python does not know.
    """

    encoding: str | None  # None for bytes, whatever they are

    def __init__(self, encoding: str = UTF8) -> None:
        self.encoding = encoding_named(encoding)

    def can_split(self, path: str) -> bool:
        if not super().can_split(path) or self.encoding not in (UTF8, None):
            return False
        return os.path.getsize(path) < _LARGE_FILE_BYTES or is_plain_text(path, self.encoding)

    def blocks(self, split: Split) -> Iterator[tuple[int, memoryview]]:
        """(position, block) of all that `read` makes records of."""
        return line_blocks(split, self.chunk_bytes, self.encoding)

    def starts(self, block: memoryview) -> Index:
        """Where in the block each of its records begins."""
        from zmr.formats.arrow_text import line_starts

        return line_starts(block)

    def offsets(self, split: Split) -> Iterator[Index]:
        """Positions in the text as UTF-8, whatever the encoding of the file."""
        for position, block in self.blocks(split):
            starts = self.starts(block)
            if len(starts):
                yield position + starts

    def locate(self, split: Split, index: int) -> str:
        at = RecordOffsets(self, split).of(index)
        return "" if at is None else f"line {line_number(split.path, at, self.encoding)}"
