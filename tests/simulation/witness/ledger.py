"""The book of workers, attempts, results and grants: what the master may say of them.

It shares no state with the master. It reads the frames that arrive and the actions that follow.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import takewhile
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Publish, Quit, Send
from zmr.core.events import FrameReceived
from zmr.core.jobs import JobRun
from zmr.core.journal import JobForgotten, Record
from zmr.core.master import Master
from zmr.core.states import TaskState

from ..machines.oracle import Answer
from ..machines.site import Site
from .books import (
    ACTIVE,
    AGAIN,
    ENDED,
    FROM_PEERS,
    LIVE,
    NUMBER,
    PRESENT,
    Peer,
    Seen,
    TaskKey,
    fails_by_itself,
    is_of_client,
)  # fmt: skip
from .unreadable import Unreadable

_STEP = re.compile(r"step (\d+) of \d+: ")
_PHASES = ("queued", "map", "reduce", "done", "failed", "cancelled")


class Ledger:
    def __init__(self, site: Site, is_in_order: bool, applied: Counter[str]) -> None:
        self._site = site
        self._applied = applied  # how often each demand had something to demand
        self._is_in_order = is_in_order  # frames arrive in the order in which they were sent
        self._now, self._epoch = 0.0, 0  # the master's
        self.attempts: dict[int, Seen] = {}
        self.peers: dict[str, Peer] = {}
        self.phases: dict[str, tuple[int, str]] = {}  # of jobs: the step, from 1, and its state
        self.winners: dict[TaskKey, int] = {}
        self.failures: dict[TaskKey, set[int]] = {}  # attempts that count against a task
        self.lost_inputs: dict[TaskKey, set[int]] = {}
        self.suspects: dict[TaskKey, dict[int, int]] = {}  # records, and the attempt each killed
        self.skips: dict[TaskKey, set[int]] = {}  # those that have killed two
        self.had_backups = False
        self._ids: dict[tuple[str, int], int] = {}  # by job and the number for people
        self._unreadable = Unreadable()
        self._sent: set[int] = set()  # attempts that were handed out
        self._of_task: dict[TaskKey, list[int]] = {}
        self.failing: dict[int, m.TaskFailed] = {}  # what this frame says, by attempt
        self.is_fresh = True  # the frame: the master may listen to it
        self._cancelled: list[int] = []  # in this turn
        self.too_bad: set[str] = set()  # jobs of which an attempt found too many bad records
        self._at_record: dict[int, int] = {}  # attempts, and how many records they have begun
        self._skipped: dict[int, int] = {}  # attempts, and how many records they have left out
        self.left_out: dict[TaskKey, int] = {}  # ... of tasks that have been complete
        self._done: set[int] = set()  # attempts whose own worker says now that they are complete
        self.empty: set[int] = set()  # attempts at maps that have put out nothing
        self._full: list[str] = []  # workers whose disks are full, as this turn has shown

    # --- the master ---

    def master_did(self, event: Any, actions: list[MasterAction], now: float, epoch: int) -> None:
        """What followed from an event; None: from the time. `now` is the master's."""
        self._now, self._epoch = now, epoch
        self.is_fresh = True
        if isinstance(event, FrameReceived) and not is_of_client(event.frame):
            self.is_fresh = self._heard(event.peer.decode(), event.frame)
        if not self.is_fresh:
            self._check_fenced(actions)
            return
        self._cancelled.clear()
        self._full.clear()
        for action in actions:
            if isinstance(action, Publish):
                self._published(action.event)
            elif isinstance(action, Send):
                self._check_sent(action.peer.decode(), action.message)
        self._check_cancelled(actions)
        self._check_full_disks()

    def _heard(self, process: str, frame: m.Frame) -> bool:
        """Whether the master may listen to the frame."""
        peer, now = self.peers.get(process), self._now
        is_present = peer is not None and peer.state in PRESENT
        # What is no peer's to say ends a frame.
        said = list(takewhile(lambda message: isinstance(message, FROM_PEERS), frame.messages))
        self._done = {
            message.attempt
            for message in said
            if isinstance(message, m.ReduceDone) and self._is_of(process, message.attempt)
        }
        registers = [message for message in said if isinstance(message, m.Register)]
        for done in (done for register in registers for done in register.held):
            self._map_done(process, done)
        if registers and not is_present:
            self.peers[process] = Peer("alive", now)
            said = said[said.index(registers[0]) :]  # what comes before is of nobody
        elif not (registers or (is_present and frame.epoch == self._epoch and said)):
            return False
        peer = self.peers[process]
        peer.heard_at = now
        peer.state = "alive"
        self.failing.clear()
        if frame.epoch != self._epoch:
            return True  # it registers, and all else in the frame is of another time
        for message in said:
            if isinstance(message, m.GetTask | m.Heartbeat):
                peer.credit = message.credit
                if isinstance(message, m.Heartbeat):
                    self._at_record |= {row.attempt: row.records for row in message.progress}
            elif isinstance(message, m.TaskFailed):
                if self._is_of(process, message.attempt):
                    self.failing[message.attempt] = message
            elif isinstance(message, m.MapDone):
                self._map_done(process, message)
            elif isinstance(message, m.OutputsChecked):
                job_id, said_of = message.job_id, (*message.whole, *message.damaged)
                own = {id for id in said_of if self._is_of(process, id, job_id)}
                self._unreadable.answered(message, own, max(self.attempts, default=0))
        return True

    def _is_of(self, process: str, attempt: int, job_id: str = "") -> bool:
        """Whether the attempt was handed to this worker, which may speak of it: as of this job."""
        seen = self.attempts.get(attempt)
        return seen is not None and seen.worker == process and job_id in ("", seen.task[0])

    def _map_done(self, process: str, done: m.MapDone) -> None:
        """A worker says what became of a map."""
        if not self._is_of(process, done.attempt):
            return
        self._done.add(done.attempt)
        self._skipped[done.attempt] = done.skipped
        if not (done.path or done.file):
            self.empty.add(done.attempt)

    def _check_fenced(self, actions: list[MasterAction]) -> None:
        """What an old epoch, or nobody, says, changes nothing."""
        for action in actions:
            if isinstance(action, Quit) or action == Publish(m.MasterEvent("ended")):
                continue  # its time was up, whatever came
            assert isinstance(action, Send), f"a frame of another epoch led to {action}"
            allowed = m.RegisterAgain | m.Refused
            assert isinstance(action.message, allowed), f"an old frame led to {action.message}"

    def master_restarted(self, core: Master, now: float) -> None:
        """A new master has read the journal: it knows all that anybody may rely on."""
        self._now = now
        known = core.cluster.workers.workers
        self._unreadable.forget()
        for name, peer in self.peers.items():
            peer.credit, peer.heard_at = 0, self._now
            peer.live.clear()
            peer.blamed.clear()
            peer.quarantined_at, peer.is_on_trial = None, False
            is_expected = name.encode() in known
            assert is_expected or peer.state in ("lost", "left"), f"{name} is forgotten"
            peer.state = "suspect" if is_expected else peer.state
        for job_id, (step, phase) in self.phases.items():
            assert job_id in core.jobs, f"{job_id} is forgotten"
            state, at = core.jobs[job_id].state.value, core.jobs[job_id].step.step
            # A step whose last result came when the last start was about to end is over at once.
            goes_on = at == step + 1 and self._is_step_done(job_id, step)
            is_there = state in ENDED or at in (0, step) or goes_on
            assert is_there, f"{job_id} was in step {step}"
            assert (phase in ENDED) == (state in ENDED), f"{job_id} was {phase}, and is {state}"
        for job in core.cluster.active.values():
            self._compare(job)

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        for record in records:
            if isinstance(record, JobForgotten):
                state = self.phases.pop(record.job_id)[1]
                assert state in ENDED, f"{record.job_id} is forgotten, and {state}"

    def _compare(self, job: JobRun) -> None:
        """The restored job is the one that was."""
        for task in (*job.maps.tasks, *job.reduces.tasks):
            key = job.id, task.kind, task.index
            winner = task.winner if task.state is TaskState.COMPLETED else None
            assert self.winners.get(key) == winner, f"{task}: the result is not what it was"
            failures = len(self.failures.get(key, ())), len(self.lost_inputs.get(key, ()))
            assert failures == (task.failures, task.lost_inputs), f"{task}: failures are forgotten"
            assert set(task.skips) == self.skips.get(key, set()), f"{task}: skips are forgotten"
            for id in self._of_task.get(key, ()):
                seen = self.attempts[id]
                is_committer = task.committer is not None and task.committer.id == id
                assert not seen.is_granted or is_committer, f"{task}: a grant is forgotten"
                is_lost = id in {a.id for a in task.lost}  # also if it had come back
                known = is_lost or id in {a.id for a in task.attempts}
                assert known or seen.state not in LIVE, f"attempt {id & NUMBER} is forgotten"
                seen.is_granted, seen.state = is_committer, "lost" if is_lost else seen.state
            for attempt in task.attempts:  # also some that had been given up
                self.attempts[attempt.id].state = "running"
                self.peers[attempt.peer.decode()].live.add(attempt.id)

    # --- what was published ---

    def _published(self, event: m.Event) -> None:
        match event:
            case m.TaskEvent():
                self._task_event(event)
            case m.WorkerEvent(worker, state, text):
                self._worker_event(worker, state, text)
            case m.JobEvent(job_id, state, text):
                self._job_event(job_id, state, text)

    def _job_event(self, job_id: str, state: str, text: str) -> None:
        before_step, before = self.phases.get(job_id, (1, ""))
        told = _STEP.match(text)
        is_told = told is not None and state in ACTIVE
        step = int(told[1]) if told is not None and is_told else before_step
        # It is in the journal from its first attempt on, and may have been further then.
        again = "started again" in text
        is_next = (before_step, _PHASES.index(before or "queued")) < (step, _PHASES.index(state))
        assert not before or again or is_next, f"{before} in step {before_step}: {state} in {step}"
        assert before not in ENDED, f"{job_id} went on after its end"
        self.phases[job_id] = step, state
        if state in ACTIVE:
            steps = self._site.jobs[job_id].steps
            assert is_told == (len(steps) > 1), f"not told of which step: {text!r}"
            if state == "reduce" and not again:
                answer = self._site.answers[steps[step - 1].id]
                assert self._are_done(answer, m.TaskKind.MAP), "the maps are not complete"

    def attempts_of(self, task: TaskKey) -> list[int]:
        """All attempts at the task, whatever has become of them."""
        return self._of_task.get(task, [])

    @property
    def has_open_questions(self) -> bool:
        """Whether a worker has yet to say which of its map outputs are whole."""
        return self._unreadable.has_open_questions

    def is_output_complete(self, job_id: str) -> bool:
        """Whether the job runs, and all files of its output are there."""
        step, state = self.phases[job_id]
        steps = self._site.jobs[job_id].steps
        if state not in ACTIVE or step < len(steps):
            return False
        return self.has_all_files(self._site.answers[steps[-1].id])

    def has_all_files(self, answer: Answer) -> bool:
        """Whether all files that the job, or step, puts out are there."""
        last = m.TaskKind.REDUCE if answer.n_reduce else m.TaskKind.MAP
        return self._are_done(answer, last)

    def _is_step_done(self, job_id: str, step: int) -> bool:
        answer = self._site.answers[self._site.jobs[job_id].steps[step - 1].id]
        return all(self._are_done(answer, kind) for kind in m.TaskKind)

    def _are_done(self, answer: Answer, kind: m.TaskKind) -> bool:
        """Whether all tasks of this kind are complete."""
        n = answer.n_map if kind is m.TaskKind.MAP else answer.n_reduce
        return all((answer.step.id, kind, index) in self.winners for index in range(n))

    def _worker_event(self, worker: str, state: str, text: str) -> None:
        peer, site = self.peers[worker], self._site
        if state == "quarantined":
            self._quarantined(worker, peer)
            state = "alive"
        elif text == AGAIN:
            peer.quarantined_at, peer.is_on_trial = None, True
        peer.state = state
        if state in ("suspect", "lost"):
            silence_s = self._now - peer.heard_at
            settings = site.settings
            after_s = settings.suspect_after_s if state == "suspect" else settings.lost_after_s
            assert silence_s >= after_s - 1e-6, f"{worker} is {state} after {silence_s:.2f} s"
            if site.is_calm_for(settings.lost_after_s):
                assert not site.is_running(worker), f"{worker} is {state}, but well"

    def _quarantined(self, worker: str, peer: Peer) -> None:
        """A worker gets no more tasks: not without need, nor the last one."""
        if peer.quarantined_at is None:
            is_full = any(f.reason is m.FailureReason.DISK_FULL for f in self.failing.values())
            now = self._now
            recent = [at for at in peer.blamed.values() if at > now - 60.0]
            is_bad = is_full or peer.is_on_trial or len(recent) >= 3
            assert is_bad, f"{worker} is quarantined for nothing"
            assert self.takers() - {worker}, f"{worker} is quarantined, although it is the last"
            peer.quarantined_at, peer.is_on_trial = now, False

    def takers(self) -> set[str]:
        """Who takes tasks, now or later."""
        return {
            name
            for name, peer in self.peers.items()
            if peer.state == "alive" and peer.credit and peer.quarantined_at is None
        }

    def _check_full_disks(self) -> None:
        """A worker whose disk is full is quarantined at once. (Some are on trial since then.)"""
        for worker in self._full:
            others = [self.peers[name] for name in self.takers() - {worker}]
            if self.peers[worker].quarantined_at is None:
                assert all(peer.is_on_trial for peer in others), f"{worker} is not quarantined"

    def _task_event(self, event: m.TaskEvent) -> None:
        task = event.job_id, event.kind, event.index
        id = self.id_of(event)
        seen = self.attempts.get(id)
        if seen is None:
            assert event.state == "running", f"an attempt that began as {event.state}"
            assert task not in self.winners, f"{task} handed out after it was complete"
            self.had_backups |= event.text == "backup"
            seen = self.attempts[id] = Seen(task, event.worker, "", self._site.clock.now)
            self._of_task.setdefault(task, []).append(id)
        assert seen.task == task
        before, seen.state = seen.state, event.state
        if before == "lost" and event.state in LIVE:
            self._returns(id, seen)
        live = self.peers[seen.worker].live
        live.add(id) if event.state in LIVE else live.discard(id)
        if event.state == "succeeded":
            assert task not in self.winners, f"{task} counted twice"
            assert id in self._done, f"attempt {id & NUMBER}: its worker has no result of it"
            self.winners[task] = id
            if id in self._skipped:
                self.left_out[task] = self._skipped[id]
            seen.has_succeeded = True
            self._does_well(self.peers[seen.worker])
        elif event.state == "lost" and before == "succeeded":
            after_s = self._site.settings.lost_after_s
            self._unreadable.lost(id, event.text, self._now - after_s)
            assert self.winners.pop(task) == id
            assert self._answer(task).n_reduce, "published output can't be lost"
            assert task[1] is m.TaskKind.MAP, "published output can't be lost"
        elif event.state == "failed":
            self._failed(id, event.text)
        elif event.state == "cancelled":
            self._cancelled.append(id)
        if event.state in ("failed", "lost") and before in LIVE:
            self._check_calm(seen, event)
        if event.state not in LIVE:
            seen.is_granted = False

    def id_of(self, event: m.TaskEvent) -> int:
        """The id of the attempt of which people know the number."""
        # Numbers are of a job: masters that are started again count on from what it had.
        new_id = self._epoch << 32 | event.attempt
        return self._ids.setdefault((event.job_id, event.attempt), new_id)

    def _returns(self, id: int, seen: Seen) -> None:
        """An attempt is back with its worker. What it was allowed to do it may be doing still."""
        seen.returned_at = self._now
        others = (self.attempts[n] for n in self._of_task[seen.task] if n != id)
        if seen.was_granted and not any(other.is_granted for other in others):
            seen.is_granted = True
            self._applied["a grant survives a return"] += 1

    def _failed(self, id: int, text: str) -> None:
        failing, task = self.failing.get(id), self.attempts[id].task
        by_itself = failing is not None
        assert by_itself or text.startswith("no progress"), f"attempt {id & NUMBER} has not failed"
        assert "commit refused" not in text, "an attempt was blamed for being second"
        why = failing.reason if failing is not None else None
        lost_input = why is m.FailureReason.LOST_INPUT and task[1] is m.TaskKind.REDUCE
        if failing is not None:
            worker = self.attempts[id].worker
            for index, lost in failing.lost:
                # That of a worker given up is lost anyway; should it come back, it is tried again.
                if self.winners.get((task[0], m.TaskKind.MAP, index)) == lost:
                    is_own = self.attempts[lost].worker == worker
                    self._unreadable.reported(lost, id, is_own)
            if failing.reason is m.FailureReason.DISK_FULL:
                self._full.append(worker)
            if failing.reason is not m.FailureReason.USER_ERROR:
                self.peers[worker].blamed[task] = self._now
            if failing.reason is m.FailureReason.BAD_RECORDS:
                self.too_bad.add(task[0])
        if self._is_of_bad_record(task, id, failing):
            return
        books = self.lost_inputs if lost_input else self.failures
        books.setdefault(task, set()).add(id)
        self.attempts[id].counted = True

    def hung_at(self, id: int) -> int:
        """The number of the record that an attempt without progress was at; -1: not known."""
        return self._at_record.get(id, 0) - 1 if self.attempts[id].task[1] is m.TaskKind.MAP else -1

    def _is_of_bad_record(self, task: TaskKey, id: int, failing: m.TaskFailed | None) -> bool:
        """Whether a record has killed before, so that this is its fault."""
        record = failing.circumstances.record if failing is not None else self.hung_at(id)
        if record < 0 or not self._answer(task).job.skip_bad_records:
            return False
        skips, suspects = self.skips.setdefault(task, set()), self.suspects.setdefault(task, {})
        if record in suspects:
            self.failures[task].remove(suspects.pop(record))
            skips.add(record)
        elif record not in skips:
            suspects[record] = id
            return False
        return True

    def _does_well(self, peer: Peer) -> None:
        peer.blamed.clear()
        if peer.quarantined_at is None:
            peer.is_on_trial = False

    def _check_calm(self, seen: Seen, event: m.TaskEvent) -> None:
        """When nothing goes wrong any more, no attempt is lost, and none fails but by itself."""
        site = self._site
        if not site.is_calm_for(0.0) or seen.since_s < site.settled_at:
            return
        # A worker takes no attempt that comes behind a later one, and none of a job of which it
        # has not heard: the frame with that may have been lost before.
        is_ready = self._is_in_order and self._has_run(seen.worker, seen.task[0])
        is_right = fails_by_itself(self._answer(seen.task).step, event) or (
            "never reached" in event.text and not is_ready
        )
        assert is_right, f"{event} although nothing goes wrong"

    def _has_run(self, worker: str, job_id: str) -> bool:
        """Whether the worker has told of an attempt at this job."""
        known = (self.attempts[id] for id in self._at_record if id in self.attempts)
        return any(seen.worker == worker and seen.task[0] == job_id for seen in known)

    # --- what was sent ---

    def _check_sent(self, process: str, message: m.Message) -> None:
        if isinstance(message, m.TaskResponse):
            peer = self.peers[process]
            assert peer.state == "alive", f"a task for {process}, which is {peer.state}"
            assert peer.quarantined_at is None, f"a task for {process}, which is quarantined"
            assert not peer.is_on_trial or len(peer.live) == 1, f"several tasks try {process}"
            for task in message.tasks:
                self._check_hand_out(process, task)
            assert len(peer.live) <= peer.credit, f"{process} has more tasks than credit"
        elif isinstance(message, m.CheckOutputs):
            self._unreadable.asked(message, self._now)
        elif isinstance(message, m.CommitReply) and message.granted:
            self._check_grant(process, message.attempt)

    def _check_hand_out(self, process: str, task: m.Task) -> None:
        id = task.attempt
        assert id not in self._sent, "an attempt was handed out twice"
        self._sent.add(id)
        seen = self.attempts[id]
        assert seen.worker == process
        assert seen.task == (task.job_id, task.kind, task.index)
        answer = self._answer(seen.task)
        assert task.n_reduce == answer.n_reduce
        assert set(task.skips) == self.skips.get(seen.task, set()), "other records are skipped"
        if (before := answer.before) is not None:
            kind = m.TaskKind.REDUCE if before.n_reduce else m.TaskKind.MAP
            assert self._are_done(before, kind), "the step before is not complete"
        if task.kind is m.TaskKind.REDUCE:
            winners = [
                self.winners.get((task.job_id, m.TaskKind.MAP, index))
                for index in range(answer.n_map)
            ]
            assert None not in winners, f"{task.index} was handed out without all its inputs"
            winners = [id for id in winners if id not in self.empty]
            given = [source.attempt for source in task.sources]
            assert self._unreadable.isdisjoint(given), "known to be lost, or not known not to be"
            assert given == winners, "a reduce was given other inputs than there are"
            for owner in {self.attempts[id].worker for id in given}:
                state = self.peers[owner].state
                assert state in PRESENT, f"a reduce needs the outputs of {owner}, which is {state}"

    def _check_grant(self, process: str, id: int) -> None:
        seen = self.attempts[id]
        assert seen.worker == process, "somebody else may publish"
        assert seen.state in LIVE, f"an attempt that is {seen.state} may publish"
        assert seen.task not in self.winners, "published once more"
        others = self._of_task[seen.task]
        granted = [n for n in others if n != id and self.attempts[n].is_granted]
        assert not granted, "two may publish at a time"
        seen.is_granted = seen.was_granted = True

    def _check_cancelled(self, actions: list[MasterAction]) -> None:
        """Who works for nothing is told."""
        for id in self._cancelled:
            worker = self.attempts[id].worker
            told = {
                id
                for a in actions
                if isinstance(a, Send) and isinstance(a.message, m.Cancel)
                if a.peer.decode() == worker
                for id in a.message.attempts
            }
            is_present = self.peers[worker].state in PRESENT
            assert id in told or not is_present, f"attempt {id & NUMBER} was cancelled in silence"

    def _answer(self, task: TaskKey) -> Answer:
        return self._site.answers[task[0]]
