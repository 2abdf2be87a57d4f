"""A message is described by the schema and by its class, and nowhere else by hand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Annotated, NamedTuple

import pytest
from converters import Converters, SchemaMismatch, Sources, modules

import zmr
from zmr import messages as m
from zmr.core import journal as j
from zmr.fields import Check
from zmr.journal import codec as journal_codec
from zmr.shuffle import messages as fetching
from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb

MESSAGES = pb.DESCRIPTOR.message_types_by_name


def test_the_converters_are_what_schema_and_types_say() -> None:
    """Every field of every message has its place in the Python types, and the other way round."""
    package = Path(zmr.__file__).parent
    for path, source in modules(Sources(pb, m, j, fetching)).items():
        stale = "run `tox -e proto -- --write`"
        assert (package.parent / path).read_text() == source, stale


# --- a difference is seen ----------------------------------------------------------------------


class FieldMissing(NamedTuple):
    id: int
    file_bytes: int


class FieldTooMany(NamedTuple):
    id: int
    file_bytes: int
    error: str
    hint: str


class OtherType(NamedTuple):
    id: int
    file_bytes: float
    error: str


class NeverAbsent(NamedTuple):
    exit_status: int | None
    signal: int  # optional in the schema
    peak_bytes: int
    record: int = -1


class OneForMany(NamedTuple):
    attempts: int  # repeated in the schema


class KindMissing(IntEnum):
    MAP = 1


class EnumDiffers(NamedTuple):
    job_id: str
    kind: KindMissing
    index: int  # type: ignore[assignment]
    attempt: int


@dataclass
class CheckOfOne:
    attempts: Annotated[tuple[int, ...], Check("at_most", (3,))]


class PairOfThree(NamedTuple):
    job_id: str
    kind: m.TaskKind
    index: int  # type: ignore[assignment]
    attempt: int
    reason: m.FailureReason
    message: str
    traceback: str
    lost: tuple[tuple[int, int, int], ...]
    circumstances: m.Circumstances


@pytest.mark.parametrize(
    ("message", "kind", "difference"),
    [
        ("FetchReply", FieldMissing, r"FetchReply and .*FieldMissing differ: error"),
        ("FetchReply", FieldTooMany, r"FetchReply and .*FieldTooMany differ: hint"),
        ("FetchReply", OtherType, r"FetchReply\.file_bytes does not fit <class 'float'>"),
        ("Circumstances", NeverAbsent, r"Circumstances\.signal does not fit <class 'int'>"),
        ("Ack", OneForMany, r"Ack\.attempts is repeated; <class 'int'> is not"),
        ("Ack", CheckOfOne, r"Ack\.attempts: .*at_most.* is no check of several elements"),
        ("CommitRequest", EnumDiffers, r"CommitRequest\.kind does not fit .*KindMissing"),
        ("TaskFailed", PairOfThree, r"LostOutput has 2 fields, .* has not"),
        ("Exit", None, r"message Exit has no Python type"),
    ],
)
def test_where_schema_and_type_differ_no_code_is_made(
    message: str, kind: type | None, difference: str
) -> None:
    with pytest.raises(SchemaMismatch, match=difference):
        Converters({}).add(MESSAGES[message], kind)


def test_a_kind_of_message_that_only_one_side_knows_is_seen() -> None:
    oneof = MESSAGES["Published"].oneofs_by_name["event"]
    kinds = {m.JobEvent, m.TaskEvent, m.WorkerEvent}
    with pytest.raises(SchemaMismatch, match=r"event and m\.Event differ: MasterEvent"):
        Converters({}).oneof(oneof, kinds, "m.Event")
    with pytest.raises(SchemaMismatch, match=r"event and m\.Event differ: Ack"):
        Converters({}).oneof(oneof, kinds | {m.MasterEvent, m.Ack}, "m.Event")


# --- what follows from a type ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        (m.Ack((0,) * 1_000_001), r"1,000,001 Ack\.attempts; at most 1,000,000 are allowed"),
        (
            m.Submit(
                m.JobSpec("job", "", "", b"", "", (), 0, "", steps=(m.Step("", (), 0),) * 1_001), ()
            ),
            r"1,001 JobSpec\.steps; at most 1,000 are allowed",
        ),
    ],
    ids=["attempts", "steps"],
)
def test_a_field_has_no_more_elements_than_any_process_has(
    message: m.Message, refused: str
) -> None:
    with pytest.raises(codec.BadFrame, match=refused):
        codec.decode(codec.encode(m.Frame(1, (message,))))


def test_the_job_of_the_masters_own_process_may_have_more_inputs_than_one_from_a_wire() -> None:
    spec = m.JobSpec("job", "", "", b"", "", (), 0, "")
    submit = m.Submit(spec, (m.InputFile("", 0, False),) * 1_000_001)
    with pytest.raises(codec.BadFrame, match="1,000,001 input files; at most 1,000,000"):
        codec.decode(codec.encode(m.Frame(1, (submit,))))
    record = j.JobSubmitted(submit, 1, "")
    assert journal_codec.decode(journal_codec.encode(record)) == record
