"""A word count for which some words are too much, in map or in reduce."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

from zmr import Job


class Fragile(Job):
    bad_key: str = ""

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            self.count("words")
            yield word, 1
            if word == "!raise":
                raise ValueError("no good")
            if word == "!segfault":
                ctypes.string_at(0)
            if word == "!exit":
                os._exit(7)
            while word == "!hang":
                pass

    def reduce(self, word: str, counts: Iterator[int]) -> Iterator[tuple[str, int]]:
        if word == self.bad_key:
            raise KeyError(word)
        yield word, sum(counts)
