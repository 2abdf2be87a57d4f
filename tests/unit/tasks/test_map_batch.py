"""Jobs that take Arrow data: what they may give, and that it comes to the same as pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from weakref import ref

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.inline import run_inline
from support.tasks import map_to_file, output_of, run_as_tasks

from zmr import (
    Collect,
    Count,
    Distinct,
    First,
    Job,
    Max,
    Mean,
    Min,
    Range,
    Reducer,
    Sum,
    Top,
)
from zmr.engines.inputs import list_inputs
from zmr.engines.sampling import sample_bounds
from zmr.formats.lines import Lines
from zmr.messages import FailureReason, Split, Task, TaskKind
from zmr.tasks.collect import collected
from zmr.tasks.errors import TaskError
from zmr.tasks.map_input import MapInput
from zmr.tasks.progress import TaskProgress

Give = Callable[[pa.Array], Any]


class Given(Job):
    """Lines of numbers; `give` makes keys and values of a batch of them."""

    def map_batch(self, lines: pa.Array) -> Any:
        return self.give(lines.cast(pa.int64()))  # type: ignore[attr-defined]


def given(give: Give, reduce: Any = Collect(), job_class: type[Job] = Given) -> Job:  # noqa: B008
    """Return the job with this `give`, which is no parameter, and this reduce."""
    job = job_class()
    job.give = give  # type: ignore[attr-defined]
    job.reduce = reduce
    return job


def texts(numbers: pa.Array) -> pa.Array:
    return pc.utf8_lpad(numbers.cast(pa.string()), 3, "0")


def days(numbers: pa.Array) -> pa.Array:
    return numbers.cast(pa.int32()).cast(pa.date32())


def moments(numbers: pa.Array) -> pa.Array:
    return numbers.cast(pa.timestamp("us"))


def mod(numbers: pa.Array, n: int) -> pa.Array:
    return pa.array(numbers.to_numpy() % n)


@pytest.fixture
def inputs(tmp_path: Path) -> list[Path]:
    """Return three files with the numbers up to 300, in no order."""
    numbers = np.random.default_rng(7).permutation(300)
    paths = [tmp_path / f"in{i}" for i in range(3)]
    for path, some in zip(paths, np.split(numbers, [50, 220]), strict=True):
        path.write_text("".join(f"{number}\n" for number in some))
    return paths


def both(job: Job, inputs: list[Path], folder: Path, n_reduce: int = 2) -> dict[str, bytes]:
    """Return the output of the job's tasks, checked to be that of the inline engine."""
    run_inline(job, list_inputs(map(str, inputs), job.input), str(folder / "inline"), n_reduce)
    for memory_bytes in (0, 1):
        out = folder / f"tasks{memory_bytes}"
        run_as_tasks(job, inputs, out, n_reduce, memory_bytes=memory_bytes)
        assert output_of(out / "out") == output_of(folder / "inline")
    return output_of(folder / "inline")


# --- what map_batch may give ---


