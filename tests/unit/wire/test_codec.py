"""Frames to bytes and back, and what becomes of bytes that are no frames."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import U64, messages, published

from zmr import messages as m
from zmr.wire import codec
from zmr.wire import zmr_pb2 as pb

KINDS = messages()


def frame_with(**kind: Any) -> bytes:
    """The bytes of a frame with one message, made without any checks of ours."""
    data: bytes = pb.Frame(version=1, messages=[pb.Message(**kind)]).SerializeToString()
    return data


# --- there and back ----------------------------------------------------------------------------


def test_every_kind_of_message_is_covered() -> None:
    assert set(get_args(m.Message)) == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@settings(max_examples=20)
@given(data=st.data(), epoch=U64)
def test_a_message_comes_back_as_it_went(kind: type, data: st.DataObject, epoch: int) -> None:
    frame = m.Frame(epoch, (data.draw(KINDS[kind]),))
    assert codec.decode(codec.encode(frame)) == frame


@settings(max_examples=20)
@given(epoch=U64, events=st.lists(published(), max_size=5))
def test_events_come_back_as_they_went(epoch: int, events: list[m.Published]) -> None:
    encoded = [codec.encode_event(event) for event in events]
    assert codec.decode_events(codec.join_events(epoch, encoded)) == (epoch, tuple(events))
    assert codec.decode_joined_events(encoded) == tuple(events)


def test_the_messages_of_a_frame_keep_their_order() -> None:
    frame = m.Frame(3, (m.Ack((1,)), m.HeartbeatReply(), m.Ack((2,))))
    assert codec.decode(memoryview(codec.encode(frame))) == frame


def test_what_python_can_say_and_utf8_can_not_is_made_readable() -> None:
    # File names that are not UTF-8, and the words of a user's error, may hold lone surrogates.
    failed = m.TaskFailed(
        "job", m.TaskKind.MAP, 0, 1, m.FailureReason.USER_ERROR, "no such file: \udcff", "\ud800"
    )
    (told,) = codec.decode(codec.encode(m.Frame(1, (failed,)))).messages
    assert isinstance(told, m.TaskFailed)
    assert (told.message, told.traceback) == ("no such file: \\udcff", "\\ud800")


# --- bytes that are no frames ------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_a_bad_one(data: bytes) -> None:
    for decode in (codec.decode, codec.decode_events):
        with suppress(codec.BadFrame):
            decode(data)


@given(data=st.data(), message=st.one_of(*KINDS.values()))
def test_a_damaged_frame_is_a_frame_or_a_bad_one(data: st.DataObject, message: m.Message) -> None:
    encoded = bytearray(codec.encode(m.Frame(1, (message,))))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(encoded[: data.draw(st.integers(0, len(encoded)))])
    try:
        frame = codec.decode(damaged)
    except codec.BadFrame:
        return
    # What is accepted can be said again, and is within the bounds.
    assert repr(codec.decode(codec.encode(frame))) == repr(frame)


@pytest.mark.parametrize("version", [0, 2, 2**32 - 1])
def test_another_version_is_told_apart_and_says_what_to_do(version: int) -> None:
    for kind, decode in ((pb.Frame, codec.decode), (pb.Events, codec.decode_events)):
        data = kind(version=version, epoch=1).SerializeToString()
        with pytest.raises(codec.OtherVersion, match=rf"version {version}, but .* version 1: run"):
            decode(data)


def test_a_frame_of_100_mb_is_not_even_looked_at() -> None:
    with pytest.raises(codec.BadFrame, match="a frame of 100,000,000 bytes; the largest"):
        codec.decode(bytes(100_000_000))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ({}, "unknown kind"),
        ({"get_task": pb.GetTask(credit=1_000_001)}, "1000001 credits"),
        ({"heartbeat": pb.Heartbeat(credit=2**32 - 1)}, "credits"),
        ({"register": pb.Register(slots=10_001)}, "10001 slots"),
        ({"register": pb.Register(slots=0)}, "without slots"),
        ({"register": pb.Register(slots=1, shuffle_address="ipc:///tmp/x")}, "no address"),
        ({"register": pb.Register(slots=1, shuffle_address="tcp://h:5;tcp://x:6")}, "no address"),
        ({"register": pb.Register(slots=1, shuffle_address="tcp://h:5\n")}, "no address"),
        ({"commit_request": pb.CommitRequest(kind=0)}, "no task kind"),  # type: ignore[arg-type]
        ({"commit_request": pb.CommitRequest(kind=9)}, "no task kind"),  # type: ignore[arg-type]
        ({"task_failed": pb.TaskFailed(kind=1, reason=0)}, "0 is no failure reason"),  # type: ignore[arg-type]
        ({"progress": pb.Progress(fraction=1.5)}, r"1\.5 is no fraction"),
        ({"progress": pb.Progress(fraction=-0.1)}, r"-0\.1 is no fraction"),
        ({"progress": pb.Progress(fraction=math.nan)}, "nan is no fraction"),
        ({"registered": pb.Registered(lost_after_s=5)}, r"0\.0 s is no time"),
        ({"registered": pb.Registered(heartbeat_interval_s=math.nan, lost_after_s=5)}, "nan s"),
        ({"registered": pb.Registered(heartbeat_interval_s=1, lost_after_s=math.inf)}, "inf s"),
    ],
)
def test_a_field_beyond_its_bounds_makes_a_bad_frame(kind: dict[str, Any], reason: str) -> None:
    with pytest.raises(codec.BadFrame, match=reason):
        codec.decode(frame_with(**kind))


SPEC: dict[str, Any] = {
    "job_id": "job",
    "max_attempts": 1,
    "task_timeout_s": 1.0,
    "backup_after_s": 1.0,
}


@pytest.mark.parametrize(
    "field",
    [
        {"max_attempts": 0},
        {"task_timeout_s": 0.0},
        {"task_timeout_s": -1.0},
        {"task_timeout_s": math.nan},
        {"backup_after_s": math.nan},
        {"n_reduce": 1_000_001},
    ],
)
def test_a_job_with_senseless_limits_makes_a_bad_frame(field: dict[str, Any]) -> None:
    submit = pb.Submit(spec=pb.JobSpec(**SPEC))
    assert isinstance(codec.decode(frame_with(submit=submit)).messages[0], m.Submit)
    with pytest.raises(codec.BadFrame):
        codec.decode(frame_with(submit=pb.Submit(spec=pb.JobSpec(**SPEC | field))))


BAD_NAMES = ["", ".", "..", "../x", "/etc", "a/b", "a\\b", ".hidden", "a\0b", "a b", "ü", "x" * 101]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_could_leave_its_folder_makes_a_bad_frame(name: str) -> None:
    file = pb.OutputFile(name=name)
    for kind in (
        {"forget_job": pb.ForgetJob(job_id=name)},
        {"submit": pb.Submit(spec=pb.JobSpec(**SPEC | {"job_id": name}))},
        {"task_response": pb.TaskResponse(jobs=[pb.JobSpec(**SPEC | {"job_id": name})])},
        {"task_response": pb.TaskResponse(tasks=[pb.Task(job_id=name, kind=1)])},  # type: ignore[arg-type]
        {"reduce_done": pb.ReduceDone(job_id="job", file=file)},
        {"map_done": pb.MapDone(job_id="job", file=file)},
    ):
        with pytest.raises(codec.BadFrame, match=r"can't be a (job id|file name)"):
            codec.decode(frame_with(**kind))


def test_the_types_of_many_files_are_one_object_and_short() -> None:
    def typed(name: str) -> str:
        file = pb.OutputFile(name="mr-out-0", key_type=name)
        (done,) = codec.decode(
            frame_with(reduce_done=pb.ReduceDone(job_id="job", file=file))
        ).messages
        assert isinstance(done, m.ReduceDone)
        return done.file.key_type

    assert typed("(str, int)") is typed("(str, int)")
    with pytest.raises(codec.BadFrame, match="is no name of a type"):
        typed("(" + ", ".join(["int"] * 300) + ")")


def test_a_workers_name_is_one_short_line_whatever_it_says() -> None:
    name = "host\n\x1b[31mFATAL\x1b[0m" + "x" * 1000
    register = pb.Register(name=name, host=name, slots=1)
    (told,) = codec.decode(frame_with(register=register)).messages
    assert isinstance(told, m.Register)
    for text in (told.name, told.host):
        assert text.startswith("host??[31mFATAL?[0mxxx")
        assert len(text) == 100
