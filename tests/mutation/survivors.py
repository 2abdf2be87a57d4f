"""Mutants that nothing finds, classified by hand: `survivors.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from .mutants import Mutant

FILE = Path(__file__).with_name("survivors.toml")

# Of these a mutant is no mistake that a test should find: see survivors.toml.
HARMLESS = ("equivalent", "performance", "reporting")
CLASSES = (*HARMLESS, "hole")


@dataclass(frozen=True)
class Survivor:
    """An entry. It is known by its words, so that it stays right when lines move."""

    module: str
    function: str
    before: str
    after: str
    kind: str  # one of CLASSES
    reason: str
    nth: int = 1

    def is_of(self, mutant: Mutant) -> bool:
        """Whether it says something of this mutant."""
        return (self.module, self.function, self.before, self.after, self.nth) == (
            mutant.module,
            mutant.function,
            mutant.before,
            mutant.after,
            mutant.nth,
        )


def read(file: Path = FILE) -> list[Survivor]:
    """All entries. Raises ValueError, TypeError or tomllib's errors for one that is no such."""
    entries = [Survivor(**each) for each in tomllib.loads(file.read_text())["mutant"]]
    for each in entries:
        if each.kind not in CLASSES or not each.reason:
            known = ", ".join(CLASSES)
            raise ValueError(f"{each.module}, {each.before}: needs a reason, and a kind of {known}")
    return entries


def entry_of(mutant: Mutant, entries: list[Survivor]) -> Survivor | None:
    """What is said of this mutant, if anything."""
    return next((each for each in entries if each.is_of(mutant)), None)


def gone(mutants: list[Mutant], entries: list[Survivor]) -> list[Survivor]:
    """Entries of no mutant: the code has changed since."""
    return [each for each in entries if not any(each.is_of(mutant) for mutant in mutants)]
