"""The records of the journal to bytes and back.

What `decode` returns is a record of the kinds and within the bounds that the core relies on;
anything else is a `CorruptRecord`.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from zmr import messages as m
from zmr.core import journal as j
from zmr.core.states import JobState
from zmr.journal import converters
from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame


class CorruptRecord(Exception):
    """The bytes are no record of a journal."""


def encode(record: j.Record) -> bytes:
    """The bytes of a record."""
    outer = pb.JournalRecord()
    # The schema has a kind for each of the two messages that `Completed` may hold.
    converters.write_kind(outer, record.done if isinstance(record, j.Completed) else record)
    encoded: bytes = outer.SerializeToString()
    return encoded


def decode(data: bytes) -> j.Record:
    """The record that the bytes hold. Raises `CorruptRecord`."""
    try:
        record = converters.read_kind(pb.JournalRecord.FromString(data))
        if isinstance(record, j.JobClosed):
            JobState(record.status.state)  # or it is none
    except (DecodeError, ValueError, BadFrame) as error:
        raise CorruptRecord(f"not a record: {error}") from error
    return j.Completed(record) if isinstance(record, m.MapDone | m.ReduceDone) else record
