"""One key that has all of the data for its values."""

from __future__ import annotations

import zlib
from pathlib import Path

from benchmarks.checksum import WrongResult, result_files
from benchmarks.datasets import Dataset, Datasets, Facts
from benchmarks.work import Task, Work, described, only_line
from benchmarks.works.sort import SortMemory

WORDS_A_LINE = 160  # about 900 bytes


class BigKey(Work):
    """A reduce function in Python goes once over the values of the key."""

    name = "big-key"
    title = "One key with all the values, in 256 MiB a slot"
    full_size_bytes = 2_000_000_000
    memory_mib = 256
    goals = SortMemory.goals

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        dataset = datasets.generated_text(size_bytes, WORDS_A_LINE)
        lines = f"{_facts(dataset)['lines']:,} values"
        return Task(dataset, dataset.size_bytes, described(dataset, lines))

    def check(self, task: Task, engine: str, output: Path) -> None:
        facts = _facts(task.dataset)
        expected = f"all {facts['lines']} {facts['sum']}"
        if (line := only_line(result_files(output))) != expected:
            raise WrongResult(f"{line!r}, not {expected!r}")


def _facts(dataset: Dataset) -> Facts:
    """How many lines there are, and the sum of their checksums."""
    return dataset.facts("lines", lambda: _checksum(dataset))


def _checksum(dataset: Dataset) -> Facts:
    n = total = 0
    for path in dataset.files():
        with path.open("rb") as lines:
            for line in lines:
                n += 1
                total += zlib.crc32(line.rstrip(b"\n"))
    return {"lines": n, "sum": total}
