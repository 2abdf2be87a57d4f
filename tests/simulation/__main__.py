"""The simulator as a command.

python -m tests.simulation 4711 --trace     # one seed, and all that happens
python -m tests.simulation --seeds 10000    # many, on all cores
python -m tests.simulation --seeds 1000 --counts  # how often each demand of the witness applies
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from .campaign import campaign, fresh_seed
from .run import check, demanded, traced
from .witness.demands import DEMANDS


def main() -> int:
    """Exit status 0: all was right; 1: it was not; 3: time was up before all seeds were tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", nargs="*", type=int, help="seeds to simulate")
    parser.add_argument("--trace", action="store_true", help="tell all that happens")
    parser.add_argument("--seeds", type=int, default=0, help="try so many seeds")
    parser.add_argument("--first", type=int, help="the first of them (default: a fresh one)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds for all of them")
    parser.add_argument("--counts", action="store_true", help="count what they demand instead")
    given = parser.parse_args()
    if not given.seed and not given.seeds:
        parser.error("which seed? (or how many: --seeds)")
    if given.seeds:
        first = fresh_seed() if given.first is None else given.first
        seeds = range(first, first + given.seeds)
        return _counts(seeds, given.jobs) if given.counts else _many(seeds, given.jobs, given.limit)
    return max(_one(seed, given.trace) for seed in given.seed)


def _one(seed: int, trace: bool) -> int:
    failure, lines = traced(seed) if trace else (check(seed), [])
    print("\n".join([*lines, failure.verdict if failure else f"seed {seed}: nothing is wrong"]))
    return 1 if failure else 0


def _many(seeds: range, processes: int, limit_s: float) -> int:
    print(f"seeds {seeds.start} to {seeds.stop - 1}, {processes} processes", flush=True)
    right, failure = campaign(seeds, processes, limit_s)
    if failure is not None:
        print(f"\n{failure.text()}")
        return 1
    if right < len(seeds):
        print(f"time is up: {right:,} of {len(seeds):,} seeds were tried, and are right")
        return 3
    print(f"all {right:,} seeds are right")
    return 0


def _counts(seeds: range, processes: int) -> int:
    """How often each demand of the witness applies, and in how many seeds."""
    times, n_seeds = Counter[str](), Counter[str]()
    with ProcessPoolExecutor(processes) as pool:
        for applied in pool.map(demanded, seeds, chunksize=20):
            times += applied
            n_seeds.update(demand for demand, n in applied.items() if n)
    for demand in DEMANDS:
        print(f"{times[demand]:8,} times, in {n_seeds[demand]:6,} seeds: {demand}")
    return 0 if all(times[demand] for demand in DEMANDS) else 1


if __name__ == "__main__":
    sys.exit(main())
