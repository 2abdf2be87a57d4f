"""What a person sees of a job: progress while it runs, a summary or a reason when it has ended.

All of this goes to stderr; stdout is for results.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import click

from zmr.core.actions import Outcome
from zmr.core.messages import JobStatus
from zmr.core.states import JobState

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# A job that is over before this needs no bar, and none of the time that it takes to load one.
_BAR_AFTER_S = 0.4

# Without a terminal, a line at most every so many seconds.
_LINE_EVERY_S = 5.0

_PHASES = ("map", "reduce")


class Reporter(Protocol):
    """Is told how the job stands, often. A context manager around the job."""

    def show(self, status: JobStatus) -> None:
        """The job stands like this."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def reporter(quiet: bool) -> Reporter:
    """A bar on a terminal, lines elsewhere, nothing when `quiet`."""
    if quiet:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


class Silent:
    """Shows nothing."""

    def show(self, status: JobStatus) -> None:
        """Nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Lines:
    """A plain line at each transition, and now and then in between."""

    def __init__(self) -> None:
        self._state = ""
        self._told_at = 0.0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, status: JobStatus) -> None:
        """Tell it, if there is something new to tell."""
        now = time.monotonic()
        if status.state not in _PHASES:
            return
        if status.state != self._state or now - self._told_at >= _LINE_EVERY_S:
            self._state, self._told_at = status.state, now
            done, total = _figures(status, status.state)
            click.echo(f"{status.state}: {done} of {total} tasks done", err=True)


class Bar:
    """A bar for each phase."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._rows: dict[str, TaskID] = {}
        self._shown: tuple[int, ...] = ()

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, status: JobStatus) -> None:
        """Move the bars."""
        figures = (status.maps_done, status.n_map, status.reduces_done, status.n_reduce)
        if time.monotonic() - self._began < _BAR_AFTER_S or figures == self._shown:
            return
        self._shown = figures
        progress = self._progress or self._start(status)
        for phase in self._rows:
            done, total = _figures(status, phase)
            progress.update(self._rows[phase], completed=done, total=total)

    def _start(self, status: JobStatus) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

        columns = ("{task.description:>6}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        phases = _PHASES if status.n_reduce else ("map",)
        self._rows = {phase: progress.add_task(phase, total=None) for phase in phases}
        progress.start()
        self._progress = progress
        return progress


def _figures(status: JobStatus, phase: str) -> tuple[int, int]:
    if phase == "map":
        return status.maps_done, status.n_map
    return status.reduces_done, status.n_reduce


def tell_outcome(outcome: Outcome, elapsed_s: float, n_inputs: int, where: str) -> None:
    """The summary of a job that is done, or why it is not."""
    spec, totals = outcome.spec, outcome.totals
    if outcome.state is not JobState.DONE:
        if outcome.traceback:
            click.echo(outcome.traceback.rstrip("\n"), err=True)
        click.echo(f"zmr: {spec.name} {outcome.state.value}: {outcome.reason}", err=True)
        return
    phases = f"map {totals.map_s:.2f} s"
    if spec.n_reduce:
        phases += f", reduce {totals.reduce_s:.2f} s"
    lines = [
        f"{spec.name}: done in {elapsed_s:.2f} s ({phases})",
        f"  in:  {_count(totals.records_in, 'record')}, {size(totals.bytes_in)}"
        f" from {_count(n_inputs, 'file')}",
        f"  out: {_count(totals.records_out, 'record')}, {size(totals.bytes_out)}"
        f" in {_count(len(outcome.files), 'file')}{where}",
    ]
    lines += [f"  {name}: {value:,}" for name, value in outcome.counters]
    click.echo("\n".join(lines), err=True)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def size(size_bytes: int) -> str:
    """For people: "640 B", "1.2 MB"."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
