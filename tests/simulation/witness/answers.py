"""The book of clients: each question is answered, by the master that got it, with what is true.

How jobs and workers stand is kept here from what was published, and from nothing else; so is what
a snapshot has to say, and which events are to follow which.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zmr import messages as m
from zmr.core import clients, phases
from zmr.core.actions import Append, CompleteOutput, MasterAction, Publish, Send, SendSnapshot
from zmr.core.events import FrameReceived, JobGiven, StopRequested
from zmr.core.journal import JobSubmitted
from zmr.core.master import Master

from ..machines.site import Site

ENDED = ("done", "failed", "cancelled")
_LIVE = ("running", "committing")
_OF_STEP = re.compile(r"step (\d+) of \d+: ")

_Question = m.Submit | m.CancelJob | m.GetSnapshot
_Rows = tuple[tuple[m.JobStatus, ...], tuple[m.WorkerStatus, ...]]


@dataclass(slots=True)
class JobRow:
    """A job, as it was published."""

    spec: m.JobSpec
    state: str
    step: int  # of a pipeline: from 1
    n_map: int  # of the step
    n_reduce: int
    reason: str = ""


@dataclass(slots=True)
class WorkerRow:
    """A worker, as it was published."""

    state: str
    slots: int
    running: set[tuple[str, int]]  # jobs, or steps, and the numbers of attempts


class Answers:
    def __init__(self, site: Site) -> None:
        self._site = site
        self.jobs: dict[str, JobRow] = {}
        self.endings: dict[str, str] = {}  # of all jobs, also of forgotten ones: the last state
        self._ended: deque[str] = deque()  # jobs that are still known, in the order of their ends
        self._workers: dict[str, WorkerRow] = {}
        self._done: dict[tuple[str, m.TaskKind], set[int]] = defaultdict(set)  # tasks
        self._succeeded: set[tuple[str, int]] = set()  # attempts by which tasks are complete
        self._slots: dict[str, int] = {}
        self._spec: m.JobSpec | None = None  # of the job that is about to be submitted
        self._epoch = 0
        self._is_stopped = False  # this start of the master got a signal
        self._events: dict[int, list[m.Event]] = {}  # all that were published, by epoch
        self._shown: dict[tuple[int, int], list[_Rows]] = {}  # by epoch and number of events

    # --- the master ---

    def master_did(self, event: Any, actions: Sequence[MasterAction], epoch: int) -> None:
        """What followed from an event; None: from the time."""
        if epoch != self._epoch:
            self._epoch, self._is_stopped = epoch, False
            self._events[epoch] = []
        questions: list[_Question] = []
        peer = b""
        if isinstance(event, FrameReceived):
            peer, messages = event.peer, event.frame.messages
            for message in messages:
                if isinstance(message, m.Register):
                    self._slots[message.name] = message.slots
            if all(isinstance(message, _Question) for message in messages):
                questions = list(messages)  # type: ignore[arg-type]
        elif isinstance(event, JobGiven):
            self._given(event, actions)
            return
        elif isinstance(event, StopRequested):
            self._is_stopped = True
        if questions:
            self._answer(peer, questions, actions)
        else:
            for action in actions:
                self._act(action)

    def _answer(
        self, peer: bytes, questions: list[_Question], actions: Sequence[MasterAction]
    ) -> None:
        """Each question has its answer, in their order."""
        due = self._due(questions[0])
        for action in actions:
            self._act(action)
            answer: Any = None
            if isinstance(action, Send) and action.peer == peer:
                answer = action.message
            elif isinstance(action, SendSnapshot):
                assert action.peer == peer, "a snapshot that was not asked for"
                answer = action
            if answer is not None:
                assert questions, f"more answers than questions: {answer}"
                self._check(questions.pop(0), due, answer, actions)
                due = self._due(questions[0]) if questions else ""
        assert not questions, f"no answer to {questions[0]}"

    def _given(self, given: JobGiven, actions: Sequence[MasterAction]) -> None:
        """A job of the master's own is taken, or ends at once with the reason."""
        spec = given.submit.spec
        due = self._due(given.submit)
        for action in actions:
            self._act(action)
        states = [a.event.state for a in actions if _is_of_job(a, spec.job_id)]  # type: ignore[union-attr]
        first = states[0] if states else "nothing"
        if due == "known":
            assert first not in ("queued", "failed"), f"{spec.job_id} is known, and is {first}"
            return
        expected = "failed" if due == "refused" else "queued"
        assert first == expected, f"{spec.job_id} is given: {due}, and is {first}"
        is_told = bool(self.jobs[spec.job_id].reason) or due == "new"
        assert is_told, f"{spec.job_id} is refused without a reason"

    def _due(self, question: _Question) -> str:
        """The answer that the question has to get, as things stand now, in a word."""
        match question:
            case m.Submit(spec):
                self._spec = spec
                if spec.job_id in self.jobs:
                    return "known"
                is_refused = self._is_to_be_refused(spec) or self._is_too_much(question)
                return "refused" if is_refused else "new"
            case m.CancelJob(job_id):
                job = self.jobs.get(job_id)
                if job is None:
                    return "refused"
                if job.state == "cancelled":
                    return "over"
                return "refused" if job.state in (*ENDED, "completing") else "cancelled"
        return "snapshot"

    def _is_to_be_refused(self, spec: m.JobSpec) -> bool:
        is_taken = any(
            job.spec.output == spec.output and job.state not in ENDED for job in self.jobs.values()
        )
        takes_one = self._site.settings.one_job and bool(self.jobs)
        return is_taken or takes_one or self._is_stopped or "." in spec.job_id

    def _is_too_much(self, submit: m.Submit) -> bool:
        """Whether there would be more tasks at a time than a master has room for."""
        split_bytes = self._site.settings.split_bytes
        alive = [row for row in self.jobs.values() if row.state not in ENDED]
        n_tasks = sum(row.n_map + row.n_reduce for row in alive) + submit.spec.n_reduce
        for file in submit.inputs:
            n_tasks += max(1, -(-file.size_bytes // split_bytes)) if file.splittable else 1
        return n_tasks > clients._MOST_TASKS

    def _check(
        self, question: _Question, due: str, answer: Any, actions: Sequence[MasterAction]
    ) -> None:
        if isinstance(question, m.GetSnapshot):
            assert isinstance(answer, SendSnapshot), f"{answer} for a snapshot"
            assert answer.after_seq == question.after_seq, "a snapshot for another question"
            return
        job_id = question.spec.job_id if isinstance(question, m.Submit) else question.job_id
        if due == "refused":
            assert isinstance(answer, m.Refused), f"{question} is answered by {answer}"
            assert answer.reason, "refused without a reason"
            return
        assert answer == m.Submitted(job_id), f"{question} is answered by {answer}: {due}"
        job = self.jobs.get(job_id)
        assert job is not None, f"{job_id} is taken, and nothing is known of it"
        published = [a.event.state for a in actions if _is_of_job(a, job_id)]  # type: ignore[union-attr]
        if due == "new":
            recorded = (r for a in actions if isinstance(a, Append) for r in a.records)
            is_kept = any(isinstance(r, JobSubmitted) and r.submit == question for r in recorded)
            assert is_kept or self._site.journal is None, f"{job_id} is taken, and not recorded"
            assert published[0] == "queued", f"{job_id} is taken, and begins as {published}"
        elif isinstance(question, m.CancelJob) and due == "cancelled":
            assert job.reason == question.reason, f"{job_id} ended by {job.reason!r}"
            assert job.state == "cancelled", f"{job_id} was to be cancelled, and is {job.state}"
        elif due == "known":
            assert "queued" not in published, f"{job_id} was submitted twice"
        else:
            assert job.state != "cancelled" or "cancelled" not in published, (
                f"{job_id} was cancelled after its end"
            )

    def master_shows(
        self, shown_jobs: tuple[m.JobStatus, ...], shown_workers: tuple[m.WorkerStatus, ...]
    ) -> None:
        """The rows of a snapshot are how things stand."""
        jobs = {job.job_id: job for job in shown_jobs}
        assert jobs.keys() == self.jobs.keys(), f"shown are {list(jobs)}, not {list(self.jobs)}"
        for job_id, status in jobs.items():
            expected = self._status(job_id)
            assert status == expected, f"shown is {status}, not {expected}"
        workers = {worker.name: worker for worker in shown_workers}
        assert len(workers) == len(shown_workers), "a worker is shown twice"
        rows = {
            name: m.WorkerStatus(name, row.state, row.slots, len(row.running))
            for name, row in self._workers.items()
        }
        assert workers == rows, f"shown are {workers}, not {rows}"
        at = self._epoch, len(self._events[self._epoch])
        self._shown.setdefault(at, []).append((shown_jobs, shown_workers))

    def _status(self, job_id: str) -> m.JobStatus:
        row = self.jobs[job_id]
        n_steps = len(row.spec.steps)
        step_id = f"{job_id}.{row.step}" if n_steps else job_id
        return m.JobStatus(
            job_id,
            row.spec.name,
            row.state,
            len(self._done[step_id, m.TaskKind.MAP]),
            row.n_map,
            len(self._done[step_id, m.TaskKind.REDUCE]),
            row.n_reduce,
            row.reason,
            row.step if n_steps else 0,
            n_steps,
        )

    # --- how things stand ---

    def _act(self, action: MasterAction) -> None:
        match action:
            case Publish(event):
                self._events[self._epoch].append(event)
                self._published(event)
            case CompleteOutput(outcome):
                self.jobs[outcome.spec.job_id].state = "completing"

    def _published(self, event: m.Event) -> None:
        match event:
            case m.TaskEvent():
                self._task_event(event)
            case m.JobEvent():
                self._job_event(event)
            case m.WorkerEvent(name, state):
                row = self._workers.get(name)
                if state in ("lost", "left"):
                    del self._workers[name]
                elif row is None:
                    self._workers[name] = WorkerRow(state, self._slots[name], set())
                else:
                    row.state = state

    def _task_event(self, event: m.TaskEvent) -> None:
        attempt = event.job_id, event.attempt
        done = self._done[event.job_id, event.kind]
        worker = self._workers.get(event.worker)
        if worker is not None:
            live = worker.running
            live.add(attempt) if event.state in _LIVE else live.discard(attempt)
        if event.state == "succeeded":
            done.add(event.index)
            self._succeeded.add(attempt)
        elif attempt in self._succeeded:  # its output is lost
            done.discard(event.index)
            self._succeeded.discard(attempt)

    def _job_event(self, event: m.JobEvent) -> None:
        job_id, row = event.job_id, self.jobs.get(event.job_id)
        if row is None:
            assert self._spec is not None, f"{job_id} comes out of nowhere"
            assert self._spec.job_id == job_id, f"{job_id} comes out of nowhere"
            row = self.jobs[job_id] = JobRow(self._spec, event.state, 1, 0, 0)
            self._set_step(row, 1)
            if event.state in ENDED:  # it was refused
                row.n_map = 0
        of_step = _OF_STEP.match(event.text)
        if of_step is not None and event.state in ("map", "reduce"):
            self._set_step(row, int(of_step[1]))
        row.state = event.state
        if event.state in ENDED:
            row.reason = event.text
            self.endings[job_id] = event.state
            self._ended.append(job_id)
            if len(self._ended) > phases._ENDED_JOBS_KEPT:
                del self.jobs[self._ended.popleft()]

    def _set_step(self, row: JobRow, step: int) -> None:
        row.step = step
        plan = self._site.jobs.get(row.spec.job_id)
        if plan is not None:
            answer = self._site.answers[plan.steps[step - 1].id]
            row.n_map, row.n_reduce = answer.n_map, answer.n_reduce

    def master_restarted(self, core: Master) -> None:
        """A new master has read the journal: it begins with what is in there."""
        assert core.jobs.keys() == self.jobs.keys(), "jobs are forgotten"
        self._workers = {
            worker.name: WorkerRow(
                worker.state.value,
                self._slots[worker.name],
                {(a.job_id, a.number) for a in worker.attempts.values()},
            )
            for worker in core.cluster.workers.present
        }
        for job in core.jobs.values():
            row = self.jobs[job.public_id]
            if row.state not in ENDED:  # it may have been further, without a record of that
                row.state = job.state.value
                self._set_step(row, max(job.step.step, 1))

    # --- clients ---

    def answered(self, question: m.Message, epoch: int, answer: m.Message) -> None:
        """A client got this answer to its question."""
        if not isinstance(question, m.GetSnapshot):
            assert isinstance(answer, m.Submitted | m.Refused), f"{question} got {answer}"
            return
        assert isinstance(answer, m.Snapshot), f"{question} got {answer}"
        rows = self._shown.get((epoch, answer.seq), [])
        assert (answer.jobs, answer.workers) in rows, (
            f"this is not how things stood at event {answer.seq}: {answer}"
        )
        first, last = question.after_seq + 1, answer.seq
        first = max(first, last - self._site.kept_events + 1)
        expected = self._events[epoch][first - 1 : last][: self._site.events_at_once]
        if question.after_seq < 0:
            expected = []
        events = [published.event for published in answer.events]
        assert events == expected, f"after {first - 1} come {events}, not {expected}"
        seqs = [published.seq for published in answer.events]
        assert seqs == list(range(first, first + len(seqs))), f"after {first - 1} come {seqs}"

    def heard(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        """A subscriber got this."""
        known = self._events[epoch]
        for published in events:
            is_it = 0 < published.seq <= len(known) and known[published.seq - 1] == published.event
            assert is_it, f"event {published.seq} was another one than {published.event}"

    @property
    def n_events(self) -> tuple[int, int]:
        """The epoch of the last start, and how many events it has published."""
        return self._epoch, len(self._events.get(self._epoch, ()))


def _is_of_job(action: MasterAction, job_id: str) -> bool:
    return (
        isinstance(action, Publish)
        and isinstance(action.event, m.JobEvent)
        and action.event.job_id == job_id
    )
