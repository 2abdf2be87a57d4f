"""Sorting records of 100 bytes by their key of 10, as the sort benchmark does."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from benchmarks.checksum import Digest, digest_of_records, result_files
from benchmarks.datasets import Dataset, Datasets, Facts
from benchmarks.work import Goal, Task, Work, described, faster


class SortRecords(Work):
    """In memory."""

    name = "sort-records"
    title = "Sort of 100-byte records"
    full_size_bytes = 1_000_000_000
    goals: ClassVar[tuple[Goal, ...]] = (
        faster("zmr", "coreutils", 3.0),
        faster("zmr", "duckdb", 2.0),
    )

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        dataset = datasets.records(size_bytes)
        _facts(dataset)
        return Task(dataset, dataset.size_bytes, described(dataset))

    def check(self, task: Task, engine: str, output: Path) -> None:
        facts = _facts(task.dataset)
        digest = digest_of_records(result_files(output), in_order=True)
        digest.require(Digest(facts["records"], facts["sum"]), "records")


class SortMemory(SortRecords):
    """With much less memory than data."""

    name = "sort-memory"
    title = "Sort of 100-byte records in 256 MiB a slot"
    full_size_bytes = 4_000_000_000
    memory_mib = 256
    goals = (
        Goal(
            "MiB that a process of zmr takes beyond an idle one",
            lambda of: (of["zmr"].growth_bytes or 0) / 2**20,
            256 * 1.25,
            at_least=False,
        ),
    )


def _facts(dataset: Dataset) -> Facts:
    """How many records there are, and the sum of their hashes, in whatever order."""
    return dataset.facts("records", lambda: _digest(dataset))


def _digest(dataset: Dataset) -> Facts:
    digest = digest_of_records(dataset.files(), in_order=False)
    return {"records": digest.count, "sum": digest.sum}
