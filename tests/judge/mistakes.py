"""Mistakes in the cores that let a partition be published when it must not be.

Each is planted alone while a cluster is simulated blindly, and the judge has to reject a history.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulation.defects import DEFECTS
from simulation.planting import Defect

from zmr import messages as m
from zmr.core import attempts, clients, worker
from zmr.core.actions import SendSlot

# Of those that the simulator has to find.
_KNOWN = (
    "everybody who asks may publish",
    "a job is done before its last task",
    "Completed is not written to the journal",
    "JobClosed is not written to the journal",
)


def _all_results_count(self: Any, worker: Any, done: Any, now: float) -> None:
    self._outbox.send(worker.peer, m.Ack((done.attempt,)))
    self._use(worker, done, now)


def _answered_and_no_more(self: Any, peer: bytes, cancel: m.CancelJob, now: float) -> None:
    self._outbox.send(peer, m.Submitted(cancel.job_id))


def _granted_by_worker(
    core: worker.WorkerCore,
    slot: Any,
    message: m.FromSlot,
    now: float,
    right: Any = worker.WorkerCore._slot_said,
) -> None:
    if isinstance(message, m.CommitRequest):
        core._actions.append(SendSlot(slot.number, m.CommitReply(message.attempt, granted=True)))
    else:
        right(core, slot, message, now)


def _granted_to_all(core: worker.WorkerCore, reply: m.CommitReply) -> None:
    for attempt in list(core.commits):
        worker.WorkerCore._commit_reply(core, replace(reply, attempt=attempt))


def _granted_when_over(
    self: Any,
    worker: Any,
    request: m.CommitRequest,
    now: float,
    right: Any = attempts.Attempts.commit_requested,
) -> None:
    found = self._attempt(worker, request.job_id, request.kind, request.index, request.attempt)
    if found is None:
        self._outbox.send(worker.peer, m.CommitReply(request.attempt, granted=True))
    else:
        right(self, worker, request, now)


_COMMIT_REPLY = (worker._FROM_MASTER, m.CommitReply)

MISTAKES = [
    Defect("a second result counts, too", attempts.Attempts, "completed", _all_results_count),
    Defect("a cancel is answered only", clients.Clients, "_cancel_job", _answered_and_no_more),
    Defect("a worker does not ask", worker.WorkerCore, "_slot_said", _granted_by_worker),
    Defect("a grant is for all of a worker's attempts", *_COMMIT_REPLY, _granted_to_all),
    Defect("what is over may publish", attempts.Attempts, "commit_requested", _granted_when_over),
    *(defect for defect in DEFECTS if defect.what in _KNOWN),
]

# In these, or in one of the first thousand, each of them shows. (When draw.py changes, others may
# be better: any order of the seeds is right.)
SEEDS = dict.fromkeys((0, 4, 9, 10, 19, 43, 100, 699, *range(1000)))
