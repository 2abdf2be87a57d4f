"""Mutants as a command: small mistakes in zmr/core and zmr/wire, each to be found by a test.

python -m tests.mutation --seed 17 --mutants 200   # draw them, and try each
python -m tests.mutation --seed 17 --only 3f2a91c0 # one of them again, with the same seeds
python -m tests.mutation --only core/plan.py:52 --show   # what can be wrong in a line

Each is planted in a copy of the checkout, and tried with fresh seeds of the simulator, then with
the unit tests. A seed or a test that fails without the mutant, too, does not count.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from . import report, survivors
from .judge import Verdict, judge
from .mutants import Mutant, all_mutants, draw
from .workshop import Workshop

_CHECKOUT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    """Exit status 0: all are found or classified; 1: some survive; 3: code fails without them."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--seed", type=int, help="draws the mutants, and their seeds (default: a fresh one)"
    )
    parser.add_argument("--mutants", type=int, default=200, help="how many (default: 200)")
    parser.add_argument(
        "--seeds", type=int, default=400, help="of the simulator for each (default: 400)"
    )
    parser.add_argument("--only", metavar="ID|MODULE:LINE", help="this one, or those of this line")
    parser.add_argument(
        "--show", action="store_true", help="show what they change, and run nothing"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        help="at a time (default: as many as cores)",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write what comes out as JSON, too; a run that is in there goes on",
    )
    given = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    known = all_mutants(_CHECKOUT / "zmr")
    chosen = _named(known, given.only) if given.only else draw(known, seed, given.mutants)
    if not chosen:
        parser.error(f"{given.only}: no such mutant. `--show` lists them")
    print(f"seed {seed}: {len(chosen)} of {len(known):,} mutants", flush=True)
    if given.show:
        for mutant in chosen:
            source = (_CHECKOUT / "zmr" / mutant.module).read_bytes()
            print(f"\n{mutant.id} {mutant.function} ({mutant.edit.operator})")
            print(mutant.diff(source), end="")
        return 0
    verdicts, entries = _earlier(given.report, chosen, seed), survivors.read()
    done = {verdict.mutant.id for verdict in verdicts}
    left = [mutant for mutant in chosen if mutant.id not in done]
    for verdict in _verdicts(left, seed, given.seeds, given.jobs):
        print(f"{len(verdicts) + 1:>4} {report.line(verdict)}", flush=True)
        verdicts.append(verdict)
        if given.report is not None:
            report.write_json(given.report, verdicts, entries, seed)
    print(f"\n{report.text(verdicts, entries)}")
    if report.unclassified(verdicts, entries):
        return 1
    return 3 if any(verdict.false_alarms for verdict in verdicts) else 0


def _named(known: list[Mutant], name: str) -> list[Mutant]:
    module, _, line = name.rpartition(":")
    module = module.removeprefix("zmr/")
    return [
        mutant
        for mutant in known
        if mutant.id == name or (mutant.module == module and str(mutant.line) == line)
    ]


def _earlier(file: Path | None, chosen: list[Mutant], seed: int) -> list[Verdict]:
    """What the file has of a run that did not come to its end."""
    verdicts = report.read_json(file, chosen, seed) if file is not None else []
    if verdicts:
        print(f"{len(verdicts)} of them are in {file} already", flush=True)
    return verdicts


def _verdicts(chosen: list[Mutant], seed: int, n_seeds: int, jobs: int) -> Iterator[Verdict]:
    """One after the other, as they come; in so many copies of the checkout."""
    if not chosen:
        return
    with tempfile.TemporaryDirectory(prefix="zmr-mutation-") as folder:
        free: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
        for number in range(min(jobs, len(chosen))):
            free.put(Workshop(_CHECKOUT, Path(folder, str(number))))

        def tried(mutant: Mutant) -> Verdict:
            workshop = free.get()
            try:
                return judge(mutant, workshop, seed, n_seeds)
            finally:
                free.put(workshop)

        with ThreadPoolExecutor(free.qsize()) as pool:
            futures = [pool.submit(tried, mutant) for mutant in chosen]
            try:
                yield from (future.result() for future in as_completed(futures))
            finally:
                for future in futures:
                    future.cancel()


if __name__ == "__main__":
    sys.exit(main())
