from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import write_corpus
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks, run_pipeline_as_tasks

from zmr import Count, Identity, Job, Pipeline, Sum, find_job, read
from zmr.engines.inputs import list_inputs
from zmr.errors import YieldError
from zmr.formats import INVALID_UTF8
from zmr.messages import Counters
from zmr.tasks.errors import TaskError

Pairs = Iterable[tuple[Any, Any]]

ODD_FILES = {
    "empty": b"",
    "blank": b"\n\n\n",
    "crlf": b"one two\r\none\r\n",
    "no end": b"last word",
    "broken": b"caf\xe9 \xff\xff na\xc3\xafve\n",
    "unicode": "naïve 語 語 🙂 ßtraße\u2028x\x85y\n".encode(),
    "signs": b'"quoted";semi,comma\\n \\ \x00 a\x0bb\n',
    "pictures": "a␉b ␛ ␊\n".encode(),
}


class Fields(Job):
    """Keys with every character that could break a line of the output; mixed values."""

    def map(self, line: str) -> Iterator[tuple[str, Any]]:
        self.count("lines")
        yield line.replace(" ", "\t").replace("o", "\r\n"), (line, len(line), None)
        yield "all", line

    def combine(self, key: str, values: Iterator[Any]) -> Pairs:
        for value in values:
            yield key, value

    def reduce(self, key: str, values: Iterator[Any]) -> Pairs:
        for number, value in enumerate(values):
            yield f"{key}:{number}", value


class Averages(Job):
    """Tuples as keys, and floats whose sum depends on the order for whoever is careless."""

    def map(self, line: str) -> Iterator[tuple[tuple[str, int], float]]:
        for place, word in enumerate(line.split()):
            yield (word[:1], place % 3), len(line) * 0.1 + 1e16 * (place % 2)

    reduce = Sum()


class Spelled(Job):
    """A declarative reducer in plain methods; the partition by the first letter."""

    def map(self, line: str) -> Pairs:
        return [(word, 1) for word in line.split()]

    def combine(self, key: str, values: Iterator[int]) -> Pairs:
        yield key, sum(values)

    def reduce(self, key: str, values: Iterator[int]) -> Pairs:
        yield key, sum(values)

    def partition(self, key: str, n: int) -> int:
        return ord(key[0]) % n


class Lengths(Job):
    def map(self, line: str) -> Iterator[tuple[int, str]]:
        yield len(line), line

    reduce = Count()


class Upper(Job):
    def map(self, line: str) -> Pairs | None:
        return [(line.upper(), len(line))] if line else None


