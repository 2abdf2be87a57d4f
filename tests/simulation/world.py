"""The whole of a simulation: machines, network, disks, clients, and time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from random import Random
from typing import Any

from zmr import messages as m
from zmr.core.actions import MasterAction, Outcome, WorkerAction
from zmr.core.events import JobGiven
from zmr.core.journal import JobClosed, Record, WorkerGone
from zmr.core.master import Master
from zmr.core.states import JobState

from .addresses import Addresses
from .draw import Scenario, WorkerDraw
from .drawn_clients import DrawnClients
from .drawn_network import DrawnNetwork
from .faults import PUBLISH_S, Faults
from .machines.client import Client
from .machines.clock import Clock
from .machines.disk import Disk
from .machines.jobs import JobPlan
from .machines.journal import Journal
from .machines.master import MasterMachine
from .machines.network import MASTER
from .machines.pipe import Pipe
from .machines.site import RunningSlot, Site, Starts
from .machines.stored_journal import StoredJournal
from .machines.trace import Trace, task_text
from .machines.work import Work
from .machines.worker import WorkerMachine
from .pending import leftovers, pending
from .restored import check_restored
from .roles import STRANGER, Roles
from .strangers import Stranger
from .witness.witness import Witness

# A simulation of more steps than this runs in circles.
_MOST_STEPS = 60_000

# After so many of the turns that write to the journal, a second master is made of it.
_RESTORES = 0.02

# So many of the journals are in a file as well.
_STORED = 0.06

# In so many of them, what agents and slots send each other comes in pieces.
_IN_PIECES = 0.15

# Until the workers are registered; what quick tasks wait in a worker's queue.
_START_S, _RESERVE_S = 1.0, 0.3


class Stuck(AssertionError):
    """Nothing goes wrong any more, and still it does not end."""


def _journal(scenario: Scenario) -> Journal | None:
    if not scenario.has_journal:
        return None
    rng = Random(f"journal {scenario.seed}")
    return StoredJournal(rng) if rng.random() < _STORED and not scenario.is_calm else Journal()


class World(Site):
    def __init__(self, scenario: Scenario, trace: Trace) -> None:
        self._network = DrawnNetwork(Clock(), scenario.network, Random(f"network {scenario.seed}"))
        super().__init__(
            self._network,
            trace,
            scenario.settings,
            death_timeout_s=scenario.death_timeout_s,
            drain_timeout_s=scenario.drain_timeout_s,
            journal=_journal(scenario),
            has_links=scenario.has_links,
        )
        self.scenario = scenario
        for job in scenario.jobs:
            self.add(job)
        pipes = Random(f"pipes {scenario.seed}")
        self._pipes = pipes if pipes.random() < _IN_PIECES else None
        self._addresses = Addresses(scenario.seed)
        self._restores = Random(f"restores {scenario.seed}")
        self.begun: dict[int, RunningSlot] = {}  # attempts, and where
        self.times_begun: dict[tuple[str, m.TaskKind, int], int] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.closed: set[str] = set()  # jobs that have ended, whoever knows it
        self.faults = Faults(scenario, self._network, self.say)
        self.workers = self.faults.workers
        if isinstance(self.journal, StoredJournal):
            self.journal.is_calm = lambda: self.faults.is_quiet
        self.witness = Witness(self, is_in_order=scenario.network.in_order)
        self.master = MasterMachine(self)
        self.master.roles = Roles(scenario.seed)
        self.clients = [Client(self, f"c{n}") for n in range(1, 2 * len(scenario.jobs) + 1)]
        self._late = Client(self, "late")
        self.receivers = {MASTER: self.master, **{c.name: c for c in (*self.clients, self._late)}}
        self.others = DrawnClients(self, scenario.clients, scenario.jobs, self.faults)
        self.stranger = Stranger(
            STRANGER, self._network, self.master, Random(f"stranger {scenario.seed}")
        )
        self.receivers[STRANGER] = self.stranger
        if scenario.strange_at_s:
            self._network.overhear = self.stranger.overhear

    # --- from the beginning to the end ---

    def close(self) -> None:
        """Remove what is on this machine's own disk."""
        if isinstance(self.journal, StoredJournal):
            self.journal.close()

    def run(self) -> None:
        """Let it happen. Raises AssertionError if anything is wrong."""
        scenario = self.scenario
        for job in scenario.jobs:
            self.clock.at(job.submitted_at_s, self._submit, job)
        for at_s in scenario.interrupted_at_s:
            self.clock.at(at_s, self._interrupt)
        self.others.begin()
        self.master.start()
        # A master's own job is there before its workers.
        for number, worker_draw in enumerate(scenario.workers, 1):
            self.clock.at(0.0, self._add_worker, number, worker_draw)
        self.faults.begin(self.master, lambda: self.is_over)
        for at_s in scenario.strange_at_s:
            self.clock.at(at_s, self._be_spoken_to)
        self._run_until(lambda: self.is_over, "jobs do not end")
        self._check_pace()
        self.faults.quiet()
        self._run_until(self._is_settled, "the cluster does not come to rest")
        self.others.check(self.witness.answers, self.has_ended)
        self._check_journal()

    def _add_worker(self, number: int, draw: WorkerDraw) -> None:
        worker = WorkerMachine(self, f"w{number}", draw.slots, draw.disk_records)
        worker.shuffle_address = self._addresses.shuffle_address()
        self.receivers[worker.name] = worker
        self.workers.append(worker)
        worker.start(keep_disk=False)

    def _be_spoken_to(self) -> None:
        """By a stranger, unless it is quiet."""
        if not self.faults.is_quiet:
            self.stranger.speak()

    def _run_until(self, is_so: Callable[[], bool], what: str) -> None:
        clock = self.clock
        while not is_so():
            if not clock.step() or clock.steps > _MOST_STEPS or self._is_late():
                raise Stuck(f"{what}:\n{self._pending()}")

    def _is_late(self) -> bool:
        quiet_since = self.faults.quiet_since
        return quiet_since is not None and self.clock.now > quiet_since + self.limit_s

    @cached_property
    def limit_s(self) -> float:
        """So long after the faults everything must have ended."""
        scenario = self.scenario
        settings = scenario.settings
        timeout_s = max(job.longest_s for job in scenario.jobs)
        work_s = sum(job.work_s for job in scenario.jobs)
        work_s += sum(2 * job.longest_s * job.steps[0].n_hanging for job in scenario.jobs)
        work_s += max(job.submitted_at_s for job in scenario.jobs)
        work_s += scenario.faults.manifest_s
        waits_s = scenario.death_timeout_s + 10 * settings.lost_after_s + 60.0
        return 4 * work_s + 4 * timeout_s + waits_s

    @property
    def is_over(self) -> bool:
        """Whether all jobs have ended, or nobody is there to run them."""
        return self.has_ended or len(self.closed) == len(self.jobs) - self._refused()

    def _refused(self) -> int:
        pairs = zip(self.scenario.jobs, self.clients[::2], strict=True)
        return sum(bool(c.refused) and job.id not in self.witness.answers.jobs for job, c in pairs)

    @property
    def has_ended(self) -> bool:
        """Whether the master has quit for good."""
        return self.master.quit is not None and not self.restarts

    @property
    def restarts(self) -> bool:
        """Whether a master that ended is started again."""
        return self.scenario.settings.keeps_jobs and len(self.closed) < len(self.jobs)

    def _is_settled(self) -> bool:
        return not leftovers(self.master, self.workers, self.has_ended) and not self._asking()

    def _asking(self) -> list[str]:
        """What clients still have to get to know."""
        if self.has_ended:
            return []
        found = [client.pending for client in self.clients if client.pending]
        return found + self.others.pending(self.witness.answers)

    def _pending(self) -> str:
        unfinished = [job_id for job_id in self.jobs if job_id not in self.outcomes]
        cluster = pending(self.master, self.workers, self.has_ended, unfinished, self.begun)
        return "\n".join([cluster, *self._asking()])

    def _check_pace(self) -> None:
        """Without faults, each task is begun once, and slots do not wait."""
        if not self.scenario.is_calm or self.witness.ledger.had_backups:
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
        return self.clock.now >= self.settled_at + duration_s

    @property
    def settled_at(self) -> float:
        """When the consequences of the last fault are over."""
        quiet_since = self.faults.quiet_since
        if quiet_since is None:
            return float("inf")
        late_s = self.scenario.network.latest_s + 2 * self.settings.lost_after_s
        return quiet_since + late_s + 10.0

    def is_running(self, process: str) -> bool:
        """Whether this process of a worker is up."""
        if process == STRANGER:
            return False
        worker = self._worker(process)
        return worker.is_up and worker.process == process

    # --- jobs ---

    def _submit(self, job: JobPlan) -> None:
        number = self.scenario.jobs.index(job)
        if job.by_client:
            self.clients[2 * number].ask(job.submit)
        else:
            self.given.append(job.submit)
            self.master.post(JobGiven(job.submit))
        if job.cancelled_after_s is not None:
            self.clock.later(job.cancelled_after_s, self._cancel, job, self.clients[2 * number + 1])

    def _cancel(self, job: JobPlan, client: Client) -> None:
        self.cancelled.add(job.id)
        client.ask(m.CancelJob(job.id, "cancelled by a client"))

    def _interrupt(self) -> None:
        self.is_interrupted = True
        self.master.interrupt()
        if self.journal is None:  # another start of the master would know of no signal
            submit = self.scenario.jobs[0].submit
            spec = replace(submit.spec, job_id="too-late", output="/out/too-late")
            self._late.ask(replace(submit, spec=spec))

    def manifest(self, outcome: Outcome) -> tuple[float, str]:
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
        with_bad = {*(index for index, _, _ in answer.step.bad), *answer.job.bad_files}
        assert {index for index, _ in outcome.skipped} == with_bad, (
            "not all that is left out is told"
        )
        takes_s, error = self.faults.manifest()
        if takes_s and self.scenario.interrupted_at_s and not self.is_interrupted:
            self.clock.later(takes_s / 2, self._interrupt)
        return takes_s, error

    def job_ended(self, outcome: Outcome) -> None:
        job_id = outcome.spec.job_id
        before = self.outcomes.get(job_id)
        assert before is None, f"{job_id} ended twice"
        self.outcomes[job_id] = outcome
        if "is the output folder of" in outcome.reason:
            # One that was refused is in no journal, and not given once more to the next master.
            self.given = [submit for submit in self.given if submit.spec.job_id != job_id]
        self.closed.add(job_id)
        self.faults.job_ended(len(self.closed) == len(self.jobs))
        self.say("job", f"{job_id} {outcome.state.value} {outcome.reason}")
        job = self.jobs[job_id]
        blames_input = re.search(r"more than \d+ bad (record|file)", outcome.reason)
        assert job.is_too_bad or not blames_input, f"{job_id}: {outcome.reason}"
        # Of jobs with one folder, the next may be taken on in this turn, and have cleared it.
        if outcome.state is JobState.DONE and not job.shares_output_of:
            answer = self.answers[job.steps[-1].id]
            for index in range(answer.n_files):
                assert answer.path(index) in self.output.files
        self.clean(job_id)

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""
        self.witness.recorded(records)
        assert self.journal is not None
        # Of a worker that is gone nothing is left to read, but of its attempts.
        is_gone = any(isinstance(record, WorkerGone) for record in records)
        if is_gone or self._restores.random() < _RESTORES:
            check_restored(self.master.core, self.settings, self.journal, self.master.now)
            self.clock.later(0.0, self._check_journal)
        for record in records:
            if isinstance(record, JobClosed):
                self.closed.add(record.spec.job_id)

    def _check_journal(self) -> None:
        if self.journal is not None:
            self.witness.between_turns(self.journal.read(), self.master.epoch)

    # --- tasks ---

    def work(self, task: m.Task, worker: str) -> Work:
        return self.faults.work(task, worker, self.answers[task.job_id])

    def begins(self, task: m.Task, slot: RunningSlot, machine: str, work: Work) -> None:
        before = self.begun.get(task.attempt)
        # A slot that is being killed may get to the task that waits in it, for the next one to do.
        may_begin = before is None or (before.was_killed and before.is_dead)
        assert may_begin, f"{task_text(task)} begins twice"
        self.begun[task.attempt] = slot
        key = task.job_id, task.kind, task.index
        self.times_begun[key] = self.times_begun.get(key, 0) + 1
        if self.trace.is_on:
            self.say(machine, f"begins {task_text(task)}: {work.text}")

    def disk_with(self, source: m.MapOutput, reader: str) -> Disk | None:
        process = source.path.split("/")[1]
        owner = self._worker(process)
        assert owner.name == source.host, "a reduce was sent to the wrong host"
        self._addresses.check(source.shuffle_address, owner.shuffle_address)
        if owner.name != reader and not self.scenario.shared_disk:
            is_there = owner.serves and owner.process == process
            if not is_there or not self.network.is_open(owner.name, reader):
                return None
        return owner.disk

    def _worker(self, process: str) -> WorkerMachine:
        owner = self.receivers[process.split(".")[0]]
        assert isinstance(owner, WorkerMachine)
        return owner

    def read_input(self, task: m.Task) -> str | None:
        answer = self.answers[task.job_id]
        assert task.splits == answer.splits[task.index], f"{task_text(task)}: {task.splits}"
        text = super().read_input(task)
        assert text is not None or answer.job.id in self.closed, f"{task.splits} is not there"
        return text

    def publishes(self, task: m.Task, content: str) -> None:
        """What has the name afterwards must be right."""
        answer = self.answers[task.job_id]
        expected = answer.text(task.index)
        assert content == expected, f"{task_text(task)} publishes {content}, not {expected}"
        assert task.output == answer.folder, f"{task_text(task)} publishes in {task.output}"

    # --- how things go, and what happens ---

    def pipe(self) -> Pipe | None:
        return Pipe(self._pipes) if self._pipes is not None else None

    def busy_s(self) -> float:
        return self.faults.busy_s()

    def kill_s(self) -> float:
        return self.faults.kill_s()

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        self.witness.master_did(event, actions, self.master.now, self.master.epoch)
        super().master_did(event, actions)

    def master_shows(
        self, jobs: tuple[m.JobStatus, ...], workers: tuple[m.WorkerStatus, ...]
    ) -> None:
        self.witness.answers.master_shows(jobs, workers)

    def answered(self, question: m.Message, epoch: int, answer: m.Message) -> None:
        self.witness.answers.answered(question, epoch, answer)

    def heard(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        self.witness.answers.heard(epoch, events)

    def worker_did(
        self,
        worker: Starts,
        event: Any,
        actions: list[WorkerAction],
        epoch: int,
        is_registered: bool,
    ) -> None:
        self.witness.worker_did(worker, event, actions, epoch, is_registered)

    def master_restarted(self, core: Master) -> None:
        self.witness.master_restarted(core, self.master.now)

    def master_is_down(self, lost: Sequence[MasterAction]) -> None:
        if not self.has_ended:
            self.faults.master_is_down()
