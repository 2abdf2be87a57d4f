"""The map output file: all partitions of one finished map attempt, each sorted by key.

    magic        8 bytes
    blocks       partition after partition; each block: size (u32), CRC-32 (u32), then an Arrow IPC
                 record batch message of that size, its buffers compressed with LZ4
    index        for each partition: offset, size in bytes, rows (u64 each)
    schema       an Arrow IPC schema message: the columns of `zmr.data.rows`
    trailer      number of partitions, size of the schema, CRC-32 of index and schema (u32 each),
                 magic

A block holds at most `BLOCK_ROWS` rows and, unless a single row is larger, about `BLOCK_BYTES`, so
that a reader of many files needs little memory for each. The file appears under its name whole or
not at all. A reader believes nothing that it has not checked: a file that is truncated, altered, or
of another version is a `CorruptMapOutput`. Spilled runs have the same form.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Protocol
from zlib import crc32

import pyarrow as pa

BLOCK_ROWS = 65_536
BLOCK_BYTES = 1 << 20

_MAGIC = b"ZMRMAP2\n"
_ENTRY = Struct("<QQQ")
_BLOCK = Struct("<II")
_TRAILER = Struct("<III8s")

_END_BYTES = 8  # of an IPC stream

# Blocks that LZ4 shrinks by less than this are stored as they are: random payloads, mostly.
_WORTHWHILE = 0.9


class CorruptMapOutput(Exception):
    """A map output file that is not as it was written."""


class MapOutputWriter:
    """Writes the file at `path`: `write` sorted rows, partitions in ascending order, `finish`.

    Every method may raise OSError. Whoever gives up calls `discard`.
    """

    def __init__(self, path: str, schema: pa.Schema, n_partitions: int) -> None:
        self._path = path
        self._temporary = path + ".part"
        self._schema = schema
        self._schema_bytes = schema.serialize().size
        self._sizes = [0] * n_partitions
        self._rows = [0] * n_partitions
        self._offsets = [0] * n_partitions
        self._compress = pa.ipc.IpcWriteOptions(compression="lz4")
        self._plain = pa.ipc.IpcWriteOptions()
        self._options = self._compress
        self._file: BinaryIO = open(self._temporary, "wb")  # noqa: SIM115 - closed by finish
        self._file.write(_MAGIC)
        self._offset = len(_MAGIC)

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        """Append rows to the partition, which is the last one written to or a later one."""
        if not self._sizes[partition]:
            self._offsets[partition] = self._offset
        for block in blocks(batch):
            data = self._message(block)
            self._file.write(_BLOCK.pack(data.size, crc32(data)))
            self._file.write(data)
            self._sizes[partition] += _BLOCK.size + data.size
            self._offset += _BLOCK.size + data.size
        self._rows[partition] += len(batch)

    def finish(self) -> tuple[int, ...]:
        """Complete the file, and return the partitions' sizes in bytes."""
        entries = zip(self._offsets, self._sizes, self._rows, strict=True)
        footer = b"".join(_ENTRY.pack(*entry) for entry in entries)
        schema = self._schema.serialize().to_pybytes()
        footer += schema
        self._file.write(footer)
        trailer = _TRAILER.pack(len(self._sizes), len(schema), crc32(footer), _MAGIC)
        self._file.write(trailer)
        self._file.close()
        os.replace(self._temporary, self._path)
        return tuple(self._sizes)

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        for path in (self._temporary, self._path):
            with suppress(OSError):
                os.unlink(path)

    def _message(self, block: pa.RecordBatch) -> pa.Buffer:
        # The stream writer is the one that compresses; of its stream, only the batch is kept.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=self._options) as writer:
            writer.write_batch(block)
        stream = sink.getvalue()
        data = stream.slice(self._schema_bytes, stream.size - self._schema_bytes - _END_BYTES)
        if self._options is self._compress and data.size > _WORTHWHILE * block.nbytes:
            self._options = self._plain  # for the rest of the file
        return data


def blocks(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of the size of a block."""
    if not len(batch):
        return
    row_bytes = max(1, batch.nbytes // len(batch))
    rows = max(1, min(BLOCK_ROWS, BLOCK_BYTES // row_bytes))
    for start in range(0, len(batch), rows):
        yield batch.slice(start, rows)


# --- reading -----------------------------------------------------------------------------------


class Source(Protocol):
    """Where the bytes of a map output file come from: a file here, or a worker elsewhere.

    Both methods may raise OSError.
    """

    name: str
    size_bytes: int

    def read(self, offset: int, size_bytes: int) -> bytes | pa.Buffer:
        """So many bytes from there, or fewer where the file ends."""

    def close(self) -> None:
        """Nothing more will be read."""


class LocalSource:
    """A map output file on this machine. Raises OSError if it can't be opened."""

    def __init__(self, path: str) -> None:
        self.name = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        """So many bytes from there, or fewer where the file ends."""
        return os.pread(self._descriptor, size_bytes, offset)

    def close(self) -> None:
        """Nothing more will be read."""
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition of a map output file, of which only the index has been read."""

    source: Source
    schema: pa.Schema
    offset: int
    size_bytes: int
    rows: int

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, block by block, each verified. Raises `CorruptMapOutput`, and OSError."""
        offset, end = self.offset, self.offset + self.size_bytes
        rows = 0
        while offset < end:
            size_bytes, checksum = _BLOCK.unpack(self._read(offset, _BLOCK.size))
            offset += _BLOCK.size
            if offset + size_bytes > end:
                raise self._corrupt()
            data = self._read(offset, size_bytes)
            if crc32(data) != checksum:
                raise self._corrupt()
            batch = pa.ipc.read_record_batch(pa.py_buffer(data), self.schema)
            rows += len(batch)
            offset += size_bytes
            yield batch
        if rows != self.rows:
            raise self._corrupt()

    def _read(self, offset: int, size_bytes: int) -> bytes | pa.Buffer:
        data = self.source.read(offset, size_bytes)
        if len(data) != size_bytes:
            raise self._corrupt()
        return data

    def _corrupt(self) -> CorruptMapOutput:
        return CorruptMapOutput(f"{self.source.name}: damaged at byte {self.offset} or after")


def open_partition(source: Source, partition: int) -> StoredPartition:
    """The partition of the file, its index verified. Raises `CorruptMapOutput`, and OSError."""
    end = source.size_bytes - _TRAILER.size
    if end < len(_MAGIC):
        raise CorruptMapOutput(f"{source.name} is truncated")
    trailer = source.read(end, _TRAILER.size)
    if len(trailer) != _TRAILER.size:
        raise CorruptMapOutput(f"{source.name} is truncated")
    n_partitions, schema_bytes, checksum, magic = _TRAILER.unpack(trailer)
    if magic != _MAGIC:
        raise CorruptMapOutput(f"{source.name} is no map output of this version, or truncated")
    start = end - schema_bytes - n_partitions * _ENTRY.size
    if start < len(_MAGIC) or not 0 <= partition < n_partitions:
        raise CorruptMapOutput(f"{source.name}: the index is damaged")
    footer = bytes(source.read(start, end - start))
    if crc32(footer) != checksum or len(footer) != end - start:
        raise CorruptMapOutput(f"{source.name}: the index is damaged")
    offset, size_bytes, rows = _ENTRY.unpack_from(footer, partition * _ENTRY.size)
    schema = pa.ipc.read_schema(pa.py_buffer(footer[n_partitions * _ENTRY.size :]))
    return StoredPartition(source, schema, offset, size_bytes, rows)
