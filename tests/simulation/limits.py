"""Limits that no small cluster reaches, lowered for the time of one simulation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

from zmr.core import handouts, workers
from zmr.wire import codec

# That of ended jobs is not among them: a job that was forgotten would be taken on anew if its
# submission came late, or twice.
#
# What is limited, how low it may be drawn, and how high.
_LIMITS: tuple[tuple[ModuleType, str, int, int], ...] = (
    (codec, "FRAME_LIMIT_MESSAGES", 1, 5),
    (codec, "TO_MASTER_LIMIT_BYTES", 500, 1_000),
    (handouts, "_GRANTS_A_TURN", 1, 5),
    (workers, "_LOST_KEPT", 0, 3),
)
_LOWERED = 0.15  # the probability that one is


def draw_limits(seed: int) -> tuple[int | None, ...]:
    """The limits of a seed, in the order above; None: as it is."""
    rng = Random(f"limits {seed}")
    drawn = ((rng.random() < _LOWERED, rng.randint(low, high)) for _, _, low, high in _LIMITS)
    return tuple(limit if is_lowered else None for is_lowered, limit in drawn)


@contextmanager
def limited(limits: tuple[int | None, ...]) -> Iterator[None]:
    """Have these limits for a while."""
    before = [getattr(module, name) for module, name, _, _ in _LIMITS]
    for (module, name, _, _), limit in zip(_LIMITS, limits, strict=True):
        if limit is not None:
            setattr(module, name, limit)
    try:
        yield
    finally:
        for (module, name, _, _), limit in zip(_LIMITS, before, strict=True):
            setattr(module, name, limit)
