"""Results as Markdown tables, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.engine import Engine, NotAvailable
from benchmarks.engines import ENGINES
from benchmarks.machine import describe
from benchmarks.rounds import Row, Settings, WorkResult
from benchmarks.sizes import show_size
from benchmarks.work import Goal

REFERENCE = "zmr"  # the engine whose time is 1.00 in the tables


def report(results: Sequence[WorkResult]) -> str:
    """The whole report."""
    sections = [f"## {result.work.title}\n\n{section(result)}" for result in results]
    engines = [row.engine for result in results for row in result.rows]
    return "\n\n".join(["# zmr beside its peers", machine(engines), *sections]) + "\n"


def machine(engines: Iterable[Engine]) -> str:
    """A table of the machine and of the versions of engines."""
    versions = dict.fromkeys(_version(engine) for engine in engines)
    rows = [*describe(), ("versions", ", ".join(filter(None, versions)))]
    return table(("machine", ""), rows)


def section(result: WorkResult) -> str:
    """What was done, the engines' results, the goals, and the command that makes them again."""
    unit = result.work.unit
    heads = ["engine", "time", "range", f"× {REFERENCE}", *([f"{_noun(unit)}/s"] * bool(unit))]
    heads += ["processor time", "peak memory"]
    if growth := bool(result.work.memory_mib):
        heads.append("largest growth of a process")
    rows = [_cells(row, result, growth) for row in _fastest_first(result.rows)]
    parts = [f"{_conditions(result)}.", table(heads, rows)]
    if result.work.goals:
        parts.append(
            table(("figure", "here", "goal"), [_goal(g, result) for g in result.work.goals])
        )
    parts.append(f"Made by `{command(result)}`.")
    return "\n\n".join(parts)


def command(result: WorkResult) -> str:
    """The command that makes these results again."""
    words = ["tox -e bench --", "--only", result.work.name]
    settings, usual = result.settings, Settings()
    took_part = [row.engine.name for row in result.rows]
    if took_part != [e.name for e in ENGINES if result.work.name in e.commands]:
        words += ["--engines", ",".join(took_part)]
    if settings.size_bytes is not None:
        words += ["--size", str(settings.size_bytes)]
    if settings.rounds != usual.rounds:
        words += ["--rounds", str(settings.rounds)]
    if settings.slots != usual.slots:
        words += ["--slots", str(settings.slots)]
    return " ".join(words)


def as_json(results: Iterable[WorkResult]) -> list[dict[str, Any]]:
    """All figures, in plain types."""
    return [
        {
            "work": result.work.name,
            "data": result.task.description,
            "amount": result.task.amount,
            "unit": result.work.unit,
            "slots": result.settings.slots,
            "engines": [_row_as_json(row) for row in result.rows],
        }
        for result in results
    ]


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "engine": row.engine.name,
        "elapsed_s": row.elapsed_s,
        "cpu_s": row.cpu_s,
        "peak_bytes": row.peak_bytes,
        "growth_bytes": row.growth_bytes,
        "problem": row.problem,
    }


def _conditions(result: WorkResult) -> str:
    rounds = result.settings.rounds
    times = f"medians of {rounds} rounds" if rounds > 1 else "a single round"
    return f"{result.task.description}; {result.settings.slots} slots; {times}"


def _fastest_first(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.median_s is None, row.median_s or 0.0))


def _cells(row: Row, result: WorkResult, growth: bool) -> list[str]:
    name = f"**{row.engine.title}**" if row.engine.name == REFERENCE else row.engine.title
    n_columns = 6 + bool(result.work.unit) + growth
    if row.median_s is None:
        return [name, row.problem.replace("|", "\\|"), *[""] * (n_columns - 2)]
    reference = result.figures().get(REFERENCE)
    cells = [
        name,
        seconds(row.median_s),
        f"{min(row.elapsed_s):.2f} – {max(row.elapsed_s):.2f}" if len(row.elapsed_s) > 1 else "",
        f"{row.median_s / reference.elapsed_s:.2f}" if reference else "",
    ]
    if result.work.unit:
        cells.append(_rate(result.task.amount / row.median_s, result.work.unit))
    cells.append(seconds(sum(row.cpu_s) / len(row.cpu_s)))
    cells.append(show_size(row.peak_bytes) if row.peak_bytes else "")
    if growth:
        cells.append("" if row.growth_bytes is None else f"{row.growth_bytes / 2**20:.0f} MiB")
    return cells


def _goal(goal: Goal, result: WorkResult) -> list[str]:
    bound = f"{'≥' if goal.at_least else '≤'} {goal.bound:,.4g}"
    try:
        figure = goal.figure(result.figures())
    except KeyError:
        return [goal.text, "–", bound]
    return [goal.text, f"{figure:,.4g}, {'met' if goal.met(figure) else '**missed**'}", bound]


def _noun(unit: str) -> str:
    return "data" if unit == "B" else unit


def _rate(rate: float, unit: str) -> str:
    return f"{show_size(rate)}/s" if unit == "B" else f"{rate:,.0f}"


def seconds(figure: float) -> str:
    """The figure with its unit, as short as is of use."""
    return f"{figure:.2f} s" if figure < 10 else f"{figure:.1f} s"


def _version(engine: Engine) -> str:
    try:
        return engine.version()
    except (NotAvailable, OSError):
        return ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
