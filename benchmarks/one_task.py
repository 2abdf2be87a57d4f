"""A map task and its reduces, in this process, on records that are there already."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from zmr import Job
from zmr.columns import rows
from zmr.columns.split_words import split_words
from zmr.formats.arrow_text import split_lines, valid_utf8
from zmr.formats.output_writer import OutputWriter
from zmr.partitioners import Hash
from zmr.shuffle.map_output import LocalSource, open_partitions
from zmr.shuffle.map_output_sink import FileSink
from zmr.shuffle.merge import merge, merge_opaque
from zmr.shuffle.multipass_merge import merge_bytes, run_of, unify_runs
from zmr.shuffle.sort_buffer import SortBuffer
from zmr.tasks.progress import TaskProgress
from zmr.tasks.reduction import Reduction
from zmr.tasks.user_combiner import combiner_of

PARTITIONS = 2
_MEMORY_BYTES = 512 << 20
_PAIRS_AT_ONCE = 2048  # as in a map task


def reduced_pairs(job: Job, pairs: Iterable[tuple[Any, Any]]) -> bytes:
    """The job's output for these pairs of its map."""
    return _reduced(job, _batches(iter(pairs)))


def counted_words(job: Job, block: bytes) -> bytes:
    """The job's output for the words of a block of lines."""
    lines = split_lines(valid_utf8(memoryview(block), lambda name, n: None))
    return _reduced(
        job, iter([rows.from_arrays([split_words(lines).cast("large_string")], None, "str")])
    )


def _batches(pairs: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
    while some := list(islice(pairs, _PAIRS_AT_ONCE)):
        keys, values = zip(*some, strict=True)
        yield rows.from_lists(keys, values)


def _reduced(job: Job, batches: Iterator[Any]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="zmr-bench-") as folder:
        path = os.path.join(folder, "map-0")
        combiner = combiner_of(job)
        buffer = SortBuffer(FileSink(path), path, PARTITIONS, Hash(), combiner, _MEMORY_BYTES)
        for batch in batches:
            buffer.add(batch)
            buffer.make_room()
        buffer.finish()
        return b"".join(_lines(job, [path]))


def _lines(job: Job, paths: Sequence[str]) -> Iterator[bytes]:
    sources = [open_partitions(LocalSource(path)) for path in paths]
    for stored in zip(*sources, strict=True):
        runs = [run_of(partition) for partition in stored if partition.rows]
        if not runs:
            continue
        schema, blocks = unify_runs(runs)
        reduction = Reduction(job, OutputWriter(job.output), TaskProgress())
        if rows.is_opaque(schema):
            pieces = reduction.of_pairs(merge_opaque(blocks))
        else:
            pieces = reduction.of_groups(merge(blocks, merge_bytes(_MEMORY_BYTES, runs)))
        yield from (bytes(data) for data, _ in pieces)
