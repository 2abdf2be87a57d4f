"""One seed: the same query by zmr, in some format and some cuts, and by DuckDB."""

from __future__ import annotations

import csv
import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from support.inline import run_inline
from support.tasks import output_of, run_as_tasks

from zmr import Csv, InputFormat, Job, JsonLines, OutputFormat, Parquet
from zmr.engines.inputs import list_inputs

from .draw import TYPES, Query, Table, draw_query, draw_table

FORMATS = ("parquet", "csv", "json")
NULL = "\\N"  # in CSV; no drawn text is that


class Literals(OutputFormat):
    """Python literals, so that a value that comes back has its type."""

    def encode_pairs(self, pairs: Sequence[tuple[Any, Any]]) -> bytes:
        return b"".join(f"{pair!r}\n".encode() for pair in pairs)


class ByRows(Job):
    """The query, row by row."""

    output = Literals()
    _query: Query

    def map(self, row: dict[str, Any]) -> Iterable[tuple[Any, Any]]:
        query = self._query
        value = row[query.value]
        if value is None or (query.where and row[query.where[0]] != query.where[1]):
            return
        keys = tuple(_key(row[name], name in query.with_nulls) for name in query.keys)
        yield keys if len(keys) > 1 else keys[0], value


class ByBatches(Job):
    """The same, for many rows at once; of one key without nulls."""

    output = Literals()
    _query: Query

    def map_batch(self, batch: pa.RecordBatch) -> Any:
        query = self._query
        taken = pc.is_valid(batch[query.value])
        if query.where:
            name, value = query.where
            is_it = pc.equal(batch[name], pa.scalar(value, batch[name].type))
            taken = pc.and_(taken, pc.fill_null(is_it, False))
        return batch[query.keys[0]].filter(taken), batch[query.value].filter(taken)


def _key(value: Any, is_text: bool) -> Any:
    """Keys of a job are of one type: those of columns with nulls are made texts."""
    return repr(value) if is_text else value


def difference(seed: int, folder: Path) -> str:
    """Why the answers to the query of this seed differ; empty if they are the same."""
    rng = Random(f"query {seed}")
    form = rng.choice(FORMATS)
    table = draw_table(rng, [name for name in TYPES if form != "json" or name != "day"])
    if form == "csv":
        table = _without_null_texts(table)
    query = draw_query(rng, table)
    inputs = write(table, form, folder, rng)
    job = make_job(table, query, form, rng)
    n_reduce, split_bytes = rng.randint(1, 3), rng.choice([1 << 26, 500])
    if rng.random() < 0.5:
        run_as_tasks(job, inputs, folder / "tasks", n_reduce, split_bytes)
        found = answers(output_of(folder / "tasks" / "out").values())
    else:
        files = list_inputs(map(str, inputs), job.input)
        run_inline(job, files, str(folder / "inline"), n_reduce, split_bytes=split_bytes)
        found = answers(output_of(folder / "inline").values())
    expected = dict(by_duckdb(table, query))
    if _are_same(found, expected):
        return ""
    what, _ = query.sql("drawn")
    keys = found.keys() | expected.keys()
    key = next(key for key in keys if not _is_same(found.get(key), expected.get(key)))
    answered = f"of {key!r} zmr has {found.get(key)!r}, DuckDB {expected.get(key)!r}"
    return f"{form}, {type(job).__name__}: {what}: {answered}"


def _without_null_texts(table: Table) -> Table:
    """What CSV can say: a text is never None there."""
    rows = [
        {n: "" if v is None and "text" in table.kinds[n] else v for n, v in row.items()}
        for row in table.rows
    ]
    return Table(table.kinds, rows)


def write(table: Table, form: str, folder: Path, rng: Random) -> list[Path]:
    """Write the rows into one to three files, in their order."""
    cuts = sorted(rng.randint(0, len(table.rows)) for _ in range(rng.randint(0, 2)))
    paths = []
    for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(table.rows)], strict=True)):
        part = Table(table.kinds, table.rows[start:end])
        paths.append(folder / f"in-{number}.{form}")
        if form == "parquet":
            pq.write_table(part.to_arrow(), paths[-1], row_group_size=50)
        elif form == "csv":
            _write_csv(part, paths[-1])
        else:
            with open(paths[-1], "w", encoding="utf-8") as lines:
                for row in part.rows:
                    lines.write(json.dumps(row, default=str) + "\n")
    return paths


def _write_csv(table: Table, path: Path) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.kinds)
        for row in table.rows:
            writer.writerow([_csv_text(value) for value in row.values()])


def _csv_text(value: Any) -> str:
    if value is None:
        return NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


def make_job(table: Table, query: Query, form: str, rng: Random) -> Job:
    """Make the job, by rows or by batches."""
    by_batches = rng.random() < 0.5 and len(query.keys) == 1 and not query.with_nulls
    job: ByRows | ByBatches = ByBatches() if by_batches else ByRows()
    job._query, job.reduce = query, query.aggregate.reducer()
    job.input = _input(table, form)
    return job


def _input(table: Table, form: str) -> InputFormat:
    types = {field.name: field.type for field in table.schema}
    if form == "parquet":
        return Parquet()
    if form == "csv":
        return Csv(types=types, nulls=[NULL])
    return JsonLines(types=types)


def answers(files: Iterable[bytes]) -> dict[Any, Any]:
    """What zmr has put out."""
    found: dict[Any, Any] = {}
    for data in files:
        for line in data.decode().split("\n")[:-1]:
            key, value = eval(line, {"datetime": dt, "inf": math.inf, "nan": math.nan})
            assert key not in found, f"{key!r} comes twice"
            found[key] = value
    return found


def by_duckdb(table: Table, query: Query) -> Iterator[tuple[Any, Any]]:
    """The answers of DuckDB, of one thread, as the order of a list is that of the rows."""
    sql, given = query.sql("drawn")
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = ", ".join(f"{name} {TYPES[kind][1]}" for name, kind in table.kinds.items())
        connection.execute(f"CREATE TABLE drawn ({columns})")
        connection.register("rows", table.to_arrow())
        connection.execute("INSERT INTO drawn SELECT * FROM rows")
        for *keys, value in connection.execute(sql, given).fetchall():
            named = zip(query.keys, keys, strict=True)
            key = tuple(_key(value, name in query.with_nulls) for name, value in named)
            yield key if len(key) > 1 else key[0], value


def _are_same(found: dict[Any, Any], expected: dict[Any, Any]) -> bool:
    return found.keys() == expected.keys() and all(
        _is_same(found[key], expected[key]) for key in expected
    )


def _is_same(one: Any, other: Any) -> bool:
    """Whether it is the same, but for the last digits: DuckDB rounds at each addition."""
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None:
            return False
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)
    return type(one) is type(other) and bool(one == other)
