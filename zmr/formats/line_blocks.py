r"""Blocks of whole lines: how every text format reads a split, in bounded memory.

Only `\n` ends a line. A line belongs to the split that its first byte lies in, and is read to its
end from there, beyond the end of the split if need be. Positions are those of the decompressed
text. A compressed file belongs as a whole to the split at its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from errno import ESTALE
from sys import maxsize
from typing import Any, BinaryIO

from zmr.formats.base import CountUp
from zmr.formats.compression import expected_size, is_compressed, open_input
from zmr.messages import Split

INVALID_UTF8 = "invalid UTF-8 sequences"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_PIECE_BYTES = 1 << 20
_WINDOW_BYTES = 1 << 16
_MORE_BYTES = 1 << 8


def byte_range(split: Split) -> tuple[int, int]:
    """The offsets at which the split begins and ends; `maxsize` for the end of the file."""
    if is_compressed(split.path):
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
    begin: int = 0,
    allocate: Callable[[int], Any] = bytearray,
    end_of_last: Callable[[memoryview], int] = end_of_last_line,
) -> Iterator[tuple[int, memoryview]]:
    """The lines that begin within the split, as (position, block) of about `block_bytes` each.

    `begin` is the offset of the file's first line; what stands before it is skipped. `allocate`
    makes the buffers, which are not used again. `end_of_last` gives the offset at which a block may
    be cut, 0 if there is none: then the block grows. Raises OSError.
    """
    start, end = byte_range(split)
    if max(start, begin) >= end:
        return
    with open_input(split.path) as file:
        position = _to_first_line(file, start, begin)
        size_bytes = expected_size(file)
        rest = b""
        while (here := position + len(rest)) < end:
            # A little more than there should be, so that a short read means the end of the file.
            left = min(end - here, max(size_bytes - here, 0) + _MORE_BYTES)
            wanted = min(max(block_bytes, len(rest)), left)
            block = memoryview(allocate(len(rest) + wanted)).cast("B")
            block[: len(rest)] = rest
            n = file.readinto(block[len(rest) :])  # type: ignore[attr-defined]
            is_end = n < wanted
            if is_end and end != maxsize:
                raise truncated_file_error(split.path)
            filled = len(rest) + n
            cut = filled if is_end else end_of_last(block[:filled])
            rest = bytes(block[cut:filled])
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


def line_number(path: str, position: int) -> int:
    """The number, from 1, of the line that the byte at `position` lies in. Raises OSError."""
    number = 1
    with open_input(path) as file:
        while position > 0 and (piece := file.read(min(_PIECE_BYTES, position))):
            number += piece.count(b"\n")
            position -= len(piece)
    return number


def past_byte_order_mark(path: str) -> int:
    """The offset at which the text of the file begins: 0, or 3 after a byte order mark."""
    with open_input(path) as file:
        return len(BYTE_ORDER_MARK) if file.read(3) == BYTE_ORDER_MARK else 0


def decode(block: bytes | memoryview, count: CountUp) -> str:
    """The block as text. What is not UTF-8 becomes U+FFFD and is counted."""
    try:
        return str(block, "utf-8")
    except UnicodeDecodeError:
        text = str(block, "utf-8", "replace")
        count(INVALID_UTF8, text.count("\ufffd") - bytes(block).count(b"\xef\xbf\xbd"))
        return text


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
