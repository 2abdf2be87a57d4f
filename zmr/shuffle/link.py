"""The connection with one worker's shuffle server: asks for pieces of map outputs, and asks again.

Each request is the credit for one answer, and at most `MAX_UNDER_WAY` of them have none yet. The
server answers in order; so whatever was asked for before the piece that comes is lost if it
hasn't come, and is asked for again. When nothing comes at all, everything is asked for again, some
times, at growing intervals; then the worker counts as gone, for all sources of the link at once.
Time counts only while a source waits: a process that was itself paused must not count that time as
the worker's silence.
"""

from __future__ import annotations

import socket as std_socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from math import ceil
from time import monotonic

import zmq

from zmr.shuffle.endpoint import connect, without_key
from zmr.shuffle.protocol import (
    MAX_PIECE_BYTES,
    MAX_UNDER_WAY,
    BadFrame,
    FetchReply,
    FetchRequest,
    decode_reply,
    encode_request,
)

# A piece that was lost so often is not going to come.
_MOST_TIMES = 6

# A worker whose port refuses connections may be starting again; it has this long.
_REFUSED_S = 2.5
_PROBE_S = 1.0

# An answer is a piece and a little more; a peer that sends more is no shuffle server.
_LARGEST_ANSWER_BYTES = MAX_PIECE_BYTES + 4096


class Piece:
    """Some bytes of a map output: asked for, then here (`data`), or not to be had (`error`)."""

    __slots__ = (
        "data",
        "error",
        "file_bytes",
        "first_asked",
        "is_wanted",
        "last_asked",
        "request",
        "times",
    )

    def __init__(self, request: FetchRequest) -> None:
        self.request = request
        self.data: memoryview | None = None
        self.file_bytes = 0
        self.error = ""
        self.times = 0  # it was asked for
        self.first_asked = self.last_asked = 0  # in the order of all requests of its link
        self.is_wanted = True


class Link:
    """The connection. `patience_s` is how long to wait while nothing comes, each time before
    everything is asked for again, and at last before giving up.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        address: str,
        patience_s: tuple[float, ...],
        on_bytes: Callable[[int], None],
    ) -> None:
        self.address = without_key(address)
        self.ignored = 0  # answers that made no sense, or came twice
        self._error = ""  # the worker is gone
        self._patience_s = patience_s
        self._on_bytes = on_bytes
        self._queue: deque[Piece] = deque()  # to be asked for when others have come
        self._asked: dict[int, Piece] = {}  # under way, in the order of the latest requests
        self._n_asked = 0
        self._socket = context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        # Bounded by what is asked for; and never must a full queue hold up or drop an answer.
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, _LARGEST_ANSWER_BYTES)
        connect(self._socket, address)

    def close(self) -> None:
        self._socket.close(linger=0)

    def ask(self, piece: Piece) -> None:
        """Ask for the piece, now or in its turn."""
        self._queue.append(piece)
        self._ask_more()

    def wait(self, piece: Piece) -> memoryview:
        """The piece, when it is here. Raises OSError."""
        self._receive()
        while piece.data is None:
            if piece.error or self._error:
                raise OSError(piece.error or self._error)
            self._wait()
        return piece.data

    def _wait(self) -> None:
        """Take in something; ask again if there is nothing. Raises OSError."""
        waited_s = 0.0
        for patience_s in self._patience_s:
            if self._comes_within(patience_s):
                return
            waited_s += patience_s
            if waited_s > _REFUSED_S and self._refuses():
                self._error = f"nothing listens there, for {waited_s:g} s"
                raise OSError(self._error)
            self._ask_again(list(self._asked.values()))
            self._ask_more()  # what is not wanted any more has made room
        self._error = f"no answer for {waited_s:g} s: is the port closed between these machines?"
        raise OSError(self._error)

    def _comes_within(self, timeout_s: float) -> bool:
        deadline = monotonic() + timeout_s
        while (left_s := deadline - monotonic()) > 0:
            if self._socket.poll(ceil(left_s * 1000)) and self._receive():
                return True
        return False

    def _receive(self) -> bool:
        """Take in all that has come. Whether any of it was of use."""
        was_of_use = False
        try:
            while True:
                was_of_use |= self._take(self._socket.recv_multipart(zmq.NOBLOCK, copy=False))
        except zmq.Again:
            self._ask_more()
            return was_of_use

    def _take(self, parts: list[zmq.Frame]) -> bool:
        try:
            head, body = parts
            reply = decode_reply(head.bytes)
        except (ValueError, BadFrame):
            self.ignored += 1
            return False
        piece = self._asked.pop(reply.id, None)
        if piece is None:
            self.ignored += 1  # it came before, or is not wanted any more
            return False
        self._note_lost(piece)
        if piece.is_wanted:
            self._use(piece, reply, body.buffer)
        return True

    def _note_lost(self, come: Piece) -> None:
        """Ask again for what was asked for before this piece, which has come, and hasn't come."""
        lost = []
        for piece in self._asked.values():
            if piece.last_asked >= come.first_asked:
                break
            lost.append(piece)
        if lost:
            self._ask_again(lost)

    def _use(self, piece: Piece, reply: FetchReply, data: memoryview) -> None:
        if reply.error:
            piece.error = reply.error
        elif len(data) != _expected_bytes(piece.request, reply.file_bytes):
            self.ignored += 1
            self._ask_again([piece])
        else:
            piece.data, piece.file_bytes = data, reply.file_bytes
            self._on_bytes(len(data))

    # --- asking ---

    def _ask_more(self) -> None:
        while self._queue and len(self._asked) < MAX_UNDER_WAY:
            piece = self._queue.popleft()
            if piece.is_wanted:
                piece.first_asked = self._n_asked
                self._send(piece)

    def _ask_again(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._asked.pop(piece.request.id, None)
            if not piece.is_wanted:
                continue
            if piece.times >= _MOST_TIMES:
                piece.error = f"no good answer to {piece.times} requests"
            else:
                self._send(piece)

    def _send(self, piece: Piece) -> None:
        piece.times += 1
        piece.last_asked = self._n_asked
        self._n_asked += 1
        self._asked[piece.request.id] = piece
        with suppress(zmq.Again):  # treated as lost on the way
            self._socket.send(encode_request(piece.request), zmq.NOBLOCK)

    def _refuses(self) -> bool:
        """Whether nothing listens at the worker's port, though its machine answers."""
        if not self.address.startswith("tcp://"):
            return False
        host, _, port = self.address.removeprefix("tcp://").rpartition(":")
        try:
            with std_socket.create_connection((host.strip("[]"), int(port)), _PROBE_S):
                return False
        except ConnectionRefusedError:
            return True
        except OSError:
            return False


def _expected_bytes(request: FetchRequest, file_bytes: int) -> int:
    """How many bytes must come with the answer to this request, of a file of this size."""
    if request.from_end:
        return min(request.size_bytes, file_bytes)
    return max(0, min(request.size_bytes, file_bytes - request.offset))
