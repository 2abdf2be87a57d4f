"""What a shell gives to a core: the only things that ever change one.

(The events that a master publishes are in `zmr.messages`.)
"""

from __future__ import annotations

from dataclasses import dataclass

from zmr.messages import Frame, SlotEnded, SlotSaid, Submit


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame that could be decoded came from `peer` (for a worker: from its master, b"")."""

    peer: bytes
    frame: Frame


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The person at the keyboard, or the system, wants an end."""

    reason: str  # names the signal
    exit_status: int  # what the process exits with if it is to end early


@dataclass(frozen=True, slots=True)
class JobGiven:
    """The master's own process hands it a job (`zmr run`, `zmr master --job`).

    Given a job that it knows from its journal, the master goes on with that.
    """

    submit: Submit
    fingerprint: str = ""  # how it was asked for, to recognise it by


@dataclass(frozen=True, slots=True)
class OutputCompleted:
    """The manifest of a job stands in its output folder, or couldn't be written (`error`)."""

    job_id: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class FilesChecked:
    """What came of `CheckFiles`, or of a part of it."""

    job_id: str
    whole: tuple[int, ...]  # attempts
    damaged: tuple[int, ...]


MasterInput = FrameReceived | StopRequested | JobGiven | OutputCompleted
WorkerInput = FrameReceived | StopRequested | SlotSaid | SlotEnded | FilesChecked
