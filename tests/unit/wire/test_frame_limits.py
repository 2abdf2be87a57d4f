"""How much a frame may hold: kept by whoever sends, held against whoever doesn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import messages as m
from zmr.wire import checks, codec, scan
from zmr.wire.parts import FramesToMaster

LIMIT = codec.FRAME_LIMIT_MESSAGES
ONE = codec.encode(m.Frame(0, (m.HeartbeatReply(),)))[2:]  # without the version


@pytest.mark.parametrize("n", [1, LIMIT, LIMIT + 1, 3 * LIMIT + 7])
def test_many_messages_become_frames_that_can_be_read(n: int) -> None:
    messages = [m.Ack((number,)) for number in range(n)]
    frames = [codec.decode(data) for data in codec.encode_all(9, messages)]
    assert [message for frame in frames for message in frame.messages] == messages
    assert {frame.epoch for frame in frames} == {9}


def test_large_messages_become_frames_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "FRAME_LIMIT_BYTES", 1000)
    messages = [m.Exit(letter * 300) for letter in "abcd"]
    frames = [codec.decode(data) for data in codec.encode_all(9, messages)]
    assert len(frames) > 1
    assert [message for frame in frames for message in frame.messages] == messages


@pytest.mark.parametrize("n", [LIMIT + 1, 1_000_000])
def test_a_frame_of_too_many_messages_is_bad(n: int) -> None:
    with pytest.raises(codec.BadFrame, match="a frame of more than 1,000 messages"):
        codec.decode(b"\x08\x01" + ONE * n)


def test_a_frame_of_too_many_messages_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "_parse", None)
    with pytest.raises(codec.BadFrame, match="a frame of more than 1,000 messages"):
        codec.decode(b"\x08\x01" + ONE * 100_000)


def test_a_large_frame_is_searched_only_as_far_as_needed() -> None:
    # Without looking ahead, the parser would make an object for each of a million messages first.
    with pytest.raises(codec.BadFrame, match="a frame of more than 3 messages"):
        scan.outline(ONE * 4 + b"\xff" * 1000, 3)


@given(st.binary())
def test_what_is_no_frame_is_left_to_the_parser(data: bytes) -> None:
    scan.outline(data, limit=1000)


@given(st.lists(st.integers(0, 2**64 - 1)), st.integers(0, 2**64 - 1))
def test_what_keeps_to_the_limit_passes(attempts: list[int], epoch: int) -> None:
    messages = tuple(m.Ack((attempt,)) for attempt in attempts)
    data = codec.encode(m.Frame(epoch, messages))
    scan.outline(data, limit=len(messages))
    if messages:
        with pytest.raises(codec.BadFrame):
            scan.outline(data, limit=len(messages) - 1)


@pytest.mark.parametrize("length", [100, 127, 128, 16_383, 16_384, 2_097_152])
def test_messages_of_any_length_are_counted(length: int) -> None:
    data = codec.encode(m.Frame(2**40, (m.Leave("x" * length), m.Ack((1,)), m.Leave("y"))))
    scan.outline(data, limit=3)
    with pytest.raises(codec.BadFrame):
        scan.outline(data, limit=2)


@pytest.mark.parametrize("parts", [0, 2, 3])
def test_a_message_of_other_than_one_part_is_bad(parts: int) -> None:
    data = codec.encode(m.Frame(1, (m.Ack((1,)),)))
    assert codec.decode_only([data]) == codec.decode(data)
    with pytest.raises(codec.BadFrame, match=f"a message of {parts} parts; one is expected"):
        codec.decode_only([data] * parts)


def test_a_master_takes_two_mebibytes_in_a_frame() -> None:
    frames = FramesToMaster()
    with pytest.raises(codec.BadFrame, match="not a zmr frame"):
        frames.take(b"peer", None, [b"\xff" * (2 << 20)])
    with pytest.raises(
        codec.BadFrame, match="a frame of 2,097,153 bytes; a master takes 2,097,152"
    ):
        frames.take(b"peer", None, [b"\xff" * ((2 << 20) + 1)])


def test_a_frame_has_few_fields_that_are_no_messages() -> None:
    scan.outline(b"\x08\x01" * 16, limit=3)
    with pytest.raises(codec.BadFrame, match="more than 16 fields that are no messages"):
        scan.outline(b"\x08\x01" * 17, limit=3)


@pytest.mark.parametrize(("port", "is_one"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_where_map_outputs_are_served_has_a_port(port: int, is_one: bool) -> None:
    address = f"tcp://10.0.0.1:{port}"
    if is_one:
        assert checks.endpoint(address) == address
    else:
        with pytest.raises(codec.BadFrame, match="is no address of a worker"):
            checks.endpoint(address)


def test_texts_for_people_are_cut_off_before_a_master_keeps_them() -> None:
    long = "a" + 100_000 * "x" + "z"
    failed = m.TaskFailed(
        "job", m.TaskKind.MAP, 0, 1, m.FailureReason.USER_ERROR, message=long, traceback=long
    )
    frame = m.Frame(0, (failed, m.CancelJob("job", long), m.Leave(long)))

    [failed, cancel, leave] = codec.decode(codec.encode(frame)).messages  # type: ignore[assignment]

    line = "a" + 999 * "x"
    assert failed.message == line
    assert failed.traceback == 29_999 * "x" + "z"
    assert (cancel, leave) == (m.CancelJob("job", line), m.Leave(line))
