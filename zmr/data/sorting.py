"""Sorting on the map side: rows come as they come, leave sorted, combined and partitioned.

Rows are kept in memory as Arrow batches until there are too many; then they become a spilled run on
the disk. In the end everything is written as one map output file, merged from the runs if there are
any. A declarative reducer combines whatever is sorted together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from zmr.data import rows
from zmr.data.grouping import first_keys, partials_of
from zmr.data.keybits import hash_rows
from zmr.data.keys import KeyTypeError
from zmr.data.map_output import LocalSource, MapOutputWriter, open_partition
from zmr.data.merge import Groups, concat, first_not_below, group, merge, merge_opaque
from zmr.data.partition import Hash, Range, choose
from zmr.data.shown import shown
from zmr.reducers import Reducer

# Of rows that are merged one by one, so many are written at once.
_OPAQUE_ROWS = 10_000


class SortBuffer:
    """Sorts the rows of one map task into the map output file at `path`.

    `partition` is the job's partitioner, `reducer` its declarative reducer, if it has one.
    `are_partials` says that the values are the reducer's partials already. At most about
    `memory_bytes` of rows are kept. Methods may raise OSError, `KeyTypeError`, and what the job's
    own partitioner raises.
    """

    def __init__(
        self,
        path: str,
        n_partitions: int,
        partition: Callable[[Any, int], int],
        reducer: Reducer | None,
        are_partials: bool,
        memory_bytes: int,
    ) -> None:
        self.n_rows = 0  # written to the map output
        self._path = path
        self._n_partitions = n_partitions
        self._partition = partition
        self._reducer = reducer
        self._are_partials = are_partials
        self._memory_bytes = memory_bytes
        self._batches: list[pa.RecordBatch] = []
        self._size_bytes = 0
        self._spills: list[str] = []
        self._key_type = ""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take these rows in."""
        if not len(batch):
            return
        key_type = rows.key_type(batch.schema)
        if self._key_type and key_type != self._key_type:
            raise KeyTypeError(
                f"the keys of a job must be of one type, but there are {self._key_type} "
                f"and {key_type}, {shown(rows.keys_of(batch.slice(0, 1))[0])} for example"
            )
        self._key_type = key_type
        self._batches.append(batch)
        self._size_bytes += batch.nbytes
        if self._size_bytes > self._memory_bytes:
            self._make_room()

    def finish(self) -> tuple[int, ...]:
        """Write the map output; the partitions' sizes in bytes."""
        try:
            if not self._spills:
                self.n_rows, sizes = self._write_sorted(self._path)
            else:
                if self._batches:
                    self._spill()
                sizes = self._merge_spills()
        finally:
            self.discard()
        return sizes

    def discard(self) -> None:
        """Remove the spilled runs."""
        import os
        from contextlib import suppress

        for path in self._spills:
            with suppress(OSError):
                os.unlink(path)
        self._spills.clear()

    def _make_room(self) -> None:
        """Combine if that may help, else spill."""
        if self._reducer is not None:
            groups = self._grouped()
            if groups is not None and len(groups.starts) < len(groups.batch) // 2:
                self._batches = [partials_of(self._reducer, groups, self._are_partials)]
                self._are_partials = True
                self._size_bytes = self._batches[0].nbytes
                if self._size_bytes <= self._memory_bytes // 2:
                    return
        self._spill()

    def _spill(self) -> None:
        path = f"{self._path}.spill-{len(self._spills)}"
        self._spills.append(path)
        self._write_sorted(path)

    def _grouped(self) -> Groups | None:
        """All rows at hand, grouped; None if they are opaque."""
        self._batches = unified(self._batches)
        if rows.is_opaque(self._batches[0].schema):
            return None
        return group(self._batches)

    def _write_sorted(self, path: str) -> tuple[int, tuple[int, ...]]:
        """Write all rows at hand, and forget them. The number of rows, the partitions' sizes."""
        if not self._batches:
            return 0, self._write(path, rows.from_lists([], []), [])
        groups = self._grouped()
        if groups is None:
            batch, ends = self._partition_opaque(concat(self._batches))
        else:
            batch, ends = self._partition_groups(groups)
        self._batches, self._size_bytes = [], 0
        return len(batch), self._write(path, batch, ends)

    def _write(self, path: str, batch: pa.RecordBatch, ends: Sequence[int]) -> tuple[int, ...]:
        writer = MapOutputWriter(path, batch.schema, self._n_partitions)
        try:
            start = 0
            for partition, end in enumerate(ends):
                writer.write(partition, batch.slice(start, end - start))
                start = end
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def _partition_groups(self, groups: Groups) -> tuple[pa.RecordBatch, list[int]]:
        """The rows by partition, and by key in each; where each partition ends."""
        if self._reducer is not None:
            batch = partials_of(self._reducer, groups, self._are_partials)
            groups = Groups(batch, None, np.arange(len(batch)))
        order = groups.order if groups.order is not None else np.arange(len(groups.batch))
        if self._n_partitions > 1:
            if isinstance(self._partition, Range):
                return groups.sorted(), self._range_ends(groups, self._partition.bounds)
            of_group = self._partitions(groups, order)
            sizes = np.diff(np.append(groups.starts, len(order)))
            of_row = np.repeat(of_group, sizes)
            by_partition = np.argsort(of_row, kind="stable")
            ends = np.cumsum(np.bincount(of_row, minlength=self._n_partitions)).tolist()
            order = order[by_partition]
        elif groups.order is None:
            return groups.batch, [len(order)]
        else:
            ends = [len(order)]
        return groups.batch.take(pa.array(order)), ends

    def _partitions(self, groups: Groups, order: Any) -> Any:
        """The partition of each group's key."""
        firsts = order[groups.starts]
        keys = groups.batch.select(_key_names(groups.batch)).take(pa.array(firsts))
        if type(self._partition) is Hash:
            hashes = hash_rows(rows.key_columns(keys))
            return (hashes % np.uint64(self._n_partitions)).astype(np.uint32)
        chosen = [choose(self._partition, key, self._n_partitions) for key in rows.keys_of(keys)]
        return np.array(chosen, np.uint32)

    def _range_ends(self, groups: Groups, bounds: Sequence[Any]) -> list[int]:
        """Where each partition ends in rows that are sorted, and so lie in this order already."""
        firsts = rows.key_columns(first_keys(groups))
        edges = np.append(groups.starts, len(groups.batch))
        ends = [int(edges[first_not_below(firsts, bound)]) for bound in bounds]
        ends += [len(groups.batch)] * (self._n_partitions - len(ends))
        return ends

    def _partition_opaque(self, batch: pa.RecordBatch) -> tuple[pa.RecordBatch, list[int]]:
        keys = rows.keys_of(batch)
        chosen = [choose(self._partition, key, self._n_partitions) for key in keys]
        order = sorted(range(len(keys)), key=lambda i: (chosen[i], keys[i]))
        ends = np.cumsum(np.bincount(chosen, minlength=self._n_partitions)).tolist()
        return batch.take(pa.array(order, pa.int64())), ends

    def _merge_spills(self) -> tuple[int, ...]:
        sources = [LocalSource(path) for path in self._spills]
        writer: MapOutputWriter | None = None
        try:
            for partition in range(self._n_partitions):
                stored = [open_partition(source, partition) for source in sources]
                schemas = [one.schema for one in stored]
                runs = [one.batches() for one in stored]
                for batch in merged_batches(runs, schemas, self._reducer, self._key_type):
                    if writer is None:
                        writer = MapOutputWriter(self._path, batch.schema, self._n_partitions)
                    writer.write(partition, batch)
                    self.n_rows += len(batch)
            assert writer is not None  # a spill has rows
            return writer.finish()
        except BaseException:
            if writer is not None:
                writer.discard()
            raise
        finally:
            for source in sources:
                source.close()


