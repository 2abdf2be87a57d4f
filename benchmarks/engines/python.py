"""Plain Python in this interpreter: the competent script, and the bare loops that bound zmr."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.engine import Command, Engine, MakeCommand, Run
from benchmarks.places import BENCHMARKS

_IMPORTS = "import zmq, pyarrow, numpy, click, google.protobuf"


def _this_python(envs: Path) -> tuple[str, ...]:
    return (sys.executable,)


def _words(run: Run) -> Command:
    return _script("python_words.py", str(run.data), str(run.output))(run)


def _sums(run: Run) -> Command:
    return _script("python_sums.py", str(run.data), str(run.output))(run)


def _script(name: str, *arguments: str) -> Callable[[Run], Command]:
    path = str(BENCHMARKS / "peers" / name)
    return lambda run: Command((*run.program, path, *arguments))


def _echo(run: Run) -> Command:
    return _script("echo.py", str(run.amount), str(run.slots))(run)


def _timed(name: str) -> MakeCommand:
    """A script that measures itself, and prints the seconds."""

    def make(run: Run) -> Command:
        argv = _script(name, str(run.amount))(run).argv
        return Command(argv, elapsed_s=lambda stdout, stderr: float(stdout))

    return make


def _imports(run: Run) -> Command:
    return Command((*run.program, "-c", _IMPORTS))


_WORDCOUNTS = (
    "wordcount-batch",
    "wordcount-records",
    "wordcount-python",
    "real-batch",
    "real-records",
    "real-scripts",
    "count-urls",
    "distinct-urls",
    "start-up",
)
_TABLES = ("sum-csv", "sum-json", "sum-parquet", "csv-files")

ENGINES = (
    Engine(
        "python",
        "plain Python, one thread",
        _this_python,
        dict.fromkeys(_WORDCOUNTS, _words) | dict.fromkeys(_TABLES, _sums),
    ),
    Engine("echo", "bare ROUTER/DEALER echo", _this_python, {"noop-tasks": _echo}),
    Engine(
        "stream", "bare ZeroMQ stream with CURVE", _this_python, {"shuffle": _timed("stream.py")}
    ),
    Engine("fetch", "zmr, fetching alone", _this_python, {"shuffle": _timed("fetch.py")}),
    Engine("imports", "only the imports", _this_python, {"start-up": _imports}),
)
