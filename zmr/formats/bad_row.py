"""Which record of a block it is that a parser of whole blocks has refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from zmr.formats.base import BadRecord
from zmr.formats.line_blocks import line_number

_WHERE_IN_BLOCK = re.compile(
    r"^(JSON|CSV) (parse|conversion) error: |^In CSV column #\d+: CSV conversion error "
    r"|^Row #\d+: | in row \d+$"
)


def find_bad_row(
    path: str,
    position: int,
    block: memoryview,
    starts: npt.NDArray[np.int64],
    parse: Callable[[memoryview], object],
) -> BadRecord:
    """The first record without which `parse` would have taken all that is before it.

    `starts` says where in the block the records begin. Found by halving: about 17 more parses.
    """
    good, bad = 0, len(starts)  # how many records parse, and how many no longer do
    reason = ""
    edges = [*starts, len(block)]
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            parse(block[: edges[middle]])
            good = middle
        except pa.ArrowInvalid as error:
            bad, reason = middle, str(error)
    if not reason:
        try:
            parse(block)
        except pa.ArrowInvalid as error:
            reason = str(error)
    return BadRecord(
        path, line_place(path, position, block, int(starts[good])), _without_location(reason)
    )


def line_place(path: str, position: int, block: memoryview, start: int) -> str:
    """The line in the file of what begins at `start` in the block that stands at `position`.

    Counted in lines, so that it holds for a block whose invalid UTF-8 has been replaced.
    """
    n_before = bytes(block[:start]).count(b"\n")
    return f"line {line_number(path, position) + n_before}"


def _without_location(reason: str) -> str:
    """Arrow's message without its own idea of where that was."""
    before = None
    while before != reason:
        before, reason = reason, _WHERE_IN_BLOCK.sub("", reason)
    return reason
