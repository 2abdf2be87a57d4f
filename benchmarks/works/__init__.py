"""The works, in the order of the report."""

from __future__ import annotations

from benchmarks.work import Work
from benchmarks.works.big_key import BigKey
from benchmarks.works.overhead import NoopTasks, SmallFiles, StartUp
from benchmarks.works.shuffle import Shuffle
from benchmarks.works.sort import SortMemory, SortRecords
from benchmarks.works.tables import CsvFiles, CsvSums, JsonSums, ParquetSums
from benchmarks.works.wordcount import (
    Batch,
    DistinctUrls,
    Python,
    RealBatch,
    RealRecords,
    Records,
    Scripts,
    Urls,
)

WORKS: tuple[Work, ...] = (
    Batch(),
    Records(),
    Python(),
    RealBatch(),
    RealRecords(),
    Scripts(),
    Urls(),
    DistinctUrls(),
    CsvSums(),
    JsonSums(),
    ParquetSums(),
    CsvFiles(),
    SortRecords(),
    SortMemory(),
    BigKey(),
    NoopTasks(),
    Shuffle(),
    SmallFiles(),
    StartUp(),
)
