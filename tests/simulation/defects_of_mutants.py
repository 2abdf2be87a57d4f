"""Mistakes that random mutants of the cores had, and that the simulator once let pass.

They are planted like those of `defects`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zmr import messages as m
from zmr.core import (
    attempts,
    cluster,
    jobs,
    membership,
    quarantine,
    tasks,
    workers,
)
from zmr.wire import codec

from .planting import defect

# --- attempts and outputs ----------------------------------------------------------------------


@defect(
    "map outputs that nothing needs any more are made again",
    membership.Membership,
    "_lose_outputs_of",
)
def _(
    self: Any, job: jobs.JobRun, own: dict[int, int], why: str, may_return: bool, now: float
) -> int:
    for index in own.values():
        self._notices.lose_output(job, job.maps.tasks[index], why, may_return, now)
    return len(own)


@defect("a granted attempt that comes back has no leave", attempts.Attempts, "_return")
def _(
    self: Any,
    job: jobs.JobRun,
    attempt: tasks.Attempt,
    worker: workers.Worker,
    now: float,
    right: Any = attempts.Attempts._return,
) -> None:
    was_granted, attempt.was_granted = attempt.was_granted, False
    right(self, job, attempt, worker, now)
    attempt.was_granted = was_granted


@defect("no straggler is seen", membership, "is_straggler")
def _(*_given: Any) -> bool:
    return False


@defect("a straggler is noted nowhere", cluster.Cluster, "want_backup")
def _(self: cluster.Cluster, attempt: tasks.Attempt, is_wanted: bool) -> None:
    pass


@defect("no quarantine is over by itself", quarantine.Quarantine, "next_deadline")
def _(self: quarantine.Quarantine) -> None:
    return None


@defect("each message is a frame", codec, "encode_all")
def _(epoch: int, messages: Sequence[m.Message]) -> Iterator[bytes]:
    return (codec.encode(m.Frame(epoch, (message,))) for message in messages)