def odd_files(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in ODD_FILES.items():
        (folder / name).write_bytes(data)
    return folder


def run_both(
    job: Job, inputs: list[Path], folder: Path, n_reduce: int, split_bytes: int = 1 << 26
) -> tuple[Counters, Counters]:
    """Run the job inline, into "inline", and as tasks, into "out"."""
    files = list_inputs(map(str, inputs))
    inline = run_inline(job, files, str(folder / "inline"), n_reduce)
    return inline.counters, run_as_tasks(job, inputs, folder, n_reduce, split_bytes)


class Tasks(Job):
    """Shows the map tasks: a value of the output is a list for each, of the lines that it had."""

    def map(self, line: str) -> Pairs:
        return [("all", [line]), (line[:2], [line])]

    def combine(self, key: str, values: Iterator[list[str]]) -> Pairs:
        self.count("combine calls")
        yield key, [line for lines in values for line in lines]

    def reduce(self, key: str, values: Iterator[list[str]]) -> Pairs:
        yield key, list(values)


class TasksOfPairs(Tasks):
    """The same of a later step of a pipeline."""

    def map(self, pair: Any) -> Pairs:
        return super().map(repr(pair))


class Echo(Job):
    """Puts out the lines, each twice, spread over the partitions."""

    def map(self, line: str) -> Pairs:
        return [(line, 1), (line, 2)]

    reduce = Identity()


def shown_tasks(folder: Path) -> list[tuple[str, str]]:
    """Return what `Tasks` has shown: a key, and as JSON the lines of each map task that had it."""
    return sorted(read(folder), key=lambda pair: pair[0] != "all")


JOBS = [
    find_job("wordcount").create([]),
    find_job("grep").create([("pattern", "[aeo]")]),
    find_job("index").create([]),
    Fields(),
    Averages(),
    Spelled(),
    Lengths(),
]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
@pytest.mark.parametrize("n_reduce", [1, 3])
def test_tasks_give_the_sequential_answer_to_the_byte(
    tmp_path: Path, job: Job, n_reduce: int
) -> None:
    inputs = [odd_files(tmp_path / "odd"), write_corpus(tmp_path / "corpus", lines=30)]
    for split_bytes in (1 << 26, 100):
        folder = tmp_path / str(split_bytes)
        expected, counters = run_both(job, inputs, folder, n_reduce, split_bytes)
        assert output_of(folder / "out") == output_of(folder / "inline")
        assert len(output_of(folder / "out")) == n_reduce
        assert counters == expected


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=40), max_size=3), st.integers(1, 30))
def test_any_bytes_anywhere_cut_give_the_sequential_answer(
    tmp_path_factory: pytest.TempPathFactory, files: list[bytes], split_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for number, data in enumerate(files):
        # What a file begins with can show that it is no text, so it is a letter.
        (folder / f"in{number}").write_bytes(data and b"a" + data)
    inputs = [folder / f"in{number}" for number in range(len(files))]
    expected, counters = run_both(Fields(), inputs, folder, 2, split_bytes)
    assert output_of(folder / "out") == output_of(folder / "inline")
    assert counters == expected


def test_a_map_only_job_puts_out_in_the_order_of_the_input(tmp_path: Path) -> None:
    run_both(Upper(), [odd_files(tmp_path / "odd")], tmp_path, 0)
    inline, out = output_of(tmp_path / "inline"), output_of(tmp_path / "out")
    assert out == inline
    assert len(inline) == len(ODD_FILES)
    whole = b"".join(inline[f"mr-out-{i}"] for i in range(len(inline)))
    assert "ßTRASSE".encode() not in whole
    assert b"LAST WORD\t9\n" in whole


def test_without_partitions_any_job_is_map_only(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("b a\nb\n")
    run_both(Spelled(), [tmp_path / "in"], tmp_path, 0)
    expected = {"mr-out-0": b"b\t1\na\t1\nb\t1\n"}
    assert output_of(tmp_path / "out") == output_of(tmp_path / "inline") == expected


def test_the_map_tasks_are_those_of_the_other_engines(tmp_path: Path) -> None:
    # Given a file that is cut, and so many small ones that they share tasks
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "0").write_text("".join(f"aa line {i:02}\n" * 2 for i in range(60)))
    for number in range(150):
        (folder / f"small{number:03}").write_text(f"bb of {number}\nbb again\n")
    files = list_inputs([str(folder)], Tasks.input)

    # When it is run inline and as tasks, by one plan
    inline = run_inline(Tasks(), files, str(tmp_path / "inline"), 2, split_bytes=400)
    counters = run_as_tasks(Tasks(), [folder], tmp_path, 2, split_bytes=400)

    # Then each map task had the same lines, and combined each of its keys once
    assert output_of(tmp_path / "out") == output_of(tmp_path / "inline")
    assert counters == inline.counters
    n_tasks = [len(json.loads(lists)) for _, lists in shown_tasks(tmp_path / "inline")]
    assert n_tasks == [4 + 50, 4, 50]  # all, aa, bb
    assert inline.counters == (("combine calls", 2 * (4 + 50)),)


def test_the_map_tasks_of_a_later_step_are_those_of_the_other_engines(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("".join(f"{i:03}\n" for i in range(100)))
    pipeline = type("Tested", (Pipeline,), {"steps": [Echo, TasksOfPairs]})()
    files = list_inputs([str(tmp_path / "in")], Echo.input)
    inline = run_inline(pipeline, files, str(tmp_path / "inline"), 3)
    counters = run_pipeline_as_tasks(
        pipeline.jobs, [tmp_path / "in"], tmp_path / "tasks", 3, split_bytes=1 << 26
    )
    assert output_of(tmp_path / "tasks" / "out") == output_of(tmp_path / "inline")
    assert counters == inline.counters == (("combine calls", 2 * 3),)


def test_a_large_partition_is_several_tasks_of_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("".join(f"{i:03}\n" for i in range(100)))
    pipeline = type("Tested", (Pipeline,), {"steps": [Echo, TasksOfPairs]})()
    files = list_inputs([str(tmp_path / "in")], Echo.input)
    run_inline(pipeline, files, str(tmp_path / "inline"), 1, split_bytes=1000)
    (lists,) = [lists for key, lists in shown_tasks(tmp_path / "inline") if key == "all"]
    tasks = json.loads(lists)
    assert len(tasks) > 3
    assert [pair for task in tasks for pair in task] == [
        repr((f"{i:03}", n)) for i in range(100) for n in (1, 2)
    ]


def test_what_combine_may_not_give_is_refused_as_elsewhere(tmp_path: Path) -> None:
    class Other(Spelled):
        def combine(self, key: str, values: Iterator[int]) -> Pairs:
            yield key + "x", sum(values)

    class NoPair(Spelled):
        def combine(self, key: str, values: Iterator[int]) -> Any:
            yield 1

    (tmp_path / "in").write_text("a a\n")
    for job, told in ((Other(), "combine gave another key, 'ax'"), (NoPair(), "key, value")):
        with pytest.raises(YieldError, match=told):
            run_inline(job, list_inputs([str(tmp_path / "in")]), str(tmp_path / "out"), 1)
        with pytest.raises(TaskError, match=told):
            run_as_tasks(job, [tmp_path / "in"], tmp_path, 1)


def test_words_are_counted_as_a_plain_counter_counts_them(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    job = find_job("wordcount").create([])
    result = run_inline(job, list_inputs([str(corpus)]), str(tmp_path / "out"), 3)
    words: Counter[str] = Counter()
    for path in corpus.iterdir():
        words.update(path.read_text().split())
    assert dict(read(tmp_path / "out")) == words
    assert (result.totals.records_in, result.totals.records_out) == (1000, len(words))
    assert result.totals.bytes_in == sum(path.stat().st_size for path in corpus.iterdir())


def test_the_manifest_tells_of_files_and_counters(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"a \xff\n")
    job = find_job("wordcount").create([])
    result = run_inline(job, list_inputs([str(tmp_path / "in")]), str(tmp_path / "out"), 2)
    manifest = json.loads((tmp_path / "out/_SUCCESS").read_text())
    assert manifest["job"] == "WordCount"
    assert manifest["counters"] == {INVALID_UTF8: 1}
    assert [file["name"] for file in manifest["files"]] == ["mr-out-0", "mr-out-1"]
    assert [file["checksum"] for file in manifest["files"]] == [f.checksum for f in result.files]


def test_the_users_own_exception_comes_through(tmp_path: Path) -> None:
    class Failing(Upper):
        def map(self, line: str) -> Pairs | None:
            raise LookupError(line)

    (tmp_path / "in").write_text("x")
    with pytest.raises(LookupError, match="x") as error:
        run_inline(Failing(), list_inputs([str(tmp_path / "in")]), str(tmp_path / "out"), 0)
    assert type(error.value) is LookupError
    assert not (tmp_path / "out/_SUCCESS").exists()
