"""How far a job is, while it runs: a bar for each phase."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from zmr.display import on_one_line
from zmr.messages import JobStatus
from zmr.pipeline_steps import with_step

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A job that is over before this needs no bar, and none of the time that it takes to load one.
_BAR_AFTER_S = 0.4

PHASES = ("map", "reduce")


class Reporter:
    """Gets the job's status often, and shows nothing. A context manager around the job."""

    def show(self, status: JobStatus) -> None:
        """Take the status of now."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def progress_reporter(wanted: bool | None) -> Reporter:
    """Bars, if they are wanted; None: on a terminal, and in a notebook."""
    if wanted is None:
        wanted = _is_terminal() or _is_in_notebook()
    return BarReporter() if wanted else Reporter()


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # none, a writer of the caller's own, or closed
        return False


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class BarReporter(Reporter):
    """A bar for each phase; of a pipeline, of the step that runs."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._step = 0
        self._shown: tuple[int, ...] = ()

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, status: JobStatus) -> None:
        """Move the bars."""
        figures = _all_figures(status)
        is_early = time.monotonic() - self._began < _BAR_AFTER_S
        if is_early or figures == self._shown or status.state not in PHASES:
            return
        self._shown = figures
        progress = self._progress or self._start()
        if status.step != self._step or not self._rows:
            self._step = status.step
            self._begin(progress, status)
        for phase in self._rows:
            done, total = figures_of(status, phase)
            progress.update(self._rows[phase], completed=done, total=total)

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        progress = Progress(
            TextColumn("{task.description}", markup=False),  # a step may be called "[b]"
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        progress.start()
        self._progress = progress
        return progress

    def _begin(self, progress: Progress, status: JobStatus) -> None:
        """Rows for the phases of a step, in place of those of the one before."""
        for row in self._rows.values():
            progress.remove_task(row)
        self._rows.clear()
        for phase in PHASES if status.n_reduce else ("map",):
            _, total = figures_of(status, phase)
            text = on_one_line(with_step(status.step, status.n_steps, f"{phase:>6}"))
            self._rows[phase] = progress.add_task(text, total=total)


def _all_figures(status: JobStatus) -> tuple[int, ...]:
    figures = (status.maps_done, status.n_map, status.reduces_done, status.n_reduce)
    return (status.step, *figures)


def figures_of(status: JobStatus, phase: str) -> tuple[int, int]:
    """How many tasks of a phase are done, and how many there are."""
    if phase == "map":
        return status.maps_done, status.n_map
    return status.reduces_done, status.n_reduce
