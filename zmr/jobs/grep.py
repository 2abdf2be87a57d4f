"""`zmr run grep INPUT... -o OUT -p pattern=ERROR`"""

from __future__ import annotations

import re
from collections.abc import Iterator

from zmr.job import Job
from zmr.reducers import Sum


class Grep(Job):
    """Find the lines that match a regular expression, and count how often each occurs.

    The pattern may match anywhere in a line; the syntax is that of Python's `re`.
    """

    pattern: re.Pattern[str]
    ignore_case: bool = False

    def setup(self) -> None:
        flags = self.pattern.flags | (re.IGNORECASE if self.ignore_case else re.NOFLAG)
        self._search = re.compile(self.pattern.pattern, flags).search

    def map(self, line: str) -> Iterator[tuple[str, int]]:
        if self._search(line):
            yield line, 1

    reduce = Sum()
