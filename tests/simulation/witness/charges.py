"""What speaks against workers: three tasks in a row that fail there, and not elsewhere.

Kept of what is published, in its order. A worker that is bad is quarantined at once, unless it is
the last one that takes tasks; what waits in its queue is taken back. If in the end no other one
takes tasks, the quarantine that would be over first is over.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish

from .books import AGAIN, NUMBER, PRESENT, TaskKey
from .ledger import Ledger
from .movement import Movement

_FAILURES, _WITHIN_S = 3, 60.0

_ROUNDING_S = 1e-6

# Others may be the fault of the job.
_OF_WORKERS = (
    m.FailureReason.SLOT_DIED,
    m.FailureReason.OVER_MEMORY,
    m.FailureReason.WORKER_ERROR,
    m.FailureReason.DISK_FULL,
)


class Charges:
    def __init__(self, ledger: Ledger, movement: Movement, applied: Counter[str]) -> None:
        self._ledger = ledger
        self._movement = movement
        self._applied = applied
        self._rows: dict[str, dict[TaskKey, float]] = {}  # by worker: tasks, and when they failed
        self._failed_on: dict[TaskKey, set[str]] = defaultdict(set)
        self._success_at = float("-inf")  # the last one, of any worker
        self._until: dict[str, float] = {}  # workers that are quarantined
        self._on_trial: set[str] = set()
        self._due: dict[str, str] = {}  # workers that are bad, as this turn shows, and why

    def master_restarted(self) -> None:
        """A new master knows nothing of this."""
        self._rows.clear()
        self._until.clear()
        self._on_trial.clear()
        self._success_at = float("-inf")

    def master_did(self, actions: list[MasterAction], now: float) -> None:
        """What followed from an event, or the time. Ledger and movement have seen it."""
        self._due.clear()
        ends_early = False
        for action in actions:
            if not isinstance(action, Publish):
                continue
            event = action.event
            if isinstance(event, m.TaskEvent):
                if event.state == "succeeded":
                    self._success_at = now
                    self._rows.pop(event.worker, None)
                    self._on_trial.discard(event.worker)
                elif event.state == "failed":
                    self._failed(event, now)
            elif isinstance(event, m.WorkerEvent):
                ends_early |= self._worker_event(event, now)
        for worker, why in self._due.items():
            peer = self._ledger.peers[worker]
            is_last = ends_early or not self._ledger.takers() - {worker}
            is_right = is_last or peer.state not in PRESENT
            assert is_right, f"{worker} is not quarantined, although {why}"
        if self._until:
            self._check_one_works()

    def _failed(self, event: m.TaskEvent, now: float) -> None:
        ledger, worker = self._ledger, event.worker
        task, id = (event.job_id, event.kind, event.index), ledger.id_of(event)
        if any(id in book.get(task, ()) for book in (ledger.failures, ledger.lost_inputs)):
            self._failed_on[task].add(worker)
        if worker in self._until or event.reason not in _OF_WORKERS:
            return
        is_full = event.reason is m.FailureReason.DISK_FULL
        if self._failed_on[task] - {worker} and not is_full:
            return  # it is the task
        row = self._rows.setdefault(worker, {})
        row.pop(task, None)
        for other in [other for other, at in row.items() if at <= now - _WITHIN_S]:
            del row[other]
        row[task] = now
        if is_full:
            self._due[worker] = event.text
        elif worker in self._on_trial:
            self._due[worker] = event.text
            self._applied["a trial that goes wrong is a quarantine"] += 1
        elif len(row) >= _FAILURES and self._success_at > min(row.values()):
            self._due[worker] = event.text
            self._applied["a worker on which tasks fail in a row is quarantined"] += 1

    def _worker_event(self, event: m.WorkerEvent, now: float) -> bool:
        """Whether a quarantine ends before its time."""
        worker = event.worker
        if event.state in ("lost", "left"):
            self._rows.pop(worker, None)
            self._until.pop(worker, None)
            self._on_trial.discard(worker)
        elif event.state == "quarantined" and event.text:
            why = self._due.pop(worker, None)
            assert why is not None, f"{worker} is quarantined for nothing: {event.text}"
            told, _, because = event.text.partition(" s: ")
            assert because == why, f"{worker} is quarantined by {because!r}, not {why!r}"
            self._until[worker] = now + float(told.rpartition(" ")[2])
            self._on_trial.discard(worker)
            self._check_queue(worker)
        elif event.text == AGAIN:
            until = self._until.pop(worker)
            self._on_trial.add(worker)
            if now < until - _ROUNDING_S:
                is_alive = event.state == "alive"
                assert is_alive, f"the quarantine of {worker} ends early, and it is {event.state}"
                first = min((self._until[each] for each in self._able()), default=until)
                assert until <= first, f"the quarantine of {worker} is not the one that ends first"
                self._applied["a quarantine ends early for want of other workers"] += 1
                return True
        return False

    def _check_queue(self, worker: str) -> None:
        """What waits there is taken back: not what a heartbeat behind it says that waits."""
        live = self._ledger.peers[worker].live & self._movement.had_waited
        left = [id & NUMBER for id in live if self._movement.going[id].queued]
        assert not left, f"{left} wait at {worker}, which is quarantined"

    def _able(self) -> list[str]:
        """Quarantined workers that would take tasks."""
        peers = self._ledger.peers
        return [w for w in self._until if peers[w].state == "alive" and peers[w].credit]

    def _check_one_works(self) -> None:
        able = self._able()
        assert not able or self._ledger.takers(), f"{able} are quarantined, and no other one works"
