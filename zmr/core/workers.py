"""Who works for the master, and who has gone silent.

Any frame is a sign of life. A worker that is silent for `suspect_after_s` is suspect, and gets no
new tasks; after `lost_after_s` it is lost. Busy workers expire like idle ones. The workers are kept
in the order of their last sign of life, so that looking for the silent ones takes no search.

A lost worker is remembered, since it may come back; of many lost ones the latest.
"""

from __future__ import annotations

from itertools import islice

from zmr.core.health import Health
from zmr.core.states import WORKER, WorkerState
from zmr.core.tasks import Attempt
from zmr.messages import Register, WorkerStatus

_LOST_KEPT = 1000


class Worker:
    """One worker process, from its registration to its end."""

    __slots__ = (
        "attempts",
        "credit",
        "has_spec_of",
        "health",
        "host",
        "knows_of",
        "last_seen",
        "name",
        "outputs",
        "peer",
        "shuffle_address",
        "slots",
        "state",
    )

    def __init__(self, peer: bytes, register: Register, now: float) -> None:
        self.peer = peer
        self.name = register.name
        self.host = register.host
        self.shuffle_address = register.shuffle_address
        self.slots = register.slots
        self.state = WORKER.initial
        self.last_seen = now
        self.credit = 0
        self.health = Health()
        self.attempts: dict[int, Attempt] = {}  # live ones
        # The map outputs that it holds: job id to attempt to the map's number.
        self.outputs: dict[str, dict[int, int]] = {}
        self.has_spec_of: set[str] = set()  # jobs whose spec it has been sent
        self.knows_of: set[str] = set()  # jobs whose end it must be told

    def move(self, happened: str) -> None:
        self.state = WORKER.move(self.state, happened, self.name)

    @property
    def is_present(self) -> bool:
        return self.state in (WorkerState.ALIVE, WorkerState.SUSPECT)

    def takes_output(self, job_id: str, attempt_id: int, index: int) -> None:
        """It holds the map output of this attempt, which is the one that counts."""
        self.outputs.setdefault(job_id, {})[attempt_id] = index
        self.knows_of.add(job_id)

    def holds(self, attempt_id: int) -> bool:
        """Whether it has the map output of this attempt, as the result that counts."""
        return any(attempt_id in own for own in self.outputs.values())

    def room(self, prefetch: bool) -> int:
        """How many more attempts it may get: up to its slots, or up to all that it asked for."""
        if self.health.is_paused:
            return 0
        limit = self.credit if prefetch else min(self.credit, self.slots)
        if self.health.is_on_trial:
            limit = min(limit, 1)
        return limit - len(self.attempts)

    @property
    def condition(self) -> str:
        """Its state for people."""
        is_paused = self.state is WorkerState.ALIVE and self.health.is_paused
        return "paused" if is_paused else self.state.value

    def status(self) -> WorkerStatus:
        return WorkerStatus(self.name, self.condition, self.slots, len(self.attempts))


class WorkerTable:
    def __init__(self, suspect_after_s: float, lost_after_s: float) -> None:
        self.suspect_after_s = min(suspect_after_s, lost_after_s)
        self.lost_after_s = lost_after_s
        self.workers: dict[bytes, Worker] = {}  # lost ones too: they may come back
        # Present workers, the longest silent first.
        self._alive: dict[bytes, Worker] = {}
        self._suspect: dict[bytes, Worker] = {}
        self._lost: dict[bytes, Worker] = {}  # the longest lost first

    @property
    def present(self) -> list[Worker]:
        return [*self._suspect.values(), *self._alive.values()]

    @property
    def any_present(self) -> bool:
        return bool(self._alive or self._suspect)

    def get(self, peer: bytes) -> Worker | None:
        """The worker with that routing id, if it is registered and not given up."""
        return self._alive.get(peer) or self._suspect.get(peer)

    def place_of(self, peer: bytes) -> tuple[str, str]:
        """The worker's host, and where it serves its map outputs."""
        worker = self.workers.get(peer)
        return (worker.host, worker.shuffle_address) if worker is not None else ("", "")

    def register(self, peer: bytes, register: Register, now: float) -> Worker:
        """A worker is new, or back after it was lost."""
        worker = Worker(peer, register, now)
        known = self._lost.pop(peer, None)
        if known is not None:
            worker.state = WORKER.move(known.state, "register again", known.name)
        self.workers[peer] = worker
        self._alive[peer] = worker
        return worker

    def expect(self, peer: bytes, register: Register, now: float) -> Worker:
        """A worker from before this master's time: it has not been heard yet."""
        worker = Worker(peer, register, now)
        worker.move("silence")
        self.workers[peer] = self._suspect[peer] = worker
        return worker

    def seen(self, worker: Worker, now: float) -> bool:
        """A sign of life. True if it was suspect until now."""
        was_suspect = worker.state is WorkerState.SUSPECT
        worker.move("sign of life")
        worker.last_seen = now
        (self._suspect if was_suspect else self._alive).pop(worker.peer)
        self._alive[worker.peer] = worker
        return was_suspect

    def left(self, worker: Worker) -> None:
        worker.move("leave")
        self._alive.pop(worker.peer, None)
        self._suspect.pop(worker.peer, None)

    def forget(self, worker: Worker) -> None:
        """It has left for good, or has been lost for too long."""
        del self.workers[worker.peer]
        self._lost.pop(worker.peer, None)

    def lost_for_long(self) -> list[Worker]:
        """Those of the lost who are too many to be remembered."""
        too_many = max(0, len(self._lost) - _LOST_KEPT)
        return list(islice(self._lost.values(), too_many))

    def next_deadline(self) -> float | None:
        """When the next worker falls suspect or is lost, if none of them says a word."""
        deadlines = []
        for worker in self._alive.values():
            deadlines.append(worker.last_seen + self.suspect_after_s)
            break
        for worker in self._suspect.values():
            deadlines.append(worker.last_seen + self.lost_after_s)
            break
        return min(deadlines, default=None)

    def newly_suspect(self, now: float) -> list[Worker]:
        """Those who have been silent for so long that they are suspect from now on."""
        silent = []
        for worker in self._alive.values():
            if worker.last_seen + self.suspect_after_s > now:
                break
            silent.append(worker)
        for worker in silent:
            worker.move("silence")
            self._suspect[worker.peer] = self._alive.pop(worker.peer)
        return silent

    def newly_lost(self, now: float) -> list[Worker]:
        """Those who are lost from now on."""
        lost = []
        for worker in self._suspect.values():
            if worker.last_seen + self.lost_after_s > now:
                break
            lost.append(worker)
        for worker in lost:
            worker.move("longer silence")
            self._lost[worker.peer] = self._suspect.pop(worker.peer)
        return lost
