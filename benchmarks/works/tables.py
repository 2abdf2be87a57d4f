"""Sums by key over a table, as CSV, JSON lines and Parquet; and over many small CSV files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

from benchmarks.checksum import Digest, digest_of_lines, lines_of, result_files
from benchmarks.datasets import Datasets, Facts
from benchmarks.work import Task, Work, at_most, described, faster

_N_KEYS = 100_000


class TableSums(Work):
    """The same rows in each format. A note of 500 has a line's end in it, which CSV quotes."""

    full_size_bytes = 640_000_000
    goals = (at_most("zmr", "duckdb", 1.5), faster("zmr-map", "python", 1.6))
    suffix: ClassVar[str]

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        dataset = datasets.table(size_bytes, _N_KEYS, self.suffix)
        return Task(dataset, dataset.size_bytes, described(dataset))

    def check(self, task: Task, engine: str, output: Path) -> None:
        require_sums(task, output)


class CsvSums(TableSums):
    """Quoted fields may hold line ends."""

    name = "sum-csv"
    title = "Sum by key, CSV"
    suffix = "csv"


class JsonSums(TableSums):
    """Objects of four fields."""

    name = "sum-json"
    title = "Sum by key, JSON lines"
    suffix = "jsonl"


class ParquetSums(TableSums):
    """Two of four columns."""

    name = "sum-parquet"
    title = "Sum by key, Parquet"
    suffix = "parquet"


class CsvFiles(Work):
    """What an engine makes of files that are hardly anything."""

    name = "csv-files"
    title = "Sum by key, 3,000 CSV files of 20 rows"
    full_size_bytes = 500_000
    goals = (at_most("zmr-map", "python", 4.0),)

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        dataset = datasets.csv_files(3000, 20)
        return Task(dataset, dataset.size_bytes, described(dataset))

    def check(self, task: Task, engine: str, output: Path) -> None:
        require_sums(task, output)


def require_sums(task: Task, output: Path) -> None:
    """Raise `WrongResult` unless the output is each key with its sum."""
    sums = task.dataset.facts("sums", lambda: _sums(task))
    digest = digest_of_lines(lines_of(result_files(output)))
    digest.require(Digest(sums["keys"], sums["sum"]), "lines")


def _sums(task: Task) -> Facts:
    from benchmarks.peers.python_sums import rows_of

    sums: Counter[str] = Counter()
    for path in task.dataset.files():
        for key, value in rows_of(path):
            sums[key] += value
    lines = "".join(f"{key}\t{value}\n" for key, value in sums.items())
    digest = digest_of_lines([lines.encode()])
    return {"keys": digest.count, "sum": digest.sum}
