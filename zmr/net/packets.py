"""What a master and the process that broadcasts its events say to each other: packets in a stream.

A packet is its size in 4 bytes, its kind in one, and its content.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

_HEADER = struct.Struct("<IB")


class Kind(IntEnum):
    """What a packet is."""

    BEGIN = 1  # to the process: where to listen, and to whom, as JSON
    WELCOME = 2  # what each new subscriber gets
    EVENTS = 3  # what all get
    KEYS = 4  # who may subscribe from now on, as JSON
    BOUND = 5  # to the master: the port
    FAILED = 6  # why there is none
    LOG = 7  # a line for its log


def packed(kind: Kind, content: bytes) -> bytes:
    """The packet."""
    return _HEADER.pack(len(content), kind) + content


class Packets:
    """Cuts what comes out of a stream into packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """The packets that are whole with these bytes."""
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            size, kind = _HEADER.unpack_from(self._rest)
            end = _HEADER.size + size
            if len(self._rest) < end:
                return
            content = bytes(self._rest[_HEADER.size : end])
            del self._rest[:end]
            yield Kind(kind), content
