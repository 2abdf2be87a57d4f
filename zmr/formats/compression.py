"""Compressed input: recognised by the suffix of its name, and read as what it holds.

A compressed file can't be entered in the middle, so it is one task; its bytes are decompressed as
they are read, in bounded memory. Members that were written one after the other (`cat a.gz b.gz`)
are read one after the other; a zip archive is read if it holds one file. What is damaged or cut off
is an error, never a shorter answer.

There is a stream class for each kind of compression; they load their libraries when first used.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from errno import EINVAL, EIO
from functools import cache
from sys import maxsize
from typing import Any, BinaryIO

_PIECE_BYTES = 1 << 18

_MOST_ZSTD_WINDOW = 128 << 20  # of the library, where nothing else is said

# The header of a gzip member (RFC 1952): its first bytes, its fixed part, and flags of the others.
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_HEADER_BYTES = 10
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT = 2, 4, 8, 16


def is_compressed(path: str) -> bool:
    """Whether the name says so: .gz, .bz2, .xz, .zst, .lz4, .zip."""
    return _stream_class(path) is not None


def open_input(path: str) -> BinaryIO:
    """The file at `path` for reading, decompressed if its name says that it is compressed.

    Raises OSError, now or while it is read, with `path` as its `filename`.
    """
    stream = _stream_class(path)
    return open(path, "rb") if stream is None else stream.open(path)


def stream_by_magic(head: bytes) -> type[DecompressedStream] | None:
    """What opens a compressed file that begins like this; None if it is none."""
    return next((found for magic, found in _MAGIC if magic.match(head)), None)


def expected_size(file: BinaryIO) -> int:
    """How many bytes an opened input has, as far as that is known; `maxsize` if it isn't."""
    try:
        return os.fstat(file.fileno()).st_size
    except OSError:  # decompressed as it is read
        return maxsize


def _stream_class(path: str) -> type[DecompressedStream] | None:
    return _STREAMS.get(os.path.splitext(path)[1].lower())


class DecompressedStream(io.RawIOBase):
    """The decompressed content of a file, which it closes. Subclasses define `readinto`."""

    kind = ""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    @classmethod
    def open(cls, path: str) -> BinaryIO:
        """The content of the file. Raises OSError."""
        file = io.FileIO(path)
        try:
            return io.BufferedReader(cls(file), _PIECE_BYTES)
        except BaseException:
            file.close()
            raise

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def _damaged(self, reason: object) -> OSError:
        text = f"the {self.kind} data is damaged or cut off ({reason})"
        return OSError(EIO, text, self._file.name)


