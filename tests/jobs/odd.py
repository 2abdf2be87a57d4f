"""Jobs that are unusual, but right."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from zmr import Job, Sum, WholeFiles


class JsonKeys(Job):
    """Counts the values of JSON lines, whatever their characters."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        if line:
            yield json.loads(line), 1

    reduce = Sum()


class Nothing(Job):
    """Reduces everything to nothing."""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        yield line, 1

    def reduce(self, key: str, values: Any) -> None:
        return None


class Vanishing(Job):
    """Removes its input, the next one first."""

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, int]]:
        path, _ = record
        for name in os.listdir(os.path.dirname(path)):
            os.unlink(os.path.join(os.path.dirname(path), name))
        yield path, 1

    reduce = Sum()


class Slow(Job):
    """Takes its time for each line, and counts it; fails the first time at one of them."""

    seconds: float
    fails_at: str = ""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        time.sleep(self.seconds)
        if line == self.fails_at and not self._failed:
            self._failed.append(line)
            raise ValueError("the first time")
        yield line, 1

    _failed: ClassVar[list[str]] = []  # of all tasks of the process
    reduce = Sum()
