"""The values that all rooms speak of: what master, workers, clients and slots send each other.

Each message of `proto/zmr.proto`, where every field is explained, is a class here with the same
fields. A new field is written in both; `tox -e proto -- --write` makes the code between the two
(`zmr/wire/converters.py`). How a field is checked is said by its type (`zmr/fields.py`).

They are frozen and comparable, and know no sockets. Those that each task makes several of are
named tuples, which are made in less time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, NamedTuple

from zmr import fields as f
from zmr.fields import FailureReason as FailureReason
from zmr.fields import TaskKind as TaskKind

# --- what a job and its tasks are --------------------------------------------------------------

Counters = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of one input file: `length` bytes from `offset`; -1: all of it."""

    path: str
    offset: int = 0
    length: int = -1
    file_bytes: int = field(default=-1, compare=False)  # of the whole file, when it was planned
    input: f.InputNumber = 0  # which of the job's inputs it is of
    lines_before: int = -1  # in the file, before the piece; -1: not counted

    @property
    def size_bytes(self) -> int:
        """Of the piece; 0 if that isn't known."""
        return self.length if self.length >= 0 else max(0, self.file_bytes)


@dataclass(frozen=True, slots=True)
class Step:
    """What is a step's own of several jobs that feed each other."""

    name: f.Line  # for people: "WordCount"
    params: tuple[tuple[str, str], ...]  # as the user wrote them, those that the step takes
    n_reduce: f.NReduce  # 0: map-only
    counters: Counters = ()  # for workers, of a step before the one that they run


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything that a worker needs to run a job's tasks.

    That of a pipeline has `steps`; workers get one for each of them (`zmr.pipeline_steps`).
    """

    job_id: f.JobId
    name: f.Line  # for people: "wordcount", "Grep"
    reference: str  # "wordcount", "/abs/job.py:Class", "package.module:Class"
    source: bytes  # the text of a job given as a file; empty otherwise
    search_path: str  # the folder that stands first on sys.path when the job is imported
    params: tuple[tuple[str, str], ...]  # as the user wrote them: NAME, VALUE
    n_reduce: f.NReduce  # 0: a map-only job
    output: str  # absolute path of the output folder
    max_attempts: int = 4
    task_timeout_s: float = 30.0
    backup_after_s: float = 2.0
    bounds: bytes = b""  # where a `Range()` cuts the keys; of a pipeline, its first step's
    steps: Annotated[tuple[Step, ...], f.Check("several", (1_000,))] = ()  # of a pipeline
    step: int = 0  # which of them this is the spec of, from 1; 0: of the whole
    skip_bad_records: int = 0  # so many, in all of the job, may be left out
    skip_bad_files: int = 0  # so many that can't be read, likewise
    setup_timeout_s: float = 600.0  # for the job's imports and setup

    def flaw(self) -> str:
        """Why this is the spec of no job; empty: it may be one."""
        n_steps = len(self.steps)
        timeout_s = min(self.task_timeout_s, self.setup_timeout_s)
        if self.max_attempts < 1 or not timeout_s > 0 or not self.backup_after_s >= 0:
            return "a job with limits that make no sense"
        if n_steps and (self.skip_bad_records or self.skip_bad_files):
            return "a pipeline that leaves out bad records or files"
        if self.step > n_steps:
            return f"{self.step} as the number of a step; there are {n_steps}"
        if n_steps and not self.step and len(f"{self.job_id}.{n_steps}") > f.NAME_LENGTH:
            return "a pipeline with an id to which no number of a step can be added"
        return ""


class MapOutput(NamedTuple):
    """Where one partition of one finished map is."""

    index: int  # type: ignore[assignment]  # of the map task
    attempt: int
    host: str  # of the worker that has it
    path: str  # on that host
    shuffle_address: str = ""  # where that worker serves it; empty: nowhere


class Task(NamedTuple):
    """One attempt at one task, as it is handed to a worker."""

    job_id: f.JobId
    kind: TaskKind
    index: int  # type: ignore[assignment]  # of the map; or the reduce: its partition
    attempt: int  # unique in one epoch of the master
    n_reduce: f.NReduce
    output: str
    splits: tuple[Split, ...] = ()  # a map's input
    sources: tuple[MapOutput, ...] = ()  # a reduce's input, in the order of the maps
    failures: int = 0  # of the task, so far
    is_last: bool = False  # another failure, here or of one that runs now, may end the job
    skips: tuple[int, ...] = ()  # numbers of records, from 0, of which slots have died


class Stats(NamedTuple):
    """What an attempt read and wrote."""

    records_in: int = 0
    bytes_in: int = 0
    records_out: int = 0
    bytes_out: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One committed file of the job's output."""

    name: f.FileName  # within the output folder: "mr-out-3"
    size_bytes: int
    checksum: f.Line  # "crc32:0a1b2c3d"
    format: f.TypeName = ""  # the class of the job's output: "Text"; "": not known
    key_type: f.TypeName = ""  # of text: "str" (zmr.formats.written_types); "": there are no pairs
    value_type: f.TypeName = ""


