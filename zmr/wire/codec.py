"""Frames to bytes and back.

Promise: `decode` either returns a frame whose every field is of the kind and within the bounds that
the cores rely on, or raises `BadFrame`; there is no third outcome, whatever the bytes. What a peer
sends is checked here so that the cores never have to ask whether a value makes sense: the frame by
this module, each field by `zmr.wire.converters`, which is made from the types in `zmr.messages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from zmr import messages as m
from zmr.wire import converters, scan
from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame, MissingParts, several

__all__ = [
    "BadFrame",
    "MissingParts",
    "OtherVersion",
    "decode",
    "decode_events",
    "decode_joined_events",
    "encode",
    "encode_all",
    "encode_event",
    "join_events",
    "only",
    "parse",
    "read",
]

VERSION = 1

# The largest frame that is parsed. A reduce of 100,000 maps takes less than half of it.
FRAME_LIMIT_BYTES = 64 * 1024 * 1024

# What a master takes in one frame; what is larger comes in parts (`zmr.wire.parts`).
TO_MASTER_LIMIT_BYTES = 2 * 1024 * 1024

# Millions of empty messages would fit into those bytes, each an object to make and a thing to do.
FRAME_LIMIT_MESSAGES = 1_000

# Below, it is not worth while to look at a frame before it is parsed.
QUICKLY_PARSED_BYTES = 64 * 1024

_T = TypeVar("_T")


class OtherVersion(BadFrame):
    """The frame is of another version of the protocol."""


# --- outer frames ------------------------------------------------------------------------------


def encode(frame: m.Frame) -> bytes:
    """The bytes of a frame."""
    outer = pb.Frame(version=VERSION, epoch=frame.epoch)
    add = outer.messages.add
    for message in frame.messages:
        converters.write_kind(add(), message)
    encoded: bytes = outer.SerializeToString()
    return encoded


def encode_all(
    epoch: int, messages: Sequence[m.Message], limit_bytes: int | None = None
) -> Iterator[bytes]:
    """The bytes of one frame with the messages, or of as many as it takes to keep to the limits.

    One message alone may be larger than `limit_bytes`; None is the limit of any frame.
    """
    limit_bytes = limit_bytes or FRAME_LIMIT_BYTES
    data = encode(m.Frame(epoch, tuple(messages))) if len(messages) <= FRAME_LIMIT_MESSAGES else b""
    if len(messages) == 1 or 0 < len(data) <= limit_bytes:
        yield data
    else:
        middle = len(messages) // 2
        yield from encode_all(epoch, messages[:middle], limit_bytes)
        yield from encode_all(epoch, messages[middle:], limit_bytes)


def decode(data: bytes | memoryview) -> m.Frame:
    """The frame that the bytes hold. Raises `BadFrame`."""
    if QUICKLY_PARSED_BYTES < len(data) <= FRAME_LIMIT_BYTES:
        scan.outline(data, FRAME_LIMIT_MESSAGES)
    return read(parse(data))


def parse(data: bytes | memoryview) -> pb.Frame:
    """The frame in protobuf's form, with its fields unchecked. Raises `BadFrame`."""
    parsed: pb.Frame = _parse(pb.Frame, data)
    if len(parsed.messages) > FRAME_LIMIT_MESSAGES:
        raise BadFrame(f"a frame of more than {FRAME_LIMIT_MESSAGES:,} messages")
    return parsed


def read(parsed: pb.Frame) -> m.Frame:
    """The values that it holds. Raises `BadFrame`."""
    return m.Frame(parsed.epoch, tuple(map(_read_message, parsed.messages)))


def decode_only(parts: Sequence[bytes]) -> m.Frame:
    """The frame of a ZeroMQ message, which has one part. Raises `BadFrame`."""
    return decode(only(parts))


def only(parts: Sequence[_T]) -> _T:
    """The one part of a ZeroMQ message. Raises `BadFrame` if there are others."""
    if len(parts) != 1:
        raise BadFrame(f"a message of {len(parts)} parts; one is expected")
    return parts[0]


def encode_event(event: m.Published) -> bytes:
    """The bytes of one published event, of which `join_events` makes those of many."""
    outer = pb.Events()
    converters.write_published(outer.events.add(), event)
    encoded: bytes = outer.SerializeToString()
    return encoded


def join_events(epoch: int, events: Iterable[bytes]) -> bytes:
    """The bytes of what one turn published, from those of its events.

    Messages of protobuf one after the other are one message, with the elements of all of them.
    """
    outer: bytes = pb.Events(version=VERSION, epoch=epoch).SerializeToString()
    return b"".join((outer, *events))


def decode_joined_events(events: Iterable[bytes]) -> tuple[m.Published, ...]:
    """The events that `encode_event` has made the bytes of."""
    parsed = pb.Events.FromString(b"".join(events))
    return tuple(map(converters.read_published, parsed.events))


def decode_events(data: bytes | memoryview) -> tuple[int, tuple[m.Published, ...]]:
    """The epoch and the events. Raises `BadFrame`."""
    parsed = _parse(pb.Events, data)
    return parsed.epoch, tuple(map(converters.read_published, parsed.events))


def _parse(kind: Any, data: bytes | memoryview) -> Any:
    if len(data) > FRAME_LIMIT_BYTES:
        raise BadFrame(
            f"a frame of {len(data):,} bytes; the largest allowed has {FRAME_LIMIT_BYTES:,}"
        )
    try:
        parsed = kind.FromString(data)
    except (DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadFrame(f"not a zmr frame ({len(data):,} bytes)") from error
    if parsed.version != VERSION:
        raise OtherVersion(
            f"protocol version {parsed.version}, but this side speaks version {VERSION}: "
            "run the same zmr version on both sides"
        )
    return parsed


def _read_message(message: pb.Message) -> m.Message:
    if message.HasField("submit"):  # in a journal there may be more
        several(message.submit.inputs, "input files")
    return converters.read_kind(message)