class _MemberStream(DecompressedStream):
    """Members one after the other, each with a decompressor object of its own."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__(file)
        self._compressed = b""
        self._member: Any = None
        self._is_first = True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        while self._member is not None or self._begin_member():
            piece = self._decompress(len(view))
            if piece:
                view[: len(piece)] = piece
                return len(piece)
            if self._member is not None and not self._compressed and not self._refill():
                raise self._damaged("it ends too early")
        return 0

    def _begin_member(self) -> bool:
        """Whether there is one more member. Zeros between them are padding."""
        while True:
            if not self._is_first:
                self._compressed = self._compressed.lstrip(b"\0")
            if self._compressed or not self._refill():
                break
        self._is_first = False
        self._member = self._decompressor() if self._compressed else None
        return self._member is not None

    def _decompress(self, size_bytes: int) -> bytes:
        member = self._member
        try:
            piece: bytes = member.decompress(self._compressed, size_bytes)
        except MemoryError:
            raise
        except Exception as error:  # each module has its own
            raise self._damaged(self._reason(error)) from error
        if member.eof:
            self._compressed, self._member = member.unused_data, None
        else:  # what is left of it zlib hands back, and the others keep
            self._compressed = getattr(member, "unconsumed_tail", b"")
        return piece

    def _refill(self) -> bool:
        if not self._compressed:
            self._compressed = self._file.read(_PIECE_BYTES)
        return bool(self._compressed)

    def _decompressor(self) -> Any:
        """A new decompressor, for the member that begins with `_compressed`."""
        raise NotImplementedError

    def _reason(self, error: Exception) -> str:
        """Why a decompressor has failed."""
        return str(error)


class _Gzip(_MemberStream):
    """Read by ISA-L, in half of zlib's time; by zlib for processors that ISA-L does not know.

    ISA-L (2.32) takes a header with several optional parts for damaged if it comes in two pieces.
    So zlib reads a member whose header is not whole in the piece that it begins in.

    The errors of the two differ, so their reasons are given in words that hold for both.
    """

    kind = "gzip"

    def _decompressor(self) -> Any:
        if not self._compressed.startswith(_GZIP_MAGIC[: len(self._compressed)]):
            raise self._damaged("a gzip header is missing")
        if not _has_whole_header(self._compressed):
            return _zlib_decompressor()
        return _gzip_decompressor()()

    def _reason(self, error: Exception) -> str:
        return "a checksum is wrong" if "check" in str(error) else "it can't be decompressed"


def _has_whole_header(member: bytes) -> bool:
    """Whether what is there of a gzip member has all of its header."""
    if len(member) < _GZIP_HEADER_BYTES:
        return False
    flags, end = member[3], _GZIP_HEADER_BYTES
    if flags & _FEXTRA:
        end += 2 + int.from_bytes(member[end : end + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            end = member.find(b"\0", end) + 1
            if end == 0:
                return False
    if flags & _FHCRC:
        end += 2
    return len(member) >= end


def _zlib_decompressor() -> Any:
    import zlib

    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


@cache
def _gzip_decompressor() -> Callable[[], Any]:
    """What makes the decompressor of a member: an import that fails is not tried again."""
    try:
        from isal import igzip_lib
    except ImportError:
        return _zlib_decompressor
    return lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


class _Bzip2(_MemberStream):
    kind = "bzip2"

    def _decompressor(self) -> Any:
        import bz2

        return bz2.BZ2Decompressor()


class _Xz(_MemberStream):
    kind = "xz"

    def _decompressor(self) -> Any:
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ)


class _ArrowStream(DecompressedStream):
    """What Arrow has a streaming codec for."""

    codec = ""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__(file)
        import pyarrow as pa

        self._stream = pa.CompressedInputStream(pa.PythonFile(self._file, "r"), self.codec)
        self._broken: type[Exception] = pa.ArrowException

    def readinto(self, target: Any) -> int:
        try:
            n: int = self._stream.readinto(target)
        except OSError as error:
            if error.errno is None:
                raise self._damaged(error) from error
            raise
        except MemoryError:
            raise
        except self._broken as error:
            raise self._damaged(error) from error
        return n


class _Zstandard(_ArrowStream):
    kind, codec = "zstd", "zstd"

    def _damaged(self, reason: object) -> OSError:
        if "too much memory" not in str(reason):
            return super()._damaged(reason)
        text = (
            f"its zstd data needs a window of more than {_MOST_ZSTD_WINDOW >> 20} MiB"
            f"{self._window()}, which is not read: compress it without --long, or with --long=27"
        )
        return OSError(EINVAL, text, self._file.name)

    def _window(self) -> str:
        """The window of the first frame, if it is too large; by RFC 8878, 3.1.1.1."""
        head = os.pread(self._file.fileno(), 6, 0)
        if len(head) < 6 or head[4] & 0x20:  # a frame of a single segment names no window
            return ""
        base = 1 << (10 + (head[5] >> 3))
        size_bytes = base + (base >> 3) * (head[5] & 7)
        return f" ({size_bytes >> 20} MiB)" if size_bytes > _MOST_ZSTD_WINDOW else ""


class _Lz4(_ArrowStream):
    kind, codec = "lz4", "lz4"  # the frame format, which the lz4 command writes


class _Zip(DecompressedStream):
    """The one file of an archive, beside folders and what systems put there for themselves."""

    kind = "zip"

    def __init__(self, file: io.FileIO) -> None:
        super().__init__(file)
        import zipfile
        import zlib

        self._broken = (zipfile.BadZipFile, zlib.error, EOFError, ValueError)
        try:
            archive = zipfile.ZipFile(file)
            names = [name for name in archive.namelist() if not _is_no_data(name)]
            if len(names) != 1:
                raise self._refused(f"it holds {len(names)} files, of which only one can be read")
            self._member: Any = archive.open(names[0])
        except self._broken as error:
            raise self._damaged(error) from error
        except (RuntimeError, NotImplementedError) as error:  # encrypted, or of an unusual method
            raise self._refused(str(error)) from error

    def _refused(self, reason: str) -> OSError:
        text = f"the zip archive can't be read: {reason}; unpack it"
        return OSError(EINVAL, text, self._file.name)

    def readinto(self, target: Any) -> int:
        try:
            n: int = self._member.readinto(target)
        except self._broken as error:
            raise self._damaged(error) from error
        return n


def _is_no_data(name: str) -> bool:
    """Whether a file of an archive is passed over, as it is in a folder; and so are folders."""
    return name.endswith("/") or any(part[:1] in ("_", ".") for part in name.split("/"))


_STREAMS: dict[str, type[DecompressedStream]] = {
    ".gz": _Gzip,
    ".bz2": _Bzip2,
    ".xz": _Xz,
    ".zst": _Zstandard,
    ".lz4": _Lz4,
    ".zip": _Zip,
}

# How the files begin.
_MAGIC: list[tuple[re.Pattern[bytes], type[DecompressedStream]]] = [
    (re.compile(rb"\x1f\x8b\x08"), _Gzip),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), _Bzip2),
    (re.compile(rb"\xfd7zXZ\0"), _Xz),
    (re.compile(rb"\x28\xb5\x2f\xfd"), _Zstandard),
    (re.compile(rb"\x04\x22\x4d\x18"), _Lz4),
    (re.compile(rb"PK\x03\x04"), _Zip),
]
