"""The engines agree on any job: in the answer to the byte, and in why they refuse it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_jobs import (
    ODD,
    PARTS,
    READS,
    REDUCERS,
    SORTS,
    UTC_DAY,
    WORDS,
    Pairs,
    drawn_job,
)
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks, run_files_as_tasks, types_of

from zmr import (
    Collect,
    Count,
    Csv,
    Distinct,
    Job,
    JsonLines,
    Lines,
    Max,
    Min,
    Parquet,
    Top,
)
from zmr.engines.inputs import list_inputs
from zmr.errors import YieldError
from zmr.formats import BadRecord
from zmr.tasks import collect
from zmr.tasks.errors import TaskError, in_one_line


def outcome_of(run: Any) -> Any:
    """Return what `run` does, or why it does not: the error, without the place."""
    try:
        return run()
    except TaskError as failed:
        refusal, traceback = failed.message.rpartition(" (in ")[0], failed.traceback
    except YieldError as error:
        refusal, traceback = in_one_line(error), ""
    # Of several values that do not compare, and maps whose keys differ, each engine names two.
    for phrase in (" compare with one another", "of one type", "a set can hold"):
        refusal = refusal[: refusal.find(phrase) + len(phrase)] if phrase in refusal else refusal
    return refusal, "zmr/" in traceback


@settings(max_examples=120, deadline=None)
@given(
    files=st.lists(
        st.lists(st.lists(st.sampled_from(WORDS), max_size=4), max_size=5), min_size=1, max_size=3
    ),
    key=st.sampled_from([name for name in PARTS if name not in ("list", "dict")]),
    value=st.sampled_from([*PARTS, "same", "source"]),
    reduce=st.sampled_from(REDUCERS),
    combines=st.booleans(),
    finishes=st.booleans(),
    reads=st.sampled_from(list(READS)),
    sorts=st.sampled_from(list(SORTS)),
    split_bytes=st.sampled_from([1 << 26, 9]),
    n_reduce=st.integers(1, 3),
)
def test_in_answers_and_in_refusals(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[list[str]]],
    key: str,
    value: str,
    reduce: Any,
    combines: bool,
    finishes: bool,
    reads: str,
    sorts: str,
    split_bytes: int,
    n_reduce: int,
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    inputs = []
    for number, lines in enumerate(files):
        inputs.append(folder / f"in{number}")
        inputs[-1].write_text("".join(" ".join(line) + "\n" for line in lines))
    job = drawn_job(key, value, reduce, combines, finishes, reads, sorts)
    n = 0 if reduce is None else n_reduce

    found = list_inputs(map(str, inputs), job.input)
    if reads == "two inputs":
        found = tuple(replace(file, input=int(n > 0)) for n, file in enumerate(found))

    def inline() -> Any:
        run_inline(job, found, str(folder / "inline"), n, split_bytes=split_bytes)
        return output_of(folder / "inline") | {"types": types_of(folder / "inline")}

    def tasks() -> Any:
        run_files_as_tasks(job, found, folder / "tasks", n, split_bytes)
        return output_of(folder / "tasks/out") | {"types": types_of(folder / "tasks/out")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "_PAIRS_AT_ONCE", 3)
        outcomes = outcome_of(tasks), outcome_of(inline)
    odd = {word for lines in files for line in lines for word in line if word not in ("a", "b")}
    reasons = len(odd) + (key in ("either", "decimal")) + (sorts == "yes")
    if reasons > 1 and not any(isinstance(outcome, dict) for outcome in outcomes):
        return  # of several reasons to refuse, each engine finds another one first
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize(
    "keys",
    [
        pa.array([2**64 - 1], pa.uint64()),
        pa.array([UTC_DAY], pa.timestamp("us", "UTC")),
        pa.array([1], pa.timestamp("ns")),
        pa.array([0.5, float("nan")]),
        pa.array([[1]]),
        [1],
    ],
)
def test_on_keys_of_map_batch(tmp_path: Path, keys: Any) -> None:
    class Batches(Job):
        reduce = Count()

        def map_batch(self, batch: Any) -> Any:
            return keys

    (tmp_path / "in").write_text("x\n")
    job, text = Batches(), tmp_path / "in"
    with pytest.raises(YieldError) as inline:
        run_inline(job, list_inputs([str(text)], job.input), str(tmp_path / "inline"), 1)
    with pytest.raises(TaskError) as tasks:
        run_as_tasks(job, [text], tmp_path / "tasks", 1)
    place = inline.value.zmr_place  # type: ignore[attr-defined]
    assert tasks.value.message == f"{in_one_line(inline.value)} ({place})"
    assert tasks.value.traceback == ""


@pytest.mark.parametrize(
    ("word", "plain", "text"),
    [
        ("numpy", 5, b"5"),
        ("numpy-half", 0.5, b"0.5"),
        ("numpy-text", "a", b"a"),
        ("numpy-true", True, b"true"),
        ("derived", "a", b"a"),
        ("member", 1, b"1"),
        ("place", ("a", 1), b'["a",1]'),
    ],
)
@pytest.mark.parametrize("reduce", [Count(), Collect(), "lists"])
def test_a_key_of_a_derived_type_is_the_plain_key_that_it_is(
    tmp_path: Path, word: str, plain: Any, text: bytes, reduce: Any
) -> None:
    class Both(Job):
        def map(self, line: str) -> Pairs:
            yield (plain if line == "plain" else ODD[line]), line

    class Types(Both):
        def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
            parts = key if type(key) is tuple else (key,)
            yield key, [*(type(part).__name__ for part in parts), *values]

    job = Types() if reduce == "lists" else Both()
    if reduce != "lists":
        job.reduce = reduce
    lines = ["plain", word, word, "plain"]
    (tmp_path / "in").write_text("".join(f"{line}\n" for line in lines))
    found = list_inputs([str(tmp_path / "in")], job.input)
    run_inline(job, found, str(tmp_path / "inline"), 1)
    run_as_tasks(job, [tmp_path / "in"], tmp_path / "tasks", 1)

    parts = plain if type(plain) is tuple else (plain,)
    listed = [*(type(part).__name__ for part in parts), *lines] if reduce == "lists" else lines
    value = (
        b"4" if isinstance(reduce, Count) else json.dumps(listed, separators=(",", ":")).encode()
    )
    assert output_of(tmp_path / "tasks" / "out") == {"mr-out-0": text + b"\t" + value + b"\n"}
    assert output_of(tmp_path / "inline") == output_of(tmp_path / "tasks" / "out")


class Evaluated(Job):
    def map(self, line: str) -> Pairs:
        key, value = line.split()
        yield key, ODD.get(value, value)


@pytest.mark.parametrize("reduce", [Min(), Max(), Top(2), Distinct()])
@pytest.mark.parametrize("odd", ["none", "list"])
@pytest.mark.parametrize("n_files", [1, 2])
def test_values_that_a_reducer_does_not_take_are_named_by_their_key(
    tmp_path: Path, reduce: Any, odd: str, n_files: int
) -> None:
    job = Evaluated()
    job.reduce = reduce
    lines = ["a int", "b int", f"b {odd}", "c int"]
    files = [lines] if n_files == 1 else [lines[:2], lines[2:]]
    inputs = [tmp_path / f"in{number}" for number in range(n_files)]
    for path, its_lines in zip(inputs, files, strict=True):
        path.write_text("".join(f"{line}\n" for line in its_lines))
    with pytest.raises(YieldError) as inline:
        run_inline(job, list_inputs(map(str, inputs), job.input), str(tmp_path / "inline"), 1)
    with pytest.raises(TaskError) as tasks:
        run_as_tasks(job, inputs, tmp_path / "tasks", 1)
    assert inline.value.zmr_place == "in reduce, key 'b'"  # type: ignore[attr-defined]
    is_of_map = n_files == 1 or (isinstance(reduce, Distinct) and odd == "list")
    place = rf"in map, \S*/in{n_files - 1}, line \d( or before)?" if is_of_map else "in reduce"
    assert re.search(rf" \({place}, key 'b'\)$", tasks.value.message), tasks.value.message


def test_values_that_do_not_compare_are_named_by_their_key_after_a_pass_of_merging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Evaluated()
    job.reduce = Top(2)
    inputs = [tmp_path / f"in{number}" for number in range(4)]
    for path, value in zip(inputs, ("int", "none", "int", "int"), strict=True):
        path.write_text(f"b {value}\n")
    monkeypatch.setattr("zmr.tasks.reduce_task.fan_in", lambda *_: 2)
    with pytest.raises(TaskError, match=r"compare with one another.* \(in reduce, key 'b'\)"):
        run_as_tasks(job, inputs, tmp_path / "tasks", 1)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def zstd_with_a_long_window() -> bytes:
    # A frame whose window descriptor (RFC 8878) says 256 MiB, of one raw block.
    return bytes([0x28, 0xB5, 0x2F, 0xFD, 0, 0x90, 0x21, 0, 0]) + b"abc\n"


NUMBERS = "id,n\n" + "".join(f"{n},{n}\n" for n in range(100_000)) + "x,oops\n"


@pytest.mark.parametrize(
    ("name", "data", "input_format", "told"),
    [
        (
            "a.gz",
            cut(gzip.compress(b"a b\n" * 99, mtime=0)),
            Lines(),
            "gzip data is damaged or cut off",
        ),
        ("a.bz2", cut(bz2.compress(b"a b\n" * 99)), Lines(), "bzip2 data is damaged or cut off"),
        ("a.xz", cut(lzma.compress(b"a b\n" * 99)), Lines(), "xz data is damaged or cut off"),
        ("a.zst", zstd_with_a_long_window(), Lines(), r"window of more than 128 MiB \(256 MiB\)"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', JsonLines(), "line 2"),
        ("a.csv", NUMBERS.encode(), Csv(types={"n": int}), "column 'n': .*'oops'.*, line 100002"),
        ("a.parquet", b"PAR1 and no more", Parquet(), "a.parquet"),
    ],
)
def test_on_what_can_not_be_read(
    tmp_path: Path, name: str, data: bytes, input_format: Any, told: str
) -> None:
    class Reads(Job):
        input = input_format
        reduce = Count()

        def map(self, record: Any) -> Pairs:
            yield str(record), 1

    job, path = Reads(), tmp_path / name
    path.write_bytes(data)
    with pytest.raises((BadRecord, OSError)) as inline:
        run_inline(job, list_inputs([str(path)], job.input), str(tmp_path / "inline"), 1)
    with pytest.raises(TaskError, match=told) as tasks:
        run_as_tasks(job, [path], tmp_path / "tasks", 1)
    error: Any = inline.value
    assert tasks.value.message == f"{error.zmr_reason} ({error.zmr_place})"
    assert tasks.value.traceback == ""
