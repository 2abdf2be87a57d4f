"""Jobs that do on their way what a test has ordered: see `support.orders`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator

from zmr import Job, Range, WholeFiles

LONGEST_HOLD_S = 120.0
POLL_S = 0.005


class Obedient(Job):
    """Counts words, a map task for each file."""

    orders: str

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, int]]:
        path, text = record
        self._arrive("map " + os.path.basename(path))
        for word in text.split():
            yield word, 1

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        self._arrive("reduce", word)
        yield word, sum(counts)

    def _arrive(self, place: str, key: str = "") -> None:
        """Note the call, and carry out the order for this place: whoever comes first, once."""
        self._note(f"{place} {key}".strip())
        order = os.path.join(self.orders, place)
        try:
            with open(order) as file:
                action = file.read()
            os.unlink(order)
        except FileNotFoundError:
            return
        print(f"{action} at {place}; slot {os.getpid()}, fork server {os.getppid()}")
        if action == "hang":
            while True:
                time.sleep(LONGEST_HOLD_S)
        wait_for_file(os.path.join(self.orders, "go on"))

    def _note(self, call: str) -> None:
        notes = os.open(os.path.join(self.orders, "calls"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(notes, f"{call}\n".encode())
        os.close(notes)


def wait_for_file(path: str) -> None:
    """Wait until there is such a file. Raises TimeoutError."""
    deadline = time.monotonic() + LONGEST_HOLD_S
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path} did not come")
        time.sleep(POLL_S)


class ObedientSort(Obedient):
    """Sorts words, in three ranges."""

    partition = Range(["5", "b"])

    def reduce(self, word: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        self._arrive("reduce")
        for _ in counts:
            yield word, 1
