"""The workers of a master: which are alive, silent, lost, quarantined.

Any frame is a sign of life. A worker that is silent for `suspect_after_s` is suspect, and gets no
new tasks; after `lost_after_s` it is lost. Busy workers expire like idle ones. The workers are kept
in the order of their last sign of life, so that looking for the silent ones takes no search.

A lost worker is remembered, since it may come back; of many lost ones the latest.
"""

from __future__ import annotations

from itertools import islice

from zmr.core.states import HEALTH, WORKER, HealthState, WorkerState
from zmr.core.tasks import Attempt, TaskRecord
from zmr.messages import Register, WorkerStatus

_LOST_KEPT = 1000

# So many different tasks failing in a row, within so long, speak against the worker.
_FAILURES = 3
_WITHIN_S = 60.0

_FIRST_QUARANTINE_S = 10.0
_LONGEST_QUARANTINE_S = 300.0


class Health:
    """A worker is healthy, quarantined, or on trial after a quarantine."""

    __slots__ = ("_failures", "_next_quarantine_s", "quarantined_until", "state")

    def __init__(self) -> None:
        self.state = HEALTH.initial
        self.quarantined_until = 0.0  # while it is quarantined
        self._failures: list[tuple[float, TaskRecord]] = []  # since the last success
        self._next_quarantine_s = _FIRST_QUARANTINE_S

    @property
    def is_quarantined(self) -> bool:
        return self.state is HealthState.QUARANTINED

    @property
    def is_on_trial(self) -> bool:
        return self.state is HealthState.ON_TRIAL

    @property
    def is_flawless(self) -> bool:
        """Whether a success would change nothing: nothing speaks against the worker."""
        return self.state is HealthState.HEALTHY and not self._failures

    def succeeded(self) -> bool:
        """An attempt is complete. Whether that ends a trial."""
        self._failures.clear()
        if not self.is_on_trial:
            return False  # what ran on through a quarantine proves nothing
        self._move("succeed")
        self._next_quarantine_s = _FIRST_QUARANTINE_S
        return True

    def failed(self, task: TaskRecord, now: float) -> None:
        """An attempt at the task failed, and perhaps because of the worker."""
        recent = [(at, other) for at, other in self._failures if at > now - _WITHIN_S]
        self._failures = [(at, other) for at, other in recent if other is not task]
        self._failures.append((now, task))

    @property
    def bad_since(self) -> float | None:
        """When the row of failures began, if there are enough of them."""
        return self._failures[0][0] if len(self._failures) >= _FAILURES else None

    def quarantine(self, now: float) -> float:
        """No more tasks for a while: returns for how long, in seconds."""
        self._move("quarantine")
        duration_s = self._next_quarantine_s
        self._next_quarantine_s = min(2 * duration_s, _LONGEST_QUARANTINE_S)
        self.quarantined_until = now + duration_s
        return duration_s

    def begin_trial(self) -> None:
        """The quarantine is over; the next attempt shows."""
        self._move("time served")

    def _move(self, happened: str) -> None:
        self.state = HEALTH.move(self.state, happened)


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
        self.knows_of: set[str] = set()  # jobs, or steps, of whose end it has to hear

    def move(self, happened: str) -> None:
        self.state = WORKER.move(self.state, happened, self.name)

    @property
    def is_present(self) -> bool:
        return self.state in (WorkerState.ALIVE, WorkerState.SUSPECT)

    def takes_output(self, job_id: str, attempt_id: int, index: int) -> None:
        """It holds the map output of this attempt, which is the one that counts."""
        self.outputs.setdefault(job_id, {})[attempt_id] = index
        self.knows_of.add(job_id)

    def drops_output(self, job_id: str, attempt_id: int) -> None:
        """The map output of this attempt can't be had any more."""
        own = self.outputs.get(job_id, {})
        own.pop(attempt_id, None)
        if not own:
            self.outputs.pop(job_id, None)

    def forgets(self, job_id: str) -> None:
        """Nothing of the job, or step, is of use to it any more."""
        self.knows_of.discard(job_id)
        self.has_spec_of.discard(job_id)
        self.outputs.pop(job_id, None)

    def holds(self, attempt_id: int) -> bool:
        """Whether it has the map output of this attempt, as the result that counts."""
        return any(attempt_id in own for own in self.outputs.values())

    def room(self, prefetch: bool) -> int:
        """How many more attempts it may get: up to its slots, or up to all that it asked for."""
        limit = self.credit if prefetch else min(self.credit, self.slots)
        health = self.health.state
        if health is not HealthState.HEALTHY:
            if health is HealthState.QUARANTINED:
                return 0
            limit = min(limit, 1)
        return limit - len(self.attempts)

    @property
    def condition(self) -> str:
        """Its state for people."""
        is_barred = self.state is WorkerState.ALIVE and self.health.is_quarantined
        return HealthState.QUARANTINED.value if is_barred else self.state.value

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
        self.quarantined: dict[bytes, Worker] = {}  # of the present ones

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

    def seen(self, worker: Worker, now: float) -> bool:
        """A sign of life. True if it was suspect until now."""
        peer, was_alive = worker.peer, worker.state is WorkerState.ALIVE
        worker.last_seen = now
        if was_alive:  # by far the most: every message is a sign of life
            del self._alive[peer]
        else:
            worker.move("sign of life")
            del self._suspect[peer]
        self._alive[peer] = worker  # the last one again
        return not was_alive

    def fall_silent(self, worker: Worker) -> None:
        """An alive worker is suspect from now on."""
        worker.move("silence")
        self._suspect[worker.peer] = self._alive.pop(worker.peer)

    def lose(self, worker: Worker) -> None:
        """A present worker is lost from now on."""
        if worker.state is WorkerState.ALIVE:
            self.fall_silent(worker)
        worker.move("longer silence")
        self._lost[worker.peer] = self._suspect.pop(worker.peer)
        self.quarantined.pop(worker.peer, None)

    def leave(self, worker: Worker) -> None:
        """A worker has left, and was alive to say so; it is not forgotten yet."""
        worker.move("leave")
        del self._alive[worker.peer]
        self.quarantined.pop(worker.peer, None)

    def forget(self, worker: Worker) -> None:
        """It has left for good, or has been lost for too long."""
        del self.workers[worker.peer]
        self._lost.pop(worker.peer, None)

    def quarantine(self, worker: Worker, now: float) -> float:
        """It gets no tasks for a while: returns for how long, in seconds."""
        self.quarantined[worker.peer] = worker
        return worker.health.quarantine(now)

    def begin_trial(self, worker: Worker) -> None:
        """Its quarantine is over."""
        del self.quarantined[worker.peer]
        worker.health.begin_trial()

    def lost_for_long(self) -> list[Worker]:
        """Those of the lost that are too many to be remembered."""
        too_many = max(0, len(self._lost) - _LOST_KEPT)
        return list(islice(self._lost.values(), too_many))

    def next_deadline(self) -> float | None:
        """When the next worker falls suspect or is lost, if nothing is heard of them."""
        deadlines = []
        for worker in self._alive.values():
            deadlines.append(worker.last_seen + self.suspect_after_s)
            break
        for worker in self._suspect.values():
            deadlines.append(worker.last_seen + self.lost_after_s)
            break
        return min(deadlines, default=None)

    def silent(self, now: float) -> list[Worker]:
        """The alive ones that have been silent for so long that they should be suspect."""
        silent = []
        for worker in self._alive.values():
            if worker.last_seen + self.suspect_after_s > now:
                break
            silent.append(worker)
        return silent

    def overdue(self, now: float) -> list[Worker]:
        """The suspect ones that have been silent for so long that they should be lost."""
        overdue = []
        for worker in self._suspect.values():
            if worker.last_seen + self.lost_after_s > now:
                break
            overdue.append(worker)
        return overdue

    def validate(self) -> None:
        """Fail if an index contradicts the workers."""
        by_state: dict[WorkerState, set[bytes]] = {state: set() for state in WorkerState}
        for peer, worker in self.workers.items():
            assert worker.peer == peer, f"worker {worker.name}: under another peer"
            by_state[worker.state].add(peer)
        assert not by_state[WorkerState.LEFT], "a worker that has left is remembered"
        assert self._alive.keys() == by_state[WorkerState.ALIVE], "alive workers"
        assert self._suspect.keys() == by_state[WorkerState.SUSPECT], "suspect workers"
        assert self._lost.keys() == by_state[WorkerState.LOST], "lost workers"
        quarantined = {worker.peer for worker in self.present if worker.health.is_quarantined}
        assert self.quarantined.keys() == quarantined, "quarantined workers"
