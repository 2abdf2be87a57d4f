"""A job of which each task takes a while, or until it may end, and notes that it was begun."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

from zmr import Job, WholeFiles

LONGEST_HOLD_S = 120.0
POLL_S = 0.01


class Steady(Job):
    """Counts words, a map task for each file.

    In the folder `notes`, "begun" gets a line for each call. While "hold X" is there, the call X
    does not return.
    """

    notes: str
    takes_s: float

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, int]]:
        path, text = record
        self._work(f"map {os.path.basename(path)}")
        for word in text.split():
            yield word, 1

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        self._work(f"reduce {word}")
        yield word, sum(counts)

    def _work(self, call: str) -> None:
        begun = os.path.join(self.notes, "begun")
        descriptor = os.open(begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{call}\n".encode())
        os.close(descriptor)
        time.sleep(self.takes_s)
        deadline = time.monotonic() + LONGEST_HOLD_S
        while os.path.exists(os.path.join(self.notes, f"hold {call}")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{call} was held for too long")
            time.sleep(POLL_S)
