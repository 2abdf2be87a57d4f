"""Which words are typical of each document: TF-IDF, in two steps."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator

from zmr import Job, Pipeline, Top, WholeFiles

WORD = re.compile(r"\w+")


class Frequencies(Job):
    """For each word, the documents that have it, and the part that it has of their words."""

    input = WholeFiles()

    def map(self, document: tuple[str, str]) -> Iterator[tuple[str, tuple[str, float]]]:
        path, text = document
        self.count("documents")
        words = Counter(WORD.findall(text.lower()))
        for word, n in words.items():
            yield word, (os.path.basename(path), n / words.total())

    def reduce(
        self, word: str, found: Iterator[tuple[str, float]]
    ) -> Iterator[tuple[str, list[tuple[str, float]]]]:
        yield word, list(found)


class Typical(Job):
    """For each document, the three words that are the most typical of it.

    How many documents there are, no task of this step knows; those of the step before have counted.
    """

    reduce = Top(3)

    def setup(self) -> None:
        self.n_documents = self.counters_of(Frequencies)["documents"]

    def map(
        self, pair: tuple[str, list[tuple[str, float]]]
    ) -> Iterator[tuple[str, tuple[float, str]]]:
        word, found = pair
        rarity = math.log(self.n_documents / len(found))
        for document, frequency in found:
            yield document, (frequency * rarity, word)


class TfIdf(Pipeline):
    """The typical words of each document."""

    steps = (Frequencies, Typical)
