"""Two inputs of different formats, joined by the customer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zmr import Csv, Input, Job, JsonLines


class Spent(Job):
    """What each customer has spent. With `outer`, also those without a name or an order."""

    outer: bool = False

    customers = Input(Csv())
    orders = Input(JsonLines())

    def map_customers(self, row: dict[str, str]) -> Iterator[tuple[int, Any]]:
        yield int(row["id"]), row["name"]

    def map_orders(self, order: dict[str, Any]) -> Iterator[tuple[int, Any]]:
        yield order["customer"], order["total"]

    def reduce(self, customer: int, values: Iterator[Any]) -> Iterator[tuple[int, Any]]:
        names: list[str] = []
        totals: list[float] = []
        for value in values:
            if isinstance(value, str):
                names.append(value)
            else:
                totals.append(value)
        if self.outer or (names and totals):
            yield customer, {"name": names[0] if names else None, "spent": sum(totals)}
