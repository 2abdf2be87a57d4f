r"""Blocks of whole lines: how every text format reads a split, in bounded memory.

Only `\n` ends a line. A line belongs to the split that its first byte lies in, and is read to its
end from there, beyond the end of the split if need be. Positions are those of the text as UTF-8. A
file that is compressed or in another encoding belongs as a whole to the split at its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import ESTALE
from sys import maxsize
from typing import Any, BinaryIO, NamedTuple

from zmr.formats.base import CountUp
from zmr.formats.compression import expected_size
from zmr.formats.text_input import BYTE_ORDER_MARK, UTF8, open_text
from zmr.messages import Split

Block = tuple[int, memoryview]  # its position, and the lines themselves

INVALID_UTF8 = "invalid UTF-8 sequences"

_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 16
_MORE_BYTES = 1 << 8
_COUNTED_BYTES = 1 << 18
_LF = 10


def byte_range(split: Split, is_whole: bool) -> tuple[int, int]:
    """The offsets at which the split begins and ends; `maxsize` for the end of the file.

    With `is_whole`, the file is read as a whole.
    """
    if is_whole:
        return (0, maxsize) if split.offset == 0 else (maxsize, maxsize)
    return split.offset, maxsize if split.length < 0 else split.offset + split.length


def end_of_last_line(block: memoryview) -> int:
    """The offset just past the last LF of the block; 0 if there is none."""
    end = len(block)
    while end:
        start = max(0, end - _WINDOW_BYTES)
        found = bytes(block[start:end]).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def line_blocks(
    split: Split,
    block_bytes: int,
    encoding: str | None = UTF8,
    begin: int | None = None,
    allocate: Callable[[int], Any] = bytearray,
    end_of_last: Callable[[memoryview], int] = end_of_last_line,
) -> Iterator[Block]:
    """The lines that begin within the split, as (position, block) of about `block_bytes` each.

    `begin` is the offset of the file's first line; what stands before it is skipped: by default, a
    byte order mark. With `encoding` None, lines are of bytes as they are. `allocate` makes the
    buffers, which are not used again. `end_of_last` gives the offset at which a block may be cut, 0
    if there is none: then the block grows. Raises OSError, and `BadRecord` for what is no text.
    """
    with open_text(split.path, encoding) as file:
        start, end = byte_range(split, not file.seekable())
        if start >= end:
            return
        position, rest = _first_line(file, start, begin, encoding)
        size_bytes = expected_size(file)
        more_bytes = max(block_bytes - len(rest), 1)
        while (here := position + len(rest)) < end:
            # A little more than there should be, so that a short read means the end of the file.
            left = min(end - here, max(size_bytes - here, 0) + _MORE_BYTES)
            wanted = min(more_bytes, left)
            block = memoryview(allocate(len(rest) + wanted)).cast("B")
            block[: len(rest)] = rest
            n = file.readinto(block[len(rest) :])  # type: ignore[attr-defined]
            is_end = n < wanted
            if is_end and end != maxsize:
                raise truncated_file_error(split.path)
            filled = len(rest) + n
            cut = filled if is_end else end_of_last(block[:filled])
            rest = bytes(block[cut:filled])
            more_bytes = max(block_bytes, len(rest))
            if cut:
                yield position, block[:cut]
                position += cut
            if is_end:
                return
        if rest:
            yield position, memoryview(rest + file.readline())


def truncated_file_error(path: str) -> OSError:
    """The error of a file that ends before its split does."""
    return OSError(ESTALE, "the file has become shorter since the job began", path)


def line_number(path: str, position: int, encoding: str | None = UTF8) -> int:
    """The number, from 1, of the line that the byte at `position` lies in. Raises OSError."""
    number = 1
    with open_text(path, encoding) as file:
        while position > 0 and (piece := file.read(min(_PIECE_BYTES, position))):
            number += piece.count(b"\n")
            position -= len(piece)
    return number


def count_line_ends(path: str, start: int, end: int) -> int:
    """How many LFs there are in these bytes of a plain file. Raises OSError, also if it is shorter.

    A small buffer stays in the processor's cache, which makes it several times as fast.
    """
    import numpy as np

    buffer = memoryview(bytearray(_COUNTED_BYTES))
    data = np.frombuffer(buffer, np.uint8)
    n_lines = 0
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        while start < end:
            n = file.readinto(buffer[: end - start])
            if not n:
                raise truncated_file_error(path)
            n_lines += int(np.count_nonzero(data[:n] == _LF))
            start += n
    return n_lines


def past_byte_order_mark(path: str, encoding: str | None) -> int:
    """The offset at which the text of the file begins: 0, or 3 after a byte order mark."""
    with open_text(path, encoding) as file:
        return len(BYTE_ORDER_MARK) if file.read(3) == BYTE_ORDER_MARK else 0


class Place(NamedTuple):
    """Where a block is in a file, by its position."""

    path: str
    position: int
    encoding: str | None = UTF8

    def line(self, n_before: int) -> str:
        """The line that comes after so many of the block: "line 17". Raises OSError."""
        return f"line {line_number(*self) + n_before}"


def decode(block: bytes | memoryview, count: CountUp) -> str:
    """The block as text. What is not UTF-8 becomes U+FFFD and is counted."""
    try:
        return str(block, "utf-8")
    except UnicodeDecodeError:
        text = str(block, "utf-8", "replace")
        count(INVALID_UTF8, text.count("\ufffd") - bytes(block).count(b"\xef\xbf\xbd"))
        return text


def _first_line(
    file: BinaryIO, start: int, begin: int | None, encoding: str | None
) -> tuple[int, bytes]:
    """Move to where the first line begins; that position, and what has been read beyond it."""
    if begin is None:
        may_have_mark = start <= len(BYTE_ORDER_MARK) and encoding is not None
        head = file.read(len(BYTE_ORDER_MARK)) if may_have_mark else b""
        begin = len(head) if head == BYTE_ORDER_MARK else 0
        if not file.seekable():
            return begin, head[begin:]
        file.seek(0)
    return _to_first_line(file, start, begin), b""


def _to_first_line(file: BinaryIO, start: int, begin: int) -> int:
    """Move to where the first line begins at or after `start`, and return that position."""
    if start <= begin:
        if begin:
            file.read(begin)
        return begin
    file.seek(start - 1)
    while (piece := file.readline(_PIECE_BYTES)) and not piece.endswith(b"\n"):
        pass
    return file.tell()
