"""Frames at the edge of what is allowed, and beyond: each with what has to be made of it.

`zmr.wire` promises that a frame is either read, with fields that the cores can rely on, or refused;
and that what is too much for a frame goes in several. A stranger makes frames of which it knows
what has to come of them, and looks whether it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any
from unittest.mock import patch

from zmr import messages as m
from zmr.wire import codec, scan, stream
from zmr.wire import zmr_pb2 as pb

_SPEC = m.JobSpec("job-98", "odd", "odd", b"", "", (), 1, "/out/odd")
_STEP = m.Step("odd", (), 1)

_NAMES = ("a", "job-98", "_.-", "a" * 100), ("", "a" * 101, ".a", "../a", "a/b", "a\n", "ä")
_ENDPOINTS = (
    ("", "tcp://a:1", "tcp://127.0.0.1:65535", "tcp://[::1]:80", "tcp://[fe80::1%eth0]:80"),
    ("tcp://", "ipc:///a", "tcp://a b:1", "tcp://a:", "tcp://a:123456", "tcp://a:1\n"),
)
_SECONDS = (2**-30, 0.5, 1.0, 2.0**30), (0.0, -0.5, math.inf, math.nan)
_FRACTIONS = (0.0, 0.5, 1.0), (-0.5, -1.0, 1.5, 2.0, math.nan, math.inf)
_CREDITS = (0, 1, 1_000_000), (1_000_001, 2**31)

# A message with a field, values of the field that are right, and some that are wrong: the first and
# the last ones of both.
_FIELDS: tuple[tuple[Callable[[Any], m.Message], tuple[tuple[Any, ...], tuple[Any, ...]]], ...] = (
    (m.GetTask, _CREDITS),
    (m.Heartbeat, _CREDITS),
    (lambda slots: m.Register("x", "x", 1, slots), ((1, 2, 10_000), (0, 10_001))),
    (lambda place: m.Register("x", "x", 1, 1, shuffle_address=place), _ENDPOINTS),
    (lambda part: m.Heartbeat(1, (m.Progress(1, fraction=part),)), _FRACTIONS),
    (lambda span_s: m.Registered(span_s, 1.0), _SECONDS),
    (lambda span_s: m.Registered(1.0, span_s), _SECONDS),
    (m.ForgetJob, _NAMES),
    (lambda name: m.Submit(replace(_SPEC, job_id=name), ()), _NAMES),
    (
        lambda n: m.Submit(replace(_SPEC, n_reduce=n), ()),
        ((0, 1, 1_000_000), (1_000_001, 2**31)),
    ),
    (lambda n: m.Submit(replace(_SPEC, max_attempts=n), ()), ((1, 4), (0,))),
    (lambda n: m.Submit(replace(_SPEC, steps=(_STEP,) * n), ()), ((0, 2, 1_000), (1_001, 2_000))),
    (lambda kind: m.CommitRequest("job-98", kind, 0, 1), (tuple(m.TaskKind), (0, 3, 9))),
    (
        lambda reason: m.TaskFailed("job-98", m.TaskKind.MAP, 0, 1, reason, ""),
        (tuple(m.FailureReason), (0, 10, 99)),
    ),
    (
        lambda path: m.MapDone("job-98", 0, 1, path, m.Stats()),
        (("", "/a", "/ä", "/\udc80\udcff"), ()),
    ),
)

# What is written, and how it is read: text that no encoding has, names for people.
_CHANGED = (
    (m.Leave("für 1 €"), m.Leave("für 1 €")),
    (m.Leave("\udc80 ä"), m.Leave("\\udc80 ä")),
    (m.Register("a\nb\x1b", "h", 1, 1), m.Register("a?b?", "h", 1, 1)),
    (m.Register("ä" * 101, "h", 1, 1), m.Register("ä" * 100, "h", 1, 1)),
)

# Fields that no version of the protocol has: numbers, 8 bytes, 4 bytes, text.
_UNKNOWN = (
    b"\x78\x05",
    b"\x78" + b"\xff" * 9 + b"\x01",
    b"\x71" + b"\x1a" * 8,
    b"\x6d" + b"\x1a" * 4,
    b"\xa2\x06\x02\x1a\x00",
    b"\x72\x00",
)
# Of these nothing more is known: a group, a number of 11 bytes.
_UNREADABLE = (b"\x7b", b"\x78" + b"\x80" * 10 + b"\x01")
_SIZES = (0, 1, 126, 127, 128, 300, 16_383, 16_384, 20_000)


def check_odd_frame(rng: Random) -> bytes:
    """Look at one thing. Returns a frame that has to be refused."""
    kinds = (_check_field, _check_field, _check_field, _check_text, _check_count, _check_parts)
    rng.choice((*kinds, _check_version, _check_split, _check_stream))(rng)
    make, (_, wrong) = rng.choice([field for field in _FIELDS if field[1][1]])
    data = codec.encode(m.Frame(1, (make(rng.choice(wrong)),)))
    assert _is_refused(data)
    return data


def _is_refused(data: bytes) -> bool:
    try:
        codec.decode(data)
    except codec.BadFrame:
        return True
    return False


def _check_field(rng: Random) -> None:
    """What a field may be is read as it is, and nothing else is."""
    make, (right, wrong) = rng.choice(_FIELDS)
    frame = m.Frame(rng.randrange(2**64), (make(rng.choice(right)),))
    read = codec.decode(codec.encode(frame))
    assert read == frame, f"{frame} is read as {read}"
    if wrong:
        frame = m.Frame(1, (make(rng.choice(wrong)),))
        assert _is_refused(codec.encode(frame)), f"{frame} is read, and may not be"


def _check_text(rng: Random) -> None:
    written, expected = rng.choice(_CHANGED)
    (read,) = codec.decode(codec.encode(m.Frame(1, (written,)))).messages
    assert read == expected, f"{written} is read as {read}"


def _check_version(rng: Random) -> None:
    """A frame of another version is refused as such."""
    parsed = pb.Frame.FromString(codec.encode(m.Frame(1, ())))
    parsed.version = rng.choice([0, 2, 99])
    try:
        codec.decode(parsed.SerializeToString())
    except codec.OtherVersion:
        return
    raise AssertionError(f"version {parsed.version} is read")


def _check_parts(rng: Random) -> None:
    """A ZeroMQ message has one part."""
    data = codec.encode(m.Frame(3, (m.Exit("odd"),)))
    assert codec.decode_only([data]) == m.Frame(3, (m.Exit("odd"),))
    for parts in ([], [data, b""], [data] * 3):
        try:
            codec.decode_only(parts)
        except codec.BadFrame:
            continue
        raise AssertionError(f"a message of {len(parts)} parts is read")


@contextmanager
def _limits(n_messages: int, n_bytes: int, quickly_bytes: int = 0) -> Iterator[None]:
    with (
        patch.object(codec, "FRAME_LIMIT_MESSAGES", n_messages),
        patch.object(codec, "FRAME_LIMIT_BYTES", n_bytes),
        patch.object(codec, "QUICKLY_PARSED_BYTES", quickly_bytes),
    ):
        yield


def _check_count(rng: Random) -> None:
    """A frame is read if it keeps to the limits, and refused if not, before it is parsed."""
    n = rng.randint(1, 5)
    texts = ["a" * rng.choice(_SIZES) for _ in range(n)]
    # Without the version, each is a frame with nothing but its message.
    parts = [codec.encode(m.Frame(0, (m.Exit(text),)))[2:] for text in texts]
    for _ in range(rng.randint(0, 3)):
        parts.insert(rng.randint(0, len(parts)), rng.choice(_UNKNOWN))
    data = b"\x08\x01" + b"".join(parts)
    scan.outline(data, n)
    assert _is_counted_out(data, n - 1), f"{n} messages are not counted"
    scan.outline(data[: rng.randrange(len(data))], n)
    behind = rng.choice(_UNREADABLE) + data
    scan.outline(behind, 0)  # it is the parser's to refuse
    for quickly_bytes in (0, len(data), len(data) + 1):
        with _limits(n, len(data), quickly_bytes):
            read = codec.decode(data).messages
            assert [each.reason for each in read if isinstance(each, m.Exit)] == texts
        with _limits(n - 1, len(data), quickly_bytes):
            assert _is_refused(data), "too many messages are read"
        with _limits(n, len(data) - 1, quickly_bytes):
            assert _is_refused(data), "too many bytes are read"


def _is_counted_out(data: bytes, limit: int) -> bool:
    try:
        scan.outline(data, limit)
    except codec.BadFrame:
        return True
    return False


def _check_split(rng: Random) -> None:
    """Each frame keeps to the limits, or has a single message; what fits is not split."""
    messages = [m.Exit("a" * rng.choice([0, 1, 30, 300])) for _ in range(rng.randint(1, 9))]
    whole_bytes = len(codec.encode(m.Frame(5, tuple(messages))))
    with _limits(len(messages), whole_bytes):
        assert len(list(codec.encode_all(5, messages))) == 1, "split without need"
    most, most_bytes = rng.randint(1, 9), rng.choice([10, 40, 320, 640, whole_bytes - 1])
    with _limits(most, most_bytes):
        frames = list(codec.encode_all(5, messages))
    with _limits(len(messages), whole_bytes):
        read = [codec.decode(data) for data in frames]
    assert [each for frame in read for each in frame.messages] == messages
    assert {frame.epoch for frame in read} == {5}
    for data, frame in zip(frames, read, strict=True):
        keeps_to_it = len(frame.messages) <= most and len(data) <= most_bytes
        assert keeps_to_it or len(frame.messages) == 1, "a frame beyond the limits"


def _check_stream(rng: Random) -> None:
    """A frame on a stream has a limit, too, on both sides."""
    frame = m.Frame(5, (m.Exit("a" * rng.choice([0, 1, 30, 300])),))
    data = codec.encode(frame)
    with patch.object(stream, "FRAME_LIMIT_BYTES", len(data)):
        packed = stream.pack(frame)
    assert packed == len(data).to_bytes(4, "little") + data
    with patch.object(stream, "FRAME_LIMIT_BYTES", len(data) - 1):
        try:
            stream.pack(frame)
        except ValueError:
            pass
        else:
            raise AssertionError("a frame goes that no reader accepts")
    assert stream.FrameReader(len(data)).feed(packed) == [frame]
    try:
        stream.FrameReader(len(data) - 1).feed(packed[: rng.choice([4, 5, len(packed)])])
    except codec.BadFrame:
        return
    raise AssertionError("a frame beyond the limit is waited for")
