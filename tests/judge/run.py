"""Many simulated histories, on all cores, and what the judge says of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from simulation.planting import Defect
from simulation.run import Failure, replay

from judge.checker import Judgement, Rejected, judge
from judge.simulated import write_histories

# So many seeds are one piece of work.
_PIECE = 25


def judge_seeds(
    seeds: Iterable[int], processes: int = 1, mistake: Defect | None = None
) -> tuple[Judgement, Failure | None]:
    """Simulate the seeds and have their histories judged. Also the first failure of a simulation.

    With a mistake planted, the simulations are blind.
    """
    with TemporaryDirectory(prefix="zmr-judge-") as folder:
        pieces = [(piece, Path(folder, f"{n}.jsonl")) for n, piece in enumerate(_pieces(seeds))]
        write = partial(_write, mistake)
        if processes == 1:
            failures = list(map(write, pieces))
        else:
            with ProcessPoolExecutor(processes) as pool:
                failures = list(pool.map(write, pieces))
        judgement = judge([path for _, path in pieces])
    return judgement, next(filter(None, failures), None)


def first_rejected(mistake: Defect, seeds: Iterable[int]) -> Rejected | None:
    """Plant the mistake; the first history in the order of the seeds that shows it."""
    for piece in _pieces(seeds):
        judgement, _ = judge_seeds(piece, mistake=mistake)
        illegal = [each for each in judgement.rejected if each.verdict == "Illegal"]
        if illegal:
            return illegal[0]
    return None


def told(rejected: Rejected) -> str:
    """The history of a simulation, and the commands that show all of it and judge it again."""
    seed = re.fullmatch(r"seed (\d+)", rejected.history)
    assert seed is not None
    again = f"python -m tests.judge --seeds 1 --first {seed[1]}"
    return f"{rejected}\nreplay it with: {replay(int(seed[1]))}\njudge it again with: {again}"


def cores() -> int:
    """How many processes there are room for."""
    return os.cpu_count() or 1


def _pieces(seeds: Iterable[int]) -> Iterator[list[int]]:
    left = iter(seeds)
    while piece := list(islice(left, _PIECE)):
        yield piece


def _write(mistake: Defect | None, piece: tuple[list[int], Path]) -> Failure | None:
    seeds, path = piece
    if mistake is None:
        return write_histories(seeds, path)
    with mistake.planted():
        return write_histories(seeds, path, is_blind=True)
