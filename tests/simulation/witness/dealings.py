"""What a master says to its workers: what they need for their tasks, and what is of no use to them.

A worker gets the spec of a job, or step, with its first task, and again after it may have dropped
it. It hears of the end of each job that it has had a task of. When it comes back or sends a
heartbeat, what it has is of use, or it is told that it is not. What waits in its queue for long is
taken back when another worker has a free slot; what never reached it is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish, Send
from zmr.core.events import FrameReceived

from ..machines.site import Site
from .books import ENDED, FROM_PEERS, LIVE, NUMBER, PRESENT
from .ledger import Ledger
from .movement import Movement

_ROUNDING_S = 1e-6

# A task that has not reached its worker after so many heartbeats never will.
_BEATS_TO_ARRIVE = 3

_TAKEN_BACK = "taken back from a busy worker's queue"
_BACK = "back with its worker"
_MISSED = ("it never reached the worker", "it is no longer with the worker")


class Dealings:
    def __init__(
        self, site: Site, ledger: Ledger, movement: Movement, applied: Counter[str]
    ) -> None:
        self._site = site
        self._ledger = ledger
        self._movement = movement
        self._applied = applied
        self._slots: dict[str, int] = {}
        self._specs: dict[str, set[str]] = {}  # by worker: jobs, or steps, that it has got
        self._knows: dict[str, set[str]] = {}  # ... and of which it has had a task
        self._newest = 0  # the number of the last attempt
        self._steps: dict[str, str] = {}  # jobs that run, and the id of their step
        # In this turn:
        self._over: set[str] = set()  # jobs, or steps
        self._taken_back: set[int] = set()  # attempts
        self._forgotten: dict[str, set[str]] = {}  # by worker
        self._cancelled: dict[str, set[int]] = {}
        # Before this event:
        self._was = ""  # the state of the worker that speaks
        self._live: dict[int, tuple[float, bool]] = {}  # its attempts: since when, queued or not
        self._has_free_beside = False
        self._is_restarted = self._has_restarted = False

    def before(self, event: Any) -> None:
        """The other books are about to see this."""
        self._was = ""
        self._live.clear()
        if not isinstance(event, FrameReceived):
            return
        worker = event.peer.decode(errors="replace")
        peer = self._ledger.peers.get(worker)
        if peer is None:
            return
        self._was = peer.state
        beats = [message for message in event.frame.messages if isinstance(message, m.Heartbeat)]
        if beats:
            going = self._movement.going
            self._live |= {id: (going[id].began_at, going[id].queued) for id in peer.live}
            # A late one may say that those wait which have begun since.
            rows = (row for beat in beats for row in beat.progress)
            if any(row.queued and row.attempt in self._live for row in rows):
                self._has_free_beside = self._is_free_beside(worker)

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """What followed from an event; None: from the time. The other books have seen it."""
        if self._is_restarted:
            self._check_restart(actions)
        before = set(self._steps.values())  # what runs
        self._over.clear()
        self._taken_back.clear()
        self._forgotten.clear()
        self._cancelled.clear()
        worker = event.peer.decode(errors="replace") if isinstance(event, FrameReceived) else ""
        worker = worker if worker in self._ledger.peers else ""  # and not of a client
        if worker and self._ledger.is_fresh:
            self._registers(event, worker, actions)
        for action in actions:
            if isinstance(action, Send):
                self._sent(action.peer.decode(errors="replace"), action.message)
            elif isinstance(action, Publish):
                self._published(action.event)
        self._check_forgotten(event, worker, before & set(self._steps.values()))
        self._check_cancelled(event)
        if worker and self._ledger.is_fresh and event.frame.epoch == epoch:
            self._heartbeat(event, worker, now, epoch)
        else:
            taken_back = self._taken_back
            assert not taken_back, f"{taken_back} are taken back, and no heartbeat came"

    def _sent(self, worker: str, message: m.Message) -> None:
        if isinstance(message, m.TaskResponse):
            self._check_hand_outs(worker, message)
        elif isinstance(message, m.ForgetJob):
            self._forgotten.setdefault(worker, set()).add(message.job_id)
        elif isinstance(message, m.Cancel):
            self._cancelled.setdefault(worker, set()).update(message.attempts)

    def _published(self, event: m.Event) -> None:
        if isinstance(event, m.JobEvent):
            self._job_event(event)
        elif isinstance(event, m.WorkerEvent):
            if event.state in ("lost", "left"):
                self._knows.pop(event.worker, None)
                self._specs.pop(event.worker, None)
        elif isinstance(event, m.TaskEvent):
            if event.text == _TAKEN_BACK:
                self._taken_back.add(self._ledger.id_of(event))
            elif event.text in _MISSED:
                self._specs.get(event.worker, set()).clear()
            elif event.state == "running" and event.text != _BACK:
                self._check_number(event.attempt)

    def master_restarted(self) -> None:
        """Of what workers have got, a new master knows nothing."""
        self._specs.clear()
        self._knows.clear()
        self._newest = 0
        self._is_restarted = self._has_restarted = True

    def _check_restart(self, actions: list[MasterAction]) -> None:
        """The jobs that go on are published anew."""
        self._is_restarted = False
        told = {
            action.event.job_id
            for action in actions
            if isinstance(action, Publish) and isinstance(action.event, m.JobEvent)
        }
        phases = self._ledger.phases.items()
        left = {job_id for job_id, (_, state) in phases if state not in ENDED} - told
        assert not left, f"after a restart, nothing is published of {left}"

    # --- workers ---

    def _registers(self, event: FrameReceived, worker: str, actions: list[MasterAction]) -> None:
        registers = [each for each in event.frame.messages if isinstance(each, m.Register)]
        if registers:
            self._slots[worker] = registers[-1].slots
            self._specs.setdefault(worker, set()).clear()
        peer = self._ledger.peers[worker]
        if self._was != "alive" and peer.state == "alive":
            is_told = any(
                isinstance(action, Publish)
                and isinstance(action.event, m.WorkerEvent)
                and action.event.worker == worker
                for action in actions
            )
            assert is_told, f"{worker} is there again, and nothing is published of it"
            if self._was in PRESENT:
                return
            self._knows[worker] = set()

    # --- tasks ---

    def _check_number(self, number: int) -> None:
        """Attempts are numbered as they begin."""
        is_next = number == self._newest + 1 or not self._newest
        assert is_next, f"attempt {number} follows {self._newest}"
        assert self._has_restarted or self._newest or number == 1, f"{number} is the first attempt"
        self._newest = number

    def _check_hand_outs(self, worker: str, response: m.TaskResponse) -> None:
        has = self._specs.setdefault(worker, set())
        given = {spec.job_id for spec in response.jobs}
        assert not has & given, f"{worker} has got the specs of {has & given} already"
        has |= given
        knows = self._knows.setdefault(worker, set())
        for task in response.tasks:
            assert task.job_id in has, f"{worker} has not got the spec of {task.job_id}"
            knows.add(task.job_id)
        assert given <= knows, f"{worker} gets the specs of {given - knows}, and no task"

    # --- what is over ---

    def _job_event(self, event: m.JobEvent) -> None:
        """A job, or step, may be over with this."""
        job_id, job = event.job_id, self._site.jobs.get(event.job_id)
        if job is None:
            return
        step, state = self._ledger.phases.get(job_id, (1, event.state))
        if event.state in ENDED:
            self._over.add(self._steps.pop(job_id, job_id))
        elif event.state == "queued":
            self._steps.pop(job_id, None)  # again: of its start the journal had nothing
        elif state not in ENDED:
            id = job.steps[step - 1].id
            before = self._steps.get(job_id, id)
            self._steps[job_id] = id
            if before != id:
                self._over.add(before)

    def _check_forgotten(self, event: Any, worker: str, runs: set[str]) -> None:
        """Whose tasks are over gets to know it, and nobody else."""
        peers, over, forgotten = self._ledger.peers, self._over, self._forgotten
        for job_id in over:
            for name, knows in self._knows.items():
                if job_id in knows and peers[name].state in PRESENT:
                    is_told = job_id in forgotten.get(name, ())
                    assert is_told, f"{name} is not told that {job_id} is over"
                    self._applied["a worker hears of the end of its jobs"] += 1
        if not forgotten:
            return
        told: set[str] = set()
        if worker:
            for message in event.frame.messages:
                if isinstance(message, m.Heartbeat):
                    told.update(message.jobs)
                elif isinstance(message, m.Register):
                    told.update(done.job_id for done in message.held)
        for name, job_ids in forgotten.items():
            assert not job_ids & runs, f"{name} is to forget {job_ids & runs}, which go on"
            asked = told if name == worker else set()
            assert job_ids <= over | asked, f"{name} is to forget {job_ids - over - asked}"

    def _check_cancelled(self, event: Any) -> None:
        """No worker is to stop what is of use."""
        ledger = self._ledger
        for worker, ids in self._cancelled.items():
            for id in ids:
                seen = ledger.attempts.get(id)
                if seen is None or seen.worker != worker:
                    continue
                answer = self._site.answers[seen.task[0]]
                is_read = answer.n_reduce and not ledger.has_all_files(answer)
                is_output = seen.task[1] is m.TaskKind.MAP and id not in ledger.empty and is_read
                holds = bool(is_output) and ledger.winners.get(seen.task) == id
                is_useful = holds or (seen.state in LIVE and not _has_result(event, id))
                assert not is_useful or seen.task[0] not in self._steps.values(), (
                    f"{worker} is to stop attempt {id & NUMBER}, which is {seen.state}"
                )

    # --- what a worker says of itself ---

    def _heartbeat(self, event: FrameReceived, worker: str, now: float, epoch: int) -> None:
        said = event.frame.messages
        beats = [message for message in said if isinstance(message, m.Heartbeat)]
        peer = self._ledger.peers[worker]
        if not beats or self._was not in PRESENT or peer.state not in PRESENT:
            return
        if not all(isinstance(message, FROM_PEERS) for message in said):
            return
        rows = {row.attempt: row for row in beats[-1].progress}
        # When it registers after that, in the same frame, what it says is running is back.
        later = said[said.index(beats[-1]) + 1 :]
        registers = [message for message in later if isinstance(message, m.Register)]
        back = {id for message in registers for id in message.running}
        self._check_missing(rows.keys() | back, now, epoch)
        self._check_queue(rows, now, worker)

    def _check_missing(self, named: Set[int], now: float, epoch: int) -> None:
        """What the worker does not have is lost, unless it may be on its way."""
        beat_s = self._site.settings.heartbeat_interval_s
        for id, (began_at, _) in self._live.items():
            if id in named:
                continue
            is_late = id >> 32 != epoch or now - began_at > _BEATS_TO_ARRIVE * beat_s + _ROUNDING_S
            is_live = self._ledger.attempts[id].state in LIVE
            assert not (is_late and is_live), f"attempt {id & NUMBER} is not with its worker"
            self._applied["an attempt that is not with its worker is lost"] += is_late

    def _check_queue(self, rows: dict[int, m.Progress], now: float, worker: str) -> None:
        """What waits for long goes to another worker that has a free slot."""
        limit_s = self._site.settings.take_back_after_s
        for id, row in rows.items():
            began_at, was_queued = self._live.get(id, (now, False))
            if not (row.queued and was_queued):
                continue
            waits_s = now - began_at
            is_due = waits_s > limit_s + _ROUNDING_S and self._has_free_beside
            is_live = self._ledger.attempts[id].state in LIVE
            assert not (is_due and is_live), f"attempt {id & NUMBER} waits for {waits_s:.2f} s"
            self._applied["what waits in a queue is taken back for a free slot"] += is_due
        for id in self._taken_back & self._live.keys():  # others are back with this heartbeat
            began_at, _ = self._live[id]
            is_right = now - began_at > limit_s - _ROUNDING_S
            assert is_right, f"attempt {id & NUMBER} is taken back after {now - began_at:.2f} s"
            # What came before in the frame may have made an attempt elsewhere useless.
            is_freed = any(name != worker for name in self._cancelled)
            has_free = self._has_free_beside or is_freed or self._is_free_beside(worker)
            assert has_free, f"attempt {id & NUMBER} is taken back, and no other slot is free"

    def _is_free_beside(self, worker: str) -> bool:
        """Whether another worker has a slot with nothing to do."""
        for name, peer in self._ledger.peers.items():
            if name != worker and peer.state == "alive" and peer.quarantined_at is None:
                room = min(peer.credit, self._slots.get(name, 0), 1 if peer.is_on_trial else 99)
                if room > len(peer.live):
                    return True
        return False


def _has_result(event: Any, id: int) -> bool:
    """Whether this brings a result of the attempt: one of another kind of job is of no use."""
    return isinstance(event, FrameReceived) and any(
        isinstance(message, m.MapDone | m.ReduceDone) and message.attempt == id
        for message in event.frame.messages
    )
