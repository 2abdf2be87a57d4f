"""Many seeds, on all cores."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from time import monotonic
from typing import TextIO

from .run import Failure, check

# So many seeds are one piece of work.
_PIECE = 20


def fresh_seed() -> int:
    """A first seed that nobody has tried, in all likelihood."""
    return int.from_bytes(os.urandom(5), "big")


def first_failure(seeds: Iterable[int]) -> Failure | None:
    """Try the seeds in their order, up to the first that fails."""
    return next(filter(None, map(check, seeds)), None)


def campaign(
    seeds: range, processes: int, limit_s: float, progress: TextIO = sys.stderr
) -> tuple[int, Failure | None]:
    """Try the seeds until one fails, or time is up: how many were right, and the failure."""
    began = monotonic()
    pieces = iter([seeds[at : at + _PIECE] for at in range(0, len(seeds), _PIECE)])
    right = 0
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(first_failure, piece): piece for piece in _next(pieces, processes)}
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                failure, piece = each.result(), running.pop(each)
                if failure is not None:
                    pool.shutdown(wait=False, cancel_futures=True)
                    return right, failure
                right += len(piece)
                passed_s = monotonic() - began
                print(
                    f"\r{right:,} of {len(seeds):,} seeds, {passed_s:.0f} s ", end="", file=progress
                )
                if passed_s < limit_s:
                    running |= {pool.submit(first_failure, p): p for p in _next(pieces, 1)}
    print(file=progress)
    return right, None


def _next(pieces: Iterator[range], n: int) -> list[range]:
    return list(islice(pieces, n))
