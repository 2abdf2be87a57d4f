"""A pipeline of which each task notes that it was begun, and may be held, as those of `Steady`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from steady import Steady  # type: ignore[import-not-found]

from zmr import Lines, Pipeline


class ByCount(Steady):  # type: ignore[misc]
    """The words that occur equally often."""

    fails: bool = False
    input = Lines()
    reducers = 2

    def map(self, pair: Any) -> Iterator[tuple[Any, Any]]:
        if self.fails:
            raise ValueError(f"not {pair[0]!r}")
        self.count("words")
        yield pair[1], pair[0]

    def reduce(self, n: Any, words: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        self._work(f"reduce {n}")
        yield n, sorted(words)


class Steps(Pipeline):
    """Words, and then those that occur equally often."""

    steps = (Steady, ByCount)
