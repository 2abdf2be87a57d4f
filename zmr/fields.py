"""What the fields of messages may hold, beyond what Python's types say: enums, and checks.

A type with a `Check` is one of Python's: the check says how a value that comes from another process
is checked before anything else sees it. `proto/converters.py` writes that into the code that reads
messages; at run time nothing looks at it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple


class Check(NamedTuple):
    """The function of `zmr.wire.checks` that is called with the field's value and these arguments.

    On a field with several elements it is the check of them all; that of each element belongs to
    the type of the elements.
    """

    function: str
    arguments: tuple[int | str, ...] = ()


UNLIMITED = Check("")  # of a field with several elements: as many as there are

NAME_LENGTH = 100
TYPE_NAME_LENGTH = 1000
MAX_PIECE_BYTES = 1024 * 1024

JobId = Annotated[str, Check("name", ("job id",))]
FileName = Annotated[str, Check("name", ("file name",))]
Label = Annotated[str, Check("label")]  # for people, on one line
TypeName = Annotated[str, Check("type_name")]  # one of few, and in each of many messages
Line = Annotated[str, Check("beginning", (1_000,))]  # for people: what is more is cut off
Traceback = Annotated[str, Check("end", (30_000,))]  # of what is more, the end
Endpoint = Annotated[str, Check("endpoint")]  # "tcp://host:port", or empty
Fraction = Annotated[float, Check("fraction")]  # from 0 to 1
Seconds = Annotated[float, Check("seconds")]
Credit = Annotated[int, Check("at_most", (1_000_000, "credits"))]
NReduce = Annotated[int, Check("at_most", (1_000_000, "reduce tasks"))]
InputNumber = Annotated[int, Check("at_most", (1_000, "inputs"))]
SlotCount = Annotated[int, Check("slots", (10_000,))]
PieceSize = Annotated[int, Check("at_most", (MAX_PIECE_BYTES, "bytes in a piece"))]


class TaskKind(IntEnum):
    MAP = 1
    REDUCE = 2

    @property
    def label(self) -> str:
        return self.name.lower()


class FailureReason(IntEnum):
    """Why an attempt failed. Only `LOST_INPUT` does not count against the task."""

    USER_ERROR = 1  # the job's own code raised; `traceback` is the user's
    SLOT_DIED = 2  # the slot process ended: exit status or signal, in `message`
    NO_PROGRESS = 3  # nothing happened for the task timeout
    OVER_MEMORY = 4  # the slot was killed because it outgrew its memory
    LOST_INPUT = 5  # a reduce could not read map outputs, listed in `lost`
    WORKER_ERROR = 6  # the worker could not do its part: unreadable input, a failing disk, ...
    BAD_JOB = 7  # the job can't be loaded on the worker
    DISK_FULL = 8  # there was no room to write
    BAD_RECORDS = 9  # more than may be skipped: ends the job at once
