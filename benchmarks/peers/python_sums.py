"""Sums by key as a competent script does it: each row a dict, one thread.

python python_sums.py INPUT_FOLDER OUTPUT_FOLDER
"""

# mypy: disable-error-code="import-untyped"

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def rows_of(path: Path) -> Iterator[tuple[str, int]]:
    """The key and the value of each row, of CSV, JSON lines or Parquet."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for batch in pq.ParquetFile(path).iter_batches(columns=["key", "value"]):
            for row in batch.to_pylist():
                yield row["key"], row["value"]
    elif path.suffix == ".jsonl":
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                yield row["key"], row["value"]
    else:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                yield row["key"], int(row["value"])


def main(source: Path, output: Path) -> None:
    """Write `key<TAB>sum` lines, sorted."""
    sums: dict[str, int] = {}
    get = sums.get
    for path in sorted(source.iterdir()):
        for key, value in rows_of(path):
            sums[key] = get(key, 0) + value
    output.mkdir()
    with (output / "sums").open("w", encoding="utf-8") as file:
        file.writelines(f"{key}\t{sums[key]}\n" for key in sorted(sums))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
