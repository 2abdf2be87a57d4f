"""Jobs that show how tasks run: at the same time, and in processes that die at random."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from zmr import Job, WholeFiles

LONGEST_WAIT_S = 120.0
POLL_S = 0.005


class AtOnce(Job):
    """Puts out how many calls it saw at the same time: each waits until there are `n` of them."""

    folder: str
    n: int
    in_map: bool

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[int, int]]:
        path, _ = record
        number = int(Path(path).stem.removeprefix("text"))
        yield number, self._seen_at_once(f"map-{number}") if self.in_map else 0

    def reduce(self, number: int, seen: Iterable[int]) -> Iterator[tuple[int, int]]:
        yield number, max(seen) if self.in_map else self._seen_at_once(f"reduce-{number}")

    def partition(self, number: int, n: int) -> int:
        return number % n

    def _seen_at_once(self, mark: str) -> int:
        (Path(self.folder) / mark).touch()
        deadline = time.monotonic() + LONGEST_WAIT_S
        while (seen := len(os.listdir(self.folder))) < self.n and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return seen


class DiesAtRandom(Job):
    """Counts words by their first letter. A third of the calls exit, a third dawdle.

    The first call that finds a file in `folder/map` or `folder/reduce` kills its whole worker.
    """

    folder: str
    dawdle_s: float

    input = WholeFiles()

    def map(self, record: tuple[str, str]) -> Iterator[tuple[str, int]]:
        _, text = record
        self._perhaps_die("map")
        for word in text.split():
            yield "abcd"[ord(word[0]) % 4], 1

    def reduce(self, letter: str, counts: Iterable[int]) -> Iterator[tuple[str, int]]:
        self._perhaps_die("reduce")
        yield letter, sum(counts)

    def partition(self, letter: str, n: int) -> int:
        return ord(letter) % n

    def _perhaps_die(self, phase: str) -> None:
        for order in (Path(self.folder) / phase).iterdir():
            with suppress(FileNotFoundError):  # another call is at it
                order.unlink()
                os.kill(_agent(), signal.SIGKILL)
        fate = random.SystemRandom().random()
        if fate < 1 / 3:
            os._exit(1)
        if fate < 2 / 3:
            time.sleep(self.dawdle_s * random.SystemRandom().random())


def _agent() -> int:
    """The worker that this slot belongs to: the parent of its fork server."""
    status = Path(f"/proc/{os.getppid()}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])
