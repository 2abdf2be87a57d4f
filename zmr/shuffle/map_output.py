"""The map output file: all partitions of one finished map attempt, each sorted by key.

    magic        8 bytes
    blocks       partition after partition; each block: size (u64), whether it is compressed (u32, 0
                 or 1), CRC-32 (u32), then an Arrow IPC record batch message of that size,
                 compressed with LZ4 where that helps
    index        for each partition: offset, size in bytes, rows, and the size in bytes that its
                 largest block takes while it is sorted (u64 each)
    schema       an Arrow IPC schema message: the columns of `zmr.columns.rows`
    trailer      number of partitions, size of the schema, CRC-32 of index and schema (u32 each),
                 magic

Each CRC-32 continues that of the file's name, which names job, task and attempt: so one file in the
place of another counts as damaged. That of a block also covers its offset, and whether it is
compressed.

Blocks are small (`zmr.columns.blocks`), so that a reader of many files needs little memory for
each. The file appears under its name whole or not at all. A reader checks everything: a file that
is truncated, altered, or of another version is a `CorruptMapOutput`. Spilled runs have the same
form.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from struct import Struct
from typing import Any, BinaryIO, NamedTuple, Protocol

import pyarrow as pa

from zmr.checksum import crc32
from zmr.columns.blocks import blocks_of
from zmr.columns.rows import size_bytes, working_bytes

_MAGIC = b"ZMRMAP6\n"
_ENTRY = Struct("<QQQQ")
_BLOCK = Struct("<QII")
_TRAILER = Struct("<III8s")
_MOST_BLOCK_BYTES = 2**32 - 1

# What Arrow makes of a message that is none.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, MemoryError, StopIteration, EOFError)

_ALIGNMENT = 8  # that numbers in columns need
_END_BYTES = 8  # of an IPC stream
_USUAL_SCHEMA_BYTES = 1200

# Blocks of which LZ4 leaves more than this are stored as they are: it makes 0.5 GB/s, and to write
# and read what it saves, mostly in the kernel's page cache, is quicker.
_WORTHWHILE = 0.4

# Threads are for the slots; and those of a library would be lost in a process that forks.
_COMPRESSED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


class CorruptMapOutput(Exception):
    """A map output file that is not as it was written."""


class Writable(Protocol):
    """What a map output is written to: a file, or a stream of Arrow's in memory."""

    def write(self, data: Any, /) -> object: ...


class BlockWriter:
    """Writes a map output to `file`: `write` sorted rows, partitions in ascending order, `finish`.

    `name` is the one under which it will be read. Every method may raise OSError.
    """

    def __init__(self, file: Writable, name: str, schema: pa.Schema, n_partitions: int) -> None:
        self._file = file
        self._seed = _seed(name)
        self._schema = schema
        self._schema_bytes: int = schema.serialize().size
        self._partitions = [[0, 0, 0, 0] for _ in range(n_partitions)]
        self._tries_to_compress = True
        self._file.write(_MAGIC)
        self._offset = len(_MAGIC)

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        """Append rows to the partition, which is the last one written to or a later one."""
        entry = self._partitions[partition]
        if not entry[1]:
            entry[0] = self._offset
        for block in blocks_of(batch):
            is_compressed, data = self._message(block)
            checksum = crc32(data, _block_seed(self._seed, self._offset, is_compressed))
            self._file.write(_BLOCK.pack(data.size, is_compressed, checksum))
            self._file.write(data)
            entry[1] += _BLOCK.size + data.size
            entry[3] = max(entry[3], working_bytes(block))
            self._offset += _BLOCK.size + data.size
        entry[2] += len(batch)

    def finish(self) -> tuple[int, ...]:
        """Complete the map output, and return the partitions' sizes in bytes."""
        schema = self._schema.serialize().to_pybytes()
        footer = b"".join(_ENTRY.pack(*entry) for entry in self._partitions) + schema
        trailer = _TRAILER.pack(
            len(self._partitions), len(schema), crc32(footer, self._seed), _MAGIC
        )
        self._file.write(footer + trailer)
        self._offset += len(footer) + len(trailer)
        return tuple(size_bytes for _, size_bytes, _, _ in self._partitions)

    @property
    def size_bytes(self) -> int:
        """How much has been written."""
        return self._offset

    def _message(self, block: pa.RecordBatch) -> tuple[bool, pa.Buffer]:
        """Whether the message is compressed, and the message."""
        is_compressed = False
        if self._tries_to_compress:
            data = self._compressed(block)
            is_compressed = data.size <= _WORTHWHILE * size_bytes(block)
            self._tries_to_compress = is_compressed  # else not for the rest of the file
        if not is_compressed:
            data = block.serialize()
        if data.size > _MOST_BLOCK_BYTES:
            raise OverflowError("a single key with its value takes more than 4 GiB")
        return is_compressed, data

    def _compressed(self, block: pa.RecordBatch) -> pa.Buffer:
        # The stream writer is the one that compresses; of its stream, only the batch is kept.
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self._schema, options=_COMPRESSED) as writer:
            writer.write_batch(block)
        stream = sink.getvalue()
        return stream.slice(self._schema_bytes, stream.size - self._schema_bytes - _END_BYTES)


