"""The engines agree on keys of every type, and in what they do with equal ones that differ."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.inline import run_inline
from support.keys import KEYS, OPAQUE_KEYS
from support.tasks import output_of, run_as_tasks

from zmr import Collect, Count, Identity, Job, JsonLines
from zmr.engines.inputs import list_inputs
from zmr.key_types import sortable
from zmr.partitioners import Range
from zmr.tasks import collect

Pairs = Iterable[tuple[Any, Any]]


class Indexed(Job):
    _keys: Sequence[Any] = ()

    def map(self, line: str) -> Pairs:
        yield self._keys[int(line)], line


class Listed(Indexed):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, [type(key).__name__, " ".join(values)]


class CombinedIndexed(Listed):
    def combine(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, " ".join(values)


@pytest.mark.parametrize("kind", [*KEYS, *OPAQUE_KEYS])
@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    reduce=st.sampled_from([Count(), Collect(), Identity(), Listed, CombinedIndexed]),
    n_files=st.integers(1, 3),
    n_reduce=st.integers(1, 3),
    is_range=st.booleans(),
)
def test_on_keys_of_every_type(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    data: st.DataObject,
    reduce: Any,
    n_files: int,
    n_reduce: int,
    is_range: bool,
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    keys = data.draw(st.lists((KEYS | OPAQUE_KEYS)[kind], min_size=1, max_size=30))
    inputs = [folder / f"in{number}" for number in range(n_files)]
    for number, path in enumerate(inputs):
        path.write_text("".join(f"{n}\n" for n in range(len(keys))[number::n_files]))
    job = reduce() if isinstance(reduce, type) else Indexed()
    job.reduce = job.reduce if isinstance(reduce, type) else reduce
    job._keys = keys
    if is_range:
        job.partition = Range(sorted(keys[: n_reduce - 1], key=sortable))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "_PAIRS_AT_ONCE", 3)
        run_as_tasks(job, inputs, folder / "tasks", n_reduce)
    run_inline(job, list_inputs(map(str, inputs), job.input), str(folder / "inline"), n_reduce)
    assert output_of(folder / "tasks" / "out") == output_of(folder / "inline")


HOURS = ["2020-01-01T05:00:00+01:00", "2020-01-01T04:00:00+00:00", "2020-01-01T06:00:00+02:00"]


def test_equal_keys_go_where_the_first_goes(tmp_path: Path) -> None:
    class ByHour(Job):
        reduce = Count()

        def map(self, line: str) -> Pairs:
            yield dt.datetime.fromisoformat(line), 1

        def partition(self, key: dt.datetime, n: int) -> int:
            return key.hour % n

    (tmp_path / "in").write_text("".join(f"{line}\n" for line in HOURS))
    job = ByHour()
    run_inline(job, list_inputs([str(tmp_path / "in")], job.input), str(tmp_path / "inline"), 2)
    run_as_tasks(job, [tmp_path / "in"], tmp_path / "tasks", 2)
    assert output_of(tmp_path / "inline")["mr-out-1"] == b"2020-01-01T05:00:00+01:00\t3\n"
    assert output_of(tmp_path / "tasks" / "out") == output_of(tmp_path / "inline")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.nulls(2, pa.string()), pa.array([1, 2])),
        (pa.array([]), pa.array(["a"])),
        (pa.array([], pa.list_(pa.int64())), pa.array(["a"])),
        ((pa.array([]), pa.array([])), (pa.array(["a"]), pa.array([1]))),
        (pa.chunked_array([], pa.null()), pa.nulls(1)),
    ],
)
def test_columns_of_nulls_or_of_nothing_are_of_any_type(
    tmp_path: Path, first: Any, second: Any
) -> None:
    class Batches(Job):
        reduce = Count()

        def map_batch(self, lines: Any) -> Any:
            keys = first if lines[0].as_py() == "first" else second
            return (keys, pa.array([1] * len(keys[0]))) if isinstance(keys, tuple) else keys

    inputs = [tmp_path / "in0", tmp_path / "in1"]
    inputs[0].write_text("first\n")
    inputs[1].write_text("second\n")
    job = Batches()
    run_inline(job, list_inputs(map(str, inputs), job.input), str(tmp_path / "inline"), 1)
    run_as_tasks(job, inputs, tmp_path / "tasks", 1)
    assert output_of(tmp_path / "tasks" / "out") == output_of(tmp_path / "inline")


def test_nulls_of_map_batch_are_the_key_none(tmp_path: Path) -> None:
    class Batches(Job):
        input = JsonLines()
        reduce = Count()

        def map_batch(self, batch: Any) -> Any:
            return batch.column("key"), batch.column("n")

    lines = [{"key": key, "n": 1} for key in ["a", None, "b", None]]
    inputs = [tmp_path / "in0", tmp_path / "in1"]  # in the second, all of them
    inputs[0].write_text("".join(json.dumps(line) + "\n" for line in lines))
    inputs[1].write_text('{"key": null, "n": 1}\n')
    job = Batches()
    run_inline(job, list_inputs(map(str, inputs), job.input), str(tmp_path / "inline"), 1)
    run_as_tasks(job, inputs, tmp_path / "tasks", 1)
    assert output_of(tmp_path / "inline") == {"mr-out-0": b"null\t3\na\t1\nb\t1\n"}
    assert output_of(tmp_path / "tasks" / "out") == output_of(tmp_path / "inline")
