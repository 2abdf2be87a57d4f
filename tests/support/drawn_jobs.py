"""Drawn jobs, of all kinds of keys, values and reducers: engines are to agree on them."""

from __future__ import annotations

import datetime as dt
import enum
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from zmr import (
    Collect,
    Count,
    Distinct,
    First,
    Identity,
    Input,
    Job,
    Lines,
    Max,
    Mean,
    Min,
    Sum,
    TextBlocks,
    Top,
)

Pairs = Iterable[tuple[Any, Any]]


@dataclass(frozen=True)
class Thing:
    n: int


class Word(str):
    """Compares and prints in a way of its own."""

    def __str__(self) -> str:
        return "not what it is"


class Level(enum.IntEnum):
    LOW = 1


class Place(NamedTuple):
    name: str
    n: Any


class ParseError(Exception):
    def __init__(self, line: int, column: int) -> None:
        super().__init__(f"bad at {line}:{column}")


UTC_DAY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

# What words of the input stand for, as keys and as values.
ODD: dict[str, Any] = {
    "none": None,
    "list": [1, "a"],
    "dict": {"a": 1},
    "set": {1},
    "tuple": (1, "a"),
    "nested": (1, (2, 3)),
    "empty": (),
    "day": dt.date(2026, 1, 1),
    "moment": dt.datetime(2026, 1, 1, 12),
    "zoned": UTC_DAY,
    "time": dt.time(1),
    "true": True,
    "half": 0.5,
    "nan": float("nan"),
    "minus-zero": -0.0,
    "zero": 0.0,
    "huge": 2**70,
    "int": 7,
    "bytes": b"\xff",
    "lone": "x\ud800",
    "decimal": Decimal("1.5"),
    "uuid": uuid.UUID(int=5),
    "numpy": np.int64(5),
    "numpy-half": np.float64(0.5),
    "numpy-text": np.str_("a"),
    "numpy-true": np.True_,
    "numpy-small": np.float32(0.5),
    "numpy-moment": np.datetime64(1, "ns"),
    "derived": Word("a"),
    "member": Level.LOW,
    "place": Place("a", np.int64(1)),
    "thing": Thing(3),
    "error": ParseError(1, 2),
    "lambda": lambda: 1,
    "text": "plain",
    "tab": "a\tb",
}
WORDS = ["a", "b", "ab", *ODD]

# What is a key or a value of which word, by name.
PARTS: dict[str, Any] = {
    "word": lambda word, n: word,
    "odd": lambda word, n: ODD.get(word, word),
    "number": lambda word, n: n,
    "fraction": lambda word, n: n / 4,
    "either": lambda word, n: n if n % 2 else n / 4,
    "decimal": lambda word, n: Decimal(n) / 8 if n % 3 else n,
    "pair": lambda word, n: (word, n),
    "list": lambda word, n: [n, n],
    "dict": lambda word, n: {word: n},
    "seldom none": lambda word, n: None if word == "none" else n,
    "odd if odd": lambda word, n: ODD.get(word, n),
}
REDUCERS: list[Any] = [
    *(Sum(), Count(), Mean(), First(), Collect(), Identity(), Min(), Max(), Top(2), Distinct()),
    *("lists", None),
]


class Drawn(Job):
    _key = _value = "word"
    _combines = False
    _number = 0

    def setup(self) -> None:
        self._n = 0
        self._same: dict[str, Any] = {}

    def map(self, line: str) -> Pairs:
        for word in line.split():
            self._n += 1
            self._same["last"] = word
            value = self._of(word)
            if word == "ab" and self._value == "odd":
                yield word  # type: ignore[misc]
            yield PARTS[self._key](word, self._n % 3), value

    def _of(self, word: str) -> Any:
        if self._value == "source":
            return os.path.basename(self.source.path), self.source.offset, self._number
        return self._same if self._value == "same" else PARTS[self._value](word, self._n)


class Lists(Drawn):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, [str(value) for value in values]


class Combined(Lists):
    def combine(self, key: Any, values: Iterator[Any]) -> Pairs:
        for value in values:
            yield (key if self._value != "either" else "other"), value


class Finishes:
    """Yields more at the ends of tasks, of the words so far."""

    def finish_map(self: Any) -> Pairs:
        for word in self._same.values():
            value = self._of(word)
            yield PARTS[self._key](word, self._n % 3), value

    def finish_reduce(self: Any) -> Pairs:
        return [("words", self._n)]


class Numbered:
    """Reads lines with their numbers."""

    input = Lines(numbers=True)

    def map(self: Any, record: tuple[int, str]) -> Pairs:
        self._number, line = record
        return Drawn.map(self, line)


class TwoInputs:
    """Reads two inputs, of which one is turned round."""

    lines = Input(Lines(numbers=True))
    others = Input(TextBlocks(), map="map_block")

    def map_lines(self: Any, record: tuple[int, str]) -> Pairs:
        return Numbered.map(self, record)

    def map_block(self: Any, block: str) -> Pairs:
        return Drawn.map(self, " ".join(reversed(block.split())))


class BySize:
    def sort_values(self, value: Any) -> Any:
        return len(str(value)) if str(value) != "none" else None


# Those that take values in any order are refused beforehand.
ORDERED = ("lists", First, Collect, Identity)
SORTS: dict[str, dict[str, Any]] = {
    "no": {},
    "yes": {"sort_values": True},
    "by size": {"sort_values": BySize.sort_values},
}


READS: dict[str, tuple[type, ...]] = {
    "lines": (),
    "numbers": (Numbered,),
    "two inputs": (TwoInputs,),
}


def drawn_job(
    key: str,
    value: str,
    reduce: Any,
    combines: bool,
    finishes: bool,
    reads: str,
    sorts: str = "no",
) -> Job:
    if reduce not in ORDERED and type(reduce) not in ORDERED:
        sorts = "no"
    combines = combines and sorts == "no"
    kind: type[Drawn] = (Combined if combines else Lists) if reduce == "lists" else Drawn
    bases: tuple[type, ...] = (*READS[reads], *[Finishes] * finishes, kind)
    job: Drawn = type("Drawn", bases, SORTS[sorts])()
    job._key, job._value = key, value
    if reduce != "lists":
        job.reduce = reduce
    return job
