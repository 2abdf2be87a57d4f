"""Chaos as a command.

python -m tests.chaos --minutes 30      # from a fresh seed
python -m tests.chaos --seed 17         # what happens is drawn from it; when, is up to the machine
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from chaos.run import Chaos


def main() -> int:
    """Exit status 0: all was right; 1: it was not."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="default: a fresh one")
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="zmr-chaos-"))
    print(f"seed {seed}, in {folder}", flush=True)
    chaos = Chaos(seed, folder, tell=lambda text: print(text, flush=True))
    try:
        chaos.run(given.minutes * 60.0)
    except AssertionError as error:
        print(f"{error}\nseed {seed}: wrong; everything that was written is in {folder / 'logs'}")
        return 1
    shutil.rmtree(folder)
    print(f"seed {seed}: {chaos.summary()}; all was right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
