"""Records by the folder that their file is in, such as country=NL/2026.csv."""

from __future__ import annotations

import os
from collections.abc import Iterator

from zmr import Csv, Job, Sum


class ByFolder(Job):
    """The sum of the column `amount`, for each folder."""

    input = Csv(types={"amount": int})
    reduce = Sum()

    def map(self, row: dict[str, int]) -> Iterator[tuple[str, int]]:
        yield os.path.basename(os.path.dirname(self.source.path)), row["amount"]
