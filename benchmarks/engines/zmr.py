"""zmr itself: the one place that knows its command line.

A usage error (exit status 2) means that this zmr has no such option or job: the work is reported
as not available. ZMR_BENCH_ZMR names another zmr to start, to compare two.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.data import RECORD_BYTES
from benchmarks.engine import Command, Engine, MakeCommand, NotAvailable, Run
from benchmarks.places import BENCHMARKS, CHECKOUT

USAGE_ERROR = 2
SPLIT_BYTES = 64 * 1024 * 1024  # a file of n times as many bytes is n tasks
OVER_TCP = ("--no-direct-read",)  # map outputs on the same host too


def _run(job: str, *options: str, slots: int | None = None, folder: str = "") -> MakeCommand:
    """`zmr run JOB DATA -o OUTPUT` with as many slots as the run has, or `slots`."""

    def make(run: Run) -> Command:
        argv = (*run.program, "run", job, str(run.data / folder), "-o", str(run.output), "-q")
        n = str(slots or run.slots)
        memory = ("--memory", f"{run.memory_mib}M") if run.memory_mib else ()
        return Command((*argv, "-j", n, "-r", n, *memory, *options))

    return make


def _own(job: str) -> str:
    """A job of the benchmarks."""
    return f"{BENCHMARKS / 'jobs.py'}:{job}"


def _shuffle(run: Run) -> Command:
    """Map outputs of which the only reduce fetches all, over TCP: its phase is what counts."""
    argv = (*run.program, "run", _own("Stream"), str(run.data), "-o", str(run.output))
    return Command((*argv, "-j", str(run.slots), "-r", "1", *OVER_TCP), elapsed_s=_reduce_s)


def _reduce_s(stdout: str, stderr: str) -> float:
    """What the summary of `zmr run` says of the reduce phase."""
    found = re.search(r"reduce ([\d.]+) s", stderr)
    if found is None:
        raise ValueError("zmr's summary names no time of the reduce phase")
    return float(found[1])


_SORT = _run("sort", "-p", f"record_bytes={RECORD_BYTES}")

COMMANDS = {
    "wordcount-batch": _run("wordcount"),
    "wordcount-records": _run(_own("RecordWords")),
    "wordcount-python": _run(_own("PythonWords")),
    "real-batch": _run("wordcount"),
    "real-records": _run(_own("RecordWords")),
    "real-scripts": _run("wordcount"),
    "count-urls": _run("wordcount"),
    "distinct-urls": _run("wordcount"),
    "sum-csv": _run(_own("CsvSums")),
    "sum-json": _run(_own("JsonSums")),
    "sum-parquet": _run(_own("ParquetSums")),
    "csv-files": _run(_own("CsvSums")),
    "sort-records": _SORT,
    "sort-memory": _SORT,
    "big-key": _run(_own("BigKey")),
    "noop-tasks": _run(_own("Noop")),
    "shuffle": _shuffle,
    "small-files": _run("wordcount", folder="many"),
    "start-up": _run("wordcount"),
}


@cache
def program(envs: Path) -> tuple[str, ...]:
    """How zmr is started. `envs` is not used. Raises `NotAvailable`."""
    if chosen := os.environ.get("ZMR_BENCH_ZMR"):
        return tuple(chosen.split())
    # -P: the installed package, not the folder that the benchmarks are started from.
    for command in ((sys.executable, "-P", "-m", "zmr"), (str(CHECKOUT / "bin" / "zmr"),)):
        if _ask_version(command):
            return command
    raise NotAvailable(f"no zmr here: run {CHECKOUT / 'bin' / 'setup'}")


def _ask_version(command: tuple[str, ...]) -> str:
    told = subprocess.run((*command, "--version"), capture_output=True, text=True, check=False)
    return "" if told.returncode else told.stdout.split()[-1]


def _engine(name: str, title: str, commands: dict[str, MakeCommand]) -> Engine:
    return Engine(
        name, title, program, commands, lambda: f"zmr {_ask_version(program(Path()))}", USAGE_ERROR
    )


# A plain `map` where `zmr` has map_batch
_OF_RECORDS = {
    "real-scripts": _run(_own("RecordWords")),
    "count-urls": _run(_own("RecordWords")),
    "distinct-urls": _run(_own("RecordWords")),
    "sum-csv": _run(_own("CsvRowSums")),
    "sum-json": _run(_own("JsonRowSums")),
    "sum-parquet": _run(_own("ParquetRowSums")),
    "csv-files": _run(_own("CsvRowSums")),
}

ENGINES = (
    _engine("zmr", "zmr", COMMANDS),
    _engine("zmr-map", "zmr, plain map", _OF_RECORDS),
    _engine(
        "zmr-1-slot",
        "zmr, one slot",
        dict.fromkeys(("wordcount-records", "real-records"), _run(_own("RecordWords"), slots=1)),
    ),
    _engine("zmr-sum", "zmr, declared Sum", {"wordcount-python": _run(_own("RecordWords"))}),
    _engine("zmr-lines", "zmr, as lines", {"sort-records": _run("sort")}),
    _engine("zmr-1-file", "zmr, one file", {"small-files": _run("wordcount", folder="one")}),
)
