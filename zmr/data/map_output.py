"""The map output file: all partitions of one finished map attempt.

    magic        8 bytes
    partitions   for each that is not empty, an Arrow IPC stream with columns "key" and "value",
                 the rows sorted by key, equal keys in the order in which the map put them out
    index        for each partition: offset, size in bytes, rows (u64 each), CRC-32 (u32)
    key type     its name, in UTF-8
    trailer      number of partitions, size of the key type's name, CRC-32 of index and name (u32
                 each), magic

The file appears under its name whole or not at all. A reader believes nothing that it has not
checked: a file that is truncated, altered, or of another version is a `CorruptMapOutput`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Any, BinaryIO
from zlib import crc32

import pyarrow as pa

from zmr.data.columns import PickleError, decode, encode
from zmr.data.shown import shown

_MAGIC = b"ZMRMAP1\n"
_ENTRY = Struct("<QQQI")
_TRAILER = Struct("<III8s")

Rows = tuple[list[Any], list[Any]]  # keys and values, one of each for each row


class CorruptMapOutput(Exception):
    """A map output file that is not as it was written."""


@dataclass(frozen=True, slots=True)
class StoredPartition:
    """One partition of a map output file, its bytes verified and not yet turned into values."""

    key_type: str  # of all keys of the file; "" if it has none
    size_bytes: int
    data: bytes

    def rows(self) -> Rows:
        """Keys and values. Raises what the unpickling of a user's own class may raise."""
        if not self.data:
            return [], []
        table = pa.ipc.open_stream(self.data).read_all()
        key, value = table.schema
        return decode(key, table.column(0)), decode(value, table.column(1))


def write_map_output(path: str, key_type: str, partitions: Iterable[Rows]) -> tuple[int, ...]:
    """Write all partitions, in order, and return their sizes in bytes.

    Raises OSError, and `zmr.data.columns.PickleError` for a value that can't be kept.
    """
    temporary = path + ".part"
    try:
        with open(temporary, "wb") as file:
            sizes = _write(file, key_type, partitions)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return sizes


def read_partition(path: str, partition: int) -> StoredPartition:
    """One partition of the file, verified. Raises `CorruptMapOutput`, and OSError."""
    with open(path, "rb") as file:
        key_type, (offset, size_bytes, _, checksum) = _read_entry(file, path, partition)
        file.seek(offset)
        data = file.read(size_bytes)
    if len(data) != size_bytes or crc32(data) != checksum:
        raise CorruptMapOutput(f"{path}: partition {partition} is damaged")
    return StoredPartition(key_type, size_bytes, data)


def _write(file: BinaryIO, key_type: str, partitions: Iterable[Rows]) -> tuple[int, ...]:
    file.write(_MAGIC)
    offset = len(_MAGIC)
    sizes = []
    index = b""
    for keys, values in partitions:
        data = _to_ipc(keys, values) if keys else b""
        file.write(data)
        index += _ENTRY.pack(offset, len(data), len(keys), crc32(data))
        offset += len(data)
        sizes.append(len(data))
    name = key_type.encode()
    file.write(index + name)
    file.write(_TRAILER.pack(len(sizes), len(name), crc32(index + name), _MAGIC))
    return tuple(sizes)


def _to_ipc(keys: list[Any], values: list[Any]) -> memoryview:
    key_field, key_column = encode("key", keys)
    try:
        value_field, value_column = encode("value", values)
    except PickleError as error:
        key = keys[error.index]
        raise PickleError(error.index, f"{error} (under the key {shown(key)})") from error
    schema = pa.schema([key_field, value_field])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.record_batch([key_column, value_column], schema=schema))
    return memoryview(sink.getvalue())


def _read_entry(file: BinaryIO, path: str, partition: int) -> tuple[str, tuple[int, ...]]:
    size_bytes = os.fstat(file.fileno()).st_size
    if size_bytes < len(_MAGIC) + _TRAILER.size:
        raise CorruptMapOutput(f"{path} is truncated")
    file.seek(size_bytes - _TRAILER.size)
    n_partitions, name_bytes, checksum, magic = _TRAILER.unpack(file.read(_TRAILER.size))
    if magic != _MAGIC:
        raise CorruptMapOutput(f"{path} is no map output of this version, or truncated")
    index_bytes = n_partitions * _ENTRY.size
    start = size_bytes - _TRAILER.size - name_bytes - index_bytes
    if start < len(_MAGIC) or not 0 <= partition < n_partitions:
        raise CorruptMapOutput(f"{path}: the index is damaged")
    file.seek(start)
    index = file.read(index_bytes + name_bytes)
    if crc32(index) != checksum:
        raise CorruptMapOutput(f"{path}: the index is damaged")
    return index[index_bytes:].decode(), _ENTRY.unpack_from(index, partition * _ENTRY.size)
