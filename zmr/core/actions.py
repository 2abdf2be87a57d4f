"""What a core asks its shell to do. A core never does anything itself.

A shell performs the actions of one call in their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from zmr.core.journal import Record
from zmr.core.states import JobState
from zmr.messages import (
    Counters,
    Event,
    JobSpec,
    Message,
    OutputFile,
    StartJob,
    ToSlot,
)
from zmr.pipeline_steps import NO_TOTALS, StepDone, Totals


class Level(IntEnum):
    """The levels of the standard library's logging."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass(frozen=True, slots=True)
class Log:
    level: Level
    text: str


# --- of the master -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Append:
    """Write these to the journal, before any other action of this turn has an effect.

    At most one a turn, and the first of its actions.
    """

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Send:
    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class Publish:
    """Number the event, stamp it, keep it for snapshots, and broadcast it."""

    event: Event


@dataclass(frozen=True, slots=True)
class SendSnapshot:
    """Send how things stand (`Master.rows`), with the events after `after_seq` (-1: none).

    It is made once for all that ask in a turn of the reactor, so it is not part of the action.
    """

    peer: bytes
    after_seq: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. Of a pipeline, counters and totals are those of all steps together."""

    spec: JobSpec
    state: JobState
    reason: str = ""  # why it failed or was cancelled; of one line
    traceback: str = ""
    files: tuple[OutputFile, ...] = ()
    counters: Counters = ()
    totals: Totals = NO_TOTALS
    out_of_workers: bool = False
    steps: tuple[StepDone, ...] = ()  # of a pipeline: those that were begun
    failed_task: str = ""  # by which it failed: "map-17"
    skipped: tuple[tuple[int, int], ...] = ()  # map and attempt, of those that left out records


@dataclass(frozen=True, slots=True)
class CompleteOutput:
    """All partitions are committed: write the manifest, then answer with `OutputCompleted`."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class JobEnded:
    """Remove what is left of the job's temporary files, and let its client know."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Quit:
    """There is nothing left to do: end the loop."""

    reason: str
    exit_status: int = 0


# --- of the worker -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendMaster:
    message: Message


@dataclass(frozen=True, slots=True)
class StartSlot:
    slot: int
    job: StartJob


@dataclass(frozen=True, slots=True)
class SendSlot:
    slot: int
    message: ToSlot


@dataclass(frozen=True, slots=True)
class KillSlot:
    """`SlotEnded` answers it."""

    slot: int


@dataclass(frozen=True, slots=True)
class DiscardFiles:
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DiscardJob:
    """Remove the folder of the job's map outputs."""

    job_id: str


@dataclass(frozen=True, slots=True)
class CheckFiles:
    """Find out whether these map outputs are whole; `FilesChecked` answers, once or bit by bit."""

    job_id: str
    files: tuple[tuple[int, str], ...]  # attempt, path


MasterAction = Append | Log | Send | Publish | SendSnapshot | CompleteOutput | JobEnded | Quit
WorkerAction = (
    Log
    | SendMaster
    | StartSlot
    | SendSlot
    | KillSlot
    | DiscardFiles
    | DiscardJob
    | CheckFiles
    | Quit
)
