"""The whole of a simulation: machines, network, disks, clients, and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from zmr import messages as m
from zmr.core.actions import Outcome
from zmr.core.journal import JobClosed, Record
from zmr.core.states import JobState

from .client import Client
from .clock import Clock
from .disk import OutputFolder
from .draw import JobDraw, Scenario, WorkerDraw
from .faults import Faults
from .ledger import Ledger
from .master import MasterMachine
from .network import Network
from .oracle import Answer, Pairs, answers, output, temporary
from .pending import leftovers, pending
from .slot import PUBLISH_S, SimulatedSlot
from .trace import Trace, task_text
from .worker import WorkerMachine

# A simulation of more steps than this runs in circles.
_MOST_STEPS = 60_000

# Until the workers are registered; what quick tasks wait in a worker's queue.
_START_S, _RESERVE_S = 1.0, 0.3


class Stuck(AssertionError):
    """Nothing goes wrong any more, and still it does not end."""


class World:
    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self.scenario = scenario
        self.trace = trace
        self.clock = Clock()
        self.network = Network(self.clock, scenario.network, Random(f"network {scenario.seed}"))
        self.output = OutputFolder(scenario.has_links)
        self.jobs = {job.id: job for job in scenario.jobs}
        self.answers: dict[str, Answer] = {}  # by the ids that workers know
        for job in scenario.jobs:
            self.answers |= answers(job)
        self.quiet_since: float | None = None
        self.is_interrupted = False
        self.cancelled: set[str] = set()  # jobs that a client wants to end
        self.begun: dict[int, SimulatedSlot] = {}  # attempts, and where
        self.times_begun: dict[tuple[str, m.TaskKind, int], int] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.closed: set[str] = set()  # jobs that have ended, whoever knows it
        self.faults = Faults(self, scenario)
        self.ledger = Ledger(self)
        self.master = MasterMachine(self)
        self.given: list[m.Submit] = []  # jobs of the master's own command line
        self.clients = [Client(self, number) for number in range(1, 2 * len(scenario.jobs) + 1)]
        self.workers: list[WorkerMachine] = []
        self.receivers: dict[str, Client | WorkerMachine] = {c.name: c for c in self.clients}

    # --- from the beginning to the end ---

    def run(self) -> None:
        """Let it happen. Raises AssertionError if anything is wrong."""
        scenario = self.scenario
        for job in scenario.jobs:
            self.clock.at(job.submitted_at_s, self._submit, job)
        if scenario.interrupted_at_s is not None:
            self.clock.at(scenario.interrupted_at_s, self._interrupt)
        self.master.start()
        # A master's own job is there before its workers.
        for number, worker_draw in enumerate(scenario.workers, 1):
            self.clock.at(0.0, self._add_worker, number, worker_draw)
        self.faults.begin()
        self._run_until(lambda: self.is_over, "jobs do not end")
        self._check_pace()
        self.faults.quiet()
        self._run_until(self._is_settled, "the cluster does not come to rest")

    def _add_worker(self, number: int, draw: WorkerDraw) -> None:
        worker = self.receivers[f"w{number}"] = WorkerMachine(self, number, draw)
        self.workers.append(worker)

    def _run_until(self, is_so: Callable[[], bool], what: str) -> None:
        clock = self.clock
        while not is_so():
            if not clock.step() or clock.steps > _MOST_STEPS or self._is_late():
                raise Stuck(f"{what}:\n{pending(self)}")

    def _is_late(self) -> bool:
        return self.quiet_since is not None and self.clock.now > self.quiet_since + self.limit_s

    @property
    def limit_s(self) -> float:
        """So long after the faults everything must have ended."""
        scenario = self.scenario
        settings = scenario.settings
        timeout_s = max(job.task_timeout_s for job in scenario.jobs)
        work_s = sum(job.work_s for job in scenario.jobs)
        work_s += max(job.submitted_at_s for job in scenario.jobs)
        waits_s = scenario.death_timeout_s + 10 * settings.lost_after_s + 60.0
        return 4 * work_s + 4 * timeout_s + waits_s

    @property
    def is_over(self) -> bool:
        """Whether all jobs have ended, or nobody is there to run them."""
        return self.has_ended or len(self.closed) == len(self.jobs) - self._refused()

    def _refused(self) -> int:
        return sum(bool(client.refused) for client in self.clients[::2])

    @property
    def has_ended(self) -> bool:
        """Whether the master has quit for good."""
        return self.master.quit is not None and not self.restarts

    @property
    def restarts(self) -> bool:
        """Whether a master that ended is started again."""
        return self.scenario.settings.keeps_jobs and len(self.closed) < len(self.jobs)

    def _is_settled(self) -> bool:
        return not leftovers(self)

    def _check_pace(self) -> None:
        """Without faults, each task is begun once, and slots do not wait."""
        if not self.scenario.is_calm or self.ledger.had_backups:
            return
        # A worker that was busy with quick tasks may hold some of the next job in its slots, where
        # they are stopped only when their turn comes.
        is_alike = len(self.answers) == 1
        twice = [task for task, times in self.times_begun.items() if times != 1]
        assert not twice or not is_alike, f"begun more than once, without need: {twice}"
        assert self.clock.now <= self._fair_s(), f"took {self.clock.now} s, not {self._fair_s()} s"

    def _fair_s(self) -> float:
        """What the jobs may take, one after another, if slots never wait for more than frames."""
        scenario, network = self.scenario, self.scenario.network
        n_slots = sum(worker.slots for worker in scenario.workers)
        frame_s = network.latency_s + network.jitter_s
        fair_s = _START_S
        for step in (step for job in scenario.jobs for step in job.steps):
            for durations_s in (step.maps_s, step.reduces_s):
                rounds = -(-len(durations_s) // n_slots)
                fair_s += sum(durations_s) / n_slots + max(durations_s, default=0.0)
                fair_s += rounds * (6 * frame_s + PUBLISH_S) + _RESERVE_S
        return fair_s + max(job.submitted_at_s for job in scenario.jobs)

    # --- time ---

    def is_calm_for(self, duration_s: float) -> bool:
        """Whether nothing has gone wrong, or been late, for so long."""
        return self.quiet_since is not None and self.clock.now >= self.settled_at + duration_s

    @property
    def settled_at(self) -> float:
        """When the consequences of the last fault are over."""
        if self.quiet_since is None:
            return float("inf")
        settings = self.scenario.settings
        return self.quiet_since + self.scenario.network.latest_s + 2 * settings.lost_after_s + 10.0

    def is_running(self, process: str) -> bool:
        """Whether this process of a worker is up."""
        worker = self.receivers[process.split(".")[0]]
        assert isinstance(worker, WorkerMachine)
        return worker.is_up and worker.process == process

    # --- jobs ---

    def _submit(self, job: JobDraw) -> None:
        submit = _submission(job)
        number = self.scenario.jobs.index(job)
        if job.by_client:
            self.clients[2 * number].ask(submit)
        else:
            self.given.append(submit)
            self.master.give(submit)
        if job.cancelled_after_s is not None:
            self.clock.later(job.cancelled_after_s, self._cancel, job, self.clients[2 * number + 1])

    def _cancel(self, job: JobDraw, client: Client) -> None:
        self.cancelled.add(job.id)
        client.ask(m.CancelJob(job.id, "cancelled by a client"))

    def _interrupt(self) -> None:
        self.is_interrupted = True
        self.master.interrupt()

    def complete_output(self, outcome: Outcome) -> None:
        """The manifest is about to be written: all of the output has to be there, and right."""
        steps = [self.answers[step.id] for step in self.jobs[outcome.spec.job_id].steps]
        answer = steps[-1]
        names = [answer.name(index) for index in range(answer.n_files)]
        assert [file.name for file in outcome.files] == names, "the manifest is not complete"
        for index, name in enumerate(names):
            content = self.output.files.get(answer.path(index))
            assert content == answer.text(index), f"{name} is wrong"
            assert outcome.files[index].size_bytes == answer.size_bytes(index)
        counters = {name: n for name, n in outcome.counters if n}
        expected = Counter[str]()
        for step in steps:
            expected.update({name: n for name, n in step.counters() if n})
        assert counters == expected, f"counted {counters}, not {expected}"
        assert outcome.totals.records_in == steps[0].records_in
        if len(steps) > 1:
            counted = [{name: n for name, n in step.counters if n} for step in outcome.steps]
            assert counted == [{name: n for name, n in s.counters() if n} for s in steps]
        killers = {index for index, _ in answer.step.killers}
        assert {index for index, _ in outcome.skipped} == killers, (
            "not all that is left out is told"
        )

    def job_ended(self, outcome: Outcome) -> None:
        job_id = outcome.spec.job_id
        before = self.outcomes.get(job_id)
        assert before is None, f"{job_id} ended twice"
        self.outcomes[job_id] = outcome
        self.closed.add(job_id)
        self.trace.say(self.clock.now, "job", f"{job_id} {outcome.state.value} {outcome.reason}")
        job = self.jobs[job_id]
        if outcome.state is JobState.DONE:
            answer = self.answers[job.steps[-1].id]
            for index in range(answer.n_files):
                assert answer.path(index) in self.output.files
        self.output.remove_folder(temporary(job_id))

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        for record in records:
            if isinstance(record, JobClosed):
                self.closed.add(record.spec.job_id)

    # --- tasks ---

    def begins(self, task: m.Task, slot: SimulatedSlot, text: str) -> None:
        """An attempt begins in a slot."""
        before = self.begun.get(task.attempt)
        # A slot that is being killed may get to the task that waits in it, for the next one to do.
        may_begin = before is None or (before.was_killed and before.is_dead)
        assert may_begin, f"{task_text(task)} begins twice"
        self.begun[task.attempt] = slot
        key = task.job_id, task.kind, task.index
        self.times_begun[key] = self.times_begun.get(key, 0) + 1
        if self.trace.is_on:
            slot.worker.say(f"begins {task_text(task)}: {text}")

    def read_map_output(
        self, source: m.MapOutput, reader: WorkerMachine
    ) -> tuple[Pairs, ...] | None:
        """A map's output, if the reader can get it."""
        process = source.path.split("/")[1]
        owner = self.receivers[process.split(".")[0]]
        assert isinstance(owner, WorkerMachine)
        assert owner.name == source.host, "a reduce was sent to the wrong host"
        if owner is not reader and not self.scenario.shared_disk:
            is_there = owner.serves and owner.process == process
            if not is_there or not self.network.is_open(owner.name, reader.name):
                return None
        return owner.disk.read(source.path)

    def read_input(self, task: m.Task) -> str | None:
        """What stands in a map's input file, which is there as long as its job needs it."""
        answer = self.answers[task.job_id]
        assert task.splits == (answer.splits[task.index],), f"{task_text(task)}: {task.splits}"
        if answer.before is None:
            return ""
        text = self.output.files.get(task.splits[0].path)
        assert text is not None or answer.job.id in self.closed, f"{task.splits} is not there"
        return text

    def publish(self, task: m.Task, worker: WorkerMachine, content: str) -> None:
        """Give an output file its name. What has the name afterwards must be right."""
        answer = self.answers[task.job_id]
        expected = answer.text(task.index)
        assert content == expected, f"{task_text(task)} publishes {content}, not {expected}"
        assert task.output == answer.folder, f"{task_text(task)} publishes in {task.output}"
        is_first = self.output.publish(answer.path(task.index), content)
        worker.say(
            f"publishes {answer.name(task.index)}" + ("" if is_first else ", which was there")
        )


def _submission(job: JobDraw) -> m.Submit:
    steps = tuple(m.Step(step.id, (), len(step.reduces_s)) for step in job.steps)
    spec = m.JobSpec(
        job.id,
        job.id,
        "job",
        b"",
        "",
        (),
        steps[-1].n_reduce,
        output(job.id),
        job.max_attempts,
        job.task_timeout_s,
        job.backup_after_s,
        steps=steps if job.is_pipeline else (),
        skip_bad_records=job.skip_bad_records,
    )
    n_map = len(job.steps[0].maps_s)
    inputs = tuple(m.InputFile(f"/in/{job.id}/{n}", 10, True) for n in range(n_map))
    return m.Submit(spec, inputs)
