"""The simulator finds mistakes: each of these is planted alone, and found."""

from __future__ import annotations

import pytest

from simulation import (  # noqa: F401 - they register themselves
    defects_of_clients,
    defects_of_machines,
    defects_of_membership,
    defects_of_mutants,
    defects_of_tasks,
    defects_of_workers,
)
from simulation.campaign import first_failure
from simulation.defects import DEFECTS
from simulation.planting import Defect
from simulation.run import replay

SEEDS = 1000

# Small clusters in which much goes wrong: nearly every defect shows in one of them, so they come
# first. (When draw.py changes, others may be better: any order of the seeds is right.)
TELLING = (789, 76, 134, 176, 185, 52, 58, 201, 206, 180, 12, 53, 100, 372, 677, 109)
ORDER = list(dict.fromkeys((*TELLING, *range(SEEDS))))[:SEEDS]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.what)
def test_a_planted_defect_is_found(defect: Defect) -> None:
    with defect.planted():
        failure = first_failure(ORDER)

    assert failure is not None, f"nobody sees that {defect.what}"
    assert replay(failure.seed) in failure.verdict


def test_there_are_enough_defects_to_judge_by() -> None:
    assert len(DEFECTS) >= 12
    assert len(ORDER) == SEEDS
    assert len({defect.what for defect in DEFECTS}) == len(DEFECTS)
