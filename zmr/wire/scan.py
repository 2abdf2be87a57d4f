"""How many messages a frame holds, counted in its bytes before an object is made for each.

Only the outer fields are looked at; protobuf's encoding says of each how long it is.
"""

from __future__ import annotations

from zmr.wire import zmr_pb2 as pb
from zmr.wire.checks import BadFrame

_MESSAGES = pb.Frame.DESCRIPTOR.fields_by_name["messages"].number
_VARINT, _I64, _LENGTH, _I32 = 0, 1, 2, 5


def refuse_many(data: bytes | memoryview, limit: int) -> None:
    """Raise `BadFrame` if the frame holds more messages than that.

    Bytes that are no frame pass: the parser has a better word for them.
    """
    position, n_messages = 0, 0
    try:
        while position < len(data):
            tag, position = _varint(data, position)
            kind = tag & 7
            if kind == _LENGTH:
                length, position = _varint(data, position)
                position += length
            elif kind == _VARINT:
                _, position = _varint(data, position)
            elif kind in (_I64, _I32):
                position += 8 if kind == _I64 else 4
            else:
                return
            n_messages += tag >> 3 == _MESSAGES
            if n_messages > limit:
                raise BadFrame(f"a frame of more than {limit:,} messages")
    except IndexError:
        return


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
