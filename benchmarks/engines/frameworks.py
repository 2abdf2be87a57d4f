"""DuckDB, PySpark, Dask and Ray Data, each in an environment of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.engine import Command, Engine, MakeCommand, NotAvailable, Run
from benchmarks.environments import pinned_version, python_of
from benchmarks.machine import memory_bytes
from benchmarks.places import BENCHMARKS

Program = Callable[[Path], tuple[str, ...]]


def _in_environment(name: str) -> Program:
    return lambda envs: (str(python_of(name, envs)),)


def _with_java(envs: Path) -> tuple[str, ...]:
    if shutil.which("java") is None:
        raise NotAvailable("there is no java here")
    return _in_environment("pyspark")(envs)


def _script(engine: str, work: str, run: Run, *more: str) -> Command:
    """`python with_ENGINE.py WORK DATA OUTPUT SLOTS ...`; for no-ops, DATA is how many."""
    source = str(run.amount if work.startswith("noop") else run.data)
    path = str(BENCHMARKS / "peers" / f"with_{engine}.py")
    return Command((*run.program, path, work, source, str(run.output), str(run.slots), *more))


def _duckdb(work: str) -> MakeCommand:
    def make(run: Run) -> Command:
        # DuckDB has one budget for all of its threads.
        memory = [f"{run.slots * run.memory_mib}MiB"] if run.memory_mib else []
        return _script("duckdb", work, run, str(run.temporary), *memory)

    return make


def _pyspark(work: str) -> MakeCommand:
    heap = f"{min(8192, memory_bytes() // 4 // 1024 // 1024)}m"
    return lambda run: _script("pyspark", work, run, str(run.temporary), heap)


def _dask(work: str) -> MakeCommand:
    return lambda run: _script("dask", work, run, str(run.temporary))


def _ray(work: str) -> MakeCommand:
    return lambda run: _script("ray", work, run)


def _engine(
    name: str, title: str, program: Program, package: str, commands: dict[str, MakeCommand]
) -> Engine:
    return Engine(
        name, title, program, commands, lambda: f"{package} {pinned_version(package, package)}"
    )


ENGINES = (
    _engine(
        "duckdb",
        "DuckDB",
        _in_environment("duckdb"),
        "duckdb",
        {
            "wordcount-batch": _duckdb("words"),
            "sort-records": _duckdb("sort"),
            "sort-memory": _duckdb("sort"),
            "start-up": _duckdb("words"),
            "real-batch": _duckdb("real-words"),
            "sum-csv": _duckdb("sum-csv"),
            "sum-json": _duckdb("sum-json"),
            "sum-parquet": _duckdb("sum-parquet"),
        },
    ),
    _engine(
        "pyspark-df",
        "PySpark DataFrame",
        _with_java,
        "pyspark",
        {
            "wordcount-batch": _pyspark("words-df"),
            "sort-records": _pyspark("sort-df"),
            "noop-tasks": _pyspark("noop-df"),
            "start-up": _pyspark("words-df"),
        },
    ),
    _engine(
        "pyspark-rdd",
        "PySpark RDD",
        _with_java,
        "pyspark",
        {
            "wordcount-records": _pyspark("words-rdd"),
            "wordcount-python": _pyspark("words-rdd"),
            "sort-records": _pyspark("sort-rdd"),
            "big-key": _pyspark("big-key-rdd"),
        },
    ),
    _engine(
        "dask-df",
        "Dask DataFrame",
        _in_environment("dask"),
        "dask",
        {
            "wordcount-batch": _dask("words-df"),
            "sort-records": _dask("sort-df"),
            "noop-tasks": _dask("noop"),
            "start-up": _dask("words-df"),
        },
    ),
    _engine(
        "dask-bag",
        "Dask Bag",
        _in_environment("dask"),
        "dask",
        {
            "wordcount-records": _dask("words-bag"),
            "wordcount-python": _dask("words-bag"),
        },
    ),
    _engine(
        "ray",
        "Ray Data",
        _in_environment("ray"),
        "ray",
        {
            "wordcount-batch": _ray("words"),
            "sort-records": _ray("sort"),
            "noop-tasks": _ray("noop"),
            "start-up": _ray("words"),
        },
    ),
)
