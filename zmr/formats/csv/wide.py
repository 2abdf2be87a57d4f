"""Rows of very many columns, by Python's csv module.

Arrow's parser makes buffers for each column of each block, which for thousands of columns takes
several times as long as the parsing, and memory that no allocator gets back in order.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

import pyarrow as pa

from zmr.formats.csv.rows import CsvRows

WIDE_COLUMNS = 500  # from here on, rows go this way


def parse_rows(block: memoryview, rows: CsvRows, n_columns: int) -> list[list[str]]:
    """The fields of the rows of a block of valid UTF-8. Raises `ArrowInvalid`, as Arrow would."""
    block = rows.without_initial_space(block)
    with _fields_up_to(len(block)):
        reader = csv.reader(
            io.StringIO(str(block, "utf-8"), newline=""),
            delimiter=rows.delimiter,
            quotechar=rows.quote or None,
            escapechar=rows.escape or None,
            quoting=csv.QUOTE_MINIMAL if rows.quote else csv.QUOTE_NONE,
        )
        found = [row for row in reader if row]
    if any(len(row) != n_columns for row in found):
        raise pa.ArrowInvalid("rows have too many or too few fields")
    return found


def columns_of(rows: list[list[str]]) -> list[pa.Array]:
    """The columns as strings, all in one buffer."""
    n = len(rows)
    fields = pa.array(chain.from_iterable(zip(*rows, strict=True)), pa.string())
    return [fields.slice(at, n) for at in range(0, len(fields), n)]


def as_text(rows: list[list[str]], columns: Sequence[int]) -> bytes:
    """These columns of the rows as CSV, with `,` and `"`."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
        [row[i] for i in columns] for row in rows
    )
    return text.getvalue().encode()


@contextmanager
def _fields_up_to(size_bytes: int) -> Iterator[None]:
    """The csv module has one limit for all that use it."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, size_bytes))
    try:
        yield
    finally:
        csv.field_size_limit(before)
