"""Where the output of a map task goes: a file on this disk, or buffers in memory.

Both hold the same blocks (`zmr.shuffle.map_output`). A file has all partitions, since one machine
keeps it for many readers; in memory each partition is a buffer of its own, which can be handed to
its reducer without the others.
"""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from zmr.shuffle.map_output import BlockWriter, MapOutputWriter
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


class BufferSink:
    """Buffers in memory, one for each partition that has rows; together all of the task's output.

    `name` is that of the map output (`map_output_name`), from which its readers know that they have
    the right one. `partitions` is empty until the output is complete; None stands for no rows.
    """

    path = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.partitions: tuple[pa.Buffer | None, ...] = ()

    def writer(self, schema: pa.Schema, n_partitions: int) -> PartitionWriter:
        """A writer of the buffers."""
        return _BufferWriter(self, schema, n_partitions)


class _BufferWriter:
    """Writes each partition as a map output that has no other."""

    def __init__(self, sink: BufferSink, schema: pa.Schema, n_partitions: int) -> None:
        self._sink = sink
        self._schema = schema
        self._partitions: list[pa.Buffer | None] = [None] * n_partitions
        self._sizes_bytes = [0] * n_partitions
        self._current = -1  # the partition that is written
        self._stream = pa.BufferOutputStream()
        self._writer: BlockWriter | None = None

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        if self._writer is None or partition != self._current:
            self._end_partition()
            self._current = partition
            self._stream = pa.BufferOutputStream()
            name = partition_name(self._sink.name, partition)
            self._writer = BlockWriter(self._stream, name, self._schema, 1)
        self._writer.write(0, batch)

    def finish(self) -> tuple[int, ...]:
        self._end_partition()
        self._sink.partitions = tuple(self._partitions)
        return tuple(self._sizes_bytes)

    def discard(self) -> None:
        self._sink.partitions = ()

    def _end_partition(self) -> None:
        if self._writer is not None:
            (self._sizes_bytes[self._current],) = self._writer.finish()
            self._partitions[self._current] = self._stream.getvalue()
            self._writer = None
