"""Seeds that nobody has tried before, in every run of the tests."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import CHECKOUT

from simulation.campaign import first_failure, fresh_seed
from simulation.run import check, traced

FRESH = 320
PARTS = 4

# Each was wrong once. (When draw.py changes, their stories do, too.)
ONCE_WRONG = [2329, 2587, 4288, 5010, 6404, 471916734209, 71401195176, 1098099284993, 619768147596]


@pytest.mark.parametrize("part", range(PARTS))
def test_fresh_seeds_are_right(part: int) -> None:
    first = fresh_seed()

    failure = first_failure(range(first, first + FRESH // PARTS))

    if failure is not None:
        pytest.fail(failure.text(), pytrace=False)


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_seeds_that_were_wrong_are_right(seed: int) -> None:
    assert check(seed) is None


def test_a_seed_is_the_same_story_in_every_process() -> None:
    """Whatever the order of hashes: nothing but the seed decides."""
    stories = []
    for hash_seed in ("1", "2"):
        command = [sys.executable, "-m", "tests.simulation", "7", "8", "26", "--trace"]
        environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, check=True, timeout=50
        )
        stories.append(done.stdout)
    assert stories[0] == stories[1]
    assert stories[0].count(b"\n") > 300


def test_a_trace_tells_who_did_what_and_when() -> None:
    _, lines = traced(7)

    assert all(float(line[:9]) >= 0.0 for line in lines)
    assert any(line.endswith("master   starts, epoch 1") for line in lines)
    assert any("says Register" in line for line in lines)
    assert any("begins map 0 of job-1, attempt" in line for line in lines)
