"""What one odd record costs among many plain ones, and what records cost that are not plain at all.

`python -m benchmarks.cliffs` runs a map task and its reduces in this process, from the pairs of
`map` or a block of lines to the output's bytes, with and without the odd record, in turns.
`--docs` puts the table into docs/performance.md. `tests/unit/test_cliffs.py` counts calls into
Python for the same kinds of records.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any

from benchmarks import docs
from benchmarks.cli import PAGE
from benchmarks.odd_records import KINDS, LINE_KINDS, VARIANTS, Kind, LineKind, Pair, Variant
from benchmarks.one_task import counted_words, reduced_pairs
from benchmarks.places import CHECKOUT
from benchmarks.report import table
from zmr import Count, Job
from zmr.slots.malloc import set_up_malloc

MOST_FOR_ONE = 1.3  # times what it takes without the odd one
MOST_FOR_ALL = 3.0  # times what plain ones take

_LINES_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time, and of how many bytes."""

    plain_s: float
    plain_bytes: int
    other_s: float
    other_bytes: int

    @property
    def ratio(self) -> float:
        """Time for each byte, over that of plain records."""
        return self.other_s / self.other_bytes / (self.plain_s / self.plain_bytes)


class _Words(Job):
    reduce = Count()

    def map(self, line: str) -> Any:
        """Not called: words come as columns."""


def cost_of(kind: Kind | LineKind | Variant, n_pairs: int, rounds: int) -> Cost:
    """What the kind costs, the least of so many rounds in turns."""
    if isinstance(kind, LineKind):
        line = b"some words of line %d that are short\n"
        lines = [line % (i % 50_000) for i in range(_LINES_BYTES // len(line))]
        plain = b"".join(lines)
        lines.insert(len(lines) // 2, kind.odd)
        odd, words = b"".join(lines), _Words()
        runs = [lambda: counted_words(words, plain), lambda: counted_words(words, odd)]
        return _timed(runs, [len(plain), len(odd)], rounds)
    if isinstance(kind, Variant):
        pairs = [[make(i) for i in range(n_pairs)] for make in (kind.beside, kind.plain)]
        job = Kind(kind.name, kind.plain, lambda pair: pair, kind.reduce).job()
    else:
        pairs = [list(kind.pairs(n_pairs, where)) for where in (None, n_pairs // 2)]
        job = kind.job()
    runs = [lambda some=some: reduced_pairs(job, some) for some in pairs]  # type: ignore[misc]
    return _timed(runs, [sum(map(_size_bytes, some)) for some in pairs], rounds)


def _timed(runs: Sequence[Callable[[], Any]], sizes: Sequence[int], rounds: int) -> Cost:
    least = [float("inf")] * len(runs)
    for _ in range(rounds):
        for number, run in enumerate(runs):
            began = process_time()
            run()
            least[number] = min(least[number], process_time() - began)
    return Cost(least[0], sizes[0], least[1], sizes[1])


def _size_bytes(pair: Pair) -> int:
    return sum(len(part) if isinstance(part, (str, bytes)) else len(str(part)) for part in pair)


def section(costs: Sequence[tuple[str, Cost, float]], n_pairs: int) -> str:
    """The table."""
    rows = []
    for name, cost, most in costs:
        verdict = "met" if cost.ratio <= most else "**missed**"
        times = (f"{1000 * cost.plain_s:.0f} ms", f"{1000 * cost.other_s:.0f} ms")
        rows.append((name, *times, f"{cost.ratio:.2f}, {verdict}", f"≤ {most:g}"))
    heads = ("what is odd", "without", "with", "× for each byte", "goal")
    said = f"{n_pairs:,} pairs, or a block of {_LINES_BYTES >> 20} MB of lines; processor time."
    return f"{said}\n\n{table(heads, rows)}\n\nMade by `python -m benchmarks.cliffs`."


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all kinds; return the exit status, 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cliffs", description=__doc__)
    parser.add_argument("--pairs", type=int, default=200_000, metavar="N", help="in a block")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (default: 5)")
    parser.add_argument("--only", default="", metavar="WORDS", help="kinds with these words")
    parser.add_argument(
        "--docs", action="store_true", help=f"put the table into {PAGE.relative_to(CHECKOUT)}"
    )
    given = parser.parse_args(arguments)
    set_up_malloc(0)  # as slots do
    costs: list[tuple[str, Cost, float]] = []
    for kinds, most, prefix in (
        (KINDS, MOST_FOR_ONE, "one "),
        (LINE_KINDS, MOST_FOR_ONE, "one line with "),
        (VARIANTS, MOST_FOR_ALL, "all rows: "),
    ):
        for kind in kinds:
            if given.only in kind.name:
                cost = cost_of(kind, given.pairs, given.rounds)
                costs.append((prefix + kind.name, cost, most))
                print(f"{prefix}{kind.name}: {cost.ratio:.2f}", file=sys.stderr)
    text = section(costs, given.pairs)
    print(text)
    if given.docs:
        PAGE.write_text(docs.replace(PAGE.read_text(), "cliffs", text))
    return 0 if all(cost.ratio <= most for _, cost, most in costs) else 1


if __name__ == "__main__":
    sys.exit(main())
