"""What is in the journal: all that a restart needs, and nothing else.

That is the epoch, the workers that may come back, all about jobs that go on, and one record of each
job that has ended and is remembered. It is compared with what was published, between two turns.
"""

from __future__ import annotations

from collections import Counter

from zmr import messages as m
from zmr.core import workers
from zmr.core.actions import MasterAction, Publish
from zmr.core.journal import (
    Completed,
    EpochBegun,
    JobClosed,
    JobForgotten,
    JobSubmitted,
    Record,
    WorkerGone,
    WorkerJoined,
)

from .books import ENDED, PRESENT
from .ledger import Ledger


class Kept:
    def __init__(self, ledger: Ledger, applied: Counter[str]) -> None:
        self._ledger = ledger
        self._applied = applied
        self._open: dict[str, list[Record]] = {}  # all about jobs that go on
        self._joined: dict[str, list[Record]] = {}  # by worker
        self._lost: list[str] = []  # workers that may come back, the longest lost first
        self._forgotten: list[str] = []  # in the last turn

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        self._check_forgotten()
        for record in records:
            match record:
                case EpochBegun():
                    pass
                case WorkerJoined(peer):
                    self._joined.setdefault(peer.decode(), []).append(record)
                case WorkerGone(peer):
                    self._joined.pop(peer.decode(), None)
                    self._forgotten.append(peer.decode())
                case JobClosed(spec):
                    self._open.pop(spec.job_id, None)
                case JobSubmitted(submit):
                    self._open[submit.spec.job_id] = [record]
                case JobForgotten():
                    pass
                case Completed(done):
                    self._open[done.job_id].append(record)
                case _:
                    self._open[record.job_id].append(record)

    def master_did(self, actions: list[MasterAction]) -> None:
        """What followed from an event, or from the time."""
        for action in actions:
            if isinstance(action, Publish) and isinstance(action.event, m.WorkerEvent):
                worker, state = action.event.worker, action.event.state
                # It may have left, and come again.
                for names in (self._lost, self._forgotten):
                    if worker in names:
                        names.remove(worker)
                if state == "lost":
                    self._lost.append(worker)

    def master_restarted(self) -> None:
        """A new master waits for all that are remembered."""
        self._lost.clear()
        self._forgotten.clear()

    def _check_forgotten(self) -> None:
        """Of lost workers the latest are remembered. All of the turn has been seen."""
        for worker in self._forgotten:
            if worker in self._lost:
                n_later = len(self._lost) - self._lost.index(worker) - 1
                assert n_later >= workers._LOST_KEPT, (
                    f"{worker} is forgotten, and {n_later} lost later"
                )
                self._lost.remove(worker)
                self._applied["a lost worker is forgotten when there are many"] += 1
        self._forgotten.clear()

    def check(self, journal: list[Record], epoch: int) -> None:
        """The journal is as it should be, now that all of a turn has been seen."""
        epochs = [record.epoch for record in journal if isinstance(record, EpochBegun)]
        assert epochs == [epoch], f"the journal has the epochs {epochs}"
        joined = [record for record in journal if isinstance(record, WorkerJoined)]
        peers = self._ledger.peers.items()
        present = {name for name, peer in peers if peer.state in PRESENT}
        lost = {name for name, peer in peers if peer.state == "lost"}  # the latest of them
        waited_for = {record.peer.decode() for record in joined}
        assert present <= waited_for <= present | lost, "others are waited for"
        expected: list[Record] = [each for records in self._joined.values() for each in records]
        assert Counter(joined) == Counter(expected), "the journal has other workers"
        closed = [record.spec.job_id for record in journal if isinstance(record, JobClosed)]
        ended = [job_id for job_id, (_, state) in self._ledger.phases.items() if state in ENDED]
        assert sorted(closed) == sorted(ended), f"the journal has the ends of {closed}, not {ended}"
        rest = [r for r in journal if not isinstance(r, EpochBegun | WorkerJoined | JobClosed)]
        assert rest == [record for records in self._open.values() for record in records], (
            f"the journal keeps {len(rest)} records of jobs that go on"
        )
        self._applied["the journal is as small as it can be"] += bool(ended)
