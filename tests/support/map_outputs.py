"""Map output files of plain Python rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zmr.data import rows
from zmr.data.map_output import LocalSource, MapOutputWriter, open_partition

Rows = tuple[list[Any], list[Any]]  # keys and values, one of each for each row


@dataclass(frozen=True)
class Stored:
    """A partition that was read: its rows, and what its file says of it."""

    keys: list[Any]
    values: list[Any]
    key_type: str
    size_bytes: int

    def rows(self) -> Rows:
        return self.keys, self.values


def write_map_output(path: str, key_type: str, partitions: list[Rows]) -> tuple[int, ...]:
    """Write the partitions' rows, which are sorted already."""
    keys = [key for part, _ in partitions for key in part]
    values = [value for _, part in partitions for value in part]
    batch = rows.from_lists(keys, values, key_type)
    writer = MapOutputWriter(path, batch.schema, len(partitions))
    start = 0
    for number, (part, _) in enumerate(partitions):
        writer.write(number, batch.slice(start, len(part)))
        start += len(part)
    return writer.finish()


def read_partition(path: str, partition: int) -> Stored:
    """Read all rows of a partition, verified."""
    source = LocalSource(path)
    try:
        stored = open_partition(source, partition)
        keys: list[Any] = []
        values: list[Any] = []
        for batch in stored.batches():
            keys += rows.keys_of(batch)
            values += rows.values_of(batch)
        return Stored(keys, values, rows.key_type(stored.schema), stored.size_bytes)
    finally:
        source.close()
