"""Jobs in a loop, on the results of each other, beside single-process scripts in plain Python.

    python -m benchmarks.loops [--rounds 3]

k-means over 200,000 rows, 30 steps, and PageRank of 5,000 pages, 19 steps. In turns; a line for
each work: medians, and how much zmr takes beyond 1.5 times the script, a step (the goal: 0.15 s).
Answers are compared first.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from math import isclose
from random import Random
from statistics import median
from typing import Any, NamedTuple

import click
import pyarrow as pa

from benchmarks.places import CHECKOUT

sys.path.insert(0, str(CHECKOUT / "examples"))

from kmeans import k_means
from pagerank import DAMPING, page_rank

ROWS, CENTRES, MOVES = 200_000, 5, 30
PAGES, LINKS_A_PAGE, STEPS = 5_000, 10, 19


class Loop(NamedTuple):
    """A work, by zmr and by a script; what both return is the same."""

    name: str
    steps: int
    zmr: Callable[[], Any]
    script: Callable[[], Any]
    agree: Callable[[Any, Any], bool]


def points(seed: int = 1) -> tuple[list[float], list[float]]:
    """The coordinates of points that lie in no clusters, so that centres move for long."""
    rng = Random(seed)
    return [rng.random() for _ in range(ROWS)], [rng.random() for _ in range(ROWS)]


def k_means_script(xs: list[float], ys: list[float]) -> list[tuple[float, float]]:
    """The centres after all moves."""
    centres = list(zip(xs[:CENTRES], ys[:CENTRES], strict=True))
    for _ in range(MOVES):
        sums = [[0.0, 0.0, 0] for _ in centres]
        for x, y in zip(xs, ys, strict=True):
            best, at = 9.0, 0
            for n, (cx, cy) in enumerate(centres):
                distance = (x - cx) ** 2 + (y - cy) ** 2
                if distance < best:
                    best, at = distance, n
            total = sums[at]
            total[0] += x
            total[1] += y
            total[2] += 1
        centres = [(x / n, y / n) for x, y, n in sums]
    return centres


def links(seed: int = 1) -> list[tuple[str, str]]:
    """Links of each page to others, early pages more often."""
    rng = Random(seed)
    return [
        (f"page{page}", f"page{int(PAGES * rng.random() ** 2)}")
        for page in range(PAGES)
        for _ in range(LINKS_A_PAGE)
    ]


def page_rank_script(pairs: list[tuple[str, str]]) -> dict[str, float]:
    """The rank of each page."""
    targets: dict[str, list[str]] = {}
    for page, target in sorted(set(pairs)):
        targets.setdefault(page, []).append(target)
    ranks = dict.fromkeys(targets, 1 / PAGES)
    for _ in range(STEPS):
        given = dict.fromkeys(targets, 0.0)
        for page, of_page in targets.items():
            share = ranks[page] / len(of_page)
            for target in of_page:
                given[target] += share
        ranks = {page: (1 - DAMPING) / PAGES + DAMPING * rank for page, rank in given.items()}
    return ranks


def _centres_agree(one: Any, other: Any) -> bool:
    return all(
        isclose(a, b, rel_tol=1e-6)
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


def _ranks_agree(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(isclose(one[key], other[key]) for key in one)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    found = work()
    return found, time.perf_counter() - begun


@click.command()
@click.option("--rounds", default=3, type=click.IntRange(min=1), help="How often each is run.")
def main(rounds: int) -> None:
    """Measure, and print a line for each work."""
    xs, ys = points()
    table = pa.table({"x": xs, "y": ys})
    pairs = links()
    works = (
        Loop(
            f"k-means, {ROWS:,} rows",
            MOVES,
            lambda: k_means(table, CENTRES, MOVES),
            lambda: k_means_script(xs, ys),
            _centres_agree,
        ),
        Loop(
            f"PageRank, {PAGES:,} pages",
            STEPS,
            lambda: page_rank(pairs, PAGES, STEPS),
            lambda: page_rank_script(pairs),
            _ranks_agree,
        ),
    )
    for work in works:
        ours_s, theirs_s = [], []
        for _ in range(rounds):
            found, took_s = _timed(work.zmr)
            ours_s.append(took_s)
            expected, took_s = _timed(work.script)
            theirs_s.append(took_s)
            if not work.agree(found, expected):
                raise click.ClickException(f"{work.name}: the answers differ")
        zmr_s, script_s = median(ours_s), median(theirs_s)
        print(
            f"{work.name}, {work.steps} steps: zmr {zmr_s:.2f} s, script {script_s:.2f} s; "
            f"beyond 1.5 scripts {(zmr_s - 1.5 * script_s) / work.steps:.3f} s a step"
        )


if __name__ == "__main__":
    main()
