"""The book of hand-outs: which task goes to which worker, in which order, and that none waits.

Hand-outs are the last that happens in a turn. So when a turn is over, its hand-outs are gone
through one after the other, beginning from how things stood without them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from zmr import messages as m
from zmr.core import handouts
from zmr.core.actions import MasterAction, Publish, Quit, Send
from zmr.core.events import FrameReceived, StopRequested
from zmr.core.master import Master

from ..machines.oracle import Answer
from ..machines.site import Site
from .books import ACTIVE, LIVE, NUMBER, PRESENT, Peer, TaskKey
from .ledger import Ledger
from .repeats import Repeats

# So many of the tasks that wait are looked at for one that fits a worker.
_LOOKED_AT = 64

# Workers get more than their slots can run only with so many waiting tasks a slot.
_WAITING_A_SLOT = 2

Phase = tuple[str, m.TaskKind]


@dataclass(slots=True)
class Waiting:
    """The tasks of a phase that wait for a slot: the next one comes last."""

    tasks: dict[int, None]
    n_done: int = 0
    live: dict[int, set[int]] = field(default_factory=dict)  # by task: attempts
    failed_on: dict[int, set[str]] = field(default_factory=dict)  # by task: workers

    def comes_first(self, index: int) -> None:
        """The task waits again: others may be waiting for it, so it is the next one."""
        self.tasks.pop(index, None)
        self.tasks[index] = None

    def next_ones(self) -> list[int]:
        """Those that are looked at."""
        found = []
        for index in reversed(self.tasks):
            found.append(index)
            if len(found) == _LOOKED_AT:
                break
        return found


class HandOuts:
    def __init__(self, site: Site, ledger: Ledger, repeats: Repeats, applied: Counter[str]) -> None:
        self._site = site
        self._ledger = ledger
        self._raised = repeats.raised
        self._applied = applied
        self._phases: dict[Phase, Waiting] = {}
        self._slots: dict[str, int] = {}  # of workers
        self._states: dict[int, str] = {}
        self._is_over = False  # this master hands out nothing more
        self._goes_on_later = False  # ... before some time has passed, as there is very much

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        """The ledger has seen it."""
        if isinstance(event, FrameReceived):
            self._hears(event)
        given: list[tuple[int, m.TaskEvent]] = []
        for action in actions:
            match action:
                case Publish(m.TaskEvent() as published):
                    id = self._ledger.id_of(published)
                    if id in self._states:
                        self._changes(id, published)
                    else:
                        given.append((id, published))
                case Quit():
                    self._is_over = True
        self._check_given(given)
        for action in actions:
            match action:
                case Send(_, m.TaskResponse(tasks)):
                    for task in tasks:
                        self._check_task(task)
        self._is_over |= isinstance(event, StopRequested)
        if len(given) >= handouts._GRANTS_A_TURN:
            self._goes_on_later = True
        elif event is None:
            self._goes_on_later = False
        if not (self._is_over or self._goes_on_later):
            self._check_none_waits()

    def _hears(self, event: FrameReceived) -> None:
        for message in event.frame.messages:
            if isinstance(message, m.Register):
                self._slots.setdefault(event.peer.decode(errors="replace"), message.slots)

    def master_restarted(self, core: Master) -> None:
        """A new master: tasks wait in their order.

        It knows which attempts go on: of two that had leave to publish, only the later one does.
        """
        jobs = core.cluster.active.values()
        goes_on = {each.id for job in jobs for each in job.attempts.values() if each.is_live}
        self._is_over = self._goes_on_later = False
        ledger = self._ledger
        # What was handed out last may be in the journal alone.
        for seen in ledger.attempts.values():
            self._waiting(*seen.task[:2])
        for (job_id, kind), waiting in self._phases.items():
            waiting.live.clear()
            n = self._n_tasks(job_id, kind)
            waiting.n_done = 0
            waiting.tasks.clear()
            for index in reversed(range(n)):
                task = job_id, kind, index
                live = {id for id in ledger.attempts_of(task) if id in goes_on}
                if live:
                    waiting.live[index] = live
                if task in ledger.winners:
                    waiting.n_done += 1
                elif not live:
                    waiting.tasks[index] = None
        self._states = {id: seen.state for id, seen in ledger.attempts.items()}

    # --- how things stand ---

    def _answer(self, job_id: str) -> Answer:
        return self._site.answers[job_id]

    def _n_tasks(self, job_id: str, kind: m.TaskKind) -> int:
        answer = self._answer(job_id)
        return answer.n_map if kind is m.TaskKind.MAP else answer.n_reduce

    def _waiting(self, job_id: str, kind: m.TaskKind) -> Waiting:
        waiting = self._phases.get((job_id, kind))
        if waiting is None:
            n = self._n_tasks(job_id, kind)
            waiting = Waiting(dict.fromkeys(reversed(range(n))))
            self._phases[job_id, kind] = waiting
        return waiting

    def _changes(self, id: int, event: m.TaskEvent) -> None:
        """What becomes of an attempt that was handed out before."""
        before, self._states[id] = self._states[id], event.state
        waiting, index = self._waiting(event.job_id, event.kind), event.index
        live = waiting.live.setdefault(index, set())
        was_live = id in live
        if event.state in LIVE:
            live.add(id)
            waiting.tasks.pop(index, None)
            return
        live.discard(id)
        if event.state == "failed" and self._ledger.attempts[id].counted:
            waiting.failed_on.setdefault(index, set()).add(event.worker)
        if event.state == "succeeded":
            waiting.tasks.pop(index, None)
            waiting.n_done += 1
        elif before == "succeeded":  # its output is lost
            waiting.n_done -= 1
            waiting.comes_first(index)
        elif was_live and not live and self._is_to_be_done(waiting, event):
            waiting.comes_first(index)

    def _is_to_be_done(self, waiting: Waiting, event: m.TaskEvent) -> bool:
        attempts = self._ledger.attempts_of((event.job_id, event.kind, event.index))
        return not any(self._states.get(id) == "succeeded" for id in attempts)

    def _jobs(self) -> list[tuple[str, Answer]]:
        """What runs of the jobs that do, in the order of their submission."""
        found = []
        for job_id, (step, state) in self._ledger.phases.items():
            if state in ACTIVE:
                answer = self._answer(self._site.jobs[job_id].steps[step - 1].id)
                found.append((answer.step.id, answer))
        return found

    def _ready(self, step_id: str, answer: Answer) -> Waiting | None:
        """The tasks of the job that can run now."""
        maps = self._waiting(step_id, m.TaskKind.MAP)
        if not answer.n_reduce:
            return maps if maps.n_done < answer.n_map else None
        reduces = self._waiting(step_id, m.TaskKind.REDUCE)
        if reduces.n_done == answer.n_reduce:
            return None
        if maps.n_done < answer.n_map:
            return maps
        return None if self._ledger.has_open_questions else reduces

    def _room(self, name: str, peer: Peer, n_live: int, prefetch: bool) -> int:
        """How many more attempts the worker may have."""
        if peer.state != "alive" or peer.quarantined_at is not None:
            return 0
        limit = peer.credit if prefetch else min(peer.credit, self._slots[name])
        return (min(limit, 1) if peer.is_on_trial else limit) - n_live

    def _n_slots(self) -> int:
        """All slots of workers that are there."""
        peers = self._ledger.peers.items()
        return sum(self._slots[name] for name, peer in peers if peer.state in PRESENT)

    def _free(self, n_given: Counter[str]) -> list[str]:
        """Workers with a slot that has nothing to do, without so many of their attempts."""
        return [
            name
            for name, peer in self._ledger.peers.items()
            if self._room(name, peer, len(peer.live) - n_given[name], prefetch=False) > 0
        ]

    # --- what is handed out ---

    def _check_given(self, given: list[tuple[int, m.TaskEvent]]) -> None:
        most = handouts._GRANTS_A_TURN
        assert len(given) <= most, f"{len(given)} hand-outs in a turn that has {most} at most"
        left = Counter(event.worker for _, event in given)  # still to be handed out
        had_since: dict[str, set[str]] = {}  # by worker: those that got something after it
        for id, event in given:
            what = f"{event.kind.label} {event.index} of {event.job_id}, attempt {id & NUMBER}"
            waiting = self._waiting(event.job_id, event.kind)
            free = self._free(left)
            if event.text == "backup":
                self._check_backup(waiting, event, what)
            else:
                self._check_in_turn(waiting, event, free, what)
                self._check_round(waiting, event, free, had_since, what)
            self._check_order_of_jobs(event, free, what)
            self._states[id] = event.state
            waiting.live.setdefault(event.index, set()).add(id)
            waiting.tasks.pop(event.index, None)
            left[event.worker] -= 1
            for others in had_since.values():
                others.add(event.worker)
            had_since[event.worker] = set()

    def _check_backup(self, waiting: Waiting, event: m.TaskEvent, what: str) -> None:
        """It is for a task that runs, on a machine that neither runs it nor has failed it."""
        beside = waiting.live.get(event.index, set())
        assert len(beside) == 1, f"{what} is a backup task beside {len(beside)} attempts"
        at = {self._ledger.attempts[id].worker for id in beside}
        assert event.worker not in at, f"{what} runs beside itself on {event.worker}"
        failed_on = waiting.failed_on.get(event.index, set())
        assert event.worker not in failed_on, f"{what} is a backup task where the task has failed"
        self._applied["a backup task runs on a machine of its own"] += 1

    def _check_in_turn(
        self, waiting: Waiting, event: m.TaskEvent, free: list[str], what: str
    ) -> None:
        """It is the first of those that wait and fit the worker; slots that are free come first."""
        index, worker = event.index, event.worker
        assert index in waiting.tasks, f"{what} was not waiting"
        if worker not in free:
            assert not free, f"{what} goes to {worker}, whose slots are busy, and {free} are free"
            n_waiting, n_slots = len(waiting.tasks), self._n_slots()
            is_much = n_waiting > _WAITING_A_SLOT * n_slots
            assert is_much, f"{what} is to wait at {worker}: {n_waiting} wait for {n_slots} slots"
            self._applied["only with much work, workers hold tasks in reserve"] += 1
        next_ones, failed_on = waiting.next_ones(), waiting.failed_on
        assert index in next_ones, f"{what} is not one of the next"
        ahead = next_ones[: next_ones.index(index)]
        if worker not in failed_on.get(index, ()):
            fitting = [n for n in ahead if worker not in failed_on.get(n, ())]
            assert not fitting, f"{what} is handed out before {fitting}"
            self._applied["tasks are handed out in their order"] += bool(ahead) or len(free) > 0
            return
        for other in free:
            fresh = [n for n in next_ones if other not in failed_on.get(n, ())]
            assert not fresh, f"{what} goes where it has failed, and {fresh} could go to {other}"
        job = self._answer(event.job_id).job
        key = event.job_id, event.kind, index
        n_failures = len(self._ledger.failures.get(key, ()))
        if n_failures + 1 >= job.max_attempts or key in self._raised:
            others = self._ledger.takers() - failed_on[index]
            assert not others, f"{what}, the last one, goes where it has failed, not to {others}"
            self._applied["the last attempt goes where none has failed"] += 1

    def _check_round(
        self,
        waiting: Waiting,
        event: m.TaskEvent,
        free: list[str],
        had_since: dict[str, set[str]],
        what: str,
    ) -> None:
        """None gets a second task while another one with a free slot has got none."""
        since = had_since.get(event.worker)
        if since is None or event.worker not in free:
            return
        failed_on, next_ones = waiting.failed_on, waiting.next_ones()
        for other in free:
            if other != event.worker and other not in since:
                fresh = [n for n in next_ones if other not in failed_on.get(n, ())]
                assert not fresh, f"{what} is one more for {event.worker}, not one for {other}"
        self._applied["tasks go round"] += len(free) > 1

    def _check_order_of_jobs(self, event: m.TaskEvent, free: list[str], what: str) -> None:
        """Jobs that came before had nothing for those slots."""
        if not free:
            return
        for step_id, answer in self._jobs():
            if step_id == event.job_id:
                return
            ready = self._ready(step_id, answer)
            if ready is not None:
                self._applied["jobs are served in their order"] += 1
                fitting = self._fitting(ready, step_id, answer, free)
                assert not fitting, f"{what} is handed out before {fitting} of {step_id}"

    def _check_task(self, task: m.Task) -> None:
        """A worker is told what may become of the task."""
        ledger, key = self._ledger, (task.job_id, task.kind, task.index)
        n_failures = len(ledger.failures.get(key, ()))
        assert task.failures == n_failures, f"{task.failures} failures told, not {n_failures}"
        most = self._answer(task.job_id).job.max_attempts
        states = [ledger.attempts[id].state for id in ledger.attempts_of(key)]
        n_live = sum(state in LIVE for state in states)
        n_open = sum(state not in ("failed", "succeeded") for state in states)
        may_repeat = key in self._raised
        if n_failures + n_live >= most or may_repeat or n_live > 1:
            assert task.is_last, f"{key}: another failure may end the job, and it is not told"
            self._applied["the last attempt is told so"] += 1
        elif n_failures + n_open < most and n_open <= 1:
            assert not task.is_last, f"{key}: told that another failure may end the job"

    # --- what is not ---

    def _fitting(
        self, waiting: Waiting, step_id: str, answer: Answer, free: list[str]
    ) -> list[tuple[int, str]]:
        """Tasks that wait, and workers that could begin them now."""
        if not waiting.tasks:
            return []
        failed_on = waiting.failed_on
        next_ones = waiting.next_ones()
        found = [(n, name) for n in next_ones for name in free if name not in failed_on.get(n, ())]
        if found or not failed_on:
            return found
        kind = m.TaskKind.MAP if waiting is self._phases[step_id, m.TaskKind.MAP] else None
        kind = kind or m.TaskKind.REDUCE
        for n in next_ones:
            key: TaskKey = step_id, kind, n
            n_failures = len(self._ledger.failures.get(key, ()))
            takers = self._ledger.takers()
            is_last = n_failures + 1 >= answer.job.max_attempts or key in self._raised
            if not is_last or takers <= failed_on.get(n, set()):
                found += [(n, name) for name in free]
        return found

    def _check_none_waits(self) -> None:
        """No slot is free while there is a task for it."""
        active = [(id, answer, self._ready(id, answer)) for id, answer in self._jobs()]
        is_queued = any(state == "queued" for _, state in self._ledger.phases.values())
        if not is_queued and not any(ready and ready.tasks for _, _, ready in active):
            return
        free = self._free(Counter())
        if not free:
            self._check_reserve(active)
            return
        assert not is_queued, f"a job is queued, and {free} have slots that are free"
        for step_id, answer, ready in active:
            if ready is not None:
                fitting = self._fitting(ready, step_id, answer, free)
                assert not fitting, f"{fitting} of {step_id} wait, and could begin"
                self._applied["no task waits for a slot that is free"] += 1

    def _check_reserve(self, active: list[tuple[str, Answer, Waiting | None]]) -> None:
        """Where much more work waits than slots can run, workers have all that they asked for."""
        least = _WAITING_A_SLOT * self._n_slots()
        if not any(ready is not None and len(ready.tasks) > least for _, _, ready in active):
            return
        peers = self._ledger.peers.items()
        asking = [n for n, peer in peers if self._room(n, peer, len(peer.live), prefetch=True) > 0]
        for step_id, _, ready in active:
            if ready is not None and len(ready.tasks) > least:
                failed_on = ready.failed_on
                next_ones = ready.next_ones()
                fresh = [n for n in next_ones for w in asking if w not in failed_on.get(n, ())]
                assert not fresh, f"{asking} may have more of {step_id}, and get nothing"
