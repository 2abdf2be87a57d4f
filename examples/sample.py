"""A sample of lines, each as likely as another, and the same in each run."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from hashlib import blake2b

from zmr import Job


class Sample(Job):
    """Those lines whose hashes are the smallest. Equal lines are as one."""

    size: int = 100
    seed: int = 0

    reducers = 1

    def setup(self) -> None:
        self.smallest: set[tuple[bytes, str]] = set()

    def map(self, line: str) -> None:
        self._add((blake2b(f"{self.seed} {line}".encode(), digest_size=16).digest(), line))

    def finish_map(self) -> Iterator[tuple[bytes, str]]:
        yield from self._smallest()

    def reduce(self, key: bytes, lines: Iterator[str]) -> None:
        self._add((key, next(lines)))

    def finish_reduce(self) -> Iterator[tuple[str, None]]:
        for _, line in self._smallest():
            yield line, None

    def _add(self, hashed: tuple[bytes, str]) -> None:
        self.smallest.add(hashed)
        if len(self.smallest) > 2 * self.size:
            self.smallest = set(self._smallest())

    def _smallest(self) -> list[tuple[bytes, str]]:
        return heapq.nsmallest(self.size, self.smallest)
