"""Only pairs are pairs, and they count as they were when they were yielded, in every engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks

from zmr import Collect, Count, First, Job, Max, Min, Pipeline, Sum, Top
from zmr.engines.inputs import list_inputs
from zmr.errors import PickleError, YieldError
from zmr.tasks import yielded
from zmr.tasks.errors import TaskError
from zmr.tasks.yielded import can_change, makes_pairs

Pairs = Iterable[tuple[Any, Any]]
LINES = "NL\nDE\nFR\nNL\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "in.txt"
    path.write_text(LINES)
    return path


def answer(job: Job, text: Path) -> list[str]:
    """Return the lines of the output, which are the same in both engines."""
    n_reduce = 0 if job.reduce is None else 1
    with TemporaryDirectory(dir=text.parent) as folder:
        inline = Path(folder) / "inline"
        run_inline(job, list_inputs([str(text)], job.input), str(inline), n_reduce)
        run_as_tasks(job, [text], Path(folder), n_reduce)
        found = output_of(inline)
        assert output_of(Path(folder) / "out") == found
    return [line for data in found.values() for line in data.decode().splitlines()]


def refusal(job: Job, text: Path) -> str:
    """Return why the job is refused, which is said alike by both engines."""
    n_reduce = 0 if job.reduce is None else 1
    with pytest.raises(YieldError) as error:
        run_inline(job, list_inputs([str(text)], job.input), str(text.parent / "inline"), n_reduce)
    place = error.value.zmr_place  # type: ignore[attr-defined]
    told = f"{error.value.kind}: {error.value} ({place})"
    with TemporaryDirectory(dir=text.parent) as folder, pytest.raises(TaskError) as failed:
        run_as_tasks(job, [text], Path(folder), n_reduce)
    assert failed.value.message == told
    assert failed.value.traceback == ""
    return told


class Mapped(Job):
    """What `_make` makes of each line is yielded."""

    _make: Any = staticmethod(lambda line: line)

    def map(self, line: str) -> Iterator[Any]:
        yield self._make(line)


def mapped(make: Callable[[str], Any], reduce: Any = None) -> Mapped:
    job = Mapped()
    job._make = make
    job.reduce = reduce
    return job


NOT_PAIRS: dict[str, Callable[[str], Any]] = {
    "str": lambda line: line,
    "bytes": str.encode,
    "bytearray": lambda line: bytearray(line.encode()),
    "dict": lambda line: {"a": 1, "b": 2},
    "set": lambda line: {1, 2},
    "range": lambda line: range(2),
    "keys": lambda line: {"a": 1, "b": 2}.keys(),
    "one": lambda line: (line,),
    "three": lambda line: [line, 1, 2],
    "None": lambda line: None,
    "some": lambda line: line if line == "FR" else (line, 1),
}


@pytest.mark.parametrize("reduce", [Count(), Sum(), Collect(), None])
@pytest.mark.parametrize("name", NOT_PAIRS)
def test_only_a_tuple_or_list_of_two_is_a_pair(text: Path, name: str, reduce: Any) -> None:
    told = refusal(mapped(NOT_PAIRS[name], reduce), text)
    line = 3 if name == "some" else 1
    assert told.startswith("TypeError: not a (key, value) pair: ")
    yielded_at = Mapped.map.__code__.co_firstlineno + 1
    assert f", yielded at {__file__}, line {yielded_at}; a pair is a tuple or list of" in told
    assert told.endswith(f"(in map, {text}, line {line})")


def test_returned_pairs_are_looked_at_as_well(text: Path) -> None:
    class Returned(Job):
        reduce = Count()

        def map(self, line: str) -> Any:
            return [(line, 1), line] if line == "DE" else ([line, 1],)

    told = refusal(Returned(), text)
    assert told == (
        "TypeError: not a (key, value) pair: 'DE'; a pair is a tuple or list of two "
        f"(in map, {text}, line 2)"
    )


@pytest.mark.parametrize("method", ["combine", "reduce"])
def test_so_are_those_of_combine_and_reduce(text: Path, method: str) -> None:
    class Odd(Job):
        def map(self, line: str) -> Pairs:
            yield line, 1

        def combine(self, key: str, values: Iterator[int]) -> Any:
            return key if method == "combine" else None

        def reduce(self, key: str, values: Iterator[int]) -> Any:
            yield key

    if method == "reduce":
        delattr(Odd, "combine")
    key = {"combine": "NL", "reduce": "DE"}[method]
    told = refusal(Odd(), text)
    assert told.endswith(f" (in {method}, key '{key}')")
    assert ("yielded at" in told) is (method == "reduce")


def test_pairs_may_be_lists_and_named_tuples(text: Path) -> None:
    class Named(NamedTuple):
        key: str
        value: int

    assert answer(mapped(lambda line: [line, 1], Count()), text) == ["DE\t1", "FR\t1", "NL\t2"]
    assert answer(mapped(lambda line: Named(line, 1), Sum()), text) == ["DE\t1", "FR\t1", "NL\t2"]


@pytest.mark.parametrize("returned", [5, object()])
def test_what_map_returns_must_be_something_to_iterate_over(text: Path, returned: Any) -> None:
    class Returns(Job):
        reduce = Count()

        def map(self, line: str) -> Any:
            return returned

    assert "TypeError: map returned " in refusal(Returns(), text)


# --- which functions make pairs for sure ---


def _sure(self: Any, line: str) -> Iterator[Any]:
    if line:
        yield line, 1
    yield "constant", 2
    yield [line, lambda: (yield)]


def _by_name(self: Any, line: str) -> Iterator[Any]:
    pair = line, 1
    yield pair


def _from(self: Any, line: str) -> Iterator[Any]:
    yield from line


def _one_of_two(self: Any, line: str) -> Iterator[Any]:
    yield line if line else (line, 1)


def _three(self: Any, line: str) -> Iterator[Any]:
    yield line, 1
    yield line, 1, 2


def _list_of_more(self: Any, line: str) -> Iterator[Any]:
    yield [*line, 1]


@pytest.mark.parametrize(
    ("function", "is_sure"),
    [
        (_sure, True),
        *((function, False) for function in (_by_name, _from, _one_of_two, _three, _list_of_more)),
        (lambda self, line: [(line, 1)], False),
        (print, False),
    ],
)
def test_a_function_is_seen_to_make_pairs(function: Any, is_sure: bool) -> None:
    assert makes_pairs(function) is is_sure


# --- values that are changed later ---


class Reused(Job):
    """One object is filled anew for each line."""

    _make: Any = dict

    def setup(self) -> None:
        self.value = self._make()
        self.n = 0

    def map(self, line: str) -> Pairs:
        self.n += 1
        self.fill(line)
        yield "k", self.value

    def fill(self, line: str) -> None:
        self.value["line"] = line

    def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
        yield key, [str(value) for value in values]


@dataclass
class Point:
    x: Any


class ReusedList(Reused):
    _make = list

    def fill(self, line: str) -> None:
        self.value[:] = [line]


class NestedList(ReusedList):
    def fill(self, line: str) -> None:
        self.value[:] = [[line], line]


class ReusedInTuple(ReusedList):
    def map(self, line: str) -> Pairs:
        self.fill(line)
        yield "k", (1, self.value)


class ReusedObject(Reused):
    _make: Any = staticmethod(lambda: Point(0))

    def fill(self, line: str) -> None:
        self.value.x = line


class ChangesLater(Reused):
    """The first values can't change, the later ones can."""

    def map(self, line: str) -> Pairs:
        if self.n < 2:
            self.n += 1
            yield "k", self.n
        else:
            yield from super().map(line)


