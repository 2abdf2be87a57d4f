"""Compressed input: recognised by the suffix of its name, and read as what it holds.

A compressed file can't be entered in the middle, so it is one task; its bytes are decompressed as
they are read, in bounded memory. Members that were written one after the other (`cat a.gz b.gz`)
are read one after the other. What is damaged or cut off is an error, never a shorter answer.
"""

from __future__ import annotations

import os
from sys import maxsize
from typing import BinaryIO

_KINDS = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}


def is_compressed(path: str) -> bool:
    """Whether the name says so: .gz, .bz2, .xz, .zst, .lz4."""
    return _kind(path) is not None


def open_input(path: str) -> BinaryIO:
    """The file at `path` for reading, decompressed if its name says that it is compressed.

    Raises OSError, now or while it is read, with `path` as its `filename`.
    """
    kind = _kind(path)
    if kind is None:
        return open(path, "rb")
    from io import BufferedReader, FileIO

    from zmr.formats.decompress import KINDS, PIECE_BYTES

    return BufferedReader(KINDS[kind](FileIO(path)), PIECE_BYTES)


def expected_size(file: BinaryIO) -> int:
    """How many bytes an opened input has, as far as that is known; `maxsize` if it isn't."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:  # decompressed as it is read
        return maxsize


def _kind(path: str) -> str | None:
    return _KINDS.get(os.path.splitext(path)[1].lower())