class MapOutputWriter(BlockWriter):
    """Writes the file at `path`, which is there, whole, when it is finished.

    After an error, call `discard`.
    """

    def __init__(self, path: str, schema: pa.Schema, n_partitions: int) -> None:
        self._path = path
        self._temporary = path + ".part"
        self._opened: BinaryIO = open(self._temporary, "wb")  # noqa: SIM115 - closed by finish
        super().__init__(self._opened, path, schema, n_partitions)

    def finish(self) -> tuple[int, ...]:
        """Complete the file, and return the partitions' sizes in bytes."""
        sizes_bytes = super().finish()
        self._opened.close()
        os.replace(self._temporary, self._path)
        return sizes_bytes

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # what is still to be written may not fit on the disk
            self._opened.close()
        for path in (self._temporary, self._path):
            with suppress(OSError):
                os.unlink(path)


# --- reading -----------------------------------------------------------------------------------


class Source(Protocol):
    """Where the bytes of a map output file come from: a file here, or a worker elsewhere.

    The size and `read` may raise OSError.
    """

    name: str  # that a person understands
    file_name: str  # or path: its last part names the attempt, and is part of all checksums

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        ...

    def read(self, offset: int, size_bytes: int) -> bytes | memoryview | pa.Buffer:
        """So many bytes from there, or fewer where the file ends."""
        ...

    def expect(self, offset: int, size_bytes: int) -> None:
        """So many bytes from there will be read next, in order."""

    def again(self) -> bool:
        """What was read is damaged. Whether it may have been so on the way only: read again."""
        ...

    def close(self) -> None:
        """Nothing more will be read for now."""


