"""PageRank (Page and others, 1999): job after job, each on the result of the one before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import zmr

DAMPING = 0.85


class Links(zmr.Job):
    """Each page with the pages that it links to, and its first rank."""

    pages: int

    def map(self, link: tuple[str, str]) -> Iterator[tuple[str, str]]:
        yield link

    def reduce(self, page: str, targets: Iterator[str]) -> Iterator[tuple[str, Any]]:
        yield page, (1 / self.pages, sorted(set(targets)))


class Step(zmr.Job):
    """Each page gives its rank to the pages that it links to."""

    pages: int

    def map(self, pair: tuple[str, Any]) -> Iterator[tuple[str, Any]]:
        page, (rank, targets) = pair
        yield page, targets
        for target in targets:
            yield target, rank / len(targets)

    def reduce(self, page: str, values: Iterator[Any]) -> Iterator[tuple[str, Any]]:
        targets: list[str] = []
        rank = 0.0
        for value in values:
            if isinstance(value, list):
                targets = value
            else:
                rank += value
        yield page, ((1 - DAMPING) / self.pages + DAMPING * rank, targets)


def page_rank(links: Iterable[tuple[str, str]], pages: int, steps: int = 20) -> dict[str, float]:
    """The rank of each page. Each of them has to link to some page."""
    with zmr.LocalCluster() as cluster:
        ranks = cluster.run(Links(pages=pages), iter(links))
        for _ in range(steps):
            ranks = cluster.run(Step(pages=pages), ranks)
        return {page: rank for page, (rank, _) in ranks}


if __name__ == "__main__":
    web = [("home", "news"), ("news", "home"), ("news", "about"), ("about", "home")]
    for name, rank in sorted(page_rank(web, 3).items(), key=lambda pair: -pair[1]):
        print(f"{rank:.3f}  {name}")