@pytest.mark.parametrize(
    "give",
    [
        lambda n: (texts(n), n),
        lambda n: (texts(n).cast(pa.large_string()), n),
        lambda n: (texts(n).cast(pa.string_view()), n),
        lambda n: (texts(mod(n, 7)).dictionary_encode(), n),
        lambda n: (texts(n).cast(pa.binary()), n),
        lambda n: (texts(n).cast(pa.binary()).cast(pa.binary(3)), n),
        lambda n: (n, n),
        lambda n: (mod(n, 9).cast(pa.int8()), n.cast(pa.uint32())),
        lambda n: (mod(n, 9).cast(pa.float32()), n.cast(pa.float16())),
        lambda n: (pc.equal(mod(n, 3), 0), n),
        lambda n: (days(n), days(n)),
        lambda n: (n.cast(pa.int64()).cast(pa.timestamp("s")), moments(n)),
        lambda n: ((texts(mod(n, 9)), mod(n, 2).cast(pa.int16())), n),
        lambda n: ((n,), n),
        lambda n: (pa.chunked_array([n.slice(0, 3), n.slice(3)]), n),
        lambda n: pa.table({"value": n, "key": mod(n, 7)}),
        lambda n: pa.record_batch({"key": mod(n, 7), "value": texts(n)}),
        lambda n: pa.table({"key.1": n, "key.0": texts(mod(n, 7)), "value": n}),
        lambda n: (n.slice(5), n.slice(5)),
        lambda n: (n.slice(0, 0), n.slice(0, 0)),
        lambda n: None,
    ],
)
def test_keys_and_values_may_be_of_any_arrow_type(
    inputs: list[Path], tmp_path: Path, give: Give
) -> None:
    both(given(give), inputs, tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        lambda n: n.cast(pa.decimal128(21, 2)),
        lambda n: pa.array([[i, i + 1] for i in n.to_pylist()]),
        lambda n: pa.array([{"a": i} for i in n.to_pylist()]),
        lambda n: pa.array([None if i % 3 else i for i in n.to_pylist()], pa.int64()),
        lambda n: pa.array([2**64 - 1 - i for i in n.to_pylist()], pa.uint64()),
        lambda n: pa.nulls(len(n)),
        # Not of the same type in all batches
        lambda n: n if len(n) > 100 else texts(n),
        lambda n: n if len(n) > 100 else pa.nulls(len(n)),
    ],
)
@pytest.mark.parametrize("reduce", [Collect(), None], ids=["Collect", "reduce"])
def test_values_may_be_whatever_arrow_can_hold(
    inputs: list[Path], tmp_path: Path, values: Give, reduce: Any
) -> None:
    def in_python(key: str, values: Iterator[Any]) -> Iterator[tuple[str, Any]]:
        for value in values:
            yield key, value

    both(given(lambda n: (texts(mod(n, 7)), values(n)), reduce or in_python), inputs, tmp_path)


def test_counting_takes_keys_alone(inputs: list[Path], tmp_path: Path) -> None:
    for number, give in enumerate[Give](
        [
            lambda n: texts(mod(n, 7)),
            lambda n: pa.table({"key": mod(n, 7)}),
            lambda n: ((texts(mod(n, 7)), mod(n, 2)), None),
        ]
    ):
        found = both(given(give, Count()), inputs, tmp_path / str(number))
        assert (
            sum(int(line.split(b"\t")[1]) for file in found.values() for line in file.splitlines())
            == 300
        )


@pytest.mark.parametrize(
    "reducer",
    [Sum(), Count(), Mean(), Min(), Max(), First(), Top(3), Distinct(), Collect()],
    ids=repr,
)
@pytest.mark.parametrize(
    "values",
    [
        lambda n: n,
        lambda n: pc.multiply(n.cast(pa.float64()), 0.1),
        lambda n: pc.if_else(pc.equal(mod(n, 5), 0), float("nan"), n.cast(pa.float64())),
        lambda n: pc.multiply(n, 2**54 + 1),
    ],
)
def test_every_reducer_gives_the_sequential_answer(
    inputs: list[Path], tmp_path: Path, reducer: Reducer, values: Give
) -> None:
    both(given(lambda n: (texts(mod(n, 11)), values(n)), reducer), inputs, tmp_path)


def test_without_reduce_rows_are_put_out_as_they_come(inputs: list[Path], tmp_path: Path) -> None:
    job = given(lambda n: (texts(n), n), None)
    run_inline(job, list_inputs(map(str, inputs), job.input), str(tmp_path / "inline"), 0)
    run_as_tasks(job, inputs, tmp_path, 0)
    found = output_of(tmp_path / "out")
    assert found == output_of(tmp_path / "inline")
    assert len(found) == len(inputs)
    assert len(b"".join(found.values()).splitlines()) == 300


def test_where_there_is_a_map_as_well_the_inline_engine_takes_that(
    inputs: list[Path], tmp_path: Path
) -> None:
    class Both(Given):
        def map(self, line: str) -> Iterator[tuple[str, int]]:
            yield "map", 1

    job = given(lambda n: (pa.repeat("map_batch", len(n)), n), Count(), Both)
    run_inline(job, list_inputs(map(str, inputs), job.input), str(tmp_path / "inline"), 1)
    run_as_tasks(job, inputs, tmp_path, 1)
    assert output_of(tmp_path / "inline") == {"mr-out-0": b"map\t300\n"}
    assert output_of(tmp_path / "out") == {"mr-out-0": b"map_batch\t300\n"}


