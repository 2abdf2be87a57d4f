"""The judge as a command.

python -m tests.judge --seeds 1000     # simulated histories, of fresh seeds
python -m tests.judge --mistakes       # plant mistakes, each of which has to be rejected
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulation.campaign import fresh_seed

from judge.checker import NoJudgeError, built
from judge.mistakes import MISTAKES, SEEDS
from judge.run import cores, first_rejected, judge_seeds, told


def main() -> int:
    """Exit status 0: all was right, or there is no Go; 1: it was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.judge", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="simulate so many, and judge them")
    parser.add_argument("--first", type=int, help="the first of them (default: a fresh one)")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes")
    parser.add_argument("--mistakes", action="store_true", help="have planted mistakes rejected")
    given = parser.parse_args()
    if not given.seeds and not given.mistakes:
        parser.error("what is to be judged? --seeds, --mistakes")
    try:
        built()
    except NoJudgeError as error:
        print(f"skipped: {error}")
        return 0
    is_right = True
    if given.seeds:
        first = fresh_seed() if given.first is None else given.first
        is_right &= _seeds(range(first, first + given.seeds), given.jobs)
    if given.mistakes:
        is_right &= _mistakes()
    return 0 if is_right else 1


def _seeds(seeds: range, processes: int) -> bool:
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {processes} processes", flush=True)
    began = monotonic()
    judgement, failure = judge_seeds(seeds, processes)
    if failure is not None:
        print(failure.text())
    for rejected in judgement.rejected:
        print(told(rejected))
    counts = f"{judgement.histories:,} histories of {judgement.jobs:,} jobs"
    counts += f", {judgement.operations:,} operations"
    verdict = f"{len(judgement.rejected)} rejected" if judgement.rejected else "all accepted"
    print(f"{counts}: {verdict}, in {monotonic() - began:.0f} s")
    return failure is None and not judgement.rejected


def _mistakes() -> bool:
    """Plant each; whether all are rejected."""
    missed = 0
    for mistake in MISTAKES:
        rejected = first_rejected(mistake, SEEDS)
        missed += rejected is None
        verdict = "accepted" if rejected is None else f"rejected\n{rejected}"
        print(f"{mistake.what}: {verdict}\n", flush=True)
    print(f"{len(MISTAKES) - missed} of {len(MISTAKES)} mistakes are rejected")
    return not missed


if __name__ == "__main__":
    sys.exit(main())
