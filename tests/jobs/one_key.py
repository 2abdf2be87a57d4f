"""All lines under one key: its values are as large as the whole input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from zmr import Job


class OneKey(Job):
    """Count the lines and their characters."""

    def map(self, line: str) -> Iterator[tuple[str, str]]:
        yield "all", line

    def reduce(self, key: str, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
        n_lines = n_characters = 0
        for line in lines:
            n_lines += 1
            n_characters += len(line)
        yield key, f"{n_lines} {n_characters}"
