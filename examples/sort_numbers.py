"""Lines by the number that they begin with, the largest first, over all files of the output."""

from __future__ import annotations

from collections.abc import Iterator

from zmr import Identity, Job, Range


class Descending(Job):
    partition = Range()
    reduce = Identity()

    def map(self, line: str) -> Iterator[tuple[float, str]]:
        yield -float(line.split(maxsplit=1)[0]), line
