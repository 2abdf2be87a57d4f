"""Each demand of the witness has something to demand in some hundred seeds, or it is none."""

from __future__ import annotations

import pytest

from simulation.draw import draw
from simulation.machines.trace import Trace
from simulation.witness.demands import DEMANDS, IN_STORIES
from simulation.world import World

# The first seeds that show all of them. (When draw.py changes, others may be better.)
SEEDS = 400


def test_every_demand_applies() -> None:
    left = set(DEMANDS)
    for seed in range(SEEDS):
        world = World(draw(seed), Trace(is_on=False))
        world.run()
        left -= (+world.witness.applied).keys()
        if not left:
            return
    pytest.fail(f"in {SEEDS} seeds there was nothing to see of {sorted(left)}")


def test_no_demand_is_missing_in_the_list() -> None:
    for seed in range(20):
        world = World(draw(seed), Trace(is_on=False))
        world.run()
        assert world.witness.applied.keys() <= {*DEMANDS, *IN_STORIES}
