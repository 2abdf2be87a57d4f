"""Frames on a byte stream, as agent and slot processes speak them: a length, then the frame.

The length is four bytes, little-endian. Nothing here waits: the reader takes whatever bytes there
are and gives the frames that they complete, the writer keeps what a non-blocking socket does not
take. Bytes that can't be frames raise `zmr.wire.codec.BadFrame`; the stream is worthless then.
"""

from __future__ import annotations

import socket
import struct

from zmr.messages import Frame
from zmr.wire.codec import FRAME_LIMIT_BYTES, BadFrame, decode, encode

_LENGTH = struct.Struct("<I")


def pack(frame: Frame) -> bytes:
    """The bytes of a frame on a stream. Raises ValueError for one that no reader would accept."""
    data = encode(frame)
    if len(data) > FRAME_LIMIT_BYTES:
        raise ValueError(f"a frame of {len(data):,} bytes; at most {FRAME_LIMIT_BYTES:,} can go")
    return _LENGTH.pack(len(data)) + data


class FrameReader:
    """Bytes in, in any pieces; frames out."""

    def __init__(self, limit_bytes: int = FRAME_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = bytearray()
        self._missing_bytes = 0  # before `_rest` can hold a whole frame

    def feed(self, data: bytes | memoryview) -> list[Frame]:
        """The frames that `data` completes; `data` may be overwritten afterwards.

        Raises `BadFrame` for a length beyond the limit and for bytes that are no frame.
        """
        if not self._rest:
            return self._take(memoryview(data))
        self._rest += data
        self._missing_bytes -= len(data)
        if self._missing_bytes > 0:
            return []
        whole, self._rest = self._rest, bytearray()
        return self._take(memoryview(whole))

    def _take(self, view: memoryview) -> list[Frame]:
        frames = []
        start, size = 0, len(view)
        needed = _LENGTH.size
        while start + needed <= size:
            (length,) = _LENGTH.unpack_from(view, start)
            if length > self._limit_bytes:
                raise BadFrame(f"a frame of {length:,} bytes; at most {self._limit_bytes:,} can go")
            needed = _LENGTH.size + length
            if start + needed > size:
                break
            frames.append(decode(view[start + _LENGTH.size : start + needed]))
            start += needed
            needed = _LENGTH.size
        self._rest += view[start:]
        self._missing_bytes = needed - (size - start)
        return frames


class FrameWriter:
    """Frames out through a non-blocking socket, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._rest = bytearray()

    def write(self, frame: Frame) -> bool:
        """Send, or keep for `flush`. Whether all is sent. Raises OSError if the peer left."""
        self._rest += pack(frame)
        return self.flush()

    def flush(self) -> bool:
        """Send what the socket takes now. Returns whether all is sent."""
        try:
            while self._rest:
                del self._rest[: self._socket.send(self._rest)]
        except BlockingIOError:
            return False
        return True
