"""Fuzzing as a command.

python -m tests.fuzz                              # a million frames, and ten thousand files
python -m tests.fuzz --frames 50000 --lack B6     # the same against a master that lacks something
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.files import fuzz_files
from fuzz.lacks import LACKS, without
from fuzz.siege import Siege


def main() -> int:
    """Exit status 0: all was right; 1: something was not, as it has to be with `--lack`."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, help="default: a fresh one")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--lack", choices=LACKS, help="what the master lacks")
    given = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="zmr-fuzz-"))
    print(f"seed {seed}, in {folder}", flush=True)
    if given.files and given.lack is None:
        print(fuzz_files(seed, given.files, folder), flush=True)
    if given.frames:
        os.environ["ZMR_HOME"] = str(folder / "home")
        environment = without(given.lack, folder / "lack") if given.lack else None
        siege = Siege(seed, folder, lambda text: print(text, flush=True), environment)
        report = siege.run(given.frames)
        print(report)
        if report.wrong:
            print(*report.wrong, sep="\n")
            print(f"seed {seed}: wrong; what was written is in {folder}")
            return 1
    shutil.rmtree(folder)
    print(f"seed {seed}: all was right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
