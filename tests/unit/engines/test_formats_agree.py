"""The engines agree on tables in any format, whole or damaged: in the answer, and in why not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks, run_pipeline_as_tasks

from zmr import (
    Collect,
    Count,
    Csv,
    Distinct,
    First,
    Identity,
    InputFormat,
    Job,
    JsonLines,
    Lines,
    Max,
    Mean,
    Min,
    Parquet,
    Sum,
)
from zmr.engines.inputs import list_inputs
from zmr.formats import BadRecord
from zmr.pipeline import Pipeline
from zmr.tasks import collect
from zmr.tasks.errors import TaskError, in_one_line

Row = dict[str, Any]
Pairs = Iterable[tuple[Any, Any]]

TEXTS = st.sampled_from(
    ["", "a", "b", "ab", "a\tb", 'say "a"', "x,y", "new\nline", "\r", "é␉", "Ａ"]
)
SMALL = st.integers(-3, 3)
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "text or none": TEXTS | st.none(),
    "int": SMALL,
    "int or none": SMALL | st.none(),
    "large int": SMALL | st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63)]),
    "fraction": st.sampled_from([0.5, -0.25, 0.0, -0.0, 1e300, 3.0]),
    "bool": st.booleans(),
}
REDUCERS: list[Any] = [
    *(Sum(), Count(), Mean(), First(), Collect(), Identity(), Min(), Max(), Distinct()),
    *("lists", None),
]


def csv_of(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["key", "n"])
    writer.writerows(row.values() for row in rows)
    return text.getvalue().encode()


def json_of(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet_of(rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    names = ("key", "n")
    table = pa.table({name: [row[name] for row in rows] for name in names})
    parquet.write_table(table, sink, row_group_size=3)
    return sink.getvalue()


def lines_of(rows: list[Row]) -> bytes:
    return "".join(f"{row['key']} {row['n']}\n" for row in rows).encode()


@dataclass(frozen=True)
class Written:
    """A format, and how rows are written in it."""

    suffix: str
    input: InputFormat
    bytes_of: Callable[[list[Row]], bytes]

    @property
    def is_compressible(self) -> bool:
        return self.bytes_of is not parquet_of


FORMATS = [
    Written("csv", Csv(), csv_of),
    Written("csv", Csv(types={"n": int}), csv_of),
    Written("csv", Csv(types={"n": float}), csv_of),
    Written("jsonl", JsonLines(), json_of),
    Written("parquet", Parquet(), parquet_of),
    Written("txt", Lines(), lines_of),
]
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
}


class Table(Job):
    def map(self, row: Any) -> Pairs:
        if isinstance(row, str):
            yield row, len(row)
        else:
            yield row["key"], row["n"]


class Lists(Table):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, [repr(value) for value in values]


class Batches(Job):
    def map_batch(self, batch: Any) -> Any:
        if isinstance(batch, pa.Array):
            return batch, pc.call_function("utf8_length", [batch])
        return batch.column("key"), batch.column("n")


class BatchLists(Batches):
    def reduce(self, key: Any, values: Iterator[Any]) -> Pairs:
        yield key, [repr(value) for value in values]


class Turned(Job):
    """The step after: values as texts, which count."""

    reduce = Count()

    def map(self, pair: Any) -> Pairs:
        key, value = pair
        yield repr(value), key


def job_of(written: Written, reduce: Any, in_batches: bool) -> Job:
    kinds = (BatchLists, Batches) if in_batches else (Lists, Table)
    job: Job = kinds[reduce != "lists"]()
    if reduce != "lists":
        job.reduce = reduce
    job.input = written.input
    return job


def outcome_of(run: Callable[[], Any]) -> Any:
    """Return what `run` does, or why it does not."""
    try:
        return run()
    except TaskError as failed:
        refusal, traceback = failed.message.rpartition(" (")[0], failed.traceback
    except (BadRecord, OSError) as error:
        refusal, traceback = error.zmr_reason, ""  # type: ignore[union-attr]
    except Exception as error:  # of the job's own code, or of what it has yielded
        refusal, traceback = in_one_line(error), ""
    return refusal, "zmr/" in traceback


def damaged(data: bytes, how: str, at: float) -> bytes:
    place = int(at * (len(data) - 1))
    if how == "cut":
        return data[:place]
    if how == "flipped" and data:
        return data[:place] + bytes([data[place] ^ 0x15]) + data[place + 1 :]
    return data + b"more\n" if how == "longer" else data


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_on_tables_in_any_format(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("agree")
    written = data.draw(st.sampled_from(FORMATS))
    key, n = (CELLS[data.draw(st.sampled_from(list(CELLS)))] for _ in "kn")
    tables = data.draw(
        st.lists(
            st.lists(st.fixed_dictionaries({"key": key, "n": n}), max_size=8),
            min_size=1,
            max_size=3,
        )
    )
    compressed = data.draw(st.sampled_from(list(COMPRESSED))) if written.is_compressible else ""
    how = data.draw(st.sampled_from(["whole", "whole", "cut", "flipped", "longer"]))
    at = data.draw(st.floats(0.0, 1.0))
    in_batches = data.draw(st.booleans())
    job = job_of(written, data.draw(st.sampled_from(REDUCERS)), in_batches)
    n_reduce = 0 if job.reduce is None else data.draw(st.integers(1, 3))
    goes_on = data.draw(st.booleans())
    # What a step puts out is cut by bytes in the inline engine, and between blocks elsewhere.
    split_bytes = 1 << 26 if goes_on else data.draw(st.sampled_from([1 << 26, 64]))

    inputs = []
    for number, rows in enumerate(tables):
        inputs.append(folder / f"in{number}.{written.suffix}{compressed}")
        whole = COMPRESSED[compressed](written.bytes_of(rows))
        inputs[-1].write_bytes(damaged(whole, how, at) if number == 0 else whole)
    pipeline = type("Drawn", (Pipeline,), {"steps": [job, Turned]})

    def inline() -> Any:
        found = list_inputs(map(str, inputs), job.input)
        whole = pipeline() if goes_on else job
        run_inline(whole, found, str(folder / "inline"), n_reduce, split_bytes=split_bytes)
        return output_of(folder / "inline")

    def tasks() -> Any:
        if goes_on:
            jobs = pipeline().jobs
            run_pipeline_as_tasks(jobs, inputs, folder / "tasks", n_reduce, split_bytes)
        else:
            run_as_tasks(job, inputs, folder / "tasks", n_reduce, split_bytes)
        return output_of(folder / "tasks" / "out")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collect, "_PAIRS_AT_ONCE", 3)
        outcomes = outcome_of(tasks), outcome_of(inline)
    n_rows = sum(map(len, tables))
    if (how != "whole" or n_rows > 1) and not any(isinstance(each, dict) for each in outcomes):
        # Of several reasons to refuse, each engine may find another one first.
        assert [is_ours for _, is_ours in outcomes] == [False, False]
        return
    assert outcomes[0] == outcomes[1]
