"""What is too large for one frame towards a master goes in parts, and comes out whole."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zmr import messages as m
from zmr.wire import codec, parts
from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame, MissingParts
from zmr.wire.parts import FramesToMaster, encode_to_master
from zmr.wire.roles import Role

LIMIT_BYTES = 300_000
SPEC = m.JobSpec("job", "job", "wordcount", b"", "", (), 1, "/out")


@pytest.fixture(autouse=True)
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "TO_MASTER_LIMIT_BYTES", LIMIT_BYTES)
    monkeypatch.setattr(parts, "_MOST_WAITING_BYTES", 8 * LIMIT_BYTES)


def submit(n: int, path: str = "/data/{}") -> m.Submit:
    return m.Submit(SPEC, tuple(m.InputFile(path.format(i), i, i % 2 == 0) for i in range(n)))


def register(n: int) -> m.Register:
    held = tuple(m.MapDone("job", i, i, f"/out/{i}", m.Stats(i)) for i in range(n))
    return m.Register("w", "host", 1, 2, (1, 2, 3), held, "tcp://127.0.0.1:1")


def sent(*messages: m.Message) -> list[bytes]:
    return list(encode_to_master(7, messages))


def taken(
    frames: FramesToMaster, datas: list[bytes], peer: bytes = b"p", role: Role | None = None
) -> Iterator[m.Frame | None]:
    for data in datas:
        yield frames.take(peer, role, [data])


@pytest.mark.parametrize("message", [submit(3), submit(60_000), register(2), register(20_000)])
def test_a_message_comes_out_as_it_went_in(message: m.Message) -> None:
    datas = sent(message)
    assert max(map(len, datas)) <= LIMIT_BYTES
    *nothing, frame = taken(FramesToMaster(), datas)
    assert nothing == [None] * (len(datas) - 1)
    assert frame == m.Frame(7, (message,))


def test_elements_of_very_different_sizes_fit() -> None:
    paths = ["x" * (5 if i < 20_000 else 2_000) for i in range(20_300)]
    message = m.Submit(SPEC, tuple(m.InputFile(path, 1, False) for path in paths))
    datas = sent(message)
    assert max(map(len, datas)) <= LIMIT_BYTES
    *_, frame = taken(FramesToMaster(), datas)
    assert frame == m.Frame(7, (message,))


def test_other_messages_of_a_turn_have_frames_of_their_own() -> None:
    messages = (m.GetTask(1), submit(60_000), m.GetTask(2))
    frames = [frame for frame in taken(FramesToMaster(), sent(*messages)) if frame is not None]
    assert [message for frame in frames for message in frame.messages] == list(messages)


def test_several_peers_send_parts_side_by_side() -> None:
    frames, datas = FramesToMaster(), sent(register(20_000))
    for data in datas[:-1]:
        for peer in (b"a", b"b"):
            assert frames.take(peer, None, [data]) is None
    for peer in (b"a", b"b"):
        frame = frames.take(peer, None, [datas[-1]])
        assert frame is not None
        assert frame.messages == (register(20_000),)


def test_a_sender_begins_anew_after_a_loss() -> None:
    frames, datas = FramesToMaster(), sent(submit(60_000))
    assert len(datas) > 3
    assert frames.take(b"p", None, [datas[0]]) is None
    for data in datas[2:]:
        with pytest.raises(MissingParts, match="and others are missing"):
            frames.take(b"p", None, [data])
    *_, frame = taken(frames, datas)
    assert frame == m.Frame(7, (submit(60_000),))


@given(st.randoms(use_true_random=False))
def test_no_order_of_parts_gives_anything_but_the_whole(rng: Random) -> None:
    frames, datas = FramesToMaster(), sent(submit(30_000))
    for data in rng.choices(datas, k=12):
        try:
            frame = frames.take(b"p", None, [data])
        except BadFrame:
            continue
        assert frame in (None, m.Frame(7, (submit(30_000),)))


def test_parts_of_two_messages_do_not_belong_together() -> None:
    frames, one, other = FramesToMaster(), sent(submit(30_000)), sent(register(10_000))
    one, other = one[:1], [_numbered(data, len(one)) for data in other]
    assert frames.take(b"p", None, one) is None
    for data in other[1:]:
        with pytest.raises(BadFrame):
            frames.take(b"p", None, [data])


def _numbered(data: bytes, parts: int) -> bytes:
    frame = pb.Frame.FromString(data)
    frame.parts = parts
    return bytes(frame.SerializeToString())


def test_what_waits_is_bounded_and_the_oldest_goes_first() -> None:
    frames, datas = FramesToMaster(), sent(submit(60_000))
    for number in range(40):
        assert frames.take(b"%d" % number, None, [datas[0]]) is None
        assert frames._waiting_bytes <= 8 * LIMIT_BYTES
        waiting = [len(data) for parts in frames._waiting.values() for data in parts]
        assert frames._waiting_bytes == sum(waiting)
    with pytest.raises(MissingParts, match="others are missing"):
        frames.take(b"0", None, [datas[1]])
    assert frames.take(b"39", None, [datas[1]]) is None


@pytest.mark.parametrize("role", [Role.WATCH, Role.WORKER])
def test_a_part_that_the_role_may_not_send_is_not_kept(role: Role) -> None:
    frames = FramesToMaster()
    for data in sent(submit(60_000)):
        with pytest.raises(BadFrame, match="may not send a master submit"):
            frames.take(b"p", role, [data])
    assert not frames._waiting


@pytest.mark.parametrize(("part", "parts"), [(2, 1), (1, 1000), (1, 1), (3, 2)])
def test_a_part_of_nothing_is_refused(part: int, parts: int) -> None:
    data = pb.Frame(version=codec.VERSION, part=part, parts=parts).SerializeToString()
    with pytest.raises(BadFrame, match="which can't be"):
        FramesToMaster().take(b"p", None, [data])


def test_what_has_no_parts_and_is_too_large_is_not_sent() -> None:
    with pytest.raises(ValueError, match="more than a master takes"):
        sent(m.Leave("x" * LIMIT_BYTES))
    with pytest.raises(ValueError, match="more than a master takes"):
        sent(submit(2, "x" * LIMIT_BYTES))
    with pytest.raises(ValueError, match="more than a master takes"):
        sent(submit(400, "x" * (LIMIT_BYTES // 4)))


def test_many_empty_elements_are_not_made() -> None:
    empty = pb.Message(submit=pb.Submit(inputs=[pb.InputFile()] * 140_000))
    datas = [
        pb.Frame(version=codec.VERSION, messages=[empty], part=part, parts=9).SerializeToString()
        for part in range(1, 10)
    ]
    with pytest.raises(BadFrame, match="more than 1,000,000 inputs"):
        list(taken(FramesToMaster(), datas))


def test_a_large_frame_that_is_not_allowed_is_not_even_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = codec.encode(m.Frame(0, (submit(10_000),)))
    assert codec.QUICKLY_PARSED_BYTES < len(large) < LIMIT_BYTES
    monkeypatch.setattr(codec, "parse", None)
    with pytest.raises(BadFrame, match="may not send a master submit"):
        FramesToMaster().take(b"p", Role.WORKER, [large])


@pytest.mark.parametrize("kind", ["two messages", "none", "other number", "no elements"])
def test_parts_that_are_no_parts_of_one_are_refused(kind: str) -> None:
    first, second = pb.Message(), pb.Message()
    first.submit.inputs.add(path=b"/a")
    second.submit.inputs.add(path=b"/b")
    datas = [[first], [second]]
    numbers = [2, 2]
    if kind == "two messages":
        datas[1] = [second, second]
    elif kind == "none":
        datas[1] = []
    elif kind == "other number":
        numbers = [3, 2]
    else:
        datas = [[pb.Message(leave=pb.Leave())]] * 2
    frames = FramesToMaster()
    encoded = [
        pb.Frame(
            version=codec.VERSION, messages=messages, part=part, parts=parts
        ).SerializeToString()
        for part, (messages, parts) in enumerate(zip(datas, numbers, strict=True), 1)
    ]
    assert frames.take(b"p", None, [encoded[0]]) is None
    with pytest.raises(BadFrame):
        frames.take(b"p", None, [encoded[1]])


def test_a_frame_beyond_the_limit_is_refused_whatever_it_holds() -> None:
    data = codec.encode(m.Frame(0, (m.Leave("x" * LIMIT_BYTES),)))
    with pytest.raises(BadFrame, match="bytes; a master takes 300,000"):
        FramesToMaster().take(b"p", None, [data])
