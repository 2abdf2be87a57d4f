"""The log of a web server, in the common log format."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zmr import Count, Job, Top

LINE = re.compile(r'(\S+) \S+ \S+ \[([^]]+)\] "\S+ (\S+)[^"]*" (\d+) (\d+|-)')


class ByHour(Job):
    """How many requests there were in each hour of the day."""

    reduce = Count()

    def map(self, line: str) -> Iterator[tuple[int, None]]:
        if found := LINE.match(line):
            yield int(found[2].split(":")[1]), None
        else:
            self.count("lines that are no requests")


class Commonest(Job):
    """The 20 paths that were asked for most often: counted in each task, and then added."""

    reducers = 1

    def setup(self) -> None:
        self.counts: dict[str, int] = {}

    def map(self, line: str) -> None:
        if found := LINE.match(line):
            self.counts[found[3]] = self.counts.get(found[3], 0) + 1

    def finish_map(self) -> Iterator[tuple[str, int]]:
        yield from self.counts.items()

    def reduce(self, path: str, counts: Iterator[int]) -> None:
        self.counts[path] = sum(counts)

    def finish_reduce(self) -> Iterator[tuple[str, int]]:
        yield from sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:20]


class Largest(Job):
    """The three largest answers to requests for each path."""

    reduce = Top(3)

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        found = LINE.match(line)
        if found and found[5] != "-":
            yield found[3], int(found[5])


class Percentile(Job):
    """The size that 95 % of the answers of each path stay below, or reach."""

    sort_values = True

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        found = LINE.match(line)
        if found and found[5] != "-":
            yield found[3], int(found[5])

    def reduce(self, path: str, sizes: Iterator[int]) -> Iterator[tuple[str, int]]:
        in_order = list(sizes)
        yield path, in_order[-(-95 * len(in_order) // 100) - 1]
