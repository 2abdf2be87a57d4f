"""What an engine is to the benchmarks: a name, an environment, and a command for each work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class NotAvailable(Exception):
    """An engine can't run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run, without a shell, and variables to add to its environment.

    `elapsed_s` finds the time that counts in what the command wrote (the ends of its standard
    output and standard error); without it, the wall time of the whole process counts.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    elapsed_s: Callable[[str, str], float] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What a command is given to work with."""

    program: tuple[str, ...]  # the engine's own: its environment's Python, a compiled program
    data: Path  # the folder of input files
    output: Path  # does not exist yet; its files will be the result
    temporary: Path  # also in the environment, as TMPDIR
    slots: int
    amount: int  # tasks, or bytes: what the work is measured in
    memory_mib: int = 0  # the budget of each slot; 0: none


MakeCommand = Callable[[Run], Command]


@dataclass(frozen=True, slots=True)
class Engine:
    """One row of the tables.

    `program` makes the engine ready in the folder for environments and returns how to start it;
    it raises `NotAvailable`.
    """

    name: str
    title: str
    program: Callable[[Path], tuple[str, ...]]
    commands: Mapping[str, MakeCommand]  # by the name of the work
    version: Callable[[], str] = str  # "DuckDB 1.0", or nothing to say
    usage_status: int | None = None  # the exit status that says that it can't do such a thing
