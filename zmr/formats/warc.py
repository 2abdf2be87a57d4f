"""Web archives (WARC, ISO 28500), as crawlers write them and Common Crawl offers them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO

from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat
from zmr.formats.compression import open_input
from zmr.messages import Split

Record = dict[str, Any]

_VERSION = b"WARC/"
_GZIP = b"\x1f\x8b\x08"
_PIECE_BYTES = 1 << 18
_MOST_HEADER_BYTES = 1 << 20
_END = b"\r\n\r\n"


class Warc(InputFormat):
    """Each record of a web archive is a record.

    A large `.warc.gz` is split between the members of gzip, of which each holds a record.

    Parameters:
        types: the types of records to read, such as ["response"]; the others are skipped. None
            reads all.
        split: False has a file read by one task, however large it is.

    A record is a dict: "type", such as "response"; "uri", the target, or None; "date", as it is
    written; "headers", a dict of all the header's fields, by their names as they are written, of
    which the last of a name counts; and "content", bytes, for a response the HTTP header and the
    body. For `map_batch`, a batch is an Arrow RecordBatch with the same columns, "headers" as a
    map. What is no record, or is cut off, is an error (`BadRecord`).

    Example:
        class Types(zmr.Job):
            input = zmr.Warc()

            def map(self, record):
                yield record["type"], 1

            reduce = zmr.Sum()
    """

    splittable = True

    def __init__(self, types: Sequence[str] | None = None, *, split: bool = True) -> None:
        if isinstance(types, str):
            raise ValueError("Warc(types) takes a list of types")
        self._types = None if types is None else frozenset(types)
        self._may_split = split

    def can_split(self, path: str) -> bool:
        return self._may_split and path.endswith(".gz") and _is_of_members(path)

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        yield from self._chunks(split, self.chunk_bytes)

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        import pyarrow as pa

        text = pa.string()
        schema = pa.schema(
            {
                "type": text,
                "uri": text,
                "date": text,
                "headers": pa.map_(text, text),
                "content": pa.large_binary(),
            }
        )
        for records, size_bytes in self._chunks(split, self.batch_bytes):
            rows = [record | {"headers": list(record["headers"].items())} for record in records]
            yield pa.RecordBatch.from_pylist(rows, schema), size_bytes

    def locate(self, split: Split, index: int) -> str:
        for found, (place, _, record) in enumerate(self._wanted(split)):
            if found == index:
                return f"{place}, {record['headers'].get('WARC-Record-ID', 'a record without ID')}"
        return ""

    def _chunks(self, split: Split, chunk_bytes: int) -> Iterator[Chunk]:
        records: list[Record] = []
        size_bytes = 0
        for _, n, record in self._wanted(split):
            records.append(record)
            size_bytes += n
            if size_bytes >= chunk_bytes:
                yield records, size_bytes
                records, size_bytes = [], 0
        if records:
            yield records, size_bytes

    def _wanted(self, split: Split) -> Iterator[tuple[str, int, Record]]:
        """The place, the size and the record of each record that is to be read."""
        for place, size_bytes, record in _records(split):
            if self._types is None or record["type"] in self._types:
                yield place, size_bytes, record


def _records(split: Split) -> Iterator[tuple[str, int, Record]]:
    if split.length < 0:
        with open_input(split.path) as file:
            yield from _parse(split.path, file, "byte")
        return
    end = split.offset + split.length
    with open(split.path, "rb") as file:
        after = yield from _members(split.path, file, _first_member(file, split.offset), end)
        if after != _first_member(file, end):
            reason = "it can't be told where a record begins: read it with Warc(split=False)"
            raise BadRecord(split.path, f"byte {after}", reason)


def _members(
    path: str, file: BinaryIO, position: int, end: int
) -> Generator[tuple[str, int, Record], None, int]:
    """The records of the members that begin from `position` to `end`; where the next one begins."""
    file.seek(position)
    compressed = b""
    while position < end:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        content, size_bytes = [], 0
        while not member.eof:
            compressed = compressed or file.read(_PIECE_BYTES)
            if not compressed:
                raise BadRecord(path, f"byte {position}", "the gzip data is cut off")
            try:
                content.append(member.decompress(compressed))
            except zlib.error as error:
                reason = f"the gzip data is damaged ({error})"
                raise BadRecord(path, f"byte {position}", reason) from None
            size_bytes += len(compressed) - len(member.unused_data)
            compressed = member.unused_data
        records = _parse(path, BytesIO(b"".join(content)), f"the member at byte {position}, byte")
        for place, _, record in records:
            yield place, size_bytes, record
            size_bytes = 0
        position = file.tell() - len(compressed)
        if not compressed and not (compressed := file.read(_PIECE_BYTES)):
            break
    return position


def _first_member(file: BinaryIO, at: int) -> int:
    """Where the first member begins, at `at` or later, that seems to begin with a record."""
    position = at
    file.seek(at)
    data = file.read(_PIECE_BYTES)
    if not at:
        return 0
    while True:
        found = data.find(_GZIP)
        while found >= 0:
            if _begins_record(file, position + found):
                return position + found
            found = data.find(_GZIP, found + 1)
        file.seek(position + len(data))
        more = file.read(_PIECE_BYTES)
        if not more:
            return position + len(data)
        position += max(0, len(data) - 2)
        data = data[-2:] + more


def _begins_record(file: BinaryIO, at: int) -> bool:
    file.seek(at)
    try:
        start = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(file.read(1024), 5)
    except zlib.error:
        return False
    return start == _VERSION


def _is_of_members(path: str) -> bool:
    """Whether a record ends with its member, and the file does not."""
    with open(path, "rb") as file:
        if not _begins_record(file, 0):
            return False
        file.seek(0)
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        while not member.eof and (piece := file.read(_PIECE_BYTES)):
            try:
                member.decompress(piece)
            except zlib.error:
                return False
        n_read = file.tell() - len(member.unused_data)
        return n_read < os.fstat(file.fileno()).st_size


def _parse(path: str, file: BinaryIO, where: str) -> Iterator[tuple[str, int, Record]]:
    """The place, the size and the content of each record of a file."""
    position = 0
    while version := file.readline(_MOST_HEADER_BYTES):
        place = f"{where} {position}"
        if not version.startswith(_VERSION) or not version.endswith(b"\n"):
            raise BadRecord(
                path, place, f"no WARC record, which begins with WARC/: {version[:40]!r}"
            )
        headers, n_header = _headers(path, place, file)
        by_name = {name.lower(): value for name, value in headers.items()}
        size = by_name.get("content-length", "")
        if not size.isdecimal():
            raise BadRecord(path, place, f"the record's Content-Length is {size!r}")
        content = file.read(int(size))
        end = file.read(len(_END))
        if len(content) < int(size) or end not in (_END, b"\n\n"):
            raise BadRecord(path, place, f"the record does not end after {size} bytes")
        record = {
            "type": by_name.get("warc-type", ""),
            "uri": by_name.get("warc-target-uri"),
            "date": by_name.get("warc-date", ""),
            "headers": headers,
            "content": content,
        }
        size_bytes = len(version) + n_header + len(content) + len(end)
        yield place, size_bytes, record
        position += size_bytes


def _headers(path: str, place: str, file: BinaryIO) -> tuple[dict[str, str], int]:
    """The fields of a header, and its size with the empty line that ends it."""
    headers: dict[str, str] = {}
    name, n = "", 0
    while line := file.readline(_MOST_HEADER_BYTES):
        n += len(line)
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            return headers, n
        if text[0] in " \t" and name:  # goes on
            headers[name] += " " + text.strip()
            continue
        name, colon, value = text.partition(":")
        if not colon:
            break
        name = name.strip()
        headers[name] = value.strip()
    raise BadRecord(path, place, "the header of the record is cut off or damaged")
