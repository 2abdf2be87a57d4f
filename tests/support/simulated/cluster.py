"""The cluster that a test tells a story of.

cluster = Cluster(workers=2)
cluster.network.drop(m.MapDone)          # the first one is lost
job = cluster.submit(maps=4, reduces=2)
cluster.run_until_over()
cluster.check(job)                       # the output is right, each file and figure once
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from simulation.invariants import validate

from support.simulated.network import Network
from support.simulated.slot import Work, file_of, records_of
from support.simulated.worker import SimulatedWorker
from zmr import messages as m
from zmr.core.actions import (
    Append,
    CompleteOutput,
    JobEnded,
    Log,
    MasterAction,
    Outcome,
    Publish,
    Quit,
    Send,
    SendSnapshot,
)
from zmr.core.events import FrameReceived, JobGiven, MasterInput, OutputCompleted, StopRequested
from zmr.core.journal import Record, about
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.journal import codec as journal
from zmr.wire import codec

MANIFEST_S = 0.005  # to write it takes longer than a frame takes to arrive
_CLIENT = b"client"


@dataclass
class Plan:
    """How some tasks go, so many `times`; negative: always."""

    work: Work
    kind: m.TaskKind | None
    index: int | None
    worker: str | None
    times: int

    def fits(self, task: m.Task, worker: str) -> bool:
        return (
            self.times != 0
            and self.kind in (None, task.kind)
            and self.index in (None, task.index)
            and self.worker in (None, worker)
        )


class Cluster:
    def __init__(
        self,
        workers: int = 2,
        slots: int = 1,
        settings: MasterSettings | None = None,
        *,
        death_timeout_s: float = 60.0,
        journal: bool = False,
    ) -> None:
        self.now = 0.0
        self.network = Network()
        self.settings = settings or MasterSettings()
        self.master = Master(7, self.settings)
        self.journal: list[bytes] = []
        self.master_is_up = True
        self.workers: dict[str, SimulatedWorker] = {}
        self.quit: Quit | None = None
        self.cut_off: set[tuple[str, str]] = set()  # the first can't read from the second
        # What came of it.
        self.log: list[str] = []
        self.published: list[m.Event] = []
        self.outcomes: dict[str, Outcome] = {}
        self.completing: set[str] = set()  # jobs whose manifest is, or has been, written
        self.snapshots: list[SendSnapshot] = []
        self.replies: list[m.Message] = []  # to the client
        self.output: dict[str, str] = {}  # the shared output folder: whole files
        self.granted: set[int] = set()  # numbers of attempts let publish, and not lost since
        self.begun: list[m.Task] = []  # every start of a task in a slot
        self._death_timeout_s = death_timeout_s
        self._plans: list[Plan] = []
        self._job_numbers = count(1)
        self._order = count()
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        if journal:
            self.keep_journal()
        for _ in range(workers):
            self.add_worker(slots)

    # --- what a test arranges ---

    def add_worker(self, slots: int = 1) -> SimulatedWorker:
        """Start one more worker; they are named w1, w2, ..."""
        name = f"w{len(self.workers) + 1}"
        self.workers[name] = SimulatedWorker(self, name, slots, self._death_timeout_s)
        return self.workers[name]

    def plan(
        self,
        work: Work,
        kind: m.TaskKind | None = None,
        index: int | None = None,
        worker: str | None = None,
        times: int = -1,
    ) -> None:
        """Say how tasks go: the first plan that fits counts. Others take a second."""
        self._plans.append(Plan(work, kind, index, worker, times))

    def work_for(self, task: m.Task, worker: str) -> Work:
        """How the task, begun now on this worker, will go."""
        for plan in self._plans:
            if plan.fits(task, worker):
                plan.times -= 1
                return plan.work
        return Work()

    def submit(self, maps: int = 4, reduces: int = 2, *, ask: bool = False, **limits: Any) -> str:
        """Hand the master a job, from its own process or (`ask`) as a client does."""
        job_id = f"job-{next(self._job_numbers)}"
        spec = m.JobSpec(
            *(job_id, "test", "test", b"", "", (), reduces, f"/out/{job_id}"), **limits
        )
        inputs = tuple(m.InputFile(f"/in/{job_id}/{i}", 10, splittable=True) for i in range(maps))
        submit = m.Submit(spec, inputs)
        self.ask(submit) if ask else self.tell_master(JobGiven(submit))
        return job_id

    def ask(self, question: m.Message) -> None:
        """Say something to the master as a client."""
        self.tell_master(FrameReceived(_CLIENT, m.Frame(0, (question,))))

    def interrupt(self) -> None:
        """Send the master a signal."""
        self.tell_master(StopRequested("SIGINT", 130))

    def keep_journal(self) -> None:
        """Give the master, which has seen nothing yet, a journal."""
        self._perform(self.master.restore((), self.now))

    def journal_holds(self, job_id: str) -> bool:
        """Whether the job is in there."""
        return any(about(record) == f"job {job_id}" for record in self.records)

    def crash_master(self) -> None:
        """End its process; what was sent is under way, what is sent to it is lost."""
        self.master_is_up = False
        self.completing.clear()

    def restart_master(self) -> None:
        """Start it again, on its journal."""
        if not self.master_is_up and self.quit is None:
            self.master_is_up = True
            self.master = Master(self.master.epoch + 1, self.settings)
            self._perform(self.master.restore(self.records, self.now))

    @property
    def records(self) -> list[Record]:
        """What the journal holds."""
        return [journal.decode(record) for record in self.journal]

    def dies_after_writing(self) -> bool:
        """Whether the master dies in this turn, after its records are in the journal."""
        return False

    def later(self, delay_s: float, action: Callable[[], object]) -> None:
        """Have something happen when so much time has passed."""
        heapq.heappush(self._heap, (self.now + delay_s, next(self._order), action))

    # --- time ---

    def step(self) -> bool:
        """Go to the next thing that happens. False: nothing ever will."""
        deadlines = [self._master_deadline()]
        deadlines += [worker.next_deadline() for worker in self.workers.values()]
        deadline = min((d for d in deadlines if d is not None), default=None)
        if self._heap and (deadline is None or self._heap[0][0] <= deadline):
            self.now, _, action = heapq.heappop(self._heap)
            action()
        elif deadline is not None:
            self.now = max(self.now, deadline)
            self._tick()
        else:
            return False
        return True

    def run(self, until: Callable[[], bool], limit_s: float = 1000.0) -> None:
        """Let time pass until it is so. Fails if it never is."""
        end = self.now + limit_s
        while not until():
            if self.now > end or not self.step():
                raise AssertionError("it never came to that:\n" + "\n".join(self.log[-50:]))

    def run_for(self, duration_s: float) -> None:
        """Let so much time pass."""
        over: list[bool] = []
        self.later(duration_s, lambda: over.append(True))
        self.run(lambda: bool(over), duration_s)

    def run_until_over(self, limit_s: float = 1000.0) -> None:
        """Let time pass until every job has ended."""
        self.run(lambda: all(job.has_ended for job in self.master.jobs.values()), limit_s)

    def _master_deadline(self) -> float | None:
        is_there = self.quit is None and self.master_is_up
        return self.master.next_deadline() if is_there else None

    def _tick(self) -> None:
        deadline = self._master_deadline()
        if deadline is not None and deadline <= self.now:
            self._perform(self.master.tick(self.now))
            after = self._master_deadline()
            assert after is None or after > self.now, "the tick does not clear its deadline"
        for worker in list(self.workers.values()):
            worker.tick_if_due()

    # --- the master's shell ---

    def to_master(self, peer: bytes, frame: m.Frame) -> None:
        for delay_s in self.network.delays_s(peer, True, frame):
            self.later(delay_s, partial(self._deliver, peer, codec.encode(frame)))

    def _deliver(self, peer: bytes, data: bytes) -> None:
        self.tell_master(FrameReceived(peer, codec.decode(data)))

    def tell_master(self, event: MasterInput) -> None:
        if self.quit is None and self.master_is_up:
            self._perform(self.master.handle(event, self.now))

    def _perform(self, actions: list[MasterAction]) -> None:
        validate(self.master)
        for action in actions:
            if isinstance(action, Append):
                assert action is actions[0], "something happens before it is in the journal"
                self.journal += (journal.encode(record) for record in action.records)
        if self.dies_after_writing():
            for action in actions:
                if isinstance(action, JobEnded):  # nobody hears of it, but it has
                    self.outcomes[action.outcome.spec.job_id] = action.outcome
            self.crash_master()
        else:
            self._act(actions)

    def _act(self, actions: list[MasterAction]) -> None:
        outbox: dict[bytes, list[m.Message]] = {}
        for action in actions:
            match action:
                case Send(peer, message):
                    outbox.setdefault(peer, []).append(message)
                case Publish(event):
                    self.published.append(event)
                    if isinstance(event, m.TaskEvent) and event.state == "lost":
                        self.granted.discard(event.attempt)
                case Log(_, text):
                    self.note("master", text)
                case SendSnapshot():
                    self.snapshots.append(action)
                case CompleteOutput(outcome):
                    completed = OutputCompleted(outcome.spec.job_id)
                    assert completed.job_id not in self.completing
                    self.completing.add(completed.job_id)
                    self.later(MANIFEST_S, partial(self.tell_master, completed))
                case JobEnded(outcome):
                    assert outcome.spec.job_id not in self.outcomes
                    self.outcomes[outcome.spec.job_id] = outcome
                case Quit():
                    assert self.quit is None
                    self.quit = action
        for peer, messages in outbox.items():
            self._check_grants(messages)
            self._send(peer, m.Frame(self.master.epoch, tuple(messages)))

    def _check_grants(self, messages: list[m.Message]) -> None:
        """Fail if an attempt is let publish beside another one that may still do so."""
        for message in messages:
            if isinstance(message, m.CommitReply) and message.granted:
                attempts = (
                    job.attempts.get(message.attempt) for job in self.master.cluster.active.values()
                )
                (attempt,) = filter(None, attempts)
                others = [a for a in attempt.task.attempts if a.number in self.granted]
                assert others in ([], [attempt]), "two may publish at a time"
                self.granted.add(attempt.number)

    def _send(self, peer: bytes, frame: m.Frame) -> None:
        if peer == _CLIENT:
            self.replies += codec.decode(codec.encode(frame)).messages
        for worker in self.workers.values():
            if worker.peer == peer:
                worker.deliver_later(frame)

    def note(self, who: str, text: str) -> None:
        self.log.append(f"{self.now:9.3f} {who}: {text}")

    # --- what came of it ---

    def check(self, job_id: str) -> Outcome:
        """The job is done, with the output of a sequential run, each file and figure once."""
        outcome = self.outcomes[job_id]
        assert outcome.state is JobState.DONE, outcome.reason
        expected = dict(self._expected(outcome.spec))
        assert len(outcome.files) == len(expected)
        assert {file.name: self.output[file.name] for file in outcome.files} == expected
        maps = self._maps_of(job_id)
        counters = dict(outcome.counters)
        assert counters.get("maps", 0) == maps
        assert counters.get("reduces", 0) == outcome.spec.n_reduce
        assert outcome.totals.records_in == sum(records_of(index) for index in range(maps))
        return outcome

    def _expected(self, spec: m.JobSpec) -> Iterator[tuple[str, str]]:
        maps = self._maps_of(spec.job_id)
        if spec.n_reduce == 0:
            yield from ((file_of(spec.job_id, i), f"{i}") for i in range(maps))
        for partition in range(spec.n_reduce):
            content = " ".join(f"{index}:{partition}" for index in range(maps))
            yield file_of(spec.job_id, partition), content

    def _maps_of(self, job_id: str) -> int:
        return self.master.jobs[job_id].status().n_map

    def times_begun(self, job_id: str) -> Counter[tuple[m.TaskKind, int]]:
        """How often each task was begun in a slot."""
        return Counter((task.kind, task.index) for task in self.begun if task.job_id == job_id)

    def job_states(self, job_id: str) -> list[str]:
        """The job's states, as they were published."""
        events = (e for e in self.published if isinstance(e, m.JobEvent) and e.job_id == job_id)
        return [event.state for event in events]

    def attempts(self, state: str, kind: m.TaskKind | None = None) -> list[m.TaskEvent]:
        """What was published of attempts that came into this state."""
        return [
            event
            for event in self.published
            if isinstance(event, m.TaskEvent)
            and event.state == state
            and kind in (None, event.kind)
        ]

    def worker_states(self, worker: str) -> list[str]:
        """The worker's states, as they were published."""
        events = (e for e in self.published if isinstance(e, m.WorkerEvent) and e.worker == worker)
        return [event.state for event in events]

    def said(self, text: str) -> bool:
        """Whether a log line of anybody holds the text."""
        return any(text in line for line in self.log)
