"""However a job is cut into tasks and whatever memory they have, its answer is the sequential one.

To the byte: of the files where the partitions are the same, else of all lines in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks

from zmr import (
    Collect,
    Count,
    Distinct,
    First,
    Identity,
    Job,
    Max,
    Mean,
    Min,
    Sum,
    Top,
    find_job,
)
from zmr.engines.inputs import list_inputs
from zmr.tasks import collect

Pairs = Iterable[tuple[Any, Any]]
TINY = 1  # memory in which everything is spilled, and merged two by two


class Way(NamedTuple):
    n_maps: int
    n_reduce: int
    memory_bytes: int = 0
    most_states: int = 1000  # of declarative reducers in a dict; more are sorted in columns


WAYS = [
    Way(1, 1, TINY),
    Way(2, 5, most_states=10),
    Way(7, 13, TINY),
    Way(7, 1),
    Way(1, 13),
    Way(2, 1, TINY, most_states=10),
]


class Words(Job):
    """Yields words, each with the length of its line."""

    def map(self, line: str) -> Iterator[tuple[Any, Any]]:
        for word in line.split():
            self.count("words")
            yield self.key(word), self.value(word, line)

    def key(self, word: str) -> Any:
        return word

    def value(self, word: str, line: str) -> Any:
        return len(line)


class Combined(Words):
    def combine(self, word: str, values: Iterator[int]) -> Pairs:
        yield word, sum(values)

    def reduce(self, word: str, values: Iterator[int]) -> Pairs:
        yield word, sum(values)


class ReducedToMany(Words):
    def reduce(self, word: str, values: Iterator[int]) -> Pairs:
        for number, value in enumerate(values):
            yield word.upper(), (number, value, word)


class ReducedBeforeTheEnd(Words):
    def reduce(self, word: str, values: Iterator[int]) -> Pairs | None:
        return [(word, next(values))] if len(word) % 2 else None


class Mixed(Words):
    """Values of many types, and some keys with a lot of them."""

    def key(self, word: str) -> Any:
        return word[:1]

    def value(self, word: str, line: str) -> Any:
        length = len(word)
        return [word, length, None, (word, length), [length], {word: length}, 2**70][length % 7]

    def reduce(self, word: str, values: Iterator[Any]) -> Pairs:
        yield word, list(values)


class Spread(Words):
    """Rows as they are, in partitions of the job's own."""

    reduce = Identity()

    def partition(self, key: str, n: int) -> int:
        return ord(key[0]) % n


def keyed(key: Callable[[str], Any]) -> Job:
    """Return a job that collects under other keys."""
    job = Words()
    job.key = key  # type: ignore[assignment, method-assign]
    job.reduce = Collect()
    return job


def reduced(reduce: Any, value: Callable[[str, str], Any]) -> Job:
    """Return a job with this reducer of these values."""
    job = Words()
    job.value = value  # type: ignore[assignment, method-assign]
    job.reduce = reduce
    return job


def number(word: str, line: str) -> Any:
    return len(word)


def fraction(word: str, line: str) -> Any:
    return len(line) * 0.1 - 1e16 * (len(word) % 2)


def any_number(word: str, line: str) -> Any:
    return [len(word), len(line) * 0.1, 10**30, float("nan")][len(line) % 4 if word < "f" else 0]


def text(word: str, line: str) -> Any:
    return line


JOBS: dict[str, Job] = {
    "wordcount": find_job("wordcount").create([]),
    "grep": find_job("grep").create([("pattern", "a")]),
    "index": find_job("index").create([]),
    "combined": Combined(),
    "reduced to many": ReducedToMany(),
    "reduced before the end": ReducedBeforeTheEnd(),
    "mixed": Mixed(),
    "spread": Spread(),
    "int keys": keyed(len),
    "float keys": keyed(lambda word: len(word) * -0.5),
    "bytes keys": keyed(lambda word: word[:2].encode() * 9),
    "date keys": keyed(lambda word: date(2026, 1, 1 + len(word))),
    "datetime keys": keyed(lambda word: datetime(2026, 1, 1, len(word))),
    "keys with a zone": keyed(lambda word: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(len(word))),
    "tuple keys": keyed(lambda word: (word[:1], len(word), len(word) > 3)),
    "tuples of one": keyed(lambda word: (word[:2],)),
    "ints of any size": keyed(lambda word: 2 ** (len(word) * 12)),
    "some surrogates": keyed(lambda word: "\ud800" if word == "the" else word),
    **{
        f"{reduce!r} of {value.__name__}s": reduced(reduce, value)
        for reduce in (Sum(), Mean(), Min(), Max(), First(), Top(2), Distinct(), Collect())
        for value in (number, fraction, any_number, text)
        if value is not text or not isinstance(reduce, (Sum, Mean))
    },
    "Count() of texts": reduced(Count(), text),
}


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """Return lines of words, some of which are in most lines, others in one."""
    chooser = random.Random(7)
    common = ["the", "of", "and", "a", "is"]
    rare = ["".join(chooser.choices("abcdefgh", k=chooser.randint(1, 12))) for _ in range(60)]
    words = common * 20 + rare
    return [" ".join(chooser.choices(words, k=chooser.randint(0, 9))) for _ in range(70)]


def write(folder: Path, lines: list[str], n: int) -> list[Path]:
    """Write the lines to so many files, which are a task each."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i}.txt" for i in range(n)]
    for i, path in enumerate(paths):
        some = lines[len(lines) * i // n : len(lines) * (i + 1) // n]
        path.write_text("".join(f"{line}\n" for line in some))
    return paths


@pytest.mark.parametrize("name", JOBS)
def test_the_answer_does_not_depend_on_the_way(
    tmp_path: Path, lines: list[str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JOBS[name]
    monkeypatch.setattr(collect, "_PAIRS_AT_ONCE", 32)
    expected: dict[int, dict[str, bytes]] = {}
    for way in WAYS:
        folder = tmp_path / "-".join(map(str, way))
        folder.mkdir()
        monkeypatch.setattr(collect, "_MOST_STATES", way.most_states)
        # The paths are values of some jobs: they must be the same for both engines.
        inputs = write(tmp_path / f"texts{way.n_maps}", lines, way.n_maps)
        whole = write(tmp_path / "texts", lines, 1)
        inline_inputs = inputs if name == "index" else whole
        inline = folder / "inline"
        files = list_inputs(map(str, inline_inputs), job.input)
        counters = run_inline(job, files, str(inline), way.n_reduce).counters
        assert (
            run_as_tasks(job, inputs, folder, way.n_reduce, 1 << 26, way.memory_bytes) == counters
        )
        assert output_of(folder / "out") == output_of(inline)
        if name != "index":
            expected.setdefault(way.n_reduce, output_of(inline))
    merged = {n: sorted(b"".join(files.values()).splitlines()) for n, files in expected.items()}
    assert all(found == merged[1] for found in merged.values())
