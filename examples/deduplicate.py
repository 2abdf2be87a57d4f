"""Each line of a file once, in the order in which they came."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import zmr


class Firsts(zmr.Job):
    """The number at which each line comes first."""

    reduce = zmr.Min()

    def map(self, numbered: tuple[int, str]) -> Iterator[tuple[str, int]]:
        number, line = numbered
        yield line, number


class InOrder(zmr.Job):
    """Lines by their numbers."""

    reducers = 1
    reduce = zmr.Identity()

    def map(self, pair: tuple[str, int]) -> Iterator[tuple[int, str]]:
        line, number = pair
        yield number, line


def deduplicated(path: str) -> Iterator[str]:
    """The lines, without their ends."""
    with zmr.LocalCluster() as cluster, open(path) as file:
        firsts = cluster.run(Firsts, enumerate(line.rstrip("\n") for line in file))
        for _, line in cluster.run(InOrder, firsts):
            yield line


if __name__ == "__main__":
    for line in deduplicated(sys.argv[1]):
        print(line)
