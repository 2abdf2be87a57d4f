"""Visits of users to pages, by the order of time: a secondary sort."""

from __future__ import annotations

from collections.abc import Iterator

from zmr import Csv, Job

PAUSE_S = 30 * 60


class Sessions(Job):
    """The sessions of each user: when it began, how long it was, and how many pages it had.

    Rows are user, time (in seconds) and page, in any order.
    """

    input = Csv(types={"time": int})

    def sort_values(self, time: int) -> int:
        return time

    def map(self, row: dict[str, object]) -> Iterator[tuple[object, object]]:
        yield row["user"], row["time"]

    def reduce(self, user: str, times: Iterator[int]) -> Iterator[tuple[str, tuple[int, int, int]]]:
        begin = last = next(times)
        pages = 1
        for time in times:
            if time - last > PAUSE_S:
                yield user, (begin, last - begin, pages)
                begin, pages = time, 0
            last, pages = time, pages + 1
        yield user, (begin, last - begin, pages)
