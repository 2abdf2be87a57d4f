"""Who finds a mutant: the simulator, the unit tests, or nobody.

A seed or a test that fails on the code as it is finds nothing, nor does a test that fails with the
mutant only once.
"""

from __future__ import annotations

import random
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from .mutants import Mutant
from .workshop import Seen, Workshop

# First the tests of what is mutated, then those of the rooms that use it first of all.
STAGES = (
    ("tests/unit/core", "tests/unit/wire", "tests/unit/journal"),
    ("tests/unit/net", "tests/unit/slots"),
)


class Finder(Enum):
    """What saw that the mutant is wrong."""

    SIMULATION = "simulation"
    UNIT = "unit tests"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant."""

    mutant: Mutant
    finder: Finder
    seen: Seen | None
    first_seed: int
    tried: int = 0  # seeds up to the one that found it
    false_alarms: tuple[Seen, ...] = ()  # what fails without the mutant, too

    def as_json(self) -> dict[str, object]:
        """All of it, in a form that JSON has."""
        mutant = {k: v for k, v in asdict(self.mutant).items() if k != "edit"}
        return {
            "id": self.mutant.id,
            **mutant,
            "operator": self.mutant.edit.operator,
            "found_by": self.finder.value,
            "seen": asdict(self.seen) if self.seen else None,
            "first_seed": self.first_seed,
            "seeds_tried": self.tried,
            "false_alarms": [asdict(each) for each in self.false_alarms],
        }

    @classmethod
    def from_json(cls, row: dict[str, Any], mutant: Mutant) -> Verdict:
        """What `as_json` has said of this mutant."""
        return cls(
            mutant,
            Finder(row["found_by"]),
            Seen(**row["seen"]) if row["seen"] else None,
            row["first_seed"],
            row["seeds_tried"],
            tuple(Seen(**each) for each in row["false_alarms"]),
        )


def first_seed(seed: int, mutant: Mutant) -> int:
    """Each mutant has seeds of its own, which follow from the number that drew it."""
    return random.Random(f"{seed} {mutant.id}").randrange(1 << 40)


def judge(mutant: Mutant, workshop: Workshop, seed: int, n_seeds: int) -> Verdict:
    """Try the seeds, then the tests, up to the first that finds the mutant."""
    alarms: list[Seen] = []
    first = first_seed(seed, mutant)
    at, end = first, first + n_seeds
    while at < end:
        with workshop.mutated(mutant):
            seen = workshop.simulate(at, end - at)
        if seen is None:
            break
        at = int(seen.by) + 1
        if workshop.simulate(int(seen.by), 1) is None:
            return Verdict(mutant, Finder.SIMULATION, seen, first, at - first, tuple(alarms))
        alarms.append(seen)
    for stage in STAGES:
        skipped: tuple[str, ...] = ()
        while True:
            with workshop.mutated(mutant):
                seen = workshop.test((*stage, *skipped))
            if seen is None:
                break
            if _is_due_to(mutant, seen, workshop):
                return Verdict(mutant, Finder.UNIT, seen, first, n_seeds, tuple(alarms))
            alarms.append(seen)
            if seen.by in skipped:  # it is in the way of all others
                break
            skipped += ("--deselect", seen.by)
    return Verdict(mutant, Finder.NOTHING, None, first, n_seeds, tuple(alarms))


def _is_due_to(mutant: Mutant, seen: Seen, workshop: Workshop) -> bool:
    """Whether the test fails again with the mutant, and not without it: some draw at random."""
    if workshop.test((seen.by,)) is not None:
        return False
    with workshop.mutated(mutant):
        return workshop.test((seen.by,)) is not None
