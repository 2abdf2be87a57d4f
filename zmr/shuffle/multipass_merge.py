"""Merging sorted runs into one, in passes where they are too many to be merged at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import pyarrow as pa

from zmr.columns import rows
from zmr.columns.blocks import BLOCK_BYTES
from zmr.columns.schema import can_unify, unified_schema, unify
from zmr.reducers.combiner import Combiner
from zmr.shuffle.map_output import StoredPartition
from zmr.shuffle.map_output_sink import MapSink
from zmr.shuffle.merge import merge, merge_opaque

# What is loaded for merging is also there joined, in order, and as what is made of it.
_MEMORY_SHARE = 8
_CACHED_BYTES = 16 << 20  # more would not stay in the processor's cache
_FEWEST_RUNS, _MOST_RUNS = 2, 256
_OPAQUE_ROWS = 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """Sorted rows, to be read once, block by block."""

    schema: pa.Schema
    blocks: Iterator[pa.RecordBatch]
    largest_block_bytes: int = BLOCK_BYTES


def run_of(stored: StoredPartition, blocks: Iterator[pa.RecordBatch] | None = None) -> Run:
    """The rows of a partition of a file, as its own `blocks` if they are given."""
    return Run(stored.schema, blocks or stored.batches(), stored.largest_block_bytes)


def merge_bytes(memory_bytes: int, runs: Sequence[Run]) -> int:
    """How much to load at a time, to merge these runs in so much memory."""
    several_blocks_each = 4 * sum(run.largest_block_bytes for run in runs)
    return min(memory_bytes // _MEMORY_SHARE, max(_CACHED_BYTES, several_blocks_each))


def fan_in(largest_block_bytes: int, memory_bytes: int) -> int:
    """How many runs with blocks up to this size can be merged at once in so much memory."""
    fitting = memory_bytes // _MEMORY_SHARE // max(1, largest_block_bytes)
    return min(max(_FEWEST_RUNS, fitting), _MOST_RUNS)


def merge_in_passes(
    runs: Sequence[T], most: int, merge_some: Callable[[Sequence[T]], T]
) -> Sequence[T]:
    """Merge runs until there are at most so many, no more of them than that takes.

    Neighbours are merged, so the order of the values of a key stays as it is.
    """
    while (excess := len(runs) - most) > 0:
        merged: list[T] = []
        start = 0
        while start < len(runs):
            n = min(most, excess + 1, len(runs) - start)
            some = runs[start : start + n]
            merged.append(merge_some(some) if n > 1 else some[0])
            start += n
            excess -= n - 1
        runs = merged
    return runs


def unify_runs(runs: Sequence[Run]) -> tuple[pa.Schema, list[Iterator[pa.RecordBatch]]]:
    """The blocks of all runs with one schema."""
    schema = unified_schema([run.schema for run in runs])
    return schema, [(unify(block, schema) for block in run.blocks) for run in runs]


def write_merged(
    sink: MapSink,
    partitions: Sequence[Sequence[Run]],
    combiner: Combiner | None,
    memory_bytes: int,
) -> tuple[int, tuple[int, ...]]:
    """Merge the runs of each partition into the sink; the number of rows, the partitions' sizes.

    Raises OSError, and what reading the runs raises; then nothing is left in it.
    """
    schema = unified_schema([run.schema for runs in partitions for run in runs])
    writer = sink.writer(schema, len(partitions))
    n_rows = 0
    try:
        for partition, runs in enumerate(partitions):
            at_a_time = merge_bytes(memory_bytes, runs)
            blocks = [(unify(block, schema) for block in run.blocks) for run in runs]
            for batch in _merged(blocks, schema, combiner, at_a_time):
                writer.write(partition, batch)
                n_rows += len(batch)
                del batch  # it makes room for the next
        return n_rows, writer.finish()
    except BaseException:
        writer.discard()
        raise


def _merged(
    runs: Sequence[Iterator[pa.RecordBatch]],
    schema: pa.Schema,
    combiner: Combiner | None,
    memory_bytes: int,
) -> Iterator[pa.RecordBatch]:
    if rows.is_opaque(schema):
        yield from _merged_opaque(runs, schema)
        return
    for groups in merge(runs, memory_bytes):
        if combiner is not None and len(groups) < groups.n_rows:
            combined = combiner.combine(groups, are_partials=True)
            # A run has one schema. Sums that outgrow its column stay apart here.
            if can_unify(combined.batch.schema, schema):
                groups = replace(combined, batch=unify(combined.batch, schema))
            del combined
        yield from groups.pieces()
        del groups  # they make room for the next


def _merged_opaque(
    runs: Sequence[Iterator[pa.RecordBatch]], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    pairs = merge_opaque(runs)
    while chunk := list(islice(pairs, _OPAQUE_ROWS)):
        keys, pickled = zip(*chunk, strict=True)
        yield rows.opaque(keys, pa.array(pickled, pa.large_binary()), rows.key_type(schema))
