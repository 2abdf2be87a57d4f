"""Files of pairs: what a step of a pipeline writes, and the next step reads.

A file is a sequence of blocks, each complete in itself, and an end:

    size      of the message in bytes (u32)
    CRC-32    of the message (u32)
    message   an Arrow IPC stream of one record batch: the key, as the column "key" or, for tuples,
              "key.0", "key.1" and so on, and the column "value"
    end       the size 0, and the CRC-32 of the file's name

As in `zmr.columns.values`, a pair comes back with the types and values that it had. Keys may be of
any type, also of several, since nothing is sorted by them; what Arrow can't hold is pickled, by the
slots of a job for its own slots. A reader finds a block by the sizes of those before it, so a file
can be split.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from errno import EIO
from itertools import islice
from struct import Struct
from typing import Any, BinaryIO

import pyarrow as pa

from zmr.checksum import crc32
from zmr.columns import rows
from zmr.columns.blocks import blocks_of
from zmr.columns.mixed import is_mixed
from zmr.columns.values import is_pickled
from zmr.display import short_repr
from zmr.formats.base import BadRecord, Batch, Chunk, CountUp, InputFormat
from zmr.formats.output import OutputFormat
from zmr.messages import Split

_BLOCK = Struct("<II")
_WRITING = pa.ipc.IpcWriteOptions(use_threads=False)
_READING = pa.ipc.IpcReadOptions(use_threads=False)


class PairsOutput(OutputFormat):
    """The output of a step: blocks of pairs."""

    takes_mixed = True

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        """The blocks of the pairs. Raises `PickleError`, naming the key."""
        return _encode(batch_of(pairs)) if pairs else b""

    def encode_columns(self, keys: pa.RecordBatch, values: pa.Array) -> bytes:
        """The blocks of columns."""
        fields = [*keys.schema, pa.field(rows.VALUE, values.type)]
        return _encode(pa.record_batch([*keys.columns, values], schema=pa.schema(fields)))

    def footer(self, name: str) -> bytes:
        """The mark by which a file that was cut off, or replaced by another one, is recognised."""
        return _footer(name)


class TemporaryPairs(PairsOutput):
    """The output of a job whose result ends with the process that asked for it."""

    is_durable = False


class Pairs(InputFormat):
    """The input of a step: a record is a (key, value) pair, as the step before yielded it.

    For `map_batch`, a batch has the columns "key", or for tuples "key.0", "key.1", ..., and
    "value".
    """

    splittable = True

    def can_split(self, path: str) -> bool:
        return True

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for batch, size_bytes in _read_blocks(split.path, split.offset, split.length):
            try:
                pairs = _pairs_of(batch)
            except Exception as error:  # of the unpickling of the job's own classes
                reason = f"a pair can't be made again: {type(error).__name__}: {error}"
                raise BadRecord(split.path, "", reason) from error
            yield pairs, size_bytes

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        for batch, size_bytes in _read_blocks(split.path, split.offset, split.length):
            refuse_pickled(batch, split.path)
            yield batch, size_bytes

    def locate(self, split: Split, index: int) -> str:
        """The number of the pair, and its key, since the file is deleted when the job ends."""
        pairs = (pair for chunk, _ in self.read(split, lambda name, n: None) for pair in chunk)
        pair = next(islice(pairs, index, None), None)
        since = f" from byte {split.offset} on" if split.offset else ""
        return f"pair {index + 1}{since}" + (
            f", key {short_repr(pair[0])}" if pair is not None else ""
        )


class Records(Pairs):
    """Records that were given as Python objects: the values of pairs, whose keys are their numbers.

    For `map_batch`, a batch is an Arrow array of them.
    """

    def read(self, split: Split, count: CountUp) -> Iterator[Chunk]:
        for pairs, size_bytes in super().read(split, count):
            yield [record for _, record in pairs], size_bytes

    def read_batches(self, split: Split, count: CountUp) -> Iterator[Batch]:
        for batch, size_bytes in super().read_batches(split, count):
            yield batch.column(rows.VALUE), size_bytes

    def locate(self, split: Split, index: int) -> str:
        """The number of the record, from 1, as it was given."""
        numbers = (
            pair[0] for chunk, _ in super().read(split, lambda name, n: None) for pair in chunk
        )
        number = next(islice(numbers, index, None), None)
        return "" if number is None else f"record {number + 1}"


def refuse_pickled(batch: pa.RecordBatch, path: str = "") -> None:
    """Raise `BadRecord` if a column is pickled, which `map_batch` could do nothing with."""
    names = [field.name for field in batch.schema if is_pickled(field) or is_mixed(field.type)]
    if names:
        raise BadRecord(
            path,
            "",
            f"the column {names[0]!r} holds what is no Arrow data, or of several types: "
            "map_batch can't get it; write map",
        )


def _footer(path: str) -> bytes:
    return _BLOCK.pack(0, crc32(os.fsencode(os.path.basename(path))))


def batch_of(pairs: Sequence[tuple[Any, Any]]) -> pa.RecordBatch:
    """The pairs, at least one, as columns. Raises `PickleError`, and what unpacking raises."""
    keys, values = map(list, zip(*((key, value) for key, value in pairs), strict=True))
    are_tuples = set(map(type, keys)) == {tuple} and len(set(map(len, keys))) == 1
    fields, arrays = rows.encode_columns(keys, values, are_tuples and bool(keys[0]))
    return pa.record_batch(arrays, schema=pa.schema(fields))


def _encode(batch: pa.RecordBatch) -> bytes:
    return b"".join(part for block in blocks_of(batch) for part in _parts(block))


def _parts(block: pa.RecordBatch) -> tuple[bytes, pa.Buffer]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, block.schema, options=_WRITING) as writer:
        writer.write_batch(block)
    data = sink.getvalue()
    if data.size >= 1 << 32:
        raise OverflowError("a single key with its value takes more than 4 GiB")
    return _BLOCK.pack(data.size, crc32(data)), data


def _pairs_of(batch: pa.RecordBatch) -> list[tuple[Any, Any]]:
    """The pairs as Python values. Unpickling may raise anything."""
    return list(zip(rows.keys_of(batch), rows.values_of(batch), strict=True))


def _read_blocks(path: str, offset: int, length: int) -> Iterator[tuple[pa.RecordBatch, int]]:
    """The blocks of which the first byte lies in the piece, and their sizes in bytes.

    `length` -1 is all that follows. Raises OSError if the file can't be read or is damaged.
    """
    end = float("inf") if length < 0 else offset + length
    last = _footer(path)
    with open(path, "rb") as file:
        place = 0
        while place < end:
            head = file.read(_BLOCK.size)
            if head == last:
                return
            if len(head) < _BLOCK.size:
                raise _damaged(path, place)
            size_bytes, checksum = _BLOCK.unpack(head)
            if place >= offset:
                yield _read(file, path, place, size_bytes, checksum), _BLOCK.size + size_bytes
            place += _BLOCK.size + size_bytes
            file.seek(place)


def _read(file: BinaryIO, path: str, place: int, size_bytes: int, checksum: int) -> pa.RecordBatch:
    data = file.read(size_bytes)
    if len(data) != size_bytes or crc32(data) != checksum:
        raise _damaged(path, place)
    try:
        return pa.ipc.open_stream(data, options=_READING).read_next_batch()
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise _damaged(path, place) from error


def _damaged(path: str, place: int) -> OSError:
    return OSError(EIO, f"damaged at byte {place} or after", path)
