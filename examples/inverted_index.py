"""In which lines of which files each word is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from zmr import Collect, Job, Lines

WORD = re.compile(r"\w+")


class InvertedIndex(Job):
    """For each word, (file, number of the line) of all lines that have it, in their order."""

    input = Lines(numbers=True)
    reduce = Collect()

    def map(self, record: tuple[int, str]) -> Iterator[tuple[str, tuple[str, int]]]:
        number, line = record
        for word in set(WORD.findall(line.lower())):
            yield word, (os.path.basename(self.source.path), number)
