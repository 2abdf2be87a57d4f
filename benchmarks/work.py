"""What a work is: data, what must come out of them, and what zmr sets itself as a goal.

Who does it, and by which command, stands with the engines.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.checksum import WrongResult
from benchmarks.datasets import Dataset, Datasets
from benchmarks.processes import Process
from benchmarks.sizes import show_size


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of an engine at a work, for goals."""

    elapsed_s: float  # the median
    amount: int  # of the work's unit
    growth_bytes: int | None = None  # the most that a process took beyond what it had when idle

    @property
    def rate(self) -> float:
        """Amount a second."""
        return self.amount / self.elapsed_s


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure that is to be at least, or at most, some value."""

    text: str
    figure: Callable[[Mapping[str, Figures]], float]  # KeyError: an engine has no result
    bound: float
    at_least: bool = True

    def met(self, figure: float) -> bool:
        """Whether this figure is good enough."""
        return figure >= self.bound if self.at_least else figure <= self.bound


def faster(engine: str, peer: str, times: float) -> Goal:
    """`engine` needs at most 1 / `times` of the time of `peer`."""
    return Goal(
        f"time of {peer} / time of {engine}",
        lambda of: of[peer].elapsed_s / of[engine].elapsed_s,
        times,
    )


def at_most(engine: str, peer: str, times: float) -> Goal:
    """`engine` needs at most so many times the time of `peer`."""
    return Goal(
        f"time of {engine} / time of {peer}",
        lambda of: of[engine].elapsed_s / of[peer].elapsed_s,
        times,
        at_least=False,
    )


@dataclass(frozen=True, slots=True)
class Task:
    """A work at one size: the data, how much it is, and what to say about it."""

    dataset: Dataset
    amount: int
    description: str
    warm: bool = True  # whether the data are read into the page cache before each command


class Work(ABC):
    """One row of benchmarks: all engines that can do it do it."""

    name: ClassVar[str]
    title: ClassVar[str]
    full_size_bytes: ClassVar[int]
    unit: ClassVar[str] = "B"  # of the amount, from which rates are made: B, tasks, or none
    goals: ClassVar[tuple[Goal, ...]] = ()
    memory_mib: ClassVar[int] = 0  # a budget for each slot

    @abstractmethod
    def prepare(self, datasets: Datasets, size_bytes: int) -> Task:
        """Make the data, unless they are there."""

    @abstractmethod
    def check(self, task: Task, engine: str, output: Path) -> None:
        """Raise `WrongResult` unless the output is what the data must give."""

    def idle(self, datasets: Datasets) -> Task | None:
        """The work on next to no data, to know what processes have when they only started."""
        return self.prepare(datasets, 1000) if self.memory_mib else None


def described(dataset: Dataset, *more: str) -> str:
    """The dataset in words, its size first."""
    return ", ".join([show_size(dataset.size_bytes), *more, dataset.description])


def require_counter(output: Path, name: str, expected: int) -> None:
    """Raise `WrongResult` unless the counter in zmr's `_SUCCESS` has this value."""
    manifest = json.loads((output / "_SUCCESS").read_text())
    value = manifest["counters"].get(name, 0)
    if value != expected:
        raise WrongResult(f"counter {name!r} is {value:,}, not {expected:,}")


def growth_bytes(processes: tuple[Process, ...], idle: tuple[Process, ...]) -> int:
    """The most that a process grew beyond those of the same role in the idle run.

    A role that the idle run did not have counts in full.
    """
    base: dict[str, int] = {}
    for process in idle:
        base[process.role] = max(base.get(process.role, 0), process.peak_bytes)
    return max((p.peak_bytes - base.get(p.role, 0) for p in processes), default=0)


def only_line(files: list[Path]) -> str:
    """The text of a result that is one line. Raises `WrongResult` if it isn't."""
    lines = [line for path in files for line in path.read_text().splitlines()]
    if len(lines) != 1:
        raise WrongResult(f"{len(lines):,} lines, not 1")
    return lines[0].replace("\t", " ")