# --- from a worker to the master ---------------------------------------------------------------


class Progress(NamedTuple):
    """How far one attempt has come. It has moved when either figure has."""

    attempt: int
    records: int = 0
    bytes: int = 0
    queued: bool = False  # not begun yet: the master may take it back
    fraction: f.Fraction = 0.0  # of its input that is done; 0: not known
    starting: bool = False  # the job is loaded, or its setup runs


@dataclass(frozen=True, slots=True)
class Register:
    name: f.Label  # for people: "host:pid"
    host: f.Label
    pid: int
    slots: f.SlotCount
    running: tuple[int, ...] = ()  # attempts that it holds, of the epoch that it last knew
    held: tuple[MapDone, ...] = ()  # finished maps whose outputs it still has
    shuffle_address: f.Endpoint = (
        ""  # where it serves its map outputs: "tcp://host:port"; or nowhere
    )


@dataclass(frozen=True, slots=True)
class GetTask:
    """A standing request: keep me supplied with up to `credit` attempts at a time."""

    credit: f.Credit


@dataclass(frozen=True, slots=True)
class Heartbeat:
    credit: f.Credit
    progress: tuple[Progress, ...] = ()  # every attempt held, running or queued
    jobs: tuple[f.JobId, ...] = ()  # of which the worker has anything


@dataclass(frozen=True, slots=True)
class MapDone:
    job_id: str
    index: int
    attempt: int
    path: str  # the map output; empty for a map-only job
    stats: Stats
    counters: Counters = ()
    file: OutputFile | None = None  # map-only: what was committed
    skipped: int = 0  # records that were left out
    last_skipped: f.Line = ""  # where the last of them, or of the files, is, and why
    skipped_files: int = 0  # that were left out
    input_bytes: int = 0  # of the splits that were read to their ends, by their sizes


@dataclass(frozen=True, slots=True)
class ReduceDone:
    job_id: str
    index: int
    attempt: int
    file: OutputFile
    stats: Stats
    counters: Counters = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the moment of a failure, beyond its reason."""

    exit_status: int | None = None  # of the slot process, if that is how it ended
    signal: int | None = None  # that killed it
    peak_bytes: int = 0  # the largest resident set of the slot; 0: not known
    record: int = -1  # number, from 0, of the one that map was at; of a batch the last; -1: unknown


@dataclass(frozen=True, slots=True)
class TaskFailed:
    job_id: str
    kind: TaskKind
    index: int
    attempt: int
    reason: FailureReason
    message: f.Line
    traceback: f.Traceback = ""
    lost: tuple[tuple[int, int], ...] = ()  # LOST_INPUT: (map index, attempt) of each
    circumstances: Circumstances = Circumstances()


@dataclass(frozen=True, slots=True)
class CommitRequest:
    job_id: str
    kind: TaskKind
    index: int
    attempt: int


@dataclass(frozen=True, slots=True)
class OutputsChecked:
    """What came of `CheckOutputs`, or of a part of it."""

    job_id: str
    whole: tuple[int, ...] = ()  # attempts
    damaged: tuple[int, ...] = ()  # ... or gone


@dataclass(frozen=True, slots=True)
class Leave:
    """The last message of a worker: it will answer nothing more."""

    reason: f.Line


# --- from the master to a worker ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Registered:
    heartbeat_interval_s: f.Seconds
    lost_after_s: f.Seconds


@dataclass(frozen=True, slots=True)
class TaskResponse:
    tasks: tuple[Task, ...]
    jobs: tuple[JobSpec, ...] = ()  # those of the tasks that this worker has not got yet


@dataclass(frozen=True, slots=True)
class Cancel:
    attempts: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CommitReply:
    attempt: int
    granted: bool


@dataclass(frozen=True, slots=True)
class Ack:
    """The master has taken in the results of these attempts; the worker may forget them."""

    attempts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeartbeatReply:
    """The master is there."""


@dataclass(frozen=True, slots=True)
class RegisterAgain:
    """The master doesn't know the sender (or no longer): register, and all goes on."""


@dataclass(frozen=True, slots=True)
class ForgetJob:
    """The job has ended: drop its map outputs and its slots."""

    job_id: f.JobId


