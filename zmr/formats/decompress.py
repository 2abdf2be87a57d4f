"""Streams of what compressed files hold, one class a kind of compression.

Each one reads a bounded piece at a time, passes from member to member, and raises an OSError with
the name of the file for data that is damaged or cut off.
"""

from __future__ import annotations

import io
from errno import EIO
from typing import Any

PIECE_BYTES = 1 << 18


class Decompressed(io.RawIOBase):
    """What a compressed file holds, which it closes. Its subclasses know how to get more of it."""

    kind = ""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def _damaged(self, reason: object) -> OSError:
        text = f"the {self.kind} data is damaged or cut off ({reason})"
        return OSError(EIO, text, self._file.name)


class Members(Decompressed):
    """Members that a decompressor of the standard library reads, one decompressor a member."""

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
            raise self._damaged(error) from error
        if member.eof:
            self._compressed, self._member = member.unused_data, None
        else:  # what is left of it zlib hands back, and the others keep
            self._compressed = getattr(member, "unconsumed_tail", b"")
        return piece

    def _refill(self) -> bool:
        if not self._compressed:
            self._compressed = self._file.read(PIECE_BYTES)
        return bool(self._compressed)

    def _decompressor(self) -> Any:
        raise NotImplementedError


class Gzip(Members):
    kind = "gzip"

    def _decompressor(self) -> Any:
        import zlib

        return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


class Bzip2(Members):
    kind = "bzip2"

    def _decompressor(self) -> Any:
        import bz2

        return bz2.BZ2Decompressor()


class Xz(Members):
    kind = "xz"

    def _decompressor(self) -> Any:
        import lzma

        return lzma.LZMADecompressor(lzma.FORMAT_XZ)


class ArrowStream(Decompressed):
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


class Zstandard(ArrowStream):
    kind, codec = "zstd", "zstd"


class Lz4(ArrowStream):
    kind, codec = "lz4", "lz4"  # the frame format, which the lz4 command writes


KINDS: dict[str, type[Decompressed]] = {
    kind.kind: kind for kind in (Gzip, Bzip2, Xz, Zstandard, Lz4)
}
