"""`zmr run wordcount INPUT... -o OUT`"""

from __future__ import annotations

from collections.abc import Iterator

from zmr import Job, Sum


class WordCount(Job):
    """Count how often each word occurs.

    A word is what stands between white space; case and punctuation count.
    """

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    reduce = Sum()
