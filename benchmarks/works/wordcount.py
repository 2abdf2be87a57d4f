"""Counting the words of large text: in batches, and with plain Python for each record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from benchmarks.checksum import Digest, digest_of_lines, lines_of, result_files
from benchmarks.datasets import Dataset, Datasets, Facts
from benchmarks.real_text import SCRIPTS
from benchmarks.work import Task, Work, at_most, described, faster


class WordCount(Work):
    """What word counts have in common: the words of the data, and how often each occurs."""

    full_size_bytes = 640_000_000

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        return count_task(datasets.text(size_bytes))

    def check(self, task: Task, engine: str, output: Path) -> None:
        require_counts(task.dataset, output)


class Batch(WordCount):
    """The fastest way that each engine has."""

    name = "wordcount-batch"
    title = "Word count, in batches"
    goals = (faster("zmr", "pyspark-df", 3.0), faster("zmr", "ray", 4.0))


class Records(WordCount):
    """A Python function for each record, and the engine's own sum."""

    name = "wordcount-records"
    title = "Word count, plain map, declared sum"
    goals = (faster("zmr-1-slot", "python", 1.0), faster("zmr", "python", 1.8))


class Python(WordCount):
    """Python functions for map and reduce."""

    name = "wordcount-python"
    title = "Word count, plain map, plain combine and reduce"
    goals = (at_most("zmr", "zmr-sum", 1.6),)


class RealBatch(Batch):
    """The same of text that no generator made."""

    name = "real-batch"
    title = "Word count of real text, in batches"
    goals = (at_most("zmr", "cpp", 2.0), at_most("zmr", "duckdb", 1.0))

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        return count_task(datasets.real_text(size_bytes))


class RealRecords(Records):
    """The same of text that no generator made."""

    name = "real-records"
    title = "Word count of real text, plain map"
    goals = (faster("zmr-1-slot", "python", 1.1), faster("zmr", "python", 2.0))

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        return count_task(datasets.real_text(size_bytes))


class Scripts(WordCount):
    """What tools have written: words of any length."""

    name = "real-scripts"
    title = "Word count of scripts, style sheets and source maps"
    full_size_bytes = 200_000_000
    goals = (faster("zmr", "python", 3.0), faster("zmr-map", "python", 1.6))

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        return count_task(datasets.real_text(size_bytes, SCRIPTS))


class Urls(WordCount):
    """Long keys, some of them very long."""

    name = "count-urls"
    title = "Count of URLs, some very long"
    full_size_bytes = 45_600_000
    goals = (faster("zmr", "python", 3.0), faster("zmr-map", "python", 1.6))

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        n = max(6, size_bytes // 76)
        return count_task(datasets.urls(n, n // 6, (30, 120), long_of_1000=5))


class DistinctUrls(Urls):
    """Keys of which each is there once: there is nothing to combine."""

    name = "distinct-urls"
    title = "Count of distinct URLs"
    full_size_bytes = 242_000_000

    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        n = max(1, size_bytes // 121)
        return count_task(datasets.urls(n, n, (50, 190)))


def count_task(dataset: Dataset) -> Task:
    """Count the words of these data."""
    facts = word_facts(dataset)
    words = f"{facts['words']:,} words, {facts['distinct']:,} of them distinct"
    return Task(dataset, dataset.size_bytes, described(dataset, words))


def require_counts(dataset: Dataset, output: Path) -> None:
    """Raise `WrongResult` unless the output is the right counts, in any order."""
    facts = word_facts(dataset)
    digest = digest_of_lines(lines_of(result_files(output)))
    digest.require(Digest(facts["distinct"], facts["sum"]), "lines")


def word_facts(dataset: Dataset) -> Facts:
    """What must come out, by Python's own Counter."""
    return dataset.facts("words", lambda: _count(dataset))


def _count(dataset: Dataset) -> Facts:
    counts: Counter[str] = Counter()
    for path in dataset.files():
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                counts.update(line.split())
    digest = digest_of_lines(_lines(counts))
    return {"words": counts.total(), "distinct": len(counts), "sum": digest.sum}


def _lines(counts: Mapping[str, int]) -> Iterator[bytes]:
    lines = (f"{word}\t{count}\n" for word, count in counts.items())
    while some := "".join(islice(lines, 10_000)):
        yield some.encode()
