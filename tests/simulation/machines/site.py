"""The place where simulated machines stand, and the only thing that they know of the rest.

A site says how things go (how long a task takes, when a machine is busy, which process dies), and
is told what happens. The seeded simulation (`simulation.world`) draws the former and judges the
latter; a test that tells a story (`support.story`) plans them, and looks at what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from zmr import messages as m
from zmr.core.actions import MasterAction, Outcome, Publish, WorkerAction
from zmr.core.journal import Record
from zmr.core.master import Master
from zmr.core.settings import MasterSettings
from zmr.core.states import JobState
from zmr.wire.roles import Role

from .clock import Clock
from .disk import Disk, OutputFolder
from .jobs import JobPlan
from .journal import Journal
from .network import Network
from .oracle import Answer, answers
from .pipe import Pipe
from .trace import Trace
from .work import Work


class KeyRoles(Protocol):
    """Who has which key, where there are keys."""

    def role_of(self, process: str) -> Role | None:
        """That of a peer of the master; None: it may say everything."""

    def check(self, process: str, frame: m.Frame) -> None:
        """The master hears this."""

    def check_refused(self, process: str, reason: str) -> None:
        """The master refuses what it says."""


class NoKeys:
    """Everybody may say everything."""

    def role_of(self, process: str) -> Role | None:
        return None

    def check(self, process: str, frame: m.Frame) -> None:
        """It may."""

    def check_refused(self, process: str, reason: str) -> None:
        """That was no frame."""


class Receiver(Protocol):
    """A machine, or a client, that frames are sent to."""

    def receive(self, process: str, data: bytes) -> None:
        """A frame for one of its processes has arrived."""


class Starts(Protocol):
    """A worker's machine, with a process that is started, now and again."""

    name: str
    process: str  # the name of the last one
    n_slots: int
    shuffle_address: str

    @property
    def starts(self) -> int:
        """How often it has been."""

    @property
    def folder(self) -> str:
        """Where its map outputs are."""

    @property
    def now(self) -> float:
        """Its own clock."""


class RunningSlot(Protocol):
    """A slot that an attempt begins in."""

    was_killed: bool
    is_dead: bool


class Site:
    def __init__(
        self,
        network: Network,
        trace: Trace,
        settings: MasterSettings,
        *,
        death_timeout_s: float,
        drain_timeout_s: float = 20.0,
        journal: Journal | None,
        has_links: bool = True,
    ) -> None:
        self.clock: Clock = network.clock
        self.network = network
        self.trace = trace
        self.settings = settings
        self.death_timeout_s = death_timeout_s
        self.drain_timeout_s = drain_timeout_s
        self.journal = journal
        self.output = OutputFolder(has_links)
        self.receivers: dict[str, Receiver] = {}  # by the names of machines
        self.given: list[m.Submit] = []  # jobs of the master's own command line
        self.jobs: dict[str, JobPlan] = {}
        self.answers: dict[str, Answer] = {}  # by the ids that workers know
        self.cancelled: set[str] = set()  # jobs that a client wants to end
        self.is_interrupted = False  # the master got a signal
        # By their names: what takes an encoded broadcast to them.
        self.subscribers: dict[str, Callable[[bytes], None]] = {}
        self.kept_events, self.events_at_once = 100_000, 5_000  # see `zmr.net.event_log`

    def add(self, job: JobPlan) -> None:
        """Have a job of which the machines are going to hear."""
        self.jobs[job.id] = job
        self.answers |= answers(job)

    def say(self, who: str, what: str) -> None:
        """Something happens, of which the trace tells."""
        self.trace.say(self.clock.now, who, what)

    @property
    def has_ended(self) -> bool:
        """Whether the master has quit for good."""
        return False

    # --- how things go ---

    def process_name(self, machine: str, start: int) -> str:
        """The name of a worker's process, which is its machine's `start`th."""
        return f"{machine}.{start}"

    def work(self, task: m.Task, worker: str) -> Work:
        """How the attempt, begun now on this machine, goes."""
        raise NotImplementedError

    def pipe(self) -> Pipe | None:
        """What a slot and its agent send each other goes through this; None: as it is."""
        return None

    def busy_s(self) -> float:
        """For how long a machine is busy after a turn."""
        return 0.0

    def kill_s(self) -> float:
        """Between the order to kill a slot and its end."""
        return 0.01

    def dies_after_writing(self) -> bool:
        """Whether the master dies in this turn, after its records are in the journal."""
        return False

    def manifest(self, outcome: Outcome) -> tuple[float, str]:
        """How many seconds it takes to write the manifest, and why it can't be written."""
        return 0.0, ""

    def disk_with(self, source: m.MapOutput, reader: str) -> Disk | None:
        """The disk that a map output is on, if this machine gets at it."""
        raise NotImplementedError

    # --- whether it is quiet ---

    @property
    def settled_at(self) -> float:
        """When the consequences of the last fault are over."""
        return float("inf")

    def is_calm_for(self, duration_s: float) -> bool:
        """Whether nothing has gone wrong, or been late, for so long."""
        return False

    def is_running(self, process: str) -> bool:
        """Whether this process of a worker is up."""
        raise NotImplementedError

    # --- what happens ---

    def master_did(self, event: Any, actions: list[MasterAction]) -> None:
        """What the master is about to do about an input; None: about the time."""
        for action in actions:
            if isinstance(action, Publish) and isinstance(action.event, m.JobEvent):
                self._job_queued(action.event)

    def master_shows(
        self, jobs: tuple[m.JobStatus, ...], workers: tuple[m.WorkerStatus, ...]
    ) -> None:
        """The rows of a snapshot that the master is about to send."""

    def _job_queued(self, event: m.JobEvent) -> None:
        """A job is taken on; its client has removed what another one left in the same folder."""
        job = self.jobs.get(event.job_id)
        is_new = event.state == JobState.QUEUED.value and "started again" not in event.text
        if job is not None and job.shares_output_of and is_new:
            self.output.remove_files(job.output)

    def worker_did(
        self,
        worker: Starts,
        event: Any,
        actions: list[WorkerAction],
        epoch: int,
        is_registered: bool,
    ) -> None:
        """What a worker is about to do about an input; None: about the time.

        `epoch` and `is_registered` are what they were before.
        """

    def master_restarted(self, core: Master) -> None:
        """A new master has read its journal, which was not empty."""

    def master_is_down(self, lost: Sequence[MasterAction]) -> None:
        """Its process has ended, and what it was about to do is lost."""

    def recorded(self, records: list[Record]) -> None:
        """This is in the journal now."""

    def begins(self, task: m.Task, slot: RunningSlot, machine: str, work: Work) -> None:
        """An attempt begins in a slot of this machine."""

    def publishes(self, task: m.Task, content: str) -> None:
        """An output file is about to get its name."""

    def read_input(self, task: m.Task) -> str | None:
        """What stands in a map's input file."""
        if self.answers[task.job_id].before is None:
            return ""
        return self.output.files.get(task.splits[0].path)

    def job_ended(self, outcome: Outcome) -> None:
        """The master says that the job has ended."""

    def answered(self, question: m.Message, epoch: int, answer: m.Message) -> None:
        """A client got the answer to its question, from the master with that epoch."""

    def heard(self, epoch: int, events: tuple[m.Published, ...]) -> None:
        """A subscriber got what was broadcast."""

    def clean(self, job_id: str) -> None:
        """Remove the temporary files of a job that has ended, perhaps before the last restart."""
        if job_id in self.jobs:
            self.output.remove_temporary(self.jobs[job_id].temporary)
