"""One work: every engine that can do it, in turns, each result checked before its time counts.

A B C A B C: what changes slowly on the machine meets all engines alike. An engine that fails, is
too slow or gets it wrong is reported as such and takes no part in later rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.checksum import WrongResult
from benchmarks.datasets import Datasets
from benchmarks.engine import Command, Engine, NotAvailable, Run
from benchmarks.measure import SAMPLE_EVERY_S, Measured, measure
from benchmarks.places import Places, remove
from benchmarks.processes import Process
from benchmarks.work import Figures, Task, Work, growth_bytes

_FINE_SAMPLE_EVERY_S = 0.02

# The memory that is touched before each command: what a hungry one takes, with its files in the
# page cache. Where tasks do nothing, and their data are a file of holes: what processes take.
_TOUCHED_SHARE = 4
_MOST_TOUCHED_BYTES = 4_000_000_000
_PROCESSES_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """How the benchmarks run."""

    size_bytes: int | None = None  # None: each work's own full size
    rounds: int = 3
    slots: int = 2
    limit_s: float = 1800.0


@dataclass(slots=True)
class Row:
    """An engine's results at a work."""

    engine: Engine
    elapsed_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    growth_bytes: int | None = None
    problem: str = ""

    @property
    def median_s(self) -> float | None:
        """None for an engine that failed."""
        return median(self.elapsed_s) if self.elapsed_s and not self.problem else None


@dataclass(frozen=True, slots=True)
class WorkResult:
    """All engines' results at a work."""

    work: Work
    task: Task
    settings: Settings
    rows: tuple[Row, ...]

    def figures(self) -> dict[str, Figures]:
        """The results of the engines that have one, by name."""
        return {
            row.engine.name: Figures(row.median_s, self.task.amount, row.growth_bytes)
            for row in self.rows
            if row.median_s is not None
        }


class Problem(Exception):
    """A command that gave no result; the text says why."""


def run_work(
    work: Work, engines: Sequence[Engine], settings: Settings, places: Places, datasets: Datasets
) -> WorkResult:
    """Run the work on all of the engines that can do it."""
    _tell(f"{work.name}: preparing")
    task = work.prepare(datasets, settings.size_bytes or work.full_size_bytes)
    rows = tuple(Row(engine) for engine in engines if work.name in engine.commands)
    idle = work.idle(datasets)
    _tell(f"{work.name}: {task.description}")
    for number in range(settings.rounds):
        for row in rows:
            if not row.problem:
                _Attempt(work, task, row, settings, places, idle).take()
                _tell(f"  round {number + 1}, {row.engine.name}: {_news(row)}")
    return WorkResult(work, task, settings, rows)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One engine's turn in one round."""

    work: Work
    task: Task
    row: Row
    settings: Settings
    places: Places
    idle: Task | None

    def take(self) -> None:
        """Add the result, or the problem, to the engine's row."""
        try:
            program = self.row.engine.program(self.places.envs)
            base = self._run(program, self.idle, lambda output: None)[1] if self.idle else None
            elapsed_s, measured = self._run(program, self.task, self._check)
        except NotAvailable as error:
            self.row.problem = f"not available: {error}"
        except WrongResult as error:
            self.row.problem = f"wrong result: {error}"
        except Problem as error:
            self.row.problem = str(error)
        else:
            self.row.elapsed_s.append(elapsed_s)
            self.row.cpu_s.append(measured.cpu_s)
            self.row.peak_bytes = max(self.row.peak_bytes, measured.peak_bytes)
            if base is not None:
                self._note_growth(measured.processes, base.processes)

    def _run(
        self, program: tuple[str, ...], task: Task, check: Callable[[Path], None]
    ) -> tuple[float, Measured]:
        folder = self.places.fresh_run()
        output = folder / "out"
        command = self.row.engine.commands[self.work.name](
            Run(
                program=program,
                data=task.dataset.path,
                output=output,
                temporary=folder / "tmp",
                slots=self.settings.slots,
                amount=task.amount,
                memory_mib=self.work.memory_mib,
            )
        )
        if task.warm:
            task.dataset.warm()
        every_s = _FINE_SAMPLE_EVERY_S if self.work.memory_mib else SAMPLE_EVERY_S
        try:
            touched_bytes = self._touched_bytes(task)
            measured = measure(command, folder, self.settings.limit_s, every_s, touched_bytes)
            elapsed_s = self._elapsed_s(command, measured)
            check(output)
        finally:
            remove(folder)
        return elapsed_s, measured

    def _touched_bytes(self, task: Task) -> int:
        if self.work.unit == "tasks":
            return _PROCESSES_BYTES
        return min(_TOUCHED_SHARE * task.dataset.size_bytes, _MOST_TOUCHED_BYTES)

    def _elapsed_s(self, command: Command, measured: Measured) -> float:
        if not measured.in_time:
            raise Problem(f"not done in {self.settings.limit_s:.0f} s")
        if measured.status == self.row.engine.usage_status:
            raise NotAvailable(_last_line(measured.stderr))
        if measured.status != 0:
            raise Problem(f"failed, exit status {measured.status}: {_last_line(measured.stderr)}")
        if command.elapsed_s is None:
            return measured.wall_s
        return command.elapsed_s(measured.stdout, measured.stderr)

    def _check(self, output: Path) -> None:
        self.work.check(self.task, self.row.engine.name, output)

    def _note_growth(self, processes: tuple[Process, ...], idle: tuple[Process, ...]) -> None:
        growth = growth_bytes(processes, idle)
        self.row.growth_bytes = max(self.row.growth_bytes or 0, growth)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def _news(row: Row) -> str:
    return row.problem or f"{row.elapsed_s[-1]:.2f} s"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
