"""Sorting on the map side: rows come as they come, leave sorted, combined and partitioned.

Rows are kept in memory as Arrow batches until there are too many; then they become a spilled run on
the disk. In the end everything goes to a sink, merged from the runs if there are any. A combiner is
applied to whatever is in memory together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from itertools import chain

import numpy as np
import pyarrow as pa

from zmr.columns import rows
from zmr.columns.arrays import Index
from zmr.columns.groups import Groups, group, grouped_by_table
from zmr.columns.schema import concat_unified
from zmr.display import short_repr
from zmr.key_types import KeyTypeError, common_type
from zmr.reducers.combiner import Combiner, Total
from zmr.shuffle.hot_keys import HotKeys
from zmr.shuffle.key_totals import KeyTotals
from zmr.shuffle.map_output import LocalSource, StoredPartition, open_partitions
from zmr.shuffle.map_output_sink import FileSink, MapSink
from zmr.shuffle.multipass_merge import fan_in, merge_in_passes, run_of, write_merged
from zmr.shuffle.partitioning import Partitioner, by_partition, sort_opaque

# Rows at hand may take this share of the memory: they are there several times while they are
# joined, sorted, gathered and written.
_ROOM_SHARE = 4

# Values are combined when there are so many bytes of them, even with room for more: what fits the
# processor's cache is grouped in less time.
_FOLD_BYTES = 64 << 20
_FIRST_FOLD_BYTES = 8 << 20

# Opaque rows are sorted as Python objects, which take so many times the room.
_OPAQUE_FACTOR = 4


class SortBuffer:
    """Sorts the rows of one map task into its sink.

    Spilled runs are files whose names begin with `spill_path`. `partition` is the job's
    partitioner, `combiner` what combines rows of one key. All of this is done in about
    `memory_bytes`. Methods may raise OSError, `CorruptMapOutput` (for a spilled run),
    `KeyTypeError`, and what the job's own partitioner and combiner raise. After an error, call
    `discard`.
    """

    def __init__(
        self,
        sink: MapSink,
        spill_path: str,
        n_partitions: int,
        partition: Partitioner,
        combiner: Combiner | None,
        memory_bytes: int,
    ) -> None:
        self.n_rows = 0  # written to the map output
        self.n_spills = 0
        self._sink = sink
        self._spill_path = spill_path
        self._n_partitions = n_partitions
        self._partition = partition
        self._combiner = combiner
        self._memory_bytes = memory_bytes
        self._room_bytes = memory_bytes // _ROOM_SHARE
        self._values = _Batches()  # to be combined
        self._partials = _Batches()  # combined before; without a combiner, everything
        self._totals = KeyTotals(combiner.total if combiner is not None else Total.NONE)
        self._hot_keys = HotKeys()
        self._spills: list[str] = []
        self._key_type = ""

    def add(self, batch: pa.RecordBatch, are_partials: bool = False) -> None:
        """Take these rows in, after all others. Partials are what the combiner makes of values.

        `make_room` is to be called before the next, when the caller has let go of these.
        """
        if not len(batch):
            return
        self._check_keys(batch)
        if self._combiner is None or are_partials:
            self._combine_values()
            self._partials.add(batch)
            return
        if self._combiner.total is Total.ROWS and rows.has_values(batch.schema):
            batch = batch.select(rows.key_names(batch.schema))
        batch = self._totals.add(batch)  # all of it, mostly
        if len(batch):
            self._values.add(batch)
            most = _FOLD_BYTES if self._hot_keys.has_learned else _FIRST_FOLD_BYTES
            if self._values.size_bytes > min(most, self._room_bytes // 2):
                self._combine_values()

    def make_room(self) -> None:
        """If there are too many rows at hand, combine them; spill them if that is not enough."""
        at_hand = (self._values, self._totals, self._partials)
        if sum(some.size_bytes for some in at_hand) <= self._room_bytes:
            return
        self._combine_values()
        if self._combiner is not None and len(self._partials.batches) > 1:
            batch = self._partials.take()
            if not rows.is_opaque(batch.schema):
                batch = self._combiner.combine(group(batch), are_partials=True).in_order()
            self._partials.add(batch)
        if self._partials.size_bytes > self._room_bytes // 2:
            self._spill()

    def finish(self) -> tuple[int, ...]:
        """Give the sink what there is, if anything: the partitions' sizes in bytes, or nothing."""
        self._combine_values()
        if not self._spills and not self._partials.batches:
            return ()
        if not self._spills:
            self.n_rows, sizes = self._write_sorted(self._sink)
            return sizes
        if self._partials.batches:
            self._spill()
        self.n_rows, sizes = self._merge_spills()
        return sizes

    def discard(self) -> None:
        """Remove the spilled runs."""
        for path in self._spills:
            with suppress(OSError):
                os.unlink(path)
        self._spills.clear()

    def _check_keys(self, batch: pa.RecordBatch) -> None:
        key_type = rows.key_type(batch.schema)
        common = common_type(self._key_type or key_type, key_type)
        if common is None:
            raise KeyTypeError(
                f"the keys of a job must be of one type, but there are {self._key_type} "
                f"and {key_type} ({short_repr(rows.keys_of(batch.slice(0, 1))[0])})"
            )
        self._key_type = common

    def _combine_values(self) -> None:
        """Turn values into partials."""
        totals = self._totals.take()
        if totals is not None:
            self._partials.add(totals)
        if not self._values.batches:
            return
        assert self._combiner is not None
        batch = self._values.take()
        if rows.is_opaque(batch.schema):
            self._partials.add(self._combiner.combine_opaque(batch))
        else:
            by_table = grouped_by_table(batch)
            for groups in self._hot_keys.grouped(batch) if by_table is None else [by_table]:
                combined = self._combiner.combine(groups, are_partials=False)
                self._partials.add(combined.in_order())

    def _spill(self) -> None:
        self._write_sorted(FileSink(self._new_spill()))

    def _write_sorted(self, sink: MapSink) -> tuple[int, tuple[int, ...]]:
        """Write all rows at hand, and forget them. The number of rows, the partitions' sizes."""
        self._combine_values()
        groups, partitions = self._sorted(self._partials.take())
        return groups.n_rows, self._write(sink, groups, partitions)

    def _sorted(self, batch: pa.RecordBatch) -> tuple[Groups, Index]:
        """The rows by partition, and by key in each, combined; and each row's partition."""
        if rows.is_opaque(batch.schema):
            batch, partitions = sort_opaque(batch, self._partition, self._n_partitions)
            return Groups(batch, None, np.arange(len(batch))), partitions
        groups, partitions = by_partition(group(batch), self._partition, self._n_partitions)
        if self._combiner is not None:
            groups = self._combiner.combine(groups, are_partials=True)
        return groups, np.repeat(partitions, groups.values().sizes())

    def _write(self, sink: MapSink, groups: Groups, partitions: Index) -> tuple[int, ...]:
        writer = sink.writer(groups.batch.schema, self._n_partitions)
        try:
            bounds = np.searchsorted(partitions, np.arange(self._n_partitions + 1)).tolist()
            for partition in range(self._n_partitions):
                for piece in groups.pieces(bounds[partition], bounds[partition + 1]):
                    writer.write(partition, piece)
            return writer.finish()
        except BaseException:
            writer.discard()
            raise

    def _merge_spills(self) -> tuple[int, tuple[int, ...]]:
        with ExitStack() as stack:
            sources = [self._open(path, stack) for path in self._spills]
            blocks = max(stored.largest_block_bytes for stored in chain.from_iterable(sources))
        most = fan_in(blocks, self._memory_bytes)
        spills = merge_in_passes(list(self._spills), most, self._merge)
        return self._merge_into(self._sink, spills)

    def _merge(self, paths: Sequence[str]) -> str:
        """Merge spilled runs into one."""
        path = self._new_spill()
        self._merge_into(FileSink(path), paths)
        for merged in paths:
            os.unlink(merged)
            self._spills.remove(merged)
        return path

    def _merge_into(self, sink: MapSink, paths: Sequence[str]) -> tuple[int, tuple[int, ...]]:
        with ExitStack() as stack:
            spills = [self._open(spill, stack) for spill in paths]
            partitions = [[run_of(stored) for stored in runs] for runs in zip(*spills, strict=True)]
            return write_merged(sink, partitions, self._combiner, self._memory_bytes)

    def _open(self, path: str, stack: ExitStack) -> list[StoredPartition]:
        source = LocalSource(path)
        stack.callback(source.close)
        return open_partitions(source)

    def _new_spill(self) -> str:
        path = f"{self._spill_path}.spill-{self.n_spills}"
        self.n_spills += 1
        self._spills.append(path)
        return path


class _Batches:
    """Rows at hand, in the order in which they came."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.size_bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        if not len(batch):
            return
        self.batches.append(batch)
        factor = _OPAQUE_FACTOR if rows.is_opaque(batch.schema) else 1
        self.size_bytes += factor * rows.working_bytes(batch)

    def take(self) -> pa.RecordBatch:
        """All of the rows with one schema; none are left."""
        batches, self.batches, self.size_bytes = self.batches, [], 0
        return concat_unified(batches)
