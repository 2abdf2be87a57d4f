"""Results as a picture: a panel of bars for each work. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import REFERENCE
from benchmarks.rounds import WorkResult

COLOUR, OTHERS = "#1f6feb", "#b8c0cc"
_BAR_INCHES, _TITLE_INCHES, _WIDTH_INCHES = 0.28, 0.75, 8.0


def plot(results: Sequence[WorkResult], path: Path) -> bool:
    """Write an SVG file of the works that have results; return whether that was possible."""
    pyplot = pyplot_for_svg()
    if pyplot is None:
        return False
    shown = [result for result in results if result.figures()]
    if not shown:
        return False
    heights = [_TITLE_INCHES + _BAR_INCHES * len(result.figures()) for result in shown]
    figure, panels = pyplot.subplots(
        len(shown),
        squeeze=False,
        figsize=(_WIDTH_INCHES, sum(heights)),
        height_ratios=heights,
        layout="constrained",
    )
    for panel, result in zip(panels[:, 0], shown, strict=True):
        _bars(panel, result)
    figure.savefig(path)
    pyplot.close(figure)
    return True


def pyplot_for_svg() -> Any:
    """matplotlib's pyplot, set up to write SVG files with text as text; None without it."""
    try:
        import matplotlib as mpl  # type: ignore[import-not-found]
    except ImportError:
        return None
    mpl.use("svg")
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "zmr"  # the same picture is the same file
    from matplotlib import pyplot

    return pyplot


def _bars(panel: Any, result: WorkResult) -> None:
    times = {
        row.engine.title: (row.median_s, row.engine.name)
        for row in sorted(result.rows, key=lambda row: -(row.median_s or 0.0))
        if row.median_s is not None
    }
    seconds = [second for second, _ in times.values()]
    colours = [COLOUR if name == REFERENCE else OTHERS for _, name in times.values()]
    bars = panel.barh(list(times), seconds, color=colours)
    panel.bar_label(bars, [f"{second:.3g} s" for second in seconds], padding=3)
    panel.set_title(result.work.title, loc="left")
    panel.spines[["top", "right", "bottom"]].set_visible(False)
    panel.set_xticks([])
    panel.margins(x=0.12)