def test_keys_that_map_batch_makes_can_be_sampled_for_ranges(inputs: list[Path]) -> None:
    class Ranged(Given):
        partition = Range()

    job = given(lambda n: (n, n), job_class=Ranged)
    low, high = sample_bounds(job, list_inputs(map(str, inputs), job.input), 3)
    assert 80 < low < 120 < 180 < high < 220


# --- what it may not ---


@pytest.mark.parametrize(
    ("give", "reduce", "reason"),
    [
        (
            lambda n: (pa.array([[1]] * len(n)), n),
            Sum(),
            "TypeError: .* keys of type list<",
        ),
        (lambda n: (pa.repeat(0.0, 2), n), Sum(), "TypeError: .* different lengths: "),
        (lambda n: (pa.repeat(float("nan"), len(n)), n), Sum(), "TypeError: NaN can't be a key"),
        (
            lambda n: (n.cast(pa.timestamp("us", tz="UTC")), n),
            Sum(),
            "TypeError: map_batch gave keys of type timestamp",
        ),
        (lambda n: n, Sum(), r"TypeError: .* keys alone, which is only enough for Count\(\)"),
        (lambda n: n, None, r"TypeError: .* keys alone, which is only enough for Count\(\)"),
        (lambda n: n.to_pylist(), Count(), "TypeError: .* must give Arrow arrays, not list"),
        (lambda n: (n, n, n), Count(), "TypeError: .* not a tuple of 3"),
        (lambda n: pa.table({"a": n}), Count(), 'TypeError: the columns of a table .*"key"'),
        (lambda n: 1 // 0, Count(), "ZeroDivisionError: "),
    ],
)
def test_what_is_wrong_is_told_with_the_input(
    inputs: list[Path], tmp_path: Path, give: Give, reduce: Any, reason: str
) -> None:
    splits = (Split(str(inputs[1])),)
    for n_reduce in (1, 0):
        task = Task("j1", TaskKind.MAP, 0, 1, n_reduce, str(tmp_path / "out"), splits)
        with pytest.raises(TaskError, match=reason) as error:
            map_to_file(given(give, reduce), task, tmp_path)
        assert error.value.reason is FailureReason.USER_ERROR
        told = f"(in map_batch, {inputs[1]}, the batch from line 1 on)"
        assert error.value.message.endswith(told)
        if reduce is not None:
            return


def test_keys_of_two_types_are_refused(inputs: list[Path], tmp_path: Path) -> None:
    job = given(lambda n: (n if len(n) > 100 else texts(n), n))
    with pytest.raises(TaskError, match="map 0 put out str and map 1 int"):
        run_as_tasks(job, inputs, tmp_path, 1)


def test_values_that_a_reducer_does_not_take_are_told(inputs: list[Path], tmp_path: Path) -> None:
    job = given(lambda n: (n, texts(n)), Sum())
    with pytest.raises(
        TaskError, match=r"Sum adds int, float and Decimal values, not str: '\d+' \(in map"
    ):
        run_as_tasks(job, inputs, tmp_path, 1)


def test_dates_look_the_same_whichever_way_they_came(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("1\n2\n")

    class Dates(Job):
        def map(self, line: str) -> Iterator[tuple[date, datetime]]:
            yield date(1970, 1, 1 + int(line)), datetime(1970, 1, 1, microsecond=int(line))

        reduce = First()

    run_as_tasks(Dates(), [tmp_path / "in"], tmp_path / "records", 1)
    job = given(lambda n: (days(n), moments(n)), First())
    run_as_tasks(job, [tmp_path / "in"], tmp_path / "batches", 1)
    assert output_of(tmp_path / "records/out") == output_of(tmp_path / "batches/out")


def test_what_map_batch_gave_is_not_held_when_it_is_passed_on(inputs: list[Path]) -> None:
    job = given(lambda numbers: (texts(numbers), numbers))
    splits = [Split(str(path)) for path in inputs]
    source = MapInput(Lines(), splits, lambda name, n: None, TaskProgress())
    for batch, _ in collected(job, source, 1 << 20):
        made = ref(batch)
        del batch
        assert made() is None
