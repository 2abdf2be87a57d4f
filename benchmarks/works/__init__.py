"""The works, in the order of the report."""

from __future__ import annotations

from benchmarks.work import Work
from benchmarks.works.big_key import BigKey
from benchmarks.works.overhead import NoopTasks, SmallFiles, StartUp
from benchmarks.works.shuffle import Shuffle
from benchmarks.works.sort import SortMemory, SortRecords
from benchmarks.works.wordcount import Batch, Python, Records

WORKS: tuple[Work, ...] = (
    Batch(),
    Records(),
    Python(),
    SortRecords(),
    SortMemory(),
    BigKey(),
    NoopTasks(),
    Shuffle(),
    SmallFiles(),
    StartUp(),
)
