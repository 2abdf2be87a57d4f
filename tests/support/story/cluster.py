"""The cluster that a test tells a story of.

cluster = Cluster(workers=2)
cluster.network.drop(m.MapDone)          # the first one is lost
job = cluster.submit(maps=4, reduces=2)
cluster.run_until_over()
cluster.check(job)                       # the output is right, each file and figure once
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from simulation.machines.clock import Clock
from simulation.machines.disk import Disk
from simulation.machines.jobs import KILLS, JobPlan, StepPlan
from simulation.machines.journal import Journal
from simulation.machines.master import MasterMachine
from simulation.machines.network import MASTER
from simulation.machines.oracle import answers
from simulation.machines.site import RunningSlot, Site, Starts
from simulation.machines.trace import Trace
from simulation.machines.work import Work
from simulation.machines.worker import WorkerMachine
from simulation.witness.witness import Witness

from support.story.network import CLIENT, StoryNetwork
from zmr import messages as m
from zmr.core.actions import (
    JobEnded,
    Level,
    Log,
    MasterAction,
    Outcome,
    Publish,
    Quit,
    WorkerAction,
)
from zmr.core.events import JobGiven, MasterInput
from zmr.core.journal import Record, about
from zmr.core.master import Master
from zmr.core.plan import plan
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.wire import codec

MANIFEST_S = 0.005  # to write it takes longer than a frame takes to arrive
EPOCH = 7  # of the first master


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


class StoryWorker(WorkerMachine):
    """A worker whose files go with its process."""

    def crash(self) -> None:
        super().crash()
        self.disk.files.clear()

    def tell(self, *messages: m.Message, epoch: int = EPOCH) -> None:
        """Have it get a frame with these messages, now."""
        self.post(codec.encode(m.Frame(epoch, messages)))


class _Client:
    """What asks the master something, and keeps the answers."""

    def __init__(self) -> None:
        self.replies: list[m.Message] = []

    def receive(self, process: str, data: bytes) -> None:
        self.replies += codec.decode(data).messages


class Cluster(Site):
    network: StoryNetwork

    def __init__(
        self,
        workers: int = 2,
        slots: int = 1,
        settings: MasterSettings | None = None,
        *,
        death_timeout_s: float = 60.0,
        drain_timeout_s: float = 20.0,
        journal: bool = False,
        is_judged: bool = True,
    ) -> None:
        """`is_judged`: no machine says what it should not, so that a witness may watch it."""
        super().__init__(
            StoryNetwork(Clock()),
            Trace(is_on=False),
            settings or MasterSettings(),
            death_timeout_s=death_timeout_s,
            drain_timeout_s=drain_timeout_s,
            journal=Journal() if journal else None,
        )
        self.workers: dict[str, StoryWorker] = {}
        # What came of it.
        self.log: list[str] = []
        self.warnings: list[str] = []  # of the master
        self.published: list[m.Event] = []
        self.outcomes: dict[str, Outcome] = {}
        self.records: list[Record] = []  # all that were written to the journal
        self.begun: list[m.Task] = []  # every start of a task in a slot
        self._plans: list[Plan] = []
        self._job_numbers = count(1)
        self._client = _Client()
        self._witness = Witness(self, is_in_order=True) if is_judged else None
        self.master = MasterMachine(self, EPOCH)
        self.receivers |= {MASTER: self.master, CLIENT: self._client}
        self.master.start()
        for _ in range(workers):
            self.add_worker(slots)

    # --- what a test arranges ---

    def add_worker(self, slots: int = 1) -> StoryWorker:
        """Start one more worker; they are named w1, w2, ..."""
        name = f"w{len(self.workers) + 1}"
        worker = self.workers[name] = StoryWorker(self, name, slots)
        self.receivers[name] = worker
        self.later(0.0, lambda: worker.start(keep_disk=False))
        return worker

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

    def submit(self, maps: int = 4, reduces: int = 2, *, ask: bool = False, **limits: Any) -> str:
        """Hand the master a job, from its own process or (`ask`) as a client does."""
        job_id = f"job-{next(self._job_numbers)}"
        steps = limits.pop("steps", ())
        job = _job(job_id, maps, reduces, steps, limits)
        self.add(job)
        submit = m.Submit(replace(job.submit.spec, name="test", steps=steps), job.submit.inputs)
        self.ask(submit) if ask else self.tell_master(JobGiven(submit))
        return job_id

    def ask(self, question: m.Message) -> None:
        """Say something to the master as a client."""
        if isinstance(question, m.CancelJob):
            self.cancelled.add(question.job_id)
        self.hear(CLIENT, m.Frame(0, (question,)))

    @property
    def replies(self) -> list[m.Message]:
        """What the client was answered."""
        return self._client.replies

    def interrupt(self) -> None:
        """Send the master a signal."""
        self.is_interrupted = True
        self.master.interrupt()

    def journal_holds(self, job_id: str) -> bool:
        """Whether the job is in there."""
        return any(about(record) == f"job {job_id}" for record in self.records)

    def crash_master(self) -> None:
        """End its process; what was sent is under way, what is sent to it is lost."""
        self.master.crash()

    def restart_master(self) -> None:
        """Start it again, on its journal if it has one."""
        if not self.master.is_up and self.quit is None:
            if self.journal is None and self._witness is not None:
                duties = self._witness.duties  # the workers are what they were
                self._witness = Witness(self, is_in_order=True)
                self._witness.duties = duties
            self.master.start()

    @property
    def core(self) -> Master:
        """The master's core, which has its jobs and tables."""
        return self.master.core

    @property
    def quit(self) -> Quit | None:
        """How the master has ended."""
        return self.master.quit

    # --- time ---

    @property
    def now(self) -> float:
        return self.clock.now

    def later(self, delay_s: float, action: Callable[[], object]) -> None:
        """Have something happen when so much time has passed."""
        self.clock.later(delay_s, action)

    def step(self) -> bool:
        """Go to the next thing that happens. False: nothing ever will."""
        return self.clock.step()

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
        self.run(lambda: all(job.has_ended for job in self.core.jobs.values()), limit_s)

    # --- frames that no machine of the story sends ---

    def to_master(self, peer: str, frame: m.Frame) -> None:
        """Have a frame on its way to the master."""
        self.network.send(
            peer, MASTER, lambda data: self.master.receive(peer, data), codec.encode(frame)
        )

    def hear(self, peer: str, frame: m.Frame) -> None:
        """Have the master get a frame, now."""
        self.master.receive(peer, codec.encode(frame))

    def tell_master(self, event: MasterInput) -> None:
        """Have the master get this, now."""
        self.master.post(event)

    # --- how things go, and what happens (`Site`) ---

    def process_name(self, machine: str, start: int) -> str:
        return machine

    def is_running(self, process: str) -> bool:
        return self.workers[process].is_up

    def work(self, task: m.Task, worker: str) -> Work:
        for planned in self._plans:
            if planned.fits(task, worker):
                planned.times -= 1
                return planned.work
        return Work()

    def manifest(self, outcome: Outcome) -> tuple[float, str]:
        return MANIFEST_S, ""

    def disk_with(self, source: m.MapOutput, reader: str) -> Disk | None:
        worker = self.workers.get(source.host)
        is_cut = (reader, source.host) in self.network.cut
        return worker.disk if worker is not None and not is_cut else None

    def say(self, who: str, what: str) -> None:
        self.log.append(f"{self.now:9.3f} {who}: {what}")

    def begins(self, task: m.Task, slot: RunningSlot, machine: str, work: Work) -> None:
        self.begun.append(task)

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        if self._witness is not None:
            self._witness.master_did(event, actions, self.master.now, self.master.epoch)
        super().master_did(event, actions)
        for action in actions:
            if isinstance(action, Publish):
                self.published.append(action.event)
            elif isinstance(action, Log) and action.level >= Level.WARNING:
                self.warnings.append(action.text)

    def worker_did(
        self,
        worker: Starts,
        event: Any,
        actions: list[WorkerAction],
        epoch: int,
        is_registered: bool,
    ) -> None:
        if self._witness is not None:
            self._witness.worker_did(worker, event, actions, epoch, is_registered)

    def master_restarted(self, core: Master) -> None:
        if self._witness is not None:
            self._witness.master_restarted(core, self.master.now)

    def recorded(self, records: list[Record]) -> None:
        self.records += records
        if self._witness is not None:
            self._witness.recorded(records)
            self.later(0.0, self._check_journal)

    def _check_journal(self) -> None:
        if self._witness is not None and self.journal is not None:
            self._witness.between_turns(self.journal.read(), self.master.epoch)

    def master_is_down(self, lost: Sequence[MasterAction]) -> None:
        for action in lost:
            if isinstance(action, JobEnded):  # nothing hears of it, but it has
                self.outcomes[action.outcome.spec.job_id] = action.outcome

    def job_ended(self, outcome: Outcome) -> None:
        assert outcome.spec.job_id not in self.outcomes
        self.outcomes[outcome.spec.job_id] = outcome

    # --- what came of it ---

    def check(self, job_id: str) -> Outcome:
        """The job is done, with the output of a sequential run, each file and figure once."""
        outcome = self.outcomes[job_id]
        assert outcome.state is JobState.DONE, outcome.reason
        job = self._without_skipped(job_id)
        steps = list(answers(job).values())
        last = steps[-1]
        expected = {last.name(index): last.text(index) for index in range(last.n_files)}
        assert [file.name for file in outcome.files] == list(expected)
        assert {name: self.output.files[f"{last.folder}/{name}"] for name in expected} == expected
        counters = Counter[str]()
        for step in steps:
            counters.update({name: n for name, n in step.counters() if n})
        assert {name: n for name, n in outcome.counters if n} == counters
        assert outcome.totals.records_in == steps[0].records_in
        return outcome

    def _without_skipped(self, job_id: str) -> JobPlan:
        """The job; the records that were left out are those that its slots have died of."""
        job = self.jobs[job_id]
        if job.is_pipeline:
            return job
        skipped = {(task.index, record, KILLS) for task in self.begun for record in task.skips}
        return replace(job, steps=(replace(job.steps[0], bad=tuple(skipped)),))

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


def _job(
    job_id: str, maps: int, reduces: int, steps: Sequence[m.Step], limits: dict[str, Any]
) -> JobPlan:
    """A job of so many tasks, or of these steps, of which the first has so many maps."""
    n_reduces = [step.n_reduce for step in steps] or [reduces]
    plans: list[StepPlan] = []
    inputs = tuple(m.InputFile(f"/in/{job_id}/{n}", 10, splittable=True) for n in range(maps))
    maps = len(plan(inputs))
    for number, n_reduce in enumerate(n_reduces, 1):
        plans.append(
            StepPlan(
                f"{job_id}.{number}" if steps else job_id,
                maps_s=(1.0,) * maps,
                reduces_s=(1.0,) * n_reduce,
                records=tuple(10 + index for index in range(maps)),
                sizes_bytes=(10,) * (n_reduce or maps) if steps else (),
            )
        )
        maps = n_reduce or maps
    return JobPlan(job_id, tuple(plans), inputs=inputs, **limits)
