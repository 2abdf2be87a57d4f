"""A fold over values in their order: the balance of each account, booking by booking."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from zmr import Csv, Job


class Lowest(Job):
    """The lowest balance that each account ever had, and the last one.

    Rows are account, time and amount, in any order. However many bookings an account has, reduce
    holds one of them at a time.
    """

    input = Csv(types={"time": int, "amount": int})

    def sort_values(self, booking: tuple[int, int]) -> int:
        time, _ = booking
        return time

    def map(self, row: dict[str, object]) -> Iterator[tuple[object, object]]:
        yield row["account"], (row["time"], row["amount"])

    def reduce(
        self, account: str, bookings: Iterator[tuple[int, int]]
    ) -> Iterator[tuple[str, tuple[int, int]]]:
        lowest = last = 0
        for last in accumulate(amount for _, amount in bookings):
            lowest = min(lowest, last)
        yield account, (lowest, last)
