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
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from judge.checker import NoJudgeError, built
from judge.real import NotedZmr

from chaos.judged import judge_chaos
from chaos.run import Chaos


def main() -> int:
    """Exit status 0: all was right; 1: it was not. The history is judged where there is Go."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="default: a fresh one")
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    folder = Path(tempfile.mkdtemp(prefix="zmr-chaos-"))
    print(f"seed {seed}, in {folder}", flush=True)
    chaos = Chaos(seed, folder, lambda text: print(text, flush=True), processes=NotedZmr)
    try:
        chaos.run(given.minutes * 60.0)
        judged = _judge(folder)
    except AssertionError as error:
        print(f"{error}\nseed {seed}: wrong; everything that was written is in {folder}")
        return 1
    shutil.rmtree(folder)
    print(f"seed {seed}: {chaos.summary()}; {judged}; all was right")
    return 0


def _judge(folder: Path) -> str:
    """Have the history judged (docs/dev/simulation.md). Raises AssertionError if it is rejected."""
    try:
        built()
    except NoJudgeError as error:
        return f"the history is not judged: {error}"
    history, judgement = judge_chaos(folder)
    assert not judgement.rejected, "\n".join(map(str, judgement.rejected))
    kinds = Counter(operation.kind for operation in history.operations)
    counts = ", ".join(f"{kind} {n}" for kind, n in sorted(kinds.items()))
    return f"the history of {judgement.jobs} jobs is accepted ({counts})"


if __name__ == "__main__":
    sys.exit(main())
