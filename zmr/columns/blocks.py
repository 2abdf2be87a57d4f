"""Blocks of rows: the pieces in which rows are written, sent and read.

A block holds at most `BLOCK_ROWS` rows and, unless a single row is larger, about `BLOCK_BYTES`, so
that a reader of many files needs little memory for each.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from zmr.columns.rows import size_bytes

BLOCK_ROWS = 65_536
BLOCK_BYTES = 1 << 18
_LARGE_BLOCK_BYTES = BLOCK_BYTES * 5 // 4


def blocks_of(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of the size of a block."""
    start, rows = 0, BLOCK_ROWS
    while start < len(batch):
        block = batch.slice(start, rows)
        while (n_bytes := size_bytes(block)) > _LARGE_BLOCK_BYTES and len(block) > 1:
            # Rows may be of very different sizes: look again at what is left.
            rows = max(1, len(block) * BLOCK_BYTES // n_bytes)
            block = batch.slice(start, rows)
        yield block
        start += len(block)
        rows = min(BLOCK_ROWS, 2 * rows)