@dataclass(frozen=True, slots=True)
class CheckOutputs:
    """Are the map outputs of these attempts as they were written? A reduce can't read them."""

    job_id: str
    attempts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Exit:
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The answer to a frame that the master could make nothing of."""

    reason: str


# --- clients -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InputFile:
    """A row of a job's input, as planning wants it."""

    path: str
    size_bytes: int
    splittable: bool
    input: f.InputNumber = 0  # which of the job's inputs it is of


@dataclass(frozen=True, slots=True)
class Submit:
    spec: JobSpec
    # A client may name a million of them; the job of `zmr master --job` may have more.
    inputs: Annotated[tuple[InputFile, ...], f.UNLIMITED]


@dataclass(frozen=True, slots=True)
class Submitted:
    job_id: str


@dataclass(frozen=True, slots=True)
class CancelJob:
    job_id: str
    reason: f.Line


@dataclass(frozen=True, slots=True)
class GetSnapshot:
    """Asks for how things stand, and for the events after `after_seq` that the master still has."""

    after_seq: int = -1  # -1: no events wanted


@dataclass(frozen=True, slots=True)
class JobStatus:
    job_id: str
    name: str
    state: str
    maps_done: int
    n_map: int
    reduces_done: int
    n_reduce: int
    reason: str = ""
    step: int = 0  # of a pipeline: the step that the figures are of, from 1
    n_steps: int = 0


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    name: str
    state: str
    slots: int
    running: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    seq: int  # of the last event that this already reflects
    events_address: str
    jobs: tuple[JobStatus, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    events: tuple[Published, ...] = ()


# --- published ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobEvent:
    """A job's phase transition."""

    job_id: str
    state: str
    text: str = ""


class TaskEvent(NamedTuple):
    job_id: str
    kind: TaskKind
    index: int  # type: ignore[assignment]  # and not what a tuple calls so
    attempt: int
    state: str  # an attempt's state: "running", "succeeded", "failed", ...
    worker: str
    text: str = ""
    reason: FailureReason | None = None  # why it failed, and how
    circumstances: Circumstances = Circumstances()


@dataclass(frozen=True, slots=True)
class WorkerEvent:
    worker: str
    state: str  # "alive", "quarantined", "suspect", "lost", "left"
    text: str = ""


@dataclass(frozen=True, slots=True)
class MasterEvent:
    state: str  # "ended": the last event of the epoch
    text: str = ""


Event = JobEvent | TaskEvent | WorkerEvent | MasterEvent


@dataclass(frozen=True, slots=True)
class Published:
    """An event as subscribers get it: numbered, and stamped by the master's wall clock."""

    seq: int
    time_s: float
    event: Event


# --- between an agent and its slot processes ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartJob:
    """The first message to a slot: the one job that it will ever run."""

    spec: JobSpec
    folder: str  # where its map outputs go
    memory_bytes: int  # what one task may use; 0: no limit
    progress_interval_s: float
    no_direct_read: bool = False  # fetch map outputs of this host, too, from its workers
    syncs_late: bool = False  # of many output files, the master has all on the disk at the end


@dataclass(frozen=True, slots=True)
class SlotSaid:
    """Messages from a slot process of this worker, in their order."""

    slot: int
    messages: tuple[FromSlot, ...]


@dataclass(frozen=True, slots=True)
class SlotEnded:
    """A slot process is gone, whatever the cause. Either `exit_status` or `signal` is set."""

    slot: int
    exit_status: int | None
    signal: int | None
    peak_bytes: int  # its largest resident set
    over_memory: bool  # it was killed for outgrowing its memory
    record: int = -1  # the number of the record that its map was at; -1: not known


FromWorker = (
    Register | GetTask | Heartbeat | MapDone | ReduceDone | TaskFailed | CommitRequest
    | OutputsChecked | Leave
)  # fmt: skip
FromClient = Submit | CancelJob | GetSnapshot
FromMaster = (
    Registered | TaskResponse | Cancel | CommitReply | Ack | HeartbeatReply | RegisterAgain
    | ForgetJob | CheckOutputs | Exit | Refused | Submitted | Snapshot
)  # fmt: skip
FromSlot = Progress | MapDone | ReduceDone | TaskFailed | CommitRequest
ToSlot = StartJob | Task | CommitReply
Message = FromWorker | FromClient | FromMaster | FromSlot | ToSlot


@dataclass(frozen=True, slots=True)
class Frame:
    """One ZeroMQ message: everything that one turn of the sender has for one peer.

    `epoch` is the master's: 0 from a sender that has not registered yet.
    """

    epoch: int
    messages: tuple[Message, ...] = ()
