"""Lines and words by Arrow's own functions, for the engines whose batches are Arrow or pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def count_lines(lines: pa.ChunkedArray | pa.Array) -> pa.Table:
    """A table of the distinct words of the lines and how often each occurs."""
    words = pc.list_flatten(pc.split_pattern(lines, " "))
    counts = pc.value_counts(words)
    return pa.table({"word": counts.field("values"), "n": counts.field("counts")})


def read_lines(path: str | Path) -> pa.Array:
    """The lines of a text file, without copying them one by one."""
    data = Path(path).read_bytes()
    whole = pa.Array.from_buffers(
        pa.large_string(),
        1,
        [None, pa.array([0, len(data)], pa.int64()).buffers()[1], pa.py_buffer(data)],
    )
    lines = pc.split_pattern(whole, "\n").flatten()
    return lines.slice(0, len(lines) - 1)


def write_lines(table: pa.Table, file: Any) -> None:
    """Write the columns as text, a tab between them, all lines as one buffer."""
    for batch in table.to_batches(max_chunksize=1 << 20):
        columns = [column.cast(pa.large_string()) for column in batch.columns]
        nothing, tab, newline = (pa.scalar(text, pa.large_string()) for text in ("", "\t", "\n"))
        lines = pc.binary_join_element_wise(*columns, tab)
        ended = pc.binary_join_element_wise(lines, nothing, newline)
        _, offsets, data = ended.buffers()
        file.write(data.slice(0, int(np.frombuffer(offsets, np.int64)[len(ended)])))
