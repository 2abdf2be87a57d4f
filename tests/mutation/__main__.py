"""Mutants as a command: small mistakes in zmr/core and zmr/wire, each to be found by a test.

python -m tests.mutation --seed 17 --mutants 200   # draw them, and try each
python -m tests.mutation --seed 17 --only 3f2a91c0 # one of them again, with the same seeds
python -m tests.mutation --only core/plan.py:52 --show   # what can be wrong in a line
python -m tests.mutation --survivors               # those that are classified, again

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
    parser = _parser()
    given = parser.parse_args()
    seed = int.from_bytes(os.urandom(4), "big") if given.seed is None else given.seed
    known, entries = all_mutants(_CHECKOUT / "zmr"), survivors.read()
    if given.only:
        chosen = _named(known, given.only)
    elif given.survivors:
        chosen = [mutant for mutant in known if survivors.entry_of(mutant, entries)]
    else:
        chosen = draw(known, seed, given.mutants)
    if not chosen:
        parser.error("no such mutant; `--only MODULE:LINE --show` lists those of a line")
    print(f"seed {seed}: {len(chosen)} of {len(known):,} mutants", flush=True)
    if given.show:
        _show(chosen)
        return 0
    verdicts = _earlier(given.report, chosen, seed)
    done = {verdict.mutant.id for verdict in verdicts}
    left = [mutant for mutant in chosen if mutant.id not in done]
    for verdict in _verdicts(left, seed, given.seeds, given.jobs):
        print(f"{len(verdicts) + 1:>4} {report.line(verdict)}", flush=True)
        verdicts.append(verdict)
        if given.report is not None:
            report.write_json(given.report, verdicts, entries, seed)
    print(f"\n{report.text(verdicts, entries)}")
    for each in survivors.gone(known, entries):
        print(f"classified, and no mutant any more: {each.module}, {each.function}: {each.before}")
    if report.unclassified(verdicts, entries):
        return 1
    return 3 if any(verdict.false_alarms for verdict in verdicts) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add, cores = parser.add_argument, os.cpu_count() or 1
    add("--seed", type=int, help="draws the mutants, and their seeds (default: a fresh one)")
    add("--mutants", type=int, default=200, help="how many (default: 200)")
    add("--seeds", type=int, default=400, help="of the simulator for each (default: 400)")
    add("--only", metavar="ID|MODULE:LINE", help="this one, or those of this line")
    add("--survivors", action="store_true", help="those that survivors.toml classifies")
    add("--show", action="store_true", help="show what they change, and run nothing")
    add("--jobs", type=int, default=cores, help="at a time (default: as many as cores)")
    report_help = "write what comes out as JSON, too; a run that is in there goes on"
    add("--report", type=Path, metavar="FILE", help=report_help)
    return parser


def _show(chosen: list[Mutant]) -> None:
    for mutant in chosen:
        source = (_CHECKOUT / "zmr" / mutant.module).read_bytes()
        print(f"\n{mutant.id} {mutant.function} ({mutant.edit.operator})")
        print(mutant.diff(source), end="")


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
