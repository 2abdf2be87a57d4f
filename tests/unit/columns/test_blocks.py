"""Blocks have about their size, whatever the rows are."""

from __future__ import annotations

from support.map_outputs import lists_of

from zmr.columns import rows
from zmr.columns.blocks import BLOCK_BYTES, blocks_of


def test_blocks_shrink_and_grow_with_the_rows() -> None:
    values = ["x" * 10] * 1000 + ["y" * 100_000] * 10 + ["z" * 10] * 100_000
    found = list(blocks_of(rows.from_lists(list(range(len(values))), values)))
    assert lists_of(found)[1] == values
    assert len(found) < 40
    assert max(block.nbytes for block in found) < 1.3 * BLOCK_BYTES
