"""The packets that a slot pool and its fork server exchange, on a socket pair.

    pool to fork server    START   a slot, with a memory limit; attached are the slot's own
                                   socket, and the pipe for what it prints
                           KILL    a slot
    fork server to pool    STARTED a slot's process, with its pid
                           ENDED   a slot's process, reaped: its exit code and memory
                           FAILED  the fork server can't do its work, for the reason in the text

The end of the connection is a message too: one side is gone, and the slots go with it.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple

CONTROL_FD = 3  # where a fork server finds its end of the connection
PACKET_BYTES = 4096  # the longest packet

_HEAD = struct.Struct("<BIqQ?")


class Op(IntEnum):
    START = 1
    KILL = 2
    STARTED = 3
    ENDED = 4
    FAILED = 5


class Packet(NamedTuple):
    op: Op
    slot: int = 0
    value: int = 0  # START: limit in bytes, or 0; STARTED: pid; ENDED: exit code, or minus a signal
    peak_bytes: int = 0  # ENDED: the largest resident set
    over_memory: bool = False  # ENDED: killed for outgrowing its limit
    text: str = ""  # FAILED


def pack(packet: Packet) -> bytes:
    """The bytes of a packet; a text too long is cut."""
    *head, text = packet
    return (_HEAD.pack(*head) + text.encode("utf-8", "backslashreplace"))[:PACKET_BYTES]


def unpack(data: bytes) -> Packet:
    """The packet that `pack` made `data` of."""
    op, slot, value, peak_bytes, over_memory = _HEAD.unpack_from(data)
    text = data[_HEAD.size :].decode("utf-8", "replace")
    return Packet(Op(op), slot, value, peak_bytes, over_memory, text)
