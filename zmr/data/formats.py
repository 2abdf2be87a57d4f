"""Input formats: how the bytes of a split become records.

A format promises three things. The records of a file's splits, taken in order, are the records of
the file, wherever it was cut. Records come in lists, as many as fit a bounded piece of the file,
so that the loop over them is a plain `for` over a list. And a record can be found again: `locate`
turns its number within a split into words for an error message.

Text is UTF-8. What is not becomes U+FFFD, the replacement character, and is counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from sys import maxsize
from typing import Any, BinaryIO

from zmr.core.messages import Split

INVALID_UTF8 = "invalid UTF-8 sequences"
CHUNK_BYTES = 1 << 20

CountUp = Callable[[str, int], None]  # counter's name, by how much
Chunk = tuple[list[Any], int]  # records, and the size in bytes of what they were read from


class InputFormat(ABC):
    """What a record is, and how to read them."""

    splittable: bool  # whether a file may be read in several pieces
    chunk_bytes: int = CHUNK_BYTES

    @abstractmethod
    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        """The records of the split. Raises OSError if the file can't be read to its end."""

    def locate(self, split: Split, index: int) -> str:
        """Where in the file the record is that came as number `index` (from 0) of the split."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Lines(InputFormat):
    r"""Each line of a text file is a record, without the LF or CR LF that ends it.

    Only `\n` ends a line. Text after the last one is a line too; an empty line is a record.
    A line belongs to the split that its first byte lies in, and is read to its end from there.
    """

    splittable = True

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        with open(split.path, "rb") as file:
            for block in _whole_lines(file, split, self.chunk_bytes):
                text = _decode(block, count)
                if "\r" in text:
                    text = text.replace("\r\n", "\n")
                lines = text.split("\n")
                if not lines[-1]:
                    lines.pop()
                yield lines, len(block)

    def locate(self, split: Split, index: int) -> str:
        before = 0
        with open(split.path, "rb") as file:
            remaining = _first_line(file, split.offset)
            file.seek(0)
            while remaining > 0:
                block = file.read(min(self.chunk_bytes, remaining))
                if not block:
                    break
                before += block.count(b"\n")
                remaining -= len(block)
        return f"line {before + index + 1}"


class WholeFiles(InputFormat):
    """Each file is one record: (absolute path, text)."""

    splittable = False

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        with open(split.path, "rb") as file:
            data = file.read()
        yield [(split.path, _decode(data, count))], len(data)


def _whole_lines(file: BinaryIO, split: Split, chunk_bytes: int) -> Iterator[bytes]:
    """Blocks of whole lines: those that begin within the split.

    Every block is completed by the rest of its last line, which makes the end of the split no
    special case.
    """
    end = maxsize if split.length < 0 else split.offset + split.length
    position = _first_line(file, split.offset)
    while position < end:
        block = file.read(min(chunk_bytes, end - position))
        if not block:
            if split.length >= 0:
                raise OSError(f"{split.path} has become shorter since the job began")
            return
        if not block.endswith(b"\n"):
            block += file.readline()
        position += len(block)
        yield block


def _first_line(file: BinaryIO, offset: int) -> int:
    """Move to where the first line begins at or after `offset`, and return that position."""
    if offset == 0:
        return 0
    file.seek(offset - 1)
    while (piece := file.readline(CHUNK_BYTES)) and not piece.endswith(b"\n"):
        pass
    return file.tell()


def _decode(data: bytes, count: CountUp) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        count(INVALID_UTF8, text.count("\ufffd") - data.count(b"\xef\xbf\xbd"))
        return text
