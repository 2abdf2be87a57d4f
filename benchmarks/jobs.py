"""The jobs that zmr runs in the benchmarks, beside the ones that are built in."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from zmr import Count, Csv, InputFormat, Job, JsonLines, Parquet, Sum

BLOCK_BYTES = 256 * 1024

# Of a table's columns, as DuckDB is told
_TYPES = {"key": str, "value": int, "price": float, "note": str}


class RecordWords(Job):
    """Count words with plain Python for each word, and a declared sum."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    reduce = Sum()


class PythonWords(Job):
    """Count words with plain Python only."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    def combine(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        yield word, sum(counts)

    reduce = combine


class RowSums(Job):
    """Sum by key over rows that are dicts."""

    def map(self, row: dict[str, Any]) -> Iterator[tuple[str, int]]:
        yield row["key"], row["value"]

    reduce = Sum()


class BatchSums(RowSums):
    """The same over batches."""

    def map_batch(self, batch: Any) -> Any:
        """The two columns."""
        return batch["key"], batch["value"]


class CsvRowSums(RowSums):
    """Of CSV."""

    input = Csv(types={"value": int})


class CsvSums(BatchSums):
    """Of CSV."""

    input = Csv(types={"value": int}, columns=["key", "value"])


class JsonRowSums(RowSums):
    """Of JSON lines."""

    input = JsonLines(types=_TYPES)


class JsonSums(BatchSums):
    """Of JSON lines."""

    input = JsonLines(types=_TYPES, columns=["key", "value"])


class ParquetRowSums(RowSums):
    """Of Parquet."""

    input = Parquet()


class ParquetSums(BatchSums):
    """Of Parquet."""

    input = Parquet(columns=["key", "value"])


class BigKey(Job):
    """Bring all lines together under one key, and go over them once."""

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        yield "all", line

    def reduce(self, key: str, lines: Iterator[str]) -> Iterator[tuple[str, str]]:
        n = total = 0
        for line in lines:
            n += 1
            total += zlib.crc32(line.encode())
        yield key, f"{n} {total}"


class Nothing(InputFormat):
    """No records, from a file that is not even opened."""

    splittable = True

    def read(self, split: Any, count: Callable[[str, int], None]) -> Iterator[Any]:
        """Count the task and read nothing."""
        count("tasks", 1)
        yield from ()


class Noop(Job):
    """Tasks that do nothing."""

    input = Nothing()

    def map(self, record: object) -> None:
        """Never called."""

    reduce = Count()


class RandomBlocks(InputFormat):
    """As many blocks of 256 KiB that no compression makes smaller as the split has room for."""

    splittable = True

    def read(self, split: Any, count: Callable[[str, int], None]) -> Iterator[Any]:
        """Yield numbered blocks, without a look at the file."""
        for number in range(
            split.offset // BLOCK_BYTES, (split.offset + split.length) // BLOCK_BYTES
        ):
            yield [(number, os.urandom(BLOCK_BYTES))], BLOCK_BYTES


class Stream(Job):
    """Move blocks from map to reduce, and count their bytes there."""

    input = RandomBlocks()

    def map(self, record: tuple[int, bytes]) -> Iterator[tuple[int, bytes]]:
        yield record

    def reduce(self, number: int, blocks: Iterator[bytes]) -> None:
        for block in blocks:
            self.count("bytes", len(block))


class Calls(Job):
    """Calls of a service that takes its time: a record says for how long, and so does a key.

    On a worker with ZMR_BENCH_SLOWNESS=10 in its environment all calls take ten times as long.
    """

    keys: int = 8
    key_s: float = 0.1

    def setup(self) -> None:
        """See how slow this worker is."""
        self._slowness = float(os.environ.get("ZMR_BENCH_SLOWNESS", "1"))

    def map(self, line: str) -> Iterator[tuple[int, int]]:
        time.sleep(float(line) * self._slowness)
        for key in range(self.keys):
            yield key, 1

    def partition(self, key: int, n: int) -> int:
        """The same number of keys to each."""
        return key % n

    def reduce(self, key: int, values: Iterator[int]) -> Iterator[tuple[int, int]]:
        time.sleep(self.key_s * self._slowness)
        yield key, sum(values)
