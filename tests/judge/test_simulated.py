"""Histories of simulated clusters: fresh ones are accepted, and a mistake is rejected."""

from __future__ import annotations

import pytest
from simulation.campaign import fresh_seed

from judge.mistakes import MISTAKES, SEEDS
from judge.run import first_rejected, judge_seeds, told

FRESH = 50


@pytest.mark.usefixtures("go")
def test_histories_of_fresh_seeds_are_accepted() -> None:
    first = fresh_seed()

    judgement, failure = judge_seeds(range(first, first + FRESH))

    if failure is not None:
        pytest.fail(failure.text(), pytrace=False)
    # A master that is told to end before its first job leaves none; that is one seed of a thousand.
    assert FRESH - 5 <= judgement.histories <= FRESH
    assert judgement.operations > 10 * FRESH
    assert not judgement.rejected, "\n".join(map(told, judgement.rejected))


@pytest.mark.usefixtures("go")
def test_a_mistake_is_rejected() -> None:
    """The quickest of them; `python -m tests.judge --mistakes` has them all."""
    (mistake,) = (each for each in MISTAKES if each.what == "a worker does not ask")

    rejected = first_rejected(mistake, SEEDS)

    assert rejected is not None
    assert "python -m tests.simulation" in told(rejected)
    assert "commit of attempt" in told(rejected)


def test_there_are_enough_mistakes() -> None:
    assert len({mistake.what for mistake in MISTAKES}) == len(MISTAKES) >= 9