class ByName(Reused):
    """Of whose pairs it can't be seen that they are pairs."""

    def map(self, line: str) -> Pairs:
        self.fill(line)
        pair = "k", self.value
        yield pair


class ListByName(ReusedList):
    map = ByName.map


AS_YIELDED: dict[type[Reused], list[str]] = {
    Reused: [f"{{'line': '{line}'}}" for line in LINES.split()],
    ReusedList: [f"['{line}']" for line in LINES.split()],
    NestedList: [f"[['{line}'], '{line}']" for line in LINES.split()],
    ReusedInTuple: [f"(1, ['{line}'])" for line in LINES.split()],
    ReusedObject: [f"Point(x='{line}')" for line in LINES.split()],
    ByName: [f"{{'line': '{line}'}}" for line in LINES.split()],
    ListByName: [f"['{line}']" for line in LINES.split()],
    ChangesLater: ["1", "2", "{'line': 'FR'}", "{'line': 'NL'}"],
}


@pytest.mark.parametrize("kind", AS_YIELDED)
def test_a_value_counts_as_it_was_when_it_was_yielded(text: Path, kind: type[Reused]) -> None:
    (line,) = answer(kind(), text)
    key, _, values = line.partition("\t")
    assert (key, json.loads(values)) == ("k", AS_YIELDED[kind])


