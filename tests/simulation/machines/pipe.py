"""The stream between an agent and a slot: frames in pieces, through the code that joins them."""

from __future__ import annotations

import socket
from itertools import pairwise
from random import Random
from typing import TypeVar, cast

from zmr import messages as m
from zmr.wire.stream import FrameReader, FrameWriter, pack

_Carried = TypeVar("_Carried", bound=m.Message)

_EMPTY = m.Frame(0, ())

# Until the socket has taken all, at most.
_MOST_FLUSHES = 100_000


class Pipe:
    """One direction of it. What goes in comes out at once, in whatever pieces."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._socket = _Socket(rng)
        self._writer = FrameWriter(cast(socket.socket, self._socket))
        self._reader = FrameReader()

    def carry(self, message: _Carried) -> _Carried:
        """The message, as it comes out."""
        rng = self._rng
        frames = [_EMPTY] * rng.randint(0, 2) + [m.Frame(0, (message,))]
        frames += [_EMPTY] * rng.randint(0, 1)
        ends, size = [], 0
        for frame in frames:
            size += len(pack(frame))
            ends.append(size)
            self._write(frame, size)
        data = self._socket.take()
        assert len(data) == size, f"{len(data)} bytes were sent, not {size}"
        read: list[m.Frame] = []
        cuts = {0, size, *(rng.choice([1, 3, 4, 5, size - 1, rng.randrange(size)]) for _ in "abc")}
        places = sorted(cut for cut in cuts if cut <= size)
        for begin, end in pairwise(places):
            read += self._reader.feed(data[begin:end])
            whole = sum(at <= end for at in ends)
            assert len(read) == whole, f"{whole} frames are there, and {len(read)} are read"
        assert read == frames, f"{frames} have become {read}"
        (carried,) = (each for frame in read for each in frame.messages)
        return cast(_Carried, carried)

    def _write(self, frame: m.Frame, size: int) -> None:
        is_sent = self._writer.write(frame)
        for _ in range(_MOST_FLUSHES):
            assert is_sent == (self._socket.n_taken == size), (
                "not all is sent, or more than it says"
            )
            if is_sent:
                return
            is_sent = self._writer.flush()
        raise AssertionError("the frame is never sent")


class _Socket:
    """Takes some bytes, and sometimes none until later."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._taken = bytearray()

    @property
    def n_taken(self) -> int:
        return len(self._taken)

    def send(self, data: bytearray) -> int:
        if self._rng.random() < 0.3:
            raise BlockingIOError
        n = min(len(data), self._rng.choice([1, 5, 100, 10_000]))
        self._taken += data[:n]
        return n

    def take(self) -> bytes:
        """All that it has got."""
        data = bytes(self._taken)
        self._taken.clear()
        return data
