"""Rows of a table, written as CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import BytesIO, StringIO

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.data import Row

NAMES = ("key", "value", "price", "note")
ROW_BYTES = 38  # of a row as CSV, about

_SCHEMA = pa.schema(
    [("key", pa.string()), ("value", pa.int64()), ("price", pa.float64()), ("note", pa.string())]
)


def written(suffix: str, chunks: Iterable[list[Row]]) -> Iterator[bytes]:
    """The bytes of a file of these rows; `suffix` says of which format."""
    if suffix == "parquet":
        yield _parquet(chunks)
        return
    if suffix == "csv":
        yield (",".join(NAMES) + "\n").encode()
    for rows in chunks:
        text = StringIO(newline="")
        if suffix == "csv":
            csv.writer(text, lineterminator="\n").writerows(rows)
        else:
            text.writelines(f"{json.dumps(dict(zip(NAMES, row, strict=True)))}\n" for row in rows)
        yield text.getvalue().encode()


def _parquet(chunks: Iterable[list[Row]]) -> bytes:
    file = BytesIO()
    with pq.ParquetWriter(file, _SCHEMA) as writer:
        for rows in chunks:
            columns = [pa.array(column) for column in zip(*rows, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=_SCHEMA))
    return file.getvalue()