def merged_batches(
    runs: Sequence[Iterator[pa.RecordBatch]],
    schemas: Sequence[pa.Schema],
    reducer: Reducer | None,
    key_type: str,
) -> Iterator[pa.RecordBatch]:
    """The rows of all runs as batches of one run with one schema; partials of `reducer` merged."""
    if are_mergeable(schemas):
        for groups in merge(runs):
            combined = None if reducer is None else partials_of(reducer, groups, True)
            # A run has one schema. Sums that outgrow its column stay apart here.
            if combined is not None and combined.schema.equals(schemas[0], True):
                yield combined
            else:
                yield groups.sorted()
        return
    pairs = merge_opaque(runs)
    while chunk := list(islice(pairs, _OPAQUE_ROWS)):
        keys, values = zip(*chunk, strict=True)
        yield rows.opaque(list(keys), list(values), key_type)


def are_mergeable(schemas: Sequence[pa.Schema]) -> bool:
    """Whether runs with these schemas can be merged as columns."""
    first = schemas[0]
    return not rows.is_opaque(first) and all(schema.equals(first, True) for schema in schemas[1:])


def unified(batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
    """The same rows with one schema."""
    if all(batch.schema.equals(batches[0].schema, True) for batch in batches[1:]):
        return batches
    if not all(batch.schema.names == batches[0].schema.names for batch in batches):
        raise TypeError("map_batch gives values sometimes, and sometimes none")
    keys = [key for batch in batches for key in rows.keys_of(batch)]
    values = None
    if rows.VALUE in batches[0].schema.names:
        values = [value for batch in batches for value in rows.values_of(batch)]
    return [rows.from_lists(keys, values, rows.key_type(batches[0].schema))]


def _key_names(batch: pa.RecordBatch) -> list[str]:
    return [name for name in batch.schema.names if name != rows.VALUE]
