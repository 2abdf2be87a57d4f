"""One seed: from the drawing to the verdict."""

from __future__ import annotations

import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass

from .draw import draw
from .limits import draw_limits, limited
from .machines.trace import Trace
from .plans import check_plan
from .world import World

_LAST_LINES = 40


@dataclass(frozen=True)
class Failure:
    """Something was wrong in the simulation of a seed."""

    seed: int
    error: str  # what; the first line says it all
    where: str  # the traceback

    @property
    def command(self) -> str:
        return replay(self.seed)

    @property
    def verdict(self) -> str:
        """For a person: where it was seen, what is wrong, and how to see it again."""
        where = f"{self.where}\nseed {self.seed}: {self.error}"
        return f"{where}\nreplay it with: {self.command}"

    def text(self) -> str:
        """The verdict, after the end of what happened."""
        _, lines = traced(self.seed)
        return "\n".join([*lines[-_LAST_LINES:], self.verdict])


def replay(seed: int) -> str:
    """The command that does it again and tells all."""
    return f"python -m tests.simulation {seed} --trace"


def check(seed: int) -> Failure | None:
    """Simulate the seed; None if nothing is wrong."""
    return _run(seed, Trace(is_on=False))


def demanded(seed: int) -> Counter[str]:
    """How often each demand of the witness has something to demand in the seed."""
    world = World(draw(seed), Trace(is_on=False))
    with suppress(Exception):  # `check` tells of it
        world.run()
    return world.witness.applied


def traced(seed: int) -> tuple[Failure | None, list[str]]:
    """The same, and what happened, line by line."""
    trace = Trace(is_on=True)
    return _run(seed, trace), trace.lines


def _run(seed: int, trace: Trace) -> Failure | None:
    try:
        check_plan(seed)
        with limited(draw_limits(seed)):
            world = World(draw(seed), trace)
            try:
                world.run()
            finally:
                world.close()
    except Exception as error:  # also what the cores raise: it would end the process
        text = str(error) or "an assertion failed"
        return Failure(seed, f"{type(error).__name__}: {text}", traceback.format_exc())
    return None
