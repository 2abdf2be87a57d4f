"""Where the output of a map task goes: a file of all partitions, or each partition by itself.

Both hold the same blocks (`zmr.shuffle.map_output`). A file has all partitions, since one machine
keeps it for many readers; one that is by itself can be handed to its reducer without the others.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from zmr.shuffle.map_output import BlockWriter, MapOutputWriter, Writable
from zmr.shuffle.names import partition_name


class PartitionWriter(Protocol):
    """Takes the sorted rows of a map task. Every method may raise OSError."""

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        """Append rows to the partition, which is the last one written to or a later one."""

    def finish(self) -> tuple[int, ...]:
        """Complete the output, and return the partitions' sizes in bytes."""
        ...

    def discard(self) -> None:
        """Leave nothing behind; in place of `finish`, or after it."""


class MapSink(Protocol):
    """What a map task is given for its output. A task that puts out nothing asks for no writer."""

    @property
    def path(self) -> str:
        """Of the file that holds all partitions; empty if there is none."""
        ...

    def writer(self, schema: pa.Schema, n_partitions: int) -> PartitionWriter:
        """A writer of rows with these columns. May raise OSError."""
        ...


class FileSink:
    """A map output file, which is there under its name when it is whole."""

    def __init__(self, path: str) -> None:
        self.path = path

    def writer(self, schema: pa.Schema, n_partitions: int) -> MapOutputWriter:
        """A writer of the file."""
        return MapOutputWriter(self.path, schema, n_partitions)


class PartitionSink:
    """Each partition as a map output of its own, one after the other in `file`; also those without
    rows, by which readers know the type of the keys.

    `name` is that of the map output (`map_output_name`), from which its readers know that they have
    the right one. `places` are the partitions' offsets in the file and sizes in bytes; there are
    none until the output is complete.
    """

    path = ""

    def __init__(self, name: str, file: Writable) -> None:
        self.places: tuple[tuple[int, int], ...] = ()
        self._name = name
        self._file = file

    def writer(self, schema: pa.Schema, n_partitions: int) -> PartitionWriter:
        """A writer of the partitions."""
        return _PartitionsWriter(self, self._name, self._file, schema, n_partitions)


class _PartitionsWriter:
    def __init__(
        self, sink: PartitionSink, name: str, file: Writable, schema: pa.Schema, n_partitions: int
    ) -> None:
        self._sink = sink
        self._name = name
        self._file = file
        self._schema = schema
        self._n_partitions = n_partitions
        self._places: list[tuple[int, int]] = []  # of the partitions that are complete
        self._sizes_bytes: list[int] = []  # of their rows
        self._writer = self._begun()

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        while len(self._places) < partition:
            self._end_partition()
            self._writer = self._begun()
        self._writer.write(0, batch)

    def finish(self) -> tuple[int, ...]:
        self._end_partition()
        while len(self._places) < self._n_partitions:
            self._writer = self._begun()
            self._end_partition()
        self._sink.places = tuple(self._places)
        return tuple(self._sizes_bytes)

    def discard(self) -> None:
        self._sink.places = ()

    def _begun(self) -> BlockWriter:
        name = partition_name(self._name, len(self._places))
        return BlockWriter(self._file, name, self._schema, 1)

    def _end_partition(self) -> None:
        (size_bytes,) = self._writer.finish()
        offset = sum(self._places[-1]) if self._places else 0
        self._places.append((offset, self._writer.size_bytes))
        self._sizes_bytes.append(size_bytes)
