"""The clients that a seed draws beside those that submit its jobs, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_SHARE = 0.3  # of the seeds have such clients
_MOST = 4


@dataclass(frozen=True, slots=True)
class ClientDraw:
    does: str  # submits, watches, tails, asks
    job: int  # which of the jobs
    begins_at_s: float
    from_start: bool  # a tail: from the first event
    cancels: bool  # a watcher: the job when it has ended
    n_questions: int
    away: tuple[tuple[float, float], ...]  # from when, and for how long


@dataclass(frozen=True, slots=True)
class ClientsDraw:
    each: tuple[ClientDraw, ...] = ()
    kept_events: int = 100_000
    events_at_once: int = 5_000


def draw_clients(seed: int, n_jobs: int, last_s: float, longest_s: float) -> ClientsDraw:
    """The clients of the seed. `last_s`: until then things go wrong; 0: they never do."""
    rng = Random(f"clients {seed}")
    if rng.random() >= _SHARE:
        return ClientsDraw()
    until_s = max(last_s, 5.0)
    each = tuple(
        ClientDraw(
            rng.choice(["submits", "submits", "watches", "watches", "tails", "tails", "asks"]),
            rng.randrange(n_jobs),
            until_s * rng.random() ** 2,
            from_start=rng.random() < 0.5,
            cancels=rng.random() < 0.5,
            n_questions=rng.randint(1, 6),
            away=tuple(
                (last_s * rng.random(), longest_s * rng.random())
                for _ in range(rng.choice([0, 1, 1, 2]) if last_s else 0)
            ),
        )
        for _ in range(rng.randint(1, _MOST))
    )
    return ClientsDraw(each, rng.choice([3, 30, 100_000]), rng.choice([1, 4, 5_000]))
