"""How the master grows, as a picture. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.plot import COLOUR, OTHERS, pyplot_for_svg
from benchmarks.scale_row import Row


def plot(rows: Sequence[Row], path: Path) -> bool:
    """Write an SVG file; return whether that was possible."""
    pyplot = pyplot_for_svg()
    if pyplot is None:
        return False
    most_workers, common = max(row.workers for row in rows), _common_tasks(rows)
    by_workers = sorted((r for r in rows if r.tasks == common), key=lambda row: row.workers)
    by_tasks = sorted((r for r in rows if r.workers == most_workers), key=lambda row: row.tasks)
    figure, panels = pyplot.subplots(2, 2, figsize=(8.0, 6.0), layout="constrained")
    workers, tasks = [row.workers for row in by_workers], [row.tasks for row in by_tasks]
    _curve(panels[0, 0], workers, [r.events_a_second / 1000 for r in by_workers], 20, "at least")
    panels[0, 0].set(title="thousand events a second", xlabel=f"workers ({common:,} tasks)")
    _curve(panels[0, 1], tasks, [r.events_a_second / 1000 for r in by_tasks], 20, "at least")
    panels[0, 1].set(title="thousand events a second", xlabel=f"tasks ({most_workers:,} workers)")
    _curve(panels[1, 0], workers, [row.heartbeats_s for row in by_workers], 1.0, "interval")
    panels[1, 0].set(title="s to answer everybody's heartbeat", xlabel="workers")
    _curve(panels[1, 1], tasks, [row.bytes_a_task for row in by_tasks], 1000, "at most")
    panels[1, 1].set(title="bytes of memory a task", xlabel="tasks")
    figure.savefig(path)
    pyplot.close(figure)
    return True


def _common_tasks(rows: Sequence[Row]) -> int:
    """The number of tasks that most cases have."""
    numbers = [row.tasks for row in rows]
    return max(numbers, key=numbers.count)


def _curve(panel: Any, x: list[int], y: list[float], bound: float, text: str) -> None:
    panel.plot(x, y, "o-", color=COLOUR)
    panel.axhline(bound, color=OTHERS, linestyle="--")
    panel.annotate(text, (x[0], bound), color="#6b7280", va="bottom")
    panel.set_xscale("log")
    panel.set_ylim(0, 1.15 * max(*y, bound))
    panel.spines[["top", "right"]].set_visible(False)
