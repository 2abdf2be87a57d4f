"""The agent's end of the stream to one slot process."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from zmr.messages import Frame, FromSlot, Message, ToSlot
from zmr.wire.codec import BadFrame
from zmr.wire.stream import FrameReader, FrameWriter

_RECEIVE_BYTES = 256 * 1024
# What can be in a socket's buffer when its process has died; more comes from another process, which
# has inherited the socket.
_MOST_LEFT_BYTES = 4 * 1024 * 1024


class Watcher(Protocol):
    """The part of a reactor that slots need."""

    def watch(self, source: int, on_readable: Callable[[], None]) -> None: ...
    def unwatch(self, source: int) -> None: ...
    def watch_writable(self, fd: int, on_writable: Callable[[], None]) -> None: ...
    def unwatch_writable(self, fd: int) -> None: ...


class Channel:
    """Messages to and from one slot.

    `on_messages` gets every message, many at once; `on_broken` is called once when nothing more can
    come: the slot closed the stream, or wrote what is no message.
    """

    def __init__(
        self,
        reactor: Watcher,
        on_messages: Callable[[tuple[FromSlot, ...]], None],
        on_broken: Callable[[], None],
    ) -> None:
        self._socket, self.slot_end = socket.socketpair()
        self._socket.setblocking(False)
        self._reactor = reactor
        self._on_messages = on_messages
        self._on_broken = on_broken
        self._reader = FrameReader()
        self._writer = FrameWriter(self._socket)
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._open = True
        self._blocked = False  # the socket's buffer is full, the writer holds the rest
        reactor.watch(self._socket.fileno(), self._on_readable)

    def send(self, messages: Sequence[ToSlot]) -> None:
        """Send all of `messages` in one frame. A slot that has died doesn't get them."""
        if self._open:
            self._sending(lambda: self._writer.write(Frame(0, tuple(messages))))

    def drain(self) -> None:
        """Deliver what is there of a slot that has ended, without waiting for more."""
        for _ in range(_MOST_LEFT_BYTES // _RECEIVE_BYTES):
            if not self._open or not self._receive():
                return

    def close(self) -> None:
        """Let go of everything. Nothing is delivered from here on."""
        self._stop()
        self._socket.close()
        self.slot_end.close()

    def _on_readable(self) -> None:
        self._receive()

    def _receive(self) -> bool:
        """Deliver one bufferful. False: there was nothing, or there will never be more."""
        try:
            size = self._socket.recv_into(self._buffer)
        except BlockingIOError:
            return False
        except ConnectionResetError:  # it ended without having read everything
            size = 0
        if size == 0:
            self._break()
            return False
        try:
            frames = self._reader.feed(self._buffer[:size])
        except BadFrame:
            self._break()
            return False
        messages = [message for frame in frames for message in frame.messages]
        good = tuple(_from_slot(messages))
        if good:
            self._on_messages(good)
        if self._open and len(good) < len(messages):
            self._break()
        return self._open  # unless `on_messages` has closed it

    def _on_writable(self) -> None:
        self._sending(self._writer.flush)

    def _sending(self, send: Callable[[], bool]) -> None:
        try:
            all_sent = send()
        except OSError:  # its end is closed, which the next read reports
            all_sent = True
        if self._blocked and all_sent:
            self._reactor.unwatch_writable(self._socket.fileno())
        elif not self._blocked and not all_sent:
            self._reactor.watch_writable(self._socket.fileno(), self._on_writable)
        self._blocked = not all_sent

    def _break(self) -> None:
        self._stop()
        self._on_broken()

    def _stop(self) -> None:
        if self._open:
            self._open = False
            self._reactor.unwatch(self._socket.fileno())
            self._reactor.unwatch_writable(self._socket.fileno())


def _from_slot(messages: Iterable[Message]) -> Iterator[FromSlot]:
    """Those before the first one that no slot sends."""
    for message in messages:
        if not isinstance(message, FromSlot):
            return
        yield message
