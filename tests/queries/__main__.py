"""Many queries: python -m tests.queries --queries 2000"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests/support

from .compare import difference


def main() -> int:
    """Exit status 0: all answers are the same; 1: some differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.queries", description=__doc__)
    parser.add_argument("--queries", type=int, default=2000, help="how many")
    parser.add_argument("--first", type=int, help="the first seed (default: a fresh one)")
    given = parser.parse_args()
    first = int.from_bytes(os.urandom(4), "big") if given.first is None else given.first
    print(f"seeds {first} to {first + given.queries - 1}", flush=True)
    wrong = 0
    for seed in range(first, first + given.queries):
        with tempfile.TemporaryDirectory(prefix="zmr-queries-") as folder:
            found = difference(seed, Path(folder))
        if found:
            wrong += 1
            print(f"seed {seed}: {found}"[:1000])
    print(f"{given.queries - wrong:,} of {given.queries:,} answers are the same")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
