"""Jobs that are none: each kind is found, and shown for few records."""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

import zmr
from zmr.jobs.grep import Grep
from zmr.jobs.index import Index
from zmr.jobs.sort import Sort
from zmr.jobs.wordcount import WordCount
from zmr.testing import check, run
from zmr.testing.schedule import Record
from zmr.testing.search import find

Pairs = Iterator[tuple[Any, Any]]


class Words(zmr.Job):
    def map(self, line: str) -> Pairs:
        for n, word in enumerate(line.split()):
            yield word[0], (n, word)


class Joins(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        yield key, " ".join(word for _, word in values)


class FirstWins(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        yield key, next(values)


class LastWins(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        *_, last = values
        yield key, last


class Steps(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        places = [n for n, _ in values]
        yield key, sum(a - b > 0 for a, b in pairwise(places))


class FloatSums(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        total = 0.0
        for n, word in values:
            total += n / 10 + len(word) / 3
        yield "all", total


class MeanOfMeans(Words):
    def map(self, line: str) -> Pairs:
        for word in line.split():
            yield word[0], len(word)

    def combine(self, key: str, values: Any) -> Pairs:
        found = list(values)
        yield key, sum(found) / len(found)

    reduce: Any = combine


class CountsValues(MeanOfMeans):
    def combine(self, key: str, values: Any) -> Pairs:
        yield key, sum(values)

    def reduce(self, key: str, values: Any) -> Pairs:
        yield key, len(list(values))


class NumbersLines(zmr.Job):
    def setup(self) -> None:
        self.n = 0

    def map(self, line: str) -> Pairs:
        self.n += 1
        yield self.n, line


class RunningTotal(Words):
    def setup(self) -> None:
        self.n = 0

    def reduce(self, key: str, values: Any) -> Pairs:
        self.n += len(list(values))
        yield key, self.n


class CountsTasks(zmr.Job):
    def map(self, line: str) -> Pairs:
        yield from ()

    def finish_map(self) -> Pairs:
        yield "tasks", 1

    reduce = zmr.Sum()


class OfClass(zmr.Job):
    def map(self, line: str) -> Pairs:
        type(self)._seen = getattr(type(self), "_seen", 0) + 1  # type: ignore[attr-defined]
        yield line, self._seen  # type: ignore[attr-defined]


class OfDefault(zmr.Job):
    def map(self, line: str, seen: list[str] = []) -> Pairs:  # noqa: B006 -- the mistake
        seen.append(line)
        yield line, len(seen)


class Random(zmr.Job):
    def map(self, line: str) -> Pairs:
        if random.random() < 0.5:
            yield line, 1


class Clock(zmr.Job):
    def map(self, line: str) -> Pairs:
        yield line, time.perf_counter_ns()


class SetOrder(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        yield key, list({word for _, word in values})


class Hashes(zmr.Job):
    def map(self, line: str) -> Pairs:
        for word in line.split():
            yield hash(word) % 100, 1

    reduce = zmr.Sum()


WRONG = {
    Joins: "order of a key's values",
    FirstWins: "order of a key's values",
    LastWins: "order of a key's values",
    Steps: "order of a key's values",
    FloatSums: "order of a key's values",
    MeanOfMeans: "combine does not make",
    CountsValues: "combine does not make",
    NumbersLines: "from record to record",
    RunningTotal: "from record to record, or from key to key",
    CountsTasks: "from record to record",
    OfClass: "another one each time",
    OfDefault: "another one each time",
    Random: "another one each time",
    Clock: "another one each time",
    SetOrder: "the order of a set",
    Hashes: "the order of a set",
}


def lines(n: int = 80) -> list[str]:
    rng = random.Random(3)
    words = [a + b for a in "abcdefgh" for b in ("", "x", "yy", "zzzzz")]
    return [" ".join(rng.choices(words, k=6)) for _ in range(n)]


@pytest.mark.parametrize("job", WRONG, ids=lambda job: job.__name__)
def test_each_kind_of_wrong_job_is_found_and_shown_for_few_records(job: type[zmr.Job]) -> None:
    with pytest.raises(AssertionError) as found:
        check(job(), lines())
    told = str(found.value)
    assert WRONG[job] in told, told
    n = re.search(r"^for (\d+) records?:$", told, re.MULTILINE)
    assert n is not None
    assert int(n[1]) <= 5, told


class HashPartitions(Words):
    reduce = zmr.Count()

    def partition(self, key: str, n: int) -> int:
        return hash(key) % n


class Turns(Words):
    reduce = zmr.Count()

    def setup(self) -> None:
        self.n = 0

    def partition(self, key: str, n: int) -> int:
        self.n += 1
        return self.n % n


@pytest.mark.parametrize("job", [HashPartitions(), Turns()], ids=["hash", "turns"])
def test_a_key_is_always_in_the_same_partition(job: zmr.Job) -> None:
    with pytest.raises(AssertionError, match="is in partition") as found:
        check(job, lines())
    assert "for 1 record" in str(found.value) or "for 2 records" in str(found.value)


def test_a_job_that_fails_in_some_ways_only_has_two_answers() -> None:
    class Raises(zmr.Job):
        def setup(self) -> None:
            self.names: Any = None

        def map(self, line: str) -> Pairs:
            if line == "header":
                self.names = line
            yield self.names + "!", line

    with pytest.raises(AssertionError, match="from record to record") as found:
        check(Raises(), ["header", *lines()])
    assert "TypeError: unsupported operand" in str(found.value)


class Joined(zmr.Job):
    """As in docs/jobs.md: of each key the values of the first input come first."""

    names = zmr.Input(zmr.Lines())
    words = zmr.Input(zmr.Lines())

    def map_names(self, line: str) -> Pairs:
        yield line[0], line

    map_words = map_names

    def reduce(self, key: str, values: Any) -> Pairs:
        name, *words = values
        yield name, {word: len(word) for word in words}  # equal, in whatever order they come


def test_values_of_the_first_input_come_before_those_of_the_next() -> None:
    names = [Record("abcdefgh"[n], 0) for n in range(8)]
    assert find(Joined(), [*(Record(line, 1) for line in lines()), *names]) is None


class Exits(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        sys.exit(0)


def test_a_job_that_ends_the_process_passes_no_check() -> None:
    with pytest.raises(zmr.JobFailed, match="Exits fails on these records: SystemExit"):
        check(Exits(), lines(3))


class ExitsElsewhere(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        if "PYTHONHASHSEED" in os.environ:
            os._exit(0)
        yield key, sum(1 for _ in values)


def test_a_job_that_ends_another_process_passes_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with pytest.raises(zmr.JobFailed, match=r"fails in another process, .* with status 0"):
        check(ExitsElsewhere(), lines(3))


class Writes(Words):
    def reduce(self, key: str, values: Any) -> Pairs:
        os.write(1, b"what is printed is no answer\n")
        yield key, sum(1 for _ in values)


def test_what_a_job_writes_to_stdout_is_no_answer() -> None:
    check(Writes(), lines(3))


class Sessions(Words):
    sort_values = True
    reduce: Any = Joins.reduce


class Kept(Words):
    reduce = zmr.First()


RIGHT: list[zmr.Job] = [
    *(WordCount(), Grep(pattern="a"), Sort(), Index(), Kept(), Sessions()),
]


@pytest.mark.parametrize("job", RIGHT, ids=lambda job: type(job).__name__)
def test_nothing_is_found_of_a_right_job(job: zmr.Job) -> None:
    records: list[Any] = lines(30)
    if isinstance(job, Index):
        records = [("file", "\n".join(lines(5)))]
    if isinstance(job, Sort):
        records = [line.encode() for line in records]
    check(job, records)


def test_a_job_that_fails_as_it_is_passes_no_check() -> None:
    with pytest.raises(zmr.JobFailed, match="Grep fails on these records: TypeError"):
        check(Grep(pattern="a"), [1, 2])


def test_the_order_of_values_may_be_meant() -> None:
    check(Joins(), lines(), ordered=True)


def test_a_run_is_the_same_for_the_same_seed() -> None:
    records = lines(20)
    assert run(Joins(), records) == run(Joins(), records)
    runs = [run(Joins(), records, seed=seed) for seed in range(9)]
    assert runs == [run(Joins(), records, seed=seed) for seed in range(9)]
    assert any(pairs != runs[0] for pairs in runs)
    assert run(Joins(), records, seed=4, ordered=True) == run(Joins(), records)


class Shares(zmr.Job):
    def map(self, record: int) -> Pairs:
        yield record, record / self.counters_of("First")["records"]

    reduce = zmr.Sum()


def test_a_step_of_a_pipeline_is_given_the_counters_of_those_before() -> None:
    counters = {"First": {"records": 4}}
    job = Shares()
    assert run(job, [1, 2], counters=counters) == [(1, 0.25), (2, 0.5)]
    check(job, [1, 2], counters=counters, tries=3)
    with pytest.raises(LookupError, match=r"counters_of\('First'\): no step before .* this name$"):
        run(job, [1, 2])