class LocalSource:
    """A map output file on this machine, open from the first read to `close`, or the next one.

    Raises OSError if there is none.
    """

    def __init__(self, path: str) -> None:
        self.name = self.file_name = path
        self.size_bytes = os.stat(path).st_size
        self._descriptor = -1

    def read(self, offset: int, size_bytes: int) -> bytes:
        """So many bytes from there, or fewer where the file ends."""
        if self._descriptor < 0:
            self._descriptor = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)
        return os.pread(self._descriptor, size_bytes, offset)

    def expect(self, offset: int, size_bytes: int) -> None:
        """The system reads ahead by itself."""

    def again(self) -> bool:
        """What is damaged on the disk stays so."""
        return False

    def close(self) -> None:
        """Nothing more will be read for now."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class BufferSource:
    """A map output in memory: a `Source` that needs nothing to be opened."""

    def __init__(self, name: str, data: Any) -> None:
        """`data`: bytes, or anything else with a buffer, as it was written under this name."""
        self.name = self.file_name = name
        self._data = pa.py_buffer(data)
        self.size_bytes: int = self._data.size

    def read(self, offset: int, size_bytes: int) -> pa.Buffer:
        """So many bytes from there, or fewer where they end; they are not copied."""
        return self._data.slice(offset, size_bytes)

    def expect(self, offset: int, size_bytes: int) -> None:
        """It is all here."""

    def again(self) -> bool:
        """What is damaged in memory stays so."""
        return False

    def close(self) -> None:
        """It goes with its last reader."""


class PieceSource:
    """A map output that is a piece of an open file, as it was written under this name."""

    def __init__(self, name: str, descriptor: int, offset: int, size_bytes: int) -> None:
        self.name = self.file_name = name
        self.size_bytes = size_bytes
        self._descriptor = descriptor
        self._offset = offset

    def read(self, offset: int, size_bytes: int) -> bytes:
        """So many bytes from there, or fewer where the piece ends."""
        size_bytes = min(size_bytes, self.size_bytes - offset)
        return os.pread(self._descriptor, size_bytes, self._offset + offset)

    def expect(self, offset: int, size_bytes: int) -> None:
        """The system reads ahead by itself."""

    def again(self) -> bool:
        """What is damaged on the disk stays so."""
        return False

    def close(self) -> None:
        """The file belongs to the caller."""


class StoredMessage(NamedTuple):
    """A block as it is stored."""

    offset: int  # of the message in the file
    is_compressed: bool
    data: pa.Buffer


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition of a map output file, of which only the index has been read."""

    source: Source
    seed: int
    schema: pa.Schema
    offset: int
    size_bytes: int
    rows: int
    largest_block_bytes: int

    def expect(self) -> None:
        """All of it will be read next."""
        self.source.expect(self.offset, self.size_bytes)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, block by block, each verified. Raises `CorruptMapOutput`, and OSError."""
        rows = 0
        for message in self.messages():
            batch = self._batch(message)
            rows += len(batch)
            yield batch
        if rows != self.rows:
            raise self._corrupt(self.offset)

    def messages(self) -> Iterator[StoredMessage]:
        """The blocks as they are stored, their checksums verified."""
        offset, end = self.offset, self.offset + self.size_bytes
        if end > self.source.size_bytes:
            raise self._corrupt(offset)
        while offset < end:
            try:
                message = self._message(offset, end)
            except CorruptMapOutput:
                if not self.source.again():
                    raise
                continue
            offset = message.offset + message.data.size
            yield message

    def _message(self, offset: int, end: int) -> StoredMessage:
        size_bytes, is_compressed, checksum = _BLOCK.unpack(self._read(offset, _BLOCK.size, end))
        seed = _block_seed(self.seed, offset, is_compressed)
        offset += _BLOCK.size
        data = self._read(offset, size_bytes, end)
        if not size_bytes or is_compressed > 1 or crc32(data, seed) != checksum:
            raise self._corrupt(offset)
        return StoredMessage(offset, bool(is_compressed), pa.py_buffer(data))

    def _batch(self, message: StoredMessage) -> pa.RecordBatch:
        try:
            if message.is_compressed or message.data.address % _ALIGNMENT:
                # This way no threads decompress it, and what comes is aligned.
                stream = pa.py_buffer(b"".join((self.schema.serialize(), message.data)))
                batch = pa.ipc.open_stream(stream, options=_READING).read_next_batch()
            else:
                batch = pa.ipc.read_record_batch(message.data, self.schema)
            batch.validate()
        except _UNREADABLE as error:
            raise self._corrupt(message.offset) from error
        if not len(batch):
            raise self._corrupt(message.offset)
        return batch

    def _read(self, offset: int, size_bytes: int, end: int) -> bytes | memoryview | pa.Buffer:
        if offset + size_bytes > end:
            raise self._corrupt(offset)
        data = self.source.read(offset, size_bytes)
        if len(data) != size_bytes:
            raise self._corrupt(offset)
        return data

    def _corrupt(self, offset: int) -> CorruptMapOutput:
        return CorruptMapOutput(f"{self.source.name}: damaged at byte {offset} or after")


def open_partition(source: Source, partition: int) -> StoredPartition:
    """The partition of the file, its index verified. Raises `CorruptMapOutput`, and OSError."""
    seed, schema, entries = _read_index(source)
    if not 0 <= partition < len(entries) // _ENTRY.size:
        raise CorruptMapOutput(f"{source.name} has no partition {partition}")
    entry = _ENTRY.unpack_from(entries, partition * _ENTRY.size)
    return StoredPartition(source, seed, schema, *entry)


def open_partitions(source: Source) -> list[StoredPartition]:
    """All partitions of the file, its index verified. Raises as `open_partition` does."""
    seed, schema, entries = _read_index(source)
    return [StoredPartition(source, seed, schema, *entry) for entry in _ENTRY.iter_unpack(entries)]


def index_bytes(n_partitions: int) -> int:
    """About what a file has after its last block: the index, a usual schema, and the trailer."""
    return n_partitions * _ENTRY.size + _USUAL_SCHEMA_BYTES + _TRAILER.size


def _seed(path: str) -> int:
    """Where the checksums of the file of that name start."""
    return crc32(os.fsencode(os.path.basename(path)))


def _block_seed(seed: int, offset: int, is_compressed: int) -> int:
    """Where the checksum of the block at that offset of the file starts."""
    return (seed + 2 * offset + is_compressed) & 0xFFFFFFFF


def _read_index(source: Source) -> tuple[int, pa.Schema, bytes]:
    """The seed of the checksums, the schema, and the entries of all partitions."""
    while True:
        try:
            return _read_index_once(source)
        except CorruptMapOutput:
            if not source.again():
                raise


def _read_index_once(source: Source) -> tuple[int, pa.Schema, bytes]:
    end = source.size_bytes - _TRAILER.size
    trailer = source.read(end, _TRAILER.size) if end >= len(_MAGIC) else b""
    if len(trailer) != _TRAILER.size:
        raise CorruptMapOutput(f"{source.name} is truncated")
    n_partitions, schema_bytes, checksum, magic = _TRAILER.unpack(trailer)
    if magic != _MAGIC:
        raise CorruptMapOutput(f"{source.name} is no map output of this version, or truncated")
    entries_bytes = n_partitions * _ENTRY.size
    start = end - schema_bytes - entries_bytes
    damaged = CorruptMapOutput(f"{source.name}: the index is damaged, or that of another file")
    if start < len(_MAGIC):
        raise damaged
    footer = bytes(source.read(start, end - start))
    seed = _seed(source.file_name)
    if crc32(footer, seed) != checksum or len(footer) != end - start:
        raise damaged
    try:
        schema = pa.ipc.read_schema(pa.py_buffer(footer[entries_bytes:]))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged from error
    return seed, schema, footer[:entries_bytes]
