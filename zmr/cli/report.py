"""What the commands print of a job: progress while it runs, a summary or a reason at its end.

All of this goes to stderr; stdout is for results.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from zmr.cli.streams import write_if_read, write_stderr
from zmr.core.actions import Outcome
from zmr.core.states import JobState
from zmr.engines.progress import PHASES, BarReporter, Reporter, figures_of
from zmr.errors import JobFailed, NotEnoughWorkers, RecordsSkipped
from zmr.messages import JobStatus
from zmr.output.capsules import list_capsules
from zmr.output.folder import SKIPPED
from zmr.output.skipped import read_skipped
from zmr.pipeline_steps import StepDone, with_step

# Without a terminal, a line at most every so many seconds.
_LINE_EVERY_S = 5.0

_MOST_SKIPPED_LISTED = 10


def reporter(quiet: bool) -> Reporter:
    """A bar on a terminal, lines elsewhere, nothing when `quiet`."""
    if quiet:
        return Reporter()
    return BarReporter() if sys.stderr.isatty() else LineReporter()


class LineReporter(Reporter):
    """A plain line at each transition, and now and then in between."""

    def __init__(self) -> None:
        self._phase = (0, "")
        self._printed_at = 0.0

    def show(self, status: JobStatus) -> None:
        """Print a line, if it is time for one."""
        now = time.monotonic()
        if status.state not in PHASES:
            return
        phase = (status.step, status.state)
        if phase != self._phase or now - self._printed_at >= _LINE_EVERY_S:
            self._phase, self._printed_at = phase, now
            done, total = figures_of(status, status.state)
            what = with_step(status.step, status.n_steps, status.state)
            write_if_read(f"{what}: {done} of {total} tasks done")


def report_failure(outcome: Outcome, is_kept: bool = True) -> None:
    """Why the job has failed or was cancelled, with the traceback of the job's own code."""
    if outcome.traceback:
        write_stderr(outcome.traceback.rstrip("\n"))
    write_stderr(f"zmr: {outcome.spec.name} {outcome.state.value}: {outcome.reason}")
    if is_kept:
        report_capsules(outcome.spec.output)


def report_capsules(output: str, write: Callable[[str], None] = write_stderr) -> None:
    """How to run a task alone by which the job with this output folder has failed."""
    for folder in list_capsules(output):
        from shlex import quote

        write(f"zmr: to run that task alone: zmr replay {quote(folder)}")


def report_skipped(output: str, quiet: bool, is_kept: bool = True) -> int:
    """What was left out of the finished job with this output folder; the exit status for that."""
    skipped = read_skipped(output)
    if not skipped:
        return 0
    if not quiet:
        _list_skipped(skipped, os.path.join(output, SKIPPED) if is_kept else "")
    return RecordsSkipped.exit_status


def _list_skipped(skipped: list[dict[str, str]], folder: str) -> None:
    n_files = sum("file" in row for row in skipped)
    for row in skipped[:_MOST_SKIPPED_LISTED]:
        write_stderr(f"  skipped: {row['error']}")
    if len(skipped) > _MOST_SKIPPED_LISTED:
        write_stderr(f"  skipped: and {len(skipped) - _MOST_SKIPPED_LISTED:,} more")
    where = folder or "with -o DIR, they are saved there"
    n_records = len(skipped) - n_files
    counts = [_count(n_records, "bad record")] if n_records else []
    counts += [_count(n_files, "bad file")] if n_files else []
    write_stderr(f"zmr: {' and '.join(counts)} skipped: {where}")


def exit_status(outcome: Outcome, of_signal: int) -> int:
    """The exit status of a command for this one job; `of_signal` if a signal has ended the job."""
    match outcome.state:
        case JobState.DONE:
            return 0
        case JobState.CANCELLED:
            return of_signal or JobFailed.exit_status
        case _ if outcome.out_of_workers:
            return NotEnoughWorkers.exit_status
    return JobFailed.exit_status


def sum_up(outcome: Outcome, took_s: float, n_inputs: int, where: str) -> None:
    """What a job that is done has done. `where` is its output folder, or empty."""
    spec, totals = outcome.spec, outcome.totals
    phases = f"map {totals.map_s:.2f} s"
    if spec.n_reduce or any(step.n_reduce for step in spec.steps):
        phases += f", reduce {totals.reduce_s:.2f} s"
    lines = [
        f"{spec.name}: done in {took_s:.2f} s ({phases})",
        f"  in:  {_count(totals.records_in, 'record')}, {size(totals.bytes_in)}"
        f" from {_count(n_inputs, 'file')}",
        f"  out: {_count(totals.records_out, 'record')}, {size(totals.bytes_out)}"
        f" in {_count(len(outcome.files), 'file')}" + (f": {where}" if where else ""),
    ]
    if outcome.steps:
        lines += [
            line for number, step in enumerate(outcome.steps, 1) for line in _of(number, step)
        ]
    else:
        lines += [f"  {name}: {value:,}" for name, value in outcome.counters]
    write_stderr("\n".join(lines))


def _of(number: int, step: StepDone) -> list[str]:
    """What a step of a pipeline has done."""
    totals = step.totals
    counts = f"{_count(totals.records_in, 'record')} in, {_count(totals.records_out, 'record')} out"
    took_s = totals.map_s + totals.reduce_s
    lines = [f"  step {number}, {step.name}: {counts}, {took_s:.2f} s"]
    return lines + [f"    {name}: {value:,}" for name, value in step.counters]


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
