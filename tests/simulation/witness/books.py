"""What the ledger writes down: of an attempt, and of a worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import get_args

from zmr import messages as m

from ..machines.jobs import JobPlan, StepPlan

TaskKey = tuple[str, m.TaskKind, int]

NUMBER = 0xFFFFFFFF  # of an attempt, in its id
LIVE = ("running", "committing")
ACTIVE = ("map", "reduce")
ENDED = ("done", "failed", "cancelled")
PRESENT = ("alive", "suspect")
AGAIN = "one task at a time"  # a pause is over


@dataclass(slots=True)
class Seen:
    """An attempt, as it was published."""

    task: TaskKey
    worker: str
    state: str
    since_s: float  # the hand-out
    counted: bool = False  # it failed, and not for a record that had killed before
    is_granted: bool = False
    was_granted: bool = False  # once, at least
    returned_at: float = -1.0  # by the master's clock, the last time
    has_succeeded: bool = False  # once, at least


@dataclass(slots=True)
class Peer:
    """A worker, as it spoke and as it was published."""

    state: str
    heard_at: float
    credit: int = 0
    live: set[int] = field(default_factory=set)  # attempts that are with it
    quarantined_at: float | None = None
    is_on_trial: bool = False
    blamed: dict[TaskKey, float] = field(default_factory=dict)  # failures since its last success


def fails_by_itself(step: StepPlan, event: m.TaskEvent) -> bool:
    """Whether the attempt's end needs no fault: its task always fails, or has lost its input."""
    is_bad = step.poisoned == (event.kind.label, event.index) or (
        event.kind is m.TaskKind.MAP and bool(step.bad_of(event.index))
    )
    return (is_bad and event.state == "failed") or "can't read" in event.text


def is_of_client(frame: m.Frame) -> bool:
    """Whether a client says this, and no worker."""
    return all(isinstance(message, _FROM_CLIENT) for message in frame.messages)


_FROM_CLIENT = (m.Submit, m.CancelJob, m.GetSnapshot)
FROM_PEERS = (*_FROM_CLIENT, *get_args(m.FromWorker))


def files_left_out(complete_maps: Iterable[TaskKey], job: JobPlan) -> int:
    """How many files the maps of the job that have been complete left out."""
    return sum(key[0] == job.steps[0].id and key[2] in job.bad_files for key in complete_maps)