@pytest.mark.parametrize("reduce", [Min(), Max(), First(), Top(2), Collect()])
def test_so_it_does_with_declarative_reducers(text: Path, reduce: Any) -> None:
    for kind in (ReusedList, ReusedInTuple):
        job = kind()
        job.reduce = reduce  # type: ignore[method-assign]
        (line,) = answer(job, text)
        values = [[word] if kind is ReusedList else (1, [word]) for word in LINES.split()]
        expected = reduce.sequential(values)
        assert line == f"k\t{__import__('json').dumps(expected, separators=(',', ':'))}"


@pytest.mark.parametrize(
    "kind", [Reused, ReusedList, NestedList, ReusedInTuple, ReusedObject, ByName, ListByName]
)
def test_so_it_does_when_it_is_written_as_it_is(text: Path, kind: type[Reused]) -> None:
    class MapOnly(kind):  # type: ignore[misc, valid-type]
        reduce = None

    class ByReduce(kind):  # type: ignore[misc, valid-type]
        def map(self, line: str) -> Pairs:
            yield line, 1

        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            for (_, value), _ in zip(kind.map(self, key), [1], strict=False):
                yield key, value

    assert len(set(answer(MapOnly(), text))) == 3
    assert len({line.split("\t")[1] for line in answer(ByReduce(), text)}) == 3


def test_so_it_does_from_one_step_of_a_pipeline_to_the_next(text: Path) -> None:
    class MapOnly(Reused):
        reduce: Any = None

    class Shown(Job):
        def map(self, pair: Any) -> Pairs:
            yield pair[1]["line"], 1

        reduce = Count()

    class Two(Pipeline):
        steps = (MapOnly, Shown)

    run_inline(Two(), list_inputs([str(text)], Job.input), str(text.parent / "inline"), 1)
    (data,) = output_of(text.parent / "inline").values()
    assert data == b"DE\t1\nFR\t1\nNL\t2\n"


def test_what_combine_yields_counts_as_it_was_too(text: Path) -> None:
    class Combined(Job):
        def setup(self) -> None:
            self.found: list[str] = []

        def map(self, line: str) -> Pairs:
            yield line[0], [line]
            yield line[0], [line.lower()]

        def combine(self, key: str, values: Iterator[Any]) -> Pairs:
            self.found[:] = [word for value in values for word in value]
            yield key, self.found

        def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
            yield key, [*values]

    assert answer(Combined(), text) == [
        'D\t[["DE","de"]]',
        'F\t[["FR","fr"]]',
        'N\t[["NL","nl","NL","nl"]]',
    ]


def test_what_is_looked_at_again_begins_anew(text: Path) -> None:
    class Counting(ChangesLater):
        def map(self, line: str) -> Pairs:
            self.count("lines")
            return super().map(line)

    run_as_tasks(Counting(), [text], text.parent / "tasks", 1)
    assert run_as_tasks(Counting(), [text], text.parent / "tasks2", 1) == (("lines", 4),)


class ParseError(Exception):
    def __init__(self, line: int, column: int) -> None:
        super().__init__(f"bad at {line}:{column}")


@pytest.mark.parametrize("reduce", [Collect(), First(), lambda key, values: [(key, [*values])]])
def test_a_value_that_does_not_survive_pickling_is_refused_by_map(text: Path, reduce: Any) -> None:
    for make in (lambda line: ("k", ParseError(1, 2)), lambda line: ("k", [ParseError(1, 2)])):
        told = refusal(mapped(make, reduce), text)
        kind = type(make("")[1]).__name__
        assert told.startswith(
            f"PickleError: a value of type {kind} does not survive pickling: TypeError: "
            "ParseError.__init__() missing 1 required positional argument: 'column' (under the"
        )
        assert told.endswith(f"(in map, {text}, line 1)")
    told = refusal(mapped(lambda line: ("k", (i for i in line)), reduce), text)
    assert re.match("PickleError: a value of type generator can't be kept: ", told)


OTHERS: list[Any] = [[1], {}, ([1],), (1, (2, {})), Point(1), bytearray()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((fixed, False) for fixed in (1, "a", None, 0.5, (1, ("a", b"")), Decimal(1), ())),
        *((other, True) for other in OTHERS),
    ],
)
def test_what_can_change(value: Any, expected: bool) -> None:
    assert can_change((value,)) is expected
    assert yielded.parts_can_change([("k", 1), ("k", value)]) is expected
    if not isinstance(value, Point):
        assert yielded.plain_copy(value) == (value,)


def test_a_pickle_error_is_of_its_own_kind() -> None:
    assert PickleError.kind == "PickleError"
