"""`python -m tests.simulation SEED --trace`: what happens in the simulation of a seed."""

from __future__ import annotations

import sys

from .run import check, traced

for seed in range(int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) == 3 and sys.argv[2] != "--trace" else [int(sys.argv[1])]:
    if "--trace" in sys.argv:
        failure, lines = traced(seed)
        print("\n".join(lines))
        if failure: print(failure.where)
    else:
        failure = check(seed)
        if failure:
            print(seed, failure.error[:300].replace("\n", " | "))
