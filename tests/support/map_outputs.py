"""Map output files as lists of Python values, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from zmr.columns import rows
from zmr.columns.schema import concat_unified, unify
from zmr.shuffle.map_output import LocalSource, MapOutputWriter, open_partition, open_partitions

Rows = tuple[list[Any], list[Any]]  # keys, values


def write_map_output(path: str, partitions: Sequence[Rows], key_type: str = "") -> tuple[int, ...]:
    """Write rows, sorted already, as a map task does; return the partitions' sizes."""
    batches = [rows.from_lists(keys, values, key_type) for keys, values in partitions]
    filled = [batch for batch in batches if len(batch)] or batches[:1]
    schema = concat_unified(filled).schema
    writer = MapOutputWriter(path, schema, len(batches))
    for number, batch in enumerate(batches):
        if len(batch):
            writer.write(number, unify(batch, schema))
    return writer.finish()


def read_map_output(path: str) -> list[Rows]:
    """Return the rows of all partitions."""
    source = LocalSource(path)
    try:
        return [lists_of(stored.batches()) for stored in open_partitions(source)]
    finally:
        source.close()


def read_partition(path: str, number: int) -> Rows:
    """Return the rows of one partition."""
    source = LocalSource(path)
    try:
        return lists_of(open_partition(source, number).batches())
    finally:
        source.close()


def lists_of(batches: Any) -> Rows:
    """Return the keys and values of batches, one after another."""
    keys: list[Any] = []
    values: list[Any] = []
    for batch in batches:
        assert isinstance(batch, pa.RecordBatch)
        keys += rows.keys_of(batch)
        values += rows.each_value(batch)
    return keys, values
