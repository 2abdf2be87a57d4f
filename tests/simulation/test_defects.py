"""The simulator finds mistakes: each of these is planted alone, and found."""

from __future__ import annotations

import pytest

from simulation.campaign import first_failure
from simulation.defects import DEFECTS, Defect
from simulation.run import replay

SEEDS = 1000


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.what)
def test_a_planted_defect_is_found(defect: Defect) -> None:
    with defect.planted():
        failure = first_failure(range(SEEDS))

    assert failure is not None, f"nobody sees that {defect.what}"
    assert replay(failure.seed) in failure.verdict


def test_there_are_enough_defects_to_judge_by() -> None:
    assert len(DEFECTS) >= 12
    assert len({defect.what for defect in DEFECTS}) == len(DEFECTS)
