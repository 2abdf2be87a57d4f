"""What a frame holds, seen in its bytes before an object is made for any of it.

Only the outer fields are looked at, and the first one of each message, which is the message's kind;
protobuf's encoding says of each how long it is.
"""

from __future__ import annotations

from typing import NamedTuple

from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame

_MESSAGES = pb.Frame.DESCRIPTOR.fields_by_name["messages"].number
_PART = pb.Frame.DESCRIPTOR.fields_by_name["part"].number
_VARINT, _I64, _LENGTH, _I32 = 0, 1, 2, 5

# Beside the messages there are a version, an epoch, and what part it is. Any of them may stand
# there again, and each costs time.
_MOST_OTHERS = 16


class Outline(NamedTuple):
    """What is seen of a frame."""

    kinds: set[int]  # of its messages, as numbers of fields of `Message`; 0: an empty one
    part: int  # the frame's field


def outline(data: bytes | memoryview, limit: int) -> Outline:
    """What the frame holds, as far as it is one: of other bytes the parser has a better word.

    Raises `BadFrame` for more than `limit` messages, or many other fields.
    """
    kinds: set[int] = set()
    position, part, n_messages, n_others = 0, 0, 0, 0
    try:
        while position < len(data):
            tag, position = _varint(data, position)
            field, wire_type = tag >> 3, tag & 7
            n_messages += field == _MESSAGES
            n_others += field != _MESSAGES
            if wire_type == _LENGTH:
                length, position = _varint(data, position)
                if field == _MESSAGES:
                    kinds.add(_varint(data, position)[0] >> 3 if length else 0)
                position += length
            elif wire_type == _VARINT:
                value, position = _varint(data, position)
                part = value if field == _PART else part
            elif wire_type in (_I64, _I32):
                position += 8 if wire_type == _I64 else 4
            else:
                break
            if n_messages > limit:
                raise BadFrame(f"a frame of more than {limit:,} messages")
            if n_others > _MOST_OTHERS:
                raise BadFrame(f"a frame with more than {_MOST_OTHERS} fields that are no messages")
    except IndexError:
        pass
    return Outline(kinds, part)


def _varint(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """The number there, and where the next thing begins. Raises IndexError if there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise IndexError
