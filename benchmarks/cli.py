"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import docs
from benchmarks.datasets import Datasets
from benchmarks.engine import Engine
from benchmarks.engines import ENGINES
from benchmarks.places import CHECKOUT, DEFAULT_CACHE, Places
from benchmarks.plot import plot
from benchmarks.processes import keep_orphans
from benchmarks.report import as_json, machine, report, section
from benchmarks.rounds import Settings, WorkResult, run_work
from benchmarks.sizes import parse_size, show_size
from benchmarks.work import Work
from benchmarks.works import WORKS

PAGE = CHECKOUT / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.list:
        print(listing())
        return 0
    keep_orphans()
    places = Places.make(options.cache)
    datasets = Datasets(places.data, options.seed, options.text)
    settings = Settings(options.size, options.rounds, options.slots, options.time_limit)
    results: list[WorkResult] = []
    folder = places.results / time.strftime("%Y-%m-%d-%H%M%S")
    folder.mkdir()
    for work in options.only:
        results.append(run_work(work, options.engines, settings, places, datasets))
        _save(results, folder)  # after each work: what is known stays, if a later one is stopped
    print((folder / "report.md").read_text())
    print(f"{folder}/", file=sys.stderr)
    if options.docs:
        _update(PAGE, results)
    return 0


def listing() -> str:
    """The works, and who does each."""
    lines = []
    for work in WORKS:
        engines = [engine.name for engine in ENGINES if work.name in engine.commands]
        size = show_size(work.full_size_bytes) if work.unit == "B" else ""
        lines.append(f"{work.name:<18} {size:>7}  {work.title}\n{'':<26}  {', '.join(engines)}")
    return "\n".join(lines)


def _save(results: Sequence[WorkResult], folder: Path) -> None:
    (folder / "report.md").write_text(report(results))
    (folder / "results.json").write_text(json.dumps(as_json(results), indent=1))
    plot(results, folder / "plot.svg")


def _update(page: Path, results: Sequence[WorkResult]) -> None:
    text = page.read_text()
    parts = {result.work.name: section(result) for result in results}
    parts["machine"] = machine(row.engine for result in results for row in result.rows)
    for name, part in parts.items():
        text = docs.replace(text, name, part)
    page.write_text(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Run zmr and its peers side by side, check their results, compare their times.",
    )
    add = parser.add_argument
    add("--list", action="store_true", help="show the works and the engines, and end")
    add("--only", type=_works, default=WORKS, metavar="WORK[,WORK]", help="these works only")
    add(
        "--engines",
        type=_engines,
        default=ENGINES,
        metavar="NAME[,NAME]",
        help="these engines only",
    )
    add("--rounds", type=_positive, default=3, metavar="N", help="how often (default: 3)")
    add("--slots", type=_positive, default=2, metavar="N", help="processes a job (default: 2)")
    add("--size", type=parse_size, metavar="SIZE", help="of the data (20M: seconds, not minutes)")
    add("--text", type=_existing, metavar="PATH", help="count the words of this file or folder")
    add("--seed", type=int, default=1, metavar="N", help="of the generated data (default: 1)")
    add(
        "--time-limit",
        type=float,
        default=1800.0,
        metavar="S",
        help="for one command (default: 1800)",
    )
    add(
        "--cache",
        type=Path,
        default=Path(os.environ.get("ZMR_BENCH_CACHE", DEFAULT_CACHE)),
        metavar="DIR",
        help="for data, environments and results (default: $ZMR_BENCH_CACHE, else .bench)",
    )
    add("--docs", action="store_true", help=f"put the tables into {PAGE.relative_to(CHECKOUT)}")
    return parser


def _works(text: str) -> list[Work]:
    by_name = {work.name: work for work in WORKS}
    return [by_name[name] for name in _known(text, by_name)]


def _engines(text: str) -> list[Engine]:
    wanted = set(_known(text, [engine.name for engine in ENGINES]))
    return [engine for engine in ENGINES if engine.name in wanted]


def _known(text: str, names: Sequence[str] | dict[str, Work]) -> list[str]:
    chosen = text.split(",")
    for name in chosen:
        if name not in names:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {', '.join(names)}")
    return chosen


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"{text}: no such file or folder")
    return path
