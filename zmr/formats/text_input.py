"""The text of a file as UTF-8, whatever its encoding and compression; what is no text is refused.

Text in UTF-16 or UTF-32 is known by its byte order mark, which is no part of it; so is compressed
data under another name by its first bytes. What is not valid in its encoding becomes a byte that is
not valid UTF-8, so that it is counted where all text is decoded.
"""

from __future__ import annotations

import codecs
import io
import os
from typing import Any, BinaryIO

from zmr.formats.base import BadRecord
from zmr.formats.compression import is_compressed, open_input, stream_by_magic

UTF8 = "utf-8"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_PIECE_BYTES = 1 << 18
_HEAD_BYTES = 16

# The longer ones first: UTF-32's begins as UTF-16's does.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_PARQUET = b"PAR1"
_NO_TEXT = (
    (b"ARROW1\0\0", "an Arrow file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"%PDF-", "a PDF document"),
    (b"\xf7\x02\x01\x83\x92\xc0", "a DVI document"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"OggS\0", "an Ogg file"),
    (b"wOFF\0", "a font"),
    (b"wOF2\0", "a font"),
    (b"\xca\xfe\xba\xbe", "a Java class or a program"),
    (b"\0asm", "a program"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x7fELF", "a program"),
)
_INVALID = "zmr-invalid"


def encoding_named(name: str) -> str:
    """The encoding of this name, as Python calls it. Raises ValueError."""
    try:
        found = codecs.lookup(name)
        "".encode(name)  # codecs that are not between text and bytes fail here
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(f"encoding={name!r}: {error}") from None
    return UTF8 if found.name == "utf-8-sig" else found.name


def open_text(path: str, encoding: str | None) -> BinaryIO:
    """The text of the file, for reading; seekable if it stands in the file as it is.

    The byte order mark of UTF-8 is still there. With `encoding` None, the bytes as they are,
    decompressed if the name says so. Raises OSError, now or later, and `BadRecord` for what is no
    text.
    """
    file = open_input(path)
    if encoding is None:
        return file
    try:
        head = _head_of(file)
        stream = None if is_compressed(path) else stream_by_magic(head)
        if stream is not None:
            file.close()
            file = stream.open(path)
            head = _head_of(file)
        _refuse_no_text(path, file, head)
        if encoding == UTF8:
            encoding = next((name for mark, name in _MARKS if head.startswith(mark)), UTF8)
        if file.seekable():
            file.seek(0)
        else:
            file.close()
            file = open_input(path) if stream is None else stream.open(path)
    except BaseException:
        file.close()
        raise
    return (
        file if encoding == UTF8 else io.BufferedReader(_Transcoded(file, encoding), _PIECE_BYTES)
    )


def is_plain_text(path: str, encoding: str | None) -> bool:
    """Whether the text stands in the file as it is. Raises OSError and `BadRecord`."""
    with open_text(path, encoding) as file:
        return file.seekable()


def has_text_head(data: bytes) -> bool:
    """Whether the first bytes of a file are those of UTF-8, as far as they tell."""
    others = (_PARQUET, *(mark for mark, _ in _MARKS), *(magic for magic, _ in _NO_TEXT))
    return not data.startswith(others) and stream_by_magic(data[:_HEAD_BYTES]) is None


def whole_text(data: bytes, encoding: str) -> bytes:
    """All of a file's content as UTF-8, without its byte order mark."""
    if encoding == UTF8:
        encoding = next((name for mark, name in _MARKS if data.startswith(mark)), UTF8)
    if encoding != UTF8:
        with io.BufferedReader(_Transcoded(io.BytesIO(data), encoding)) as file:
            return file.read()
    return data.removeprefix(BYTE_ORDER_MARK)


def _head_of(file: BinaryIO) -> bytes:
    head = b""
    while len(head) < _HEAD_BYTES and (more := file.read(_HEAD_BYTES - len(head))):
        head += more
    return head


def _refuse_no_text(path: str, file: BinaryIO, head: bytes) -> None:
    """Raise `BadRecord` if the first bytes are those of something else."""
    found = next((name for magic, name in _NO_TEXT if head.startswith(magic)), "")
    if head.startswith(_PARQUET) and _ends_as_parquet(file):
        found = "a Parquet file, for input = Parquet(),"
    if not found and (stream := stream_by_magic(head)) is not None:
        found = f"{stream.kind} data within other compressed data"
    if found:
        raise BadRecord(path, "", f"this is {found} and not text")


def _ends_as_parquet(file: BinaryIO) -> bool:
    if not file.seekable():
        return True
    file.seek(max(0, os.fstat(file.fileno()).st_size - len(_PARQUET)))
    return file.read() == _PARQUET


class _Transcoded(io.RawIOBase):
    """The content of a file as UTF-8. The file is closed with it."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._decoder: Any = codecs.getincrementaldecoder(encoding)(_INVALID)
        self._encode = codecs.getencoder(UTF8)
        self._rest = b""
        self._is_first = True
        self._is_end = False

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        while not self._rest and not self._is_end:
            piece = self._file.read(_PIECE_BYTES)
            self._is_end = not piece
            text = self._decoder.decode(piece, self._is_end)
            if text and self._is_first:
                self._is_first = False
                text = text.removeprefix("\N{BYTE ORDER MARK}")
            self._rest, _ = self._encode(text, _INVALID)
        view = memoryview(target).cast("B")
        n = min(len(view), len(self._rest))
        view[:n] = self._rest[:n]
        self._rest = self._rest[n:]
        return n


def _mark_invalid(error: UnicodeError) -> tuple[str | bytes, int]:
    """What can't be decoded becomes a surrogate, and a surrogate a byte that is no UTF-8."""
    if isinstance(error, UnicodeEncodeError):
        return b"\xff" * (error.end - error.start), error.end
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error(_INVALID, _mark_invalid)
