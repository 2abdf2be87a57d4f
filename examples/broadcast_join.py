"""A table that fits into the memory, joined to one of any size: what is joined is not sorted."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from zmr import Job, JsonLines, Sum, once


class SpentByCity(Job):
    """What customers of each city have spent. With `outer`, also those who are not in the table.

    Each process reads the table once.
    """

    customers: str  # a CSV file with the columns id and city, on a disk that all workers see
    outer: bool = False

    input = JsonLines()
    reduce = Sum()

    @once
    def cities(self) -> dict[int, str]:
        with open(self.customers, newline="") as file:
            return {int(row["id"]): row["city"] for row in csv.DictReader(file)}

    def map(self, order: dict[str, Any]) -> Iterator[tuple[str, int]]:
        city = self.cities().get(order["customer"])
        if city is not None:
            yield city, order["total"]
        elif self.outer:
            yield "(unknown)", order["total"]
