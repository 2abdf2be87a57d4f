"""What is seen of the columns that map looks at: never too few."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from support.inline import run_inline
from support.reading import read
from support.tasks import output_of, run_as_tasks

from zmr import Job, Parquet, Sum
from zmr.engines.inputs import list_inputs
from zmr.messages import Split
from zmr.tasks.used_columns import input_of_map, used_columns

KEY = "a"


class Maps:
    """Methods, with what is seen of each."""

    def subscripts(self: Any, record: Any) -> Any:
        yield record["a"], record["b c"]

    def gets(self: Any, record: Any) -> Any:
        return [(record.get("a"), record.get("b", 0)), (record.get("c", "record"), 1)]

    def in_branches(self: Any, row: Any) -> Any:
        for part in row["a"].split():
            if part != row["b"]:
                yield part, (1 if row["c"] else row["d"])

    def of_another(self: Any, record: Any) -> Any:
        record_of = self.record
        yield record_of["x"], record["a"]

    def nothing(self: Any, record: Any) -> Any:
        yield 1, "record"


SEEN: list[tuple[Any, Any]] = [
    (Maps.subscripts, {"a", "b c"}),
    (Maps.gets, {"a", "b", "c"}),
    (Maps.in_branches, {"a", "b", "c", "d"}),
    (Maps.of_another, {"a"}),
    (Maps.nothing, set()),
]


@pytest.mark.parametrize(("method", "names"), SEEN)
def test_plain_uses_are_seen(method: Any, names: Any) -> None:
    assert used_columns(method) == names


class Others:
    """What may need any column."""

    def whole(self: Any, record: Any) -> Any:
        yield record["a"], record

    def passed_on(self: Any, record: Any) -> Any:
        yield record["a"], len(record)

    def by_a_name(self: Any, record: Any) -> Any:
        yield record[KEY], 1

    def computed(self: Any, record: Any) -> Any:
        yield record["a" + self.x], 1

    def got_computed(self: Any, record: Any) -> Any:
        yield record.get("a" + self.x), 1

    def got_of_two(self: Any, record: Any) -> Any:
        yield record.get(("a", self.x)), 1

    def got_by_default_computed(self: Any, record: Any) -> Any:
        yield record.get("a", "b" + self.x), 1

    def kept_get(self: Any, record: Any) -> Any:
        get = record.get
        yield get("a"), get("b")

    def contained(self: Any, record: Any) -> Any:
        yield "b" in record, record["a"]

    def walked(self: Any, record: Any) -> Any:
        for name in record:
            yield name, 1

    def unpacked(self: Any, record: Any) -> Any:
        yield from {**record}.items()

    def nested(self: Any, record: Any) -> Any:
        return [(name, 1) for name in (record[each] for each in "ab")]

    def in_a_function(self: Any, record: Any) -> Any:
        yield (lambda: record["a"])(), 1

    def assigned(self: Any, record: Any) -> Any:
        record["b"] = 1
        yield record["a"], 1

    def replaced(self: Any, record: Any) -> Any:
        record = dict(record)
        yield record["a"], 1

    def removed(self: Any, record: Any) -> Any:
        yield record.pop("a"), 1

    def by_locals(self: Any, record: Any) -> Any:
        yield locals()["record"]["a"], record["b"]

    def by_frame(self: Any, record: Any) -> Any:
        yield self.frame.f_locals["record"]["a"], record["b"]

    def two(self: Any, record: Any, more: int = 0) -> Any:
        yield record["a"], more

    def several(self: Any, *record: Any) -> Any:
        yield record["a"], 1  # type: ignore[call-overload]

    def matched(self: Any, record: Any) -> Any:
        match record:
            case {"a": key}:
                yield key, 1

    def chosen(self: Any, record: Any) -> Any:
        yield record["a" if self.x else "b"], 1


@pytest.mark.parametrize(
    "method", [each for name, each in vars(Others).items() if not name.startswith("_")]
)
def test_of_other_uses_nothing_is_known(method: Any) -> None:
    assert used_columns(method) is None


class Proxy:
    """Has the code of another function, as some decorators do."""

    __code__ = Maps.nothing.__code__

    def __call__(self, *args: Any) -> Any:
        return ()


class Static(Job):
    input = Parquet()

    @staticmethod
    def map(record: Any, weights: Any = {"a": 1}) -> Any:  # noqa: B006
        yield record["b"], weights["a"]


def test_what_is_no_function_of_python_is_not_looked_into() -> None:
    assert used_columns(len) is None
    assert used_columns(Proxy()) is None
    assert input_of_map(Static())._used is None  # type: ignore[attr-defined]
    assert input_of_map(SumOfKey())._used == {"key", "n"}  # type: ignore[attr-defined]


class Filtered(Parquet):
    """Looks at a column itself."""

    def read(self, split: Split, count: Any) -> Any:
        for records, size_bytes in super().read(split, count):
            yield [record for record in records if record["n"] > 0], size_bytes


def test_a_format_of_the_jobs_own_gets_all_columns() -> None:
    assert Filtered().only({"key"})._used is None


def table_of(n: int) -> pa.Table:
    moments = pa.array([1] * n, pa.timestamp("ns"))  # which no record can have
    return pa.table({"key": [f"k{i % 3}" for i in range(n)], "n": range(n), "t": moments})


def test_other_columns_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    parquet.write_table(table_of(2), path)
    found = read(Parquet().only({"n", "other"}), Split(str(path)))
    assert found.records == [{"n": 0}, {"n": 1}]
    found = read(Parquet(columns=["n", "key"]).only({"key"}), Split(str(path)))
    assert found.records == [{"key": "k0"}, {"key": "k1"}]
    assert read(Parquet().only(()), Split(str(path))).records == [{}, {}]


class SumOfKey(Job):
    input = Parquet()
    reduce = Sum()

    def map(self, row: dict[str, Any]) -> Any:
        yield row["key"], row["n"]


class Moments(SumOfKey):
    def map(self, row: dict[str, datetime]) -> Any:
        yield row["key"], len(row)


@pytest.mark.parametrize("job", [SumOfKey(), Moments()])
def test_engines_agree_on_what_is_read(tmp_path: Path, job: Job) -> None:
    path = tmp_path / "in.parquet"
    parquet.write_table(table_of(30), path)
    found = list_inputs([str(path)], job.input)
    if isinstance(job, Moments):
        with pytest.raises(Exception, match="nanosecond"):
            run_inline(job, found, str(tmp_path / "inline"), 1)
        with pytest.raises(Exception, match="nanosecond"):
            run_as_tasks(job, [path], tmp_path / "tasks", 1)
        return
    run_inline(job, found, str(tmp_path / "inline"), 1)
    run_as_tasks(job, [path], tmp_path / "tasks", 1)
    assert output_of(tmp_path / "inline") == output_of(tmp_path / "tasks" / "out")
    assert output_of(tmp_path / "inline")["mr-out-0"].startswith(b"k0\t135\n")
